//! Unpredictable bytes for tickets and tokens; a counter's worth of predictable ones for the simulation.

/// Where random bytes come from.
#[derive(Debug)]
pub enum Random {
    /// The system's source: the function that fills a slice from it.
    System(fn(&mut [u8])),
    /// A seed: the same bytes in each run.
    Seeded(u64),
}

impl Random {
    /// `N` bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        match self {
            Random::System(fill) => fill(&mut bytes),
            Random::Seeded(seed) => bytes.fill_with(|| {
                // SplitMix64: public domain constants, good enough for a test's identifiers.
                *seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
                let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                (mixed >> 32) as u8
            }),
        }
        bytes
    }
}
