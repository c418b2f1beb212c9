//! The network around the daemon: where connects lead, who knocks at listeners, what UDP sockets meet. Every destination
//! is a port, and every port has its course.

use super::super::dice::Dice;
use super::super::socket::SimSocket;
use super::course::{Course, Fate};
use super::peer::Peer;
use super::swarm::IoSwarm;
use super::udp::{OnTheirWay, SimUdp};
use jstorrent_io_daemon::ids::ConnId;
use jstorrent_io_proto::errno::Errno;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;

/// The port of the first course.
const FIRST_PORT: u16 = 10_000;
/// The first port that the system gives to whoever asks for any.
const FIRST_EPHEMERAL: u16 = 2_000;

/// A listening socket.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) id: ConnId,
    /// Peers that wait to be accepted, by their numbers.
    pub(crate) backlog: VecDeque<usize>,
    pub(crate) edge: bool,
    /// An edge has come, and "would block" has not.
    pub(crate) waiting: bool,
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Net {
    pub(crate) courses: Vec<Course>,
    pub(crate) peers: Vec<Peer>,
    /// By port.
    pub(crate) servers: BTreeMap<u16, Server>,
    pub(crate) udps: BTreeMap<u16, SimUdp>,
    /// Datagrams from and to clients, by the port of their socket.
    pub(crate) outward: BTreeMap<u16, OnTheirWay>,
    pub(crate) inward: BTreeMap<u16, OnTheirWay>,
    /// Datagrams so far.
    pub(crate) datagrams: u64,
    /// Where datagrams go that name no destination, of UDP sockets that were opened over HTTP, by port.
    pub(crate) defaults: BTreeMap<u16, Option<SocketAddr>>,
    /// Ids that the daemon picked.
    picked: BTreeSet<u32>,
    ports_given: u16,
}

/// What a connect comes to, and when.
#[derive(Debug)]
pub(crate) struct Dialled {
    pub(crate) peer: usize,
    pub(crate) socket: Rc<SimSocket>,
    pub(crate) outcome: Option<Result<SocketAddr, Errno>>,
}

impl Net {
    /// The port of the next course.
    pub(crate) fn next_port(&self) -> u16 {
        FIRST_PORT + self.courses.len() as u16
    }

    pub(crate) fn add(&mut self, course: Course) -> usize {
        self.courses.push(course);
        self.courses.len() - 1
    }

    /// The daemon has picked an id, for the first time.
    pub(crate) fn picks(&mut self, id: u32) {
        assert!(self.picked.insert(id), "{id} was picked twice");
    }

    pub(crate) fn course_of(&self, port: u16) -> usize {
        usize::from(port.checked_sub(FIRST_PORT).expect("a port that a course has"))
    }

    /// The engine connects to an address.
    pub(crate) fn connect(
        &mut self,
        to: SocketAddr,
        dice: &mut Dice,
        swarm: &IoSwarm,
    ) -> Result<Dialled, Errno> {
        let course = self.course_of(to.port());
        let fate = self.courses[course].fates[address_number(to.ip())];
        if let Fate::AtOnce(errno) = fate {
            return Err(errno);
        }
        let peer = self.add_peer(course, dice, swarm, SimSocket::connecting);
        let outcome = match fate {
            Fate::Connects => Some(Ok(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 1))),
            Fate::Refuses(errno) => Some(Err(errno)),
            Fate::Silent | Fate::AtOnce(_) => None,
        };
        Ok(Dialled { peer, socket: self.peers[peer].socket.clone(), outcome })
    }

    /// A peer knocks at a listener.
    pub(crate) fn knock(&mut self, at: u16, course: Course, dice: &mut Dice, swarm: &IoSwarm) -> usize {
        let course = self.add(course);
        let peer = self.add_peer(course, dice, swarm, SimSocket::new);
        self.peers[peer].established = true;
        let server = self.servers.get_mut(&at).expect("a server");
        server.backlog.push_back(peer);
        server.edge = true;
        peer
    }

    fn add_peer(
        &mut self,
        course: usize,
        dice: &mut Dice,
        swarm: &IoSwarm,
        make: impl FnOnce(usize, usize, u32) -> SimSocket,
    ) -> usize {
        let due = &self.courses[course];
        // Not so little that a large course takes for ever.
        let min = 1 + due.up_total.max(due.down_total) / 300;
        let [inward, outward] = [(); 2].map(|()| min.max(dice.size(swarm.kernel_bytes_max)) as usize);
        let socket = make(inward, outward, swarm.interrupt_every);
        self.peers.push(Peer::new(course, Rc::new(socket)));
        self.peers.len() - 1
    }

    /// The port that a bind gets.
    pub(crate) fn bind(&mut self, port: u16, taken: bool) -> Result<u16, Errno> {
        if taken {
            return Err(Errno::EADDRINUSE);
        }
        if port != 0 {
            return Ok(port);
        }
        self.ports_given += 1;
        Ok(FIRST_EPHEMERAL + self.ports_given)
    }

    pub(crate) fn server(&mut self, id: ConnId) -> Option<(u16, &mut Server)> {
        self.servers.iter_mut().find(|(_, server)| server.id == id).map(|(port, server)| (*port, server))
    }

    pub(crate) fn udp(&mut self, id: ConnId) -> Option<(u16, &mut SimUdp)> {
        self.udps.iter_mut().find(|(_, udp)| udp.id == id).map(|(port, udp)| (*port, udp))
    }

    pub(crate) fn has_edge(&self) -> bool {
        self.servers.values().any(|server| server.edge) || self.udps.values().any(SimUdp::has_edge)
    }

    /// Whoever waits at a listener that has gone is turned away. Returns whether it was one.
    pub(crate) fn close_server(&mut self, id: ConnId) -> bool {
        let Some((port, _)) = self.server(id) else { return false };
        for peer in self.servers.remove(&port).into_iter().flat_map(|server| server.backlog) {
            self.peers[peer].socket.engine_close(true);
        }
        true
    }

    pub(crate) fn close_udp(&mut self, id: ConnId) -> bool {
        let port = self.udp(id).map(|(port, _)| port);
        port.is_some_and(|port| self.udps.remove(&port).is_some())
    }
}

/// The address that stands for a course's `number`-th fate.
pub(crate) fn address(number: usize, v6: bool) -> IpAddr {
    if v6 {
        Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, number as u16).into()
    } else {
        Ipv4Addr::new(10, 0, 0, number as u8).into()
    }
}

/// Which fate an address stands for.
pub(super) fn address_number(ip: IpAddr) -> usize {
    match ip {
        IpAddr::V4(ip) => {
            assert_eq!(ip.octets()[..3], [10, 0, 0], "the daemon connects to where nobody wanted it to");
            usize::from(ip.octets()[3])
        }
        IpAddr::V6(ip) => usize::from(ip.segments()[7]),
    }
}

/// The name that resolves to `count` addresses, of both families by turns, or to getaddrinfo's `code`.
pub(crate) fn name(count: usize, code: i32, unique: u64) -> String {
    format!("n{count}.e{code}.u{unique}.sim")
}

/// What a name resolves to: it says so itself.
pub(crate) fn resolve(name: &str) -> Result<Vec<IpAddr>, i32> {
    if name == "own.sim" {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    let mut parts = name.split('.').map(|part| part.get(1..).unwrap_or_default().parse::<i32>().unwrap_or(0));
    let (count, code) = (parts.next().unwrap_or(0) as usize, parts.next().unwrap_or(0));
    if code != 0 || count == 0 {
        return Err(code.max(1));
    }
    Ok((0..count).map(|number| address(number, number % 2 == 1)).collect())
}
