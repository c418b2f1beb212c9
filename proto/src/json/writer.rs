//! Writes one flat JSON object onto a buffer. Owns the syntax; not which fields are written.

use data_encoding::{BASE64, HEXLOWER};

use crate::field::Field;

/// An object under way; [`finish`](Self::finish) closes it.
pub(crate) struct JsonWriter<'o> {
    out: &'o mut Vec<u8>,
    next: u8,
}

impl<'o> JsonWriter<'o> {
    /// Opens an object at the end of `out`.
    pub(crate) const fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out, next: b'{' }
    }

    fn name(&mut self, field: Field) {
        self.out.push(self.next);
        self.next = b',';
        self.out.push(b'"');
        self.out.extend_from_slice(field.name().as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    pub(crate) fn number(&mut self, field: Field, value: u64) {
        self.raw(field, &value.to_string());
    }

    pub(crate) fn boolean(&mut self, field: Field, value: bool) {
        self.raw(field, if value { "true" } else { "false" });
    }

    /// A value that is JSON already.
    pub(crate) fn raw(&mut self, field: Field, json: &str) {
        self.name(field);
        self.out.extend_from_slice(json.as_bytes());
    }

    pub(crate) fn text(&mut self, field: Field, text: &str) {
        self.name(field);
        push_string(self.out, text);
    }

    /// Bytes as base64.
    pub(crate) fn data(&mut self, field: Field, data: &[u8]) {
        self.encoded(field, BASE64.encode_len(data.len()), |out| BASE64.encode_mut(data, out));
    }

    /// Bytes as hex.
    pub(crate) fn hex(&mut self, field: Field, bytes: &[u8]) {
        self.encoded(field, HEXLOWER.encode_len(bytes.len()), |out| HEXLOWER.encode_mut(bytes, out));
    }

    fn encoded(&mut self, field: Field, len: usize, encode: impl FnOnce(&mut [u8])) {
        self.name(field);
        self.out.push(b'"');
        let start = self.out.len();
        self.out.resize(start + len, 0);
        encode(&mut self.out[start..]);
        self.out.push(b'"');
    }

    /// Closes the object.
    pub(crate) fn finish(self) {
        if self.next == b'{' {
            self.out.push(b'{');
        }
        self.out.push(b'}');
    }
}

/// Appends a JSON string: what must be escaped is (RFC 8259 §7), all else stands as it is.
fn push_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..=0x1F => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(HEXLOWER.encode(&[byte]).as_bytes());
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn strings_read_back(text in any::<String>()) {
            let mut out = Vec::new();
            push_string(&mut out, &text);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).expect("JSON"), text);
        }
    }

    #[test]
    fn an_object_without_fields_is_an_object() {
        let mut out = Vec::new();
        JsonWriter::new(&mut out).finish();
        assert_eq!(out, b"{}");
    }
}
