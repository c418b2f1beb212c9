//! What a request says of its body, and what form of answer it would like (RFC 9110 §8.3, §8.4, §12.5.1).
//!
//! Looks at fields only; the body itself is parsed elsewhere.

use crate::error::{Code, Refusal};
use crate::framing::{BodyFraming, members};
use crate::request::Head;
use crate::route::BodyRule;

/// Whether the announced body is one that an endpoint takes: 411, 413 (by `Content-Length`) or 415 otherwise.
///
/// A chunked body's length is known when it has come: count it against [`BodyRule::Json`]'s limit then.
pub fn check_body(head: &Head<'_>, rule: BodyRule) -> Result<(), Refusal> {
    if rule == BodyRule::None || head.body == BodyFraming::None {
        return if rule == BodyRule::SizedBytes { Err(Code::LengthRequired.into()) } else { Ok(()) };
    }
    if members(head.fields("content-encoding")).any(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
        return Err(Refusal::because(Code::MediaType, "The body has a content coding: send it as it is."));
    }
    let BodyRule::Json { bytes_max } = rule else { return Ok(()) };
    match head.body {
        BodyFraming::Length(bytes) if bytes > bytes_max => Err(Code::BodyTooLarge.into()),
        _ if head.fields("content-type").all(is_json) => Ok(()),
        _ => Err(Code::MediaType.into()),
    }
}

/// `application/json`, with whatever parameters; no `Content-Type` at all is taken for it.
fn is_json(value: &[u8]) -> bool {
    media_type(value).eq_ignore_ascii_case(b"application/json")
}

fn media_type(value: &[u8]) -> &[u8] {
    value.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii()
}

/// Whether `Accept` names this media type outright, with a weight above 0. A wildcard is no wish for it.
pub fn accepts(head: &Head<'_>, wanted: &str) -> bool {
    members(head.fields("accept")).any(|member| {
        let refused = member.split(|&byte| byte == b';').skip(1).map(<[u8]>::trim_ascii).any(is_weight_zero);
        media_type(member).eq_ignore_ascii_case(wanted.as_bytes()) && !refused
    })
}

/// `q=0`, with up to three zeros behind a point.
fn is_weight_zero(parameter: &[u8]) -> bool {
    match parameter {
        [b'q' | b'Q', b'=', b'0', rest @ ..] => rest.iter().all(|byte| matches!(byte, b'.' | b'0')),
        _ => false,
    }
}
