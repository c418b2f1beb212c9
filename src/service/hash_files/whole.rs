//! One hash of all ranges, a few MiB a job, so that nothing is left to do soon after a client has gone.

use super::sources::Sources;
use crate::job::{Algorithm, Ask, DiskError, Hasher, Lane};
use crate::service::answer::Answer;
use crate::service::{Cx, Step, hash_body, refusals};
use crate::state::State;
use data_encoding::HEXLOWER;

/// Bytes of a file that one job feeds at most.
const STEP_BYTES: u64 = 8 << 20;

/// A hash under way.
#[derive(Debug)]
pub(super) struct Whole {
    algorithm: Algorithm,
    as_text: bool,
    total: u64,
    /// `None` while a worker has it.
    hasher: Option<Hasher>,
    failure: Option<DiskError>,
    /// The range that is next, and how much of it is done.
    range: usize,
    done: u64,
    /// Bytes that the worker has.
    out: u64,
    /// Bytes that no worker has had.
    left: u64,
}

impl Whole {
    pub(super) fn new(algorithm: Algorithm, as_text: bool, total: u64) -> Whole {
        let hasher = Some(Hasher::new(algorithm));
        Whole { algorithm, as_text, total, hasher, failure: None, range: 0, done: 0, out: 0, left: total }
    }

    pub(super) fn completed(&mut self, state: &mut State, hasher: Hasher, result: Result<(), DiskError>) {
        self.hasher = Some(hasher);
        match result {
            Ok(()) => state.metrics.bytes_hashed += self.out,
            Err(error) => self.failure = Some(error),
        }
    }

    pub(super) fn advance(&mut self, cx: &mut Cx<'_>, sources: &Sources) -> Step {
        if let Some(error) = &self.failure {
            return Step::Reply(refusals::disk(error).into());
        }
        let Some(hasher) = self.hasher.take() else { return Step::Wait };
        while let Some(range) = sources.range(self.range) {
            let left = range.length - self.done;
            if left == 0 {
                self.range += 1;
                self.done = 0;
                continue;
            }
            self.out = left.min(STEP_BYTES);
            let (part, id) = match sources.part(range, self.done, self.out) {
                Ok(found) => found,
                Err(error) => return Step::Reply(refusals::disk(&error).into()),
            };
            self.done += self.out;
            self.left -= self.out;
            let lane = Lane::DiskHash(part.file.root.number);
            cx.state.submit(cx.me, lane, Some(id), Ask::HashRange { hasher, range: part });
            return Step::Wait;
        }
        Step::Reply(self.answer(hasher))
    }

    /// Bytes that are still to be hashed.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    fn answer(&self, hasher: Hasher) -> Answer {
        let hex = HEXLOWER.encode(hasher.finish().as_bytes());
        if self.as_text {
            return Answer::text(hex);
        }
        hash_body::answer(self.algorithm, hex, self.total)
    }
}
