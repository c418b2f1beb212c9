//! `GET /files/N/read`: a range of an open file. The first bytes are read before the head is sent, so that the size is
//! known and an error is an answer; the rest follows by the way that suits its length.

use super::answer::{Answer, Content, Length};
use super::{Call, Cx, Step, Task, files, refusals, salvage};
use crate::buffer::Buffer;
use crate::conn::http::outbound::{Segment, Span};
use crate::ids::FileId;
use crate::job::{Ask, DiskError, Done, FileHandle, Lane};
use crate::state::State;
use crate::state::buffers::Account;
use jstorrent_io_proto::error::Refusal;
use std::sync::Arc;

/// How much is read before the head of a large answer is sent.
const FIRST_BYTES: u64 = 16 << 10;

/// A read under way.
#[derive(Debug)]
pub struct Read {
    file: Option<FileId>,
    handle: Arc<FileHandle>,
    offset: u64,
    /// `None`: to the end of the file.
    length: Option<u64>,
    submitted: bool,
    done: Option<(Buffer, Result<u64, DiskError>)>,
}

/// Begins `GET /files/N/read?offset&length`.
pub fn by_id(cx: &mut Cx<'_>, call: &Call<'_>) -> Result<Task, Refusal> {
    let (id, handle) = files::named(cx, call)?;
    let query = call.query();
    let offset = files::within_file(query.number("offset")?.unwrap_or(0), "offset")?;
    let length = query.number("length")?;
    files::hold(cx.state, id);
    Ok(Task::Read(Read { file: Some(id), handle, offset, length, submitted: false, done: None }))
}

impl Read {
    pub(super) fn completed(&mut self, cx: &mut Cx<'_>, done: Done) {
        match done {
            Done::Read(buffer, result) => self.done = Some((buffer, result)),
            other => salvage::salvage(cx.state, other),
        }
    }

    pub(super) fn advance(&mut self, cx: &mut Cx<'_>) -> Step {
        if !self.submitted {
            self.submit(cx);
        }
        match self.done.take() {
            None => Step::Wait,
            Some((buffer, Err(error))) => {
                cx.state.buffers.give(buffer);
                Step::Reply(refusals::disk(&error).into())
            }
            Some((buffer, Ok(size))) => Step::Reply(self.answer(cx, buffer, size)),
        }
    }

    fn submit(&mut self, cx: &mut Cx<'_>) {
        let root = self.handle.root.number;
        let Some(buffer) = cx.state.buffers.take(Account::root(root), cx.me) else { return };
        let copied_max = cx.state.limits.copy_bytes_max as u64;
        let first = match self.length {
            Some(length) if length <= copied_max => length,
            _ => FIRST_BYTES.min(copied_max),
        };
        let ask =
            Ask::Read { file: self.handle.clone(), offset: self.offset, length: first as usize, buffer };
        cx.state.submit(cx.me, Lane::Disk(root), self.file, ask);
        self.submitted = true;
    }

    fn answer(&self, cx: &mut Cx<'_>, buffer: Buffer, size: u64) -> Answer {
        let there = size.saturating_sub(self.offset);
        let length = self.length.map_or(there, |length| length.min(there)).max(buffer.len() as u64);
        let first = buffer.len() as u64;
        cx.state.metrics.file_bytes_read += first;
        let mut body = Vec::new();
        if first > 0 {
            body.push(Segment::Buffer(buffer));
        } else {
            cx.state.buffers.give(buffer);
        }
        if first < length {
            let (offset, end) = (self.offset + first, self.offset + length);
            body.push(Segment::File(Span::new(cx.state, self.handle.clone(), self.file, offset, end)));
        }
        Answer::Content(Content {
            status: 200,
            content_type: Some("application/octet-stream".into()),
            length: Length::Bytes(length),
            fields: Vec::new(),
            body,
        })
    }

    pub(super) fn release(&mut self, state: &mut State) {
        if let Some((buffer, _)) = self.done.take() {
            state.buffers.give(buffer);
        }
        if let Some(id) = self.file.take() {
            files::unuse(state, id);
        }
    }
}
