//! Lanes of threads. Every lane has its own queue and its own threads, so that one whose disk hangs holds up nobody
//! else. Threads are started when a job finds none free, and end when they have been idle for a while: a daemon with
//! nothing to do has none of them and no wake-ups. Knows nothing of what a job is.
//!
//! How many jobs may be out is for those to bound who submit them; here they only wait.

mod sleepers;

use super::completions::{Completions, Slot, Taken};
use super::gauge::{Gauge, Load};
use crate::limits::IDLE_LANES_MAX;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use sleepers::{Sleepers, Woken};
use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt::Debug;
use std::hash::Hash;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// What the threads of a pool do.
pub trait Work: Send + Sync + 'static {
    /// Names a lane.
    type Lane: Copy + Eq + Hash + Debug;
    /// What goes out and comes home.
    type Job: Send + 'static;
    /// What a thread keeps between jobs; made and dropped on that thread.
    type Scratch: Default;

    /// How a lane is made up.
    fn lane_shape(&self, lane: Self::Lane) -> LaneShape;

    /// Answers a job that there is no thread for, where doing it on the caller's would be worse. `false`: it is done there.
    fn give_up(&self, _job: &mut Self::Job) -> bool {
        false
    }

    /// Does a job. May block. A panic ends the process by its panic hook; here nobody catches it.
    fn perform(&self, job: &mut Self::Job, scratch: &mut Self::Scratch);
}

/// How a lane is made up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneShape {
    /// Threads at most, at least one.
    pub threads_max: usize,
    /// Stack of each, in bytes.
    pub stack_bytes: usize,
    /// What its threads are called; Linux shows 15 bytes of it.
    pub name: String,
    /// Its threads do not count among all lanes', nor are they bounded with them.
    pub apart: bool,
}

/// The lanes, and the way home. Owned by one thread, which submits and takes.
pub struct Pool<W: Work> {
    lanes: HashMap<W::Lane, Lane<W::Job>>,
    shared: Arc<Shared<W>>,
    /// Threads of all lanes beyond which a lane has one only.
    threads_max: usize,
    alive: Option<Sender<Infallible>>,
    all_ended: Receiver<Infallible>,
}

struct Lane<J> {
    shape: LaneShape,
    gauge: Arc<Gauge>,
    jobs: Sender<Slot<J>>,
    waiting: Receiver<Slot<J>>,
    sleepers: Arc<Sleepers>,
}

/// What every thread of the pool has.
struct Shared<W: Work> {
    work: Arc<W>,
    home: Completions<W::Job>,
    wake: Box<dyn Fn() + Send + Sync>,
    idle_max: Duration,
    ending: AtomicBool,
}

impl<W: Work> Pool<W> {
    /// A pool without threads. `wake` is called by the worker whose job came home to an empty queue; a thread without
    /// work for `idle_max` ends.
    ///
    /// `threads_max`: where all lanes have so many threads, each that has none gets one all the same, and no more.
    pub fn new(
        work: Arc<W>,
        threads_max: usize,
        idle_max: Duration,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Pool<W> {
        let (alive, all_ended) = bounded(0);
        let ending = AtomicBool::new(false);
        let shared = Shared { work, home: Completions::new(), wake: Box::new(wake), idle_max, ending };
        Pool { lanes: HashMap::new(), shared: Arc::new(shared), threads_max, alive: Some(alive), all_ended }
    }

    /// Sends a job out. Where the system has no thread to spare for a lane that has none, the job is done here and
    /// now: late is better than never.
    pub fn submit(&mut self, lane: W::Lane, job: W::Job) {
        let Some(alive) = &self.alive else { return };
        let shared = &self.shared;
        if !self.lanes.contains_key(&lane) {
            make_room(&mut self.lanes);
            self.lanes.insert(lane, Lane::new(shared.work.lane_shape(lane)));
        }
        let Some(lane) = self.lanes.get(&lane) else { return };
        let start = lane.gauge.job_in(self.threads_max_of(lane));
        // Both ends of the channel are in the lane.
        let _ = lane.jobs.send(Slot::new(job));
        if !start {
            return lane.sleepers.call_one();
        }
        if let Err(error) = lane.start_thread(shared, alive) {
            log::warn!("no thread for {}: {error}", lane.shape.name);
            if lane.gauge.thread_failed() == 0 {
                let mut scratch = W::Scratch::default();
                lane.waiting.try_iter().for_each(|slot| shared.finish_here(slot, &lane.gauge, &mut scratch));
            }
        }
    }

    /// How many threads a lane may have now.
    fn threads_max_of(&self, lane: &Lane<W::Job>) -> usize {
        let load = lane.gauge.load();
        if lane.shape.apart || load.threads == 0 || load.jobs < load.threads {
            return lane.shape.threads_max;
        }
        let counted = self.lanes.values().filter(|lane| !lane.shape.apart);
        let all: usize = counted.map(|lane| lane.gauge.load().threads).sum();
        if all < self.threads_max { lane.shape.threads_max } else { 1 }
    }

    /// The jobs that have come home, oldest first. After each wake, all of them must be taken.
    pub fn take_completions(&self) -> Taken<W::Job> {
        self.shared.home.take_all()
    }

    /// What each lane has now; lanes without threads and jobs may be missing.
    pub fn loads(&self) -> impl Iterator<Item = (W::Lane, Load)> {
        self.lanes.iter().map(|(lane, it)| (*lane, it.gauge.load()))
    }

    /// Ends all threads: what is being done is finished, what waits is dropped. Waits at most `wait_max`; `false`: a
    /// thread is still at work then.
    pub fn shutdown(&mut self, wait_max: Duration) -> bool {
        self.shared.ending.store(true, Ordering::Relaxed);
        self.lanes.clear();
        self.alive = None;
        matches!(self.all_ended.recv_timeout(wait_max), Err(RecvTimeoutError::Disconnected))
    }
}

/// Forgets lanes before a new one comes: those that have nothing, and where there are many, as after roots have come
/// and gone, those that only have idle threads.
fn make_room<L: Eq + Hash, J>(lanes: &mut HashMap<L, Lane<J>>) {
    lanes.retain(|_, lane| lane.gauge.load() != Load::default());
    if lanes.len() >= IDLE_LANES_MAX {
        // A thread ends at once when its lane is gone and has no more for it.
        lanes.retain(|_, lane| lane.gauge.load().jobs > 0);
    }
}

impl<W: Work> Drop for Pool<W> {
    fn drop(&mut self) {
        self.shared.ending.store(true, Ordering::Relaxed);
    }
}

impl<J: Send + 'static> Lane<J> {
    fn new(shape: LaneShape) -> Lane<J> {
        let (jobs, waiting) = unbounded();
        Lane { shape, gauge: Arc::default(), jobs, waiting, sleepers: Arc::default() }
    }

    fn start_thread<W: Work<Job = J>>(
        &self,
        shared: &Arc<Shared<W>>,
        alive: &Sender<Infallible>,
    ) -> io::Result<()> {
        let (shared, gauge, waiting) = (shared.clone(), self.gauge.clone(), self.waiting.clone());
        let (sleepers, alive) = (self.sleepers.clone(), alive.clone());
        let thread = thread::Builder::new().name(self.shape.name.clone()).stack_size(self.shape.stack_bytes);
        thread.spawn(move || {
            shared.serve(&waiting, &sleepers, &gauge);
            drop(alive);
        })?;
        Ok(())
    }
}

impl<J> Drop for Lane<J> {
    fn drop(&mut self) {
        self.sleepers.close();
    }
}

impl<W: Work> Shared<W> {
    /// One thread's life.
    fn serve(&self, waiting: &Receiver<Slot<W::Job>>, sleepers: &Sleepers, gauge: &Gauge) {
        let mut scratch = W::Scratch::default();
        loop {
            let next = match waiting.try_recv() {
                Ok(slot) => Woken::Found(slot),
                Err(_) => {
                    let next = sleepers.sleep(self.idle_max, || waiting.try_recv().ok());
                    if !waiting.is_empty() {
                        sleepers.call_one();
                    }
                    next
                }
            };
            match next {
                Woken::Found(_) if self.ending.load(Ordering::Relaxed) => gauge.job_out(),
                Woken::Found(slot) => self.finish(slot, gauge, &mut scratch),
                Woken::TimedOut if gauge.thread_may_end() => return,
                Woken::TimedOut => {}
                Woken::Closed => return,
            }
        }
    }

    /// Without a thread to do it.
    fn finish_here(&self, mut slot: Slot<W::Job>, gauge: &Gauge, scratch: &mut W::Scratch) {
        if self.work.give_up(&mut slot) {
            self.bring_home(slot, gauge);
        } else {
            self.finish(slot, gauge, scratch);
        }
    }

    fn finish(&self, mut slot: Slot<W::Job>, gauge: &Gauge, scratch: &mut W::Scratch) {
        self.work.perform(&mut slot, scratch);
        self.bring_home(slot, gauge);
    }

    fn bring_home(&self, slot: Slot<W::Job>, gauge: &Gauge) {
        // Before the job is home: whoever sends the next one when it arrives must find this thread free.
        gauge.job_out();
        if self.home.push(slot) {
            (self.wake)();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
