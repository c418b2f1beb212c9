//! Messages that arrive in pieces and are kept until they are whole, over all `/io` connections. Each grows with what
//! has come, never by what was announced. Up to [`MESSAGE_SMALL_BYTES_MAX`] any may, while all together stay within
//! `limits.gather_bytes_max`; beyond either only one at a time: two that each hold half of the memory and wait for the
//! other half would wait for ever. A large one lies in a [`Block`], which counts against the bulk budget until whoever
//! shares it last lets it go.

use crate::buffer::Block;
use crate::ids::ConnId;
use crate::limits::{Limits, MESSAGE_SMALL_BYTES_MAX};
use jstorrent_io_proto::limits::WS_MESSAGE_BYTES_MAX;
use std::sync::Arc;

/// Who gathers how much.
#[derive(Debug)]
pub struct Gathering {
    /// Bytes of small ones.
    small: usize,
    small_max: usize,
    read_max: usize,
    /// Who gathers a large one, or a small one for which there was no room among them.
    large: Option<ConnId>,
    /// It waits for bulk memory.
    waits: bool,
    /// Bytes of blocks, whole or not.
    blocks: usize,
}

impl Gathering {
    /// Nothing, under the given bounds.
    pub fn new(limits: &Limits) -> Gathering {
        Gathering {
            small: 0,
            small_max: limits.gather_bytes_max,
            read_max: limits.channel_read_bytes.clamp(1, MESSAGE_SMALL_BYTES_MAX),
            large: None,
            waits: false,
            blocks: 0,
        }
    }

    /// Bytes of messages that are not whole, small ones only.
    pub fn small_bytes(&self) -> usize {
        self.small
    }

    /// Bytes of large ones, whole or not: they are part of the bulk budget.
    pub fn block_bytes(&self) -> usize {
        self.blocks
    }

    /// Whether the one large message that grows waits for bulk memory.
    pub fn waits_for_memory(&self) -> bool {
        self.waits
    }

    /// Whose large message waits for bulk memory.
    pub fn waiting(&self) -> Option<ConnId> {
        self.large.filter(|_| self.waits)
    }

    /// Whether `who` is the one that holds up others who have a large message.
    pub fn is_large(&self, who: ConnId) -> bool {
        self.large == Some(who)
    }

    /// How many bytes `who`, which holds `held` of a message, may read; 0: none at present.
    pub fn room(&self, who: ConnId, held: usize, bulk_free: usize) -> usize {
        if self.large == Some(who) || self.large.is_none() && !self.is_small(held, self.read_max) {
            if held >= WS_MESSAGE_BYTES_MAX {
                // It can't grow: what is missing is an empty last frame, or one too many.
                return self.read_max;
            }
            return if held < MESSAGE_SMALL_BYTES_MAX { self.read_max } else { self.read_max.min(bulk_free) };
        }
        let room =
            MESSAGE_SMALL_BYTES_MAX.saturating_sub(held).min(self.small_max.saturating_sub(self.small));
        room.min(self.read_max)
    }

    fn is_small(&self, held: usize, more: usize) -> bool {
        held + more <= MESSAGE_SMALL_BYTES_MAX && self.small + more <= self.small_max
    }

    /// `who`, which holds `held` bytes of a message, was given room, or none: where its message is the one that grows, it
    /// comes before all who reserve.
    pub fn answered(&mut self, who: ConnId, held: usize, room: usize) {
        if self.large == Some(who) {
            self.waits = room == 0 && held >= MESSAGE_SMALL_BYTES_MAX;
        }
    }

    /// `who` holds `now` bytes of a small message where it held `before`.
    pub fn resized(&mut self, who: ConnId, before: usize, now: usize) {
        self.small = self.small + now - before;
        if now > before && (now > MESSAGE_SMALL_BYTES_MAX || self.small > self.small_max) {
            self.large.get_or_insert(who);
        }
    }

    /// A block of `who`'s grew by `n` bytes.
    pub fn grew(&mut self, who: ConnId, n: usize) {
        self.blocks += n;
        self.large.get_or_insert(who);
    }

    /// The message of `who` is whole, or given up: others may have a large one.
    pub fn let_pass(&mut self, who: ConnId) {
        if self.large == Some(who) {
            (self.large, self.waits) = (None, false);
        }
    }

    /// A block is dropped.
    pub fn drop_block(&mut self, block: Block) {
        self.blocks -= block.len();
    }

    /// One who shares a block needs it no more.
    pub fn release(&mut self, block: Arc<Block>) {
        if let Some(block) = Arc::into_inner(block) {
            self.drop_block(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1 << 10;

    fn gathering(gather_bytes_max: usize) -> Gathering {
        let default = Limits::default();
        Gathering::new(&Limits { gather_bytes_max, channel_read_bytes: 64 * KIB, ..default })
    }

    fn id(slot: u32) -> ConnId {
        ConnId { slot, serial: 1 }
    }

    #[test]
    fn one_large_message_at_a_time() {
        let mut gathering = gathering(1 << 20);
        gathering.resized(id(1), 0, MESSAGE_SMALL_BYTES_MAX);
        gathering.resized(id(2), 0, MESSAGE_SMALL_BYTES_MAX);
        let plenty = 1 << 20;
        assert_eq!(gathering.room(id(1), MESSAGE_SMALL_BYTES_MAX, plenty), 64 * KIB);
        gathering.resized(id(1), MESSAGE_SMALL_BYTES_MAX, MESSAGE_SMALL_BYTES_MAX + 1);
        assert_eq!(gathering.room(id(2), MESSAGE_SMALL_BYTES_MAX, plenty), 0, "the first comes first");
        assert_eq!(gathering.room(id(2), MESSAGE_SMALL_BYTES_MAX - 5, plenty), 5, "but small ones may grow");
        assert_eq!(gathering.room(id(1), MESSAGE_SMALL_BYTES_MAX + 1, 7), 7, "no more than there is");
        gathering.answered(id(2), MESSAGE_SMALL_BYTES_MAX, 0);
        assert!(!gathering.waits_for_memory());
        gathering.answered(id(1), MESSAGE_SMALL_BYTES_MAX + 1, 0);
        assert!(gathering.waits_for_memory());
        gathering.resized(id(1), MESSAGE_SMALL_BYTES_MAX + 1, 0);
        gathering.let_pass(id(1));
        assert!(!gathering.waits_for_memory() && !gathering.is_large(id(1)));
        assert_eq!(gathering.room(id(2), MESSAGE_SMALL_BYTES_MAX, plenty), 64 * KIB);
    }

    #[test]
    fn beyond_the_room_of_small_ones_they_take_turns() {
        let mut gathering = gathering(256 * KIB);
        for slot in 0..4 {
            gathering.resized(id(slot), 0, 64 * KIB);
        }
        assert_eq!(gathering.room(id(5), 0, 0), 64 * KIB, "one may go beyond it");
        gathering.resized(id(5), 0, 10);
        assert_eq!((gathering.room(id(6), 0, 0), gathering.room(id(5), 10, 0)), (0, 64 * KIB));
        gathering.resized(id(5), 10, 0);
        gathering.let_pass(id(5));
        assert_eq!(gathering.room(id(6), 0, 0), 64 * KIB);
        assert_eq!(gathering.small_bytes(), 256 * KIB);
    }

    #[test]
    fn a_block_counts_until_the_last_lets_it_go() {
        let mut gathering = gathering(0);
        let mut block = Block::new(100).expect("memory");
        let n = block.append(&[1; 60]);
        gathering.grew(id(1), n);
        let first = Arc::new(block);
        let again = first.clone();
        gathering.release(first);
        assert_eq!(gathering.block_bytes(), 60);
        gathering.release(again);
        assert_eq!(gathering.block_bytes(), 0);
    }
}
