//! What the daemon owes a client, and which ids mean what, as it follows from what the client sent and what it was told,
//! in the order of the telling.

use super::super::shadow::ShadowFile;
use super::course::Course;
use super::net::Net;
use jstorrent_io_proto::errno::Errno;
use jstorrent_io_proto::message::{ServerMessage, Status};
use std::collections::{BTreeMap, VecDeque};

/// The first id that is the daemon's to pick.
pub(crate) const FIRST_OWN_ID: u32 = 0x8000_0000;

/// A reply, or an ERROR, that is due or may come.
#[derive(Debug, Clone)]
pub(crate) struct Owed {
    pub(crate) request: u32,
    /// The id on the wire, where the reply bears one.
    pub(crate) id: u32,
    pub(crate) due: Due,
}

/// What is due.
#[derive(Debug, Clone)]
pub(crate) enum Due {
    Hello {
        empty: bool,
    },
    Auth {
        good: bool,
    },
    Connected {
        course: usize,
    },
    Listening {
        port: u16,
        valid: bool,
    },
    Bound {
        port: u16,
        valid: bool,
    },
    /// The socket is open as far as the client knows.
    Secured,
    /// `certain`: so many bytes were there when it was asked for.
    Read {
        region: Option<usize>,
        offset: u64,
        length: u64,
        certain: u64,
        valid: bool,
    },
    Written {
        region: Option<usize>,
        offset: u64,
        data: Vec<u8>,
        right: bool,
        valid: bool,
    },
    /// To a message that can't be read, or is for nobody.
    Error,
    /// To a message for an id that may have been closed, or about a group that may not be joined.
    PerhapsError {
        may_be_open: bool,
    },
}

impl Due {
    fn is_certain(&self) -> bool {
        !matches!(self, Due::PerhapsError { .. })
    }
}

/// What an id means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Live {
    Tcp(usize),
    /// By its port. `closing`: the client closed it.
    Udp {
        port: u16,
        closing: bool,
    },
    /// `stopped`: the client stopped it, and this pong will tell that the daemon has read it.
    Server {
        port: u16,
        stopped: Option<u64>,
    },
}

/// The open file of a connection.
#[derive(Debug)]
pub(crate) struct OwnFile {
    pub(crate) id: u32,
    pub(crate) shadow: ShadowFile,
    /// Bytes up to here were written.
    pub(crate) written: u64,
    /// Of each region of the file: writes, and reads, under way.
    pub(crate) writes: Vec<u32>,
    pub(crate) reads: Vec<u32>,
}

/// What may go wrong without the daemon's fault.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Troubles {
    pub(crate) disk_faults: bool,
    pub(crate) no_session: bool,
    pub(crate) roots_changed: bool,
    pub(crate) works_limited: bool,
    pub(crate) sockets_limited: bool,
}

/// The books of one connection.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) link: usize,
    /// With the feature `credit`: what each socket may send to begin with.
    pub(crate) recv_window: Option<u64>,
    pub(crate) owed: VecDeque<Owed>,
    pub(crate) live: BTreeMap<u32, Live>,
    /// UDP sockets that may be closed over HTTP: how many asked for it, or were not told of them.
    pub(crate) asides: BTreeMap<u32, u32>,
    /// Payloads of pings, oldest first.
    pub(crate) pings: VecDeque<u64>,
    pub(crate) file: Option<OwnFile>,
    pub(crate) json: bool,
    pub(crate) keepalive: bool,
    pub(crate) batches: bool,
    pub(crate) told_of_roots: bool,
    pub(crate) authenticated: bool,
    pub(crate) heard: u64,
    /// TCP_RECVs since this was taken last: course and bytes.
    pub(crate) fresh: Vec<(usize, u64)>,
}

impl Ledger {
    pub(crate) fn owe(&mut self, request: u32, id: u32, due: Due) {
        self.owed.push_back(Owed { request, id, due });
    }

    /// Whether something is due that must come.
    pub(crate) fn is_owed(&self) -> bool {
        !self.pings.is_empty() || self.owed.iter().any(|owed| owed.due.is_certain())
    }

    fn take(
        &mut self,
        request: u32,
        id: u32,
        such: impl Fn(&Due) -> bool,
        message: &dyn std::fmt::Debug,
    ) -> Due {
        let is = |owed: &Owed| owed.request == request && owed.id == id && such(&owed.due);
        let place = self.owed.iter().position(is);
        let place = place.unwrap_or_else(|| panic!("nobody asked for {request}: {message:?}"));
        self.owed.remove(place).expect("it was found").due
    }

    /// The daemon answers a ping; its number.
    pub(crate) fn pong(&mut self, payload: &[u8]) -> u64 {
        let number = payload.try_into().map(u64::from_le_bytes).expect("a pong of our own ping");
        assert_eq!(self.pings.pop_front(), Some(number), "pongs come in order");
        self.live
            .retain(|_, live| !matches!(live, Live::Server { stopped: Some(pong), .. } if *pong == number));
        number
    }

    /// A message came.
    pub(crate) fn message(
        &mut self,
        net: &mut Net,
        troubles: &Troubles,
        request: u32,
        message: &ServerMessage<'_>,
    ) {
        use ServerMessage as M;
        self.heard += 1;
        if !matches!(message, M::ServerHello(_) | M::AuthResult { .. } | M::Error { .. }) {
            assert!(self.authenticated, "told without a token: {message:?}");
        }
        match message {
            M::ServerHello(said) => {
                let due = self.take(request, 0, |due| matches!(due, Due::Hello { .. }), message);
                assert!(matches!(due, Due::Hello { empty } if empty == said.is_none()));
            }
            M::AuthResult { status, .. } => {
                let due = self.take(request, 0, |due| matches!(due, Due::Auth { .. }), message);
                assert!(matches!(due, Due::Auth { good } if good == (*status == Status::Good)));
                self.authenticated |= *status == Status::Good;
            }
            M::Error { .. } => self.error(request, message),
            M::FileData { file_id, status, errno, data } => {
                let due = self.take(request, *file_id, |due| matches!(due, Due::Read { .. }), message);
                self.read(due, troubles, *status, *errno, data);
            }
            M::FileWritten { file_id, status, errno, written } => {
                let due = self.take(request, *file_id, |due| matches!(due, Due::Written { .. }), message);
                self.written(due, troubles, *status, *errno, *written);
            }
            M::Keepalive => assert!(self.keepalive && request == 0),
            M::RootsChanged { .. } => assert!(self.told_of_roots && request == 0),
            M::RangeRequest { .. } | M::RangeCancel { .. } => panic!("nothing streams here: {message:?}"),
            _ => self.socket(net, troubles, request, message),
        }
    }

    fn error(&mut self, request: u32, message: &dyn std::fmt::Debug) {
        let such = |owed: &&Owed| {
            owed.request == request && matches!(owed.due, Due::Error | Due::PerhapsError { .. })
        };
        let owed = self.owed.iter().find(such).cloned();
        let owed = owed.unwrap_or_else(|| panic!("an ERROR to {request} for no reason: {message:?}"));
        if let Due::PerhapsError { may_be_open: false } = owed.due {
            // Of an id that was used twice at once, what is no TCP socket may have come first.
            let is_other = matches!(self.live.get(&owed.id), Some(Live::Udp { .. } | Live::Server { .. }));
            assert!(is_other || !self.is_live(owed.id), "{} is open, and {message:?}", owed.id);
        }
        self.take(request, owed.id, |due| matches!(due, Due::Error | Due::PerhapsError { .. }), message);
    }

    /// Whether an id means something, or the daemon has been asked to make it so.
    fn is_live(&self, id: u32) -> bool {
        self.live.contains_key(&id) || self.is_opening(id)
    }

    pub(crate) fn is_opening(&self, id: u32) -> bool {
        let opens =
            |due: &Due| matches!(due, Due::Connected { .. } | Due::Bound { .. } | Due::Listening { .. });
        self.owed.iter().any(|owed| owed.id == id && opens(&owed.due))
    }

    fn course<'a>(
        &self,
        net: &'a mut Net,
        id: u32,
        message: &dyn std::fmt::Debug,
    ) -> (usize, &'a mut Course) {
        match self.live.get(&id) {
            Some(Live::Tcp(course)) => (*course, &mut net.courses[*course]),
            other => panic!("{id} is {other:?}: {message:?}"),
        }
    }

    fn socket(&mut self, net: &mut Net, troubles: &Troubles, request: u32, message: &ServerMessage<'_>) {
        use ServerMessage as M;
        match *message {
            M::TcpConnected { socket_id, status, errno } => {
                let due = self.take(request, socket_id, |due| matches!(due, Due::Connected { .. }), message);
                let Due::Connected { course } = due else { return };
                assert_eq!(status == Status::Good, !errno.is_error());
                if self.refused_id(socket_id, errno, troubles) {
                    return;
                }
                net.courses[course].connected(errno);
                if status == Status::Good {
                    self.opens(socket_id, Live::Tcp(course));
                }
            }
            M::TcpRecv { socket_id, data } => {
                assert_eq!(request, 0);
                let (number, course) = self.course(net, socket_id, message);
                course.hear(data);
                self.fresh.push((number, data.len() as u64));
            }
            M::TcpClose { socket_id, had_error, errno } => {
                assert_eq!(request, 0);
                self.course(net, socket_id, message).1.close(had_error, errno);
                self.live.remove(&socket_id);
            }
            M::TcpCredit { socket_id, bytes } => self.course(net, socket_id, message).1.grant(bytes),
            M::TcpAccept { server_id, socket_id, remote_port, .. } => {
                self.accepted(net, server_id, socket_id, remote_port);
            }
            M::TcpSecured { socket_id, status } => {
                self.take(request, socket_id, |due| matches!(due, Due::Secured), message);
                assert_eq!(status, Status::Failed, "nobody speaks TLS here");
            }
            M::TcpListenResult { server_id, status, bound_port, errno } => {
                let due = self.take(request, server_id, |due| matches!(due, Due::Listening { .. }), message);
                let Due::Listening { port, valid } = due else { return };
                if self.bound(server_id, (port, valid), (status, bound_port, errno), troubles) {
                    self.opens(server_id, Live::Server { port: bound_port, stopped: None });
                }
            }
            _ => self.datagram(net, troubles, request, message),
        }
    }

    fn datagram(&mut self, net: &mut Net, troubles: &Troubles, request: u32, message: &ServerMessage<'_>) {
        match message {
            ServerMessage::UdpBound { socket_id, status, bound_port, errno } => {
                let due = self.take(request, *socket_id, |due| matches!(due, Due::Bound { .. }), message);
                let Due::Bound { port, valid } = due else { return };
                if self.bound(*socket_id, (port, valid), (*status, *bound_port, *errno), troubles) {
                    self.opens(*socket_id, Live::Udp { port: *bound_port, closing: false });
                }
            }
            ServerMessage::UdpRecv { socket_id, port: remote, addr, data } => {
                let Some(Live::Udp { port, .. }) = self.live.get(socket_id) else {
                    panic!("a datagram of nobody: {message:?}")
                };
                let from = std::net::SocketAddr::new(addr.parse().expect("an address"), *remote);
                net.inward.get_mut(port).expect("datagrams of a port").arrived(from, data);
            }
            ServerMessage::UdpClose { socket_id, had_error, errno } => {
                assert!(!had_error && !errno.is_error() && request == 0, "{message:?}");
                let was = self.live.remove(socket_id);
                let may = match was {
                    Some(Live::Udp { closing, .. }) => closing || self.asides.contains_key(socket_id),
                    _ => false,
                };
                assert!(may, "{was:?}: {message:?}");
            }
            other => panic!("never sent: {other:?}"),
        }
    }

    /// An id means something from now on.
    pub(crate) fn opens(&mut self, id: u32, live: Live) {
        let before = self.live.insert(id, live);
        let stopped = matches!(before, Some(Live::Server { stopped: Some(_), .. }));
        assert!(before.is_none() || stopped, "id {id} was in use");
    }

    /// An id that could not be had: in use, or not the client's to pick; or all sockets are.
    fn refused_id(&self, id: u32, errno: Errno, troubles: &Troubles) -> bool {
        match errno {
            Errno::EEXIST => assert!(self.is_live(id), "{id} is not in use"),
            Errno::EMFILE => assert!(troubles.sockets_limited, "there is room for {id}"),
            Errno::EINVAL if id >= FIRST_OWN_ID => {}
            _ => {
                assert!(id < FIRST_OWN_ID, "{id} is not the client's to pick");
                return false;
            }
        }
        true
    }

    fn bound(
        &self,
        id: u32,
        (port, valid): (u16, bool),
        (status, bound_port, errno): (Status, u16, Errno),
        troubles: &Troubles,
    ) -> bool {
        assert_eq!(status == Status::Good, !errno.is_error());
        if self.refused_id(id, errno, troubles) {
            return false;
        }
        if errno.is_error() {
            let may =
                errno == Errno::EADDRINUSE || errno == Errno::EINVAL && !valid || errno == Errno::ECANCELED;
            assert!(may && bound_port == 0, "{errno} for no reason");
            return false;
        }
        assert!(valid && (port == 0 || port == bound_port), "{bound_port} is not what was asked for");
        true
    }

    fn accepted(&mut self, net: &mut Net, server: u32, id: u32, remote_port: u16) {
        let Some(Live::Server { port, .. }) = self.live.get(&server) else {
            panic!("{server} does not listen")
        };
        assert!(id >= FIRST_OWN_ID, "{id} is the client's to pick");
        net.picks(id);
        let number = net.course_of(remote_port);
        let course = &mut net.courses[number];
        assert_eq!(course.server, Some(*port), "it knocked elsewhere");
        assert!(!course.open, "accepted twice");
        course.open = true;
        course.link = Some(self.link);
        course.granted_down = self.recv_window;
        self.opens(id, Live::Tcp(number));
    }

    fn may_fail(&self, troubles: &Troubles, errno: Errno) -> bool {
        match errno {
            Errno::EBADF => troubles.no_session || troubles.roots_changed,
            Errno::EACCES => troubles.roots_changed,
            Errno::EIO | Errno::ENOSPC => troubles.disk_faults,
            Errno::ENOBUFS => troubles.works_limited,
            _ => false,
        }
    }

    fn read(&mut self, due: Due, troubles: &Troubles, status: Status, errno: Errno, data: &[u8]) {
        let Due::Read { region, offset, length, certain, valid } = due else { return };
        let may_fail = self.may_fail(troubles, errno);
        let Some(file) = self.file.as_mut().filter(|_| valid) else {
            assert!(errno == Errno::EBADF || errno == Errno::EINVAL, "{errno}");
            return;
        };
        if let Some(region) = region {
            file.reads[region] -= 1;
        }
        if status == Status::Failed {
            return assert!(may_fail && data.is_empty(), "a read failed for no reason: {errno}");
        }
        assert_eq!((status, errno), (Status::Good, Errno::NONE));
        assert!((certain..=length).contains(&(data.len() as u64)), "{} bytes of {length}", data.len());
        file.shadow.check(offset, data);
    }

    fn written(&mut self, due: Due, troubles: &Troubles, status: Status, errno: Errno, written: u32) {
        let Due::Written { region, offset, data, right, valid } = due else { return };
        let may_fail = self.may_fail(troubles, errno);
        let Some(file) = self.file.as_mut().filter(|_| valid) else {
            assert!(status == Status::Failed && errno == Errno::EBADF, "{errno}");
            return;
        };
        if let Some(region) = region {
            file.writes[region] -= 1;
        }
        match status {
            Status::Good => {
                assert!(right && written as usize == data.len() && !errno.is_error());
                file.shadow.wrote(offset, &data);
                if !data.is_empty() {
                    file.written = file.written.max(offset + data.len() as u64);
                }
            }
            Status::HashMismatch => assert!(!right && written == 0, "it has the digest that it should have"),
            Status::Failed => {
                assert!(may_fail, "a write failed for no reason: {errno}");
                file.shadow.write_failed(offset, data.len() as u64);
            }
        }
    }

    /// The connection has gone: what was asked may have been done.
    pub(crate) fn abandon(&mut self) -> Option<ShadowFile> {
        let mut file = self.file.take()?;
        for owed in self.owed.drain(..) {
            if let Due::Written { offset, data, valid: true, .. } = owed.due {
                file.shadow.write_failed(offset, data.len() as u64);
            }
        }
        Some(file.shadow)
    }
}
