//! What the tests stand on: the daemon as a process, and clients for its two protocols, written apart from its code.

pub(crate) mod daemon;
pub(crate) mod http;
pub(crate) mod process;
pub(crate) mod ws;

use std::time::Duration;

/// How long anything that should come may take: long, as the machine may be busy, and only ever waited for in full by
/// a test that fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
