//! The heads of the two messages that carry most bytes. Owns telling a TCP_SEND by its first twelve bytes, so that its
//! data can go on to the peer while the rest arrives, and writing a TCP_RECV's head before data that already lies there.

use crate::envelope::{ENVELOPE_BYTES, Envelope, VERSION};
use crate::op::Op;

/// Bytes before the data of TCP_SEND and TCP_RECV: envelope and socket id.
pub const DATA_HEAD_BYTES: usize = ENVELOPE_BYTES + 4;

/// What the first bytes of a binary message show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataHead {
    /// A well-formed TCP_SEND; all behind [`DATA_HEAD_BYTES`] is data.
    TcpSend {
        /// The request's number.
        request_id: u32,
        /// The socket that the data is for.
        socket_id: u32,
    },
    /// It may yet be a TCP_SEND: look again when there is more.
    NeedMore,
    /// Another message, or a malformed one: to be decoded whole.
    Other,
}

impl DataHead {
    /// Looks at the first bytes of a binary message, as many as there are.
    pub fn of(start: &[u8]) -> Self {
        const TCP_SEND: [u8; 4] = [VERSION, Op::TcpSend.code(), 0, 0];
        if let Some(&[a, b, c, d, e, f, g, h, i, j, k, l]) = start.first_chunk::<DATA_HEAD_BYTES>() {
            if [a, b, c, d] != TCP_SEND {
                return Self::Other;
            }
            let request_id = u32::from_le_bytes([e, f, g, h]);
            return Self::TcpSend { request_id, socket_id: u32::from_le_bytes([i, j, k, l]) };
        }
        let seen = start.len().min(TCP_SEND.len());
        if start[..seen] == TCP_SEND[..seen] { Self::NeedMore } else { Self::Other }
    }
}

/// The head of a TCP_RECV: what comes behind it is data.
pub const fn tcp_recv_head(socket_id: u32) -> [u8; DATA_HEAD_BYTES] {
    let [a, b, c, d, e, f, g, h] = Envelope { op: Op::TcpRecv, request_id: 0 }.to_bytes();
    let [i, j, k, l] = socket_id.to_le_bytes();
    [a, b, c, d, e, f, g, h, i, j, k, l]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{ClientMessage, ServerMessage};

    #[test]
    fn a_tcp_send_is_told_by_twelve_bytes_and_no_fewer() {
        let mut bytes = Vec::new();
        ClientMessage::TcpSend { socket_id: 0x0403_0201, data: b"data" }.encode_binary(9, &mut bytes);
        for len in 0..bytes.len() {
            let expected = if len < DATA_HEAD_BYTES {
                DataHead::NeedMore
            } else {
                DataHead::TcpSend { request_id: 9, socket_id: 0x0403_0201 }
            };
            assert_eq!(DataHead::of(&bytes[..len]), expected, "{len}");
        }
        for at in 0..4 {
            let mut other = bytes.clone();
            other[at] ^= 0x40;
            for len in at + 1..other.len() {
                assert_eq!(DataHead::of(&other[..len]), DataHead::Other, "byte {at} of {len}");
            }
        }
    }

    #[test]
    fn the_head_of_a_tcp_recv_is_what_the_codec_writes() {
        let mut bytes = Vec::new();
        ServerMessage::TcpRecv { socket_id: 0x8000_0001, data: &[] }.encode_binary(0, &mut bytes);
        assert_eq!(tcp_recv_head(0x8000_0001)[..], bytes[..]);
    }
}
