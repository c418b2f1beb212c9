//! The UDP sockets behind the engine's connections: bound, read and written without waiting.

use super::sources::token_of;
use super::turn::Ready;
use crate::engine::Engine;
use crate::ids::ConnId;
use crate::state::effects::Effect;
use jstorrent_io_proto::errno::Errno;
use mio::event::Event;
use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockAddr, SockRef, Socket, Type};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};

/// What the kernel is asked to hold: room for a burst of 3,000 datagrams of 1,400 bytes, each of which it counts with
/// its own overhead.
const RECEIVE_BUFFER_BYTES: usize = 8 << 20;
/// Datagrams that one socket sends, or receives, before others get their turn.
const DATAGRAMS_A_TURN: usize = 128;

#[derive(Debug)]
struct Source {
    id: ConnId,
    socket: UdpSocket,
    /// It takes IPv6 addresses, and IPv4 ones in their guise.
    is_v6: bool,
    ready: Ready,
}

/// All UDP sockets.
#[derive(Debug, Default)]
pub(super) struct Datagrams {
    sources: HashMap<Token, Source>,
}

impl Datagrams {
    /// Carries out [`Effect::BindUdp`].
    pub(super) fn bind(
        &mut self,
        registry: &Registry,
        id: ConnId,
        at: SocketAddr,
        shed: impl FnOnce() -> usize,
    ) -> Result<u16, Errno> {
        let bound = match bind(at) {
            Err(error) if super::listeners::is_shortage(&error) && shed() > 0 => bind(at),
            other => other,
        };
        bound
            .and_then(|socket| self.add(registry, id, socket, at.is_ipv6()))
            .map_err(|error| Errno::from_io(&error))
    }

    fn add(&mut self, registry: &Registry, id: ConnId, socket: Socket, is_v6: bool) -> io::Result<u16> {
        let mut socket = UdpSocket::from_std(socket.into());
        let port = socket.local_addr()?.port();
        registry.register(&mut socket, token_of(id), Interest::READABLE | Interest::WRITABLE)?;
        self.sources.insert(token_of(id), Source { id, socket, is_v6, ready: Ready::default() });
        Ok(port)
    }

    /// Notes an event; whose it is.
    pub(super) fn event(&mut self, event: &Event) -> Option<ConnId> {
        let source = self.sources.get_mut(&event.token())?;
        source.ready.readable |= event.is_readable() || event.is_error();
        source.ready.writable |= event.is_writable();
        Some(source.id)
    }

    /// Closes a connection's socket, if it is one of these.
    pub(super) fn close(&mut self, registry: &Registry, id: ConnId) {
        if let Some(mut source) = self.sources.remove(&token_of(id)) {
            let _ = registry.deregister(&mut source.socket);
        }
    }

    /// Carries out [`Effect::Membership`]: on every interface that takes it.
    pub(super) fn membership(&self, id: ConnId, group: IpAddr, join: bool) -> Result<(), Errno> {
        let source = self.sources.get(&token_of(id)).ok_or(Errno::EBADF)?;
        membership(&SockRef::from(&source.socket), group, join).map_err(|error| Errno::from_io(&error))
    }

    /// One socket's turn.
    pub(super) fn turn(&mut self, engine: &mut Engine, id: ConnId) {
        let Some(source) = self.sources.get_mut(&token_of(id)) else { return };
        if source.send(engine) | source.receive(engine) {
            engine.state.turns.want(id);
        }
    }
}

impl Source {
    /// Sends what waits; returns whether more may be sent at once.
    fn send(&mut self, engine: &mut Engine) -> bool {
        for _ in 0..DATAGRAMS_A_TURN {
            let Some((to, data)) = engine.outgoing_datagram(self.id).filter(|_| self.ready.writable) else {
                return false;
            };
            let sent = self.address(to).and_then(|to| self.socket.send_to(data, to));
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.ready.writable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => engine.datagram_sent(self.id, other.map_err(|error| Errno::from_io(&error))),
            }
        }
        true
    }

    /// The address as this socket takes it.
    fn address(&self, to: SocketAddr) -> io::Result<SocketAddr> {
        match (to.ip(), self.is_v6) {
            (IpAddr::V4(ip), true) => Ok(SocketAddr::new(ip.to_ipv6_mapped().into(), to.port())),
            (IpAddr::V6(ip), false) => match ip.to_ipv4_mapped() {
                Some(ip) => Ok(SocketAddr::new(ip.into(), to.port())),
                None => Err(io::ErrorKind::Unsupported.into()),
            },
            _ => Ok(to),
        }
    }

    /// Receives what has come; returns whether more may be there.
    fn receive(&mut self, engine: &mut Engine) -> bool {
        for _ in 0..DATAGRAMS_A_TURN {
            if !self.ready.readable {
                return false;
            }
            let Some(place) = engine.place(self.id) else { return false };
            match self.socket.recv_from(place) {
                Ok((n, from)) => engine.datagram_received(self.id, n, from),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.ready.readable = false,
                // What an earlier datagram met on its way: no concern of this socket's.
                Err(error) if is_passing(&error) => {}
                Err(error) => {
                    self.ready.readable = false;
                    engine.failed(self.id, Errno::from_io(&error));
                }
            }
        }
        true
    }
}

fn is_passing(error: &io::Error) -> bool {
    let errno = Errno::from_io(error);
    error.kind() == io::ErrorKind::Interrupted
        || [Errno::ECONNREFUSED, Errno::ECONNRESET, Errno::EHOSTUNREACH, Errno::ENETUNREACH, Errno::EMSGSIZE]
            .contains(&errno)
}

fn bind(at: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(at), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    let is_chosen = at.port() == 0;
    if !is_chosen {
        socket.set_reuse_address(true)?;
    }
    if at.ip() == IpAddr::from(std::net::Ipv6Addr::UNSPECIFIED) {
        socket.set_only_v6(false)?;
    }
    // What the system does not allow is no reason to refuse the socket.
    let _ = socket.set_broadcast(true);
    enlarge_receive_buffer(&socket);
    socket.bind(&SockAddr::from(at))?;
    if is_chosen {
        // Linux takes two who share for a pair that agreed on it, and would choose a port that another one has.
        let _ = socket.set_reuse_address(true);
    }
    Ok(socket)
}

fn enlarge_receive_buffer(socket: &Socket) {
    #[cfg(target_os = "linux")]
    if rustix::net::sockopt::set_socket_recv_buffer_size_force(socket, RECEIVE_BUFFER_BYTES).is_ok() {
        return;
    }
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
}

/// Joins or leaves on all interfaces; an error where none takes it.
fn membership(socket: &SockRef<'_>, group: IpAddr, join: bool) -> io::Result<()> {
    let interfaces = if_addrs::get_if_addrs()?;
    let mut done = Err(io::ErrorKind::AddrNotAvailable.into());
    for interface in interfaces.iter().filter(|interface| interface.ip().is_ipv4() == group.is_ipv4()) {
        let one = match (group, interface.ip()) {
            (IpAddr::V4(group), IpAddr::V4(ip)) => {
                let on = InterfaceIndexOrAddress::Address(ip);
                if join {
                    socket.join_multicast_v4_n(&group, &on)
                } else {
                    socket.leave_multicast_v4_n(&group, &on)
                }
            }
            (IpAddr::V6(group), _) => {
                let on = interface.index.unwrap_or(0);
                if join {
                    socket.join_multicast_v6(&group, on)
                } else {
                    socket.leave_multicast_v6(&group, on)
                }
            }
            _ => continue,
        };
        match one {
            Ok(()) => done = Ok(()),
            // Two addresses of one interface: joined already.
            Err(error) if Errno::from_io(&error) == Errno::EADDRINUSE && join => done = Ok(()),
            Err(error) if done.is_err() => done = Err(error),
            Err(_) => {}
        }
    }
    done
}

/// Whether an effect is for UDP sockets, and what becomes of it.
pub(super) fn carry(
    datagrams: &mut Datagrams,
    registry: &Registry,
    engine: &mut Engine,
    effect: &Effect,
    shed: impl FnOnce() -> usize,
) {
    match *effect {
        Effect::BindUdp { id, at } => {
            let outcome = datagrams.bind(registry, id, at, shed);
            engine.datagram_bound(id, outcome);
        }
        Effect::Membership { id, group, join, request_id } => {
            if let Err(errno) = datagrams.membership(id, group, join) {
                engine.membership_failed(id, request_id, errno);
            }
        }
        _ => {}
    }
}
