//! UDP sockets as their channel and their connection share them: whose they are, and which datagrams wait to be sent.
//! Datagrams may be lost: what would exceed a bound is dropped and counted, never waited for.

use crate::ids::ConnId;
use crate::state::shelf::Shelf;
use std::collections::VecDeque;
use std::net::SocketAddr;

/// Datagrams of one socket that wait for the kernel.
pub const QUEUED_MAX: usize = 512;
/// Bytes that all waiting datagrams hold together.
pub const QUEUED_BYTES_MAX: usize = 2 << 20;

/// One socket.
#[derive(Debug)]
pub struct UdpSocket {
    /// On which channel it was opened.
    pub channel: ConnId,
    /// Its id there.
    pub wire: u32,
    /// Where datagrams without an address go (`/control/open_socket`).
    pub default_to: Option<SocketAddr>,
    queue: VecDeque<(SocketAddr, Box<[u8]>)>,
    /// Datagrams whose destination's name is being looked up.
    unresolved: VecDeque<Unresolved>,
}

/// A datagram for a name.
#[derive(Debug)]
pub struct Unresolved {
    /// The name.
    pub host: Box<str>,
    /// The port there.
    pub port: u16,
    /// The datagram.
    pub data: Box<[u8]>,
}

impl UdpSocket {
    /// A socket with nothing to send.
    pub fn new(channel: ConnId, wire: u32) -> UdpSocket {
        UdpSocket { channel, wire, default_to: None, queue: VecDeque::new(), unresolved: VecDeque::new() }
    }

    /// The datagram to be sent next, and where to.
    pub fn first(&self) -> Option<(SocketAddr, &[u8])> {
        self.queue.front().map(|(to, data)| (*to, &**data))
    }

    /// Whether nothing waits.
    pub fn is_flushed(&self) -> bool {
        self.queue.is_empty()
    }
}

/// All of them.
#[derive(Debug, Default)]
pub struct Datagrams {
    shelf: Shelf<UdpSocket>,
    queued_bytes: usize,
}

impl Datagrams {
    /// A socket is to be.
    pub fn open(&mut self, id: ConnId, socket: UdpSocket) {
        self.shelf.put(id, socket);
    }

    /// A socket has gone; what it had to send is dropped.
    pub fn close(&mut self, id: ConnId) {
        if let Some(socket) = self.shelf.take(id) {
            let resolved = socket.queue.iter().map(|(_, data)| data.len());
            let unresolved = socket.unresolved.iter().map(|datagram| datagram.data.len());
            self.queued_bytes -= resolved.chain(unresolved).sum::<usize>();
        }
    }

    /// A socket.
    pub fn get(&self, id: ConnId) -> Option<&UdpSocket> {
        self.shelf.get(id)
    }

    /// A socket, to change it.
    pub fn get_mut(&mut self, id: ConnId) -> Option<&mut UdpSocket> {
        self.shelf.get_mut(id)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.shelf.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.shelf.is_empty()
    }

    /// Adds a datagram. Returns whether there was room for it.
    pub fn push(&mut self, id: ConnId, to: SocketAddr, data: &[u8]) -> bool {
        let fits = self.queued_bytes + data.len() <= QUEUED_BYTES_MAX;
        match self.shelf.get_mut(id).filter(|socket| fits && socket.queue.len() < QUEUED_MAX) {
            Some(socket) => {
                socket.queue.push_back((to, data.into()));
                self.queued_bytes += data.len();
                true
            }
            None => false,
        }
    }

    /// Adds a datagram for a name that is being looked up. Returns whether there was room for it.
    pub fn push_unresolved(&mut self, id: ConnId, datagram: Unresolved) -> bool {
        let len = datagram.data.len();
        let fits = self.queued_bytes + len <= QUEUED_BYTES_MAX;
        match self.shelf.get_mut(id).filter(|socket| fits && socket.unresolved.len() < QUEUED_MAX) {
            Some(socket) => {
                socket.unresolved.push_back(datagram);
                self.queued_bytes += len;
                true
            }
            None => false,
        }
    }

    /// Takes all datagrams for names, to be sent or put back.
    pub fn take_unresolved(&mut self, id: ConnId) -> VecDeque<Unresolved> {
        let taken =
            self.shelf.get_mut(id).map(|socket| std::mem::take(&mut socket.unresolved)).unwrap_or_default();
        self.queued_bytes -= taken.iter().map(|datagram| datagram.data.len()).sum::<usize>();
        taken
    }

    /// The first datagram was sent, or can't be.
    pub fn pop(&mut self, id: ConnId) {
        if let Some((_, data)) = self.shelf.get_mut(id).and_then(|socket| socket.queue.pop_front()) {
            self.queued_bytes -= data.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exceeds_the_bounds_is_dropped() {
        let mut datagrams = Datagrams::default();
        let (id, to) = (ConnId { slot: 1, serial: 1 }, SocketAddr::from(([127, 0, 0, 1], 9)));
        assert!(!datagrams.push(id, to, b"nobody"));
        datagrams.open(id, UdpSocket::new(ConnId::NOBODY, 7));
        assert!((0..QUEUED_MAX).all(|_| datagrams.push(id, to, b"x")));
        assert!(!datagrams.push(id, to, b"x"), "one too many");
        datagrams.pop(id);
        assert!(!datagrams.push(id, to, &vec![0; QUEUED_BYTES_MAX]), "too large in all");
        assert!(datagrams.push(id, to, b"x"));
        datagrams.close(id);
        assert_eq!(datagrams.queued_bytes, 0);
    }
}
