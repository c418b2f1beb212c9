//! Every endpoint, one row each. Router, admission, documents, tests and fuzz targets walk the same rows.
//!
//! Owns which methods and what kind of body an endpoint has and what it asks of its caller; what it does is
//! the daemon's.

use crate::error::{Code, Refusal};
use crate::limits::JSON_BODY_BYTES_MAX;
use crate::request::Method;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each has its row, with a summary, in ROUTES")]
pub enum Endpoint {
    Health,
    Io,
    ReadRpcInfo,
    FileOpen,
    FileInfo,
    FileRead,
    FileWrite,
    FileFlush,
    FilePreallocate,
    FileTruncate,
    FileClose,
    KeyRead,
    KeyWrite,
    OpsStat,
    OpsList,
    OpsDelete,
    OpsTruncate,
    EnsureDir,
    HashPathSha1,
    HashPathSha256,
    Roots,
    Interfaces,
    Stats,
    Ping,
    HashBodySha1,
    HashBodySha256,
    HashFiles,
    Stream,
    StreamTicket,
    OpenSocket,
    CloseSocket,
    Shutdown,
}

/// Whether the caller must name a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionRule {
    /// 400 `session_required` without `X-JST-Session` (a ticket brings its own).
    Required,
    /// Logged where it is there.
    Optional,
}

/// What proves that the caller may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthRule {
    /// The token, in a field.
    Token,
    /// Nothing.
    Open,
    /// The token, or a ticket in the query.
    TokenOrTicket,
    /// The token where a field bears one; else it must follow within the connection.
    Upgrade,
}

/// Which of the two ports serves an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    /// The main port alone.
    Main,
    /// The main port and the stream port.
    Both,
}

/// The port that a connection came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortKind {
    /// The main port.
    Main,
    /// The port that serves `/stream` alone.
    Stream,
}

/// What an endpoint does with a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyRule {
    /// Whatever comes is read and thrown away.
    None,
    /// One JSON value of at most `bytes_max` bytes.
    Json {
        /// The largest body, in bytes.
        bytes_max: u64,
    },
    /// Bytes of any length, none included.
    Bytes,
    /// Bytes whose length, or whose chunking, must be announced (411 otherwise).
    SizedBytes,
}

/// One endpoint.
#[derive(Debug)]
pub struct Route {
    /// What it is for.
    pub endpoint: Endpoint,
    /// The methods that it has.
    pub methods: &'static [Method],
    /// Its path: fixed segments, `{id}` (a number of 32 bits), `{key}` (one segment, not empty), `{rest}`
    /// (all that is left, at the end).
    pub pattern: &'static str,
    /// Whether a session must be named.
    pub session: SessionRule,
    /// What proves that the caller may.
    pub auth: AuthRule,
    /// Where it is served.
    pub ports: Ports,
    /// What its body is.
    pub body: BodyRule,
    /// What it does, for documents.
    pub summary: &'static str,
}

const READ: &[Method] = &[Method::Get, Method::Head];
const GET: &[Method] = &[Method::Get];
const POST: &[Method] = &[Method::Post];
const PATCH: &[Method] = &[Method::Patch];
const JSON: BodyRule = BodyRule::Json { bytes_max: JSON_BODY_BYTES_MAX };

/// `Allow` for a target that is no resource (`*`, CONNECT).
const ALLOW_ALL: &str = "GET, HEAD, POST, PATCH, OPTIONS";

/// A row that asks for the token, on the main port, without a session: what most are.
const fn row(
    endpoint: Endpoint,
    methods: &'static [Method],
    pattern: &'static str,
    body: BodyRule,
    summary: &'static str,
) -> Route {
    Route {
        endpoint,
        methods,
        pattern,
        session: SessionRule::Optional,
        auth: AuthRule::Token,
        ports: Ports::Main,
        body,
        summary,
    }
}

/// A row of what a session owns.
const fn owned(
    endpoint: Endpoint,
    methods: &'static [Method],
    pattern: &'static str,
    body: BodyRule,
    summary: &'static str,
) -> Route {
    Route { session: SessionRule::Required, ..row(endpoint, methods, pattern, body, summary) }
}

const fn stream(pattern: &'static str) -> Route {
    Route {
        auth: AuthRule::TokenOrTicket,
        ports: Ports::Both,
        ..owned(Endpoint::Stream, READ, pattern, BodyRule::None, "An open file, with ranges, for players")
    }
}

/// All endpoints. Fixed paths stand before patterns that could match them.
#[rustfmt::skip]
pub static ROUTES: &[Route] = &[
    Route { auth: AuthRule::Open, ..row(Endpoint::Health, READ, "/health", BodyRule::None, "Whether the daemon answers: ok") },
    Route { auth: AuthRule::Upgrade, ..row(Endpoint::Io, GET, "/io", BodyRule::None, "The WebSocket for sockets, files and events") },
    owned(Endpoint::FileRead, READ, "/files/{id}/read", BodyRule::None, "Bytes of an open file"),
    owned(Endpoint::FileWrite, PATCH, "/files/{id}/write", BodyRule::SizedBytes, "Writes bytes to an open file"),
    owned(Endpoint::FileOpen, POST, "/files/open", JSON, "Opens a file of a root"),
    owned(Endpoint::FileFlush, POST, "/files/{id}/flush", BodyRule::None, "Waits until the data is on the disk"),
    owned(Endpoint::FilePreallocate, POST, "/files/{id}/preallocate", BodyRule::None, "Grows a file to a size, with real blocks"),
    owned(Endpoint::FileTruncate, POST, "/files/{id}/truncate", BodyRule::None, "Cuts or extends a file to a size"),
    owned(Endpoint::FileClose, POST, "/files/{id}/close", BodyRule::None, "Closes an open file"),
    row(Endpoint::EnsureDir, POST, "/files/ensure_dir", JSON, "Makes a folder and its parents"),
    owned(Endpoint::FileInfo, READ, "/files/{id}", BodyRule::None, "Size, blocks and times of an open file"),
    row(Endpoint::KeyRead, READ, "/read/{key}", BodyRule::None, "Bytes of the file that X-Path-Base64 names"),
    row(Endpoint::KeyWrite, POST, "/write/{key}", BodyRule::Bytes, "Writes bytes to the file that X-Path-Base64 names"),
    row(Endpoint::OpsStat, READ, "/ops/stat", BodyRule::None, "Size, time and kind of a path"),
    row(Endpoint::OpsList, READ, "/ops/list", BodyRule::None, "Names in a folder"),
    row(Endpoint::OpsDelete, POST, "/ops/delete", JSON, "Deletes a file, or a folder with all in it"),
    row(Endpoint::OpsTruncate, POST, "/ops/truncate", JSON, "Cuts or extends a file to a length"),
    row(Endpoint::HashBodySha1, POST, "/hash/sha1", BodyRule::Bytes, "SHA-1 of the body"),
    row(Endpoint::HashBodySha256, POST, "/hash/sha256", BodyRule::Bytes, "SHA-256 of the body"),
    row(Endpoint::HashFiles, POST, "/hash/from-file", JSON, "Hashes ranges of files, whole or in chunks"),
    row(Endpoint::HashPathSha1, READ, "/hash/sha1/{rest}", BodyRule::None, "SHA-1 of a file, as hex"),
    row(Endpoint::HashPathSha256, READ, "/hash/sha256/{rest}", BodyRule::None, "SHA-256 of a file, as hex"),
    stream("/stream/{id}"),
    stream("/stream/{id}/{rest}"),
    row(Endpoint::Roots, READ, "/roots", BodyRule::None, "The download roots, with free space"),
    row(Endpoint::Interfaces, READ, "/network/interfaces", BodyRule::None, "IPv4 addresses of this machine"),
    row(Endpoint::Stats, READ, "/stats", BodyRule::None, "Counters"),
    row(Endpoint::ReadRpcInfo, POST, "/api/read-rpc-info-from-disk", BodyRule::None, "Reads rpc-info.json again"),
    row(Endpoint::Ping, POST, "/control/ping", BodyRule::None, "Answers pong"),
    owned(Endpoint::StreamTicket, POST, "/control/stream_ticket", JSON, "A URL that opens one stream for a while"),
    owned(Endpoint::OpenSocket, POST, "/control/open_socket", JSON, "Opens a socket on the session's /io connection"),
    owned(Endpoint::CloseSocket, POST, "/control/close_socket", JSON, "Closes such a socket"),
    row(Endpoint::Shutdown, POST, "/control/shutdown", BodyRule::None, "Ends the daemon"),
];

/// What a request is for, and what its path holds, as it was sent.
#[derive(Clone, Copy, Debug)]
pub struct Match<'a> {
    /// The endpoint's row.
    pub route: &'static Route,
    /// `{id}`; 0 where the pattern has none.
    pub file_id: u32,
    /// `{key}`, undecoded; empty where the pattern has none.
    pub key: &'a str,
    /// `{rest}`, undecoded; empty where the pattern has none.
    pub rest: &'a str,
}

impl Match<'_> {
    /// What the request is for.
    pub fn endpoint(&self) -> Endpoint {
        self.route.endpoint
    }
}

/// Finds the endpoint of a path, undecoded and as it was sent; 404 `no_such_endpoint`, or 405 with `Allow`.
pub fn find(method: Method, path: &str, port: PortKind) -> Result<Match<'_>, Refusal> {
    if matches!(path, "" | "*") {
        return Err(Refusal::new(Code::MethodNotAllowed).with_allow(ALLOW_ALL));
    }
    let found = match_path(path, port).ok_or(Code::NoSuchEndpoint)?;
    if !found.route.methods.contains(&method) {
        return Err(Refusal::new(Code::MethodNotAllowed).with_allow(found.route.allow()));
    }
    Ok(found)
}

/// What a request must prove: that of its endpoint, or the token where there is none (so that nobody learns
/// which).
pub(crate) fn auth_rule(method: Method, path: &str, port: PortKind) -> AuthRule {
    match match_path(path, port) {
        Some(found) if found.route.methods.contains(&method) => found.route.auth,
        _ => AuthRule::Token,
    }
}

fn match_path(path: &str, port: PortKind) -> Option<Match<'_>> {
    ROUTES
        .iter()
        .filter(|route| port == PortKind::Main || route.ports == Ports::Both)
        .find_map(|route| route.matches(path))
}

impl Route {
    /// The value of `Allow`.
    pub fn allow(&self) -> &'static str {
        match self.methods {
            [Method::Get, Method::Head] => "GET, HEAD",
            [Method::Get] => "GET",
            [Method::Post] => "POST",
            [Method::Patch] => "PATCH",
            _ => ALLOW_ALL,
        }
    }

    fn matches<'a>(&'static self, path: &'a str) -> Option<Match<'a>> {
        let mut found = Match { route: self, file_id: 0, key: "", rest: "" };
        let Some((fixed, variable)) = self.pattern.split_once('{') else {
            return (path == self.pattern).then_some(found);
        };
        let value = path.strip_prefix(fixed)?;
        match variable.split_once('}')? {
            ("rest", "") => found.rest = value,
            ("key", "") if !value.is_empty() && !value.contains('/') => found.key = value,
            ("id", after) => {
                let (id, tail) = value.split_at(value.find('/').unwrap_or(value.len()));
                found.file_id = file_id(id)?;
                match after.strip_suffix("{rest}") {
                    Some(between) => found.rest = tail.strip_prefix(between)?,
                    None if tail == after => {}
                    None => return None,
                }
            }
            _ => return None,
        }
        Some(found)
    }
}

/// An id in its one spelling: decimal, without sign or leading zeros. What has more than 32 bits is 0, which no
/// file has.
fn file_id(text: &str) -> Option<u32> {
    let is_decimal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_canonical = is_decimal && (text == "0" || !text.starts_with('0'));
    is_canonical.then(|| text.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str) -> Option<(Endpoint, u32, &str, &str)> {
        match_path(path, PortKind::Main).map(|m| (m.endpoint(), m.file_id, m.key, m.rest))
    }

    #[test]
    fn every_row_is_reached_by_its_own_path() {
        for route in ROUTES {
            let path = route.pattern.replace("{id}", "7").replace("{key}", "k%2F").replace("{rest}", "a/b");
            for &method in route.methods {
                let found = find(method, &path, PortKind::Main).unwrap();
                assert_eq!(found.route.pattern, route.pattern);
            }
            let refusal = find(Method::Other, &path, PortKind::Main).unwrap_err();
            assert_eq!((refusal.code, refusal.allow), (Code::MethodNotAllowed, Some(route.allow())));
            assert_ne!(route.allow(), ALLOW_ALL);
            let on_stream = find(route.methods[0], &path, PortKind::Stream);
            assert_eq!(on_stream.is_ok(), route.ports == Ports::Both);
        }
    }

    #[test]
    fn ids_keys_and_rests_are_taken_as_sent() {
        assert_eq!(found("/files/7"), Some((Endpoint::FileInfo, 7, "", "")));
        assert_eq!(found("/files/4294967295/read"), Some((Endpoint::FileRead, u32::MAX, "", "")));
        assert_eq!(found("/files/4294967296"), Some((Endpoint::FileInfo, 0, "", "")));
        assert_eq!(found("/files/ensure_dir"), Some((Endpoint::EnsureDir, 0, "", "")));
        assert_eq!(found("/read/a%20b"), Some((Endpoint::KeyRead, 0, "a%20b", "")));
        assert_eq!(found("/hash/sha1"), Some((Endpoint::HashBodySha1, 0, "", "")));
        assert_eq!(found("/hash/sha1/"), Some((Endpoint::HashPathSha1, 0, "", "")));
        assert_eq!(found("/hash/sha256/a/b%2Fc"), Some((Endpoint::HashPathSha256, 0, "", "a/b%2Fc")));
        assert_eq!(found("/stream/7/any name/x.mkv"), Some((Endpoint::Stream, 7, "", "any name/x.mkv")));
        assert_eq!(found("/stream/7/"), Some((Endpoint::Stream, 7, "", "")));
    }

    #[test]
    fn what_is_not_there_is_not_there() {
        for path in [
            "/",
            "//health",
            "/health/",
            "/HEALTH",
            "/files/",
            "/files",
            "/files/x",
            "/files/-1",
            "/files/+1",
            "/files/07",
            "/files/7/",
            "/files/7/read/",
            "/files/7/reads",
            "/files//read",
            "/read/",
            "/read/a/b",
            "/stream/",
            "/stream",
            "/stream/x/y",
            "/files/7%2Fread",
            "/./health",
            "/files/../health",
            "/%68ealth",
        ] {
            assert_eq!(found(path), None, "{path}");
        }
    }
}
