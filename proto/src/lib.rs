//! The wire of jstorrent-io-daemon: bytes in, values out. No socket, file, thread or clock.

pub mod frame;
pub mod utf8;
