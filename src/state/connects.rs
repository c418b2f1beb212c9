//! How many of something that only so many may do are under way (TCP connects, secured sockets), and who waits for their
//! turn. A wake is not a grant: the first in line is told to try, and leaves it when it takes, or dies.

use crate::ids::ConnId;
use crate::state::notes::{Note, Notes};
use std::collections::VecDeque;

/// What is under way.
#[derive(Debug)]
pub struct Connects {
    under_way: usize,
    max: usize,
    line: VecDeque<ConnId>,
}

impl Connects {
    /// None; at most `max` at a time.
    pub fn new(max: usize) -> Connects {
        Connects { under_way: 0, max: max.max(1), line: VecDeque::new() }
    }

    /// Takes a place for `who`, or puts it in line for one.
    pub fn take(&mut self, who: ConnId) -> bool {
        self.take_if(true, who)
    }

    /// The same, where what a place costs is there to be had (`fits`).
    pub fn take_if(&mut self, fits: bool, who: ConnId) -> bool {
        let first = self.line.front().is_none_or(|first| *first == who);
        if first && fits && self.under_way < self.max {
            self.line.retain(|other| *other != who);
            self.under_way += 1;
            return true;
        }
        if !self.line.contains(&who) {
            self.line.push_back(who);
        }
        false
    }

    /// One that had a place has ended.
    pub fn give(&mut self) {
        self.under_way -= 1;
    }

    /// `who` waits no more.
    pub fn forget(&mut self, who: ConnId) {
        self.line.retain(|other| *other != who);
    }

    /// At the end of a step: where there is a place and someone waits, the first is told.
    pub fn wake(&self, notes: &mut Notes) {
        if let (true, Some(first)) = (self.under_way < self.max, self.line.front()) {
            notes.send(*first, Note::Look);
        }
    }

    /// How many have a place.
    pub fn under_way(&self) -> usize {
        self.under_way
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(slot: u32) -> ConnId {
        ConnId { slot, serial: 0 }
    }

    #[test]
    fn first_come_first_served() {
        let mut connects = Connects::new(1);
        assert!(connects.take(id(1)));
        assert!(!connects.take(id(2)) && !connects.take(id(3)) && !connects.take(id(2)));
        connects.give();
        assert!(!connects.take(id(3)), "2 came before 3");
        let mut notes = Notes::default();
        connects.wake(&mut notes);
        assert_eq!(notes.take(), Some((id(2), Note::Look)));
        connects.forget(id(2));
        assert!(connects.take(id(3)));
        assert_eq!(connects.under_way(), 1);
    }
}
