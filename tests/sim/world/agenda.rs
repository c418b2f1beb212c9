//! What will happen when, in virtual time. Events of the same time happen in the order in which they were put down.

use std::collections::BTreeMap;

/// Events to come.
#[derive(Debug)]
pub(crate) struct Agenda<E> {
    events: BTreeMap<(u64, u64), E>,
    put_down: u64,
}

impl<E> Default for Agenda<E> {
    fn default() -> Agenda<E> {
        Agenda { events: BTreeMap::new(), put_down: 0 }
    }
}

impl<E> Agenda<E> {
    /// Puts an event down for `at`, in microseconds.
    pub(crate) fn put(&mut self, at: u64, event: E) {
        self.put_down += 1;
        self.events.insert((at, self.put_down), event);
    }

    /// When the next event is due; `u64::MAX` where there is none.
    pub(crate) fn next(&self) -> u64 {
        self.events.first_key_value().map_or(u64::MAX, |((at, _), _)| *at)
    }

    /// Takes an event that is due.
    pub(crate) fn take_due(&mut self, now: u64) -> Option<E> {
        if self.next() > now {
            return None;
        }
        self.events.pop_first().map(|(_, event)| event)
    }

    /// When the last of such events is due; 0 where there is none.
    pub(crate) fn last(&self, such: impl Fn(&E) -> bool) -> u64 {
        self.events.iter().rev().find(|(_, event)| such(event)).map_or(0, |((at, _), _)| *at)
    }
}
