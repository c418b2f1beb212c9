//! Small messages to a client with the feature `batch`: those of one round leave as one BATCH, since what a message
//! costs a browser is its event, not its bytes. One alone goes as it is; what is larger is not worth the copy.

use crate::limits::BATCH_BYTES_MAX;
use crate::state::chain::{Chain, Pool};
use jstorrent_io_proto::envelope::{ENVELOPE_BYTES, Envelope};
use jstorrent_io_proto::frame::{self, HEADER_BYTES_MAX};
use jstorrent_io_proto::op::Op;

/// Before each message in a batch: its length.
const LENGTH_BYTES: usize = 4;

/// Messages that wait for others.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Each behind its length, as in a BATCH.
    bytes: Vec<u8>,
    count: usize,
}

impl Batch {
    /// Bytes that wait.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds a message that comes in two parts.
    pub(super) fn add(&mut self, head: &[u8], data: &[u8]) {
        let len = (head.len() + data.len()) as u32;
        self.bytes.extend_from_slice(&len.to_le_bytes());
        self.bytes.extend_from_slice(head);
        self.bytes.extend_from_slice(data);
        self.count += 1;
    }

    /// Whether it is large enough to go.
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() > BATCH_BYTES_MAX
    }

    /// Puts what waits into the queue, as one frame.
    pub(super) fn flush(&mut self, out: &mut Chain, pool: &mut Pool) {
        if self.count == 0 {
            return;
        }
        let (envelope, bytes) = match self.count {
            1 => (None, &self.bytes[LENGTH_BYTES..]),
            _ => (Some(Envelope { op: Op::Batch, request_id: 0 }.to_bytes()), &self.bytes[..]),
        };
        let mut header = [0; HEADER_BYTES_MAX];
        let payload = bytes.len() + envelope.map_or(0, |_| ENVELOPE_BYTES);
        let len = frame::write_header(frame::BINARY, true, payload, &mut header);
        out.append(pool, &header[..len]);
        if let Some(envelope) = envelope {
            out.append(pool, &envelope);
        }
        out.append(pool, bytes);
        *self = Batch::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::spare::Spare;
    use jstorrent_io_proto::message::{Packet, ServerMessage};

    fn flushed(count: u32) -> Vec<u8> {
        let (mut batch, mut out, mut pool) =
            (Batch::default(), Chain::default(), Pool::new(1, Spare::new(0, 1000)));
        for socket_id in 0..count {
            let mut bytes = Vec::new();
            ServerMessage::TcpCredit { socket_id, bytes: 7 }.encode_binary(0, &mut bytes);
            batch.add(&bytes[..8], &bytes[8..]);
        }
        batch.flush(&mut out, &mut pool);
        assert_eq!(batch.len(), 0);
        out.parts().collect::<Vec<_>>().concat()
    }

    #[test]
    fn one_goes_alone_and_several_together() {
        assert!(flushed(0).is_empty());
        let alone = flushed(1);
        assert_eq!(alone[..2], [0x82, 16]);
        assert!(matches!(ServerMessage::decode_binary(&alone[2..]), Ok(Packet::Message { .. })));
        let together = flushed(3);
        let Ok(Packet::Batch(mut batch)) = ServerMessage::decode_binary(&together[2..]) else {
            panic!("no batch")
        };
        for socket_id in 0..3 {
            let message = ServerMessage::TcpCredit { socket_id, bytes: 7 };
            assert_eq!(batch.next_server(), Some(Ok((0, message))));
        }
        assert_eq!(batch.next_server(), None);
    }
}
