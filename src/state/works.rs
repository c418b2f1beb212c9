//! FILE_READs and FILE_WRITEs under way over all `/io` connections: how many, what they hold of the bulk budget, and how
//! much of it large reads may hold. A hog can't starve the others: a channel may have as many under way as are left for
//! others, and a root may hold as much for its large reads as it leaves. Submits nothing.

use crate::ids::{ConnId, RootNumber};
use crate::limits::{Limits, WRITE_HEADROOM_BYTES};
use crate::state::notes::{Note, Notes};
use crate::time::Time;
use std::collections::{BTreeMap, VecDeque};

/// Work under way.
#[derive(Debug)]
pub struct Works {
    count: usize,
    count_max: usize,
    /// Bytes of FILE_WRITEs, wherever they lie.
    write_bytes: usize,
    write_bytes_max: usize,
    /// Those of them that were copied; the others lie in the message that brought them, which is counted itself.
    copied_bytes: usize,
    floor_bytes: usize,
    /// When work last made progress.
    progress_at: Time,
    reads: Reads,
}

/// Memory of large reads, in bytes.
#[derive(Debug)]
struct Reads {
    max: usize,
    held: usize,
    /// The part of `max` that is left by what waits for clients.
    lent: usize,
    by_root: BTreeMap<RootNumber, usize>,
    lines: BTreeMap<RootNumber, VecDeque<ConnId>>,
    changed: bool,
}

impl Works {
    /// None, under the given bounds.
    pub fn new(limits: &Limits) -> Works {
        Works {
            count: 0,
            count_max: limits.file_works_max.max(1),
            write_bytes: 0,
            write_bytes_max: limits.file_write_bytes_max,
            copied_bytes: 0,
            floor_bytes: limits.write_floor_bytes,
            progress_at: Time::default(),
            reads: Reads {
                max: limits.file_read_bytes_max,
                held: 0,
                lent: 0,
                by_root: BTreeMap::new(),
                lines: BTreeMap::new(),
                changed: false,
            },
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Bytes that were copied for FILE_WRITEs.
    pub fn copied_bytes(&self) -> usize {
        self.copied_bytes
    }

    /// When work last made progress.
    pub fn progress_at(&self) -> Time {
        self.progress_at
    }

    /// Work made progress.
    pub fn progressed(&mut self, now: Time) {
        self.progress_at = now;
    }

    /// Whether a channel with `mine` under way may begin another.
    pub fn may_begin(&self, mine: usize) -> bool {
        mine < self.count_max - self.count.min(self.count_max)
    }

    /// Whether a FILE_WRITE of `len` bytes, of which `copied` are to be copied, may be held.
    pub fn may_write(&self, len: usize, copied: usize, bulk_free: usize) -> bool {
        let wanted = self.write_bytes == 0 || self.write_bytes + len <= self.write_bytes_max;
        wanted && (copied <= bulk_free || self.copied_bytes + copied <= self.floor_bytes)
    }

    /// Whether so much is under way that no more had better come.
    pub fn are_full(&self, bulk_free: usize) -> bool {
        self.count >= self.count_max.div_ceil(2)
            || self.write_bytes > self.write_bytes_max / 2
            || bulk_free < WRITE_HEADROOM_BYTES && self.copied_bytes > self.floor_bytes / 2
    }

    /// Work begins; for a FILE_WRITE with its bytes, and those of them that were copied.
    pub fn begin(&mut self, now: Time, write_bytes: usize, copied_bytes: usize) {
        if self.count == 0 {
            self.progress_at = now;
        }
        self.count += 1;
        self.write_bytes += write_bytes;
        self.copied_bytes += copied_bytes;
    }

    /// Work has ended.
    pub fn end(&mut self, write_bytes: usize, copied_bytes: usize) {
        self.count -= 1;
        self.write_bytes -= write_bytes;
        self.copied_bytes -= copied_bytes;
    }

    /// Whether `who` may reserve `bytes` for a large read from a root; where not, it stands in line. What it may it
    /// holds, until [`read_ended`](Works::read_ended).
    pub fn may_read(&mut self, root: RootNumber, bytes: usize, who: ConnId) -> bool {
        let reads = &mut self.reads;
        let line = reads.lines.entry(root).or_default();
        let left = reads.max.saturating_sub(reads.held + reads.lent);
        let mine = reads.by_root.get(&root).copied().unwrap_or(0);
        // One that is larger than the whole is let in alone.
        let fits =
            if reads.held + reads.lent == 0 { true } else { bytes <= left && (mine == 0 || mine < left) };
        if !fits || line.front().is_some_and(|first| *first != who) {
            if !line.contains(&who) {
                line.push_back(who);
            }
            return false;
        }
        line.retain(|other| *other != who);
        if line.is_empty() {
            reads.lines.remove(&root);
        }
        reads.held += bytes;
        *reads.by_root.entry(root).or_default() += bytes;
        reads.changed = true;
        true
    }

    /// A large read that held `bytes` has ended, or its bytes wait for the client.
    pub fn read_ended(&mut self, root: RootNumber, bytes: usize) {
        let reads = &mut self.reads;
        reads.held -= bytes;
        reads.changed = true;
        if let Some(mine) = reads.by_root.get_mut(&root) {
            *mine -= bytes;
            if *mine == 0 {
                reads.by_root.remove(&root);
            }
        }
    }

    /// Who waits to reserve for a large read.
    pub fn waiting_to_read(&self) -> impl Iterator<Item = ConnId> {
        self.reads.lines.values().flatten().copied()
    }

    /// `who` waits no more to read from a root.
    pub fn forget(&mut self, root: RootNumber, who: ConnId) {
        let reads = &mut self.reads;
        if let Some(line) = reads.lines.get_mut(&root) {
            line.retain(|other| *other != who);
            reads.changed = true;
            if line.is_empty() {
                reads.lines.remove(&root);
            }
        }
    }

    /// At the end of a step: where something changed, the first of each line is told to try. `lent`: bytes of large
    /// reads that wait for clients.
    pub fn wake(&mut self, lent: usize, notes: &mut Notes) {
        let reads = &mut self.reads;
        let changed = std::mem::take(&mut reads.changed) || lent < reads.lent;
        reads.lent = lent;
        if changed {
            let firsts = reads.lines.values().filter_map(VecDeque::front);
            firsts.for_each(|first| notes.send(*first, Note::MemoryFree));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn works() -> Works {
        let limits = Limits {
            file_works_max: 8,
            file_write_bytes_max: 100,
            file_read_bytes_max: 100,
            write_floor_bytes: 10,
            ..Limits::default()
        };
        Works::new(&limits)
    }

    fn id(slot: u32) -> ConnId {
        ConnId { slot, serial: 0 }
    }

    #[test]
    fn a_channel_leaves_room_for_others() {
        let mut works = works();
        let mine =
            (0..8).take_while(|mine| works.may_begin(*mine).then(|| works.begin(Time(0), 0, 0)).is_some());
        assert_eq!(mine.count(), 4);
        assert!(works.may_begin(0));
        assert!(works.are_full(1 << 20), "half of it");
        works.end(0, 0);
        assert!(!works.are_full(1 << 20));
    }

    #[test]
    fn writes_are_bounded_and_have_a_floor() {
        let mut works = works();
        assert!(works.may_write(1_000, 0, 0), "alone any may");
        works.begin(Time(0), 60, 0);
        assert!(works.may_write(40, 40, 40) && !works.may_write(41, 0, 40), "no more than wanted");
        assert!(!works.may_write(11, 11, 10) && works.may_write(10, 10, 0), "the floor is always there");
        works.end(60, 0);
        assert!(works.may_write(1_000, 0, 0));
    }

    #[test]
    fn a_root_that_hangs_leaves_room_for_reads_of_another() {
        let (mut works, hung, other) = (works(), RootNumber(1), RootNumber(2));
        assert!(works.may_read(hung, 40, id(1)));
        assert!(works.may_read(hung, 40, id(2)));
        assert!(!works.may_read(hung, 20, id(3)), "it holds more than it leaves");
        assert!(works.may_read(other, 20, id(4)));
        works.read_ended(hung, 40);
        let mut notes = Notes::default();
        works.wake(0, &mut notes);
        assert_eq!(notes.take(), Some((id(3), Note::MemoryFree)));
        works.wake(40, &mut notes);
        assert_eq!(notes.take(), None);
        assert!(!works.may_read(other, 20, id(5)), "what waits for clients counts");
        works.wake(0, &mut notes);
        assert_eq!(notes.take(), Some((id(3), Note::MemoryFree)));
        works.forget(hung, id(3));
        works.read_ended(hung, 40);
        assert!(works.may_read(hung, 40, id(6)));
    }
}
