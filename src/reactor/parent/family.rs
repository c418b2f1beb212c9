//! Finds the process that started us, on any Unix. It never mistakes whoever adopts orphans for it.

use std::io;

use rustix::process::{Pid, getpid, getppid};

use super::Starter;

/// The parent by the kernel's word, unless there are signs that it only adopted us.
///
/// When a parent dies, its children are handed to process 1 or to a "subreaper" such as a user's service manager, and
/// nothing says so. But a starter either shares its session (`getsid(2)`) with us or has made us the leader of one,
/// while those who adopt live in sessions of their own.
pub(super) fn starter() -> Starter {
    let Some(parent) = getppid() else { return Starter::Unseen };
    let session = session_of(0).ok();
    let leads_session = session == Some(getpid().as_raw_pid());
    match session_of(parent.as_raw_pid()) {
        Ok(of_parent) if Some(of_parent) != session && !leads_session => Starter::Gone,
        // It died between the two calls.
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Starter::Gone,
        // Systems that don't tell other sessions' processes apart leave nothing to compare.
        _ => Starter::Pid(number(parent)),
    }
}

/// The session of a process, 0 for ourselves: see `getsid(2)`. In a process namespace whose first process belongs to
/// a session from outside, that session's number is 0, which rustix's `getsid` takes for impossible.
fn session_of(pid: libc::pid_t) -> io::Result<libc::pid_t> {
    // SAFETY: takes and gives numbers, and touches no memory of ours.
    let session = unsafe { libc::getsid(pid) };
    if session < 0 { Err(io::Error::last_os_error()) } else { Ok(session) }
}

/// A process id as a plain number.
fn number(pid: Pid) -> u32 {
    pid.as_raw_nonzero().get().unsigned_abs()
}

/// A plain number as a process id; `None` for what can't be one.
pub(super) fn pid(number: u32) -> Option<Pid> {
    i32::try_from(number).ok().and_then(Pid::from_raw)
}
