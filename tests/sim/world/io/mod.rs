//! Clients of `/io` and the network around them: WebSocket connections with all that can be opened on them, peers,
//! listeners, datagrams, and the books in which every message is accounted for.

pub(crate) mod client;
pub(crate) mod course;
pub(crate) mod desk;
mod frames;
mod hostile;
pub(crate) mod ledger;
pub(crate) mod link;
pub(crate) mod net;
mod ops;
pub(crate) mod over_http;
mod pattern;
pub(crate) mod peer;
pub(crate) mod swarm;
pub(crate) mod udp;

use client::IoClient;
use desk::Desk;
use jstorrent_io_daemon::ids::ConnId;
use ledger::Live;
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
    /// Sockets over HTTP.
    pub(crate) desk: Desk,
    /// Which peer is behind a connection.
    pub(crate) peers: BTreeMap<ConnId, usize>,
    /// Until when what is healthy must have come to its end.
    pub(crate) calm_by: Option<u64>,
    pub(crate) messages: u64,
}

impl Io {
    /// A socket that was asked for over HTTP is connected, on that connection; `credit`: it has windows.
    pub(crate) fn tcp_is_born(&mut self, number: usize, wire: u32, course: usize, credit: bool) {
        let due = &mut self.net.courses[course];
        let errand = &self.desk.errands[due.errand.expect("it was asked for over HTTP")];
        self.desk.check_owner(errand, number);
        let link = self.links.get_mut(&number).expect("the connection that owns it");
        assert!(!credit || link.ledger.recv_window.is_some(), "credit for one who has none");
        due.open = true;
        due.link = Some(number);
        due.granted_down = link.ledger.recv_window.filter(|_| credit);
        due.excuses.lost |= link.is_ending() || link.left;
        if errand.is_abandoned {
            due.ask_aside();
        }
        self.born(number, wire, Live::Tcp(course));
    }

    /// The same of a UDP socket, which is bound.
    pub(crate) fn udp_is_born(&mut self, number: usize, wire: u32, port: u16) {
        self.born(number, wire, Live::Udp { port, closing: false });
        if self.desk.has_abandoned_udp(number) {
            self.may_close_udp(number, wire);
        }
    }

    fn born(&mut self, number: usize, wire: u32, live: Live) {
        self.net.picks(wire);
        self.desk.born(wire, number, live);
        self.links.get_mut(&number).expect("the connection that owns it").ledger.opens(wire, live);
    }

    fn may_close_udp(&mut self, number: usize, wire: u32) {
        if let Some(link) = self.links.get_mut(&number) {
            *link.ledger.asides.entry(wire).or_default() += 1;
        }
    }

    /// A client does not wait for its answer any more: what is opened for it may close.
    pub(crate) fn abandon(&mut self, number: usize) {
        let errand = &mut self.desk.errands[number];
        if std::mem::replace(&mut errand.is_abandoned, true) {
            return;
        }
        match &errand.task {
            desk::Task::OpenTcp { course } => {
                let due = &mut self.net.courses[*course];
                if due.open {
                    due.ask_aside();
                }
            }
            desk::Task::OpenUdp { .. } => {
                let session = errand.session.clone();
                for (wire, link) in self.desk.untold_udp(&session) {
                    self.may_close_udp(link, wire);
                }
            }
            desk::Task::Close { .. } => {}
        }
    }

    /// Whether a session has, or will hardly get, a connection of `/io`: then a client asks for sockets.
    pub(crate) fn is_time_for_sockets(&self, session: &str, now: u64) -> bool {
        let may_come = |client: &IoClient| {
            let link = client.link.and_then(|number| self.links.get(&number));
            client.session == session && (client.links_left > 0 || link.is_some_and(|link| !link.is_ending()))
        };
        // What is closing is no connection to open sockets on.
        let closing = |link: &IoLink| link.closed && self.clients[link.client].session == session;
        self.desk.has_channel(session, now)
            || !self.clients.iter().any(may_come)
            || self.links.values().any(closing)
    }
}
