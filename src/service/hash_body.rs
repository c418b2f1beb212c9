//! `POST /hash/sha1` and `/hash/sha256`: the body is hashed by the pool as it arrives. Two jobs are out where there is
//! enough for them, one behind the other at one thread, so that it never waits for the poll thread's next word.

use super::answer::Answer;
use super::{Call, Cx, Intake, Step, Task, salvage};
use crate::buffer::Buffer;
use crate::job::{Algorithm, Ask, Done, Lane, SharedHasher};
use crate::limits::HASH_BODY_JOBS_MAX;
use crate::state::State;
use crate::state::buffers::Account;
use data_encoding::HEXLOWER;
use jstorrent_io_proto::error::Refusal;
use jstorrent_io_proto::route::Endpoint;
use serde::Serialize;

/// One hash as JSON (PROTOCOL §5).
#[derive(Serialize)]
struct HashAnswer {
    algorithm: &'static str,
    hex: String,
    bytes: u64,
}

/// Answers with the hash of so many bytes.
pub(super) fn answer(algorithm: Algorithm, hex: String, bytes: u64) -> Answer {
    Answer::json(&HashAnswer { algorithm: algorithm.name(), hex, bytes })
}

/// A body being hashed.
#[derive(Debug)]
pub struct HashBody {
    algorithm: Algorithm,
    as_json: bool,
    hasher: SharedHasher,
    gathered: Vec<Buffer>,
    /// Where all jobs are that are out.
    lane: Lane,
    jobs_out: usize,
    buffers_out: usize,
    bytes: u64,
    body_ended: bool,
}

/// Begins to hash a body.
pub fn begin(_cx: &mut Cx<'_>, call: &Call<'_>) -> Result<Task, Refusal> {
    call.check_body()?;
    let algorithm = match call.found.endpoint() {
        Endpoint::HashBodySha256 => Algorithm::Sha256,
        _ => Algorithm::Sha1,
    };
    Ok(Task::HashBody(HashBody {
        algorithm,
        as_json: call.accepts("application/json"),
        hasher: SharedHasher::new(algorithm),
        gathered: Vec::new(),
        lane: Lane::HashInOrder(0),
        jobs_out: 0,
        buffers_out: 0,
        bytes: 0,
        body_ended: false,
    }))
}

impl HashBody {
    pub(super) fn intake(&self, state: &State) -> Intake<'_> {
        if self.gathered.len() + self.buffers_out >= state.limits.body_buffers_max {
            Intake::Later
        } else {
            Intake::Buffers(Account::HASH)
        }
    }

    pub(super) fn feed(&mut self, cx: &mut Cx<'_>, buffer: Buffer) {
        self.bytes += buffer.len() as u64;
        self.gathered.push(buffer);
        self.submit(cx);
    }

    /// Sends out what has gathered, if it is worth a job or nothing else is out.
    fn submit(&mut self, cx: &mut Cx<'_>) {
        let enough = if self.jobs_out == 0 { 1 } else { cx.state.limits.body_batch_buffers };
        if self.gathered.len() < enough || self.jobs_out == HASH_BODY_JOBS_MAX {
            return;
        }
        if self.jobs_out == 0 {
            self.lane = cx.state.hash_lanes.least();
        }
        let buffers = std::mem::take(&mut self.gathered);
        self.jobs_out += 1;
        self.buffers_out += buffers.len();
        let hasher = self.hasher.clone();
        cx.state.submit(cx.me, self.lane, None, Ask::HashInOrder { hasher, buffers });
    }

    pub(super) fn is_busy(&self) -> bool {
        self.jobs_out > 0
    }

    pub(super) fn body_ended(&mut self) {
        self.body_ended = true;
    }

    pub(super) fn completed(&mut self, cx: &mut Cx<'_>, done: Done) {
        let Done::HashInOrder(buffers) = done else { return salvage::salvage(cx.state, done) };
        cx.state.metrics.bytes_hashed += buffers.iter().map(|buffer| buffer.len() as u64).sum::<u64>();
        self.jobs_out -= 1;
        self.buffers_out -= buffers.len();
        salvage::give_all(cx.state, buffers);
        self.submit(cx);
    }

    pub(super) fn advance(&mut self, _cx: &mut Cx<'_>) -> Step {
        if !self.body_ended || !self.gathered.is_empty() || self.is_busy() {
            return Step::Wait;
        }
        let digest = self.hasher.finish();
        if self.as_json {
            Step::Reply(answer(self.algorithm, HEXLOWER.encode(digest.as_bytes()), self.bytes))
        } else {
            Step::Reply(Answer::bytes(digest.as_bytes().to_vec()))
        }
    }

    pub(super) fn release(&mut self, state: &mut State) {
        salvage::give_all(state, std::mem::take(&mut self.gathered));
    }
}
