//! Linux: a pidfd becomes readable when the process ends, before anyone has reaped it. Where there are no pidfds
//! (before Linux 5.3, or forbidden by a sandbox) the process is polled.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token, Waker};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, pidfd_open};

pub(super) use super::family::starter;
use super::{family, polled};

/// A process that is being watched.
pub(super) struct Process {
    pid: u32,
    how: How,
}

enum How {
    Held(OwnedFd),
    Polled(polled::Poll),
}

impl Process {
    /// `None`: there is no such process.
    pub(super) fn watch(
        pid: u32,
        registry: &Registry,
        token: Token,
        waker: &Arc<Waker>,
    ) -> io::Result<Option<Process>> {
        let Some(id) = family::pid(pid) else { return Ok(None) };
        let how = match pidfd_open(id, PidfdFlags::empty()) {
            Ok(fd) => {
                registry.register(&mut SourceFd(&fd.as_raw_fd()), token, Interest::READABLE)?;
                How::Held(fd)
            }
            // The id of a thread that is no process is one of the latter two.
            Err(Errno::SRCH | Errno::INVAL | Errno::NOENT) => return Ok(None),
            Err(Errno::NOSYS | Errno::PERM | Errno::ACCESS) => How::Polled(polled::Poll::start(id, waker)?),
            Err(error) => return Err(error.into()),
        };
        Ok(Some(Process { pid, how }))
    }

    pub(super) fn shows_as_wake(&self) -> bool {
        matches!(self.how, How::Polled(_))
    }

    pub(super) fn is_dead(&mut self) -> bool {
        match &self.how {
            How::Held(fd) => {
                let mut fds = [PollFd::new(fd, PollFlags::IN)];
                // An error (a signal, say) says nothing; an event or a wake follows any death.
                poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
            }
            How::Polled(poll) => poll.is_dead(),
        }
    }

    /// Whoever named the process, or was it, was there before us: one that began later has a dead one's id.
    pub(super) fn is_younger_than_us(&self) -> bool {
        match (started(&self.pid.to_string()), started("self")) {
            (Some(theirs), Some(ours)) => theirs > ours,
            // Without /proc nothing is known against it.
            _ => false,
        }
    }
}

/// When a process began, in ticks since the system did: field 22 of proc_pid_stat(5).
fn started(pid: &str) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything; what follows the last one is field 3.
    stat.rsplit_once(") ")?.1.split(' ').nth(22 - 3)?.parse().ok()
}
