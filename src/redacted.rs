//! A value that must never be shown: its only text is `[redacted]`.
//! It keeps secrets out of logs, errors and panics by their type; it gives no protection in memory.

use std::fmt;

/// Wraps a secret, such as a token that came by the command line.
#[derive(Clone, PartialEq, Eq)]
pub struct Redacted<T>(T);

impl<T> Redacted<T> {
    /// Wraps a secret.
    pub const fn new(secret: T) -> Redacted<T> {
        Redacted(secret)
    }

    /// The secret itself, for the few places that must have it; the name makes them easy to find.
    pub const fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::Redacted;

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Redacted::new(String::from("hunter2"));
        assert_eq!(format!("{secret:?} {:#?}", Some(&secret)), "[redacted] Some(\n    [redacted],\n)");
        assert_eq!(secret.reveal(), "hunter2");
    }
}
