//! Small blocks of memory that are used again and again. Left to the allocator, each round of messages to many sockets
//! grows and shrinks the heap: two system calls, and every page cleared afresh. Blocks have sizes of powers of two; a
//! few are kept of each, as long as any is used now and then.

use crate::limits::{SMALL_BLOCK_BYTES_MAX, SMALL_BLOCK_BYTES_MIN, SMALL_KEPT_BYTES_MAX};

const SIZES: usize = (SMALL_BLOCK_BYTES_MAX / SMALL_BLOCK_BYTES_MIN).ilog2() as usize + 1;

/// Free blocks.
#[derive(Debug, Default)]
pub struct SmallBlocks {
    /// By size, the smallest first; of each, the one used last is the last.
    free: [Vec<Vec<u8>>; SIZES],
    bytes: usize,
    /// One was wanted since the last look.
    used: bool,
}

impl SmallBlocks {
    /// An empty block for `len` bytes, or for as many of them as the largest takes.
    pub fn take(&mut self, len: usize) -> Vec<u8> {
        let bytes = len.clamp(SMALL_BLOCK_BYTES_MIN, SMALL_BLOCK_BYTES_MAX).next_power_of_two();
        self.used = true;
        match self.free[size_index(bytes)].pop() {
            Some(block) => {
                self.bytes -= bytes;
                block
            }
            None => Vec::with_capacity(bytes),
        }
    }

    /// A block is not needed at present.
    pub fn give(&mut self, mut block: Vec<u8>) {
        let bytes = block.capacity();
        let is_one =
            bytes.is_power_of_two() && (SMALL_BLOCK_BYTES_MIN..=SMALL_BLOCK_BYTES_MAX).contains(&bytes);
        if is_one && self.bytes + bytes <= SMALL_KEPT_BYTES_MAX {
            block.clear();
            self.bytes += bytes;
            self.free[size_index(bytes)].push(block);
        }
    }

    /// Lets all go where none was wanted since this was called last.
    pub fn trim(&mut self) {
        if !std::mem::take(&mut self.used) {
            *self = SmallBlocks::default();
        }
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }
}

/// Where blocks of that many bytes are kept.
fn size_index(bytes: usize) -> usize {
    (bytes / SMALL_BLOCK_BYTES_MIN).ilog2() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_used_again_while_they_are_used_at_all() {
        let mut blocks = SmallBlocks::default();
        for len in [0, 1, 512, 513, 16 << 10, (16 << 10) + 1, 32 << 10, 1 << 20] {
            let mut block = blocks.take(len);
            assert!(
                block.capacity() >= len.min(SMALL_BLOCK_BYTES_MAX)
                    && block.capacity() <= SMALL_BLOCK_BYTES_MAX
            );
            block.push(7);
            let place = block.as_ptr();
            blocks.give(block);
            let again = blocks.take(len);
            assert_eq!((again.len(), again.as_ptr()), (0, place));
            blocks.give(again);
        }
        blocks.trim();
        assert!(!blocks.is_empty(), "they were used just now");
        blocks.trim();
        assert!(blocks.is_empty());
    }

    #[test]
    fn no_more_are_kept_than_may_be() {
        let mut blocks = SmallBlocks::default();
        let out: Vec<_> = (0..100).map(|_| blocks.take(SMALL_BLOCK_BYTES_MAX)).collect();
        out.into_iter().for_each(|block| blocks.give(block));
        assert_eq!(blocks.bytes, SMALL_KEPT_BYTES_MAX);
        blocks.give(Vec::with_capacity(1 << 20));
        assert_eq!(blocks.bytes, SMALL_KEPT_BYTES_MAX, "that is none");
    }
}
