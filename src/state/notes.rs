//! Messages between connections, which never touch each other: a note is written here, and the engine delivers it
//! before the step ends. A note to someone who has gone is dropped and counted.

use crate::ids::ConnId;
use crate::state::ranges::RangeId;
use std::collections::VecDeque;

/// What one connection, or the state, has to say to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// A buffer, or bulk memory, that you wait for may be had: try. A wake is not a grant.
    MemoryFree,
    /// Look again at what you wait for: a file's state or its available bytes changed.
    Look,
    /// What you serve is void (its file or ticket was closed): cut the connection.
    Cut,
    /// To an `/io` connection: a stream lacks bytes, ask the client for them (RANGE_REQUEST). What is to be said is told by
    /// `service::stream::told`.
    RangeRequest(RangeId),
    /// To an `/io` connection: what was asked for is no longer needed (RANGE_CANCEL).
    RangeCancel(RangeId),
    /// There is room for what you would read: go on. A wake is not a grant.
    ReadOn,
    /// The client closed you: deliver what it sent, then end.
    Close,
    /// The client wants you secured: how is in your [`Socket`](super::sockets::Socket).
    Secure,
    /// The client sent you more than it was granted: end with ENOBUFS.
    Overrun,
    /// Bytes wait for your peer, where none did before.
    Queued,
    /// You have won the race for your socket's peer: go on with it.
    Won,
    /// What clients are told of the roots changed.
    RootsChanged,
    /// The daemon ends: finish what is in flight, then close.
    Exit,
}

/// The notes on their way.
#[derive(Debug, Default)]
pub struct Notes {
    queue: VecDeque<(ConnId, Note)>,
}

impl Notes {
    /// Writes a note.
    pub fn send(&mut self, to: ConnId, note: Note) {
        self.queue.push_back((to, note));
    }

    /// Whom the oldest is to.
    pub fn addressee(&self) -> Option<ConnId> {
        self.queue.front().map(|(to, _)| *to)
    }

    /// Takes the oldest.
    pub fn take(&mut self) -> Option<(ConnId, Note)> {
        self.queue.pop_front()
    }
}
