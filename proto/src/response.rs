//! Response heads: status line, framing, and the fields that every answer bears (PROTOCOL §2).
//!
//! Writes into memory that it is lent. No value can break out of its line. Keeps no clock: a date is handed
//! in, or left out.

use crate::error::{Code, Refusal, reason};
use crate::limits::PREFLIGHT_AGE_S;
use crate::request::Head;

/// `100 Continue`, sent before a body that is waited for (RFC 9110 §10.1.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// What ends a chunked body.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
/// The type of a refusal's body.
pub const PROBLEM_JSON: &str = "application/problem+json";
/// The type of every other JSON body.
pub const JSON: &str = "application/json";

const EXPOSED: &str = "Content-Range, Accept-Ranges, ETag, Content-Length";
const ALLOWED_METHODS: &str = "GET, HEAD, POST, PATCH, OPTIONS";
const ALLOWED_FIELDS: &str = "Accept, Authorization, Content-Type, Range, If-Match, If-None-Match, If-Range, \
    If-Modified-Since, If-Unmodified-Since, X-JST-Auth, X-JST-Session, X-JST-ExtensionId, X-JST-InstallId, \
    X-Path-Base64, X-Offset, X-Length, X-Expected-SHA1, X-Expected-SHA256";

/// What an answer takes from its request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context<'a> {
    /// The allowed origin to echo ([`crate::admission::Admitted::origin`]).
    pub origin: Option<&'a str>,
    /// The connection closes after this answer.
    pub close: bool,
    /// The target is below `/stream`: other sites' pages may show it.
    pub stream: bool,
    /// The request was HTTP/1.0, which knows no chunks: such a body ends with the connection.
    pub http10: bool,
    /// The time as an HTTP-date, where it is known.
    pub date: Option<&'a str>,
}

/// How an answer's body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// No body and no length (204, 304).
    None,
    Length(u64),
    Chunked,
}

/// A head under construction; nothing is written before [`ResponseHead::write`].
#[derive(Clone, Debug)]
pub struct ResponseHead<'a> {
    status: u16,
    content_type: Option<&'a str>,
    framing: Framing,
    fields: Vec<(&'static str, FieldValue<'a>)>,
}

/// A field's value.
#[derive(Clone, Debug)]
enum FieldValue<'a> {
    Text(&'a str),
    Number(u64),
    /// `bytes first-last/size`, or `bytes */size`.
    ContentRange(Option<(u64, u64)>, u64),
}

impl<'a> ResponseHead<'a> {
    /// A head with this status and no body yet.
    pub fn new(status: u16) -> Self {
        ResponseHead { status, content_type: None, framing: Framing::None, fields: Vec::new() }
    }

    /// With a `Content-Type`.
    pub fn content_type(mut self, content_type: &'a str) -> Self {
        self.content_type = Some(content_type);
        self
    }

    /// With a body of exactly `bytes` bytes (for HEAD: that GET would have).
    pub fn length(mut self, bytes: u64) -> Self {
        self.framing = Framing::Length(bytes);
        self
    }

    /// With a body of unknown length: chunks, or for HTTP/1.0 bytes until the connection closes.
    pub fn chunked(mut self) -> Self {
        self.framing = Framing::Chunked;
        self
    }

    /// With one more field. Control characters in the value become spaces.
    pub fn field(mut self, name: &'static str, value: &'a str) -> Self {
        self.fields.push((name, FieldValue::Text(value)));
        self
    }

    /// With one more field, a number.
    pub fn number(mut self, name: &'static str, value: u64) -> Self {
        self.fields.push((name, FieldValue::Number(value)));
        self
    }

    /// With `Content-Range: bytes first-last/size` (206).
    pub fn content_range(mut self, first: u64, last: u64, size: u64) -> Self {
        self.fields.push(("Content-Range", FieldValue::ContentRange(Some((first, last)), size)));
        self
    }

    /// With `Content-Range: bytes */size` (416).
    pub fn unsatisfied_range(mut self, size: u64) -> Self {
        self.fields.push(("Content-Range", FieldValue::ContentRange(None, size)));
        self
    }

    /// Appends the head, its empty line included.
    pub fn write(&self, context: &Context<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"HTTP/1.1 ");
        push_number(self.status.into(), out);
        out.push(b' ');
        out.extend_from_slice(reason(self.status).as_bytes());
        out.extend_from_slice(b"\r\n");
        self.write_framing(context, out);
        if let Some(content_type) = self.content_type {
            push_field("Content-Type", content_type, out);
        }
        write_common(context, out);
        for (name, value) in &self.fields {
            write_field(name, value, out);
        }
        out.extend_from_slice(b"\r\n");
    }

    fn write_framing(&self, context: &Context<'_>, out: &mut Vec<u8>) {
        match self.framing {
            Framing::Length(bytes) => write_field("Content-Length", &FieldValue::Number(bytes), out),
            Framing::Chunked if !context.http10 => push_field("Transfer-Encoding", "chunked", out),
            Framing::Chunked | Framing::None => {}
        }
        if context.close || context.http10 {
            push_field("Connection", "close", out);
        }
    }
}

/// The fields that every answer bears.
pub(crate) fn write_common(context: &Context<'_>, out: &mut Vec<u8>) {
    let resource_policy: &[u8] = if context.stream { b"cross-origin\r\n" } else { b"same-origin\r\n" };
    out.extend_from_slice(
        b"X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nCross-Origin-Resource-Policy: ",
    );
    out.extend_from_slice(resource_policy);
    if let Some(date) = context.date {
        push_field("Date", date, out);
    }
    if let Some(origin) = context.origin {
        push_field("Access-Control-Allow-Origin", origin, out);
        push_field("Access-Control-Expose-Headers", EXPOSED, out);
        push_field("Vary", "Origin", out);
    }
}

fn write_field(name: &str, value: &FieldValue<'_>, out: &mut Vec<u8>) {
    if let FieldValue::Text(text) = value {
        return push_field(name, text, out);
    }
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    match value {
        FieldValue::Number(number) => push_number(*number, out),
        FieldValue::ContentRange(range, size) => push_content_range(*range, *size, out),
        FieldValue::Text(_) => {}
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends `bytes first-last/size`, or `bytes */size`.
pub(crate) fn push_content_range(range: Option<(u64, u64)>, size: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"bytes ");
    match range {
        Some((first, last)) => {
            push_number(first, out);
            out.push(b'-');
            push_number(last, out);
        }
        None => out.push(b'*'),
    }
    out.push(b'/');
    push_number(size, out);
}

fn push_field(name: &str, value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend(value.bytes().map(|byte| if byte.is_ascii_control() { b' ' } else { byte }));
    out.extend_from_slice(b"\r\n");
}

/// Appends a number in decimal.
pub(crate) fn push_number(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends the line that begins a chunk of `bytes` bytes; the data and CR LF follow it. A chunk is never
/// empty: that would end the body.
pub fn write_chunk_head(bytes: usize, out: &mut Vec<u8>) {
    let digits = (usize::BITS - bytes.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        out.push(b"0123456789abcdef"[(bytes >> (place * 4)) & 15]);
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends a refusal, head and body; the body is left out for HEAD.
pub fn write_refusal(refusal: &Refusal, context: &Context<'_>, is_head: bool, out: &mut Vec<u8>) {
    let body = refusal.body_json();
    let mut head = ResponseHead::new(refusal.status()).content_type(PROBLEM_JSON).length(body.len() as u64);
    if refusal.status() == 401 {
        head = head.field("WWW-Authenticate", "Bearer");
    }
    if let Some(methods) = refusal.allow {
        head = head.field("Allow", methods);
    }
    if let Some(size) = refusal.content_range_size {
        head = head.unsatisfied_range(size);
    }
    if refusal.code == Code::UpgradeRequired {
        head = head
            .field("Upgrade", "websocket")
            .field("Connection", "Upgrade")
            .field("Sec-WebSocket-Version", "13");
    }
    head.write(&Context { close: context.close || refusal.close, ..*context }, out);
    if !is_head {
        out.extend_from_slice(&body);
    }
}

/// Appends the answer to a CORS preflight that was admitted: 204, with all that this daemon's endpoints take.
pub fn write_preflight(request: &Head<'_>, context: &Context<'_>, out: &mut Vec<u8>) {
    let mut head = ResponseHead::new(204)
        .field("Access-Control-Allow-Methods", ALLOWED_METHODS)
        .field("Access-Control-Allow-Headers", ALLOWED_FIELDS)
        .number("Access-Control-Max-Age", PREFLIGHT_AGE_S);
    let asks = |value: &[u8]| value.eq_ignore_ascii_case(b"true");
    if request.field("access-control-request-private-network").is_some_and(asks) {
        head = head.field("Access-Control-Allow-Private-Network", "true");
    }
    head.write(context, out);
}
