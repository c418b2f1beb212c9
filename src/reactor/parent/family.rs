//! Finds the process that started us, on any Unix. It never mistakes whoever adopts orphans for it.

use rustix::process::{Pid, getpid, getppid, getsid};

use super::Starter;

/// The parent by the kernel's word, unless there are signs that it only adopted us.
///
/// When a parent dies, its children are handed to process 1 or to a "subreaper" such as a user's service manager, and
/// nothing says so. But a starter either shares its session (`getsid(2)`) with us or has made us the leader of one,
/// while those who adopt live in sessions of their own.
pub(super) fn starter() -> Starter {
    let Some(parent) = getppid() else { return Starter::Unseen };
    let session = getsid(None).ok();
    let leads_session = session == Some(getpid());
    match getsid(Some(parent)) {
        Ok(of_parent) if Some(of_parent) != session && !leads_session => Starter::Gone,
        // It died between the two calls.
        Err(rustix::io::Errno::SRCH) => Starter::Gone,
        // Systems that don't tell other sessions' processes apart leave nothing to compare.
        _ => Starter::Pid(number(parent)),
    }
}

/// A process id as a plain number.
fn number(pid: Pid) -> u32 {
    pid.as_raw_nonzero().get().unsigned_abs()
}

/// A plain number as a process id; `None` for what can't be one.
pub(super) fn pid(number: u32) -> Option<Pid> {
    i32::try_from(number).ok().and_then(Pid::from_raw)
}
