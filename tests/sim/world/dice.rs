//! Where every choice of a run comes from: a seed, or the bytes of a fuzzer. Nothing else in the simulation is random,
//! so that the same source gives the same run.

/// A source of choices.
#[derive(Debug)]
pub(crate) struct Dice {
    bytes: Vec<u8>,
    at: usize,
    seed: u64,
}

impl Dice {
    /// Choices from a seed.
    pub(crate) fn seeded(seed: u64) -> Dice {
        Dice {
            bytes: Vec::new(),
            at: 0,
            seed: seed.wrapping_mul(0xD6E8_FEB8_6659_FD93) ^ 0x5851_F42D_4C95_7F2D,
        }
    }

    /// Choices from a fuzzer's bytes; once they are used up, from a seed that is always the same, so that the run ends
    /// as any other does.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Dice {
        Dice { bytes: bytes.to_vec(), ..Dice::seeded(0) }
    }

    /// A fuzzer's bytes have been used up.
    pub(crate) fn is_spent(&self) -> bool {
        !self.bytes.is_empty() && self.at >= self.bytes.len()
    }

    /// Whether the choices are a fuzzer's: then runs are to be short.
    pub(crate) fn is_fuzzer(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        if self.at < self.bytes.len() {
            let end = self.bytes.len().min(self.at + 8);
            let mut word = [0; 8];
            word[..end - self.at].copy_from_slice(&self.bytes[self.at..end]);
            self.at = end;
            return u64::from_le_bytes(word);
        }
        // SplitMix64.
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `n`, which is at least 1. Takes no more of a fuzzer's bytes than it needs.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        if self.at < self.bytes.len() {
            let wanted = match n {
                0..=256 => 1,
                257..=65_536 => 2,
                _ => 4,
            };
            let end = self.bytes.len().min(self.at + wanted);
            let word = self.bytes[self.at..end].iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
            self.at = end;
            return word % n.max(1);
        }
        self.next() % n.max(1)
    }

    /// A number from `low` to `high`, both possible.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True that many times in a thousand.
    pub(crate) fn chance(&mut self, permille: u32) -> bool {
        permille > 0 && self.below(1000) < u64::from(permille)
    }

    /// One of these.
    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    /// A size from 0 to `max`: often a very small one, or the largest, or next to it.
    pub(crate) fn size(&mut self, max: u64) -> u64 {
        match self.below(6) {
            0 => self.below(max.min(4) + 1),
            1 => max - self.below(max.min(2) + 1),
            2 => self.below(max.min(300) + 1),
            _ => self.below(max + 1),
        }
    }
}
