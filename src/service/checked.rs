//! Writes whose body is checked against a digest before a byte of it is written, or a file is made
//! (`X-Expected-SHA1`, `X-Expected-SHA256`). The body is held whole, in memory that was reserved beforehand, and hashed
//! as it arrives.

use super::lease::Lease;
use super::write::Reply;
use super::{Call, Cx, Intake, Step, Task, refusals, salvage};
use crate::buffer::Buffer;
use crate::job::{Algorithm, Ask, Digest, Done, Hasher, Lane, Root, WriteFailure};
use crate::state::State;
use crate::state::buffers::Reservation;
use data_encoding::HEXLOWER_PERMISSIVE;
use jstorrent_io_proto::error::{Code, Refusal};
use jstorrent_io_proto::limits::CHECKED_BODY_BYTES_MAX;
use jstorrent_io_proto::path::RelPath;
use std::sync::Arc;

/// Buffers that one job writes: others get their turn in between.
const BUFFERS_PER_JOB: usize = 16;

/// A digest that the body must have.
#[derive(Debug)]
pub struct Check {
    expected: Digest,
    /// `None` while a worker has it.
    hasher: Option<Hasher>,
}

/// Where a body goes once it is found right.
#[derive(Debug)]
pub enum Target {
    /// To an open file.
    Open(Lease),
    /// To a file that is made, with its parents, where it is not there.
    Named(Arc<Root>, RelPath),
}

/// A checked write under way.
#[derive(Debug)]
pub struct Checked {
    reply: Reply,
    /// `None` once it is given back.
    target: Option<Target>,
    /// Where the next bytes go.
    offset: u64,
    checks: Vec<Check>,
    announced: Option<u64>,
    /// What is reserved: the announced length, or the most there may be.
    bytes_max: u64,
    reservation: Option<Reservation>,
    bytes: u64,
    /// Arrived while the hash was busy.
    gathered: Vec<Buffer>,
    /// Hashed.
    ready: Vec<Buffer>,
    phase: Phase,
    body_ended: bool,
}

#[derive(Debug)]
enum Phase {
    /// No hash job is out.
    Idle,
    /// The check of that number has the buffers.
    Hashing(usize),
    Opening,
    /// One write is out, unless all is written.
    Writing {
        written: u64,
    },
    Failed(Refusal),
}

/// The digests that a request demands; none where it does not.
pub fn checks(call: &Call<'_>) -> Result<Vec<Check>, Refusal> {
    let mut checks = Vec::new();
    for (name, algorithm) in [("X-Expected-SHA1", Algorithm::Sha1), ("X-Expected-SHA256", Algorithm::Sha256)]
    {
        if let Some(hex) = call.head.single(name)? {
            let digest = HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok();
            let expected = digest
                .filter(|digest| digest.len() == algorithm.digest_len())
                .and_then(|digest| Digest::new(&digest))
                .ok_or_else(|| not_hex(name, algorithm))?;
            checks.push(Check { expected, hasher: Some(Hasher::new(algorithm)) });
        }
    }
    match call.body_length() {
        Some(length) if length > CHECKED_BODY_BYTES_MAX && !checks.is_empty() => Err(too_large()),
        _ => Ok(checks),
    }
}

fn not_hex(name: &str, algorithm: Algorithm) -> Refusal {
    let digits = algorithm.digest_len() * 2;
    Refusal::because(Code::BadParameter, format!("{name} must be {digits} hex digits."))
}

fn too_large() -> Refusal {
    Refusal::because(Code::BodyTooLarge, "A body that is to be checked may have 64 MiB at most.")
}

fn no_room() -> Refusal {
    Refusal::because(
        Code::Overloaded,
        "So much is open that there is no memory for a body of this size: try again later.",
    )
}

/// Begins a checked write.
pub fn begin(call: &Call<'_>, checks: Vec<Check>, reply: Reply, target: Target, offset: u64) -> Task {
    Task::Checked(Box::new(Checked {
        reply,
        target: Some(target),
        offset,
        checks,
        announced: call.body_length(),
        bytes_max: 0,
        reservation: None,
        bytes: 0,
        gathered: Vec::new(),
        ready: Vec::new(),
        phase: Phase::Idle,
        body_ended: false,
    }))
}

impl Checked {
    pub(super) fn intake(&mut self) -> Intake<'_> {
        match (&self.phase, &mut self.reservation) {
            (Phase::Failed(_), _) => Intake::Drop,
            (_, Some(reservation)) => Intake::Paid(reservation),
            (_, None) => Intake::Later,
        }
    }

    pub(super) fn feed(&mut self, cx: &mut Cx<'_>, buffer: Buffer) {
        self.bytes += buffer.len() as u64;
        self.gathered.push(buffer);
        if self.bytes > CHECKED_BODY_BYTES_MAX {
            self.fail(cx.state, too_large().closing());
        } else if self.bytes > self.bytes_max {
            self.fail(cx.state, no_room().closing());
        } else {
            self.hash(cx);
        }
    }

    /// Reserves memory for the body; one that does not say how long it is has what there can be.
    fn reserve(&mut self, cx: &mut Cx<'_>) {
        let left = cx.state.reservable_bytes().unwrap_or(CHECKED_BODY_BYTES_MAX).min(CHECKED_BODY_BYTES_MAX);
        self.bytes_max = self.announced.unwrap_or(left);
        if self.bytes_max > left {
            return self.fail(cx.state, no_room().closing());
        }
        self.reservation = cx.state.reserve(self.bytes_max, cx.me);
    }

    /// Sends what has gathered through the first check.
    fn hash(&mut self, cx: &mut Cx<'_>) {
        if matches!(self.phase, Phase::Idle) && !self.gathered.is_empty() {
            let buffers = std::mem::take(&mut self.gathered);
            self.submit_to(cx, 0, buffers);
        }
    }

    fn submit_to(&mut self, cx: &mut Cx<'_>, number: usize, buffers: Vec<Buffer>) {
        match self.checks.get_mut(number).and_then(|check| check.hasher.take()) {
            Some(hasher) => {
                cx.state.submit(cx.me, Lane::Hash, None, Ask::HashBytes { hasher, buffers });
                self.phase = Phase::Hashing(number);
            }
            None => {
                self.ready.extend(buffers);
                self.phase = Phase::Idle;
            }
        }
    }

    pub(super) fn body_ended(&mut self) {
        self.body_ended = true;
    }

    pub(super) fn completed(&mut self, cx: &mut Cx<'_>, done: Done) {
        match done {
            Done::HashBytes(hasher, buffers) => self.hashed(cx, hasher, buffers),
            Done::Open(Ok(opened)) => {
                self.target = Some(Target::Open(Lease::transient(cx.state, opened)));
                self.write(cx, 0);
            }
            Done::Open(Err(error)) => self.fail(cx.state, refusals::disk(&error)),
            Done::Write(buffers, result) => {
                salvage::give_all(cx.state, buffers);
                cx.state.metrics.writes_in_flight -= 1;
                self.wrote(cx, result);
            }
            other => salvage::salvage(cx.state, other),
        }
    }

    fn hashed(&mut self, cx: &mut Cx<'_>, hasher: Hasher, buffers: Vec<Buffer>) {
        let Phase::Hashing(number) = self.phase else { return salvage::give_all(cx.state, buffers) };
        cx.state.metrics.bytes_hashed += buffers.iter().map(|buffer| buffer.len() as u64).sum::<u64>();
        if let Some(check) = self.checks.get_mut(number) {
            check.hasher = Some(hasher);
        }
        self.submit_to(cx, number + 1, buffers);
        self.hash(cx);
    }

    pub(super) fn advance(&mut self, cx: &mut Cx<'_>) -> Step {
        if self.reservation.is_none() && self.announced != Some(0) && matches!(self.phase, Phase::Idle) {
            self.reserve(cx);
        }
        if self.body_ended && matches!(self.phase, Phase::Idle) {
            self.judge(cx);
        }
        match &self.phase {
            Phase::Failed(refusal) => Step::Reply(refusal.clone().into()),
            Phase::Writing { written } if self.ready.is_empty() && *written == self.bytes => {
                Step::Reply(self.reply.answer(*written))
            }
            _ => Step::Wait,
        }
    }

    /// The body is there and hashed: writes it, or does not.
    fn judge(&mut self, cx: &mut Cx<'_>) {
        let is_right = |check: &mut Check| {
            check.hasher.take().is_some_and(|hasher| hasher.finish().as_bytes() == check.expected.as_bytes())
        };
        if !self.checks.iter_mut().all(is_right) {
            return self.fail(cx.state, Code::HashMismatch.into());
        }
        match &self.target {
            Some(Target::Open(_)) | None => self.write(cx, 0),
            Some(Target::Named(root, path)) => {
                let (root, path, lane) = (root.clone(), path.clone(), Lane::Disk(root.number));
                let ask = Ask::Open { root, path, write: true, create: true, size: None };
                cx.state.submit(cx.me, lane, None, ask);
                self.phase = Phase::Opening;
            }
        }
    }

    /// Writes the next few buffers, if any are left.
    fn write(&mut self, cx: &mut Cx<'_>, written: u64) {
        self.phase = Phase::Writing { written };
        let Some(Target::Open(lease)) = &self.target else { return };
        if self.ready.is_empty() {
            return;
        }
        let count = self.ready.len().min(BUFFERS_PER_JOB);
        let buffers: Vec<Buffer> = self.ready.drain(..count).collect();
        let lane = Lane::Disk(lease.handle().root.number);
        let ask = Ask::Write { file: lease.handle().clone(), offset: self.offset, buffers };
        cx.state.submit(cx.me, lane, Some(lease.id()), ask);
        cx.state.metrics.writes_in_flight += 1;
    }

    fn wrote(&mut self, cx: &mut Cx<'_>, result: Result<u64, WriteFailure>) {
        let Phase::Writing { written } = self.phase else { return };
        let now = result.as_ref().map_or_else(|failure| failure.written, |now| *now);
        cx.state.metrics.file_bytes_written += now;
        self.offset += now;
        match result {
            Ok(_) => self.write(cx, written + now),
            Err(failure) => {
                let failure = WriteFailure { written: written + now, ..failure };
                self.fail(cx.state, refusals::write(&failure));
            }
        }
    }

    fn fail(&mut self, state: &mut State, refusal: Refusal) {
        salvage::give_all(state, std::mem::take(&mut self.gathered));
        salvage::give_all(state, std::mem::take(&mut self.ready));
        self.phase = Phase::Failed(refusal);
    }

    pub(super) fn release(&mut self, state: &mut State) {
        salvage::give_all(state, std::mem::take(&mut self.gathered));
        salvage::give_all(state, std::mem::take(&mut self.ready));
        if let Some(reservation) = self.reservation.take() {
            state.buffers.release(reservation);
        }
        if matches!(self.phase, Phase::Writing { written } if written < self.bytes) {
            state.metrics.writes_in_flight -= 1;
        }
        if let Some(Target::Open(lease)) = self.target.take() {
            lease.end(state);
        }
    }
}
