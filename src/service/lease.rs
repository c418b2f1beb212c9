//! A request's hold on a file: while it lasts the file's close waits. A file that was opened for one request alone is
//! in the same table as all others, under a number that no client can name, and is closed when its hold ends. Leases
//! are values that must be given back: whoever drops one keeps a file open for ever.

use super::files;
use crate::ids::{ConnId, FileId, SessionId};
use crate::job::{FileHandle, Opened};
use crate::state::State;
use crate::state::files::OpenFile;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The right to work on a file, until [`Lease::end`].
#[derive(Debug)]
#[must_use = "a lease that is dropped keeps its file open"]
pub struct Lease {
    id: FileId,
    handle: Arc<FileHandle>,
    is_transient: bool,
}

impl Lease {
    /// A hold on an open file of a session, which [`files::find`] has found.
    pub fn of(state: &mut State, id: FileId, handle: Arc<FileHandle>) -> Lease {
        files::hold(state, id);
        Lease { id, handle, is_transient: false }
    }

    /// A hold on a file that was opened for one request alone.
    pub fn transient(state: &mut State, opened: Opened) -> Lease {
        let handle = opened.file.clone();
        let id = state.files.add(OpenFile {
            session: SessionId::NOBODY,
            handle: opened.file,
            deferred: None,
            mtime_ms: opened.mtime_ms,
            tag: 0,
            in_use: 0,
            closing: None,
            streams: BTreeMap::new(),
            tickets: Vec::new(),
        });
        files::hold(state, id);
        Lease { id, handle, is_transient: true }
    }

    /// The number that jobs on it bear as what they use.
    pub fn id(&self) -> FileId {
        self.id
    }

    /// The file.
    pub fn handle(&self) -> &Arc<FileHandle> {
        &self.handle
    }

    /// Gives the hold back. A file of one request is closed, once the last job on it has come home.
    pub fn end(self, state: &mut State) {
        if self.is_transient {
            files::start_closing(state, self.id, ConnId::NOBODY);
        }
        files::unuse(state, self.id);
    }
}
