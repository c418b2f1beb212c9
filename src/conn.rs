//! One file, or folder, for each kind of connection: bytes in, bytes out. No kind knows another: they write notes. None
//! does I/O, reads a clock or blocks.

pub mod dial;
pub mod file_work;
pub mod http;
pub mod listener;
pub mod outgoing;
pub mod tcp;
pub mod udp;
pub mod websocket;

/// How a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// With a reset: the other side must not take what it got for the whole.
    pub abort: bool,
}
