//! Processes by their id: waiting for an end, signals, and what `/proc` tells.

use std::fs;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// A process that is held on to, so that its id can't come to mean another one.
pub(crate) struct Process {
    id: u32,
    /// `None`: it had ended before it was looked at.
    fd: Option<OwnedFd>,
}

impl Process {
    pub(crate) fn open(id: u32) -> Process {
        let pid = Pid::from_raw(i32::try_from(id).unwrap()).unwrap();
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(fd) => Process { id, fd: Some(fd) },
            Err(Errno::SRCH) => Process { id, fd: None },
            Err(error) => panic!("pidfd_open({id}): {error}"),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Whether it ends within the time; a zombie has ended.
    pub(crate) fn ends_within(&self, wait: Duration) -> bool {
        let Some(fd) = &self.fd else { return true };
        let wait = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: wait.subsec_nanos().into() };
        poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&wait)).unwrap() > 0
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(fd) = &self.fd {
            pidfd_send_signal(fd, signal).unwrap();
        }
    }

    /// A number of `/proc/ID/status`, such as `VmHWM` (KiB) or `Threads`.
    pub(crate) fn status(&self, field: &str) -> u64 {
        let text = self.status_text(field);
        text.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// The text of a field of `/proc/ID/status`.
    pub(crate) fn status_text(&self, field: &str) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("no {field} in {status}")).trim().to_owned()
    }

    /// Open file descriptors.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.id)).unwrap().count()
    }
}
