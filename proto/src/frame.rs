//! WebSocket frames (RFC 6455 §5): events out of bytes, bytes out of payloads. Owns framing, masking, fragmentation
//! and the rules that a frame can break; never a socket, a whole message, or what a message means.
//!
//! The reader works in the caller's buffer: payload is unmasked where it lies and given as ranges, so that nothing
//! is copied and nothing is ever allocated by the size that a header announces.

pub mod mask;
mod reader;
mod writer;

use std::fmt;
use std::ops::{Deref, Range};

pub use reader::{FrameReader, Peer};
pub use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};
pub use writer::{
    BINARY, CLOSE, CONTINUATION, HEADER_BYTES_MAX, PING, PONG, TEXT, header_len, push_close, push_frame,
    push_masked_close, push_masked_frame, write_header,
};

/// Most payload bytes of a control frame (RFC 6455 §5.5).
pub const CONTROL_BYTES_MAX: usize = 125;

/// Close codes that the daemon sends (PROTOCOL §7, RFC 6455 §7.4.1).
pub mod close {
    /// The conversation is over.
    pub const NORMAL: u16 = 1000;
    /// The daemon is ending.
    pub const GOING_AWAY: u16 = 1001;
    /// A frame or an envelope broke the protocol.
    pub const PROTOCOL: u16 = 1002;
    /// A text that is not UTF-8.
    pub const INVALID_TEXT: u16 = 1007;
    /// No or bad authentication in time.
    pub const POLICY: u16 = 1008;
    /// A message over the limit of its phase.
    pub const TOO_LARGE: u16 = 1009;
    /// There is no memory at present (IANA's registry of RFC 6455 §11.7).
    pub const TRY_AGAIN_LATER: u16 = 1013;
}

/// What kind of data message a piece belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataKind {
    /// UTF-8, checked before it is handed out.
    Text,
    /// Any bytes.
    Binary,
}

/// What [`FrameReader::next`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// All input is used up; call again with the bytes that follow it.
    NeedMore,
    /// The next piece of a data message. A message is one or more pieces in order; a frame boundary shows nowhere.
    Data(Piece),
    /// A ping, to be answered with a pong of the same payload.
    Ping(ControlPayload),
    /// A pong, asked for or not.
    Pong(ControlPayload),
    /// The peer's close frame. Whatever follows it is swallowed.
    Close(ClosePayload),
}

/// A piece of a data message, unmasked, in the caller's buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Text or binary.
    pub kind: DataKind,
    /// Where in the slice given to [`FrameReader::next`] the bytes lie. Empty for an empty message, and for an empty
    /// last frame.
    pub range: Range<usize>,
    /// Nothing of this message came before this piece.
    pub first: bool,
    /// The message ends with this piece. `first && last`: the whole message lies in the range.
    pub last: bool,
}

/// The payload of a ping, a pong, or a close frame's reason: at most [`CONTROL_BYTES_MAX`] bytes, held in place.
#[derive(Clone, Copy)]
pub struct ControlPayload {
    bytes: [u8; CONTROL_BYTES_MAX],
    len: u8,
}

impl ControlPayload {
    const fn empty() -> Self {
        Self { bytes: [0; CONTROL_BYTES_MAX], len: 0 }
    }

    /// Adds bytes as far as there is room; a frame's announced length, checked before, keeps it within.
    fn extend(&mut self, more: &[u8]) {
        let start = usize::from(self.len);
        let taken = more.len().min(CONTROL_BYTES_MAX - start);
        self.bytes[start..start + taken].copy_from_slice(&more[..taken]);
        self.len += taken as u8;
    }
}

impl Deref for ControlPayload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl PartialEq for ControlPayload {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

impl Eq for ControlPayload {}

impl fmt::Debug for ControlPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ControlPayload({:?})", &self[..])
    }
}

/// What a close frame said. The code, where there is one, may be sent back as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClosePayload {
    /// The close code, checked to be one that may be sent (RFC 6455 §7.4.2); `None` for an empty close frame.
    pub code: Option<u16>,
    reason: ControlPayload,
}

impl ClosePayload {
    /// The reason's text, at most 123 bytes.
    pub fn reason(&self) -> &str {
        // It was checked when the frame was read.
        std::str::from_utf8(&self.reason).unwrap_or_default()
    }

    /// Reads the payload of a close frame (RFC 6455 §5.5.1).
    fn parse(payload: &[u8]) -> Result<Self, Violation> {
        let (code, reason) = match payload {
            [] => (None, payload),
            [_] => {
                return Err(Violation::protocol(
                    "a close frame's payload is empty or begins with a code of two bytes",
                ));
            }
            [high, low, reason @ ..] => (Some(u16::from_be_bytes([*high, *low])), reason),
        };
        if code.is_some_and(|code| !CloseCode::from(code).is_allowed()) {
            return Err(Violation::protocol("a close code that must not be sent"));
        }
        if std::str::from_utf8(reason).is_err() {
            return Err(Violation::invalid_text());
        }
        let mut kept = ControlPayload::empty();
        kept.extend(reason);
        Ok(Self { code, reason: kept })
    }
}

/// A broken rule of RFC 6455, or a limit passed: the connection is to be failed with this code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Violation {
    /// The code for the close frame: 1002, 1007 or 1009.
    pub close_code: u16,
    /// What was wrong, for the close frame's reason and the log.
    pub reason: &'static str,
}

impl Violation {
    const fn protocol(reason: &'static str) -> Self {
        Self { close_code: close::PROTOCOL, reason }
    }

    const fn invalid_text() -> Self {
        Self { close_code: close::INVALID_TEXT, reason: "a text that is not UTF-8" }
    }

    const fn too_large() -> Self {
        Self { close_code: close::TOO_LARGE, reason: "a message over the size limit" }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.reason, self.close_code)
    }
}

impl std::error::Error for Violation {}
