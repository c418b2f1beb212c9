//! What the kernel tells of a process: CPU time, memory, wake-ups. Never changes anything of it but the high-water mark.

use crate::Result;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// A process under measurement; the counts are those of all its threads, ended ones too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process {
    pid: u32,
    /// With the processes that it started, in what is told of CPU time.
    with_children: bool,
}

impl Process {
    pub(crate) fn new(pid: u32) -> Process {
        Process { pid, with_children: false }
    }

    /// A process that has others do its work, which live as long as it is measured.
    pub(crate) fn with_children(pid: u32) -> Process {
        Process { pid, with_children: true }
    }

    /// User and system time so far. By the process's CPU clock: `/proc/PID/stat` has the same sum, but only in
    /// hundredths of a second.
    pub(crate) fn cpu(self) -> Result<Duration> {
        let mut cpu = self.own_cpu()?;
        if self.with_children {
            let children = fs::read_to_string(self.path(&format!("task/{}/children", self.pid)))?;
            for child in children.split_whitespace() {
                cpu += Process::with_children(child.parse()?).cpu()?;
            }
        }
        Ok(cpu)
    }

    fn own_cpu(self) -> Result<Duration> {
        let pid = libc::pid_t::try_from(self.pid)?;
        let mut clock = 0;
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: both calls write to the one value that they are given, which lives until they return.
        let failed = unsafe {
            libc::clock_getcpuclockid(pid, &raw mut clock) != 0
                || libc::clock_gettime(clock, &raw mut time) != 0
        };
        if failed {
            return Err(format!("no CPU clock of process {pid}: has it ended?").into());
        }
        Ok(Duration::new(time.tv_sec.try_into()?, time.tv_nsec.try_into()?))
    }

    /// Resident memory now, in KiB.
    pub(crate) fn rss_kib(self) -> Result<u64> {
        self.status_number("VmRSS:")
    }

    /// The most resident memory since the start or [`reset_peak`](Process::reset_peak), in KiB.
    pub(crate) fn peak_kib(self) -> Result<u64> {
        self.status_number("VmHWM:")
    }

    /// The high-water mark begins anew.
    pub(crate) fn reset_peak(self) -> Result<()> {
        Ok(fs::write(self.path("clear_refs"), "5")?)
    }

    /// How often its threads were put to sleep or pushed aside so far: unchanged means that none woke up.
    pub(crate) fn switches(self) -> Result<u64> {
        let mut sum = 0;
        for task in fs::read_dir(self.path("task"))? {
            let status = fs::read_to_string(task?.path().join("status"))?;
            sum += number(&status, "voluntary_ctxt_switches:")?;
            sum += number(&status, "nonvoluntary_ctxt_switches:")?;
        }
        Ok(sum)
    }

    fn status_number(self, field: &str) -> Result<u64> {
        number(&fs::read_to_string(self.path("status"))?, field)
    }

    fn path(self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.pid))
    }
}

/// Lets this process, and those that it starts, have as many descriptors as it may.
pub(crate) fn allow_descriptors() -> Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?)
}

fn number(status: &str, field: &str) -> Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let word = line.and_then(|line| line.split_whitespace().next());
    Ok(word.ok_or_else(|| format!("no {field}"))?.parse()?)
}
