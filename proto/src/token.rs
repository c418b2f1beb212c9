//! The secret that opens the daemon, compared in constant time and never shown by accident.
//!
//! Draws no random bytes itself: they are handed in.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use subtle::ConstantTimeEq;

/// A bearer secret: the daemon's token, or a stream's ticket. `Debug` hides it, `Display` does not exist.
#[derive(Clone)]
pub struct Token(Box<str>);

impl Token {
    /// A token of random bytes (32 for PROTOCOL §1's 256 bits), base64url without padding.
    pub fn from_random(bytes: &[u8]) -> Self {
        Token(BASE64URL_NOPAD.encode(bytes).into())
    }

    /// A token that somebody else chose (`--token`): visible ASCII, at least one character, else `None`.
    pub fn from_text(text: &str) -> Option<Self> {
        (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| Token(text.into()))
    }

    /// The secret itself, for the ready line or a ticket's URL and nothing else.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether `candidate` is this secret. The time it takes tells at most whether the lengths are equal.
    pub fn matches(&self, candidate: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(candidate).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_nothing_and_matches_only_itself() {
        let token = Token::from_random(&[0xFB; 32]);
        assert_eq!(token.reveal().len(), 43);
        assert!(token.matches(token.reveal().as_bytes()));
        let mut other = token.reveal().to_owned().into_bytes();
        other[42] ^= 1;
        assert!(!token.matches(&other));
        assert!(!token.matches(&token.reveal().as_bytes()[..42]) && !token.matches(b""));
        assert!(!format!("{token:?}").contains(&token.reveal()[..4]));
        assert!(Token::from_text("").is_none() && Token::from_text("a b").is_none());
        assert!(Token::from_text("dev~token").is_some_and(|t| t.matches(b"dev~token")));
    }
}
