//! Where a lane's idle threads sleep. They go to sleep at once, rather than spin in the channel's own wait: a job that
//! comes within microseconds is rare, and spinning for it doubled the CPU time of a write. Whoever brings a job takes
//! the lock for some instructions, and makes a system call only where somebody sleeps and no one is on the way already.
//! Who wakes, takes a job and sees another calls the next: a burst of short jobs is mostly done by the first, and one
//! that hangs holds up nobody.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A place to sleep.
#[derive(Debug, Default)]
pub(super) struct Sleepers {
    beds: Mutex<Beds>,
    call: Condvar,
}

#[derive(Debug, Default)]
struct Beds {
    asleep: usize,
    /// Someone was called, and no one has woken up since.
    called: bool,
    closed: bool,
}

/// How a sleep ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Woken<T> {
    /// There was something.
    Found(T),
    /// There was nothing for all that time.
    TimedOut,
    /// There will be nothing any more.
    Closed,
}

impl Sleepers {
    /// Wakes one, if any sleeps, for what was put where it looks; not while another one who was called is on the way.
    pub(super) fn call_one(&self) {
        let mut beds = self.lock();
        if beds.asleep > 0 && !beds.called {
            beds.called = true;
            drop(beds);
            self.call.notify_one();
        }
    }

    /// Wakes all, for good.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.call.notify_all();
    }

    /// Sleeps until `look` finds something, for `wait_max` at most. Whoever puts something there and then calls is
    /// either seen by the look or finds us asleep. Who then finds something must call the next if there is more.
    pub(super) fn sleep<T>(&self, wait_max: Duration, look: impl Fn() -> Option<T>) -> Woken<T> {
        let mut beds = self.lock();
        let mut timed_out = false;
        loop {
            match look() {
                Some(found) => return Woken::Found(found),
                None if beds.closed => return Woken::Closed,
                None if timed_out => return Woken::TimedOut,
                None => beds.asleep += 1,
            }
            let woken = self.call.wait_timeout(beds, wait_max);
            let (held, timeout) = woken.unwrap_or_else(PoisonError::into_inner);
            beds = held;
            beds.asleep -= 1;
            // Should the call have been for another one, it wakes all the same, and looks too.
            beds.called = false;
            timed_out = timeout.timed_out();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Beds> {
        self.beds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam::channel::unbounded;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn finds_what_is_there_and_gives_up_in_time() {
        let sleepers = Sleepers::default();
        assert_eq!(sleepers.sleep(LONG, || Some(1)), Woken::Found(1));
        assert_eq!(sleepers.sleep(Duration::ZERO, || None::<()>), Woken::TimedOut);
        sleepers.close();
        assert_eq!(sleepers.sleep(LONG, || None::<()>), Woken::Closed);
        assert_eq!(sleepers.sleep(LONG, || Some(1)), Woken::Found(1), "what is left is still found");
    }

    /// Three threads take what one puts there, asleep whenever they can be: nothing may be left lying (the test would
    /// hang), whether a call meets a sleeper, one who is about to sleep, or one whose time has just run out.
    #[test]
    fn no_call_is_missed() {
        const EACH: usize = 20_000;
        for wait_max in [LONG, Duration::from_micros(1)] {
            let (put, there) = unbounded();
            let (sleepers, taken) = (Arc::new(Sleepers::default()), Arc::new(AtomicUsize::new(0)));
            let takers = [(); 3].map(|()| {
                let (there, sleepers, taken) = (there.clone(), sleepers.clone(), taken.clone());
                thread::spawn(move || {
                    loop {
                        match sleepers.sleep(wait_max, || there.try_recv().ok()) {
                            Woken::Found(()) => {
                                if !there.is_empty() {
                                    sleepers.call_one();
                                }
                                taken.fetch_add(1, Ordering::Relaxed);
                            }
                            Woken::TimedOut => {}
                            Woken::Closed => return,
                        }
                    }
                })
            });
            for number in 0..EACH {
                put.send(()).expect("the takers live");
                sleepers.call_one();
                if number % 100 == 0 {
                    while taken.load(Ordering::Relaxed) <= number {
                        thread::yield_now();
                    }
                }
            }
            while taken.load(Ordering::Relaxed) < EACH {
                thread::yield_now();
            }
            sleepers.close();
            takers.into_iter().for_each(|taker| taker.join().expect("no panic"));
            assert!(!sleepers.lock().called);
        }
    }
}
