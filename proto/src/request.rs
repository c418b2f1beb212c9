//! One request head: its end is found once, incrementally; then it is parsed once, strictly (RFC 9112).
//!
//! Owns what is well-formed. Decides nothing about who may call ([`crate::admission`]) or what is there
//! ([`crate::route`]). Whatever two parsers could read differently is refused, and every refusal of this file
//! ends
//! its connection, because nobody knows where the next request would begin.

use std::borrow::Cow;

use crate::error::{Code, Refusal};
use crate::framing;
use crate::limits::{EMPTY_LINES_MAX, HEAD_BYTES_MAX, HEAD_FIELDS_MAX, METHOD_BYTES_MAX, TARGET_BYTES_MAX};

pub use crate::framing::BodyFraming;

/// Where the search for a head's end stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeadEnd {
    /// The head is the first `n` bytes, its empty line and any empty lines before it included.
    Found(usize),
    /// Not there yet: read more, then go on from `scanned`.
    Partial {
        /// Hand this to the next call, so that no byte is looked at twice.
        scanned: usize,
    },
    /// It cannot become a head: answer and close.
    Refused(Refusal),
}

/// Searches `buf`, which begins where a request is due, for the end of its head.
///
/// `scanned` is 0 at first, then what the last [`HeadEnd::Partial`] said. The verdict does not depend on
/// where the
/// bytes were cut. 400 for a bare CR or LF or a NUL, 414 for a target and 431 for a head over its limit, as
/// soon as they are seen.
pub fn find_head_end(buf: &[u8], scanned: usize) -> HeadEnd {
    let window = &buf[..buf.len().min(HEAD_BYTES_MAX)];
    let stop = scan_lines(window, scanned.min(window.len()));
    let seen = match &stop {
        Stop::End(at) | Stop::Fault(at, _) | Stop::Waiting(at) => *at,
    };
    if let Some(refusal) = overlong_request_line(&window[..seen]) {
        return HeadEnd::Refused(refusal);
    }
    match stop {
        Stop::End(end) => HeadEnd::Found(end),
        Stop::Fault(_, why) => HeadEnd::Refused(Refusal::because(Code::BadRequest, why)),
        Stop::Waiting(_) if window.len() == HEAD_BYTES_MAX => HeadEnd::Refused(Code::HeadTooLarge.into()),
        Stop::Waiting(at) => HeadEnd::Partial { scanned: at },
    }
}

/// Why the scan of lines stopped, and how many bytes it is sure of.
enum Stop {
    End(usize),
    Fault(usize, &'static str),
    Waiting(usize),
}

fn scan_lines(window: &[u8], from: usize) -> Stop {
    let mut at = from;
    while let Some(step) = next_line_byte(&window[at..]) {
        at += step;
        match (window[at], window.get(at + 1)) {
            (b'\r', None) => return Stop::Waiting(at),
            (b'\r', Some(b'\n')) => at += 2,
            (b'\r', _) => return Stop::Fault(at, "A CR stands alone; lines end with CR LF."),
            (b'\n', _) => return Stop::Fault(at, "A LF stands alone; lines end with CR LF."),
            _ => return Stop::Fault(at, "The head holds a NUL."),
        }
        if window[..at].ends_with(b"\r\n\r\n") || at == 2 {
            let empty_lines = leading_empty_lines(&window[..at]);
            if empty_lines * 2 < at {
                return Stop::End(at);
            }
            if empty_lines > EMPTY_LINES_MAX {
                return Stop::Fault(at, "Too many empty lines stand before the request line.");
            }
        }
    }
    Stop::Waiting(window.len())
}

/// Where the next CR, LF or NUL is. Steps over runs that hold no control character 16 bytes at a time.
fn next_line_byte(bytes: &[u8]) -> Option<usize> {
    let (blocks, tail) = bytes.as_chunks::<16>();
    let is_line_byte = |byte: &u8| matches!(byte, b'\r' | b'\n' | 0);
    for (number, block) in blocks.iter().enumerate() {
        if block.iter().fold(false, |any, &byte| any | (byte <= b'\r'))
            && let Some(at) = block.iter().position(is_line_byte)
        {
            return Some(number * 16 + at);
        }
    }
    tail.iter().position(is_line_byte).map(|at| bytes.len() - tail.len() + at)
}

/// How many empty lines stand before the request line; looks at no more of them than may be there, and one.
fn leading_empty_lines(bytes: &[u8]) -> usize {
    bytes.chunks_exact(2).take(EMPTY_LINES_MAX + 1).take_while(|pair| *pair == b"\r\n").count()
}

/// Whether the (perhaps incomplete) request line already breaks the limit of its method or its target.
fn overlong_request_line(seen: &[u8]) -> Option<Refusal> {
    let line = &seen[leading_empty_lines(seen) * 2..];
    let ends_word = |byte: &u8| matches!(byte, b' ' | b'\r');
    let method_window = &line[..line.len().min(METHOD_BYTES_MAX + 1)];
    let Some(method_len) = method_window.iter().position(ends_word) else {
        return (line.len() > METHOD_BYTES_MAX)
            .then(|| Refusal::because(Code::NotImplemented, "No method has a name that long."));
    };
    let rest = line[method_len..].strip_prefix(b" ")?;
    let target_window = &rest[..rest.len().min(TARGET_BYTES_MAX + 1)];
    (target_window.len() > TARGET_BYTES_MAX && !target_window.iter().any(ends_word))
        .then(|| Code::TargetTooLong.into())
}

/// A method, as far as the daemon tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// GET.
    Get,
    /// HEAD.
    Head,
    /// POST.
    Post,
    /// PATCH.
    Patch,
    /// OPTIONS.
    Options,
    /// CONNECT, whose target has no path.
    Connect,
    /// Any other token; nothing here has it.
    Other,
}

impl Method {
    fn parse(token: &[u8]) -> Option<Self> {
        Some(match token {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            b"POST" => Method::Post,
            b"PATCH" => Method::Patch,
            b"OPTIONS" => Method::Options,
            b"CONNECT" => Method::Connect,
            other if is_token(other) => Method::Other,
            _ => return None,
        })
    }
}

/// The HTTP version of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: answered, then closed.
    Http10,
    /// HTTP/1.1, or a higher minor version, which RFC 9110 §2.5 has treated as 1.1.
    Http11,
}

/// One well-formed request head. Borrows from the bytes that it was parsed from.
#[derive(Clone, Debug)]
pub struct Head<'a> {
    /// The method.
    pub method: Method,
    /// The target's path as it was sent, undecoded: begins with `/`, or is `*` (OPTIONS) or empty (CONNECT).
    pub path: &'a str,
    /// What follows the `?`, undecoded.
    pub query: Option<&'a str>,
    /// The authority of an absolute-form target, which goes before `Host` (RFC 9112 §3.2.2).
    pub authority: Option<&'a str>,
    /// The version.
    pub version: Version,
    /// How the body is delimited.
    pub body: BodyFraming,
    /// Whether another request may follow on this connection.
    pub keep_alive: bool,
    /// The client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
    fields: Vec<(&'a str, &'a [u8])>,
}

impl<'a> Head<'a> {
    /// The values of every line of the field `name` (any case), in order, without the white space around
    /// them.
    pub fn fields<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + 's {
        self.fields.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|&(_, value)| value)
    }

    /// The value of the first line of the field `name`.
    pub fn field(&self, name: &str) -> Option<&'a [u8]> {
        self.fields(name).next()
    }

    /// The value of a field that may stand there once, as visible ASCII with inner blanks; 400
    /// `bad_parameter` otherwise.
    pub fn single(&self, name: &str) -> Result<Option<&'a str>, Refusal> {
        let mut lines = self.fields(name);
        let first = lines.next();
        if lines.next().is_some() {
            return Err(Refusal::because(Code::BadParameter, format!("{name} stands there more than once.")));
        }
        first.map(ascii_text).transpose().map_err(|()| {
            Refusal::because(Code::BadParameter, format!("{name} holds bytes that are not ASCII."))
        })
    }

    /// A field whose lines make one list (RFC 9110 §5.3), joined by commas; what is not ASCII is left out.
    pub fn list(&self, name: &str) -> Option<Cow<'a, str>> {
        let mut lines = self.fields(name).filter_map(|line| ascii_text(line).ok());
        let first = lines.next()?;
        let mut joined = Cow::Borrowed(first);
        for line in lines {
            let joined = joined.to_mut();
            joined.push_str(", ");
            joined.push_str(line);
        }
        Some(joined)
    }

    /// Whether a list field has this token as a member (any case).
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        framing::members(self.fields(name)).any(|member| member.eq_ignore_ascii_case(token.as_bytes()))
    }
}

fn ascii_text(value: &[u8]) -> Result<&str, ()> {
    if value.is_ascii() { std::str::from_utf8(value).map_err(|_| ()) } else { Err(()) }
}

/// Parses a complete head, the bytes up to [`HeadEnd::Found`]. Other bytes are refused too, though perhaps by
/// another code.
pub fn parse_head(bytes: &[u8]) -> Result<Head<'_>, Refusal> {
    if bytes.len() > HEAD_BYTES_MAX {
        return Err(Code::HeadTooLarge.into());
    }
    let bytes = &bytes[leading_empty_lines(bytes).min(EMPTY_LINES_MAX) * 2..];
    let Some(line_end) = bytes.windows(2).position(|pair| pair == b"\r\n") else {
        return Err(Refusal::because(Code::BadRequest, "The head is not complete."));
    };
    let line = parse_request_line(&bytes[..line_end])?;
    let fields = parse_fields(&bytes[line_end + 2..])?;
    finish(line, fields)
}

/// What the first line says.
struct RequestLine<'a> {
    method: Method,
    target: Target<'a>,
    version: Version,
}

#[derive(Default)]
struct Target<'a> {
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
}

fn parse_request_line(line: &[u8]) -> Result<RequestLine<'_>, Refusal> {
    const SHAPE: Refusal = Refusal::new(Code::BadRequest);
    let mut words = line.split(|&byte| byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Refusal::because(
            Code::BadRequest,
            "A request line is a method, a target and a version, one space apart.",
        ));
    };
    if let Some(refusal) = overlong_request_line(line) {
        return Err(refusal);
    }
    let method = Method::parse(method).ok_or(SHAPE)?;
    let version = parse_version(version)?;
    let target = parse_target(method, target).ok_or_else(|| {
        Refusal::because(
            Code::BadRequest,
            "The request target has none of the forms of RFC 9112, section 3.2.",
        )
    })?;
    Ok(RequestLine { method, target, version })
}

fn parse_version(word: &[u8]) -> Result<Version, Refusal> {
    match word {
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9'] => Ok(Version::Http11),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => Err(Code::HttpVersion.into()),
        _ => Err(Refusal::because(Code::BadRequest, "The request line does not end with an HTTP version.")),
    }
}

fn parse_target(method: Method, target: &[u8]) -> Option<Target<'_>> {
    if !target.iter().all(|&byte| is_target_byte(byte)) {
        return None;
    }
    let target = std::str::from_utf8(target).ok()?;
    if method == Method::Connect {
        return framing::is_host_and_port(target).then_some(Target::default());
    }
    if target == "*" {
        return (method == Method::Options).then_some(Target { path: "*", ..Target::default() });
    }
    if target.starts_with('/') {
        return Some(split_query(target, None));
    }
    let rest = target.split_at_checked(7).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("http://"))?.1;
    let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if !framing::is_authority(authority.as_bytes()) {
        return None;
    }
    let mut split = split_query(rest, Some(authority));
    if split.path.is_empty() {
        // RFC 9112 §3.2.4: an OPTIONS without a path is about the server as a whole.
        split.path = if method == Method::Options && split.query.is_none() { "*" } else { "/" };
    }
    Some(split)
}

fn split_query<'a>(target: &'a str, authority: Option<&'a str>) -> Target<'a> {
    match target.split_once('?') {
        Some((path, query)) => Target { authority, path, query: Some(query) },
        None => Target { authority, path: target, query: None },
    }
}

/// Visible ASCII without `#`, which a client never sends, and the three delimiters that every client escapes.
///
/// Others that RFC 3986 leaves out (`\ ^ | { }` and the backtick) are sent raw by browsers in queries and can
/// be read in one way only.
fn is_target_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'#' | b'"' | b'<' | b'>')
}

/// A token of RFC 9110 §5.6.2.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is_token_byte(byte))
}

/// A character of a token.
pub(crate) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn parse_fields(section: &[u8]) -> Result<Vec<(&str, &[u8])>, Refusal> {
    // httparse takes a bare LF for a line's end; two readers of one head must not disagree about that.
    let bare_lf = section
        .windows(2)
        .fold(section.first() == Some(&b'\n'), |bare, pair| bare | (pair[1] == b'\n' && pair[0] != b'\r'));
    if bare_lf {
        return Err(Refusal::because(Code::BadRequest, "A LF stands alone; lines end with CR LF."));
    }
    let mut storage = [httparse::EMPTY_HEADER; HEAD_FIELDS_MAX];
    match httparse::parse_headers(section, &mut storage) {
        Ok(httparse::Status::Complete((used, fields))) if used == section.len() => {
            Ok(fields.iter().map(|field| (field.name, field.value.trim_ascii())).collect())
        }
        Err(httparse::Error::TooManyHeaders) => Err(Code::HeadTooLarge.into()),
        _ => Err(Refusal::because(Code::BadRequest, "A field line is malformed.")),
    }
}

fn finish<'a>(line: RequestLine<'a>, fields: Vec<(&'a str, &'a [u8])>) -> Result<Head<'a>, Refusal> {
    let mut head = Head {
        method: line.method,
        path: line.target.path,
        query: line.target.query,
        authority: line.target.authority,
        version: line.version,
        body: BodyFraming::None,
        keep_alive: false,
        expects_continue: false,
        fields,
    };
    framing::check_host(&head)?;
    head.body = framing::body_framing(&head)?;
    head.expects_continue = framing::expects_continue(&head)?;
    head.keep_alive = head.version == Version::Http11 && !head.has_token("connection", "close");
    Ok(head)
}
