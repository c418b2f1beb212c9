//! `PATCH /files/N/write` and the shipping client's `POST /write/KEY`: the body goes to the disk as it arrives, a few
//! buffers at a time; a slow disk stops the reading of this one connection. 200 only once the kernel has every byte.
//! A body that is to be checked first is `checked`'s.

use super::answer::Answer;
use super::lease::Lease;
use super::{Call, Cx, Intake, Step, Task, checked, files, key, refusals, salvage};
use crate::buffer::Buffer;
use crate::ids::RootNumber;
use crate::job::{Ask, Done, Lane, WriteFailure};
use crate::state::State;
use crate::state::buffers::Account;
use jstorrent_io_proto::error::Refusal;
use serde::Serialize;

/// What is answered to a write that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `{"written":N}`.
    Count,
    /// Nothing, as the shipping client expects.
    Empty,
}

#[derive(Serialize)]
struct WriteAnswer {
    written: u64,
}

impl Reply {
    /// The answer.
    pub fn answer(self, written: u64) -> Answer {
        match self {
            Reply::Count => Answer::json(&WriteAnswer { written }),
            Reply::Empty => Answer::empty(),
        }
    }
}

/// A write under way.
#[derive(Debug)]
pub struct Write {
    reply: Reply,
    root: RootNumber,
    /// `None` until the file is open.
    lease: Option<Lease>,
    /// Where the next bytes go.
    offset: u64,
    written: u64,
    /// Waits for the file.
    gathered: Vec<Buffer>,
    /// Jobs that are out: the opening of the file, or writes.
    jobs: usize,
    buffers_out: usize,
    failure: Option<WriteFailure>,
    body_ended: bool,
}

/// Begins `PATCH /files/N/write?offset`.
pub fn by_id(cx: &mut Cx<'_>, call: &Call<'_>) -> Result<Task, Refusal> {
    let (id, handle) = files::named(cx, call)?;
    call.check_body()?;
    let offset = call.query().number("offset")?.unwrap_or(0);
    check_end(call, offset, "offset")?;
    files::writable(&handle)?;
    let checks = checked::checks(call)?;
    let root = handle.root.number;
    let lease = Lease::of(cx.state, id, handle);
    if checks.is_empty() {
        return Ok(Task::Write(Write::new(Reply::Count, root, Some(lease), offset)));
    }
    Ok(checked::begin(call, checks, Reply::Count, checked::Target::Open(lease), offset))
}

/// Begins `POST /write/KEY`.
pub fn by_key(cx: &mut Cx<'_>, call: &Call<'_>) -> Result<Task, Refusal> {
    let root = key::root(cx.state, call)?;
    call.check_body()?;
    let path = key::path(call)?;
    let offset = key::number(call, "X-Offset")?.unwrap_or(0);
    check_end(call, offset, "X-Offset")?;
    let checks = checked::checks(call)?;
    if !checks.is_empty() {
        return Ok(checked::begin(call, checks, Reply::Empty, checked::Target::Named(root, path), offset));
    }
    let mut write = Write::new(Reply::Empty, root.number, None, offset);
    let lane = Lane::Disk(root.number);
    cx.state.submit(cx.me, lane, None, Ask::Open { root, path, write: true, create: true, size: None });
    write.jobs = 1;
    Ok(Task::Write(write))
}

/// 400 where the body would end behind what a file can be.
fn check_end(call: &Call<'_>, offset: u64, name: &str) -> Result<(), Refusal> {
    files::within_file(offset, name)?;
    let end = offset.saturating_add(call.body_length().unwrap_or(0));
    files::within_file(end, "offset and length together").map(|_| ())
}

impl Write {
    fn new(reply: Reply, root: RootNumber, lease: Option<Lease>, offset: u64) -> Write {
        Write {
            reply,
            root,
            lease,
            offset,
            written: 0,
            gathered: Vec::new(),
            jobs: 0,
            buffers_out: 0,
            failure: None,
            body_ended: false,
        }
    }

    pub(super) fn intake(&self, state: &State) -> Intake<'_> {
        if self.failure.is_some() {
            Intake::Drop
        } else if self.gathered.len() + self.buffers_out >= state.limits.body_buffers_max {
            Intake::Later
        } else {
            Intake::Buffers(Account::root(self.root))
        }
    }

    pub(super) fn feed(&mut self, cx: &mut Cx<'_>, buffer: Buffer) {
        if self.failure.is_some() {
            return cx.state.buffers.give(buffer);
        }
        self.gathered.push(buffer);
    }

    /// Whether what has gathered is worth a job though more is to come.
    fn is_much(&self, state: &State) -> bool {
        let limits = &state.limits;
        self.gathered.len() >= limits.body_batch_buffers.min(limits.body_buffers_max)
    }

    /// More can't come at present, for lack of bytes or of memory: what has gathered need not wait for it.
    pub(super) fn hurry(&mut self, cx: &mut Cx<'_>) {
        if self.jobs == 0 {
            self.submit(cx);
        }
    }

    /// One job is out at a time: file systems write to a file one after another, so that threads would only wait for
    /// each other's writes, and what gathers meanwhile costs one hand-off.
    fn submit(&mut self, cx: &mut Cx<'_>) {
        let Some(lease) = &self.lease else { return };
        if self.gathered.is_empty() {
            return;
        }
        let buffers = std::mem::take(&mut self.gathered);
        let offset = self.offset;
        let bytes: u64 = buffers.iter().map(|buffer| buffer.len() as u64).sum();
        self.offset = offset.saturating_add(bytes);
        self.buffers_out += buffers.len();
        self.jobs += 1;
        cx.state.metrics.writes_in_flight += 1;
        let ask = Ask::Write { file: lease.handle().clone(), offset, buffers };
        cx.state.submit(cx.me, Lane::Disk(self.root), Some(lease.id()), ask);
    }

    pub(super) fn is_busy(&self) -> bool {
        self.jobs > 0
    }

    pub(super) fn body_ended(&mut self) {
        self.body_ended = true;
    }

    pub(super) fn completed(&mut self, cx: &mut Cx<'_>, done: Done) {
        self.jobs -= 1;
        match done {
            Done::Open(Ok(opened)) => {
                self.lease = Some(Lease::transient(cx.state, opened));
            }
            Done::Open(Err(error)) => self.fail(cx.state, WriteFailure { written: 0, error }),
            Done::Write(buffers, result) => {
                cx.state.metrics.writes_in_flight -= 1;
                self.buffers_out -= buffers.len();
                salvage::give_all(cx.state, buffers);
                self.wrote(cx.state, result);
            }
            other => salvage::salvage(cx.state, other),
        }
    }

    fn wrote(&mut self, state: &mut State, result: Result<u64, WriteFailure>) {
        let written = result.as_ref().map_or_else(|failure| failure.written, |written| *written);
        self.written += written;
        state.metrics.file_bytes_written += written;
        if let Err(failure) = result {
            self.fail(state, failure);
        }
    }

    fn fail(&mut self, state: &mut State, failure: WriteFailure) {
        self.failure.get_or_insert(failure);
        salvage::give_all(state, std::mem::take(&mut self.gathered));
    }

    pub(super) fn advance(&mut self, cx: &mut Cx<'_>) -> Step {
        if self.body_ended || self.is_much(cx.state) {
            self.hurry(cx);
        }
        if self.jobs > 0 {
            return Step::Wait;
        }
        match &self.failure {
            Some(failure) => {
                let failure = WriteFailure { written: self.written, error: failure.error.clone() };
                Step::Reply(refusals::write(&failure).into())
            }
            None if self.body_ended => Step::Reply(self.reply.answer(self.written)),
            None => Step::Wait,
        }
    }

    pub(super) fn release(&mut self, state: &mut State) {
        // Before the file is open, the one job is its opening.
        if self.lease.is_some() {
            state.metrics.writes_in_flight -= self.jobs as u64;
        }
        self.jobs = 0;
        salvage::give_all(state, std::mem::take(&mut self.gathered));
        if let Some(lease) = self.lease.take() {
            lease.end(state);
        }
    }
}
