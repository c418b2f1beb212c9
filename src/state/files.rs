//! Open files by their number on the wire: whose they are and how many requests are at work on them. The descriptors
//! are the workers' business.

use crate::ids::{ConnId, FileId, SessionId};
use crate::job::FileHandle;
use crate::state::availability::Availability;
use crate::state::sessions::TicketKey;
use crate::time::Time;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// An open file.
#[derive(Debug)]
pub struct OpenFile {
    /// Who may name it.
    pub session: SessionId,
    /// What jobs carry.
    pub handle: Arc<FileHandle>,
    /// Its bytes are there only when the client says so (PROTOCOL §5); `None`: they all are.
    pub deferred: Option<Deferred>,
    /// Last change when it was opened, or that opening if it is earlier, in milliseconds since 1970: validators don't
    /// change while it is open.
    pub mtime_ms: u64,
    /// Tells this opening from all others in an `ETag`.
    pub tag: u64,
    /// Requests and messages at work on it.
    pub in_use: u32,
    /// Someone closed it: no new work, and this connection waits for the last to end.
    pub closing: Option<Closing>,
    /// Streams of it, to be cut when it closes, each with the first byte that it lacks (`u64::MAX`: none).
    pub streams: BTreeMap<ConnId, u64>,
    /// Tickets to it, void when it closes.
    pub tickets: Vec<TicketKey>,
}

/// What a file has that was opened with `deferred`.
#[derive(Debug)]
pub struct Deferred {
    /// Which bytes are there.
    pub available: Availability,
    /// A stream of it was abandoned while it asked for bytes; players do that many times over when they look for an
    /// index. Until then a new stream had better wait and see before it asks.
    pub unsettled_until: Time,
}

/// A close that waits for what is in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closing {
    /// The connection that asked; `ConnId::NOBODY` where the session ended.
    pub asked_by: ConnId,
}

/// All open files.
#[derive(Debug, Default)]
pub struct Files {
    open: HashMap<FileId, OpenFile>,
    /// Those of them that a session has.
    owned: usize,
    last: u32,
}

impl Files {
    /// Adds a file under a new number.
    pub fn add(&mut self, file: OpenFile) -> FileId {
        loop {
            self.last = self.last.wrapping_add(1).max(1);
            let id = FileId(self.last);
            if let std::collections::hash_map::Entry::Vacant(place) = self.open.entry(id) {
                self.owned += usize::from(file.session != SessionId::NOBODY);
                place.insert(file);
                return id;
            }
        }
    }

    /// The file with that number, if that session owns it and nobody is closing it.
    pub fn get(&self, id: FileId, session: SessionId) -> Option<&OpenFile> {
        self.open.get(&id).filter(|file| file.session == session && file.closing.is_none())
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, id: FileId, session: SessionId) -> Option<&mut OpenFile> {
        self.open.get_mut(&id).filter(|file| file.session == session && file.closing.is_none())
    }

    /// The file with that number, whoever's and in whatever state.
    pub fn any(&self, id: FileId) -> Option<&OpenFile> {
        self.open.get(&id)
    }

    /// The same, to change it.
    pub fn any_mut(&mut self, id: FileId) -> Option<&mut OpenFile> {
        self.open.get_mut(&id)
    }

    /// Takes a file out.
    pub fn remove(&mut self, id: FileId) -> Option<OpenFile> {
        let file = self.open.remove(&id)?;
        self.owned -= usize::from(file.session != SessionId::NOBODY);
        Some(file)
    }

    /// How many files a session has open.
    pub fn count(&self, session: SessionId) -> usize {
        self.open.values().filter(|file| file.session == session).count()
    }

    /// The numbers of a session's files.
    pub fn of(&self, session: SessionId) -> Vec<FileId> {
        let mut ids: Vec<FileId> =
            self.open.iter().filter(|(_, file)| file.session == session).map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids
    }

    /// Files that sessions have open; not those that are open for one request.
    pub fn owned(&self) -> usize {
        self.owned
    }

    /// Open files in all.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}
