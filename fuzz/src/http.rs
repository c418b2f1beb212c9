//! A connection's bytes, as a server reads them: head, who calls, route, body, and the next head.

use crate::{cuts, oracle};
use jstorrent_io_proto::admission::{Gate, admit};
use jstorrent_io_proto::body::ChunkedDecoder;
use jstorrent_io_proto::content_type::{accepts, check_body};
use jstorrent_io_proto::error::Refusal;
use jstorrent_io_proto::limits::HEAD_BYTES_MAX;
use jstorrent_io_proto::path::RelPath;
use jstorrent_io_proto::query::Query;
use jstorrent_io_proto::request::{BodyFraming, Head, HeadEnd, find_head_end, parse_head};
use jstorrent_io_proto::response::{Context, write_preflight, write_refusal};
use jstorrent_io_proto::route::{self, Match, PortKind};
use jstorrent_io_proto::token::Token;
use jstorrent_io_proto::{range, upgrade};

/// Requests that are looked at in one input.
const REQUESTS_MAX: usize = 64;

/// What is made of a connection does not depend on the cuts; who is let in has a right to be; no refusal that holds
/// what the client sent breaks out of its answer.
pub fn request_stream(data: &[u8]) {
    let port = if cuts::coin(data, 1) { PortKind::Main } else { PortKind::Stream };
    cuts::agree(data, |pieces| {
        let mut connection = Connection::new(port);
        pieces.iter().for_each(|piece| connection.feed(piece));
        connection.said
    });
}

struct Connection {
    port: PortKind,
    buffer: Vec<u8>,
    scanned: usize,
    body: Body,
    said: Vec<String>,
    over: bool,
}

enum Body {
    None,
    Length(u64),
    Chunked(ChunkedDecoder),
}

impl Connection {
    fn new(port: PortKind) -> Connection {
        Connection { port, buffer: Vec::new(), scanned: 0, body: Body::None, said: Vec::new(), over: false }
    }

    fn feed(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
        while !self.over && self.said.len() < REQUESTS_MAX && self.step() {}
    }

    /// One move; false where more bytes are needed.
    fn step(&mut self) -> bool {
        if self.buffer.is_empty() {
            return false;
        }
        match std::mem::replace(&mut self.body, Body::None) {
            Body::None => self.head(),
            Body::Length(left) => {
                let taken = left.min(self.buffer.len() as u64);
                self.buffer.drain(..taken as usize);
                if left > taken {
                    self.body = Body::Length(left - taken);
                }
                true
            }
            Body::Chunked(decoder) => self.chunks(decoder),
        }
    }

    fn chunks(&mut self, mut decoder: ChunkedDecoder) -> bool {
        match decoder.decode(&self.buffer) {
            Ok(step) => {
                self.buffer.drain(..step.consumed);
                if !step.done {
                    self.body = Body::Chunked(decoder);
                }
                true
            }
            Err(refusal) => self.refuse(&refusal, Context::default()),
        }
    }

    fn head(&mut self) -> bool {
        match find_head_end(&self.buffer, self.scanned) {
            HeadEnd::Partial { scanned } => {
                assert!(scanned <= self.buffer.len() && self.buffer.len() < HEAD_BYTES_MAX);
                self.scanned = scanned;
                false
            }
            HeadEnd::Refused(refusal) => self.refuse(&refusal, Context::default()),
            HeadEnd::Found(end) => {
                self.scanned = 0;
                let bytes: Vec<u8> = self.buffer.drain(..end).collect();
                assert!(end <= HEAD_BYTES_MAX && bytes.ends_with(b"\r\n\r\n"));
                match parse_head(&bytes) {
                    Ok(head) => self.request(&head),
                    Err(refusal) => self.refuse(&refusal, Context::default()),
                }
            }
        }
    }

    fn request(&mut self, head: &Head<'_>) -> bool {
        self.over = !head.keep_alive;
        self.body = match head.body {
            BodyFraming::None | BodyFraming::Length(0) => Body::None,
            BodyFraming::Length(bytes) => Body::Length(bytes),
            BodyFraming::Chunked => Body::Chunked(ChunkedDecoder::new()),
        };
        let token = Token::from_text(oracle::TOKEN).expect("visible ASCII");
        let extra_origins = [oracle::EXTRA_ORIGIN.to_owned()];
        let gate = Gate {
            port: oracle::PORT,
            port_kind: self.port,
            token: &token,
            extension_id: Some(oracle::EXTENSION),
            extra_origins: &extra_origins,
        };
        let admitted = match admit(head, &gate) {
            Ok(admitted) => admitted,
            Err(rejected) => {
                assert!([400, 401, 403, 421].contains(&rejected.refusal.status()));
                return self
                    .refuse(&rejected.refusal, Context { origin: rejected.origin, ..Context::default() });
            }
        };
        oracle::check(head, &admitted);
        let context = Context { origin: admitted.origin(), ..Context::default() };
        if admitted.is_preflight() {
            write_preflight(head, &context, &mut Vec::new());
            self.said.push("preflight".to_owned());
            return true;
        }
        let found = route::find(head.method, head.path, self.port);
        match found.and_then(|found| admitted.session_for(&found).and_then(|_| look_into(head, &found))) {
            Ok(what) => self.said.push(what),
            Err(refusal) => return self.refuse(&refusal, context),
        }
        true
    }

    fn refuse(&mut self, refusal: &Refusal, context: Context<'_>) -> bool {
        let mut answer = Vec::new();
        write_refusal(refusal, &context, false, &mut answer);
        oracle::check_answer(&answer);
        self.said.push(refusal.code.as_str().to_owned());
        self.over = refusal.close;
        !self.over
    }
}

/// All that services ask of a head.
fn look_into(head: &Head<'_>, found: &Match<'_>) -> Result<String, Refusal> {
    check_body(head, found.route.body)?;
    let query = Query::new(head.query);
    for name in ["offset", "length", "size"] {
        query.number(name)?;
    }
    let path = RelPath::parse_encoded(found.rest, true)?;
    if let Some(value) = head.field("x-path-base64") {
        RelPath::parse_base64(value, true)?;
    }
    let ranges = range::parse_head(head, 1000);
    let upgraded = upgrade::check(head).is_ok();
    let ndjson = accepts(head, "application/x-ndjson");
    Ok(format!("{:?} {path} {ranges:?} {upgraded} {ndjson}", found.endpoint()))
}
