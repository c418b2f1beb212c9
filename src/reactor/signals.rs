//! Notices that the system or the user at the terminal asks the daemon to end: SIGTERM, SIGINT and SIGHUP, or on
//! Windows the console's control events. It never ends anything itself: the loop asks after an event or a wake.
//!
//! SIGHUP ends the daemon as the closing terminal of a `--dev` run means it to, unless it was ignored when the daemon
//! was started (`nohup`). SIGPIPE is ignored by Rust's runtime, so that writing to a closed pipe is an error.

use std::io;
use std::sync::Arc;

use mio::{Registry, Token, Waker};

#[cfg(unix)]
#[path = "signals/unix.rs"]
mod platform;
#[cfg(windows)]
#[path = "signals/windows.rs"]
mod platform;

/// The way in for requests to end.
pub struct Signals(platform::Signals);

impl Signals {
    /// Whether a request may show as a wake: else there is no need to ask after each of them.
    pub const SHOW_AS_WAKE: bool = cfg!(windows);

    /// Starts to listen, once a process. A request shows as an event with `token`, or as a wake by `waker`.
    ///
    /// # Errors
    /// The system refuses, or is short of descriptors.
    pub fn start(registry: &Registry, token: Token, waker: &Arc<Waker>) -> io::Result<Signals> {
        platform::Signals::start(registry, token, waker).map(Signals)
    }

    /// The name of what asked the daemon to end since the last call. Must be called after each event with the token.
    pub fn asked_to_end(&mut self) -> Option<&'static str> {
        self.0.asked_to_end()
    }
}
