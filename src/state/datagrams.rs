//! UDP sockets as their channel and their connection share them: whose they are, and which datagrams wait to be sent.
//! Datagrams may be lost: what would exceed a bound is dropped and counted. That is for hostile clients: before it comes
//! to that, clients are not read until the kernel has taken some, which it does as fast as it can send.

use crate::ids::ConnId;
use crate::limits::{DATAGRAMS_QUEUED_BYTES_MAX, DATAGRAMS_UNRESOLVED_BYTES_MAX};
use crate::state::shelf::Shelf;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

/// From so many on clients are not read. What one read can bring fits the rest, whatever the size of its datagrams.
const QUEUED_BYTES_FULL: usize = DATAGRAMS_QUEUED_BYTES_MAX / 4;
/// What each is counted with beside its bytes.
const OVERHEAD_BYTES: usize = 128;

/// One socket.
#[derive(Debug)]
pub struct UdpSocket {
    /// On which channel it was opened.
    pub channel: ConnId,
    /// Its id there.
    pub wire: u32,
    /// Where datagrams without an address go (`/control/open_socket`).
    pub default_to: Option<SocketAddr>,
    /// Where it is, or is to be, bound.
    at: IpAddr,
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
    pub fn new(channel: ConnId, wire: u32, at: IpAddr) -> UdpSocket {
        let (queue, unresolved) = (VecDeque::new(), VecDeque::new());
        UdpSocket { channel, wire, default_to: None, at, queue, unresolved }
    }

    /// That of a name's addresses to which it sends: the first IPv4 one, where it can, else the first that it can.
    pub fn choose(&self, addresses: &[IpAddr]) -> Option<IpAddr> {
        let can_4 = self.at.is_ipv4() || self.at.is_unspecified();
        let first_4 = addresses.iter().find(|ip| can_4 && ip.is_ipv4());
        first_4.or_else(|| addresses.iter().find(|ip| self.at.is_ipv6() && ip.is_ipv6())).copied()
    }

    /// The datagram to be sent next, and where to.
    pub fn first(&self) -> Option<(SocketAddr, &[u8])> {
        self.queue.front().map(|(to, data)| (*to, &**data))
    }

    /// The names that datagrams wait for.
    pub fn unresolved(&self) -> impl Iterator<Item = &str> {
        self.unresolved.iter().map(|datagram| &*datagram.host)
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
    unresolved_bytes: usize,
}

/// The memory that a datagram is counted with.
fn cost(data: &[u8]) -> usize {
    data.len() + OVERHEAD_BYTES
}

impl Datagrams {
    /// A socket is to be.
    pub fn open(&mut self, id: ConnId, socket: UdpSocket) {
        self.shelf.put(id, socket);
    }

    /// A socket has gone; what it had to send is dropped.
    pub fn close(&mut self, id: ConnId) {
        if let Some(socket) = self.shelf.take(id) {
            self.queued_bytes -= socket.queue.iter().map(|(_, data)| cost(data)).sum::<usize>();
            self.unresolved_bytes -=
                socket.unresolved.iter().map(|datagram| cost(&datagram.data)).sum::<usize>();
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

    /// Whether clients are not read until the kernel has taken some.
    pub fn is_full(&self) -> bool {
        self.queued_bytes > QUEUED_BYTES_FULL
    }

    /// Adds a datagram. Returns whether there was room for it.
    pub fn push(&mut self, id: ConnId, to: SocketAddr, data: &[u8]) -> bool {
        let fits = self.queued_bytes + cost(data) <= DATAGRAMS_QUEUED_BYTES_MAX;
        let Some(socket) = self.shelf.get_mut(id).filter(|_| fits) else { return false };
        socket.queue.push_back((to, data.into()));
        self.queued_bytes += cost(data);
        true
    }

    /// Adds a datagram for a name that is being looked up. Returns whether there was room for it.
    pub fn push_unresolved(&mut self, id: ConnId, datagram: Unresolved) -> bool {
        let cost = cost(&datagram.data);
        let fits = self.unresolved_bytes + cost <= DATAGRAMS_UNRESOLVED_BYTES_MAX;
        let Some(socket) = self.shelf.get_mut(id).filter(|_| fits) else { return false };
        socket.unresolved.push_back(datagram);
        self.unresolved_bytes += cost;
        true
    }

    /// Takes all datagrams for names, to be sent or put back.
    pub fn take_unresolved(&mut self, id: ConnId) -> VecDeque<Unresolved> {
        let taken =
            self.shelf.get_mut(id).map(|socket| std::mem::take(&mut socket.unresolved)).unwrap_or_default();
        self.unresolved_bytes -= taken.iter().map(|datagram| cost(&datagram.data)).sum::<usize>();
        taken
    }

    /// The first datagram was sent, or can't be.
    pub fn pop(&mut self, id: ConnId) {
        if let Some((_, data)) = self.shelf.get_mut(id).and_then(|socket| socket.queue.pop_front()) {
            self.queued_bytes -= cost(&data);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_addresses_of_a_family_that_the_socket_has() {
        let parse = |text: &str| text.parse::<IpAddr>().unwrap();
        let (four, six) = (parse("127.0.0.1"), parse("::1"));
        let choose = |at: &str, of: &[IpAddr]| UdpSocket::new(ConnId::NOBODY, 7, parse(at)).choose(of);
        for at in ["0.0.0.0", "127.0.0.1"] {
            assert_eq!((choose(at, &[six, four]), choose(at, &[six])), (Some(four), None));
        }
        assert_eq!((choose("::1", &[four, six]), choose("::1", &[four])), (Some(six), None));
        assert_eq!((choose("::", &[six, four]), choose("::", &[six])), (Some(four), Some(six)));
    }

    #[test]
    fn what_exceeds_the_bounds_is_dropped() {
        let mut datagrams = Datagrams::default();
        let (id, to) = (ConnId { slot: 1, serial: 1 }, SocketAddr::from(([127, 0, 0, 1], 9)));
        assert!(!datagrams.push(id, to, b"nobody"));
        datagrams.open(id, UdpSocket::new(ConnId::NOBODY, 7, to.ip()));
        assert!(!datagrams.push(id, to, &vec![0; DATAGRAMS_QUEUED_BYTES_MAX]), "too large");
        let fit = (0..).take_while(|_| datagrams.push(id, to, b"")).count();
        assert_eq!(fit, DATAGRAMS_QUEUED_BYTES_MAX / OVERHEAD_BYTES, "those without bytes count too");
        let named = || Unresolved { host: "a.example".into(), port: 9, data: Box::new([0; 1000]) };
        assert!(datagrams.push_unresolved(id, named()), "names have room of their own");
        assert!(datagrams.is_full());
        (0..fit).for_each(|_| datagrams.pop(id));
        assert!(!datagrams.is_full() && datagrams.push(id, to, b"x"));
        while datagrams.push_unresolved(id, named()) {}
        assert!(datagrams.push(id, to, b"x"), "and slow names hold up nobody");
        datagrams.close(id);
        assert_eq!((datagrams.queued_bytes, datagrams.unresolved_bytes), (0, 0));
    }
}
