//! Connections that are to be made: whoever wants one writes down what it is to be, and the engine makes it before
//! anything else happens.

use crate::ids::ConnId;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

/// What a connection is to be.
#[derive(Debug)]
pub enum Birth {
    /// A socket that connects to an address. Its [`Socket`](super::sockets::Socket) is there already.
    Connect(Connect),
    /// A UDP socket. Its [`UdpSocket`](super::datagrams::UdpSocket) is there already.
    Bind(Bind),
}

/// A UDP socket that is to be bound.
#[derive(Debug)]
pub struct Bind {
    /// Where; port 0: any.
    pub at: SocketAddr,
    /// The request that the outcome answers.
    pub request_id: u32,
}

/// A socket that connects.
#[derive(Debug)]
pub struct Connect {
    /// Where to.
    pub to: SocketAddr,
    /// From which address, where that matters.
    pub from: Option<IpAddr>,
    /// `TCP_NODELAY`.
    pub no_delay: bool,
    /// How long it may take, in milliseconds.
    pub wait_ms: u64,
    /// The request that the outcome answers.
    pub request_id: u32,
}

/// Those that wait to be made.
#[derive(Debug, Default)]
pub struct Births {
    queue: VecDeque<(ConnId, Birth)>,
}

impl Births {
    /// `id` is to be made.
    pub fn add(&mut self, id: ConnId, birth: Birth) {
        self.queue.push_back((id, birth));
    }

    /// Takes the oldest.
    pub fn take(&mut self) -> Option<(ConnId, Birth)> {
        self.queue.pop_front()
    }
}
