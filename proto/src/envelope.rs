//! The eight bytes before each binary payload (PROTOCOL §6.2): `[version:1][opcode:1][flags:2][requestId:4]`. Owns them
//! and the value that says what was wrong with a message; knows no payload.

use std::borrow::Cow;
use std::fmt;

use crate::op::Op;

/// Bytes of an envelope.
pub const ENVELOPE_BYTES: usize = 8;
/// The one version of the protocol.
pub const VERSION: u8 = 1;

/// The envelope of a known op, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// What the payload is.
    pub op: Op,
    /// The request's number; a reply bears its request's, an event 0.
    pub request_id: u32,
}

/// What can be wrong with an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnvelopeError {
    /// Fewer than eight bytes.
    Short {
        /// How many there are.
        len: usize,
    },
    /// Another version: the connection can't go on.
    Version {
        /// The version it bears.
        version: u8,
        /// The request's number, read as in version 1.
        request_id: u32,
    },
    /// Flags that mean nothing yet.
    Flags {
        /// The request's number.
        request_id: u32,
    },
    /// An opcode that names nothing.
    UnknownOp {
        /// The opcode.
        code: u8,
        /// The request's number.
        request_id: u32,
    },
}

impl Envelope {
    /// Parts a binary message into envelope and payload.
    ///
    /// # Errors
    /// [`EnvelopeError`], in the order of its variants.
    pub fn parse(message: &[u8]) -> Result<(Self, &[u8]), EnvelopeError> {
        let Some((&[version, code, flags_low, flags_high, id @ ..], payload)) =
            message.split_first_chunk::<ENVELOPE_BYTES>()
        else {
            return Err(EnvelopeError::Short { len: message.len() });
        };
        let request_id = u32::from_le_bytes(id);
        if version != VERSION {
            return Err(EnvelopeError::Version { version, request_id });
        }
        if (flags_low, flags_high) != (0, 0) {
            return Err(EnvelopeError::Flags { request_id });
        }
        let op = Op::from_code(code).ok_or(EnvelopeError::UnknownOp { code, request_id })?;
        Ok((Self { op, request_id }, payload))
    }

    /// The envelope's bytes.
    pub const fn to_bytes(self) -> [u8; ENVELOPE_BYTES] {
        let [a, b, c, d] = self.request_id.to_le_bytes();
        [VERSION, self.op.code(), 0, 0, a, b, c, d]
    }
}

/// A message that is to be answered by ERROR (PROTOCOL §6.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// The request's number as far as it could be read, else 0.
    pub request_id: u32,
    /// One sentence for the ERROR: what was wrong and what would be right.
    pub text: Cow<'static, str>,
    /// The connection is to be closed with 1002 after the ERROR (a wrong version).
    pub fatal: bool,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Malformed {}

impl From<EnvelopeError> for Malformed {
    fn from(error: EnvelopeError) -> Self {
        let (request_id, text) = match error {
            EnvelopeError::Short { len } => (
                0,
                format!("a binary message begins with 8 bytes of envelope; this one has {len} in all").into(),
            ),
            EnvelopeError::Version { version, request_id } => {
                (request_id, format!("version {version} is not spoken here; the first byte must be 1").into())
            }
            EnvelopeError::Flags { request_id } => {
                (request_id, Cow::Borrowed("flags (the third and fourth byte) must be 0"))
            }
            EnvelopeError::UnknownOp { code, request_id } => {
                (request_id, format!("opcode {code:#04x} is unknown").into())
            }
        };
        Self { request_id, text, fatal: matches!(error, EnvelopeError::Version { .. }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_it_formats() {
        let envelope = Envelope { op: Op::RootsChanged, request_id: 0xDEAD_BEEF };
        let mut bytes = envelope.to_bytes().to_vec();
        assert_eq!(bytes, [1, 0xE0, 0, 0, 0xEF, 0xBE, 0xAD, 0xDE]);
        bytes.push(7);
        assert_eq!(Envelope::parse(&bytes), Ok((envelope, &[7][..])));
    }

    #[test]
    fn errors_carry_the_request_id_as_far_as_it_can_be_read() {
        let cases: [(&[u8], u32, bool); 5] = [
            (&[], 0, false),
            (&[1, 5, 0, 0, 9, 0, 0], 0, false),
            (&[2, 5, 0, 0, 9, 0, 0, 0], 9, true),
            (&[1, 5, 0, 1, 9, 0, 0, 0], 9, false),
            (&[1, 0x44, 0, 0, 9, 0, 0, 0], 9, false),
        ];
        for (bytes, request_id, fatal) in cases {
            let malformed: Malformed = Envelope::parse(bytes).expect_err("malformed").into();
            assert_eq!((malformed.request_id, malformed.fatal), (request_id, fatal), "{malformed}");
        }
    }
}
