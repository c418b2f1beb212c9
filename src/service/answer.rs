//! What a task answers: a status, a few fields and a body, without a head on the wire yet.

use super::lease::Lease;
use crate::conn::http::outbound::Segment;
use jstorrent_io_proto::error::Refusal;
use jstorrent_io_proto::response::JSON;
use serde::Serialize;
use std::borrow::Cow;

/// How long the body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// No body and no length (204, 304).
    NoBody,
    /// That many bytes.
    Bytes(u64),
    /// Not known: chunks.
    Chunked,
}

/// An answer.
#[derive(Debug)]
pub enum Answer {
    /// A refusal, as problem+json.
    Refused(Refusal),
    /// Anything else.
    Content(Content),
}

/// An answer that is no refusal.
#[derive(Debug)]
pub struct Content {
    /// The status.
    pub status: u16,
    /// The type of the body.
    pub content_type: Option<Cow<'static, str>>,
    /// Its length.
    pub length: Length,
    /// Further fields.
    pub fields: Vec<(&'static str, String)>,
    /// The body, or its beginning.
    pub body: Vec<Segment>,
    /// What the body's file is held by until the answer is out.
    pub lease: Option<Lease>,
}

impl Content {
    /// An answer with that status and body.
    pub fn new(status: u16, content_type: impl Into<Cow<'static, str>>, bytes: Vec<u8>) -> Content {
        Content {
            status,
            content_type: Some(content_type.into()),
            length: Length::Bytes(bytes.len() as u64),
            fields: Vec::new(),
            body: vec![Segment::Bytes(bytes)],
            lease: None,
        }
    }
}

impl Answer {
    /// 200 without a body.
    pub fn empty() -> Answer {
        Answer::Content(Content {
            status: 200,
            content_type: None,
            length: Length::Bytes(0),
            fields: Vec::new(),
            body: Vec::new(),
            lease: None,
        })
    }

    /// 200 with a short text.
    pub fn text(text: impl Into<String>) -> Answer {
        Answer::Content(Content::new(200, "text/plain; charset=utf-8", text.into().into_bytes()))
    }

    /// 200 with raw bytes.
    pub fn bytes(bytes: Vec<u8>) -> Answer {
        Answer::Content(Content::new(200, "application/octet-stream", bytes))
    }

    /// 200 with JSON.
    pub fn json(value: &impl Serialize) -> Answer {
        Answer::json_with(200, value)
    }

    /// JSON with a status.
    pub fn json_with(status: u16, value: &impl Serialize) -> Answer {
        let bytes = serde_json::to_vec(value).unwrap_or_else(|_| b"{}".to_vec());
        Answer::Content(Content::new(status, JSON, bytes))
    }

    /// 200 `{}`.
    pub fn done() -> Answer {
        Answer::Content(Content::new(200, JSON, b"{}".to_vec()))
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Answer {
        Answer::Refused(refusal)
    }
}

impl From<Result<Answer, Refusal>> for Answer {
    fn from(result: Result<Answer, Refusal>) -> Answer {
        result.unwrap_or_else(Answer::Refused)
    }
}
