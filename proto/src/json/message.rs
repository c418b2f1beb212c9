//! The JSON encoding seen as fields of a message (PROTOCOL §7). Owns how each kind of field looks in it: numbers,
//! strings, `data` as base64, `digest` as hex (read as base64 too), `hadError` as a boolean.

use std::borrow::Cow;

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};

use super::{JsonObject, JsonWriter};
use crate::codec::{Fault, Sink, Source, only_array};
use crate::digest::Digest;
use crate::field::Field;

impl<'a> Source<'a> for JsonObject<'a> {
    fn has(&self, field: Field) -> bool {
        JsonObject::has(self, field)
    }

    fn u8(&mut self, field: Field) -> Result<u8, Fault> {
        self.number(field, u8::MAX.into()).map(|value| value as u8)
    }

    fn u16(&mut self, field: Field) -> Result<u16, Fault> {
        self.number(field, u16::MAX.into()).map(|value| value as u16)
    }

    fn u32(&mut self, field: Field) -> Result<u32, Fault> {
        self.number(field, u32::MAX.into()).map(|value| value as u32)
    }

    fn u64(&mut self, field: Field) -> Result<u64, Fault> {
        self.number(field, u64::MAX)
    }

    fn boolean(&mut self, field: Field) -> Result<bool, Fault> {
        JsonObject::boolean(self, field)
    }

    fn text(&mut self, field: Field) -> Result<Cow<'a, str>, Fault> {
        JsonObject::text(self, field)
    }

    fn text_part(&mut self, field: Field) -> Result<Option<Cow<'a, str>>, Fault> {
        if self.has(field) { self.text(field).map(Some) } else { Ok(None) }
    }

    fn text_counted(&mut self, field: Field) -> Result<Cow<'a, str>, Fault> {
        self.text_or_empty(field)
    }

    fn data(&mut self, field: Field) -> Result<&'a [u8], Fault> {
        self.decoded_data().ok_or_else(|| Fault::field(field, "is missing; it must be a string of base64"))
    }

    fn digest(&mut self, field: Field, check: u8) -> Result<Digest, Fault> {
        let wanted = Digest::len_for(check)
            .ok_or_else(|| Fault::from("check must be 0 (none), 1 (SHA-1) or 2 (SHA-256)"))?;
        if wanted == 0 {
            return Ok(Digest::None);
        }
        let text = self.text(field)?;
        let hex = text.len() == wanted * 2;
        let bytes =
            if hex { HEXLOWER_PERMISSIVE.decode(text.as_bytes()) } else { BASE64.decode(text.as_bytes()) };
        let digest = bytes.ok().and_then(|bytes| Digest::new(check, &bytes));
        digest.ok_or_else(|| Fault::field(field, format_args!("must be {wanted} bytes as hex")))
    }

    fn object(&mut self) -> Result<Option<JsonObject<'a>>, Fault> {
        Ok(Some(self.clone()))
    }

    fn array(&mut self, field: Field) -> Result<&'a str, Fault> {
        self.raw(field).and_then(|json| only_array(field, json))
    }
}

impl Sink for JsonWriter<'_> {
    fn u8(&mut self, field: Field, value: u8) {
        self.number(field, value.into());
    }

    fn u16(&mut self, field: Field, value: u16) {
        self.number(field, value.into());
    }

    fn u32(&mut self, field: Field, value: u32) {
        self.number(field, value.into());
    }

    fn u64(&mut self, field: Field, value: u64) {
        self.number(field, value);
    }

    fn boolean(&mut self, field: Field, value: bool) {
        JsonWriter::boolean(self, field, value);
    }

    fn text(&mut self, field: Field, text: &str) {
        JsonWriter::text(self, field, text);
    }

    fn separator(&mut self) {}

    fn text_counted(&mut self, field: Field, text: &str) {
        JsonWriter::text(self, field, text);
    }

    fn data(&mut self, field: Field, data: &[u8]) {
        JsonWriter::data(self, field, data);
    }

    fn digest(&mut self, field: Field, digest: &Digest) {
        if *digest != Digest::None {
            self.hex(field, digest.as_bytes());
        }
    }

    fn object(&mut self, write: impl FnOnce(&mut JsonWriter<'_>)) {
        write(self);
    }

    fn array(&mut self, field: Field, json: &str) {
        JsonWriter::raw(self, field, json);
    }
}
