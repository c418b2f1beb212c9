//! Windows: the console's control handler, which the system calls on a thread of its own.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use mio::{Registry, Token, Waker};
use windows_sys::Win32::System::Console::{
    CTRL_BREAK_EVENT, CTRL_C_EVENT, CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT,
    SetConsoleCtrlHandler,
};

/// The last event plus one; 0 = none. Static, as the system hands its handler nothing of ours.
static LAST: AtomicU32 = AtomicU32::new(0);
static WAKER: OnceLock<Arc<Waker>> = OnceLock::new();

pub(super) struct Signals(());

impl Signals {
    pub(super) fn start(_registry: &Registry, _token: Token, waker: &Arc<Waker>) -> io::Result<Signals> {
        WAKER.set(waker.clone()).map_err(|_| io::Error::other("signals were started before"))?;
        // SAFETY: the handler is a function of the right type, and stays for as long as the process.
        if unsafe { SetConsoleCtrlHandler(Some(handler), 1) } == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Signals(()))
    }

    pub(super) fn asked_to_end(&mut self) -> Option<&'static str> {
        match LAST.swap(0, Ordering::AcqRel).checked_sub(1)? {
            CTRL_C_EVENT => Some("Ctrl+C"),
            CTRL_BREAK_EVENT => Some("Ctrl+Break"),
            CTRL_CLOSE_EVENT => Some("the console's end"),
            CTRL_LOGOFF_EVENT => Some("the log-off"),
            CTRL_SHUTDOWN_EVENT => Some("the shutdown"),
            _ => Some("a control event"),
        }
    }
}

/// Notes the event. After some of them the system ends the process as soon as the handler returns, so that those wait
/// for the orderly end; it never comes back from the wait, or the system loses its patience first (5 s).
unsafe extern "system" fn handler(event: u32) -> i32 {
    LAST.store(event + 1, Ordering::Release);
    if let Some(waker) = WAKER.get() {
        // A loop that can't be woken has ended.
        let _ = waker.wake();
    }
    if matches!(event, CTRL_CLOSE_EVENT | CTRL_LOGOFF_EVENT | CTRL_SHUTDOWN_EVENT) {
        thread::sleep(Duration::from_secs(5));
    }
    1
}
