//! The sockets behind the engine's connections, by the same slots and serials.

use super::moderation::Pace;
use super::stream::Stream;
use super::turn::Ready;
use crate::ids::{ConnId, give_back};
use mio::{Interest, Registry, Token};
use std::io;
use std::net::Shutdown;
use std::sync::Arc;

/// Tokens above this are the loop's own.
const OWN_FIRST: usize = usize::MAX - 15;

/// The loop's own token number `n`, below 16.
pub(super) const fn own_token(n: usize) -> Token {
    Token(OWN_FIRST + n)
}

/// The token that names a connection: its slot and as much of its serial as fits.
pub(super) fn token_of(id: ConnId) -> Token {
    let slot = id.slot as usize;
    #[cfg(target_pointer_width = "64")]
    let slot = slot | (id.serial as usize) << 32;
    Token(slot)
}

/// A socket and what is known of its readiness.
#[derive(Debug)]
pub(super) struct Source {
    id: ConnId,
    pub(super) stream: Arc<Stream>,
    pub(super) ready: Ready,
    /// Not connected yet: its first event tells the outcome.
    pub(super) connecting: bool,
    /// No events tell of what it receives.
    pub(super) is_deaf: bool,
    pub(super) pace: Pace,
}

impl Source {
    /// Whether events are to tell of what it receives. Once they are, one tells of what has come before. Errors, and the
    /// end of both sides, are told in any case.
    pub(super) fn listen(&mut self, registry: &Registry, listen: bool) {
        if self.is_deaf != listen {
            return;
        }
        let interest = if listen { Interest::READABLE | Interest::WRITABLE } else { Interest::WRITABLE };
        // A worker sends into it: that is over soon.
        let Some(stream) = Arc::get_mut(&mut self.stream) else { return };
        match registry.reregister(&mut stream.0, token_of(self.id), interest) {
            Ok(()) => self.is_deaf = !listen,
            Err(error) => log::warn!("what a connection waits for could not be changed: {error}"),
        }
    }
}

/// All sockets of connections.
#[derive(Debug, Default)]
pub(super) struct Sources {
    slots: Vec<Option<Source>>,
}

impl Sources {
    /// Adds a connected socket under its connection's identity.
    pub(super) fn add(&mut self, registry: &Registry, id: ConnId, stream: Stream) -> io::Result<()> {
        self.register(registry, id, stream, false)
    }

    /// Adds a socket that is about to be connected.
    pub(super) fn add_connecting(
        &mut self,
        registry: &Registry,
        id: ConnId,
        stream: Stream,
    ) -> io::Result<()> {
        self.register(registry, id, stream, true)
    }

    fn register(
        &mut self,
        registry: &Registry,
        id: ConnId,
        mut stream: Stream,
        connecting: bool,
    ) -> io::Result<()> {
        registry.register(&mut stream.0, token_of(id), Interest::READABLE | Interest::WRITABLE)?;
        let slot = id.slot as usize;
        if slot >= self.slots.len() {
            self.slots.resize_with(slot + 1, || None);
        }
        self.slots[slot] = Some(Source {
            id,
            stream: Arc::new(stream),
            ready: Ready::default(),
            connecting,
            is_deaf: false,
            pace: Pace::default(),
        });
        Ok(())
    }

    /// The socket of a connection.
    pub(super) fn get_mut(&mut self, id: ConnId) -> Option<&mut Source> {
        self.slots.get_mut(id.slot as usize)?.as_mut().filter(|source| source.id == id)
    }

    /// The connection that an event is for; `None` where it has gone.
    pub(super) fn find(&mut self, token: Token) -> Option<(ConnId, &mut Source)> {
        let slot = token.0 & u32::MAX as usize;
        let source = self.slots.get_mut(slot)?.as_mut()?;
        (token_of(source.id) == token).then_some((source.id, source))
    }

    /// Closes a connection's socket. A worker that is still sending into it is made to stop.
    pub(super) fn close(&mut self, registry: &Registry, id: ConnId, abort: bool) {
        let Some(slot) = self.slots.get_mut(id.slot as usize) else { return };
        let Some(source) = slot.take_if(|source| source.id == id) else { return };
        if id.slot as usize + 1 == self.slots.len() {
            give_back(&mut self.slots, Option::is_none);
        }
        if abort {
            // Without lingering, close sends a reset; should that fail, the peer gets a FIN all the same.
            let _ = socket2::SockRef::from(&source.stream.0).set_linger(Some(std::time::Duration::ZERO));
        }
        match Arc::try_unwrap(source.stream) {
            Ok(mut stream) => {
                let _ = registry.deregister(&mut stream.0);
            }
            Err(shared) => {
                // The worker's end of it closes the descriptor. Failure means that the peer has gone already.
                let _ = shared.0.shutdown(Shutdown::Both);
            }
        }
    }
}
