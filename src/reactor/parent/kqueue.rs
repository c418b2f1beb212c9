//! macOS and the BSDs: a kqueue of its own reports the process's exit, and is itself watched by mio's.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token, Waker};
use rustix::event::kqueue::{Event, EventFilter, EventFlags, ProcessEvents, kevent, kqueue};
use rustix::io::Errno;

use super::family;
pub(super) use super::family::starter;

/// A process that is being watched.
pub(super) struct Process {
    queue: OwnedFd,
    dead: bool,
}

impl Process {
    /// `None`: there is no such process.
    pub(super) fn watch(
        pid: u32,
        registry: &Registry,
        token: Token,
        _waker: &Arc<Waker>,
    ) -> io::Result<Option<Process>> {
        let Some(pid) = family::pid(pid) else { return Ok(None) };
        let queue = kqueue()?;
        let exit = EventFilter::Proc { pid, flags: ProcessEvents::EXIT };
        let add = [Event::new(exit, EventFlags::ADD, std::ptr::null_mut())];
        match changed(&queue, &add) {
            Ok(events) => {
                registry.register(&mut SourceFd(&queue.as_raw_fd()), token, Interest::READABLE)?;
                Ok(Some(Process { queue, dead: events > 0 }))
            }
            Err(Errno::SRCH) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn shows_as_wake(&self) -> bool {
        false
    }

    pub(super) fn is_dead(&mut self) -> bool {
        self.dead = self.dead || changed(&self.queue, &[]).is_ok_and(|events| events > 0);
        self.dead
    }

    /// Nothing cheap tells.
    pub(super) fn is_younger_than_us(&self) -> bool {
        false
    }
}

/// Applies changes without waiting, and says how many events there are.
fn changed(queue: &OwnedFd, changes: &[Event]) -> Result<usize, Errno> {
    let mut events = Vec::with_capacity(1);
    // SAFETY: the changes name a process, no file descriptor that could be closed meanwhile.
    unsafe { kevent(queue, changes, rustix::buffer::spare_capacity(&mut events), Some(Duration::ZERO)) }
}
