//! The wire of jstorrent-io-daemon: bytes in, values out. No socket, file, thread or clock.

mod binary;
mod codec;
mod framing;
mod json;

pub mod admission;
pub mod body;
pub mod content_type;
pub mod digest;
pub mod disposition;
pub mod envelope;
pub mod errno;
pub mod error;
pub mod feature;
pub mod field;
pub mod frame;
pub mod host;
pub mod http_date;
pub mod limits;
pub mod message;
pub mod mime;
pub mod object;
pub mod op;
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
