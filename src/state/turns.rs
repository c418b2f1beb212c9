//! The line of connections that want a turn with their sockets. Everyone stands in it once.

use crate::ids::ConnId;
use std::collections::VecDeque;

/// First come, first served; nobody twice.
#[derive(Debug, Default)]
pub struct Turns {
    line: VecDeque<ConnId>,
    /// Who of each slot stands in line.
    standing: Vec<Option<ConnId>>,
}

impl Turns {
    /// Puts a connection at the end of the line, unless it stands there.
    pub fn want(&mut self, id: ConnId) {
        let slot = id.slot as usize;
        if slot >= self.standing.len() {
            self.standing.resize(slot + 1, None);
        }
        // The place of a former tenant of the slot, should it have one, is void.
        if self.standing[slot].replace(id) != Some(id) {
            self.line.push_back(id);
        }
    }

    /// Takes the first.
    pub fn take(&mut self) -> Option<ConnId> {
        loop {
            let id = self.line.pop_front()?;
            if self.standing[id.slot as usize].take_if(|standing| *standing == id).is_some() {
                return Some(id);
            }
        }
    }

    /// Someone has gone: the place in line is void.
    pub fn forget(&mut self, id: ConnId) {
        if let Some(standing) = self.standing.get_mut(id.slot as usize) {
            standing.take_if(|standing| *standing == id);
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
