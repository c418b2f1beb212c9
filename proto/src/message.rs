//! The messages of `/io` (PROTOCOL §6.2) in both encodings: bytes to values and back. Owns which fields each message
//! has, in the order of its row in [`crate::op`]; not what anyone does about a message.
//!
//! Decoding borrows: data and, where nothing had to be unescaped, texts lie in the caller's buffer.

mod auth;
mod batch;
mod client;
mod client_socket;
mod head;
mod hello;
mod server;
mod server_socket;

pub use auth::{Auth, Extension};
pub use batch::{Batch, BatchWriter};
pub use client::{ClientMessage, ConnectOptions};
pub use head::{DATA_HEAD_BYTES, DataHead, tcp_recv_head};
pub use hello::{Hello, HelloLimits, PROTOCOL, ServerHello};
pub use server::ServerMessage;

use std::borrow::Cow;
use std::ops::Range;

use crate::binary::{BinarySink, BinarySource};
use crate::codec::{Fault, Sink, Source};
use crate::envelope::{Envelope, Malformed};
use crate::field::Field;
use crate::json::{JsonObject, JsonWriter, Members, base64_in_place, string};
use crate::op::{Op, Payload, Row};

/// The `status` field of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// It is done.
    Good = 0,
    /// It failed; see the errno.
    Failed = 1,
    /// The data didn't have the digest that was sent along; nothing was written.
    HashMismatch = 2,
}

/// What one WebSocket message holds.
#[derive(Debug, PartialEq, Eq)]
pub enum Packet<'a, M> {
    /// One message.
    Message {
        /// The request's number, 0 for events.
        request_id: u32,
        /// The message.
        message: M,
    },
    /// Several, read one after another.
    Batch(Batch<'a>),
}

/// One direction's messages.
pub(crate) trait Codec<'a>: Sized {
    /// Says in an error where messages of this direction come from.
    const SENDER: &'static str;
    /// The payload that the op has in this direction.
    fn payload(row: &'static Row) -> Option<Payload>;
    fn op(&self) -> Op;
    fn read<S: Source<'a>>(op: Op, source: &mut S) -> Result<Self, Fault>;
    fn write<S: Sink>(&self, sink: &mut S);
}

pub(crate) fn decode_binary<'a, M: Codec<'a>>(bytes: &'a [u8]) -> Result<Packet<'a, M>, Malformed> {
    let (Envelope { op, request_id }, payload) = Envelope::parse(bytes)?;
    if op == Op::Batch {
        return Ok(Packet::Batch(Batch::binary(request_id, payload)));
    }
    read(op, request_id, &mut BinarySource::new(payload))
}

pub(crate) fn decode_json<'a, M: Codec<'a>>(text: &'a mut [u8]) -> Result<Packet<'a, M>, Malformed> {
    let members = Members::find(text).map_err(|fault| malformed(0, fault.0))?;
    let request_id = json_request_id(text, &members)?;
    members.check().map_err(|fault| malformed(request_id, fault.0))?;
    let op = json_op(text, &members).map_err(|fault| malformed(request_id, fault.0))?;
    if op == Op::Batch {
        let Some(range) = members.range(Field::Messages, text) else {
            return Err(malformed(request_id, "batch: messages is missing"));
        };
        return Batch::json(request_id, &mut text[range]).map(Packet::Batch);
    }
    let carries_data = M::payload(op.row()).is_some_and(|payload| payload.fields.contains(&Field::Data));
    let data = match members.range(Field::Data, text) {
        Some(range) if carries_data => Some(json_data(text, range).ok_or_else(|| {
            malformed(request_id, format!("{}: data must be a string of base64", op.row().json))
        })?),
        _ => None,
    };
    let text: &'a [u8] = text;
    let data = data.map(|range| &text[range]);
    read(op, request_id, &mut JsonObject::new(text, members, data))
}

/// Decodes a string of base64 where it lies and says where its bytes are.
fn json_data(text: &mut [u8], value: Range<usize>) -> Option<Range<usize>> {
    let start = value.start + 1;
    match text.get_mut(value)? {
        [b'"', inner @ .., b'"'] => Some(start..start + base64_in_place(inner)?),
        _ => None,
    }
}

fn json_request_id(text: &[u8], members: &Members) -> Result<u32, Malformed> {
    let object = JsonObject::new(text, members.clone(), None);
    if !object.has(Field::RequestId) || members.repeats(Field::RequestId) {
        return Ok(0);
    }
    let id = object.number(Field::RequestId, u32::MAX.into()).map_err(|fault| malformed(0, fault.0))?;
    Ok(id as u32)
}

fn json_op(text: &[u8], members: &Members) -> Result<Op, Fault> {
    let name = match members.range(Field::Op, text).map(|range| &text[range]) {
        Some([b'"', inner @ .., b'"']) if inner.len() <= OP_NAME_BYTES_MAX => string(inner),
        Some([b'"', .., b'"']) => None,
        _ => return Err(Fault::from("op must be there, a string")),
    };
    name.and_then(|name| Op::from_json_name(&name)).ok_or(Fault::from("op is unknown"))
}

/// A longer op name, escapes included, is none: the longest has 19 characters, and an escape six bytes.
const OP_NAME_BYTES_MAX: usize = 19 * 6;

fn read<'a, M: Codec<'a>, S: Source<'a>>(
    op: Op,
    request_id: u32,
    source: &mut S,
) -> Result<Packet<'a, M>, Malformed> {
    let row = op.row();
    if M::payload(row).is_none() {
        return Err(malformed(request_id, format!("{} is no message that {} sends", row.json, M::SENDER)));
    }
    match M::read(op, source) {
        Ok(message) => Ok(Packet::Message { request_id, message }),
        Err(fault) => Err(malformed(request_id, format!("{}: {}", row.json, fault.0))),
    }
}

pub(crate) fn malformed(request_id: u32, text: impl Into<Cow<'static, str>>) -> Malformed {
    Malformed { request_id, text: text.into(), fatal: false }
}

pub(crate) fn encode_binary<'a, M: Codec<'a>>(message: &M, request_id: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&Envelope { op: message.op(), request_id }.to_bytes());
    message.write(&mut BinarySink(out));
}

pub(crate) fn encode_json<'a, M: Codec<'a>>(message: &M, request_id: u32, out: &mut Vec<u8>) {
    let mut object = JsonWriter::new(out);
    object.text(Field::Op, message.op().row().json);
    object.number(Field::RequestId, request_id.into());
    message.write(&mut object);
    object.finish();
}

fn read_status<'a, S: Source<'a>>(source: &mut S) -> Result<Status, Fault> {
    match source.u8(Field::Status)? {
        0 => Ok(Status::Good),
        1 => Ok(Status::Failed),
        2 => Ok(Status::HashMismatch),
        _ => Err(Fault::from("status must be 0 (good), 1 (failed) or 2 (hash mismatch)")),
    }
}
