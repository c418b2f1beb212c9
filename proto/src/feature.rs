//! The optional parts of the `/io` protocol that a hello agrees on (PROTOCOL §6.2). Owns their names and the set of
//! them; not what they do.

/// One optional part of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Feature {
    /// Per-socket windows in both directions (PROTOCOL §6.3).
    Credit = 1,
    /// Many messages in one BATCH.
    Batch = 2,
    /// Deferred availability: RANGE_REQUEST and its kin (PROTOCOL §5).
    Range = 4,
    /// The daemon sends a KEEPALIVE every 20 s.
    Keepalive = 8,
}

impl Feature {
    /// Every feature, in the order of the protocol document.
    pub const ALL: [Self; 4] = [Self::Credit, Self::Batch, Self::Range, Self::Keepalive];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Credit => "credit",
            Self::Batch => "batch",
            Self::Range => "range",
            Self::Keepalive => "keepalive",
        }
    }

    /// The feature of that name; names that a later protocol may add are `None`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|feature| feature.name() == name)
    }
}

/// A set of features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Features(u8);

impl Features {
    /// No feature: a client with an empty hello, or none.
    pub const NONE: Self = Self(0);
    /// Every feature that this daemon has.
    pub const ALL: Self = Self(15);

    /// Whether the feature is in the set.
    pub const fn has(self, feature: Feature) -> bool {
        self.0 & feature as u8 != 0
    }

    /// The set with one more feature.
    #[must_use]
    pub const fn with(self, feature: Feature) -> Self {
        Self(self.0 | feature as u8)
    }

    /// The features of the set, in the order of the protocol document.
    pub fn iter(self) -> impl Iterator<Item = Feature> {
        Feature::ALL.into_iter().filter(move |feature| self.has(*feature))
    }
}

impl FromIterator<Feature> for Features {
    fn from_iter<I: IntoIterator<Item = Feature>>(features: I) -> Self {
        features.into_iter().fold(Self::NONE, Self::with)
    }
}
