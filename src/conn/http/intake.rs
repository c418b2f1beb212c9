//! A request's body on its way from the socket to the task: by length or in chunks, into a small vector, into pooled
//! buffers (the kernel reads straight into them where the length is known), or dropped.

use super::respond::Respond;
use super::{About, Request};
use crate::buffer::Buffer;
use crate::ids::{ConnId, JobId};
use crate::job::Done;
use crate::service::{Cx, Intake, Task, salvage, session};
use crate::state::State;
use crate::time::Time;
use jstorrent_io_proto::body::ChunkedDecoder;
use jstorrent_io_proto::error::{Code, Refusal};
use jstorrent_io_proto::request::BodyFraming;

/// What is left of a body on the wire.
#[derive(Debug)]
pub(super) enum BodyReader {
    /// All of it has come, or there was none.
    Done,
    /// That many bytes, at least one.
    Length(u64),
    /// Chunks.
    Chunked(ChunkedDecoder),
}

impl BodyReader {
    pub(super) fn new(framing: BodyFraming) -> BodyReader {
        match framing {
            BodyFraming::None | BodyFraming::Length(0) => BodyReader::Done,
            BodyFraming::Length(length) => BodyReader::Length(length),
            BodyFraming::Chunked => BodyReader::Chunked(ChunkedDecoder::new()),
        }
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self, BodyReader::Done)
    }

    fn took(&mut self, n: u64) {
        if let BodyReader::Length(left) = self {
            *left -= n;
            if *left == 0 {
                *self = BodyReader::Done;
            }
        }
    }
}

/// Where incoming bytes may go.
pub(super) struct Room {
    /// Straight into the buffer that is being filled; else into the scratch.
    pub(super) direct: bool,
    pub(super) len: usize,
}

impl Request {
    pub(super) fn new(respond: Respond, body: BodyReader, task: Option<Task>, since: JobId) -> Request {
        Request {
            respond,
            body,
            task,
            filling: None,
            owes_continue: false,
            starved: false,
            drained: false,
            since,
            lease: None,
            about: About::default(),
        }
    }

    /// A request that was refused before it began.
    pub(super) fn refused(since: JobId) -> Request {
        Request::new(Respond::to_no_request(None), BodyReader::Done, None, since)
    }

    /// When the task is to be asked again, whatever has come by then.
    pub(super) fn task_deadline(&self) -> Time {
        self.task.as_ref().map_or(Time::NEVER, Task::deadline)
    }

    /// Whether it is for want of room, not of bytes, that the body does not go on.
    pub(super) fn is_starved(&mut self, state: &State) -> bool {
        let waits = |task: &mut Task| matches!(task.intake(state), Intake::Later);
        !self.body.is_done() && (self.starved || self.task.as_mut().is_some_and(waits))
    }

    /// A job of the task's has come home. What gathered in the meantime goes to it, if nothing follows at once.
    pub(super) fn completed(&mut self, cx: &mut Cx<'_>, job: JobId, done: Done) {
        match &mut self.task {
            Some(task) => task.completed(cx, job, done),
            None => salvage::salvage(cx.state, done),
        }
        if self.drained {
            self.drained(cx);
        }
    }

    /// Whether its answer, or the beginning of it, is in the queue.
    pub(super) fn is_answered(&self) -> bool {
        self.task.is_none() || self.respond.begun
    }

    /// What still comes of the body can't be read: the connection ends with the answer.
    pub(super) fn abandon_body(&mut self) {
        self.body = BodyReader::Done;
        self.respond.close = true;
    }

    /// Whether the client owes us bytes and we are willing to take them.
    pub(super) fn awaits_body(&self) -> bool {
        !self.body.is_done() && !self.owes_continue
    }

    /// Where the next bytes of the body may go; `None` while it is not read.
    pub(super) fn place(&mut self, state: &mut State, me: ConnId) -> Option<Room> {
        if self.body.is_done() {
            return None;
        }
        let room = self.find_room(state, me);
        self.starved = room.is_none();
        if let (true, Some(task)) = (self.starved, &mut self.task) {
            task.hurry(&mut Cx { state, me });
        }
        room
    }

    fn find_room(&mut self, state: &mut State, me: ConnId) -> Option<Room> {
        let scratch = Room { direct: false, len: usize::MAX };
        let Some(task) = &mut self.task else { return Some(scratch) };
        let filling = match task.intake(state) {
            Intake::Later => return None,
            Intake::Drop => return Some(scratch),
            Intake::Collect(bytes, bytes_max) => {
                let room = (bytes_max + 1).saturating_sub(bytes.len()).max(1);
                return Some(Room { direct: false, len: room });
            }
            Intake::Buffers(account) if self.filling.is_none() => state.buffers.take(account, me),
            Intake::Paid(reservation) if self.filling.is_none() => {
                state.buffers.take_reserved(reservation, me)
            }
            Intake::Buffers(_) | Intake::Paid(_) => self.filling.take(),
        };
        self.filling = filling;
        let room = self.filling.as_ref()?.room_len();
        match self.body {
            BodyReader::Length(left) => {
                Some(Room { direct: true, len: room.min(left.min(room as u64) as usize) })
            }
            _ => Some(Room { direct: false, len: room }),
        }
    }

    /// The kernel put `n` bytes of the body into the buffer.
    pub(super) fn received_direct(&mut self, cx: &mut Cx<'_>, n: usize) {
        if let Some(buffer) = &mut self.filling {
            buffer.commit(n);
        }
        self.drained = false;
        self.body.took(n as u64);
        self.pass_on(cx);
    }

    /// Takes what it can of `bytes`; returns how many.
    pub(super) fn take_body(&mut self, cx: &mut Cx<'_>, bytes: &[u8]) -> Result<usize, Refusal> {
        let mut taken = 0;
        while taken < bytes.len() && !self.body.is_done() {
            let n = self.take_some(cx, &bytes[taken..])?;
            if n == 0 {
                break;
            }
            taken += n;
        }
        Ok(taken)
    }

    fn take_some(&mut self, cx: &mut Cx<'_>, bytes: &[u8]) -> Result<usize, Refusal> {
        let room = match self.place(cx.state, cx.me) {
            Some(room) => room.len,
            None => return Ok(0),
        };
        let bytes = &bytes[..bytes.len().min(room)];
        let (consumed, data) = match &mut self.body {
            BodyReader::Done => return Ok(0),
            BodyReader::Length(left) => {
                let n = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                (n, &bytes[..n])
            }
            BodyReader::Chunked(decoder) => {
                let step = decoder.decode(bytes)?;
                if step.done {
                    self.body = BodyReader::Done;
                }
                (step.consumed, &bytes[step.data])
            }
        };
        self.store(cx.state, data)?;
        self.drained = false;
        self.body.took(consumed as u64);
        self.pass_on(cx);
        Ok(consumed)
    }

    fn store(&mut self, state: &State, data: &[u8]) -> Result<(), Refusal> {
        if let Some(buffer) = &mut self.filling {
            buffer.append(data);
            return Ok(());
        }
        if let Some(Intake::Collect(bytes, bytes_max)) = self.task.as_mut().map(|task| task.intake(state)) {
            if bytes.len() + data.len() > bytes_max {
                return Err(Refusal::new(Code::BodyTooLarge).closing());
            }
            bytes.extend_from_slice(data);
        }
        Ok(())
    }

    /// A buffer that is full, or the last, goes to the task; so does the end of the body.
    fn pass_on(&mut self, cx: &mut Cx<'_>) {
        let done = self.body.is_done();
        let ready = |buffer: &mut Buffer| buffer.room_len() == 0 || done;
        if let Some(buffer) = self.filling.take_if(ready) {
            self.hand_over(cx, buffer);
        }
        if let (true, Some(task)) = (done, &mut self.task) {
            task.body_ended();
        }
    }

    /// The kernel has nothing more at present.
    pub(super) fn drained(&mut self, cx: &mut Cx<'_>) {
        self.drained = true;
        if self.task.as_ref().is_some_and(Task::is_busy) {
            return;
        }
        if let Some(buffer) = self.filling.take() {
            self.hand_over(cx, buffer);
        }
        if let Some(task) = &mut self.task {
            task.hurry(cx);
        }
    }

    fn hand_over(&mut self, cx: &mut Cx<'_>, buffer: Buffer) {
        match &mut self.task {
            Some(task) if !buffer.is_empty() => task.feed(cx, buffer),
            _ => cx.state.buffers.give(buffer),
        }
    }

    /// The answer is complete: the task goes, and with it its wish for the body.
    pub(super) fn end_task(&mut self, state: &mut State, me: ConnId) {
        if let Some(mut task) = self.task.take() {
            task.release(state);
        }
        if let Some(buffer) = self.filling.take() {
            state.buffers.give(buffer);
        }
        state.buffers.forget(me);
    }

    /// Gives back all that it holds.
    pub(super) fn release(&mut self, state: &mut State) {
        if let Some(mut task) = self.task.take() {
            task.release(state);
        }
        if let Some(buffer) = self.filling.take() {
            state.buffers.give(buffer);
        }
        if let Some(lease) = self.lease.take() {
            lease.end(state);
        }
        if let Some(session) = self.about.session.take() {
            session::rest(state, session);
        }
        if self.respond.counted {
            self.respond.counted = false;
            state.metrics.http_in_flight -= 1;
            state.last_used = state.now;
        }
    }
}
