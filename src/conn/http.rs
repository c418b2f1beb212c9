//! An HTTP/1.1 connection: heads in, one request at a time, its body to the task, the answer out, then the next. Owns
//! framing, time limits and the way a connection closes; what a request does is its task's (`service`).

mod begin;
mod deadlines;
mod intake;
pub mod outbound;
mod respond;

use crate::buffer::Buffer;
use crate::conn::End;
use crate::conn::outgoing::Outgoing;
use crate::ids::{ConnId, JobId, SessionId};
use crate::job::Done;
use crate::limits::LINGERS_MAX;
use crate::service::lease::Lease;
use crate::service::{Cx, Task, salvage};
use crate::state::State;
use crate::state::effects::Effect;
use crate::state::notes::Note;
use crate::time::Time;
pub use begin::Upgrade;
use intake::BodyReader;
use jstorrent_io_proto::error::Refusal;
use jstorrent_io_proto::limits::{FIRST_REQUEST_WAIT_MS_MAX, KEEP_ALIVE_IDLE_MS_MAX};
use jstorrent_io_proto::route::{PortKind, Route};
use outbound::Outbound;
use respond::Respond;

/// A client's connection.
#[derive(Debug)]
pub struct Http {
    id: ConnId,
    port: PortKind,
    opened_at: Time,
    /// The token was shown at least once.
    known: bool,
    /// What has arrived and waits: part of a head, or what came behind a request that is under way.
    input: Vec<u8>,
    /// How much of `input` is counted in `State::input_bytes`.
    input_counted: usize,
    /// How much of `input` holds no end of a head.
    scanned: usize,
    phase: Phase,
    out: Outbound,
    /// The place last given out was a buffer's room, not the scratch.
    reads_into_buffer: bool,
    /// The peer has ended its side.
    peer_ended: bool,
    /// The peer's end was seen, though there may be bytes before it.
    hung_up: bool,
    deadline: Time,
    /// Until when an answer that holds memory may make no progress, whoever waits.
    send_until: Time,
    /// It is to go on as a WebSocket.
    upgrade: Option<Upgrade>,
    end: Option<End>,
}

/// Where a connection is in the course of a request.
#[derive(Debug)]
enum Phase {
    /// No request has come as yet, nor a byte of one.
    Fresh,
    /// Between requests: no byte of a head has come.
    Idle,
    /// Within a head.
    Head,
    /// A request under way.
    Request(Box<Request>),
    /// The last answer is out; what still comes is dropped until the peer has seen it, or that time.
    Linger(Time),
}

/// One request.
#[derive(Debug)]
struct Request {
    respond: Respond,
    body: BodyReader,
    /// `None` once the answer is complete (though not yet sent).
    task: Option<Task>,
    /// A buffer that the body is arriving in.
    filling: Option<Buffer>,
    /// `100 Continue` is owed before the body is read.
    owes_continue: bool,
    /// The body was not read when it could have been: there was no room for it.
    starved: bool,
    /// The kernel had nothing more when last asked.
    drained: bool,
    /// The last job before this request's first: what comes home of older ones is not for it.
    since: JobId,
    /// What the answer's file is held by.
    lease: Option<Lease>,
    /// Whose, and what for.
    about: About,
}

/// What is noted of a request for the log and for its session.
#[derive(Debug, Default)]
struct About {
    route: Option<&'static Route>,
    session: Option<SessionId>,
}

impl Phase {
    /// Tells one kind of phase from another: whether looking at the input again may help.
    fn step(&self) -> u8 {
        match self {
            Phase::Fresh | Phase::Idle | Phase::Head => 0,
            Phase::Request(_) => 1,
            Phase::Linger(_) => 2,
        }
    }
}

impl Http {
    /// A connection that was just accepted.
    pub fn new(id: ConnId, port: PortKind, state: &mut State) -> Http {
        Http {
            id,
            port,
            opened_at: state.now,
            known: false,
            input: Vec::new(),
            input_counted: 0,
            scanned: 0,
            phase: Phase::Fresh,
            out: Outbound::default(),
            reads_into_buffer: false,
            peer_ended: false,
            hung_up: false,
            deadline: state.now.plus_ms(FIRST_REQUEST_WAIT_MS_MAX),
            send_until: Time::NEVER,
            upgrade: None,
            end: None,
        }
    }

    /// Since when it is there, where it has never shown the token.
    pub fn stranger_since(&self) -> Option<Time> {
        (!self.known).then_some(self.opened_at)
    }

    /// When [`expired`](Http::expired) is due.
    pub fn deadline(&self) -> Time {
        self.deadline
    }

    /// Whether, and how, it has ended.
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// Room for incoming bytes; `None` while it does not read.
    pub fn place<'a>(&'a mut self, state: &mut State, scratch: &'a mut [u8]) -> Option<&'a mut [u8]> {
        self.reads_into_buffer = false;
        let tight = if state.is_tight() { state.limits.head_read_tight_bytes } else { usize::MAX };
        let head_len = scratch.len().min(tight).min(state.limits.head_read_bytes).max(1);
        match &mut self.phase {
            Phase::Fresh | Phase::Idle | Phase::Head | Phase::Linger(_) => Some(&mut scratch[..head_len]),
            // What has come before must go first.
            Phase::Request(_) if !self.input.is_empty() => None,
            Phase::Request(request) => {
                let room = request.place(state, self.id)?;
                self.reads_into_buffer = room.direct;
                match room.direct {
                    true => request.filling.as_mut().map(|buffer| &mut buffer.room()[..room.len]),
                    false => Some(&mut scratch[..room.len.min(head_len)]),
                }
            }
        }
    }

    /// Bytes came into the place.
    pub fn received(&mut self, state: &mut State, scratch: &[u8], n: usize) {
        if self.reads_into_buffer {
            self.received_direct(state, n);
        } else if self.input.is_empty() {
            let consumed = self.consume(state, &scratch[..n]);
            if self.end.is_none() {
                self.input.extend_from_slice(&scratch[consumed..n]);
            }
        } else {
            self.input.extend_from_slice(&scratch[..n]);
            self.consume_input(state);
        }
        self.after(state);
    }

    fn received_direct(&mut self, state: &mut State, n: usize) {
        let Phase::Request(request) = &mut self.phase else { return };
        request.received_direct(&mut Cx { state, me: self.id }, n);
        self.progress(state);
    }

    /// What waits in `input` is looked at again.
    fn consume_input(&mut self, state: &mut State) {
        if self.input.is_empty() || self.end.is_some() {
            return;
        }
        let mut input = std::mem::take(&mut self.input);
        let consumed = self.consume(state, &input);
        if consumed < input.len() && self.end.is_none() {
            input.drain(..consumed);
            self.input = input;
        }
    }

    /// Takes what it can of the bytes that are there; returns how many.
    fn consume(&mut self, state: &mut State, bytes: &[u8]) -> usize {
        let mut consumed = 0;
        loop {
            if self.end.is_some() {
                return bytes.len();
            }
            if self.upgrade.is_some() {
                return consumed;
            }
            let rest = &bytes[consumed..];
            let before = (consumed, self.phase.step());
            match &mut self.phase {
                Phase::Fresh | Phase::Idle | Phase::Head => consumed += self.consume_head(state, rest),
                Phase::Request(request) => {
                    match request.take_body(&mut Cx { state, me: self.id }, rest) {
                        Ok(n) => consumed += n,
                        Err(refusal) => self.refuse_outright(state, &refusal),
                    }
                    self.progress(state);
                }
                Phase::Linger(until) => {
                    // Who still sends has not read the answer yet.
                    self.deadline = state.now.plus_ms(state.limits.linger_ms).min(*until);
                    return bytes.len();
                }
            }
            if before == (consumed, self.phase.step()) {
                return consumed;
            }
        }
    }

    /// The kernel has nothing more: a part-filled buffer may go, if its task has nothing else to do.
    pub fn drained(&mut self, state: &mut State) {
        let Phase::Request(request) = &mut self.phase else { return };
        request.drained(&mut Cx { state, me: self.id });
        self.progress(state);
        // The task may have been given memory just now: then what had come before goes on.
        self.consume_input(state);
        self.after(state);
    }

    /// The peer has ended its side.
    pub fn ended(&mut self, state: &mut State) {
        self.peer_ended = true;
        match &self.phase {
            Phase::Fresh | Phase::Idle | Phase::Head | Phase::Linger(_) => self.finish(false),
            Phase::Request(request) if !request.body.is_done() => self.finish(true),
            Phase::Request(_) => self.hung_up(state),
        }
    }

    /// The peer's end was noticed early. Whoever only half-closes still gets the answer, but for streams.
    pub fn hung_up(&mut self, _state: &mut State) {
        self.hung_up = true;
        self.mind_hang_up();
    }

    fn mind_hang_up(&mut self) {
        if let Phase::Request(request) = &self.phase
            && self.hung_up
            && request.task.as_ref().is_some_and(Task::minds_hang_up)
        {
            self.finish(true);
        }
    }

    /// The socket failed.
    pub fn failed(&mut self, _state: &mut State) {
        self.finish(true);
    }

    /// What is to be written next.
    pub fn outgoing(&self) -> Outgoing<'_> {
        self.out.outgoing()
    }

    /// The kernel took `n` bytes.
    pub fn sent(&mut self, state: &mut State, n: usize) {
        self.out.sent(state, n);
        self.progress(state);
        self.consume_input(state);
        self.after(state);
    }

    /// The socket can be written and a transfer is next.
    pub fn start_transfer(&mut self, state: &mut State) {
        self.out.start_transfer(state, self.id);
    }

    /// A job has come home.
    pub fn completed(&mut self, state: &mut State, job: JobId, done: Done) {
        let me = self.id;
        match &mut self.phase {
            Phase::Request(request) if job > request.since => {
                if self.out.in_flight() {
                    self.out.completed(state, done);
                } else {
                    request.completed(&mut Cx { state, me }, job, done);
                }
            }
            _ => salvage::salvage(state, done),
        }
        if self.out.broken {
            self.finish(true);
        }
        self.progress(state);
        self.consume_input(state);
        self.after(state);
    }

    /// A note came.
    pub fn noted(&mut self, state: &mut State, note: Note) {
        match note {
            Note::MemoryFree | Note::Look => {
                self.progress(state);
                self.consume_input(state);
            }
            Note::Cut => self.finish(true),
            Note::Exit => self.begin_exit(),
            // For `/io` connections.
            Note::RangeRequest(_) | Note::RangeCancel(_) => state.metrics.stale += 1,
            _ => {}
        }
        self.after(state);
    }

    /// The daemon ends: idle connections close, a stream is cut, any other request is finished first.
    fn begin_exit(&mut self) {
        match &mut self.phase {
            Phase::Fresh | Phase::Idle | Phase::Head | Phase::Linger(_) => self.finish(false),
            Phase::Request(request) => {
                let is_stream = request.task.as_ref().is_some_and(Task::is_stream);
                request.respond.close = true;
                if is_stream {
                    self.finish(true);
                }
            }
        }
    }

    /// Lets the task go on as far as it can, then the answer, then the next request.
    fn progress(&mut self, state: &mut State) {
        if self.end.is_some() {
            return;
        }
        self.step_task(state);
        self.mind_hang_up();
        if self.end.is_some() {
            return;
        }
        self.out.pump(state, self.id);
        let Phase::Request(request) = &mut self.phase else { return };
        if request.task.is_none() && self.out.is_empty() && request.body.is_done() {
            let close = request.respond.close;
            self.end_request(state);
            if state.exiting {
                self.finish(false);
            } else if close {
                self.linger(state);
            } else {
                self.deadline = state.now.plus_ms(KEEP_ALIVE_IDLE_MS_MAX);
            }
        } else if request.task.is_none() && self.out.is_empty() && request.respond.close {
            self.end_request(state);
            self.linger(state);
        }
    }

    fn end_request(&mut self, state: &mut State) {
        if let Phase::Request(mut request) = std::mem::replace(&mut self.phase, Phase::Idle) {
            request.release(state);
        }
        self.scanned = 0;
    }

    /// Ends our side, and drops what comes until the peer has ended its own, so that the answer is not lost in a reset.
    fn linger(&mut self, state: &mut State) {
        if self.peer_ended {
            return self.finish(false);
        }
        state.effects.push_back(Effect::ShutdownWrite(self.id));
        self.phase = Phase::Linger(state.now.plus_ms(state.limits.linger_ms * LINGERS_MAX));
        self.input = Vec::new();
        self.deadline = state.now.plus_ms(state.limits.linger_ms);
    }

    /// After anything happened: wants a turn if it may have something for the kernel or room for more.
    fn after(&mut self, state: &mut State) {
        self.count_input(state);
        if self.end.is_none() {
            self.set_deadline(state);
            state.turns.want(self.id);
        }
    }

    /// What all connections keep of unfinished heads and requests that wait is bounded together.
    fn count_input(&mut self, state: &mut State) {
        state.input_bytes = state.input_bytes + self.input.capacity() - self.input_counted;
        self.input_counted = self.input.capacity();
    }

    /// Answers with a refusal that ends the connection, whatever was under way. Where an answer is on its way already,
    /// it is the last: no other can be put in between.
    fn refuse_outright(&mut self, state: &mut State, refusal: &Refusal) {
        let respond = match &mut self.phase {
            Phase::Request(request) if request.is_answered() => {
                request.abandon_body();
                return self.progress(state);
            }
            Phase::Request(request) => request.respond.closing(),
            _ => Respond::to_no_request(None),
        };
        self.refuse_with(state, &respond, refusal);
    }

    fn refuse_with(&mut self, state: &mut State, respond: &Respond, refusal: &Refusal) {
        self.end_request(state);
        respond.refuse(state, &mut self.out, refusal);
        self.phase = Phase::Request(Box::new(Request::refused(state.last_job())));
        self.progress(state);
    }

    fn finish(&mut self, abort: bool) {
        self.end.get_or_insert(End { abort });
    }

    /// Gives back all that it holds.
    pub fn release(&mut self, state: &mut State) {
        self.end_request(state);
        self.out.release(state);
        self.input = Vec::new();
        self.count_input(state);
        state.metrics.http_connections -= 1;
    }
}
