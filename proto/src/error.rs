//! Every refusal that HTTP can bear: its status, its code and the sentence that says what would be right.
//!
//! Owns the table of codes (PROTOCOL §2 to §7) and the problem+json body (RFC 9457). It writes no head: that
//! is
//! [`crate::response`]. The text of a refusal never repeats a token, a ticket or a path of this machine.

use std::borrow::Cow;

use serde::Serialize;

/// Makes the enum and its table from one row each, so that no code can lack a status or a sentence.
macro_rules! codes {
    ($($name:ident $status:literal $text:literal $sentence:literal;)*) => {
        /// A stable code of PROTOCOL: what programs test.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = concat!("`", $text, "`, status ", stringify!($status), ". ", $sentence)] $name,)*
        }

        impl Code {
            /// Every code, in the order of its status.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            const fn row(self) -> (u16, &'static str, &'static str) {
                match self { $(Code::$name => ($status, $text, $sentence),)* }
            }
        }
    };
}

codes! {
    BadRequest 400 "bad_request" "The request is not well-formed HTTP/1.1; send it as RFC 9112 has it.";
    BadJson 400 "bad_json" "The body must be JSON of the shape that this endpoint documents.";
    BadParameter 400 "bad_parameter" "A parameter is missing, repeated or malformed.";
    PathInvalid 400 "path_invalid" "The path must be relative to its root, without '..', NUL or a drive, with parts of at most 255 bytes and 4096 bytes in all.";
    SessionInvalid 400 "session_invalid" "X-JST-Session must be 1 to 128 visible ASCII characters, sent once.";
    SessionRequired 400 "session_required" "This endpoint touches what a session owns: name the session in X-JST-Session.";
    TokenInvalid 401 "token_invalid" "Send the daemon's token in X-JST-Auth or as Authorization: Bearer.";
    TicketInvalid 401 "ticket_invalid" "The ticket is unknown, expired or for another stream: ask for a new one.";
    OriginForbidden 403 "origin_forbidden" "This origin may not call the daemon.";
    PathEscapesRoot 403 "path_escapes_root" "A link on the way leads out of the root.";
    NotARegularFile 403 "not_a_regular_file" "Only regular files are opened.";
    PermissionDenied 403 "permission_denied" "The system denies the daemon this access.";
    ReadOnly 403 "read_only" "The file was opened for reading, or its file system is read-only.";
    RootUnknown 403 "root_unknown" "No download root has this key now.";
    NoSuchEndpoint 404 "no_such_endpoint" "There is no such endpoint.";
    NoSuchFile 404 "no_such_file" "No open file of this session has this id.";
    NoSuchSocket 404 "no_such_socket" "No socket of this session has this id.";
    NotFound 404 "not_found" "There is no such file or folder.";
    InstallIdUnknown 404 "install_id_unknown" "rpc-info.json has no profile with this daemon's install id.";
    MethodNotAllowed 405 "method_not_allowed" "The endpoint has other methods: see Allow.";
    Timeout 408 "timeout" "The request did not arrive in time.";
    IsDirectory 409 "is_directory" "The path names a folder where a file is meant.";
    NotADirectory 409 "not_a_directory" "A part of the path is a file where a folder is meant.";
    HashMismatch 409 "hash_mismatch" "The body does not have the expected digest; nothing was written.";
    NoIoChannel 409 "no_io_channel" "The session has no authenticated /io connection: open one first.";
    LengthRequired 411 "length_required" "Send Content-Length or Transfer-Encoding: chunked.";
    PreconditionFailed 412 "precondition_failed" "If-Match or If-Unmodified-Since does not hold.";
    BodyTooLarge 413 "body_too_large" "The body is larger than this endpoint takes.";
    TargetTooLong 414 "target_too_long" "The request target may have 8192 bytes at most.";
    MediaType 415 "media_type" "Send the body as application/json, without a content coding.";
    RangeNotSatisfiable 416 "range_not_satisfiable" "No range that was asked for lies within the file: see Content-Range.";
    OffsetBeyondEnd 416 "offset_beyond_end" "The offset or range lies beyond the end of the file.";
    ExpectationFailed 417 "expectation_failed" "The only expectation known is 100-continue.";
    HostForbidden 421 "host_forbidden" "Host must be 127.0.0.1 or localhost with the port that was called.";
    UpgradeRequired 426 "upgrade_required" "This endpoint speaks WebSocket, version 13 (RFC 6455).";
    TooManyFiles 429 "too_many_files" "The session has 4096 files open: close some.";
    HeadTooLarge 431 "head_too_large" "A request head may have 32768 bytes and 100 fields at most.";
    IoError 500 "io_error" "The system reported an error.";
    RpcInfoUnreadable 500 "rpc_info_unreadable" "rpc-info.json is missing, unreadable or not of the expected shape; the configuration stays as it was.";
    Internal 500 "internal" "The daemon failed within; its log says more.";
    NotImplemented 501 "not_implemented" "The only transfer coding known is chunked.";
    ConnectFailed 502 "connect_failed" "The socket could not be opened: see errno.";
    Overloaded 503 "overloaded" "A limit of the daemon is reached: try again later.";
    HttpVersion 505 "http_version" "Speak HTTP/1.1 or HTTP/1.0.";
    DiskFull 507 "disk_full" "The disk, or the quota, is full.";
}

impl Code {
    /// Every code, for tables, documents and tests.
    pub fn all() -> impl Iterator<Item = Code> {
        Self::ALL.iter().copied()
    }

    /// The HTTP status that bears this code.
    pub const fn status(self) -> u16 {
        self.row().0
    }

    /// The code as it stands on the wire.
    pub const fn as_str(self) -> &'static str {
        self.row().1
    }

    /// What is said where there is nothing more particular to say.
    pub const fn sentence(self) -> &'static str {
        self.row().2
    }

    /// The status' own name, which RFC 9457 §4.2.1 wants as the title of an untyped problem.
    pub const fn title(self) -> &'static str {
        reason(self.status())
    }

    /// Whether what came cannot be trusted to have an end, so that no further request can follow it.
    const fn breaks_framing(self) -> bool {
        use Code::*;
        matches!(
            self,
            BadRequest
                | Timeout
                | TargetTooLong
                | ExpectationFailed
                | HeadTooLarge
                | Internal
                | NotImplemented
                | HttpVersion
        )
    }
}

/// The reason phrase of a status (RFC 9110 §15); empty for a status that the daemon never sends.
pub const fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        206 => "Partial Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ => "",
    }
}

/// A request that is not granted, with all that its answer must say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What went wrong, for programs.
    pub code: Code,
    /// What went wrong, for people.
    pub detail: Cow<'static, str>,
    /// `Allow`, with 405.
    pub allow: Option<&'static str>,
    /// The size that `Content-Range: bytes */SIZE` tells, with 416 of a stream.
    pub content_range_size: Option<u64>,
    /// Linux number and name of what the system said (`connect_failed`).
    pub errno: Option<(u32, &'static str)>,
    /// The connection cannot be used after this answer.
    pub close: bool,
}

impl Refusal {
    /// A refusal with the code's own sentence. Codes of broken framing close the connection.
    pub const fn new(code: Code) -> Self {
        Refusal {
            code,
            detail: Cow::Borrowed(code.sentence()),
            allow: None,
            content_range_size: None,
            errno: None,
            close: code.breaks_framing(),
        }
    }

    /// A refusal that says something more particular.
    pub fn because(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Refusal { detail: detail.into(), ..Self::new(code) }
    }

    /// With the methods that would be right.
    pub fn with_allow(mut self, methods: &'static str) -> Self {
        self.allow = Some(methods);
        self
    }

    /// With the size that a range must lie within.
    pub fn with_size(mut self, size: u64) -> Self {
        self.content_range_size = Some(size);
        self
    }

    /// With the system's reason (Linux number and its name).
    pub fn with_errno(mut self, number: u32, name: &'static str) -> Self {
        self.errno = Some((number, name));
        self
    }

    /// With the connection closed after the answer.
    pub fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    /// The HTTP status of the answer.
    pub const fn status(&self) -> u16 {
        self.code.status()
    }

    /// The answer's body, `application/problem+json`.
    pub fn body_json(&self) -> Vec<u8> {
        let problem = Problem {
            kind: "about:blank",
            title: self.code.title(),
            status: self.status(),
            code: self.code.as_str(),
            detail: &self.detail,
            errno: self.errno.map(|(number, _)| number),
            errno_name: self.errno.map(|(_, name)| name),
        };
        // Strings and numbers only: serializing them into memory has no way to fail.
        serde_json::to_vec(&problem).unwrap_or_default()
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Refusal::new(code)
    }
}

/// The members of a problem, in the order in which PROTOCOL shows them.
#[derive(Serialize)]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    code: &'static str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    errno: Option<u32>,
    #[serde(rename = "errnoName", skip_serializing_if = "Option::is_none")]
    errno_name: Option<&'static str>,
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_is_unique_and_complete() {
        let texts: HashSet<_> = Code::all().map(Code::as_str).collect();
        assert_eq!(texts.len(), Code::ALL.len());
        for code in Code::all() {
            assert!(!code.title().is_empty(), "{code:?} has a status without a name");
            assert!(code.sentence().ends_with('.'), "{code:?}");
            assert!(code.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{code:?}");
        }
        assert!(Code::ALL.windows(2).all(|pair| pair[0].status() <= pair[1].status()));
    }

    #[test]
    fn the_body_is_a_problem_in_the_documented_order() {
        let body = Refusal::because(Code::RootUnknown, "no \"x\"").body_json();
        assert_eq!(
            String::from_utf8(body).unwrap(),
            r#"{"type":"about:blank","title":"Forbidden","status":403,"code":"root_unknown","detail":"no \"x\""}"#
        );
        let body = Refusal::new(Code::ConnectFailed).with_errno(111, "ECONNREFUSED").body_json();
        let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&value["errno"], &value["errnoName"]), (&111.into(), &"ECONNREFUSED".into()));
    }
}
