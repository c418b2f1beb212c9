//! The line of connections that want a turn with their sockets. Everyone stands in it once.

use crate::ids::ConnId;
use std::collections::VecDeque;

/// First come, first served; nobody twice.
#[derive(Debug, Default)]
pub struct Turns {
    line: VecDeque<ConnId>,
    standing: Vec<bool>,
}

impl Turns {
    /// Puts a connection at the end of the line, unless it stands there.
    pub fn want(&mut self, id: ConnId) {
        let slot = id.slot as usize;
        if slot >= self.standing.len() {
            self.standing.resize(slot + 1, false);
        }
        if !std::mem::replace(&mut self.standing[slot], true) {
            self.line.push_back(id);
        }
    }

    /// Takes the first.
    pub fn take(&mut self) -> Option<ConnId> {
        let id = self.line.pop_front()?;
        self.standing[id.slot as usize] = false;
        Some(id)
    }

    /// A slot changes its tenant: the old one's place in line is void.
    pub fn forget(&mut self, id: ConnId) {
        if self.standing.get(id.slot as usize).copied().unwrap_or(false) {
            self.line.retain(|other| other.slot != id.slot);
            self.standing[id.slot as usize] = false;
        }
    }

    /// Whether anyone waits.
    pub fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.line.len()
    }
}
