//! Reminders. A deadline belongs to its owner, who may move it at no cost; the heap only reminds. At most one
//! reminder a connection is of use: an earlier one that finds the deadline later is put back by the engine.

use crate::time::Time;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A heap of points in time at which owners are to be looked at.
#[derive(Debug)]
pub struct Timers<K> {
    heap: BinaryHeap<Reverse<(Time, K)>>,
}

impl<K: Ord> Default for Timers<K> {
    fn default() -> Timers<K> {
        Timers { heap: BinaryHeap::new() }
    }
}

impl<K: Ord> Timers<K> {
    /// Reminds `owner` at `at`.
    pub fn remind(&mut self, owner: K, at: Time) {
        if at != Time::NEVER {
            self.heap.push(Reverse((at, owner)));
        }
    }

    /// The next point at which someone is to be reminded.
    pub fn next(&self) -> Time {
        self.heap.peek().map_or(Time::NEVER, |Reverse((at, _))| *at)
    }

    /// Takes one reminder that is due.
    pub fn take_due(&mut self, now: Time) -> Option<K> {
        if self.next() > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, owner))| owner)
    }

    /// Reminders waiting.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether no reminder waits.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}
