//! Reads what the daemon sends as the strictest of clients would, written apart from the daemon's own code. What is
//! malformed ends the run.

use std::collections::VecDeque;
use std::fmt;

/// One answer, whole.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = String::from_utf8_lossy(&self.body[..self.body.len().min(300)]).into_owned();
        write!(f, "{} with {} bytes: {shown:?}", self.status, self.body.len())
    }
}

impl Response {
    /// The value of a field that may stand there once.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let first = values.next();
        assert!(values.next().is_none(), "{name} stands there twice");
        first.map(|(_, value)| value.as_str())
    }

    /// The connection ends with it.
    pub(crate) fn closes(&self) -> bool {
        self.field("connection") == Some("close")
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    /// The stable code of a refusal.
    pub(crate) fn code(&self) -> String {
        let value: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        value["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// `100 Continue`.
    Interim,
    Final(Response),
}

/// The answers on one connection.
#[derive(Debug, Default)]
pub(crate) struct Responses {
    buffer: Vec<u8>,
    /// Of each request whose answer has not begun: whether it was HEAD.
    heads: VecDeque<bool>,
    current: Option<(Response, Framing)>,
    complete: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(usize),
    Chunked,
}

impl Responses {
    /// A request was sent.
    pub(crate) fn expect(&mut self, is_head: bool) {
        self.heads.push_back(is_head);
    }

    /// Whether an answer has begun and is not complete.
    pub(crate) fn within(&self) -> bool {
        self.current.is_some() || !self.buffer.is_empty()
    }

    /// Answers that were complete.
    pub(crate) fn complete(&self) -> usize {
        self.complete
    }

    /// Takes bytes in; returns what is complete.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<Piece> {
        self.buffer.extend_from_slice(bytes);
        let mut pieces = Vec::new();
        while let Some(piece) = self.next() {
            pieces.push(piece);
        }
        pieces
    }

    fn next(&mut self) -> Option<Piece> {
        if self.current.is_none() {
            let end = self.buffer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
            let head: Vec<u8> = self.buffer.drain(..end).collect();
            let response = parse_head(&head);
            if response.status == 100 {
                assert!(response.fields.is_empty(), "an interim answer has no fields here");
                return Some(Piece::Interim);
            }
            check_fields(&response);
            let framing = self.framing(&response);
            self.current = Some((response, framing));
        }
        let (mut response, framing) = self.current.take()?;
        let done = match framing {
            Framing::Length(length) => {
                let count = self.buffer.len().min(length - response.body.len());
                response.body.extend(self.buffer.drain(..count));
                response.body.len() == length
            }
            Framing::Chunked => self.chunks(&mut response.body),
        };
        if done {
            self.complete += 1;
            return Some(Piece::Final(response));
        }
        self.current = Some((response, framing));
        None
    }

    fn framing(&mut self, response: &Response) -> Framing {
        // What nobody asked for is a connection's last word, with a body.
        let is_head = self.heads.pop_front().unwrap_or(false);
        let length = response.field("content-length").map(|text| text.parse().expect("a length"));
        let chunked = response.field("transfer-encoding").map(|text| assert_eq!(text, "chunked"));
        match (length, chunked) {
            (Some(_), Some(())) => panic!("both lengths"),
            _ if is_head || response.status == 204 || response.status == 304 => Framing::Length(0),
            (Some(length), None) => Framing::Length(length),
            (None, Some(())) => Framing::Chunked,
            (None, None) => panic!("an answer without a length: {response:?}"),
        }
    }

    /// Takes whole chunks; returns whether the last has come.
    fn chunks(&mut self, body: &mut Vec<u8>) -> bool {
        loop {
            let Some(line) = self.buffer.windows(2).position(|two| two == b"\r\n") else { return false };
            let digits = std::str::from_utf8(&self.buffer[..line]).expect("a chunk size");
            let size = usize::from_str_radix(digits, 16).expect("a chunk size");
            if self.buffer.len() < line + 2 + size + 2 {
                return false;
            }
            let chunk: Vec<u8> = self.buffer.drain(..line + 2 + size + 2).collect();
            assert!(chunk.ends_with(b"\r\n"), "a chunk ends with CR LF");
            body.extend_from_slice(&chunk[line + 2..line + 2 + size]);
            if size == 0 {
                return true;
            }
        }
    }
}

fn parse_head(head: &[u8]) -> Response {
    let text = std::str::from_utf8(head).expect("a head of text");
    let mut lines = text.trim_end().split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let rest = status_line.strip_prefix("HTTP/1.1 ").unwrap_or_else(|| panic!("status line {status_line:?}"));
    let (status, reason) = rest.split_once(' ').expect("a status and a reason");
    assert!(!reason.is_empty(), "no reason phrase for {status}");
    let fields = lines
        .map(|line| {
            let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("field line {line:?}"));
            assert!(!value.is_empty() && value.trim() == value, "field line {line:?}");
            (name.to_owned(), value.to_owned())
        })
        .collect();
    Response { status: status.parse().expect("a status"), fields, body: Vec::new() }
}

/// What every answer bears (PROTOCOL §2).
fn check_fields(response: &Response) {
    assert_eq!(response.field("x-content-type-options"), Some("nosniff"));
    assert_eq!(response.field("cache-control"), Some("no-store"));
    assert!(response.field("cross-origin-resource-policy").is_some());
    if response.status >= 400 {
        assert_eq!(response.field("content-type"), Some("application/problem+json"), "{response:?}");
    }
}
