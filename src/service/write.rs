//! `PATCH /files/N/write`: the body goes to the disk as it arrives, a few buffers at a time; a slow disk stops the
//! reading of this one connection. 200 only once the kernel has every byte.

use super::answer::Answer;
use super::{Call, Cx, Intake, Step, Task, files, refusals, salvage};
use crate::buffer::Buffer;
use crate::ids::FileId;
use crate::job::{Ask, Done, FileHandle, Lane, WriteFailure};
use crate::state::State;
use crate::state::buffers::Account;
use jstorrent_io_proto::error::{Code, Refusal};
use jstorrent_io_proto::request::BodyFraming;
use serde::Serialize;
use std::sync::Arc;

#[derive(Serialize)]
struct WriteAnswer {
    written: u64,
}

/// A write under way.
#[derive(Debug)]
pub struct Write {
    file: Option<FileId>,
    handle: Arc<FileHandle>,
    /// Where the next bytes go.
    offset: u64,
    written: u64,
    in_flight: usize,
    failure: Option<WriteFailure>,
    body_ended: bool,
}

/// Begins `PATCH /files/N/write?offset`.
pub fn by_id(cx: &mut Cx<'_>, call: &Call<'_>) -> Result<Task, Refusal> {
    let (id, handle) = files::named(cx, call)?;
    if call.head.body == BodyFraming::None {
        return Err(Code::LengthRequired.into());
    }
    let offset = files::within_file(call.query().number("offset")?.unwrap_or(0), "offset")?;
    files::within_file(offset.saturating_add(call.body_length().unwrap_or(0)), "offset and length together")?;
    files::writable(&handle)?;
    files::hold(cx.state, id);
    Ok(Task::Write(Write {
        file: Some(id),
        handle,
        offset,
        written: 0,
        in_flight: 0,
        failure: None,
        body_ended: false,
    }))
}

impl Write {
    pub(super) fn intake(&self, state: &State) -> Intake<'_> {
        if self.failure.is_some() {
            Intake::Drop
        } else if self.in_flight >= state.limits.body_buffers_max {
            Intake::Later
        } else {
            Intake::Buffers(Account::root(self.handle.root.number))
        }
    }

    pub(super) fn feed(&mut self, cx: &mut Cx<'_>, buffer: Buffer) {
        if self.failure.is_some() {
            return cx.state.buffers.give(buffer);
        }
        let (offset, length) = (self.offset, buffer.len() as u64);
        self.offset = offset.saturating_add(length);
        let ask = Ask::Write { file: self.handle.clone(), offset, buffers: vec![buffer] };
        cx.state.submit(cx.me, Lane::Disk(self.handle.root.number), self.file, ask);
        cx.state.metrics.writes_in_flight += 1;
        self.in_flight += 1;
    }

    pub(super) fn is_busy(&self) -> bool {
        self.in_flight > 0
    }

    pub(super) fn body_ended(&mut self) {
        self.body_ended = true;
    }

    pub(super) fn completed(&mut self, cx: &mut Cx<'_>, done: Done) {
        let Done::Write(buffers, result) = done else { return salvage::salvage(cx.state, done) };
        salvage::give_all(cx.state, buffers);
        cx.state.metrics.writes_in_flight -= 1;
        self.in_flight -= 1;
        match result {
            Ok(written) => self.count(cx, written),
            Err(failure) => {
                self.count(cx, failure.written);
                self.failure.get_or_insert(failure);
            }
        }
    }

    fn count(&mut self, cx: &mut Cx<'_>, written: u64) {
        self.written += written;
        cx.state.metrics.file_bytes_written += written;
    }

    pub(super) fn advance(&mut self, _cx: &mut Cx<'_>) -> Step {
        if self.in_flight > 0 {
            return Step::Wait;
        }
        match &self.failure {
            Some(failure) => {
                let failure = WriteFailure { written: self.written, error: failure.error.clone() };
                Step::Reply(refusals::write(&failure).into())
            }
            None if self.body_ended => Step::Reply(Answer::json(&WriteAnswer { written: self.written })),
            None => Step::Wait,
        }
    }

    pub(super) fn release(&mut self, state: &mut State) {
        state.metrics.writes_in_flight -= self.in_flight as u64;
        self.in_flight = 0;
        if let Some(id) = self.file.take() {
            files::unuse(state, id);
        }
    }
}
