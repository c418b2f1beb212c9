//! Requests as bytes, with what must come of them.

use super::client::Handle;
use super::dialect::PathWork;
use super::dice::Dice;

/// The daemon's token in every run.
pub(crate) const TOKEN: &str = "the-token-of-the-simulation";
/// The main port in every run.
pub(crate) const PORT: u16 = 4242;

/// What a request asks, and thereby what may be answered.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// 200 with this text.
    Text(&'static str),
    /// 204.
    Preflight,
    /// One of these.
    Refused(&'static [u16]),
    Open {
        file: usize,
        write: bool,
        create: bool,
        size: Option<u64>,
    },
    Info {
        handle: usize,
    },
    Read {
        handle: usize,
        offset: u64,
        length: Option<u64>,
    },
    /// `/stream`: a part of it, or all.
    Stream {
        handle: usize,
        part: Part,
    },
    /// `is_right`: the body has the digest that it is said to have, where one is said.
    Write {
        handle: usize,
        offset: u64,
        data: Vec<u8>,
        is_right: bool,
    },
    Flush {
        handle: usize,
    },
    Preallocate {
        handle: usize,
        size: u64,
    },
    Truncate {
        handle: usize,
        size: u64,
    },
    Close {
        handle: usize,
    },
    Hash {
        sha256: bool,
        json: bool,
        data: Vec<u8>,
    },
    /// A file by its root and path.
    Path {
        file: usize,
        work: PathWork,
    },
    /// A socket over HTTP, by the number of the request on the desk.
    Socket {
        errand: usize,
    },
    /// 200 with JSON.
    Json,
    /// The configuration is read again.
    Refresh,
}

/// What a `Range` field asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// There is none, or it does not count.
    Whole,
    From(u64),
    /// The last is a part of it.
    Between(u64, u64),
    Last(u64),
}

impl Part {
    /// The field.
    pub(crate) fn field(self) -> Option<String> {
        Some(match self {
            Part::Whole => return None,
            Part::From(first) => format!("Range: bytes={first}-"),
            Part::Between(first, last) => format!("Range: bytes={first}-{last}"),
            Part::Last(count) => format!("Range: bytes=-{count}"),
        })
    }

    /// First byte and number of bytes of a file of that size; `None` where there is no such part (RFC 9110 §14.1.2).
    pub(crate) fn of(self, size: u64) -> Option<(u64, u64)> {
        let (first, end) = match self {
            Part::Whole => return Some((0, size)),
            Part::From(first) => (first, size),
            Part::Between(first, last) => (first, size.min(last + 1)),
            Part::Last(count) => (size.saturating_sub(count), size),
        };
        (first < end).then(|| (first, end - first))
    }
}

impl What {
    /// The handle that it works on.
    pub(crate) fn handle(&self) -> Option<usize> {
        match self {
            What::Info { handle }
            | What::Read { handle, .. }
            | What::Stream { handle, .. }
            | What::Write { handle, .. }
            | What::Flush { handle }
            | What::Preallocate { handle, .. }
            | What::Truncate { handle, .. }
            | What::Close { handle } => Some(*handle),
            _ => None,
        }
    }

    /// The view of the file that it may change, where it may.
    pub(crate) fn changes(&self, handles: &[Handle]) -> Option<usize> {
        match self {
            What::Open { file, .. } => Some(*file),
            What::Path { file, work } if work.changes() => Some(*file),
            What::Write { handle, .. } | What::Preallocate { handle, .. } | What::Truncate { handle, .. } => {
                Some(handles[*handle].file)
            }
            _ => None,
        }
    }

    /// Whether it may change a file, or what is open.
    pub(crate) fn is_change(&self) -> bool {
        match self {
            What::Path { work, .. } => work.changes(),
            What::Open { .. } | What::Write { .. } | What::Preallocate { .. } | What::Truncate { .. } => true,
            What::Socket { .. } => true,
            _ => false,
        }
    }
}

/// A request's body.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    None,
    Length(Vec<u8>),
    Chunked(Vec<u8>),
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) what: What,
    pub(crate) head: Vec<u8>,
    /// As it goes over the wire.
    pub(crate) body: Vec<u8>,
    /// `Expect: 100-continue`.
    pub(crate) waits: bool,
    pub(crate) is_head: bool,
    /// It shows the token.
    pub(crate) token: bool,
    /// `Connection: close`.
    pub(crate) closes: bool,
}

/// A request under construction.
#[derive(Debug)]
pub(crate) struct Draft {
    line: String,
    fields: Vec<String>,
    token: bool,
    host: bool,
    pub(crate) waits: bool,
    pub(crate) closes: bool,
}

impl Draft {
    /// An ordinary request: with Host and token.
    pub(crate) fn new(line: impl Into<String>) -> Draft {
        Draft { line: line.into(), fields: Vec::new(), token: true, host: true, waits: false, closes: false }
    }

    pub(crate) fn field(mut self, line: impl Into<String>) -> Draft {
        self.fields.push(line.into());
        self
    }

    pub(crate) fn session(self, name: &str) -> Draft {
        self.field(format!("X-JST-Session: {name}"))
    }

    pub(crate) fn without_token(mut self) -> Draft {
        self.token = false;
        self
    }

    pub(crate) fn without_host(mut self) -> Draft {
        self.host = false;
        self
    }

    /// The bytes.
    pub(crate) fn build(self, dice: &mut Dice, what: What, body: Body) -> Request {
        let mut text = format!("{} HTTP/1.1\r\n", self.line);
        let mut lines = self.fields;
        if self.host {
            lines.push(format!("Host: {}:{PORT}", dice.pick(&["127.0.0.1", "localhost"])));
        }
        if self.token {
            lines.push(match dice.below(2) {
                0 => format!("X-JST-Auth: {TOKEN}"),
                _ => format!("Authorization: Bearer {TOKEN}"),
            });
        }
        if self.closes {
            lines.push("Connection: close".to_owned());
        }
        if dice.chance(20) {
            lines.push(format!("X-Padding: {}", "x".repeat(dice.size(2_000) as usize)));
        }
        let wire = match body {
            Body::None => Vec::new(),
            Body::Length(data) => {
                lines.push(format!("Content-Length: {}", data.len()));
                data
            }
            Body::Chunked(data) => {
                lines.push("Transfer-Encoding: chunked".to_owned());
                chunks(dice, &data)
            }
        };
        let waits = self.waits && !wire.is_empty();
        if waits {
            lines.push("Expect: 100-continue".to_owned());
        }
        for line in lines {
            text.push_str(&line);
            text.push_str("\r\n");
        }
        text.push_str("\r\n");
        let is_head = text.starts_with("HEAD ");
        Request {
            what,
            head: text.into_bytes(),
            body: wire,
            waits,
            is_head,
            token: self.token,
            closes: self.closes,
        }
    }
}

fn chunks(dice: &mut Dice, mut data: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    while !data.is_empty() {
        let (now, rest) = data.split_at(1 + dice.size(data.len() as u64 - 1) as usize);
        let extension = if dice.chance(50) { ";name=value" } else { "" };
        wire.extend_from_slice(format!("{:x}{extension}\r\n", now.len()).as_bytes());
        wire.extend_from_slice(now);
        wire.extend_from_slice(b"\r\n");
        data = rest;
    }
    let trailer = if dice.chance(50) { "X-Trailer: thrown away\r\n" } else { "" };
    wire.extend_from_slice(format!("0\r\n{trailer}\r\n").as_bytes());
    wire
}

/// Bytes that tell where they came from.
pub(crate) fn data(dice: &mut Dice, length: u64) -> Vec<u8> {
    let mut mixed = dice.below(u64::from(u32::MAX)) | 1 << 32;
    let mut bytes = Vec::with_capacity(length as usize + 8);
    while bytes.len() < length as usize {
        mixed ^= mixed << 13;
        mixed ^= mixed >> 7;
        mixed ^= mixed << 17;
        bytes.extend_from_slice(&mixed.to_le_bytes());
    }
    bytes.truncate(length as usize);
    bytes
}
