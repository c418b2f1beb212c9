//! The wire of jstorrent-io-daemon: bytes in, values out. No socket, file, thread or clock.

pub mod admission;
pub mod body;
pub mod content_type;
pub mod error;
pub mod frame;
mod framing;
pub mod http_date;
pub mod limits;
pub mod mime;
pub mod path;
pub mod percent;
pub mod precondition;
pub mod query;
pub mod range;
pub mod request;
pub mod response;
pub mod route;
pub mod rpc_info;
pub mod token;
pub mod upgrade;
pub mod utf8;
