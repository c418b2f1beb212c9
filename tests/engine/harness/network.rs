//! What is beyond the daemon's sockets: connects that the test answers, datagrams that it looks at, names that it knows;
//! and `/io` clients, frame by frame.

use super::{Bench, Client};
use jstorrent_io_daemon::conn::outgoing::Outgoing;
use jstorrent_io_daemon::ids::ConnId;
use jstorrent_io_daemon::state::effects::Effect;
use jstorrent_io_proto::errno::Errno;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

/// A network.
#[derive(Default)]
pub(crate) struct Network {
    /// Connects that were begun and not answered, oldest first.
    pub(crate) connecting: Vec<(ConnId, SocketAddr)>,
    /// Datagrams that were sent.
    pub(crate) datagrams: Vec<(SocketAddr, Vec<u8>)>,
    /// Names that resolve.
    pub(crate) names: HashMap<String, Vec<IpAddr>>,
}

/// A frame from the daemon.
#[derive(Debug, PartialEq)]
pub(crate) enum Frame {
    /// A binary message: opcode, request id, payload.
    Op(u8, u32, Vec<u8>),
    Text(serde_json::Value),
    Ping,
    Pong,
    Close(u16),
}

impl Bench {
    /// With a network in which names resolve.
    pub(crate) fn with_names(mut self, names: &[(&str, &[&str])]) -> Bench {
        let parse = |(name, addresses): &(&str, &[&str])| {
            (name.to_string(), addresses.iter().map(|address| address.parse().unwrap()).collect())
        };
        let names = names.iter().map(parse).collect();
        self.network = Some(Network { names, ..Network::default() });
        self
    }

    pub(crate) fn network(&mut self) -> &mut Network {
        self.network.as_mut().expect("a network")
    }

    pub(super) fn carry_beyond(&mut self, effect: Effect) {
        match effect {
            Effect::Connect { id, to, .. } => self.network().connecting.push((id, to)),
            Effect::BindUdp { id, .. } => self.engine.datagram_bound(id, Ok(7_000)),
            Effect::Listen { id, .. } => self.engine.listening(id, Ok(7_001)),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn send_datagrams(&mut self, id: ConnId) {
        while let Some((to, data)) = self.engine.outgoing_datagram(id) {
            let (len, data) = (data.len(), data.to_vec());
            self.network().datagrams.push((to, data));
            self.engine.datagram_sent(id, Ok(len));
        }
    }

    /// Answers the oldest connect; the connection that is its socket, if it was let in.
    pub(crate) fn answer_connect(&mut self, errno: Option<Errno>) -> ConnId {
        let (id, to) = self.network().connecting.remove(0);
        self.clients.insert(id, Client::default());
        let local = "127.0.0.1:9999".parse().unwrap();
        assert!(errno.is_some() || to.port() > 0);
        self.engine.connected(id, errno.map_or(Ok(local), Err));
        self.run();
        id
    }

    /// A peer takes so many bytes, and no more.
    pub(crate) fn take_some(&mut self, id: ConnId, max: usize) -> usize {
        let Outgoing::Bytes(slices) = self.engine.outgoing(id) else { return 0 };
        let n = slices.as_slices().iter().map(|slice| slice.len()).sum::<usize>().min(max);
        self.engine.sent(id, n);
        self.run();
        n
    }

    /// Opens `/io` for session `s`.
    pub(crate) fn open_io(&mut self) -> ConnId {
        let request = self.request("GET", "/io").session("s");
        let request = request.field("Connection", "Upgrade").field("Upgrade", "websocket");
        let request = request
            .field("Sec-WebSocket-Version", "13")
            .field("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        let id = self.connect();
        self.send(id, &request.bytes());
        let received = &mut self.clients.get_mut(&id).unwrap().received;
        let end = received.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
        assert!(received.starts_with(b"HTTP/1.1 101 "));
        received.drain(..end);
        id
    }

    /// Opens `/io`, and says hello with these features.
    pub(crate) fn io_with(&mut self, features: &[&str]) -> ConnId {
        let id = self.open_io();
        let said = serde_json::json!({"features": features});
        self.op(id, 0x01, 1, said.to_string().as_bytes());
        assert!(matches!(&self.frames(id)[..], [Frame::Op(0x02, 1, _)]));
        id
    }

    /// Sends a binary message, as much of it as is taken.
    pub(crate) fn op(&mut self, id: ConnId, opcode: u8, request_id: u32, payload: &[u8]) -> usize {
        let message = [&[1, opcode, 0, 0][..], &request_id.to_le_bytes(), payload].concat();
        self.frame(id, 0x82, &message)
    }

    /// Sends a text message.
    pub(crate) fn say(&mut self, id: ConnId, value: &serde_json::Value) {
        self.frame(id, 0x81, value.to_string().as_bytes());
    }

    /// Sends a frame with that first byte.
    pub(crate) fn frame(&mut self, id: ConnId, first: u8, payload: &[u8]) -> usize {
        self.send(id, &frame(first, payload))
    }

    /// The frames that have come since this was asked last.
    pub(crate) fn frames(&mut self, id: ConnId) -> Vec<Frame> {
        let received = std::mem::take(&mut self.clients.get_mut(&id).unwrap().received);
        let (mut frames, mut at) = (Vec::new(), 0);
        while at < received.len() {
            let (len, head) = match received[at + 1] {
                126 => (usize::from(u16::from_be_bytes([received[at + 2], received[at + 3]])), 4),
                127 => (u64::from_be_bytes(received[at + 2..at + 10].try_into().unwrap()) as usize, 10),
                len => (usize::from(len), 2),
            };
            let payload = &received[at + head..at + head + len];
            frames.push(match received[at] {
                0x82 => {
                    let request_id = u32::from_le_bytes(payload[4..8].try_into().unwrap());
                    Frame::Op(payload[1], request_id, payload[8..].to_vec())
                }
                0x81 => Frame::Text(serde_json::from_slice(payload).unwrap()),
                0x89 => Frame::Ping,
                0x8A => Frame::Pong,
                0x88 => Frame::Close(u16::from_be_bytes([payload[0], payload[1]])),
                other => panic!("{other:#x}"),
            });
            at += head + len;
        }
        frames
    }
}

/// A client's frame, masked by zeros.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        0..=125 => bytes.push(0x80 | payload.len() as u8),
        126..=0xFFFF => {
            bytes.push(0x80 | 126);
            bytes.extend((payload.len() as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend((payload.len() as u64).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}
