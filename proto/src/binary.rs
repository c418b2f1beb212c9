//! The binary encoding of payloads (PROTOCOL §6.2): little-endian numbers, texts and data to the end. Owns reading and
//! writing fields in it; not which fields a message has. Bytes behind the last field are not looked at.

use std::borrow::Cow;

use crate::codec::{Fault, Sink, Source, only_array};
use crate::digest::Digest;
use crate::field::Field;
use crate::json::{JsonObject, JsonWriter, Scanner};

/// Reads a payload field by field.
#[derive(Debug)]
pub(crate) struct BinarySource<'a> {
    rest: &'a [u8],
    /// The text before ended with a NUL, or there was none: another may follow.
    more: bool,
}

impl<'a> BinarySource<'a> {
    pub(crate) const fn new(payload: &'a [u8]) -> Self {
        Self { rest: payload, more: true }
    }

    fn take(&mut self, field: Field, len: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or_else(|| {
            Fault::field(field, format_args!("needs {len} bytes where {} are left", self.rest.len()))
        })?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, field: Field) -> Result<[u8; N], Fault> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(field, N)?);
        Ok(array)
    }

    fn take_rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }
}

fn utf8(field: Field, bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|_| Fault::field(field, "must be UTF-8"))
}

impl<'a> Source<'a> for BinarySource<'a> {
    fn has(&self, _: Field) -> bool {
        true
    }

    fn u8(&mut self, field: Field) -> Result<u8, Fault> {
        self.array(field).map(u8::from_le_bytes)
    }

    fn u16(&mut self, field: Field) -> Result<u16, Fault> {
        self.array(field).map(u16::from_le_bytes)
    }

    fn u32(&mut self, field: Field) -> Result<u32, Fault> {
        self.array(field).map(u32::from_le_bytes)
    }

    fn u64(&mut self, field: Field) -> Result<u64, Fault> {
        self.array(field).map(u64::from_le_bytes)
    }

    fn boolean(&mut self, field: Field) -> Result<bool, Fault> {
        self.u8(field).map(|value| value != 0)
    }

    fn text(&mut self, field: Field) -> Result<Cow<'a, str>, Fault> {
        utf8(field, self.take_rest()).map(Cow::Borrowed)
    }

    fn text_part(&mut self, field: Field) -> Result<Option<Cow<'a, str>>, Fault> {
        if !self.more {
            return Ok(None);
        }
        let nul = self.rest.iter().position(|byte| *byte == 0);
        self.more = nul.is_some();
        let part = self.take(field, nul.unwrap_or(self.rest.len()))?;
        self.rest = self.rest.get(1..).unwrap_or_default();
        utf8(field, part).map(|text| Some(Cow::Borrowed(text)))
    }

    fn text_counted(&mut self, field: Field) -> Result<Cow<'a, str>, Fault> {
        let len = self.u16(field)?;
        let bytes = self.take(field, len.into())?;
        utf8(field, bytes).map(Cow::Borrowed)
    }

    fn data(&mut self, _: Field) -> Result<&'a [u8], Fault> {
        Ok(self.take_rest())
    }

    fn digest(&mut self, field: Field, check: u8) -> Result<Digest, Fault> {
        let bytes = self.take(field, Digest::len_for(check).unwrap_or(0))?;
        Digest::new(check, bytes)
            .ok_or_else(|| Fault::from("check must be 0 (none), 1 (SHA-1) or 2 (SHA-256)"))
    }

    fn object(&mut self) -> Result<Option<JsonObject<'a>>, Fault> {
        let rest = self.take_rest();
        if rest.is_empty() { Ok(None) } else { JsonObject::parse(rest).map(Some) }
    }

    fn array(&mut self, field: Field) -> Result<&'a str, Fault> {
        let json = utf8(field, self.take_rest())?;
        let mut scanner = Scanner::new(json.as_bytes());
        let value = scanner.value()?;
        scanner.expect_end()?;
        only_array(field, &json[value])
    }
}

/// Writes a payload field by field at the end of a buffer.
pub(crate) struct BinarySink<'o>(pub(crate) &'o mut Vec<u8>);

impl Sink for BinarySink<'_> {
    fn u8(&mut self, _: Field, value: u8) {
        self.0.push(value);
    }

    fn u16(&mut self, _: Field, value: u16) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn u32(&mut self, _: Field, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn u64(&mut self, _: Field, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn boolean(&mut self, _: Field, value: bool) {
        self.0.push(value.into());
    }

    fn text(&mut self, _: Field, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    fn separator(&mut self) {
        self.0.push(0);
    }

    /// A text over 65,535 bytes, which no address is, is cut.
    fn text_counted(&mut self, _: Field, text: &str) {
        let text = &text[..text.floor_char_boundary(u16::MAX.into())];
        self.0.extend_from_slice(&(text.len() as u16).to_le_bytes());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn data(&mut self, _: Field, data: &[u8]) {
        self.0.extend_from_slice(data);
    }

    fn digest(&mut self, _: Field, digest: &Digest) {
        self.0.extend_from_slice(digest.as_bytes());
    }

    fn object(&mut self, write: impl FnOnce(&mut JsonWriter<'_>)) {
        let mut object = JsonWriter::new(self.0);
        write(&mut object);
        object.finish();
    }

    fn array(&mut self, _: Field, json: &str) {
        self.0.extend_from_slice(json.as_bytes());
    }
}
