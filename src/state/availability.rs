//! Which bytes of a deferred file are there (PROTOCOL §5): runs that neither overlap nor touch, in any order fed, merged
//! as they come. Knows no file and no stream; never grows beyond its bound, whatever it is told.

use std::collections::BTreeMap;

/// The available runs of one file.
#[derive(Debug)]
pub struct Availability {
    /// From a run's first byte to the one behind its last.
    runs: BTreeMap<u64, u64>,
    runs_max: usize,
}

impl Availability {
    /// Nothing is available; at most `runs_max` runs will be remembered, at least two.
    pub fn new(runs_max: usize) -> Availability {
        Availability { runs: BTreeMap::new(), runs_max: runs_max.max(2) }
    }

    /// `length` bytes from `offset` on are available. Returns how many runs there are more (or fewer) than before.
    ///
    /// Where there would be too many runs, the one that lies farthest from here is forgotten. That is safe: what is
    /// missing is asked for when a stream comes to it, and the client says again that it is there.
    pub fn insert(&mut self, offset: u64, length: u64) -> isize {
        if length == 0 {
            return 0;
        }
        let before = self.runs.len();
        let (mut start, mut end) = (offset, offset.saturating_add(length));
        if let Some((&first, &last)) = self.runs.range(..=start).next_back()
            && last >= start
        {
            if last >= end {
                return 0;
            }
            start = first;
        }
        while let Some((&next, &next_end)) = self.runs.range(start..=end).next() {
            end = end.max(next_end);
            self.runs.remove(&next);
        }
        self.runs.insert(start, end);
        if self.runs.len() > self.runs_max {
            self.forget_farthest(start);
        }
        self.runs.len() as isize - before as isize
    }

    /// Forgets the run that lies farthest from the one that has the byte `kept`; returns whether there was one.
    pub fn forget_farthest(&mut self, kept: u64) -> bool {
        let kept = self.runs.range(..=kept).next_back().map_or(kept, |(&start, _)| start);
        let ends = (self.runs.first_key_value(), self.runs.last_key_value());
        let (Some((&first, _)), Some((&last, _))) = ends else { return false };
        let farthest = if kept.saturating_sub(first) > last.saturating_sub(kept) { first } else { last };
        farthest != kept && self.runs.remove(&farthest).is_some()
    }

    /// Behind the last of the bytes that are available without a gap from `offset` on; `offset` where it is missing.
    pub fn available_end(&self, offset: u64) -> u64 {
        match self.runs.range(..=offset).next_back() {
            Some((_, &end)) => end.max(offset),
            None => offset,
        }
    }

    /// Behind the last of the bytes that are missing without a gap from `from`, which is missing, on; `until` at most.
    pub fn missing_end(&self, from: u64, until: u64) -> u64 {
        self.runs.range(from..).next().map_or(until, |(&start, _)| start.min(until))
    }

    /// How many runs there are.
    pub fn len(&self) -> usize {
        self.runs.len()
    }

    /// Whether nothing is available.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIZE: u64 = 64;

    fn naive_end(bytes: &[bool], offset: u64, wanted: bool) -> u64 {
        (offset..SIZE).find(|at| bytes[*at as usize] != wanted).unwrap_or(SIZE)
    }

    proptest! {
        #[test]
        fn agrees_with_a_bitmap(inserts in prop::collection::vec((0..SIZE, 0..20_u64), 0..40)) {
            let (mut map, mut bytes, mut runs) = (Availability::new(1000), [false; SIZE as usize], 0);
            for (offset, length) in inserts {
                let length = length.min(SIZE - offset);
                runs += map.insert(offset, length);
                bytes[offset as usize..(offset + length) as usize].fill(true);
                prop_assert_eq!(runs, map.len() as isize);
                for at in 0..SIZE {
                    let available = bytes[at as usize];
                    let end = if available { naive_end(&bytes, at, true) } else { at };
                    prop_assert_eq!(map.available_end(at), end);
                    if !available {
                        prop_assert_eq!(map.missing_end(at, SIZE), naive_end(&bytes, at, false));
                        prop_assert_eq!(map.missing_end(at, at + 1), at + 1);
                    }
                }
                let gaps = bytes.windows(2).filter(|pair| !pair[0] && pair[1]).count() + usize::from(bytes[0]);
                prop_assert_eq!(map.len(), gaps, "touching runs are one");
            }
        }

        /// However few runs it may have, what was just said is remembered, and nothing is made up.
        #[test]
        fn forgets_only_what_is_far(inserts in prop::collection::vec((0..SIZE, 1..4_u64), 1..60), runs_max in 0..5_usize) {
            let (mut map, mut bytes) = (Availability::new(runs_max), [false; SIZE as usize]);
            for (offset, length) in inserts {
                let length = length.min(SIZE - offset);
                map.insert(offset, length);
                bytes[offset as usize..(offset + length) as usize].fill(true);
                prop_assert!(map.len() <= runs_max.max(2));
                prop_assert!(map.available_end(offset) >= offset + length);
                for at in 0..SIZE {
                    let true_end = if bytes[at as usize] { naive_end(&bytes, at, true) } else { at };
                    prop_assert!(map.available_end(at) <= true_end);
                }
            }
        }
    }

    #[test]
    fn the_ends_of_numbers_are_no_trouble() {
        let mut map = Availability::new(8);
        map.insert(u64::MAX - 1, u64::MAX);
        assert_eq!(map.available_end(u64::MAX - 1), u64::MAX);
        assert_eq!(map.available_end(u64::MAX), u64::MAX);
        map.insert(0, u64::MAX);
        assert_eq!((map.len(), map.available_end(0)), (1, u64::MAX));
        assert_eq!(map.insert(5, 0), 0);
    }
}
