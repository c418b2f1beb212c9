//! How many threads a lane has, and how many jobs it holds: one atomic word, so that the decision to start a thread and
//! the decision of an idle one to end can't miss each other. Starts and ends nothing itself.
//!
//! The rule it keeps: there are at least as many threads as jobs (waiting or being done), or as many as the lane may
//! have. A thread that finds nothing to do ends only while that stays true without it.

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering};

const ONE_THREAD: u64 = 1 << 48;
const JOBS: u64 = ONE_THREAD - 1;

/// The count of one lane: threads in the upper 16 bits, jobs in the lower 48. One word has one order of changes, which
/// is all that is relied on; what a job carries is published by the channel that it goes through.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

/// What a lane has at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Load {
    /// Threads that run, busy or idle.
    pub threads: usize,
    /// Jobs that wait or are being done.
    pub jobs: usize,
}

impl Gauge {
    /// Counts a job in. `true`: the caller must start a thread; it is counted already.
    #[must_use = "a thread that was counted must be started"]
    pub fn job_in(&self, threads_max: usize) -> bool {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let load = Load::of(word);
            let start = load.jobs >= load.threads && load.threads < threads_max;
            let next = word + 1 + if start { ONE_THREAD } else { 0 };
            match self.0.compare_exchange_weak(word, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return start,
                Err(seen) => word = seen,
            }
        }
    }

    /// Counts a job out: its thread is free for the next one.
    pub fn job_out(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts out a thread that could not be started; returns how many are left.
    pub fn thread_failed(&self) -> usize {
        Load::of(self.0.fetch_sub(ONE_THREAD, Ordering::Relaxed) - ONE_THREAD).threads
    }

    /// Asks, for an idle thread, whether it may end; then it is counted out.
    #[must_use = "a thread that was counted out must end"]
    pub fn thread_may_end(&self) -> bool {
        let mut word = self.0.load(Ordering::Relaxed);
        while Load::of(word).jobs < Load::of(word).threads {
            let next = word - ONE_THREAD;
            match self.0.compare_exchange_weak(word, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(seen) => word = seen,
            }
        }
        false
    }

    /// What there is now.
    pub fn load(&self) -> Load {
        Load::of(self.0.load(Ordering::Relaxed))
    }
}

impl Load {
    fn of(word: u64) -> Load {
        Load { threads: (word / ONE_THREAD) as usize, jobs: (word & JOBS) as usize }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn starts_threads_as_they_are_needed() {
        let gauge = Gauge::default();
        assert!(gauge.job_in(2));
        assert!(gauge.job_in(2));
        assert!(!gauge.job_in(2), "as many as there may be");
        assert!(!gauge.thread_may_end(), "three jobs for two threads");
        gauge.job_out();
        gauge.job_out();
        assert!(gauge.thread_may_end());
        assert!(!gauge.thread_may_end(), "one is at work");
        gauge.job_out();
        assert!(!gauge.job_in(2), "the idle one takes it");
        gauge.job_out();
        assert!(gauge.thread_may_end());
        assert_eq!(gauge.load(), Load::default());
    }

    #[test]
    fn a_failed_start_is_taken_back() {
        let gauge = Gauge::default();
        assert!(gauge.job_in(2));
        assert_eq!(gauge.thread_failed(), 0);
        assert_eq!(gauge.load(), Load { threads: 0, jobs: 1 });
    }
}
