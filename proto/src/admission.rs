//! Who may call: Host, Origin, token and session, in this order, before anything is said about the target
//! (PROTOCOL §2).
//!
//! Owns the proof [`Admitted`], which nothing else can make. Checks no ticket (a ticket is state) and reads
//! no body.

use crate::error::{Code, Refusal};
use crate::limits::SESSION_ID_BYTES_MAX;
use crate::query::Query;
use crate::request::{Head, Method};
use crate::route::{self, AuthRule, Match, PortKind, SessionRule};
use crate::token::Token;

/// The product's own sites, which may always call.
const PRODUCT_ORIGINS: [&str; 2] = ["https://jstorrent.com", "https://new.jstorrent.com"];

/// What a caller is measured against.
#[derive(Clone, Copy, Debug)]
pub struct Gate<'a> {
    /// The port that was called.
    pub port: u16,
    /// Which of the two ports that is.
    pub port_kind: PortKind,
    /// The daemon's token.
    pub token: &'a Token,
    /// `extension_id` of the profile, where it has one.
    pub extension_id: Option<&'a str>,
    /// Origins of `--allow-origin` and `JSTORRENT_DEV_ORIGINS`.
    pub extra_origins: &'a [String],
}

/// What let a caller in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Token,
    Open,
    Preflight,
    Ticket,
    Upgrade,
}

/// Proof that a request passed every check. Only [`admit`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct Admitted<'a> {
    origin: Option<&'a str>,
    session: Option<&'a str>,
    access: Access,
}

impl<'a> Admitted<'a> {
    /// The allowed origin that called, to be echoed to it.
    pub fn origin(&self) -> Option<&'a str> {
        self.origin
    }

    /// The session that was named, 1 to 128 visible ASCII characters.
    pub fn session(&self) -> Option<&'a str> {
        self.session
    }

    /// Whether the token was shown. False for `/health`, preflights, an upgrade without a token, and a stream
    /// with a ticket.
    pub fn authenticated(&self) -> bool {
        self.access == Access::Token
    }

    /// Whether this is a CORS preflight: answer it with [`crate::response::write_preflight`], whatever its
    /// target.
    pub fn is_preflight(&self) -> bool {
        self.access == Access::Preflight
    }

    /// Whether a ticket in the query stands in for the token, and is still to be checked.
    pub fn by_ticket(&self) -> bool {
        self.access == Access::Ticket
    }

    /// The session that an endpoint works on, once it is found: 400 `session_required` where it must be named
    /// and is not.
    pub fn session_for(&self, found: &Match<'_>) -> Result<Option<&'a str>, Refusal> {
        let required = found.route.session == SessionRule::Required && self.access != Access::Ticket;
        if required && self.session.is_none() { Err(Code::SessionRequired.into()) } else { Ok(self.session) }
    }
}

/// A caller who was turned away, and the allowed origin, if any, whose page may read why.
#[derive(Clone, Debug)]
pub struct Rejected<'a> {
    /// Why.
    pub refusal: Refusal,
    /// The origin to echo in the answer.
    pub origin: Option<&'a str>,
}

/// Checks Host, Origin, token and session. What is said depends on nothing but these, except for what needs
/// no token.
pub fn admit<'a>(head: &Head<'a>, gate: &Gate<'_>) -> Result<Admitted<'a>, Rejected<'a>> {
    let origin = check_origin(head, gate);
    let readable_by = origin.as_ref().ok().copied().flatten();
    check_host(head, gate).map_err(|refusal| Rejected { refusal, origin: readable_by })?;
    let origin = origin.map_err(|refusal| Rejected { refusal, origin: None })?;
    check_token(head, gate)
        .and_then(|access| Ok(Admitted { origin, session: check_session(head)?, access }))
        .map_err(|refusal| Rejected { refusal, origin })
}

/// `Host`, or the authority that goes before it (RFC 9112 §3.2.2), is this very port of loopback: no DNS name
/// that was rebound to it.
fn check_host(head: &Head<'_>, gate: &Gate<'_>) -> Result<(), Refusal> {
    let authority = head.authority.map(str::as_bytes).or_else(|| head.field("host")).unwrap_or_default();
    if is_own_authority(authority, gate.port) { Ok(()) } else { Err(Code::HostForbidden.into()) }
}

fn is_own_authority(authority: &[u8], port: u16) -> bool {
    let colon = authority.iter().position(|&byte| byte == b':');
    let (host, port_text) = authority.split_at(colon.unwrap_or(authority.len()));
    let port_is_ours = match port_text.strip_prefix(b":") {
        Some(digits) => is_decimal_of(digits, port),
        None => port == 80,
    };
    port_is_ours && (host == b"127.0.0.1" || host.eq_ignore_ascii_case(b"localhost"))
}

/// Whether `digits` is `number` in its one spelling.
fn is_decimal_of(digits: &[u8], number: u16) -> bool {
    let canonical = digits.iter().all(u8::is_ascii_digit) && !digits.starts_with(b"0");
    canonical && crate::framing::decimal(digits) == Some(number.into())
}

fn check_origin<'a>(head: &Head<'a>, gate: &Gate<'_>) -> Result<Option<&'a str>, Refusal> {
    let mut lines = head.fields("origin");
    let Some(line) = lines.next() else { return Ok(None) };
    let origin = std::str::from_utf8(line).ok().filter(|origin| is_allowed_origin(origin, gate));
    match (origin, lines.next()) {
        (Some(origin), None) => Ok(Some(origin)),
        _ => Err(Code::OriginForbidden.into()),
    }
}

/// The allowed origin that the one `Origin` line of `bytes` names, where they are no well-formed head: its page may read
/// what is wrong with them.
pub fn origin_in<'a>(bytes: &'a [u8], gate: &Gate<'_>) -> Option<&'a str> {
    let mut values = bytes.split(|&byte| byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|&byte| byte == b':')?;
        line[..colon].eq_ignore_ascii_case(b"origin").then(|| line[colon + 1..].trim_ascii())
    });
    let origin = std::str::from_utf8(values.next()?).ok()?;
    (values.next().is_none() && is_allowed_origin(origin, gate)).then_some(origin)
}

/// Whether pages of `origin`, as a browser writes it, may call. `null` never may.
pub fn is_allowed_origin(origin: &str, gate: &Gate<'_>) -> bool {
    if origin.eq_ignore_ascii_case("null") || origin.is_empty() {
        return false;
    }
    let is_extension = || match (origin.strip_prefix("chrome-extension://"), gate.extension_id) {
        (Some(id), Some(expected)) => !id.is_empty() && id == expected,
        _ => false,
    };
    let is_own = || {
        origin.strip_prefix("http://").is_some_and(|rest| {
            !rest.bytes().any(|b| b.is_ascii_uppercase()) && is_own_authority(rest.as_bytes(), gate.port)
        })
    };
    is_extension()
        || is_own()
        || PRODUCT_ORIGINS.contains(&origin)
        || gate.extra_origins.iter().any(|extra| extra == origin)
}

fn check_token(head: &Head<'_>, gate: &Gate<'_>) -> Result<Access, Refusal> {
    if is_preflight(head) {
        return Ok(Access::Preflight);
    }
    let bears_credentials = head.field("x-jst-auth").is_some() || head.field("authorization").is_some();
    match route::auth_rule(head.method, head.path, gate.port_kind) {
        AuthRule::Open => Ok(Access::Open),
        AuthRule::Upgrade if !bears_credentials => Ok(Access::Upgrade),
        AuthRule::TokenOrTicket if Query::new(head.query).has("ticket") => Ok(Access::Ticket),
        _ if bears_token(head, gate.token) => Ok(Access::Token),
        _ => Err(Code::TokenInvalid.into()),
    }
}

/// A preflight as the Fetch standard has it; an OPTIONS that lacks either field is an ordinary request.
fn is_preflight(head: &Head<'_>) -> bool {
    head.method == Method::Options
        && head.field("origin").is_some()
        && head.field("access-control-request-method").is_some()
}

/// `X-JST-Auth` decides where it is there, else `Authorization: Bearer`. Whoever sends one of them twice has
/// none.
fn bears_token(head: &Head<'_>, token: &Token) -> bool {
    let once = |name: &str| {
        let mut lines = head.fields(name);
        lines.next().map(|line| if lines.next().is_some() { &b""[..] } else { line })
    };
    match once("x-jst-auth") {
        Some(candidate) => token.matches(candidate),
        None => once("authorization").and_then(bearer).is_some_and(|candidate| token.matches(candidate)),
    }
}

/// The credentials of `Bearer` (RFC 6750 §2.1; the scheme in any case, RFC 9110 §11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| rest.trim_ascii_start())
}

fn check_session<'a>(head: &Head<'a>) -> Result<Option<&'a str>, Refusal> {
    let mut lines = head.fields("x-jst-session");
    match (lines.next(), lines.next()) {
        (None, _) => Ok(None),
        (Some(line), None) => parse_session_id(line).map(Some),
        _ => Err(Code::SessionInvalid.into()),
    }
}

/// A session's id, from wherever it came: 1 to 128 visible ASCII characters, else 400 `session_invalid`.
pub fn parse_session_id(bytes: &[u8]) -> Result<&str, Refusal> {
    let well_formed =
        (1..=SESSION_ID_BYTES_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
    std::str::from_utf8(bytes).ok().filter(|_| well_formed).ok_or_else(|| Code::SessionInvalid.into())
}
