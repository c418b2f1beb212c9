//! The client's side of a WebSocket, as lean as a load can be: frames that are made once and sent often, and counting
//! what comes without looking at the data. Takes for granted what its servers are known to send.

use crate::Result;
use std::io::{Read, Write};
use std::net::TcpStream;

const MASK: [u8; 4] = [0x5a, 0xc3, 0x17, 0x8e];
const CONTROL: u8 = 0x08;
/// Longest header of a frame, and the most that is looked at behind it.
const HEAD_BYTES_MAX: usize = 10 + 32;

/// Asks for a WebSocket, with these further field lines, each ended.
pub(crate) fn upgrade(stream: &mut TcpStream, target: &str, fields: &str) -> Result<()> {
    write!(
        stream,
        "GET {target} HTTP/1.1\r\n{fields}Upgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        answer.push(byte[0]);
    }
    if answer.starts_with(b"HTTP/1.1 101") {
        return Ok(());
    }
    Err(format!("no WebSocket: {}", String::from_utf8_lossy(&answer)).into())
}

/// Adds a masked binary frame with this payload.
pub(crate) fn push_frame(into: &mut Vec<u8>, payload: &[&[u8]]) {
    let len: usize = payload.iter().map(|part| part.len()).sum();
    into.push(0x82);
    match len {
        0..=125 => into.push(0x80 | len as u8),
        126..=0xffff => {
            into.push(0x80 | 126);
            into.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            into.push(0x80 | 127);
            into.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    into.extend_from_slice(&MASK);
    let bytes = payload.iter().copied().flatten();
    into.extend(bytes.zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
}

/// How data arrives.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wire {
    /// Nothing but data.
    Plain,
    /// Each frame's payload is data.
    Frames,
    /// Each frame is a message of this opcode, with a head of so many bytes before the data.
    Messages { opcode: u8, head: usize },
}

/// Counts data.
#[derive(Debug)]
pub(crate) struct Counter {
    wire: Wire,
    /// The frame's header, and the head of its message, while they are not complete.
    head: Vec<u8>,
    /// Data of the frame that has not come.
    left: u64,
    pub(crate) data: u64,
    pub(crate) messages: u64,
}

impl Counter {
    pub(crate) fn new(wire: Wire) -> Counter {
        Counter { wire, head: Vec::with_capacity(HEAD_BYTES_MAX), left: 0, data: 0, messages: 0 }
    }

    /// Bytes came; `see` is shown the head of each message (without its frame's) with the next of its data.
    pub(crate) fn take(&mut self, mut bytes: &[u8], mut see: impl FnMut(&[u8], &[u8])) -> Result<()> {
        if let Wire::Plain = self.wire {
            self.data += bytes.len() as u64;
            return Ok(());
        }
        while !bytes.is_empty() {
            if self.left > 0 {
                let n = bytes.len().min(self.left as usize);
                see(&self.head[header_len(&self.head)..], &bytes[..n]);
                self.data += n as u64;
                self.left -= n as u64;
                bytes = &bytes[n..];
                continue;
            }
            if self.head.len() == self.head_len() {
                self.head.clear();
            }
            let n = bytes.len().min(self.head_len() - self.head.len());
            self.head.extend_from_slice(&bytes[..n]);
            bytes = &bytes[n..];
            if self.head.len() == self.head_len() {
                self.begin()?;
            }
        }
        Ok(())
    }

    /// Length of header and message's head, as far as it is known.
    fn head_len(&self) -> usize {
        let header = header_len(&self.head);
        match self.wire {
            Wire::Messages { head, .. } if self.head.len() >= 2 && self.head[0] & CONTROL == 0 => {
                header + head
            }
            _ => header,
        }
    }

    fn begin(&mut self) -> Result<()> {
        let header = header_len(&self.head);
        let payload = match header {
            2 => u64::from(self.head[1] & 0x7f),
            4 => u64::from(u16::from_be_bytes([self.head[2], self.head[3]])),
            _ => self.head[2..10].iter().fold(0, |len, byte| len << 8 | u64::from(*byte)),
        };
        if self.head[0] & CONTROL != 0 {
            // A ping: known to be empty.
            return if payload == 0 { Ok(()) } else { Err("an unexpected control frame".into()) };
        }
        let head = self.head.len() - header;
        self.left = payload.checked_sub(head as u64).ok_or("a short message")?;
        self.messages += 1;
        match self.wire {
            Wire::Messages { opcode, .. } if self.head[header + 1] != opcode => {
                Err(format!("an unexpected message: {:02x?}", &self.head[header..]).into())
            }
            _ => Ok(()),
        }
    }
}

/// Length of a frame's header as far as it is known.
fn header_len(start: &[u8]) -> usize {
    match start.get(1).map(|byte| byte & 0x7f) {
        Some(126) => 4,
        Some(127) => 10,
        _ => 2,
    }
}
