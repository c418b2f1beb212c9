//! Frames of RFC 6455, byte by byte as a client may send them, whole or in parts.

use std::net::TcpStream;

use crate::support::DEADLINE;
use crate::support::daemon::Daemon;
use crate::support::http::Http;
use crate::support::ws::Ws;

pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const BINARY: u8 = 2;
pub(crate) const PING: u8 = 9;

/// A whole message in one frame.
pub(crate) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    fragment(opcode, payload, true)
}

/// A part of a message; masked by zero, which changes nothing.
pub(crate) fn fragment(opcode: u8, payload: &[u8], is_last: bool) -> Vec<u8> {
    let mut bytes = vec![opcode | if is_last { 0x80 } else { 0 }];
    match payload.len() {
        len @ 0..=125 => bytes.push(0x80 | len as u8),
        len @ 126..=0xFFFF => {
            bytes.push(0x80 | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
        len => {
            bytes.push(0x80 | 127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

/// A connection to `/io`, bare: with the token and a session, or a stranger's.
pub(crate) fn upgraded(daemon: &Daemon, session: Option<&str>) -> TcpStream {
    let mut http = Http::connect(daemon.port);
    let request = match session {
        Some(session) => Ws::upgrade().token(&daemon.token).session(session),
        None => Ws::upgrade(),
    };
    http.call(request).expect(101);
    let (stream, early) = http.into_parts();
    assert!(early.is_empty(), "nobody was asked");
    stream.set_read_timeout(Some(DEADLINE)).expect("a time");
    stream
}
