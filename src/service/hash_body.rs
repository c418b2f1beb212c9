//! `POST /hash/sha1` and `/hash/sha256`: the body is hashed by the pool as it arrives. Buffers are fed in order: one
//! job at a time, with all that has gathered meanwhile.

use super::answer::Answer;
use super::{Call, Cx, Intake, Step, Task, salvage};
use crate::buffer::Buffer;
use crate::job::{Algorithm, Ask, Done, Hasher, Lane};
use crate::state::State;
use crate::state::buffers::Account;
use data_encoding::HEXLOWER;
use jstorrent_io_proto::error::Refusal;
use jstorrent_io_proto::route::Endpoint;
use serde::Serialize;

#[derive(Serialize)]
struct HashAnswer {
    algorithm: &'static str,
    hex: String,
    bytes: u64,
}

/// A body being hashed.
#[derive(Debug)]
pub struct HashBody {
    algorithm: Algorithm,
    as_json: bool,
    /// At home, or `None` while a worker has it.
    hasher: Option<Hasher>,
    gathered: Vec<Buffer>,
    out: usize,
    bytes: u64,
    body_ended: bool,
}

/// Begins to hash a body.
pub fn begin(_cx: &mut Cx<'_>, call: &Call<'_>) -> Result<Task, Refusal> {
    let algorithm = match call.found.endpoint() {
        Endpoint::HashBodySha256 => Algorithm::Sha256,
        _ => Algorithm::Sha1,
    };
    Ok(Task::HashBody(HashBody {
        algorithm,
        as_json: call.accepts("application/json"),
        hasher: Some(Hasher::new(algorithm)),
        gathered: Vec::new(),
        out: 0,
        bytes: 0,
        body_ended: false,
    }))
}

impl HashBody {
    pub(super) fn intake(&self, state: &State) -> Intake<'_> {
        if self.gathered.len() + self.out >= state.limits.body_buffers_max {
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

    fn submit(&mut self, cx: &mut Cx<'_>) {
        if self.gathered.is_empty() {
            return;
        }
        let Some(hasher) = self.hasher.take() else { return };
        let buffers = std::mem::take(&mut self.gathered);
        self.out = buffers.len();
        cx.state.submit(cx.me, Lane::Hash, None, Ask::HashBytes { hasher, buffers });
    }

    pub(super) fn is_busy(&self) -> bool {
        self.hasher.is_none()
    }

    pub(super) fn body_ended(&mut self) {
        self.body_ended = true;
    }

    pub(super) fn completed(&mut self, cx: &mut Cx<'_>, done: Done) {
        let Done::HashBytes(hasher, buffers) = done else { return salvage::salvage(cx.state, done) };
        cx.state.metrics.bytes_hashed += buffers.iter().map(|buffer| buffer.len() as u64).sum::<u64>();
        salvage::give_all(cx.state, buffers);
        self.out = 0;
        self.hasher = Some(hasher);
        self.submit(cx);
    }

    pub(super) fn advance(&mut self, _cx: &mut Cx<'_>) -> Step {
        if !self.body_ended || !self.gathered.is_empty() {
            return Step::Wait;
        }
        let Some(hasher) = self.hasher.take() else { return Step::Wait };
        let digest = hasher.finish();
        if self.as_json {
            let hex = HEXLOWER.encode(digest.as_bytes());
            Step::Reply(Answer::json(&HashAnswer {
                algorithm: self.algorithm.name(),
                hex,
                bytes: self.bytes,
            }))
        } else {
            Step::Reply(Answer::bytes(digest.as_bytes().to_vec()))
        }
    }

    pub(super) fn release(&mut self, state: &mut State) {
        salvage::give_all(state, std::mem::take(&mut self.gathered));
    }
}
