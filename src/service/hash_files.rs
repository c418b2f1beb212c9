//! `POST /hash/from-file` and the shipping client's `GET /hash/sha1|sha256/PATH` (PROTOCOL §5): hashes of ranges of
//! files, one after another or cut into chunks that are hashed on all threads at once. What a request holds is reserved
//! beforehand, so that thousands of them wait instead of adding up.

mod chunks;
mod cutter;
mod parse;
mod sources;
mod whole;

use super::{Cx, Step, salvage};
use crate::conn::http::outbound::Outbound;
use crate::ids::JobId;
use crate::job::{Algorithm, Done};
use crate::limits::HASH_BASE_BYTES;
use crate::state::State;
use crate::state::buffers::Reservation;
use chunks::Chunks;
use jstorrent_io_proto::error::Refusal;
use sources::Sources;
use whole::Whole;

pub use parse::{by_path, from_file, memory_bytes};

/// Work on more bytes than that is not done for someone who may have gone.
const LONG_BYTES: u64 = 64 << 20;

/// What is wanted of the bytes.
#[derive(Clone, Copy, Debug)]
enum Want {
    /// Their hash, as hex text or in JSON.
    Whole { as_text: bool },
    /// Hashes of chunks of so many bytes, at least one, as one JSON value or as lines.
    Chunks { bytes: u64, as_lines: bool },
}

/// A request under way.
#[derive(Debug)]
pub struct HashFiles {
    algorithm: Algorithm,
    want: Want,
    sources: Sources,
    phase: Phase,
    reservation: Option<Reservation>,
}

#[derive(Debug)]
enum Phase {
    /// Files are being opened and sized.
    Opening,
    Whole(Whole),
    /// For memory for the digests.
    Waiting(Chunks),
    Chunks(Chunks),
    /// On the way from one to the next.
    Between,
}

impl HashFiles {
    fn new(
        algorithm: Algorithm,
        want: Want,
        sources: Sources,
        reservation: Option<Reservation>,
    ) -> HashFiles {
        HashFiles { algorithm, want, sources, phase: Phase::Opening, reservation }
    }

    pub(super) fn completed(&mut self, cx: &mut Cx<'_>, job: JobId, done: Done) {
        match (&mut self.phase, done) {
            (Phase::Opening, done @ (Done::Open(_) | Done::Inspect(_))) => {
                self.sources.completed(cx.state, job, done);
            }
            (Phase::Whole(whole), Done::HashRange(hasher, result)) => {
                whole.completed(cx.state, hasher, result);
            }
            (Phase::Chunks(chunks), Done::HashChunks(results)) => chunks.completed(cx.state, results),
            (_, other) => salvage::salvage(cx.state, other),
        }
    }

    pub(super) fn advance(&mut self, cx: &mut Cx<'_>, out: &Outbound) -> Step {
        loop {
            self.phase = match std::mem::replace(&mut self.phase, Phase::Between) {
                Phase::Opening if self.sources.open(cx) => match self.begin(cx.state) {
                    Ok(phase) => phase,
                    Err(refusal) => return Step::Reply(refusal.into()),
                },
                Phase::Waiting(chunks) if self.reserve(cx, chunks.digest_bytes()) => Phase::Chunks(chunks),
                other => {
                    self.phase = other;
                    break;
                }
            };
        }
        match &mut self.phase {
            Phase::Opening | Phase::Waiting(_) => Step::Wait,
            Phase::Whole(whole) => whole.advance(cx, &self.sources),
            Phase::Chunks(chunks) => chunks.advance(cx, &self.sources, out),
            Phase::Between => Step::Cut,
        }
    }

    /// Everything is open: what comes now.
    fn begin(&mut self, state: &mut State) -> Result<Phase, Refusal> {
        let total = self.sources.measure()?;
        match self.want {
            Want::Whole { as_text } => {
                self.sources.check()?;
                Ok(Phase::Whole(Whole::new(self.algorithm, as_text, total)))
            }
            Want::Chunks { bytes, as_lines } => {
                let chunks = Chunks::new(self.algorithm, total, bytes, as_lines)?;
                let reserved = self.reservation.as_ref().map_or(0, Reservation::bytes);
                if chunks.digest_bytes() <= parse::digest_bytes_in(reserved) {
                    return Ok(Phase::Chunks(chunks));
                }
                // Whoever waits for memory while it holds some could wait for ever.
                if let Some(reservation) = self.reservation.take() {
                    state.buffers.release(reservation);
                }
                Ok(Phase::Waiting(chunks))
            }
        }
    }

    fn reserve(&mut self, cx: &mut Cx<'_>, digest_bytes: u64) -> bool {
        self.reservation = cx.state.reserve(HASH_BASE_BYTES + digest_bytes, cx.me);
        self.reservation.is_some()
    }

    /// Long work ends with its client. Who half-closes and waits for a short one still gets the answer.
    pub(super) fn minds_hang_up(&self) -> bool {
        let left = match &self.phase {
            Phase::Whole(whole) => whole.left(),
            Phase::Chunks(chunks) => chunks.left(),
            Phase::Opening | Phase::Waiting(_) | Phase::Between => 0,
        };
        left > LONG_BYTES
    }

    pub(super) fn holds_reservation(&self) -> bool {
        self.reservation.is_some()
    }

    pub(super) fn release(&mut self, state: &mut State) {
        if let Phase::Chunks(chunks) = &self.phase {
            chunks.stop();
        }
        self.sources.release(state);
        if let Some(reservation) = self.reservation.take() {
            state.buffers.release(reservation);
        }
    }
}
