//! Hashes a list of chunks, several at the same time on one core: each has a lane with its own state and its own piece
//! of memory, and a lane whose chunk is done takes the next one. Independent messages side by side are what lets the
//! processor's SHA instructions run at their full rate (see `sha1_x86`).

use super::kernel::{BLOCK_BYTES, Blocks, Kernel};
use super::parts::Parts;
use super::{STEP_BYTES, Source, cancelled};
use crate::job::{Chunk, Digest, DiskError};
use std::iter::Enumerate;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::vec::IntoIter;

/// Lanes at a time.
pub(super) const LANES: usize = 4;

type Outcome = Result<Digest, DiskError>;

/// Hashes chunks; the outcomes are in the order asked. Those that were not done when `stop` was set are cancelled.
/// `place`: room to read into, [`STEP_BYTES`] for each lane, or less.
pub(super) fn hash<K: Kernel>(
    source: &impl Source,
    chunks: Vec<Chunk>,
    stop: &AtomicBool,
    place: &mut [u8],
) -> Vec<(u64, Outcome)> {
    let numbers: Vec<u64> = chunks.iter().map(|chunk| chunk.index).collect();
    let mut work =
        Work { source, waiting: chunks.into_iter().enumerate(), outcomes: vec![None; numbers.len()] };
    let step = (place.len() / LANES).min(STEP_BYTES);
    let mut lanes: Vec<Lane<'_, K>> =
        place.chunks_exact_mut(step).take(LANES).filter_map(|place| work.begin(place)).collect();
    while !lanes.is_empty() && !stop.load(Ordering::Relaxed) {
        advance(&mut lanes);
        lanes.retain_mut(|lane| work.keep_going(lane));
    }
    let outcomes = work.outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(|| Err(cancelled())));
    numbers.into_iter().zip(outcomes).collect()
}

/// Compresses what all lanes have in common. Each holds at least a block.
fn advance<K: Kernel>(lanes: &mut [Lane<'_, K>]) {
    match lanes {
        [] => {}
        [a] => compress([a]),
        [a, b] => compress([a, b]),
        [a, b, c] => compress([a, b, c]),
        [a, b, c, d, ..] => compress([a, b, c, d]),
    }
}

fn compress<K: Kernel, const N: usize>(mut lanes: [&mut Lane<'_, K>; N]) {
    let mut blocks: [Blocks<'_>; N] = [&[]; N];
    let mut states = [K::START; N];
    for (at, lane) in lanes.iter().enumerate() {
        blocks[at] = lane.place[lane.filled.clone()].as_chunks().0;
        states[at] = lane.state;
    }
    let count = K::compress(states.each_mut(), blocks) * BLOCK_BYTES;
    for (lane, state) in lanes.iter_mut().zip(states) {
        lane.state = state;
        lane.filled.start += count;
        lane.bytes += count as u64;
    }
}

/// What is left to do, and what came of what is done.
struct Work<'s, S> {
    source: &'s S,
    waiting: Enumerate<IntoIter<Chunk>>,
    outcomes: Vec<Option<Outcome>>,
}

/// One chunk under way.
struct Lane<'p, K: Kernel> {
    /// Its place in the list.
    position: usize,
    parts: Parts,
    state: K::State,
    /// Bytes that are in the state.
    bytes: u64,
    place: &'p mut [u8],
    /// Bytes of the place that were read and are not in the state yet.
    filled: Range<usize>,
}

impl<S: Source> Work<'_, S> {
    /// A lane with the first chunk that holds at least a block; the shorter ones are done on the way.
    fn begin<'p, K: Kernel>(&mut self, place: &'p mut [u8]) -> Option<Lane<'p, K>> {
        let parts = Parts::new(Vec::new());
        let mut lane = Lane { position: 0, parts, state: K::START, bytes: 0, place, filled: 0..0 };
        (self.take_next(&mut lane) && self.keep_going(&mut lane)).then_some(lane)
    }

    /// Sees to it that a lane holds at least a block, of this chunk or of one that waits. `false`: there is none.
    fn keep_going<K: Kernel>(&mut self, lane: &mut Lane<'_, K>) -> bool {
        while lane.filled.len() < BLOCK_BYTES {
            let outcome = match lane.refill(self.source) {
                Ok(()) if lane.filled.len() >= BLOCK_BYTES => return true,
                Ok(()) => Ok(lane.finish()),
                Err(error) => Err(error),
            };
            self.outcomes[lane.position] = Some(outcome);
            if !self.take_next(lane) {
                return false;
            }
        }
        true
    }

    /// Puts the next chunk that can be read into a lane.
    fn take_next<K: Kernel>(&mut self, lane: &mut Lane<'_, K>) -> bool {
        for (position, chunk) in self.waiting.by_ref() {
            match chunk.parts {
                Ok(parts) => {
                    lane.position = position;
                    lane.restart(Parts::new(parts));
                    return true;
                }
                Err(error) => self.outcomes[position] = Some(Err(error)),
            }
        }
        false
    }
}

impl<K: Kernel> Lane<'_, K> {
    fn restart(&mut self, parts: Parts) {
        self.parts = parts;
        self.state = K::START;
        self.bytes = 0;
        self.filled = 0..0;
    }

    /// Reads on behind what is left of the last read.
    fn refill(&mut self, source: &impl Source) -> Result<(), DiskError> {
        let left = self.filled.len();
        self.place.copy_within(self.filled.clone(), 0);
        self.filled = 0..left;
        self.filled.end += self.parts.read(source, &mut self.place[left..])?;
        Ok(())
    }

    /// Pads what is left (FIPS 180-4, 5.1.1): less than a block.
    fn finish(&mut self) -> Digest {
        let rest = &self.place[self.filled.clone()];
        let bits = (self.bytes + rest.len() as u64).wrapping_mul(8);
        let mut tail = [[0; BLOCK_BYTES]; 2];
        let flat = tail.as_flattened_mut();
        flat[..rest.len()].copy_from_slice(rest);
        flat[rest.len()] = 0x80;
        let end = if rest.len() < BLOCK_BYTES - 8 { BLOCK_BYTES } else { 2 * BLOCK_BYTES };
        flat[end - 8..end].copy_from_slice(&bits.to_be_bytes());
        K::compress([&mut self.state], [&tail[..end / BLOCK_BYTES]]);
        K::digest(&self.state)
    }
}
