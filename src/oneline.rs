//! Makes text from outside fit for one line of a log or terminal: no line break and no escape sequence survives.
//! It never shortens, and knows nothing about secrets (that is `redacted.rs`).

use std::borrow::Cow;
use std::fmt::Write;

/// Shows control characters as `\n`, `\u{1b}` and so on; text without any is passed through.
pub fn one_line(text: &str) -> Cow<'_, str> {
    if !text.chars().any(breaks_lines) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if breaks_lines(c) {
            // Writing to a String can't fail.
            let _ = write!(line, "{}", c.escape_default());
        } else {
            line.push(c);
        }
    }
    Cow::Owned(line)
}

/// Control characters, and the two separators that some viewers take as a line's end.
fn breaks_lines(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn plain_text_is_not_copied() {
        assert!(matches!(one_line("späte Grüße"), std::borrow::Cow::Borrowed("späte Grüße")));
    }

    #[test]
    fn nothing_breaks_the_line() {
        assert_eq!(one_line("a\r\nb\u{1b}[31m\u{85}\u{2028}\0"), "a\\r\\nb\\u{1b}[31m\\u{85}\\u{2028}\\u{0}");
    }
}
