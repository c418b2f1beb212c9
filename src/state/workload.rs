//! What the workers have to do and what the disk keeps, as the world last told it: the engine can't see it by itself.

use crate::ids::ConnId;
use crate::state::notes::{Note, Notes};

/// Threads and jobs of lanes of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Threads now.
    pub threads: usize,
    /// Jobs waiting or being done now.
    pub jobs: usize,
}

/// A look at the workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Workload {
    /// File jobs, of all roots.
    pub disk: Queue,
    /// Hashing of files, of all roots.
    pub disk_hash: Queue,
    /// Hashing of bytes in memory.
    pub hash: Queue,
    /// Names to addresses.
    pub names: Queue,
    /// The daemon's own files.
    pub local: Queue,
    /// Descriptors of open files that are kept.
    pub descriptors: usize,
    /// Times that an open file's descriptor had to be opened again.
    pub reopened: u64,
}

/// The last look, and who waits for one.
#[derive(Debug, Default)]
pub struct Workloads {
    latest: Workload,
    waiting: Vec<ConnId>,
}

impl Workloads {
    /// `who` wants a look; told by [`Note::Look`]. Returns whether the world is to be asked: once for all who wait.
    pub fn want(&mut self, who: ConnId) -> bool {
        self.waiting.push(who);
        self.waiting.len() == 1
    }

    /// The world has looked.
    pub fn measured(&mut self, workload: Workload, notes: &mut Notes) {
        self.latest = workload;
        for who in self.waiting.drain(..) {
            notes.send(who, Note::Look);
        }
    }

    /// What `who` waited for; `None` while it is not there.
    pub fn latest(&self, who: ConnId) -> Option<&Workload> {
        (!self.waiting.contains(&who)).then_some(&self.latest)
    }
}
