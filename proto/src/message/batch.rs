//! BATCH: several messages in one (PROTOCOL §6.2). Owns walking and writing it. In binary each message has its length in
//! four bytes before it; in JSON it is `{"op":"batch","messages":[{…},{…}]}`. It holds no other BATCH.

use super::{ClientMessage, Codec, Packet, ServerMessage, decode_binary, decode_json, malformed};
use crate::envelope::{Envelope, Malformed};
use crate::json::Scanner;
use crate::op::Op;

/// The messages of a batch, decoded one at a time.
///
/// A message that is malformed in itself is an error of its own, and the next one follows it. Where the batch's own
/// structure breaks, that is its last error.
#[derive(Debug, PartialEq, Eq)]
pub struct Batch<'a> {
    request_id: u32,
    rest: Rest<'a>,
}

#[derive(Debug, PartialEq, Eq)]
enum Rest<'a> {
    Binary(&'a [u8]),
    /// Behind the bracket, or behind a message.
    Json(&'a mut [u8]),
}

enum Element<'a> {
    Binary(&'a [u8]),
    Json(&'a mut [u8]),
}

impl<'a> Batch<'a> {
    pub(super) const fn binary(request_id: u32, payload: &'a [u8]) -> Self {
        Self { request_id, rest: Rest::Binary(payload) }
    }

    /// `messages` is JSON, scanned before.
    pub(super) fn json(request_id: u32, messages: &'a mut [u8]) -> Result<Self, Malformed> {
        match messages {
            [b'[', rest @ .., b']'] => Ok(Self { request_id, rest: Rest::Json(rest) }),
            _ => Err(malformed(request_id, "batch: messages must be an array of messages")),
        }
    }

    /// Goes on with what [`rest`](Batch::rest) told of a binary batch.
    pub const fn resume_binary(request_id: u32, rest: &'a [u8]) -> Self {
        Self { request_id, rest: Rest::Binary(rest) }
    }

    /// Goes on with what [`rest`](Batch::rest) told of a JSON batch.
    pub const fn resume_json(request_id: u32, rest: &'a mut [u8]) -> Self {
        Self { request_id, rest: Rest::Json(rest) }
    }

    /// What was not taken yet: enough to go on with later.
    pub fn rest(&self) -> &[u8] {
        match &self.rest {
            Rest::Binary(rest) => rest,
            Rest::Json(rest) => rest,
        }
    }

    /// The number of the batch itself, beside those of its messages.
    pub const fn request_id(&self) -> u32 {
        self.request_id
    }

    /// The next message of a client's batch, with its request's number.
    pub fn next_client(&mut self) -> Option<Result<(u32, ClientMessage<'a>), Malformed>> {
        self.next()
    }

    /// The next message of a daemon's batch, with its request's number.
    pub fn next_server(&mut self) -> Option<Result<(u32, ServerMessage<'a>), Malformed>> {
        self.next()
    }

    fn next<M: Codec<'a>>(&mut self) -> Option<Result<(u32, M), Malformed>> {
        let packet = match self.next_element()? {
            Ok(Element::Binary(bytes)) => decode_binary(bytes),
            Ok(Element::Json(text)) => decode_json(text),
            Err(error) => Err(error),
        };
        Some(packet.and_then(|packet| match packet {
            Packet::Message { request_id, message } => Ok((request_id, message)),
            Packet::Batch(inner) => Err(malformed(inner.request_id, "batch: a batch must not hold another")),
        }))
    }

    fn next_element(&mut self) -> Option<Result<Element<'a>, Malformed>> {
        match &mut self.rest {
            Rest::Binary([]) => None,
            Rest::Binary(rest) => Some(take_binary(rest).map(Element::Binary).ok_or_else(|| {
                malformed(
                    self.request_id,
                    "batch: each message must follow its length (4 bytes) and be there whole",
                )
            })),
            Rest::Json(rest) => take_json(rest).map(|text| Ok(Element::Json(text))),
        }
    }
}

/// Takes one message off the front; `None`, with nothing left, where it isn't there whole.
fn take_binary<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let bytes = std::mem::take(rest);
    let (len, bytes) = bytes.split_first_chunk::<4>()?;
    let (message, after) = bytes.split_at_checked(usize::try_from(u32::from_le_bytes(*len)).ok()?)?;
    *rest = after;
    Some(message)
}

/// Takes one value off the front of an array's inside. The array was scanned before: only its end is no value.
fn take_json<'a>(rest: &mut &'a mut [u8]) -> Option<&'a mut [u8]> {
    let text = std::mem::take(rest);
    let mut scanner = Scanner::new(text);
    let value = scanner.value().ok()?;
    scanner.eat(b',');
    let (taken, after) = text.split_at_mut(scanner.position());
    *rest = after;
    taken.get_mut(value)
}

/// Writes a binary BATCH at the end of a buffer.
#[derive(Debug)]
pub struct BatchWriter<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> BatchWriter<'o> {
    /// Opens a batch.
    pub fn new(request_id: u32, out: &'o mut Vec<u8>) -> Self {
        out.extend_from_slice(&Envelope { op: Op::Batch, request_id }.to_bytes());
        Self { out }
    }

    /// Adds one message, which `encode` appends in binary.
    pub fn push(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        let start = self.out.len();
        self.out.extend_from_slice(&[0; 4]);
        encode(self.out);
        // Messages have at most 64 MiB.
        let len = (self.out.len() - start - 4) as u32;
        self.out[start..start + 4].copy_from_slice(&len.to_le_bytes());
    }
}
