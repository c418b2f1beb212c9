//! UDP sockets: datagrams that come and go whole, in order or lost, and a kernel that takes or refuses them.

use super::super::dice::Dice;
use super::pattern;
use jstorrent_io_daemon::engine::Engine;
use jstorrent_io_daemon::ids::ConnId;
use jstorrent_io_daemon::reactor::turn::Ready;
use jstorrent_io_proto::errno::Errno;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

/// Datagrams that the kernel keeps.
const INBOX_MAX: usize = 64;
/// As in the reactor.
const DATAGRAMS_A_TURN: usize = 128;

/// A datagram that is known by its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Datagram {
    pub(crate) number: u64,
    pub(crate) length: usize,
    /// The other side.
    pub(crate) remote: SocketAddr,
}

impl Datagram {
    /// Its bytes: the number, where there is room for it, and noise.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.number.to_le_bytes().to_vec();
        bytes.truncate(self.length);
        bytes.extend(pattern::bytes(self.number, 0, self.length - bytes.len()));
        bytes
    }
}

/// Datagrams on their way in one direction: each may arrive once, or never.
#[derive(Debug, Default)]
pub(crate) struct OnTheirWay {
    known: BTreeMap<u64, Datagram>,
    /// Those without room for a number, by length.
    short: Vec<(usize, SocketAddr)>,
}

impl OnTheirWay {
    pub(crate) fn add(&mut self, datagram: Datagram) {
        if datagram.length < 8 {
            self.short.push((datagram.length, datagram.remote));
        } else {
            self.known.insert(datagram.number, datagram);
        }
    }

    /// It arrived.
    pub(crate) fn arrived(&mut self, remote: SocketAddr, bytes: &[u8]) {
        let Some(number) = bytes.first_chunk::<8>() else {
            let place = self.short.iter().position(|short| *short == (bytes.len(), remote));
            self.short.swap_remove(place.expect("a short datagram that was sent"));
            return;
        };
        let number = u64::from_le_bytes(*number);
        let datagram = self.known.remove(&number).unwrap_or_else(|| panic!("datagram {number} came twice"));
        assert!(datagram.bytes() == bytes, "datagram {number} was changed");
        assert_eq!(datagram.remote, remote, "datagram {number} is told to be another's");
    }
}

/// One socket.
#[derive(Debug)]
pub(crate) struct SimUdp {
    pub(crate) id: ConnId,
    inbox: VecDeque<Datagram>,
    ready: Ready,
    edge: bool,
    read_armed: bool,
    /// In a thousand sends: the kernel is full, or refuses.
    blocks: u32,
    refuses: u32,
    /// What it sent, as far as nobody has looked at it: where to, and whether it went.
    pub(crate) departed: Vec<(SocketAddr, Vec<u8>, bool)>,
}

impl SimUdp {
    pub(crate) fn new(id: ConnId, blocks: u32, refuses: u32) -> SimUdp {
        SimUdp {
            id,
            inbox: VecDeque::new(),
            ready: Ready { writable: true, ..Ready::default() },
            edge: false,
            read_armed: true,
            blocks,
            refuses,
            departed: Vec::new(),
        }
    }

    /// A datagram comes in, or is lost. Returns whether it came.
    pub(crate) fn put(&mut self, datagram: Datagram) -> bool {
        let room = self.inbox.len() < INBOX_MAX;
        if room {
            self.inbox.push_back(datagram);
            self.edge |= std::mem::take(&mut self.read_armed);
        }
        room
    }

    /// There is room in the kernel again.
    pub(crate) fn widen(&mut self) {
        self.ready.writable = true;
        self.edge = true;
    }

    pub(crate) fn has_edge(&self) -> bool {
        self.edge
    }

    pub(crate) fn take_edge(&mut self) -> bool {
        let edge = std::mem::take(&mut self.edge);
        self.ready.readable |= edge && !self.inbox.is_empty();
        edge
    }

    /// As in the reactor; whether the kernel is full.
    pub(crate) fn turn(&mut self, engine: &mut Engine, dice: &mut Dice) -> bool {
        let was_writable = self.ready.writable;
        if self.send(engine, dice) | self.receive(engine) {
            engine.state.turns.want(self.id);
        }
        was_writable && !self.ready.writable
    }

    fn send(&mut self, engine: &mut Engine, dice: &mut Dice) -> bool {
        for _ in 0..DATAGRAMS_A_TURN {
            let Some((to, data)) = engine.outgoing_datagram(self.id).filter(|_| self.ready.writable) else {
                return false;
            };
            if dice.chance(self.blocks) {
                self.ready.writable = false;
                continue;
            }
            let (length, goes) = (data.len(), !dice.chance(self.refuses));
            self.departed.push((to, data.to_vec(), goes));
            engine.datagram_sent(self.id, if goes { Ok(length) } else { Err(Errno::EHOSTUNREACH) });
        }
        true
    }

    fn receive(&mut self, engine: &mut Engine) -> bool {
        for _ in 0..DATAGRAMS_A_TURN {
            if !self.ready.readable {
                return false;
            }
            let Some(place) = engine.place(self.id) else { return false };
            let Some(datagram) = self.inbox.front() else {
                self.ready.readable = false;
                self.read_armed = true;
                continue;
            };
            // The kernel cuts off what has no room.
            if datagram.length > place.len() {
                panic!("room for {} bytes where a datagram of {} waits", place.len(), datagram.length);
            }
            place[..datagram.length].copy_from_slice(&datagram.bytes());
            let (length, remote) = (datagram.length, datagram.remote);
            self.inbox.pop_front();
            engine.datagram_received(self.id, length, remote);
        }
        true
    }
}
