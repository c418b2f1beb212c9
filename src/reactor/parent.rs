//! Notices the death of the process that the daemon belongs to (PROTOCOL §1), within a second and, where the platform
//! can tell, without polling. It decides nothing: the loop asks [`ParentWatch::is_dead`] after an event or a wake.
//!
//! One file a platform gives `Process`, which watches a process id, and `starter`, which finds who started us:
//! a pidfd on Linux, kqueue on macOS and the BSDs, a process handle on Windows, and polling for what is left.

use std::io;
use std::sync::Arc;

use mio::{Registry, Token, Waker};

use crate::config::Parent;

#[cfg(any(
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly"
))]
#[path = "parent/kqueue.rs"]
mod platform;
#[cfg(target_os = "linux")]
#[path = "parent/linux.rs"]
mod platform;
#[cfg(windows)]
#[path = "parent/windows.rs"]
mod platform;

#[cfg(unix)]
mod family;
#[cfg(target_os = "linux")]
mod polled;

use platform::{Process, starter};

/// A watched parent.
pub struct ParentWatch(Process);

/// What came of [`ParentWatch::start`].
pub enum Start {
    /// The parent lives, and its death will be noticed.
    Watching(ParentWatch),
    /// The parent is dead, or a zombie: the daemon should end.
    AlreadyDead,
    /// Nobody is to be watched, or the process that started us can't be seen from here (it is outside our container).
    Nobody,
}

/// Who started us.
enum Starter {
    Pid(u32),
    /// It died before we looked; whoever adopted us is not it.
    #[cfg_attr(windows, expect(dead_code, reason = "Windows goes on naming a dead parent"))]
    Gone,
    /// It has no id in our process namespace.
    Unseen,
}

impl ParentWatch {
    /// Starts to watch. Death shows as an event with `token`, or on some platforms as a wake by `waker`.
    ///
    /// # Errors
    /// The system refuses to have the process watched, or is short of descriptors.
    pub fn start(parent: Parent, registry: &Registry, token: Token, waker: &Arc<Waker>) -> io::Result<Start> {
        let (pid, is_starter) = match parent {
            Parent::Nobody => return Ok(Start::Nobody),
            Parent::Pid(pid) => (pid, false),
            Parent::Starter => match starter() {
                Starter::Pid(pid) => (pid, true),
                Starter::Gone => return Ok(Start::AlreadyDead),
                Starter::Unseen => return Ok(Start::Nobody),
            },
        };
        let Some(mut process) = Process::watch(pid, registry, token, waker)? else {
            return Ok(Start::AlreadyDead);
        };
        // Only now that the process is held can its id not be given to another one: look again who it is.
        let replaced = is_starter && !matches!(starter(), Starter::Pid(again) if again == pid);
        if replaced || process.is_younger_than_us() || process.is_dead() {
            return Ok(Start::AlreadyDead);
        }
        Ok(Start::Watching(ParentWatch(process)))
    }

    /// Whether its death may show as a wake: else there is no need to ask after each of them.
    pub fn shows_as_wake(&self) -> bool {
        self.0.shows_as_wake()
    }

    /// Whether the parent has died. Cheap; true for good once it was true.
    pub fn is_dead(&mut self) -> bool {
        self.0.is_dead()
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
