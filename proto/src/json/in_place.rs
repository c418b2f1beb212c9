//! Strings decoded where they lie: escapes and base64 only ever shrink. Owns the two decodings; so a message of the
//! greatest size needs no second copy of its data.

use data_encoding::BASE64_NOPAD;

/// Base64 characters decoded at a time; a multiple of four.
const BASE64_STEP: usize = 4096;

/// Replaces the escapes of a JSON string (the bytes between its quotes, already scanned) and returns the length that is
/// left; `None` for half of a surrogate pair, which stands for no character.
pub(crate) fn unescape_in_place(text: &mut [u8]) -> Option<usize> {
    let (mut read, mut write) = (0, 0);
    while let Some(skip) = text[read..].iter().position(|byte| *byte == b'\\') {
        text.copy_within(read..read + skip, write);
        read += skip;
        write += skip;
        let (character, taken) = escaped(&text[read..])?;
        read += taken;
        write += character.encode_utf8(&mut text[write..]).len();
    }
    text.copy_within(read.., write);
    Some(write + text.len() - read)
}

/// The character that the escape at the front of `text` stands for, and the bytes of the escape: always more than those
/// of the character.
fn escaped(text: &[u8]) -> Option<(char, usize)> {
    let simple = match text.get(1)? {
        b'u' => return escaped_unicode(text),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        byte => char::from(*byte),
    };
    Some((simple, 2))
}

fn escaped_unicode(text: &[u8]) -> Option<(char, usize)> {
    let first = code_unit(text)?;
    if let Some(character) = char::from_u32(first) {
        return Some((character, 6));
    }
    let second = code_unit(&text[6..])?;
    let pair = char::decode_utf16([first as u16, second as u16]).next()?.ok()?;
    Some((pair, 12))
}

fn code_unit(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Decodes a JSON string of standard base64 (RFC 4648 §4), padded or not, to the front of `text`, and returns the
/// length of what it holds; `None` where it isn't base64.
pub(crate) fn base64_in_place(text: &mut [u8]) -> Option<usize> {
    let len = if text.contains(&b'\\') { unescape_in_place(text)? } else { text.len() };
    let len = unpadded_len(&text[..len])?;
    let mut decoded = [0; BASE64_STEP / 4 * 3];
    let (mut read, mut write) = (0, 0);
    while read < len {
        let step = &text[read..len.min(read + BASE64_STEP)];
        let out = &mut decoded[..BASE64_NOPAD.decode_len(step.len()).ok()?];
        let written = BASE64_NOPAD.decode_mut(step, out).ok()?;
        read += step.len();
        text[write..write + written].copy_from_slice(&decoded[..written]);
        write += written;
    }
    Some(write)
}

/// The length without padding; padding must fill the last group of four.
fn unpadded_len(text: &[u8]) -> Option<usize> {
    let padding = text.iter().rev().take(2).take_while(|byte| **byte == b'=').count();
    (padding == 0 || text.len().is_multiple_of(4)).then_some(text.len() - padding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::BASE64;
    use proptest::prelude::*;

    fn base64(text: &str) -> Option<Vec<u8>> {
        let mut bytes = text.as_bytes().to_vec();
        let len = base64_in_place(&mut bytes)?;
        bytes.truncate(len);
        Some(bytes)
    }

    #[test]
    fn base64_with_and_without_padding_and_escapes() {
        assert_eq!(base64(""), Some(vec![]));
        assert_eq!(base64("AA=="), Some(vec![0]));
        assert_eq!(base64("AA"), Some(vec![0]));
        assert_eq!(base64(r"\/\u002B8="), Some(vec![0xFF, 0xEF]));
        for bad in ["A", "AA=", "AA==AA==", "A===", "====", "AB==", "A A=", "_-8="] {
            assert_eq!(base64(bad), None, "{bad}");
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_no_text() {
        for bad in [r"\ud83c", r"\ud83cx", r"\ud83c\u0041", r"\udf88"] {
            assert_eq!(unescape_in_place(&mut bad.as_bytes().to_vec()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn unescapes_what_serde_json_escapes(text in any::<String>(), ascii in any::<bool>()) {
            let json = serde_json::to_string(&text).expect("a string");
            let mut bytes = json.as_bytes()[1..json.len() - 1].to_vec();
            if ascii {
                bytes = text.encode_utf16().flat_map(|unit| format!("\\u{unit:04x}").into_bytes()).collect();
            }
            let len = unescape_in_place(&mut bytes).expect("whole characters");
            prop_assert_eq!(&bytes[..len], text.as_bytes());
        }

        #[test]
        fn decodes_what_is_encoded(data in proptest::collection::vec(any::<u8>(), 0..20_000)) {
            prop_assert_eq!(base64(&BASE64.encode(&data)), Some(data.clone()));
            prop_assert_eq!(base64(&BASE64_NOPAD.encode(&data)), Some(data));
        }
    }
}
