//! Free buffers that are kept mapped, because mapping one afresh costs as much CPU time as filling it: as long as they
//! are used now and then. What was not needed for a while goes back to the system, so that an idle daemon holds none.
//! How many may be out is the business of the pools that stand on this.

use super::small::SmallBlocks;
use crate::buffer::Buffer;
use crate::limits::MEMORY_REFUSED_MS;
use crate::time::Time;

/// Free buffers of one pool.
#[derive(Debug)]
pub struct Spare {
    /// The one used last is the last.
    free: Vec<Buffer>,
    /// What is too little for a buffer.
    pub small: SmallBlocks,
    max: usize,
    idle_ms: u64,
    /// The fewest that were free since the last look: so many were not needed.
    unneeded: usize,
    next_look: Time,
    /// The system had no memory.
    refused: bool,
    /// When it may be asked again.
    retry: Time,
}

impl Spare {
    /// Keeps nothing yet; later at most `max`, each until it was not needed for `idle_ms` milliseconds or twice that.
    pub fn new(max: usize, idle_ms: u64) -> Spare {
        Spare {
            free: Vec::new(),
            small: SmallBlocks::default(),
            max,
            idle_ms,
            unneeded: 0,
            next_look: Time::NEVER,
            refused: false,
            retry: Time::NEVER,
        }
    }

    /// An empty buffer, as warm as can be; `None` only where the system has no memory.
    pub fn take(&mut self) -> Option<Buffer> {
        let buffer = self.free.pop();
        self.unneeded = self.unneeded.min(self.free.len());
        buffer.or_else(|| {
            let fresh = Buffer::new().ok();
            self.refused |= fresh.is_none();
            fresh
        })
    }

    /// Whether the system had no memory a moment ago: then who waits for some is not told to try, for now.
    pub fn is_refused(&self) -> bool {
        self.refused && self.free.is_empty()
    }

    /// A buffer is not needed at present.
    pub fn give(&mut self, mut buffer: Buffer) {
        buffer.clear();
        if self.free.len() < self.max {
            self.free.push(buffer);
        }
    }

    /// At the end of a step: from now on what is free is watched.
    pub fn watch(&mut self, now: Time) {
        if self.next_look == Time::NEVER && !(self.free.is_empty() && self.small.is_empty()) {
            self.unneeded = self.free.len();
            self.next_look = now.plus_ms(self.idle_ms);
        }
        if self.refused && self.retry == Time::NEVER {
            self.retry = now.plus_ms(MEMORY_REFUSED_MS);
        }
    }

    /// When [`trim`](Spare::trim) is due.
    pub fn next_look(&self) -> Time {
        self.next_look.min(self.retry)
    }

    /// Gives back to the system, where it is due, what was not needed since the last look; and lets it be asked again.
    pub fn trim(&mut self, now: Time) {
        if self.retry <= now {
            (self.refused, self.retry) = (false, Time::NEVER);
        }
        if self.next_look <= now {
            self.free.drain(..self.unneeded.min(self.free.len()));
            self.small.trim();
            self.next_look = Time::NEVER;
            self.watch(now);
        }
    }

    /// At most so many from now on.
    pub fn set_max(&mut self, max: usize) {
        self.max = max;
        self.free.drain(..self.free.len().saturating_sub(max));
        self.unneeded = self.unneeded.min(self.free.len());
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.free.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.free.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spare(max: usize) -> Spare {
        Spare::new(max, 10)
    }

    fn give(spare: &mut Spare, count: usize) {
        (0..count).for_each(|_| spare.give(Buffer::new().expect("memory")));
    }

    #[test]
    fn keeps_what_is_needed_now_and_then_and_in_the_end_nothing() {
        let mut spare = spare(8);
        give(&mut spare, 5);
        assert_eq!(spare.next_look(), Time::NEVER);
        spare.watch(Time(0));
        assert_eq!(spare.next_look(), Time::default().plus_ms(10));
        let both = [(); 2].map(|()| spare.take().expect("memory"));
        both.into_iter().for_each(|buffer| spare.give(buffer));
        spare.trim(Time::default().plus_ms(9));
        assert_eq!(spare.len(), 5, "not yet");
        spare.trim(Time::default().plus_ms(10));
        assert_eq!(spare.len(), 2, "three were never needed");
        spare.trim(Time::default().plus_ms(20));
        assert!(spare.is_empty());
        assert_eq!(spare.next_look(), Time::NEVER, "nothing to look at");
    }

    #[test]
    fn keeps_no_more_than_it_may() {
        let mut spare = spare(2);
        give(&mut spare, 3);
        assert_eq!(spare.len(), 2);
        spare.set_max(1);
        assert_eq!(spare.len(), 1);
        let mut none = self::spare(0);
        give(&mut none, 1);
        none.watch(Time(0));
        assert_eq!((none.len(), none.next_look()), (0, Time::NEVER));
    }
}
