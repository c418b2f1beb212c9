//! Incremental UTF-8 validation of text that arrives in pieces. Owns the at most three bytes of a character that a
//! cut left unfinished; it never stores or changes the text itself.

/// A byte that no continuation could make valid UTF-8 (RFC 3629), or a text that ends inside a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidUtf8;

/// The state between two pieces of one text.
///
/// [`push`](Self::push) fails at the first byte that makes the text invalid, whatever would follow it (RFC 6455 §8.1
/// asks only that the text fails; failing at once is what the strict cases of the Autobahn suite test).
#[derive(Debug, Clone, Copy, Default)]
pub struct Utf8Check {
    pending: [u8; 4],
    pending_len: usize,
}

impl Utf8Check {
    /// A check at the start of a text.
    pub const fn new() -> Self {
        Self { pending: [0; 4], pending_len: 0 }
    }

    /// Takes the next piece of the text, of any length, cut anywhere.
    ///
    /// # Errors
    /// [`InvalidUtf8`] when no text could begin with the bytes taken so far. The check is then of no further use.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), InvalidUtf8> {
        let rest = self.finish_pending(piece)?;
        let Err(error) = std::str::from_utf8(rest) else { return Ok(()) };
        if error.error_len().is_some() {
            return Err(InvalidUtf8);
        }
        // The standard library says "no length" only when the rest is a valid beginning of a character.
        let tail = &rest[error.valid_up_to()..];
        self.pending[..tail.len()].copy_from_slice(tail);
        self.pending_len = tail.len();
        Ok(())
    }

    /// Ends the text and makes the check ready for the next one.
    ///
    /// # Errors
    /// [`InvalidUtf8`] when the text ended inside a character.
    pub fn finish(&mut self) -> Result<(), InvalidUtf8> {
        let unfinished = std::mem::take(&mut self.pending_len) != 0;
        if unfinished { Err(InvalidUtf8) } else { Ok(()) }
    }

    /// Completes the character left over from the piece before, byte by byte, and returns what follows it.
    fn finish_pending<'p>(&mut self, mut piece: &'p [u8]) -> Result<&'p [u8], InvalidUtf8> {
        while self.pending_len > 0 {
            let Some((&byte, rest)) = piece.split_first() else { break };
            // At most three bytes are ever pending: four bytes are a whole character or none.
            self.pending[self.pending_len] = byte;
            self.pending_len += 1;
            piece = rest;
            match std::str::from_utf8(&self.pending[..self.pending_len]) {
                Ok(_) => self.pending_len = 0,
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return Err(InvalidUtf8),
            }
        }
        Ok(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes are taken, one at a time, before the check fails; `None` when it never does.
    fn fails_at(bytes: &[u8]) -> Option<usize> {
        let mut check = Utf8Check::new();
        bytes.iter().position(|byte| check.push(&[*byte]).is_err())
    }

    #[test]
    fn fails_at_the_first_impossible_byte() {
        assert_eq!(fails_at("κόσμε 🎈".as_bytes()), None);
        assert_eq!(fails_at(b"ab\x80"), Some(2), "a continuation byte on its own");
        assert_eq!(fails_at(b"\xC0\xAF"), Some(0), "overlong in two bytes");
        assert_eq!(fails_at(b"\xE0\x80\x80"), Some(1), "overlong in three bytes");
        assert_eq!(fails_at(b"\xED\xA0\x80"), Some(1), "a surrogate");
        assert_eq!(fails_at(b"\xF4\x90\x80\x80"), Some(1), "above U+10FFFF");
        assert_eq!(fails_at(b"\xF5"), Some(0));
        assert_eq!(fails_at(b"\xF0\x9F\x8E\x41"), Some(3), "a character cut short by the next");
    }

    #[test]
    fn an_unfinished_character_fails_only_at_the_end() {
        let mut check = Utf8Check::new();
        assert_eq!(check.push(b"x\xF0\x9F"), Ok(()));
        assert_eq!(check.finish(), Err(InvalidUtf8));
        assert_eq!(check.push(b"fresh"), Ok(()), "finish starts a new text");
        assert_eq!(check.finish(), Ok(()));
    }

    #[test]
    fn every_cut_gives_the_verdict_of_the_whole() {
        for text in [&b"a\xC3\xA9b\xE2\x82\xACc\xF0\x9F\x8E\x88d"[..], b"ok\xE2\x28\xA1", b"\xF0\x9F\x8E"] {
            for first in 0..=text.len() {
                for second in first..=text.len() {
                    let mut check = Utf8Check::new();
                    let whole = [&text[..first], &text[first..second], &text[second..]]
                        .iter()
                        .try_for_each(|piece| check.push(piece))
                        .and_then(|()| check.finish());
                    assert_eq!(
                        whole.is_ok(),
                        std::str::from_utf8(text).is_ok(),
                        "{text:?} cut at {first}, {second}"
                    );
                }
            }
        }
    }
}
