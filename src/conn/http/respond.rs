//! From a task's steps to bytes in the queue: heads, chunks, refusals.

use super::outbound::{Outbound, Segment};
use super::{About, Http, Phase};
use crate::service::answer::{Answer, Content, Length};
use crate::service::lease::Lease;
use crate::service::{Cx, Step};
use crate::state::State;
use jstorrent_io_proto::error::Refusal;
use jstorrent_io_proto::request::{Head, Method, Version};
use jstorrent_io_proto::response::{
    CONTINUE, Context, LAST_CHUNK, ResponseHead, write_chunk_head, write_refusal,
};

/// What an answer takes from its request.
#[derive(Debug)]
pub(super) struct Respond {
    /// The allowed origin, to be echoed.
    origin: Option<Box<str>>,
    /// The connection ends with this answer.
    pub(super) close: bool,
    /// No body: it was HEAD.
    is_head: bool,
    /// `/stream`, which other sites' pages may show.
    pub(super) is_stream: bool,
    http10: bool,
    /// The answer's head is on its way.
    pub(super) begun: bool,
    /// The answer's body goes in chunks.
    chunked: bool,
    /// It counts as in flight.
    pub(super) counted: bool,
}

impl Respond {
    pub(super) fn new(head: &Head<'_>, origin: Option<&str>) -> Respond {
        Respond {
            origin: origin.map(Box::from),
            close: !head.keep_alive,
            is_head: head.method == Method::Head,
            is_stream: head.path == "/stream" || head.path.starts_with("/stream/"),
            http10: head.version == Version::Http10,
            begun: false,
            chunked: false,
            counted: false,
        }
    }

    /// For an answer to something that was no request, which a page of that origin may read.
    pub(super) fn to_no_request(origin: Option<&str>) -> Respond {
        Respond {
            origin: origin.map(Box::from),
            close: true,
            is_head: false,
            is_stream: false,
            http10: false,
            begun: false,
            chunked: false,
            counted: false,
        }
    }

    /// For the answer that ends the connection instead of the one that was to come.
    pub(super) fn closing(&mut self) -> Respond {
        let (is_head, is_stream) = (self.is_head, self.is_stream);
        Respond { origin: self.origin.take(), is_head, is_stream, ..Respond::to_no_request(None) }
    }

    pub(super) fn is_stream(&self) -> bool {
        self.is_stream
    }

    pub(super) fn context<'a>(&'a self, date: &'a str) -> Context<'a> {
        Context {
            origin: self.origin.as_deref(),
            close: self.close,
            stream: self.is_stream,
            http10: self.http10,
            date: Some(date),
        }
    }

    /// Puts the answer, or its beginning, into the queue.
    fn push(&mut self, state: &mut State, out: &mut Outbound, answer: Answer) -> Option<Lease> {
        self.begun = true;
        match answer {
            Answer::Refused(refusal) => {
                self.close |= refusal.close;
                self.refuse(state, out, &refusal);
                None
            }
            Answer::Content(content) => self.push_content(state, out, content),
        }
    }

    pub(super) fn refuse(&self, state: &mut State, out: &mut Outbound, refusal: &Refusal) {
        state.metrics.http_refused += 1;
        let mut bytes = Vec::new();
        write_refusal(refusal, &self.context(&state.date()), self.is_head, &mut bytes);
        out.push_bytes(bytes);
    }

    /// Puts more of the body of an answer that was begun into the queue.
    fn push_more(&self, out: &mut Outbound, bytes: Vec<u8>) {
        if self.is_head || bytes.is_empty() {
            return;
        }
        if !self.chunked {
            return out.push_bytes(bytes);
        }
        let mut chunk = Vec::with_capacity(bytes.len() + 16);
        write_chunk_head(bytes.len(), &mut chunk);
        chunk.extend_from_slice(&bytes);
        chunk.extend_from_slice(b"\r\n");
        out.push_bytes(chunk);
    }

    fn push_content(&mut self, state: &mut State, out: &mut Outbound, content: Content) -> Option<Lease> {
        let mut head = ResponseHead::new(content.status);
        head = match content.length {
            Length::NoBody => head,
            Length::Bytes(bytes) => head.length(bytes),
            Length::Chunked => head.chunked(),
        };
        if let Some(content_type) = &content.content_type {
            head = head.content_type(content_type);
        }
        for (name, value) in &content.fields {
            head = head.field(name, value);
        }
        self.chunked = content.length == Length::Chunked && !self.http10;
        self.close |= self.http10;
        let mut bytes = Vec::with_capacity(512);
        head.write(&self.context(&state.date()), &mut bytes);
        out.push_bytes(bytes);
        for segment in content.body {
            match segment {
                Segment::Buffer(buffer) if self.is_head => state.buffers.give(buffer),
                _ if self.is_head => {}
                Segment::Bytes(bytes) => out.push_bytes(bytes),
                other => out.push(other),
            }
        }
        content.lease
    }
}

impl Http {
    /// Asks the task what is next until it waits or has ended.
    pub(super) fn step_task(&mut self, state: &mut State) {
        loop {
            let Phase::Request(request) = &mut self.phase else { return };
            let Some(task) = &mut request.task else { return };
            match task.advance(&mut Cx { state, me: self.id }, &mut self.out) {
                Step::Wait => return,
                Step::Become(next) => {
                    task.release(state);
                    *task = *next;
                    if request.body.is_done() {
                        task.body_ended();
                    }
                }
                Step::Reply(answer) => {
                    request.respond.close |= !request.body.is_done() && request.has_long_body(state);
                    request.about.log(state, &answer);
                    request.lease = request.respond.push(state, &mut self.out, answer);
                    request.end_task(state, self.id);
                }
                Step::Begin(answer) => {
                    request.about.log(state, &answer);
                    request.lease = request.respond.push(state, &mut self.out, answer);
                }
                Step::More(bytes) => request.respond.push_more(&mut self.out, bytes),
                Step::End => {
                    if request.respond.chunked && !request.respond.is_head {
                        self.out.push_bytes(LAST_CHUNK.to_vec());
                    }
                    request.end_task(state, self.id);
                }
                Step::Cut => return self.finish(true),
            }
        }
    }
}

impl About {
    /// One line a request: what it was for, never what it bore.
    fn log(&self, state: &State, answer: &Answer) {
        let endpoint = self.route.map_or("(turned away)", |route| route.pattern);
        let session = self.session.and_then(|id| state.sessions.get(id));
        let session = session.map_or("-", |session| session.name.as_str());
        match answer {
            Answer::Content(content) => log::debug!("{endpoint} {} session {session}", content.status),
            Answer::Refused(refusal) => {
                let (status, code) = (refusal.status(), refusal.code.as_str());
                log::debug!("{endpoint} {status} {code} session {session}");
            }
        }
    }
}

impl super::Request {
    /// Whether what is left of the body is more than one reads only to drop it.
    fn has_long_body(&self, state: &State) -> bool {
        match &self.body {
            super::BodyReader::Length(left) => *left > state.limits.drain_bytes_max,
            super::BodyReader::Chunked(_) => true,
            super::BodyReader::Done => false,
        }
    }
}

/// Tells the client to send the body.
pub(super) fn send_continue(out: &mut Outbound) {
    out.push_bytes(CONTINUE.to_vec());
}
