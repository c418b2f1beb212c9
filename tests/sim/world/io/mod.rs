//! Clients of `/io` and the network around them: WebSocket connections with all that can be opened on them, peers,
//! listeners, datagrams, and the books in which every message is accounted for.

pub(crate) mod client;
pub(crate) mod course;
mod frames;
mod hostile;
pub(crate) mod ledger;
pub(crate) mod link;
pub(crate) mod net;
mod ops;
mod pattern;
pub(crate) mod peer;
pub(crate) mod swarm;
pub(crate) mod udp;

use client::IoClient;
use jstorrent_io_daemon::ids::ConnId;
use link::IoLink;
use net::Net;
use std::collections::BTreeMap;
use udp::Datagram;

pub(crate) use ops::course as draw_course;

/// What is to happen to them.
#[derive(Debug)]
pub(crate) enum IoEvent {
    /// A client acts.
    Act(usize),
    /// A peer acts.
    Peer(usize),
    /// The system's word on a connect.
    Outcome(ConnId),
    /// A datagram comes to a port.
    Datagram(u16, Datagram),
    /// The kernel takes datagrams again.
    Widen(u16),
    /// Peers knock at listeners, datagrams come unasked.
    Weather,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Io {
    pub(crate) clients: Vec<IoClient>,
    pub(crate) links: BTreeMap<usize, IoLink>,
    pub(crate) net: Net,
    /// Which peer is behind a connection.
    pub(crate) peers: BTreeMap<ConnId, usize>,
    /// Until when what is healthy must have come to its end.
    pub(crate) calm_by: Option<u64>,
    pub(crate) messages: u64,
}
