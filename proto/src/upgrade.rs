//! The opening handshake of a WebSocket (RFC 6455 §4.2): checked on a head, answered with 101.
//!
//! Host, Origin and token are [`crate::admission`]'s; frames are not this file's. Extensions and subprotocols
//! that a
//! client offers are declined by silence, never refused (PROTOCOL §6).

use data_encoding::BASE64;
use sha1::{Digest, Sha1};

use crate::error::{Code, Refusal};
use crate::request::{BodyFraming, Head, Method, Version};
use crate::response::{Context, write_common};

/// What a client's key is hashed with (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A handshake that was in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    accept: String,
}

/// Checks a client's opening handshake: 426 for one who speaks no WebSocket or another version, 400 for a
/// malformed one.
pub fn check(head: &Head<'_>) -> Result<Handshake, Refusal> {
    if !head.has_token("upgrade", "websocket") || head.version == Version::Http10 {
        return Err(Code::UpgradeRequired.into());
    }
    if head.method != Method::Get || !matches!(head.body, BodyFraming::None | BodyFraming::Length(0)) {
        return Err(bad("An upgrade is a GET without a body."));
    }
    if !head.has_token("connection", "upgrade") {
        return Err(bad("Connection must name upgrade."));
    }
    match once(head, "sec-websocket-version")? {
        b"13" => {}
        [b'0'..=b'9', rest @ ..] if rest.len() < 3 && rest.iter().all(u8::is_ascii_digit) => {
            return Err(Code::UpgradeRequired.into());
        }
        _ => return Err(bad("Sec-WebSocket-Version must be 13.")),
    }
    let key = once(head, "sec-websocket-key")?;
    if !BASE64.decode(key).is_ok_and(|nonce| nonce.len() == 16) {
        return Err(bad("Sec-WebSocket-Key must be 16 bytes in base64."));
    }
    Ok(Handshake { accept: accept_key(key) })
}

fn bad(detail: &'static str) -> Refusal {
    Refusal::because(Code::BadRequest, detail)
}

fn once<'a>(head: &Head<'a>, name: &'static str) -> Result<&'a [u8], Refusal> {
    let mut lines = head.fields(name);
    match (lines.next(), lines.next()) {
        (Some(value), None) => Ok(value),
        _ => Err(Refusal::because(Code::BadRequest, format!("{name} must stand there once."))),
    }
}

/// The value that proves that the handshake was read (RFC 6455 §4.2.2).
fn accept_key(key: &[u8]) -> String {
    BASE64.encode(&Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

impl Handshake {
    /// Appends the 101 answer; WebSocket frames follow it.
    pub fn write(&self, context: &Context<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
        );
        write_common(context, out);
        out.extend_from_slice(b"Sec-WebSocket-Accept: ");
        out.extend_from_slice(self.accept.as_bytes());
        out.extend_from_slice(b"\r\n\r\n");
    }
}
