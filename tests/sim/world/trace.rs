//! What happened, as one number: two runs of one seed must come to the same. `SIM_TRACE=1` prints it line by line.

use std::hash::{DefaultHasher, Hasher};

/// A running hash over everything that happens.
#[derive(Debug)]
pub(crate) struct Trace {
    hasher: DefaultHasher,
    lines: u64,
    loud: bool,
}

impl Trace {
    pub(crate) fn new() -> Trace {
        // Without random keys: the same in every process.
        Trace { hasher: DefaultHasher::new(), lines: 0, loud: std::env::var_os("SIM_TRACE").is_some() }
    }

    /// Something happened.
    pub(crate) fn note(&mut self, now: u64, what: impl FnOnce() -> String) {
        let line = what();
        self.lines += 1;
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
