//! Windows: a thread waits for the process's handle to be signalled, and wakes the loop.

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use mio::{Registry, Token, Waker};
use windows_sys::Win32::Foundation::{
    ERROR_INVALID_PARAMETER, FILETIME, HANDLE, INVALID_HANDLE_VALUE, WAIT_OBJECT_0,
};
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, PROCESSENTRY32W, Process32FirstW, Process32NextW, TH32CS_SNAPPROCESS,
};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, GetProcessTimes, INFINITE, OpenProcess, PROCESS_QUERY_LIMITED_INFORMATION,
    PROCESS_SYNCHRONIZE, WaitForSingleObject,
};

use super::Starter;

/// A process that is being watched.
pub(super) struct Process {
    handle: Arc<OwnedHandle>,
    dead: Arc<AtomicBool>,
}

impl Process {
    /// `None`: there is no such process.
    pub(super) fn watch(
        pid: u32,
        _registry: &Registry,
        _token: Token,
        waker: &Arc<Waker>,
    ) -> io::Result<Option<Process>> {
        // SAFETY: no pointer is handed over.
        let raw = unsafe { OpenProcess(PROCESS_SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION, 0, pid) };
        if raw.is_null() {
            let error = io::Error::last_os_error();
            let unknown = error.raw_os_error() == Some(ERROR_INVALID_PARAMETER as i32);
            return if unknown { Ok(None) } else { Err(error) };
        }
        // SAFETY: the handle was just opened, and nobody else closes it.
        let handle = Arc::new(unsafe { OwnedHandle::from_raw_handle(raw) });
        let dead = Arc::new(AtomicBool::new(false));
        let (watched, seen, waker) = (handle.clone(), dead.clone(), waker.clone());
        let wait = move || {
            if has_ended(&watched, INFINITE) {
                seen.store(true, Ordering::Release);
                // A loop that can't be woken has ended.
                let _ = waker.wake();
            }
        };
        thread::Builder::new().name("parent watch".to_owned()).stack_size(64 << 10).spawn(wait)?;
        Ok(Some(Process { handle, dead }))
    }

    pub(super) fn shows_as_wake(&self) -> bool {
        true
    }

    pub(super) fn is_dead(&mut self) -> bool {
        self.dead.load(Ordering::Acquire) || has_ended(&self.handle, 0)
    }

    /// Whoever named the process, or was it, was there before us: one that began later has a dead one's id.
    pub(super) fn is_younger_than_us(&self) -> bool {
        // SAFETY: a constant that stands for our own process.
        let ours = unsafe { GetCurrentProcess() };
        matches!((started(self.handle.as_raw_handle()), started(ours)), (Some(theirs), Some(ours)) if theirs > ours)
    }
}

fn has_ended(process: &OwnedHandle, wait_ms: u32) -> bool {
    // SAFETY: the handle is open as long as the reference lives.
    unsafe { WaitForSingleObject(process.as_raw_handle(), wait_ms) == WAIT_OBJECT_0 }
}

/// When a process began, in units of 100 ns.
fn started(process: HANDLE) -> Option<u64> {
    let mut times = [FILETIME { dwLowDateTime: 0, dwHighDateTime: 0 }; 4];
    let [created, exited, kernel, user] = &mut times;
    // SAFETY: the four pointers are to places that outlive the call.
    let told = unsafe { GetProcessTimes(process, created, exited, kernel, user) };
    (told != 0).then(|| u64::from(times[0].dwHighDateTime) << 32 | u64::from(times[0].dwLowDateTime))
}

/// The process that started us, by the system's list. The id stays there when it has died, and may have been given to
/// another process: [`Process::is_younger_than_us`] finds that out.
pub(super) fn starter() -> Starter {
    match parent_in_list(std::process::id()) {
        Some(pid) => Starter::Pid(pid),
        None => Starter::Unseen,
    }
}

fn parent_in_list(pid: u32) -> Option<u32> {
    // SAFETY: no pointer is handed over.
    let raw = unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0) };
    if raw == INVALID_HANDLE_VALUE {
        return None;
    }
    // SAFETY: the handle was just opened, and nobody else closes it.
    let list = unsafe { OwnedHandle::from_raw_handle(raw) };
    // SAFETY: the structure is numbers only, for which zero is a value.
    let mut entry: PROCESSENTRY32W = unsafe { std::mem::zeroed() };
    entry.dwSize = size_of::<PROCESSENTRY32W>() as u32;
    // SAFETY: the entry outlives the call and says its own size.
    let mut more = unsafe { Process32FirstW(list.as_raw_handle(), &mut entry) };
    while more != 0 {
        if entry.th32ProcessID == pid {
            return Some(entry.th32ParentProcessID);
        }
        // SAFETY: as above.
        more = unsafe { Process32NextW(list.as_raw_handle(), &mut entry) };
    }
    None
}
