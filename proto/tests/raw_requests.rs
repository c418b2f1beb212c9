//! Raw HTTP/1.1 streams and the verdict that RFC 9112, RFC 9110 and PROTOCOL give on each, as data.
//!
//! Every stream is judged whole, cut in two at every byte, and byte by byte: the verdict must be the same.

use jstorrent_io_proto::admission::{Gate, admit};
use jstorrent_io_proto::body::ChunkedDecoder;
use jstorrent_io_proto::content_type::check_body;
use jstorrent_io_proto::error::Refusal;
use jstorrent_io_proto::request::{BodyFraming, Head, HeadEnd, find_head_end, parse_head};
use jstorrent_io_proto::route::{self, PortKind};
use jstorrent_io_proto::token::Token;
use jstorrent_io_proto::upgrade;

const HOST: &str = "127.0.0.1:49152";
const TOKEN: &str = "c2VjcmV0LXRva2VuLW9mLXRoZS10ZXN0cw";
const EXTENSION: &str = "abcdefghijklmnopabcdefghijklmnop";

/// A connection without a socket: bytes in, one word or more for each request out.
struct Connection {
    buffer: Vec<u8>,
    scanned: usize,
    body: Option<Body>,
    token: Token,
    port_kind: PortKind,
    verdicts: Vec<String>,
    closed: bool,
}

/// A body on its way, and what to say when it is there.
enum Body {
    Length(u64, String),
    Chunked(ChunkedDecoder, u64, String),
}

impl Connection {
    fn new(port_kind: PortKind) -> Self {
        Connection {
            buffer: Vec::new(),
            scanned: 0,
            body: None,
            token: Token::from_text(TOKEN).unwrap(),
            port_kind,
            verdicts: Vec::new(),
            closed: false,
        }
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        while !self.closed && self.step() {}
    }

    fn refuse(&mut self, refusal: &Refusal) -> bool {
        self.verdicts.push(refusal.code.as_str().to_owned());
        self.closed = true;
        false
    }

    /// One move; false where more bytes are needed.
    fn step(&mut self) -> bool {
        match self.body.take() {
            Some(Body::Length(left, verdict)) => {
                let taken = left.min(self.buffer.len() as u64);
                self.buffer.drain(..taken as usize);
                self.continue_body(taken == left, verdict, |verdict| Body::Length(left - taken, verdict))
            }
            Some(Body::Chunked(mut decoder, total, verdict)) => {
                if self.buffer.is_empty() {
                    self.body = Some(Body::Chunked(decoder, total, verdict));
                    return false;
                }
                match decoder.decode(&self.buffer) {
                    Err(refusal) => self.refuse(&refusal),
                    Ok(step) => {
                        self.buffer.drain(..step.consumed);
                        let total = total + step.data.len() as u64;
                        let said = if step.done { format!("{verdict}{total}") } else { verdict };
                        self.continue_body(step.done, said, |said| Body::Chunked(decoder, total, said))
                            || !step.done
                    }
                }
            }
            None => self.head(),
        }
    }

    fn continue_body(&mut self, done: bool, verdict: String, rest: impl FnOnce(String) -> Body) -> bool {
        if done {
            self.finish(verdict);
        } else {
            self.body = Some(rest(verdict));
        }
        done
    }

    fn finish(&mut self, verdict: String) {
        self.closed = verdict.contains(" close");
        self.verdicts.push(verdict);
    }

    fn head(&mut self) -> bool {
        let end = match find_head_end(&self.buffer, self.scanned) {
            HeadEnd::Found(end) => end,
            HeadEnd::Partial { scanned } => {
                self.scanned = scanned;
                return false;
            }
            HeadEnd::Refused(refusal) => return self.refuse(&refusal),
        };
        self.scanned = 0;
        let bytes: Vec<u8> = self.buffer.drain(..end).collect();
        let judged = parse_head(&bytes).and_then(|head| Ok((self.judge(&head)?, head.body)));
        match judged {
            Err(refusal) => return self.refuse(&refusal),
            Ok((verdict, BodyFraming::None)) => self.finish(verdict),
            Ok((verdict, BodyFraming::Length(length))) => self.body = Some(Body::Length(length, verdict)),
            Ok((verdict, BodyFraming::Chunked)) => {
                self.body = Some(Body::Chunked(ChunkedDecoder::new(), 0, verdict));
            }
        }
        true
    }

    fn judge(&self, head: &Head<'_>) -> Result<String, Refusal> {
        let gate = Gate {
            port: 49152,
            port_kind: self.port_kind,
            token: &self.token,
            extension_id: Some(EXTENSION),
            extra_origins: &["http://localhost:3000".to_owned()],
        };
        let admitted = admit(head, &gate).map_err(|rejected| rejected.refusal)?;
        let mut verdict = if admitted.is_preflight() {
            "preflight".to_owned()
        } else {
            let found = route::find(head.method, head.path, self.port_kind)?;
            admitted.session_for(&found)?;
            check_body(head, found.route.body)?;
            if found.endpoint() == route::Endpoint::Io {
                upgrade::check(head)?;
            }
            format!("{:?}", found.endpoint())
        };
        for (said, word) in [
            (!head.keep_alive, " close"),
            (head.expects_continue, " continue"),
            (admitted.by_ticket(), " ticket"),
        ] {
            verdict.push_str(if said { word } else { "" });
        }
        match head.body {
            BodyFraming::None => {}
            BodyFraming::Length(length) => verdict.push_str(&format!(" +{length}")),
            BodyFraming::Chunked => verdict.push_str(" +chunked:"),
        }
        Ok(verdict)
    }

    fn end(self) -> String {
        let mut verdicts = self.verdicts;
        if !self.closed && (self.body.is_some() || !self.buffer.is_empty()) {
            verdicts.push("incomplete".to_owned());
        }
        verdicts.join("; ")
    }
}

fn judge<'a>(port_kind: PortKind, pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut connection = Connection::new(port_kind);
    pieces.into_iter().for_each(|piece| connection.feed(piece));
    connection.end()
}

/// Writes out a line of the table: `¶` is CR LF, `{H}`, `{T}` and `{X}` host, token and extension id, `{A}` the fields
/// that every caller needs, `{c*N}` a character N times, `\r \n \t \0 \xNN \\` what they are in Rust.
fn expand(line: &str) -> Vec<u8> {
    let line = line
        .replace("{A}", "Host: {H}¶X-JST-Auth: {T}¶X-JST-Session: s1¶")
        .replace("{H}", HOST)
        .replace("{T}", TOKEN)
        .replace("{X}", EXTENSION)
        .replace('¶', "\r\n");
    let mut out = Vec::new();
    let mut rest = line.as_str();
    while let Some(first) = rest.chars().next() {
        let repeat = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let repeat = repeat.and_then(|(inside, after)| Some((inside.rsplit_once('*')?, after)));
        if let Some(((text, count), after)) = repeat {
            let text = if text == "F" { "F: x\r\n" } else { text };
            out.extend_from_slice(text.repeat(count.parse().unwrap()).as_bytes());
            rest = after;
        } else if first == '\\' {
            let (byte, used) = match rest.as_bytes()[1] {
                b'r' => (b'\r', 2),
                b'n' => (b'\n', 2),
                b't' => (b'\t', 2),
                b'0' => (0, 2),
                b'x' => (u8::from_str_radix(&rest[2..4], 16).unwrap(), 4),
                other => (other, 2),
            };
            out.push(byte);
            rest = &rest[used..];
        } else {
            out.extend_from_slice(first.to_string().as_bytes());
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

/// The table: `# why`, `> stream` (`s>` on the stream port), `= verdict`.
fn cases() -> Vec<(usize, PortKind, Vec<u8>, String)> {
    let mut cases = Vec::new();
    let mut pending = None;
    for (number, line) in include_str!("data/raw_requests.txt").lines().enumerate() {
        if let Some(stream) = line.strip_prefix("> ") {
            pending = Some((PortKind::Main, expand(stream)));
        } else if let Some(stream) = line.strip_prefix("s> ") {
            pending = Some((PortKind::Stream, expand(stream)));
        } else if let Some(verdict) = line.strip_prefix("= ") {
            let (port_kind, stream) = pending.take().expect("a verdict without a stream");
            cases.push((number + 1, port_kind, stream, verdict.to_owned()));
        } else {
            assert!(line.is_empty() || line.starts_with('#'), "line {}", number + 1);
        }
    }
    cases
}

#[test]
fn every_stream_gets_its_verdict() {
    let cases = cases();
    assert!(cases.len() >= 200, "only {} streams", cases.len());
    let mut wrong = Vec::new();
    for (line, port_kind, stream, verdict) in &cases {
        let got = judge(*port_kind, [&stream[..]]);
        if got != *verdict {
            wrong.push(format!("line {line}: expected {verdict:?}, got {got:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn cuts_change_no_verdict() {
    for (line, port_kind, stream, verdict) in cases() {
        let bytewise = judge(port_kind, stream.chunks(1));
        assert_eq!(bytewise, verdict, "line {line}, byte by byte");
        // Long streams are cut where something may change: near both ends and around their limits.
        let step = (stream.len() / 700).max(1);
        for cut in (0..stream.len()).step_by(step) {
            let (before, after) = stream.split_at(cut);
            assert_eq!(judge(port_kind, [before, after]), verdict, "line {line}, cut at {cut}");
        }
    }
}
