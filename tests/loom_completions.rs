//! The way home and the count of threads under loom: every interleaving of a few pushes and takes, with the memory
//! model's freedom. Run by `RUSTFLAGS="--cfg loom" cargo test --release --test loom_completions`; empty otherwise.
#![cfg(loom)]

use jstorrent_io_daemon::workers::completions::{Completions, Slot};
use jstorrent_io_daemon::workers::gauge::{Gauge, Load};
use loom::cell::UnsafeCell;
use loom::sync::{Arc, Notify};
use loom::thread;

/// A value whose every access loom checks: reading it without the push's release being acquired is reported as a race.
struct Value(UnsafeCell<usize>);

impl Value {
    fn new(number: usize) -> Value {
        let cell = UnsafeCell::new(0);
        // SAFETY: nobody else has the cell yet.
        cell.with_mut(|place| unsafe { *place = number });
        Value(cell)
    }

    fn read(&self) -> usize {
        // SAFETY: the value has come home, and loom reports a race if that did not happen in order.
        self.0.with(|place| unsafe { *place })
    }
}

/// Takes, asleep between wakes, until `expected` values have come home. If a wake is missing, loom reports that
/// nobody can go on.
fn take(queue: &Completions<Value>, waker: &Notify, expected: usize) -> Vec<usize> {
    let mut got = Vec::new();
    while got.len() < expected {
        waker.wait();
        got.extend(queue.take_all().map(|value| value.read()));
    }
    got
}

fn push(queue: &Completions<Value>, waker: &Notify, number: usize) {
    if queue.push(Slot::new(Value::new(number))) {
        waker.notify();
    }
}

/// Each list is pushed by a thread of its own.
fn check(lists: &'static [&'static [usize]]) {
    let queue = Arc::new(Completions::new());
    let waker = Arc::new(Notify::new());
    let pushers: Vec<_> = lists
        .iter()
        .map(|numbers| {
            let (queue, waker) = (queue.clone(), waker.clone());
            thread::spawn(move || numbers.iter().for_each(|number| push(&queue, &waker, *number)))
        })
        .collect();
    let got = take(&queue, &waker, lists.iter().map(|list| list.len()).sum());
    for list in lists {
        let mine: Vec<_> = got.iter().copied().filter(|number| list.contains(number)).collect();
        assert_eq!(mine, *list, "lost, doubled or overtaken in {got:?}");
    }
    pushers.into_iter().for_each(|pusher| pusher.join().expect("a pusher"));
}

/// All interleavings with at most so many preemptions: without a bound this takes half a minute and more.
fn bounded(preemptions: usize, lists: &'static [&'static [usize]]) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.check(move || check(lists));
}

#[test]
fn one_pusher_and_a_taker_that_sleeps() {
    loom::model(|| check(&[&[1, 2, 3]]));
}

#[test]
fn two_pushers_and_a_taker_that_sleeps() {
    bounded(3, &[&[1], &[2]]);
}

#[test]
fn two_pushers_of_several() {
    bounded(2, &[&[1, 2], &[3]]);
}

#[test]
fn what_nobody_takes_is_dropped_once() {
    loom::model(|| {
        let queue = Arc::new(Completions::new());
        let counted = Arc::new(());
        let pusher = {
            let (queue, value) = (queue.clone(), counted.clone());
            thread::spawn(move || queue.push(Slot::new(value)))
        };
        let _ = queue.push(Slot::new(counted.clone()));
        let taken = queue.take_all().count();
        assert!((1..=2).contains(&taken));
        pusher.join().expect("the pusher");
        drop(queue);
        assert_eq!(Arc::strong_count(&counted), 1);
    });
}

/// Whatever way an idle thread that wants to end and a job that comes in meet: somebody is there for the job, and the
/// lane has no more threads than it may.
#[test]
fn a_thread_that_ends_leaves_no_job_behind() {
    loom::model(|| {
        let gauge = Arc::new(Gauge::default());
        assert!(gauge.job_in(1));
        gauge.job_out();
        let idle = {
            let gauge = gauge.clone();
            thread::spawn(move || gauge.thread_may_end())
        };
        let started = gauge.job_in(1);
        let ended = idle.join().expect("the thread");
        assert_eq!(started, ended, "one thread, no more and no less");
        assert_eq!(gauge.load(), Load { threads: 1, jobs: 1 });
    });
}

/// Two idle threads end, and two jobs come in one after the other, of which one is done by then.
#[test]
fn two_threads_that_end_leave_no_job_behind() {
    loom::model(|| {
        let gauge = Arc::new(Gauge::default());
        assert!(gauge.job_in(2) && gauge.job_in(2));
        gauge.job_out();
        let idle = {
            let gauge = gauge.clone();
            thread::spawn(move || gauge.thread_may_end())
        };
        let busy = {
            let gauge = gauge.clone();
            thread::spawn(move || {
                gauge.job_out();
                gauge.thread_may_end()
            })
        };
        let started = usize::from(gauge.job_in(2));
        let ended = [idle, busy].map(|thread| usize::from(thread.join().expect("a thread")));
        let threads = 2 + started - ended[0] - ended[1];
        assert!((1..=2).contains(&threads));
        assert_eq!(gauge.load(), Load { threads, jobs: 1 });
    });
}
