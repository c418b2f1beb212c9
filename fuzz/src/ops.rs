//! Messages of `/io`, in both encodings and both directions.

use jstorrent_io_proto::envelope::{Envelope, Malformed};
use jstorrent_io_proto::message::{Batch, ClientMessage, DataHead, Packet, ServerMessage};
use jstorrent_io_proto::op::Op;

/// Writes what was read in both encodings, and reads it again: it must be the same.
macro_rules! check_message {
    ($type:ident, $hello:ident, $request_id:expr, $message:expr) => {{
        let expected = Ok(Packet::Message { request_id: $request_id, message: $message });
        let Ok(Packet::Message { request_id, message }) = &expected else { unreachable!() };
        let (mut binary, mut json) = (Vec::new(), Vec::new());
        message.encode_binary(*request_id, &mut binary);
        message.encode_json(*request_id, &mut json);
        // What is passed on unread may hold half a surrogate pair, which the plain parser refuses.
        let is_plain = !json.windows(2).any(|text| text == br"\u");
        assert!(!is_plain || deep(&json) || is_json(&json));
        // A NUL parts texts in some binary payloads: such a text can't be said in binary.
        if !json.windows(6).any(|text| text == br"\u0000") {
            assert_eq!($type::decode_binary(&binary), expected);
        }
        let read_again = $type::decode_json(&mut json);
        // An empty hello is a thing of binary, in JSON it is one in which all is left out.
        let may_differ = matches!(message, $type::$hello(None));
        assert!(if may_differ { read_again.is_ok() } else { read_again == expected });
    }};
}

macro_rules! check_packet {
    ($type:ident, $hello:ident, $packet:expr, $next:ident, $bytes:expr) => {
        match $packet {
            Ok(Packet::Message { request_id, message }) => check_message!($type, $hello, request_id, message),
            Ok(Packet::Batch(mut batch)) => {
                let mut left = $bytes;
                while let Some(one) = batch.$next() {
                    left = left.checked_sub(1).expect("a batch has no more messages than bytes");
                    if let Ok((request_id, message)) = one {
                        check_message!($type, $hello, request_id, message);
                    }
                }
            }
            Err(malformed) => check_malformed(&malformed),
        }
    };
}

fn check_malformed(malformed: &Malformed) {
    assert!(!malformed.to_string().is_empty() && malformed.to_string().len() < 1000);
}

/// A binary message.
pub fn ops_binary(data: &[u8]) {
    if let Ok((envelope, payload)) = Envelope::parse(data) {
        assert_eq!([&envelope.to_bytes()[..], payload].concat(), data);
        assert_eq!(Op::from_code(envelope.op.code()), Some(envelope.op));
    }
    let _head = DataHead::of(data);
    check_packet!(ClientMessage, ClientHello, ClientMessage::decode_binary(data), next_client, data.len());
    check_packet!(ServerMessage, ServerHello, ServerMessage::decode_binary(data), next_server, data.len());
}

/// A JSON message: what is no JSON is refused, but for what lies in members that nobody looks at.
pub fn ops_json(data: &[u8]) {
    check_packet!(
        ClientMessage,
        ClientHello,
        ClientMessage::decode_json(&mut data.to_vec()),
        next_client,
        data.len()
    );
    check_packet!(
        ServerMessage,
        ServerHello,
        ServerMessage::decode_json(&mut data.to_vec()),
        next_server,
        data.len()
    );
    let taken = ClientMessage::decode_json(&mut data.to_vec()).is_ok();
    // The plain parser refuses half a surrogate pair.
    let excused = data.windows(2).any(|pair| pair == b"\\u");
    assert!(!taken || excused || deep(data) || is_json(data));
}

/// What the plain parser takes for JSON, and numbers beyond what an f64 can be, which are JSON too.
fn is_json(data: &[u8]) -> bool {
    let parsed = serde_json::from_slice::<serde_json::Value>(data);
    parsed.map_or_else(|error| error.to_string().starts_with("number out of range"), |_| true)
}

/// Deeper than the plain parser goes.
fn deep(data: &[u8]) -> bool {
    data.iter().filter(|byte| matches!(byte, b'[' | b'{')).count() > 100
}

/// The payload of a batch, in both encodings: it ends, and a message in it is as one alone.
pub fn batch(data: &[u8]) {
    let binary = [&Envelope { op: Op::Batch, request_id: 7 }.to_bytes()[..], data].concat();
    match ClientMessage::decode_binary(&binary) {
        Ok(Packet::Batch(batch)) => walk(batch, data),
        other => panic!("no batch: {other:?}"),
    }
    let mut json = [br#"{"op":"batch","requestId":7,"messages":["#, data, b"]}"].concat();
    check_packet!(ClientMessage, ClientHello, ClientMessage::decode_json(&mut json), next_client, data.len());
}

/// The naive walk over lengths.
fn walk(mut batch: Batch<'_>, mut rest: &[u8]) {
    assert_eq!(batch.request_id(), 7);
    while let Some(one) = batch.next_client() {
        let split = rest
            .split_first_chunk::<4>()
            .and_then(|(length, after)| after.split_at_checked(u32::from_le_bytes(*length) as usize));
        let Some((message, after)) = split else {
            assert!(one.is_err() && batch.next_client().is_none(), "a broken batch goes on");
            return;
        };
        match ClientMessage::decode_binary(message) {
            Ok(Packet::Message { request_id, message }) => assert_eq!(one, Ok((request_id, message))),
            Ok(Packet::Batch(_)) | Err(_) => assert!(one.is_err()),
        }
        rest = after;
    }
    assert!(rest.is_empty(), "something was left over");
}
