//! Messages that arrive in pieces and are kept until they are whole, over all `/io` connections. Each grows with what
//! has come. Up to [`SMALL_BYTES_MAX`] any may, while all together stay within `ALL_SMALL_BYTES_MAX`; beyond that only
//! one at a time: two that each hold half of the memory and wait for the other half would wait for ever.

use crate::ids::ConnId;

/// A message up to this needs no permission.
pub const SMALL_BYTES_MAX: usize = 1 << 20;
/// What all small ones may hold together.
const ALL_SMALL_BYTES_MAX: usize = 8 << 20;

/// Who gathers how much.
#[derive(Debug, Default)]
pub struct Gathering {
    bytes: usize,
    /// Who gathers a large message, and how much of it is there.
    large: Option<(ConnId, usize)>,
    changed: bool,
}

impl Gathering {
    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether `who` may read on, with `held` bytes of a message there.
    pub fn may_grow(&mut self, who: ConnId, held: usize) -> bool {
        if held < SMALL_BYTES_MAX {
            return true;
        }
        self.large.get_or_insert((who, held)).0 == who
    }

    /// `who` holds `now` bytes where it held `before`. `false`: more than there may be; it must give up.
    pub fn resized(&mut self, who: ConnId, before: usize, now: usize) -> bool {
        self.bytes = self.bytes + now - before;
        match &mut self.large {
            Some((large, held)) if *large == who => {
                *held = now;
                if now == 0 {
                    self.large = None;
                    self.changed = true;
                }
            }
            _ => {}
        }
        let large = self.large.map_or(0, |(_, held)| held);
        now <= before
            || self.large.is_some_and(|(large, _)| large == who)
            || self.bytes - large <= ALL_SMALL_BYTES_MAX
    }

    /// Whether someone else may gather a large message since this was asked last.
    pub fn take_change(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_large_message_at_a_time() {
        let mut gathering = Gathering::default();
        let (first, second) = (ConnId { slot: 1, serial: 1 }, ConnId { slot: 2, serial: 1 });
        assert!(gathering.resized(first, 0, SMALL_BYTES_MAX));
        assert!(gathering.resized(second, 0, SMALL_BYTES_MAX));
        assert!(gathering.may_grow(first, SMALL_BYTES_MAX));
        assert!(!gathering.may_grow(second, SMALL_BYTES_MAX));
        assert!(gathering.resized(first, SMALL_BYTES_MAX, 64 << 20));
        assert!(!gathering.take_change());
        assert!(gathering.resized(first, 64 << 20, 0));
        assert!(gathering.take_change());
        assert!(gathering.may_grow(second, SMALL_BYTES_MAX));
    }

    #[test]
    fn many_small_ones_are_too_much() {
        let mut gathering = Gathering::default();
        let id = |slot| ConnId { slot, serial: 1 };
        assert!((0..8).all(|slot| gathering.resized(id(slot), 0, 1 << 20)));
        assert!(!gathering.resized(id(9), 0, 1));
        assert!(gathering.resized(id(9), 1, 0));
        assert_eq!(gathering.bytes(), 8 << 20);
    }
}
