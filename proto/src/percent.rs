//! Percent-decoding (RFC 3986 §2.1), and the encoding of a file name for a URL.
//!
//! Decodes once and strictly; says nothing about what the decoded text may mean.

use std::borrow::Cow;

/// How `+` is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plus {
    /// In a path it is itself.
    Literal,
    /// In a query it is a space, as forms and `URLSearchParams` write it.
    Space,
}

/// Decodes `raw` once. `None` for an escape that is not `%` and two hex digits, or for what is no UTF-8.
pub fn decode(raw: &str, plus: Plus) -> Option<Cow<'_, str>> {
    let has_plus = plus == Plus::Space && raw.contains('+');
    if !has_plus && !raw.contains('%') {
        return Some(Cow::Borrowed(raw));
    }
    let mut decoded = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex_value(bytes.next()?)? << 4 | hex_value(bytes.next()?)?,
            b'+' if has_plus => b' ',
            other => other,
        });
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

/// Appends `text` with all but RFC 3986's unreserved characters escaped: safe as one segment, or as a value.
pub fn encode_into(text: &str, out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte.into()),
            other => {
                out.push('%');
                out.push(DIGITS[usize::from(other >> 4)].into());
                out.push(DIGITS[usize::from(other & 15)].into());
            }
        }
    }
}

/// A hex digit's value, in either case.
pub(crate) const fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decodes_once_and_strictly() {
        let path = |raw| decode(raw, Plus::Literal).map(Cow::into_owned);
        assert_eq!(path("a%2Fb%2e%2E").as_deref(), Some("a/b.."));
        assert_eq!(path("%252e").as_deref(), Some("%2e"), "one layer only");
        assert_eq!(path("a+b").as_deref(), Some("a+b"));
        assert_eq!(decode("a+b%2B", Plus::Space).as_deref(), Some("a b+"));
        for bad in ["%", "%4", "%zz", "%+1", "% 1", "a%", "%ff", "%c3", "%c0%af", "%u0041"] {
            assert_eq!(path(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(text in any::<String>()) {
            let mut encoded = String::new();
            encode_into(&text, &mut encoded);
            prop_assert_eq!(decode(&encoded, Plus::Space), Some(Cow::Borrowed(text.as_str())));
            prop_assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)));
        }
    }
}
