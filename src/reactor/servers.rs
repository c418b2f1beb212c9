//! Listening sockets of clients: binding them, and accepting their peers as far as the engine takes them.

use super::listeners::is_shortage;
use super::sources::{Sources, token_of};
use super::stream::Stream;
use crate::engine::Engine;
use crate::ids::ConnId;
use crate::limits::ACCEPT_STARVED_MS;
use crate::time::Time;
use jstorrent_io_proto::errno::Errno;
use mio::net::TcpListener;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::SocketAddr;

/// Peers that the kernel keeps for us until they are accepted.
const BACKLOG: i32 = 1024;
/// Peers accepted before others get their turn.
const ACCEPTS_A_TURN: usize = 64;

#[derive(Debug)]
struct Server {
    id: ConnId,
    socket: TcpListener,
    /// An edge has come and `WouldBlock` has not.
    waiting: bool,
}

/// All of them; a client has a few.
#[derive(Debug, Default)]
pub(super) struct Servers {
    all: Vec<Server>,
    /// Descriptors ran out: those are tried again when some connection has closed.
    starved: Vec<ConnId>,
    /// When they are tried again at the latest.
    retry_at: Option<Time>,
}

impl Servers {
    /// Binds a socket and listens; the port that it got.
    pub(super) fn listen(
        &mut self,
        registry: &Registry,
        id: ConnId,
        at: SocketAddr,
        both_families: bool,
    ) -> Result<u16, Errno> {
        self.try_listen(registry, id, at, both_families).map_err(|error| Errno::from_io(&error))
    }

    fn try_listen(
        &mut self,
        registry: &Registry,
        id: ConnId,
        at: SocketAddr,
        both_families: bool,
    ) -> io::Result<u16> {
        let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        if at.is_ipv6() {
            socket.set_only_v6(!both_families)?;
        }
        // On Windows this would let two processes have one port.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        socket.bind(&SockAddr::from(at))?;
        socket.listen(BACKLOG)?;
        let mut socket = TcpListener::from_std(socket.into());
        let port = socket.local_addr()?.port();
        registry.register(&mut socket, token_of(id), Interest::READABLE)?;
        self.all.push(Server { id, socket, waiting: false });
        Ok(port)
    }

    /// Someone waits there; whose it is, if it is a server's event.
    pub(super) fn edge(&mut self, token: Token) -> Option<ConnId> {
        let server = self.all.iter_mut().find(|server| token_of(server.id) == token)?;
        server.waiting = true;
        Some(server.id)
    }

    /// Closes one, if there is one of that name.
    pub(super) fn close(&mut self, registry: &Registry, id: ConnId) {
        if let Some(index) = self.all.iter().position(|server| server.id == id) {
            let _ = registry.deregister(&mut self.all.swap_remove(index).socket);
        }
    }

    /// A connection has closed: there may be a descriptor again.
    pub(super) fn may_try_again(&mut self, engine: &mut Engine) {
        self.retry_at = None;
        for id in self.starved.drain(..) {
            engine.state.turns.want(id);
        }
    }

    /// When they are to be tried again though nothing of ours has closed: others may have caused the shortage.
    pub(super) fn retry_at(&self) -> Time {
        self.retry_at.unwrap_or(Time::NEVER)
    }

    /// Accepts peers of one, as many as a turn allows and the engine takes.
    pub(super) fn accept(
        &mut self,
        registry: &Registry,
        engine: &mut Engine,
        sources: &mut Sources,
        id: ConnId,
        shed: impl Fn() -> usize,
    ) {
        let Some(server) = self.all.iter_mut().find(|server| server.id == id) else { return };
        for _ in 0..ACCEPTS_A_TURN {
            if !server.waiting || !engine.may_accept_peer(id) {
                return;
            }
            match server.socket.accept() {
                Ok((stream, remote)) => admit(registry, engine, sources, id, stream, remote),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => server.waiting = false,
                Err(error) if is_shortage(&error) && shed() == 0 => {
                    self.retry_at.get_or_insert(engine.state.now.plus_ms(ACCEPT_STARVED_MS));
                    return self.starved.push(id);
                }
                // The peer gave up meanwhile, or there is a descriptor now.
                Err(_) => {}
            }
        }
        engine.state.turns.want(id);
    }
}

fn admit(
    registry: &Registry,
    engine: &mut Engine,
    sources: &mut Sources,
    server: ConnId,
    stream: mio::net::TcpStream,
    remote: SocketAddr,
) {
    // Failure means that the peer has gone: the read will tell.
    let _ = stream.set_nodelay(true);
    let Some(id) = engine.accept_peer(server, remote) else { return };
    if let Err(error) = sources.add(registry, id, Stream(stream)) {
        engine.failed(id, Errno::from_io(&error));
    }
}
