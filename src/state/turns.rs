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

    /// The first, who stays; `None` also where that place is void.
    pub fn first(&self) -> Option<ConnId> {
        let id = *self.line.front()?;
        (self.standing[id.slot as usize] == Some(id)).then_some(id)
    }

    /// Takes a connection out of the line; returns whether it stood there. Cheap for one that came last.
    pub fn withdraw(&mut self, id: ConnId) -> bool {
        let standing = self.standing.get_mut(id.slot as usize);
        if standing.and_then(|standing| standing.take_if(|standing| *standing == id)).is_none() {
            return false;
        }
        let place = self.line.iter().rposition(|other| *other == id);
        place.and_then(|place| self.line.remove(place)).is_some()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn id(slot: u32) -> ConnId {
        ConnId { slot, serial: 1 }
    }

    #[test]
    fn who_withdraws_may_come_again_and_the_others_keep_their_order() {
        let mut turns = Turns::default();
        [1, 2, 3, 2].into_iter().for_each(|slot| turns.want(id(slot)));
        assert!(turns.withdraw(id(2)));
        assert!(!turns.withdraw(id(2)));
        assert!(!turns.withdraw(id(9)));
        turns.want(id(2));
        assert_eq!(turns.first(), Some(id(1)));
        assert_eq!([(); 4].map(|()| turns.take()), [Some(id(1)), Some(id(3)), Some(id(2)), None]);
    }
}
