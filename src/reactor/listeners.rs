//! The daemon's own two ports: accepting clients, and leaving them in the kernel's queue while there is no place.

use super::sources::Sources;
use super::stream::Stream;
use crate::engine::Engine;
use crate::limits::ACCEPT_STARVED_MS;
use crate::time::Time;
use jstorrent_io_proto::route::PortKind;
use mio::net::TcpListener;
use mio::{Interest, Registry, Token};
use std::io;

/// Connections accepted before others get their turn.
const ACCEPTS_A_ROUND: usize = 64;
/// Cached file descriptors that are given up when a connection could not be accepted for lack of them.
const DESCRIPTORS_SHED: usize = 8;

#[derive(Debug)]
struct Listener {
    socket: Option<TcpListener>,
    kind: PortKind,
    /// An edge has come and `WouldBlock` has not.
    waiting: bool,
}

/// Both listeners.
#[derive(Debug)]
pub(super) struct Listeners {
    both: [Listener; 2],
    /// Descriptors ran out: nothing is tried before some connection has closed.
    starved: Option<Time>,
}

impl Listeners {
    pub(super) fn new(
        registry: &Registry,
        [main, stream]: [std::net::TcpListener; 2],
        tokens: [Token; 2],
    ) -> io::Result<Listeners> {
        let listen = |socket: std::net::TcpListener, kind, token| {
            socket.set_nonblocking(true)?;
            let mut socket = TcpListener::from_std(socket);
            registry.register(&mut socket, token, Interest::READABLE)?;
            io::Result::Ok(Listener { socket: Some(socket), kind, waiting: false })
        };
        let both = [listen(main, PortKind::Main, tokens[0])?, listen(stream, PortKind::Stream, tokens[1])?];
        Ok(Listeners { both, starved: None })
    }

    /// Someone waits at that port.
    pub(super) fn edge(&mut self, kind: PortKind) {
        for listener in &mut self.both {
            listener.waiting |= listener.kind == kind;
        }
    }

    /// A connection has closed: there may be a descriptor again.
    pub(super) fn may_try_again(&mut self) {
        self.starved = None;
    }

    /// Whether someone waits who could be accepted.
    pub(super) fn may_retry(&self, engine: &Engine) -> bool {
        self.starved.is_none() && engine.may_accept() && self.both.iter().any(|listener| listener.waiting)
    }

    /// When it is to be tried again, though nothing of ours has closed: others may have caused the shortage.
    pub(super) fn retry_at(&self) -> Time {
        self.starved.unwrap_or(Time::NEVER)
    }

    /// Ends both.
    pub(super) fn close(&mut self, registry: &Registry) {
        for listener in &mut self.both {
            listener.waiting = false;
            if let Some(mut socket) = listener.socket.take() {
                let _ = registry.deregister(&mut socket);
            }
        }
    }

    /// Accepts whom it can.
    pub(super) fn accept(
        &mut self,
        registry: &Registry,
        engine: &mut Engine,
        sources: &mut Sources,
        mut shed_descriptors: impl FnMut(usize) -> usize,
    ) {
        let now = engine.state.now;
        self.starved = self.starved.filter(|until| *until > now);
        for listener in &mut self.both {
            let mut accepted = 0;
            while listener.waiting
                && self.starved.is_none()
                && accepted < ACCEPTS_A_ROUND
                && engine.may_accept()
            {
                let Some(socket) = &listener.socket else { return };
                accepted += 1;
                match socket.accept() {
                    Ok((stream, _)) => admit(registry, engine, sources, listener.kind, Stream(stream)),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => listener.waiting = false,
                    Err(error) if is_shortage(&error) => {
                        if shed_descriptors(DESCRIPTORS_SHED) == 0 && !engine.shed() {
                            self.starved = Some(now.plus_ms(ACCEPT_STARVED_MS));
                        }
                    }
                    // The client gave up meanwhile.
                    Err(_) => {}
                }
            }
        }
    }
}

fn admit(registry: &Registry, engine: &mut Engine, sources: &mut Sources, kind: PortKind, stream: Stream) {
    let _ = stream.0.set_nodelay(true);
    let Some(id) = engine.accept(kind) else { return };
    if let Err(error) = sources.add(registry, id, stream) {
        log::warn!("a connection could not be watched: {error}");
        engine.failed(id, jstorrent_io_proto::errno::Errno::from_io(&error));
    }
}

/// The process, or the system, is out of descriptors or memory.
pub(super) fn is_shortage(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM]
            .iter()
            .any(|shortage| error.raw_os_error() == Some(shortage.raw_os_error()))
    }
    #[cfg(not(unix))]
    {
        const WSAEMFILE: i32 = 10024;
        const WSAENOBUFS: i32 = 10055;
        matches!(error.raw_os_error(), Some(WSAEMFILE | WSAENOBUFS))
    }
}
