//! The field checks that decide where a message ends and whom it is for (RFC 9112 §3.2, §6; RFC 9110 §7.2,
//! §10.1.1).
//!
//! Works on one parsed head; remembers nothing between heads.

use crate::error::{Code, Refusal};
use crate::percent::hex_value;
use crate::request::{Head, Version};

/// How a request's body is delimited (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    /// No body follows.
    None,
    /// Exactly so many bytes follow (`Content-Length`, 0 included).
    Length(u64),
    /// Chunks follow ([`crate::body::ChunkedDecoder`]).
    Chunked,
}

fn bad(detail: &'static str) -> Refusal {
    Refusal::because(Code::BadRequest, detail)
}

/// The members of a list field's lines, trimmed; empty ones are left out (RFC 9110 §5.6.1.2).
pub(crate) fn members<'a>(lines: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = &'a [u8]> {
    lines
        .flat_map(|line| line.split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
}

/// Exactly one well-formed `Host`, whatever the version: without it nobody can tell a rebound name (PROTOCOL
/// §2).
pub(crate) fn check_host(head: &Head<'_>) -> Result<(), Refusal> {
    let mut lines = head.fields("host");
    match (lines.next(), lines.next()) {
        (None, _) => Err(bad("Host is missing.")),
        (Some(_), Some(_)) => Err(bad("Host stands there more than once.")),
        (Some(host), None) if !is_authority(host) => Err(bad("Host is malformed.")),
        _ => Ok(()),
    }
}

/// `uri-host [ ":" port ]` of RFC 3986 §3.2, without user info, and with a host that is not empty (RFC 9110
/// §4.2.1).
pub(crate) fn is_authority(text: &[u8]) -> bool {
    let (host, port) = match text {
        [b'[', rest @ ..] => match rest.iter().position(|&byte| byte == b']') {
            Some(end) => (&rest[..end], &rest[end + 1..]),
            None => return false,
        },
        _ => text.split_at(text.iter().position(|&byte| byte == b':').unwrap_or(text.len())),
    };
    let host_is_good = if text.starts_with(b"[") { is_ip_literal(host) } else { is_reg_name(host) };
    let port_is_good = match port {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    !host.is_empty() && host_is_good && port_is_good
}

/// The authority-form of a CONNECT target: host and port, both there.
pub(crate) fn is_host_and_port(text: &str) -> bool {
    let port = text.rsplit_once(':').map_or("", |(_, port)| port);
    is_authority(text.as_bytes()) && !port.is_empty() && !port.contains(']')
}

fn is_ip_literal(host: &[u8]) -> bool {
    let future = || match host {
        [b'v' | b'V', rest @ ..] => match rest.iter().position(|&byte| byte == b'.') {
            Some(dot) => {
                dot > 0
                    && dot + 1 < rest.len()
                    && rest[..dot].iter().all(u8::is_ascii_hexdigit)
                    && rest[dot + 1..].iter().all(|&byte| byte == b':' || is_plain_name_byte(byte))
            }
            None => false,
        },
        _ => false,
    };
    std::str::from_utf8(host).is_ok_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok()) || future()
}

fn is_reg_name(host: &[u8]) -> bool {
    let mut bytes = host.iter();
    while let Some(&byte) = bytes.next() {
        let good = match byte {
            b'%' => [bytes.next(), bytes.next()]
                .iter()
                .all(|digit| digit.is_some_and(|&digit| hex_value(digit).is_some())),
            other => is_plain_name_byte(other),
        };
        if !good {
            return false;
        }
    }
    true
}

/// Unreserved characters and sub-delims of RFC 3986 §2.
fn is_plain_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte)
}

/// RFC 9112 §6.3, with everything that request smuggling lives on refused.
pub(crate) fn body_framing(head: &Head<'_>) -> Result<BodyFraming, Refusal> {
    let has_coding = head.field("transfer-encoding").is_some();
    match (has_coding, content_length(head)?) {
        (false, None) => Ok(BodyFraming::None),
        (false, Some(length)) => Ok(BodyFraming::Length(length)),
        (true, Some(_)) => Err(bad("Content-Length and Transfer-Encoding exclude each other.")),
        (true, None) if head.version == Version::Http10 => Err(bad("HTTP/1.0 has no Transfer-Encoding.")),
        (true, None) => check_codings(head).map(|()| BodyFraming::Chunked),
    }
}

fn content_length(head: &Head<'_>) -> Result<Option<u64>, Refusal> {
    let mut lines = head.fields("content-length");
    let Some(value) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err(bad("Content-Length stands there more than once."));
    }
    decimal(value).map(Some).ok_or_else(|| bad("Content-Length is not one decimal number."))
}

/// A number of digits alone, without sign or blank; `None` too where it does not fit.
pub(crate) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| match digit {
        b'0'..=b'9' => number.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

/// Exactly `chunked`. Another coding is 501 (RFC 9112 §6.1), unless chunked stands where no end could be
/// found.
fn check_codings(head: &Head<'_>) -> Result<(), Refusal> {
    let codings = || {
        head.fields("transfer-encoding")
            .flat_map(|line| line.split(|&byte| byte == b','))
            .map(<[u8]>::trim_ascii)
    };
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    if !codings().all(is_coding) {
        return Err(bad("Transfer-Encoding is malformed."));
    }
    let (count, chunked) =
        codings().fold((0, 0), |(all, chunked), coding| (all + 1, chunked + usize::from(is_chunked(coding))));
    let chunked_is_last = codings().last().is_some_and(is_chunked);
    match (chunked, chunked_is_last) {
        (1, true) if count == 1 => Ok(()),
        (0, _) | (1, true) => Err(Code::NotImplemented.into()),
        _ => Err(bad("chunked must be the last transfer coding, and stand there once.")),
    }
}

/// A transfer coding: a token, with parameters for all but chunked, which has none (RFC 9112 §7.1).
fn is_coding(coding: &[u8]) -> bool {
    let name_len = coding.iter().position(|&byte| byte == b';').unwrap_or(coding.len());
    let name = coding[..name_len].trim_ascii_end();
    crate::request::is_token(name) && (name_len == coding.len() || !name.eq_ignore_ascii_case(b"chunked"))
}

/// `Expect`: 100-continue or 417 (RFC 9110 §10.1.1). HTTP/1.0 knows no interim answers, so there it is
/// ignored.
pub(crate) fn expects_continue(head: &Head<'_>) -> Result<bool, Refusal> {
    if head.version == Version::Http10 {
        return Ok(false);
    }
    let mut expected = false;
    for member in members(head.fields("expect")) {
        if !member.eq_ignore_ascii_case(b"100-continue") {
            return Err(Code::ExpectationFailed.into());
        }
        expected = true;
    }
    Ok(expected && head.body != BodyFraming::None && head.body != BodyFraming::Length(0))
}
