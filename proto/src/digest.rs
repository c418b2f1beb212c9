//! The digest that a FILE_WRITE is checked against. Owns its kinds and their sizes; computes none.

/// What the data of a FILE_WRITE must hash to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digest {
    /// No check.
    None,
    /// SHA-1.
    Sha1([u8; 20]),
    /// SHA-256.
    Sha256([u8; 32]),
}

impl Digest {
    /// The number of the `check` field.
    pub const fn check(&self) -> u8 {
        match self {
            Self::None => 0,
            Self::Sha1(_) => 1,
            Self::Sha256(_) => 2,
        }
    }

    /// Bytes of the `digest` field after that `check`; `None` for a check that isn't known.
    pub const fn len_for(check: u8) -> Option<usize> {
        match check {
            0 => Some(0),
            1 => Some(20),
            2 => Some(32),
            _ => None,
        }
    }

    /// The digest's bytes.
    pub const fn as_bytes(&self) -> &[u8] {
        match self {
            Self::None => &[],
            Self::Sha1(bytes) => bytes,
            Self::Sha256(bytes) => bytes,
        }
    }

    /// A digest of as many bytes as its check has; `None` where they are not that many.
    pub fn new(check: u8, bytes: &[u8]) -> Option<Self> {
        match check {
            0 => bytes.is_empty().then_some(Self::None),
            1 => bytes.try_into().ok().map(Self::Sha1),
            2 => bytes.try_into().ok().map(Self::Sha256),
            _ => None,
        }
    }
}
