//! What happened, as one number: two runs of one seed must come to the same. `SIM_TRACE=1` prints it line by line.

use std::hash::{DefaultHasher, Hasher};

/// A running hash over everything that happens.
#[derive(Debug)]
pub(crate) struct Trace {
    hasher: DefaultHasher,
    lines: u64,
    loud: bool,
    /// Nobody asks what happened, only how much.
    mute: bool,
}

impl Trace {
    /// `brief`: nobody compares two runs, so that what happened is put into words only to be printed.
    pub(crate) fn new(brief: bool) -> Trace {
        let loud = std::env::var_os("SIM_TRACE").is_some();
        // Without random keys: the same in every process.
        Trace { hasher: DefaultHasher::new(), lines: 0, loud, mute: brief && !loud }
    }

    /// Whether what happens need not be put into words.
    pub(crate) fn is_mute(&self) -> bool {
        self.mute
    }

    /// Something happened.
    pub(crate) fn note(&mut self, now: u64, what: impl FnOnce() -> String) {
        self.lines += 1;
        if self.mute {
            return;
        }
        let line = what();
        self.hasher.write(line.as_bytes());
        self.hasher.write_u64(now);
        if self.loud {
            eprintln!("{now:>12} {line}");
        }
    }

    /// How much has happened.
    pub(crate) fn len(&self) -> u64 {
        self.lines
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hasher.finish()
    }
}
