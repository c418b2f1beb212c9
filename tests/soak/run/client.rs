//! A client of `/io` that does everything at once, one connection after another, and knows of every message whether it
//! may come.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;
use sha1::{Digest, Sha1};
use tungstenite::Message;

use super::pattern::{self, PIECE_MAX};
use super::peers::{Mode, Peers, header};
use super::random::Random;
use super::socket::{Outcome, Socket};
use super::support::ws::{Op, Ws};
use super::target::Target;

const CLIENT_HELLO: u8 = 0x01;
const SERVER_HELLO: u8 = 0x02;
const AUTH: u8 = 0x03;
const AUTH_RESULT: u8 = 0x04;
const TCP_CONNECT: u8 = 0x10;
const TCP_CONNECTED: u8 = 0x11;
const TCP_SEND: u8 = 0x12;
const TCP_RECV: u8 = 0x13;
const TCP_CLOSE: u8 = 0x14;
const TCP_LISTEN: u8 = 0x15;
const TCP_LISTEN_RESULT: u8 = 0x16;
const TCP_ACCEPT: u8 = 0x17;
const TCP_STOP_LISTEN: u8 = 0x18;
const TCP_CREDIT: u8 = 0x1B;
const UDP_BIND: u8 = 0x20;
const UDP_BOUND: u8 = 0x21;
const UDP_SEND: u8 = 0x22;
const UDP_RECV: u8 = 0x23;
const UDP_CLOSE: u8 = 0x24;
const FILE_READ: u8 = 0x40;
const FILE_DATA: u8 = 0x41;
const FILE_WRITE: u8 = 0x42;
const FILE_WRITTEN: u8 = 0x43;
const ROOTS_CHANGED: u8 = 0xE0;

/// At once, on one connection.
const SOCKETS_MAX: usize = 40;
/// On their way to echoes and back: well below what makes the daemon stop reading anybody.
const IN_FLIGHT_MAX: u64 = 2 << 20;
/// Datagrams on their way: all clients' together fit into the echo's buffer, so that none is lost.
const DATAGRAMS_MAX: usize = 12;
/// The longest stream.
const TOTAL_MAX: u64 = 3 << 20;

/// What a connection does until it ends.
pub(crate) struct Client<'a> {
    target: &'a Target,
    peers: &'a Arc<Peers>,
    random: &'a mut Random,
    ws: Ws,
    /// The window towards us, where the feature `credit` is on.
    recv_window: Option<u64>,
    sockets: HashMap<u32, Socket>,
    /// Sinks that were closed in order, and what they must have got.
    sunk: Vec<(u64, u64)>,
    /// Listeners, with the peers that are still to come; `None`: the answer is.
    listeners: HashMap<u32, Option<u32>>,
    datagrams: HashMap<u32, Datagrams>,
    file: File,
    next_id: u32,
}

/// A UDP socket.
#[derive(Default)]
struct Datagrams {
    bound: bool,
    closing: bool,
    /// Key and length of those whose echo is to come.
    on_their_way: HashMap<u64, usize>,
    /// Those whose echo has come.
    back: HashSet<u64>,
}

/// The one file, and what was asked of it.
struct File {
    id: u32,
    asked: Option<Asked>,
}

struct Asked {
    key: u64,
    offset: u64,
    len: usize,
    wrong_digest: bool,
}

/// Opens one connection after another until the time has come.
pub(crate) fn run(target: &Target, peers: &Arc<Peers>, random: &mut Random, number: u64, until: Instant) {
    let session = format!("client-{number}");
    while Instant::now() < until {
        let file = target.open_file("main", &format!("io-{number}"), &session);
        let mut client = Client::open(target, peers, random, &session, file);
        let steps = 20 + client.random.below(600);
        for _ in 0..steps {
            client.step();
            if Instant::now() >= until {
                break;
            }
        }
        target.count.connections(1);
        if client.random.percent(40) {
            client.lose();
        } else {
            client.finish();
        }
        target.close_file(file, &session);
    }
}

impl<'a> Client<'a> {
    fn open(
        target: &'a Target,
        peers: &'a Arc<Peers>,
        random: &'a mut Random,
        session: &str,
        file: u32,
    ) -> Client<'a> {
        let by_message = random.percent(30);
        let request = match by_message {
            true => Ws::upgrade(),
            false => Ws::upgrade().token(&target.token).session(session),
        };
        let ws = Ws::open(target.http(), request).unwrap_or_else(|answer| panic!("refused: {answer:?}"));
        let recv_window = random.percent(60).then(|| 1 << (10 + random.below(11)));
        let file = File { id: file, asked: None };
        let mut client = Client {
            target,
            peers,
            random,
            ws,
            recv_window,
            sockets: HashMap::new(),
            sunk: Vec::new(),
            listeners: HashMap::new(),
            datagrams: HashMap::new(),
            file,
            next_id: 1,
        };
        client.greet(by_message, session);
        client
    }

    fn greet(&mut self, by_message: bool, session: &str) {
        let hello = match self.recv_window {
            Some(window) => json!({"features": ["credit"], "recvWindow": window}).to_string(),
            None => String::new(),
        };
        self.ws.send(&Op::new(CLIENT_HELLO, 1, hello));
        assert_eq!(self.ws.op().opcode, SERVER_HELLO);
        if by_message {
            let auth = format!("\0{}\0\0\0{session}", self.target.token);
            self.ws.send(&Op::new(AUTH, 2, auth));
            let result = self.ws.op();
            assert_eq!((result.opcode, result.payload[0]), (AUTH_RESULT, 0), "{result:?}");
        }
    }

    fn new_id(&mut self) -> u32 {
        self.next_id += 1;
        self.next_id
    }

    /// Does something, or takes a message that is sure to come.
    fn step(&mut self) {
        if self.is_awaiting() && self.random.percent(50) {
            return self.take();
        }
        match self.random.below(100) {
            0..=14 if self.sockets.len() < SOCKETS_MAX => self.connect(),
            15..=59 => self.send_some(),
            60..=64 => self.abandon(),
            65..=67 if self.listeners.len() < 3 => self.listen(),
            68..=84 => self.datagram(),
            85..=94 if self.file.asked.is_none() => self.write_file(),
            _ if self.is_awaiting() => self.take(),
            _ => {}
        }
    }

    /// Loses the connection: whatever was open closes with it, unannounced.
    fn lose(self) {
        let lost = self.datagrams.values().flat_map(|socket| socket.on_their_way.keys());
        self.target.strays.lock().unwrap().extend(lost);
    }

    /// Ends everything in order, and sees that nothing is missing.
    fn finish(mut self) {
        while !self.sockets.is_empty() || self.is_awaiting() {
            let sendable = self.sockets.values().any(|socket| socket.sendable() > 0);
            if sendable && (self.in_flight() < IN_FLIGHT_MAX || !self.is_awaiting()) {
                self.send_some();
            } else {
                self.take();
            }
        }
        let bound: Vec<u32> = self.datagrams.keys().copied().collect();
        bound.into_iter().for_each(|id| self.close_datagrams(id));
        while !self.datagrams.is_empty() {
            self.take();
        }
        for (key, total) in std::mem::take(&mut self.sunk) {
            let got = self.peers.sunk(key);
            assert_eq!(got, Some(total), "bytes that a peer got before the end, of those sent and closed");
        }
        self.ws.close();
    }

    fn is_awaiting(&self) -> bool {
        self.sockets.values().any(Socket::is_awaited)
            || !self.listeners.is_empty()
            || self.datagrams.values().any(|d| !d.bound || d.closing || !d.on_their_way.is_empty())
            || self.file.asked.is_some()
    }

    fn in_flight(&self) -> u64 {
        self.sockets.values().map(Socket::in_flight).sum()
    }

    /// A mode, key and total for a new socket.
    fn plan(&mut self, outcome: Option<Outcome>) -> Socket {
        let mode = match self.random.below(10) {
            0..=3 => Mode::Echo,
            4..=5 => Mode::Sink,
            6..=7 => Mode::Source,
            _ => Mode::Reset,
        };
        let (key, total) = (self.random.next(), self.random.size(TOTAL_MAX));
        Socket::new(mode, key, total, self.recv_window.is_some(), outcome)
    }

    fn connect(&mut self) {
        let (outcome, host, port) = match self.random.below(20) {
            0 => (Outcome::Unresolved, "nobody.invalid", 80),
            1 | 2 => (Outcome::Refused, "127.0.0.1", self.peers.closed_port),
            3 => (Outcome::Connected, "localhost", self.peers.tcp_port),
            _ => (Outcome::Connected, "127.0.0.1", self.peers.tcp_port),
        };
        let id = self.new_id();
        let payload = [&id.to_le_bytes()[..], &port.to_le_bytes(), host.as_bytes()].concat();
        self.ws.send(&Op::new(TCP_CONNECT, id, payload));
        let mut socket = self.plan(Some(outcome));
        if self.random.percent(8) {
            self.send_close(id);
            (socket.closing, socket.abandoned) = (true, true);
        }
        self.sockets.insert(id, socket);
        self.target.count.sockets(1);
    }

    fn send_close(&mut self, id: u32) {
        self.ws.send(&Op::new(TCP_CLOSE, 0, id.to_le_bytes()));
    }

    fn send_header(&mut self, id: u32) {
        let socket = self.sockets.get_mut(&id).expect("just connected");
        let header = header(socket.mode, socket.key, socket.total);
        socket.header_sent();
        self.ws.send(&Op::new(TCP_SEND, 0, [&id.to_le_bytes()[..], &header].concat()));
    }

    /// One of those for which something holds.
    fn pick(&mut self, which: impl Fn(&Socket) -> bool) -> Option<u32> {
        let mut ids: Vec<u32> = self.sockets.iter().filter(|(_, s)| which(s)).map(|(id, _)| *id).collect();
        ids.sort_unstable();
        (!ids.is_empty()).then(|| ids[self.random.below(ids.len() as u64) as usize])
    }

    fn send_some(&mut self) {
        let room = IN_FLIGHT_MAX.saturating_sub(self.in_flight());
        let Some(id) = self.pick(|socket| socket.sendable() > 0) else { return };
        let size = self.random.size(PIECE_MAX as u64);
        let socket = self.sockets.get_mut(&id).expect("picked");
        let n = size.min(socket.sendable());
        if socket.mode == Mode::Echo && n > room {
            return;
        }
        let data = pattern::piece(socket.key, socket.sent, n as usize);
        socket.sent(n);
        self.ws.send(&Op::new(TCP_SEND, 0, [&id.to_le_bytes()[..], data].concat()));
        self.target.count.bytes(n);
        self.close_if_done(id);
    }

    fn close_if_done(&mut self, id: u32) {
        let socket = self.sockets.get_mut(&id).expect("of ours");
        if !socket.is_done() {
            return;
        }
        socket.closing = true;
        if socket.mode == Mode::Sink {
            self.sunk.push((socket.key, socket.total));
        }
        self.send_close(id);
    }

    fn abandon(&mut self) {
        if let Some(id) = self.pick(|socket| !socket.closing) {
            self.abandon_this(id);
        }
    }

    fn abandon_this(&mut self, id: u32) {
        let socket = self.sockets.get_mut(&id).expect("of ours");
        (socket.closing, socket.abandoned) = (true, true);
        self.send_close(id);
    }

    fn listen(&mut self) {
        let id = self.new_id();
        let called = self.peers.called.to_string();
        self.ws.send(&Op::new(TCP_LISTEN, id, [&id.to_le_bytes()[..], &[0, 0], called.as_bytes()].concat()));
        self.listeners.insert(id, None);
    }

    fn datagram(&mut self) {
        let mut open: Vec<u32> =
            self.datagrams.iter().filter(|(_, d)| d.bound && !d.closing).map(|(id, _)| *id).collect();
        open.sort_unstable();
        let waiting: usize = self.datagrams.values().map(|d| d.on_their_way.len()).sum();
        match open.first() {
            None if self.datagrams.is_empty() => {
                let id = self.new_id();
                let payload = [&id.to_le_bytes()[..], &[0, 0], b"127.0.0.1"].concat();
                self.ws.send(&Op::new(UDP_BIND, id, payload));
                self.datagrams.insert(id, Datagrams::default());
            }
            Some(&id) if self.random.percent(5) && self.datagrams[&id].on_their_way.is_empty() => {
                self.close_datagrams(id);
            }
            Some(&id) if waiting < DATAGRAMS_MAX => self.send_datagram(id),
            _ => {}
        }
    }

    fn send_datagram(&mut self, id: u32) {
        let (key, len) = (self.random.next(), self.random.size(1392) as usize);
        let name: &[u8] = if self.random.percent(10) { b"localhost" } else { b"127.0.0.1" };
        let payload = [
            &id.to_le_bytes()[..],
            &self.peers.udp_port.to_le_bytes(),
            &(name.len() as u16).to_le_bytes(),
            name,
            &key.to_le_bytes(),
            pattern::piece(key, 0, len),
        ];
        self.ws.send(&Op::new(UDP_SEND, 0, payload.concat()));
        self.datagrams.get_mut(&id).expect("bound").on_their_way.insert(key, len);
        self.target.count.datagrams(1);
    }

    fn close_datagrams(&mut self, id: u32) {
        let socket = self.datagrams.get_mut(&id).expect("bound");
        if !std::mem::replace(&mut socket.closing, true) {
            self.ws.send(&Op::new(UDP_CLOSE, 0, id.to_le_bytes()));
        }
    }

    fn write_file(&mut self) {
        let (key, offset) = (self.random.next(), self.random.below(4 << 20));
        let len = self.random.size(1 << 20) as usize;
        let data = pattern::whole(key, len as u64);
        let wrong_digest = self.random.percent(20);
        let digest = match wrong_digest {
            true => vec![7; 20],
            false => Sha1::digest(&data).to_vec(),
        };
        let check: (u8, &[u8]) =
            if wrong_digest || self.random.percent(50) { (1, &digest) } else { (0, &[]) };
        let payload = [&self.file.id.to_le_bytes()[..], &offset.to_le_bytes(), &[check.0], check.1, &data];
        self.ws.send(&Op::new(FILE_WRITE, 9, payload.concat()));
        self.file.asked = Some(Asked { key, offset, len, wrong_digest });
    }

    /// Takes the next message.
    fn take(&mut self) {
        let op = match self.ws.message() {
            Message::Binary(bytes) => Op::from_bytes(&bytes),
            other => panic!("not binary: {other:?}"),
        };
        match op.opcode {
            TCP_CONNECTED => self.on_connected(&op),
            TCP_RECV => self.on_received(&op),
            TCP_CLOSE => self.on_closed(&op),
            TCP_CREDIT => self.socket(&op).granted(op.u32_at(4).into()),
            TCP_LISTEN_RESULT => self.on_listening(&op),
            TCP_ACCEPT => self.on_accepted(&op),
            UDP_BOUND => self.on_bound(&op),
            UDP_RECV => self.on_datagram(&op),
            UDP_CLOSE => {
                let socket = self.datagrams.remove(&op.u32_at(0)).expect("one UDP_CLOSE");
                assert!(socket.closing && op.payload[4] == 0, "UDP_CLOSE that nobody asked for: {op:?}");
            }
            FILE_WRITTEN => self.on_written(&op),
            FILE_DATA => self.on_file_data(&op),
            ROOTS_CHANGED => {}
            _ => panic!("an unexpected message: {op:?} {:?}", String::from_utf8_lossy(&op.payload)),
        }
    }

    fn socket(&mut self, op: &Op) -> &mut Socket {
        let id = op.u32_at(0);
        self.sockets
            .get_mut(&id)
            .unwrap_or_else(|| panic!("opcode {:#x} for {id}, which is closed", op.opcode))
    }

    fn on_connected(&mut self, op: &Op) {
        let id = op.u32_at(0);
        assert_eq!(op.request_id, id);
        let connected = self.socket(op).connected(op.payload[4], op.u32_at(5));
        if !connected {
            self.sockets.remove(&id);
        } else if !self.sockets[&id].closing {
            self.send_header(id);
        }
    }

    fn on_received(&mut self, op: &Op) {
        let id = op.u32_at(0);
        let window = self.recv_window.unwrap_or(u64::MAX);
        self.target.count.bytes(op.payload.len() as u64 - 4);
        if let Some(grant) = self.socket(op).receive(&op.payload[4..], window) {
            self.ws.send(&Op::new(TCP_CREDIT, 0, [id.to_le_bytes(), grant.to_le_bytes()].concat()));
        }
        self.close_if_done(id);
    }

    fn on_closed(&mut self, op: &Op) {
        self.socket(op).closed(op.payload[4], op.u32_at(5));
        self.sockets.remove(&op.u32_at(0));
    }

    fn on_listening(&mut self, op: &Op) {
        let id = op.u32_at(0);
        assert_eq!(op.payload[4], 0, "{op:?}");
        let port = u16::from_le_bytes([op.payload[5], op.payload[6]]);
        let callers = 1 + self.random.below(3) as u32;
        let awaited = self.listeners.get_mut(&id).expect("asked for");
        assert!(awaited.replace(callers).is_none(), "one TCP_LISTEN_RESULT");
        (0..callers).for_each(|_| self.peers.call(port));
    }

    fn on_accepted(&mut self, op: &Op) {
        let (server, id) = (op.u32_at(0), op.u32_at(4));
        let socket = self.plan(None);
        assert!(id >= 0x8000_0000 && self.sockets.insert(id, socket).is_none(), "{op:?}");
        self.target.count.sockets(1);
        let Some(awaited) = self.listeners.get_mut(&server).and_then(Option::as_mut) else {
            // One call too many: it was meant for a listener of a lost WebSocket, whose port this one got.
            return self.abandon_this(id);
        };
        *awaited -= 1;
        let all_came = *awaited == 0;
        self.send_header(id);
        if all_came {
            self.listeners.remove(&server);
            self.ws.send(&Op::new(TCP_STOP_LISTEN, 0, server.to_le_bytes()));
        }
    }

    fn on_bound(&mut self, op: &Op) {
        assert_eq!(op.payload[4], 0, "{op:?}");
        self.datagrams.get_mut(&op.u32_at(0)).expect("asked for").bound = true;
    }

    fn on_datagram(&mut self, op: &Op) {
        let start = 8 + usize::from(u16::from_le_bytes([op.payload[6], op.payload[7]]));
        let (key, data) = op.payload[start..].split_at(8);
        let key = u64::from_le_bytes(key.try_into().expect("8 bytes"));
        let socket = self.datagrams.get_mut(&op.u32_at(0)).expect("bound");
        let Some(len) = socket.on_their_way.remove(&key) else {
            let stray = self.target.strays.lock().unwrap().remove(&key);
            assert!(
                stray,
                "a datagram {}",
                if socket.back.contains(&key) { "twice" } else { "from nowhere" }
            );
            return;
        };
        socket.back.insert(key);
        assert!(data.len() == len && pattern::is_at(data, key, 0), "another datagram than was sent");
    }

    fn on_written(&mut self, op: &Op) {
        let asked = self.file.asked.as_ref().expect("one FILE_WRITTEN");
        let expected = if asked.wrong_digest { (2, 0, 0) } else { (0, 0, asked.len as u32) };
        assert_eq!((op.payload[4], op.u32_at(5), op.u32_at(9)), expected, "FILE_WRITTEN");
        if asked.wrong_digest {
            self.file.asked = None;
            return;
        }
        let len = asked.len as u32;
        let payload = [&self.file.id.to_le_bytes()[..], &asked.offset.to_le_bytes(), &len.to_le_bytes()];
        self.ws.send(&Op::new(FILE_READ, 10, payload.concat()));
    }

    fn on_file_data(&mut self, op: &Op) {
        let asked = self.file.asked.take().expect("one FILE_DATA");
        assert_eq!((op.payload[4], op.u32_at(5)), (0, 0), "FILE_DATA");
        let data = &op.payload[9..];
        assert!(data.len() == asked.len && pattern::is_at(data, asked.key, 0), "read other than was written");
        self.target.count.bytes(2 * data.len() as u64);
    }
}
