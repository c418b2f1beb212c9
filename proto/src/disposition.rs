//! `Content-Disposition` (RFC 6266): under which name a player shows, or a browser saves, what it is sent.

use crate::percent::encode_into;

/// `inline` with a file's name, in full by `filename*` (RFC 8187) and in ASCII for who does not know that. No name can
/// break out of its quotes or its line.
pub fn inline(file_name: &str) -> String {
    let mut value = String::with_capacity(file_name.len() * 2 + 40);
    value.push_str("inline; filename=\"");
    value.extend(file_name.chars().map(|c| match c {
        // A percent sign, too: some browsers decode escapes within the quotes.
        '"' | '\\' | '%' => '_',
        ' '..='~' => c,
        _ => '_',
    }));
    value.push_str("\"; filename*=UTF-8''");
    encode_into(file_name, &mut value);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_kinds() {
        for (name, expected) in [
            ("a.mkv", r#"inline; filename="a.mkv"; filename*=UTF-8''a.mkv"#),
            ("two words.mp4", r#"inline; filename="two words.mp4"; filename*=UTF-8''two%20words.mp4"#),
            ("é\u{1F600}.mp4", r#"inline; filename="__.mp4"; filename*=UTF-8''%C3%A9%F0%9F%98%80.mp4"#),
            ("a\"; x=\"b", r#"inline; filename="a_; x=_b"; filename*=UTF-8''a%22%3B%20x%3D%22b"#),
            ("a\r\nb\\%41", r#"inline; filename="a__b__41"; filename*=UTF-8''a%0D%0Ab%5C%2541"#),
        ] {
            assert_eq!(inline(name), expected);
        }
    }
}
