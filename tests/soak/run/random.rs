//! Where the run's randomness comes from: one seed, and a stream of numbers for each thread.

/// SplitMix64 (Steele, Lea and Flood 2014): small, and any seed is a good one.
pub(crate) struct Random(u64);

impl Random {
    /// The stream of one thread.
    pub(crate) fn new(seed: u64, thread: u64) -> Random {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (thread << 32));
        random.next();
        random
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// True `n` times in a hundred.
    pub(crate) fn percent(&mut self, n: u64) -> bool {
        self.below(100) < n
    }

    /// A size from 1 to `max`, whose magnitude is as random as itself: most are small, all happen.
    pub(crate) fn size(&mut self, max: u64) -> u64 {
        let bits = self.below(u64::from(max.ilog2()) + 1);
        (1 + self.below(2 << bits)).min(max)
    }
}
