//! Frames out: headers into a small array, whole frames onto a buffer. Owns the format of what is sent; never fragments
//! on its own and never draws a mask: a client's mask is the caller's.

use super::{CONTROL_BYTES_MAX, Control, Data, OpCode, mask};

/// Longest header of an unmasked frame, in bytes.
pub const HEADER_BYTES_MAX: usize = 10;

/// The rest of a fragmented message.
pub const CONTINUATION: OpCode = OpCode::Data(Data::Continue);
/// A text message, or its first fragment.
pub const TEXT: OpCode = OpCode::Data(Data::Text);
/// A binary message, or its first fragment.
pub const BINARY: OpCode = OpCode::Data(Data::Binary);
/// A close frame.
pub const CLOSE: OpCode = OpCode::Control(Control::Close);
/// A ping.
pub const PING: OpCode = OpCode::Control(Control::Ping);
/// A pong.
pub const PONG: OpCode = OpCode::Control(Control::Pong);

/// Bytes that the header of an unmasked frame takes: 2 for a payload below 126 bytes, 4 below 64 KiB, else 10.
pub const fn header_len(payload_len: usize) -> usize {
    match payload_len {
        0..=125 => 2,
        126..=0xFFFF => 4,
        _ => 10,
    }
}

/// Writes the header of an unmasked frame to the front of `out` and returns its length ([`header_len`]).
pub fn write_header(
    opcode: OpCode,
    fin: bool,
    payload_len: usize,
    out: &mut [u8; HEADER_BYTES_MAX],
) -> usize {
    out[0] = u8::from(opcode) | if fin { 0x80 } else { 0 };
    let len = header_len(payload_len);
    match len {
        2 => out[1] = payload_len as u8,
        4 => {
            out[1] = 126;
            out[2..4].copy_from_slice(&(payload_len as u16).to_be_bytes());
        }
        _ => {
            out[1] = 127;
            out[2..10].copy_from_slice(&(payload_len as u64).to_be_bytes());
        }
    }
    len
}

/// Appends an unmasked frame, as a server sends it. The payload of a control frame is cut to what fits one.
pub fn push_frame(out: &mut Vec<u8>, opcode: OpCode, fin: bool, payload: &[u8]) {
    let payload = fitting(opcode, payload);
    let mut header = [0; HEADER_BYTES_MAX];
    let len = write_header(opcode, fin, payload.len(), &mut header);
    out.extend_from_slice(&header[..len]);
    out.extend_from_slice(payload);
}

/// Appends a frame masked with `key`, as a client sends it: for tests, examples and benches.
pub fn push_masked_frame(out: &mut Vec<u8>, opcode: OpCode, fin: bool, key: [u8; 4], payload: &[u8]) {
    let payload = fitting(opcode, payload);
    let mut header = [0; HEADER_BYTES_MAX];
    let len = write_header(opcode, fin, payload.len(), &mut header);
    header[1] |= 0x80;
    out.extend_from_slice(&header[..len]);
    out.extend_from_slice(&key);
    let start = out.len();
    out.extend_from_slice(payload);
    mask::apply(&mut out[start..], key);
}

/// Appends an unmasked close frame. `code` `None` makes an empty one; a reason over 123 bytes is cut between characters.
pub fn push_close(out: &mut Vec<u8>, code: Option<u16>, reason: &str) {
    let (payload, len) = close_payload(code, reason);
    push_frame(out, CLOSE, true, &payload[..len]);
}

/// Appends a masked close frame, as a client sends it; see [`push_close`].
pub fn push_masked_close(out: &mut Vec<u8>, key: [u8; 4], code: Option<u16>, reason: &str) {
    let (payload, len) = close_payload(code, reason);
    push_masked_frame(out, CLOSE, true, key, &payload[..len]);
}

fn fitting(opcode: OpCode, payload: &[u8]) -> &[u8] {
    let control = matches!(opcode, OpCode::Control(_));
    if control { &payload[..payload.len().min(CONTROL_BYTES_MAX)] } else { payload }
}

fn close_payload(code: Option<u16>, reason: &str) -> ([u8; CONTROL_BYTES_MAX], usize) {
    let mut payload = [0; CONTROL_BYTES_MAX];
    let Some(code) = code else { return (payload, 0) };
    payload[..2].copy_from_slice(&code.to_be_bytes());
    let reason = &reason[..reason.floor_char_boundary(CONTROL_BYTES_MAX - 2)];
    payload[2..2 + reason.len()].copy_from_slice(reason.as_bytes());
    (payload, 2 + reason.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tungstenite::protocol::frame::FrameHeader;

    #[test]
    fn headers_are_tungstenites_headers() {
        for len in [0, 1, 125, 126, 127, 0xFFFF, 0x1_0000, 64 << 20] {
            for (opcode, is_final) in [(BINARY, true), (TEXT, false), (CONTINUATION, true)] {
                let mut expected = Vec::new();
                let header = FrameHeader { is_final, opcode, ..FrameHeader::default() };
                header.format(len as u64, &mut expected).expect("a vector takes all");
                let mut ours = [0; HEADER_BYTES_MAX];
                let used = write_header(opcode, is_final, len, &mut ours);
                assert_eq!(&ours[..used], &expected[..], "{opcode} of {len}");
            }
        }
    }

    #[test]
    fn a_close_reason_is_cut_between_characters() {
        let mut out = Vec::new();
        push_close(&mut out, Some(1001), &"é".repeat(100));
        assert_eq!(out[..4], [0x88, 124, 0x03, 0xE9]);
        assert_eq!(std::str::from_utf8(&out[4..]), Ok("é".repeat(61).as_str()));
        out.clear();
        push_close(&mut out, None, "unsaid");
        assert_eq!(out, [0x88, 0]);
    }
}
