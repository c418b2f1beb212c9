//! The last resort: a thread that looks twice a second whether a process is there. The only part that polls.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use mio::Waker;
use rustix::process::{Pid, test_kill_process};

/// Half of the second within which death must be noticed.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A process that is looked at now and then.
pub(super) struct Poll(Arc<AtomicBool>);

impl Poll {
    pub(super) fn start(pid: Pid, waker: &Arc<Waker>) -> io::Result<Poll> {
        let dead = Arc::new(AtomicBool::new(is_gone(pid)));
        let (seen, waker) = (dead.clone(), waker.clone());
        let look = move || {
            while !is_gone(pid) {
                thread::sleep(LOOK_EVERY);
            }
            seen.store(true, Ordering::Release);
            // A loop that can't be woken has ended.
            let _ = waker.wake();
        };
        thread::Builder::new().name("parent watch".to_owned()).stack_size(64 << 10).spawn(look)?;
        Ok(Poll(dead))
    }

    pub(super) fn is_dead(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// No such process, or one that only waits to be reaped.
fn is_gone(pid: Pid) -> bool {
    if test_kill_process(pid) == Err(rustix::io::Errno::SRCH) {
        return true;
    }
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X']))
}
