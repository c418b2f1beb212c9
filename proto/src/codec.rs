//! The seam between messages and their two encodings. A message names its fields once, in order; a [`Source`] reads
//! them and a [`Sink`] writes them, in binary or in JSON. Owns the seam and its errors; knows no message.

use std::borrow::Cow;
use std::fmt;

use crate::digest::Digest;
use crate::field::Field;
use crate::json::{JsonObject, JsonWriter, NotJson};

/// Why a payload can't be read: one sentence, without the message that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault(pub(crate) Cow<'static, str>);

impl Fault {
    pub(crate) fn field(field: Field, what: impl fmt::Display) -> Self {
        Self(format!("{} {what}", field.name()).into())
    }
}

impl From<&'static str> for Fault {
    fn from(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<NotJson> for Fault {
    fn from(_: NotJson) -> Self {
        Self::from("the JSON breaks the grammar (RFC 8259), or is nested over 64 levels")
    }
}

/// One JSON value that has to be an array.
pub(crate) fn only_array(field: Field, json: &str) -> Result<&str, Fault> {
    if json.starts_with('[') { Ok(json) } else { Err(Fault::field(field, "must be an array")) }
}

/// Where a message's fields are read from, in the order of the op's row.
pub(crate) trait Source<'a> {
    /// Whether the field is given. In binary, where no field can be left out, always.
    fn has(&self, field: Field) -> bool;
    fn u8(&mut self, field: Field) -> Result<u8, Fault>;
    fn u16(&mut self, field: Field) -> Result<u16, Fault>;
    fn u32(&mut self, field: Field) -> Result<u32, Fault>;
    fn u64(&mut self, field: Field) -> Result<u64, Fault>;
    fn boolean(&mut self, field: Field) -> Result<bool, Fault>;
    /// A text that is the rest of the payload.
    fn text(&mut self, field: Field) -> Result<Cow<'a, str>, Fault>;
    /// A text up to a NUL, which is skipped, or to the end. `None`: the text before it was the last one.
    fn text_part(&mut self, field: Field) -> Result<Option<Cow<'a, str>>, Fault>;
    /// A text after its length in two bytes.
    fn text_counted(&mut self, field: Field) -> Result<Cow<'a, str>, Fault>;
    /// Bytes that are the rest of the payload.
    fn data(&mut self, field: Field) -> Result<&'a [u8], Fault>;
    fn digest(&mut self, field: Field, check: u8) -> Result<Digest, Fault>;
    /// A payload's rest that is a JSON object, `None` if nothing is left; in JSON the message itself.
    fn object(&mut self) -> Result<Option<JsonObject<'a>>, Fault>;
    /// An array that stays JSON, without the white space around it: the rest of the payload.
    fn array(&mut self, field: Field) -> Result<&'a str, Fault>;

    /// The text, or an empty one where JSON leaves it out.
    fn text_or_empty(&mut self, field: Field) -> Result<Cow<'a, str>, Fault> {
        if self.has(field) { self.text(field) } else { Ok(Cow::Borrowed("")) }
    }
}

/// Where a message's fields are written to, in the order of the op's row.
pub(crate) trait Sink {
    fn u8(&mut self, field: Field, value: u8);
    fn u16(&mut self, field: Field, value: u16);
    fn u32(&mut self, field: Field, value: u32);
    fn u64(&mut self, field: Field, value: u64);
    fn boolean(&mut self, field: Field, value: bool);
    fn text(&mut self, field: Field, text: &str);
    /// Parts two texts, or a text and an object.
    fn separator(&mut self);
    /// A text after its length in two bytes.
    fn text_counted(&mut self, field: Field, text: &str);
    fn data(&mut self, field: Field, data: &[u8]);
    fn digest(&mut self, field: Field, digest: &Digest);
    /// Fields that are JSON in both encodings.
    fn object(&mut self, write: impl FnOnce(&mut JsonWriter<'_>));
    /// A value that is JSON already.
    fn array(&mut self, field: Field, json: &str);
}
