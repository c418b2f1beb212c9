//! One connection's turn with its socket: what is ready goes out, then what has come is read, within a budget, so that
//! others get theirs. Knows no mio: the simulation takes turns with the same code.

use crate::conn::outgoing::Outgoing;
use crate::engine::Engine;
use crate::ids::ConnId;
use jstorrent_io_proto::errno::Errno;
use std::io::{self, IoSlice};

/// Whether a read that did not fill its place means that nothing is left: so on Linux and the BSDs, whose edges come
/// anew with new bytes. Windows re-arms only by `WouldBlock`.
const SHORT_READ_IS_LAST: bool = cfg!(unix);

/// A connected stream socket that never blocks.
pub trait Socket {
    /// As `read(2)`.
    fn receive(&self, place: &mut [u8]) -> io::Result<usize>;
    /// As `writev(2)`; `more`: further bytes follow at once.
    fn send(&self, slices: &[IoSlice<'_>], more: bool) -> io::Result<usize>;
    /// Whether the peer's end is what comes next, with no byte before it. Takes nothing.
    fn is_at_end(&self) -> io::Result<bool>;
}

/// What edges have told, and `WouldBlock` has not taken back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// A read may find something.
    pub readable: bool,
    /// A write may be taken.
    pub writable: bool,
    /// The peer's end was announced: it may lie right behind the next bytes, and no edge will tell of it again.
    pub ending: bool,
    /// It was not read when it last could be: there was no place for its bytes.
    pub held: bool,
    /// The socket failed: the next read will tell how.
    pub failed: bool,
}

/// What one event tells of a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    /// There is something to read.
    pub readable: bool,
    /// There is room to write.
    pub writable: bool,
    /// The peer has ended its side, or more.
    pub read_closed: bool,
    /// Nothing can be written any more.
    pub write_closed: bool,
    /// The socket failed.
    pub error: bool,
}

impl Edge {
    /// Whether the peer's end is among it.
    pub fn is_hang_up(&self) -> bool {
        self.read_closed || self.write_closed
    }
}

impl Ready {
    /// An event came. What it does not tell still holds.
    pub fn tell(&mut self, edge: Edge) {
        self.readable |= edge.readable || edge.read_closed || edge.error;
        self.writable |= edge.writable || edge.write_closed || edge.error;
        self.ending |= edge.read_closed || edge.error;
        self.failed |= edge.error;
    }

    /// Whether a turn could do nothing.
    pub fn is_blocked(&self) -> bool {
        !(self.readable || self.writable)
    }

    /// A worker that sent into the socket is done. Where it was `blocked`, only an edge tells that there is room again;
    /// that may have come while it was on its way home.
    pub fn sent_by_worker(&mut self, blocked: bool) {
        self.writable |= !blocked;
    }
}

/// Bytes that are left of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    left: usize,
    sent: usize,
    received: usize,
}

impl Budget {
    /// A turn of that many bytes.
    pub fn new(bytes: usize) -> Budget {
        Budget { left: bytes, sent: 0, received: 0 }
    }

    /// Whether the turn is over.
    pub fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// Bytes that were written in it.
    pub fn sent(&self) -> usize {
        self.sent
    }

    /// Bytes that were read in it.
    pub fn received(&self) -> usize {
        self.received
    }

    fn spend(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes);
    }
}

/// Writes what there is, then reads once. Returns whether another step may find more to do. The caller carries the
/// engine's effects out between steps.
pub fn step(
    engine: &mut Engine,
    id: ConnId,
    socket: &impl Socket,
    ready: &mut Ready,
    budget: &mut Budget,
) -> bool {
    write(engine, id, socket, ready, budget);
    if budget.is_spent() || !ready.readable {
        return false;
    }
    read(engine, id, socket, ready, budget)
}

fn write(engine: &mut Engine, id: ConnId, socket: &impl Socket, ready: &mut Ready, budget: &mut Budget) {
    while ready.writable && !budget.is_spent() {
        let sent = match engine.outgoing(id) {
            Outgoing::Nothing => return,
            Outgoing::Transfer => {
                // The worker will find the socket's limit; an edge that comes meanwhile must not be lost.
                ready.writable = false;
                return engine.start_transfer(id);
            }
            Outgoing::Bytes(slices) => socket.send(slices.as_slices(), slices.more),
        };
        match sent {
            Ok(n) => {
                budget.spend(n.max(1));
                budget.sent += n;
                engine.sent(id, n);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.writable = false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                ready.writable = false;
                return engine.send_failed(id, Errno::from_io(&error));
            }
        }
    }
}

fn read(
    engine: &mut Engine,
    id: ConnId,
    socket: &impl Socket,
    ready: &mut Ready,
    budget: &mut Budget,
) -> bool {
    let place = engine.place(id);
    ready.held = place.is_none();
    let Some(place) = place else {
        if ready.failed {
            engine.reset(id);
        }
        return look_for_end(engine, id, socket, ready);
    };
    let room = place.len();
    match socket.receive(place) {
        Ok(0) => {
            ready.readable = false;
            engine.ended(id);
        }
        Ok(n) => {
            budget.spend(n);
            budget.received += n;
            let last = SHORT_READ_IS_LAST && n < room && !ready.ending;
            ready.readable = !last;
            engine.received(id, n);
            if last {
                engine.drained(id);
            }
            return true;
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            ready.readable = false;
            engine.drained(id);
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => return true,
        Err(error) => {
            ready.readable = false;
            engine.failed(id, Errno::from_io(&error));
        }
    }
    false
}

/// Who may read nothing at present learns of the end all the same, where it was announced and no byte lies before it.
fn look_for_end(engine: &mut Engine, id: ConnId, socket: &impl Socket, ready: &mut Ready) -> bool {
    if !ready.ending || !engine.awaits_end(id) {
        return false;
    }
    match socket.is_at_end() {
        Ok(true) => {
            ready.readable = false;
            engine.ended(id);
        }
        Ok(false) => {}
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        Err(error) if error.kind() == io::ErrorKind::Interrupted => return true,
        Err(error) => {
            ready.readable = false;
            engine.failed(id, Errno::from_io(&error));
        }
    }
    false
}
