//! Whom to trust in TLS: loaded by a worker when the first TCP_SECURE comes, and who waits for it.

use crate::ids::ConnId;
use crate::tls::Trust;
use std::sync::Arc;

/// The roots, or who waits for them.
#[derive(Debug)]
pub enum Trusted {
    /// Nobody has asked.
    Unasked,
    /// A worker is at it, for these.
    Loading(Vec<ConnId>),
    /// There they are.
    Loaded(Arc<Trust>),
    /// They can't be had.
    Failed,
}
