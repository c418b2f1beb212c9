//! `GET /files/N/read` and the shipping client's `GET /read/KEY`: a range of a file. The first bytes are read before
//! the head is sent, so that the size is known and an error is an answer; the rest follows by the way that suits its
//! length. The file is held until the last byte is out.

use super::answer::{Answer, Content, Length};
use super::lease::Lease;
use super::{Call, Cx, Step, Task, files, key, refusals, salvage};
use crate::buffer::Buffer;
use crate::conn::http::outbound::{Segment, Span};
use crate::job::{Ask, DiskError, Done, Lane};
use crate::state::State;
use crate::state::buffers::Account;
use jstorrent_io_proto::error::Refusal;

/// How much is read before the head of a large answer is sent.
const FIRST_BYTES: u64 = 16 << 10;

/// A read under way.
#[derive(Debug)]
pub struct Read {
    /// `None` until the file is open.
    lease: Option<Lease>,
    offset: u64,
    /// `None`: to the end of the file.
    length: Option<u64>,
    /// All of `length` must be there.
    is_exact: bool,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Opening,
    /// For a buffer.
    Waiting,
    Reading,
    Read(Buffer, Result<u64, DiskError>),
    Failed(DiskError),
    Answered,
}

/// Begins `GET /files/N/read?offset&length`.
pub fn by_id(cx: &mut Cx<'_>, call: &Call<'_>) -> Result<Task, Refusal> {
    let (id, handle) = files::named(cx, call)?;
    let query = call.query();
    // However large: beyond the end is 416.
    let offset = query.number("offset")?.unwrap_or(0);
    let length = query.number("length")?;
    let lease = Some(Lease::of(cx.state, id, handle));
    Ok(Task::Read(Read { lease, offset, length, is_exact: false, phase: Phase::Waiting }))
}

/// Begins `GET /read/KEY`.
pub fn by_key(cx: &mut Cx<'_>, call: &Call<'_>) -> Result<Task, Refusal> {
    let root = key::root(cx.state, call)?;
    let path = key::path(call)?;
    let offset = key::number(call, "X-Offset")?.unwrap_or(0);
    let length = key::number(call, "X-Length")?;
    let lane = Lane::Disk(root.number);
    cx.state.submit(cx.me, lane, None, Ask::Open { root, path, write: false, create: false, size: None });
    Ok(Task::Read(Read { lease: None, offset, length, is_exact: true, phase: Phase::Opening }))
}

impl Read {
    pub(super) fn completed(&mut self, cx: &mut Cx<'_>, done: Done) {
        match done {
            Done::Open(Ok(opened)) => {
                self.lease = Some(Lease::transient(cx.state, opened));
                self.phase = Phase::Waiting;
            }
            Done::Open(Err(error)) => self.phase = Phase::Failed(error),
            Done::Read(buffer, result) => self.phase = Phase::Read(buffer, result),
            other => salvage::salvage(cx.state, other),
        }
    }

    pub(super) fn advance(&mut self, cx: &mut Cx<'_>) -> Step {
        if matches!(self.phase, Phase::Waiting) {
            self.submit(cx);
        }
        match std::mem::replace(&mut self.phase, Phase::Answered) {
            Phase::Failed(error) => Step::Reply(refusals::disk(&error).into()),
            Phase::Read(buffer, Err(error)) => {
                cx.state.buffers.give(buffer);
                Step::Reply(refusals::disk(&error).into())
            }
            Phase::Read(buffer, Ok(size)) => Step::Reply(self.answer(cx.state, buffer, size)),
            other => {
                self.phase = other;
                Step::Wait
            }
        }
    }

    fn submit(&mut self, cx: &mut Cx<'_>) {
        let Some(lease) = &self.lease else { return };
        let root = lease.handle().root.number;
        let Some(buffer) = cx.state.buffers.take(Account::root(root), cx.me) else { return };
        let copied_max = cx.state.limits.copy_bytes_max as u64;
        let first = match self.length {
            Some(length) if length <= copied_max => length,
            _ => FIRST_BYTES.min(copied_max),
        };
        let (file, uses) = (lease.handle().clone(), lease.id());
        let ask = Ask::Read { file, offset: self.offset, length: first as usize, buffer };
        cx.state.submit(cx.me, Lane::Disk(root), Some(uses), ask);
        self.phase = Phase::Reading;
    }

    fn answer(&mut self, state: &mut State, buffer: Buffer, size: u64) -> Answer {
        let first = buffer.len() as u64;
        let there = size.saturating_sub(self.offset).max(first);
        let length = self.length.unwrap_or(there);
        if self.is_exact && length > there {
            state.buffers.give(buffer);
            return refusals::beyond_end(size).into();
        }
        state.metrics.file_bytes_read += first;
        Answer::Content(Content {
            status: 200,
            content_type: Some("application/octet-stream".into()),
            length: Length::Bytes(length.min(there)),
            fields: Vec::new(),
            body: self.body(state, buffer, length.min(there)),
            lease: self.lease.take(),
        })
    }

    /// What was read, and what is still in the file.
    fn body(&self, state: &mut State, buffer: Buffer, length: u64) -> Vec<Segment> {
        let first = buffer.len() as u64;
        let mut body = Vec::new();
        if buffer.is_empty() {
            state.buffers.give(buffer);
        } else {
            body.push(Segment::Buffer(buffer));
        }
        if let (true, Some(lease)) = (first < length, &self.lease) {
            let (offset, end) = (self.offset + first, self.offset + length);
            body.push(Segment::File(Span::new(state, lease.handle().clone(), Some(lease.id()), offset, end)));
        }
        body
    }

    pub(super) fn release(&mut self, state: &mut State) {
        if let Phase::Read(buffer, _) = std::mem::replace(&mut self.phase, Phase::Answered) {
            state.buffers.give(buffer);
        }
        if let Some(lease) = self.lease.take() {
            lease.end(state);
        }
    }
}
