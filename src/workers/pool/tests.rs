//! Pools of made-up work: jobs that run when they are told to, and tell what happens to them.

use super::*;
use std::sync::mpsc;

const LONG: Duration = Duration::from_secs(60);

/// A job: its number, and what it waits for before it is done.
struct Job {
    number: usize,
    gate: Option<Receiver<()>>,
}

/// Work that tells of every thread that ends, and of every job that begins.
struct Told {
    threads_max: usize,
    stack_bytes: usize,
    begun: mpsc::Sender<usize>,
    ended: mpsc::Sender<()>,
}

/// Says so when its thread drops it.
#[derive(Default)]
struct Farewell(Option<mpsc::Sender<()>>);

impl Drop for Farewell {
    fn drop(&mut self) {
        if let Some(ended) = &self.0 {
            let _ = ended.send(());
        }
    }
}

impl Work for Told {
    type Lane = u32;
    type Job = Job;
    type Scratch = Farewell;

    fn lane_shape(&self, lane: u32) -> LaneShape {
        LaneShape {
            threads_max: self.threads_max,
            stack_bytes: self.stack_bytes,
            name: format!("lane{lane}"),
            apart: lane >= 100,
        }
    }

    fn perform(&self, job: &mut Job, scratch: &mut Farewell) {
        scratch.0.get_or_insert_with(|| self.ended.clone());
        let _ = self.begun.send(job.number);
        if let Some(gate) = job.gate.take() {
            let _ = gate.recv();
        }
    }
}

struct Setup {
    pool: Pool<Told>,
    begun: mpsc::Receiver<usize>,
    ended: mpsc::Receiver<()>,
    woken: mpsc::Receiver<()>,
}

/// Threads of all lanes.
const THREADS_MAX: usize = 8;

fn setup(threads_max: usize, idle_max: Duration) -> Setup {
    setup_with_stack(threads_max, idle_max, 64 << 10)
}

fn setup_with_stack(threads_max: usize, idle_max: Duration, stack_bytes: usize) -> Setup {
    let (begun_in, begun) = mpsc::channel();
    let (ended_in, ended) = mpsc::channel();
    let (wake, woken) = mpsc::channel();
    let work = Told { threads_max, stack_bytes, begun: begun_in, ended: ended_in };
    let pool = Pool::new(Arc::new(work), THREADS_MAX, idle_max, move || {
        let _ = wake.send(());
    });
    Setup { pool, begun, ended, woken }
}

impl Setup {
    /// Waits until so many jobs are home; their numbers.
    fn home(&self, count: usize) -> Vec<usize> {
        let mut home = Vec::new();
        while home.len() < count {
            self.woken.recv_timeout(LONG).expect("a wake");
            home.extend(self.pool.take_completions().map(|job| job.number));
        }
        home
    }

    fn load(&self, lane: u32) -> Load {
        self.pool.loads().find(|(name, _)| *name == lane).map_or_else(Load::default, |(_, load)| load)
    }
}

fn free(number: usize) -> Job {
    Job { number, gate: None }
}

fn gated(number: usize) -> (Job, Sender<()>) {
    let (open, gate) = bounded(1);
    (Job { number, gate: Some(gate) }, open)
}

#[test]
fn one_after_another_needs_one_thread() {
    let mut setup = setup(4, LONG);
    for number in 0..50 {
        setup.pool.submit(1, free(number));
        assert_eq!(setup.home(1), [number]);
    }
    assert_eq!(setup.load(1), Load { threads: 1, jobs: 0 });
    assert!(setup.pool.shutdown(LONG));
}

#[test]
fn never_more_threads_than_a_lane_may_have() {
    let mut setup = setup(3, LONG);
    let opens: Vec<_> = (0..10)
        .map(|number| {
            let (job, open) = gated(number);
            setup.pool.submit(1, job);
            open
        })
        .collect();
    for _ in 0..3 {
        setup.begun.recv_timeout(LONG).expect("three begin");
    }
    assert_eq!(setup.load(1), Load { threads: 3, jobs: 10 });
    assert!(setup.begun.try_recv().is_err(), "a fourth began");
    drop(opens);
    let mut home = setup.home(10);
    home.sort_unstable();
    assert_eq!(home, (0..10).collect::<Vec<_>>());
    assert_eq!(setup.load(1), Load { threads: 3, jobs: 0 });
}

#[test]
fn a_lane_that_hangs_holds_up_nobody_else() {
    let mut setup = setup(1, LONG);
    let (job, open) = gated(0);
    setup.pool.submit(1, job);
    setup.pool.submit(1, free(1));
    setup.pool.submit(2, free(2));
    assert_eq!(setup.home(1), [2]);
    drop(open);
    assert_eq!(setup.home(2), [0, 1]);
}

#[test]
fn idle_threads_end_and_their_lane_is_forgotten() {
    let mut setup = setup(2, Duration::from_millis(1));
    let opens = [0, 1].map(|number| {
        let (job, open) = gated(number);
        setup.pool.submit(1, job);
        assert_eq!(setup.begun.recv_timeout(LONG), Ok(number));
        open
    });
    drop(opens);
    setup.home(2);
    for _ in 0..2 {
        setup.ended.recv_timeout(LONG).expect("each thread ends");
    }
    assert_eq!(setup.load(1), Load::default());
    setup.pool.submit(2, free(2));
    setup.home(1);
    assert_eq!(setup.pool.loads().map(|(lane, _)| lane).collect::<Vec<_>>(), [2]);
    setup.pool.submit(1, free(3));
    assert_eq!(setup.home(1), [3], "a forgotten lane comes back");
}

#[test]
fn the_end_finishes_what_is_being_done_and_drops_what_waits() {
    let mut setup = setup(1, LONG);
    let (job, open) = gated(0);
    setup.pool.submit(1, job);
    setup.pool.submit(1, free(1));
    assert_eq!(setup.begun.recv_timeout(LONG), Ok(0));
    assert!(!setup.pool.shutdown(Duration::from_millis(1)), "a job hangs");
    drop(open);
    assert!(setup.pool.shutdown(LONG));
    assert_eq!(setup.home(1), [0]);
    assert!(setup.begun.try_recv().is_err(), "what waited was begun");
    setup.pool.submit(1, free(2));
    assert_eq!(setup.pool.take_completions().count(), 0);
}

/// No system has that much address space for a stack.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
#[test]
fn without_any_thread_the_job_is_done_at_once() {
    let mut setup = setup_with_stack(2, LONG, 1 << 50);
    setup.pool.submit(1, free(7));
    assert_eq!(setup.home(1), [7]);
    assert_eq!(setup.load(1), Load::default());
}

#[test]
fn lanes_that_come_and_go_leave_few_threads_behind() {
    let mut setup = setup(2, LONG);
    let (busy, open) = gated(1000);
    setup.pool.submit(1000, busy);
    let lanes = 10 * IDLE_LANES_MAX;
    for lane in 0..lanes {
        setup.pool.submit(lane as u32, free(lane));
        assert_eq!(setup.home(1), [lane]);
        assert!(setup.pool.loads().count() <= IDLE_LANES_MAX + 1);
    }
    // Those of forgotten lanes end long before they have been idle for long.
    for _ in 0..lanes - IDLE_LANES_MAX {
        setup.ended.recv_timeout(LONG / 2).expect("a thread that ends");
    }
    open.send(()).unwrap();
    assert_eq!(setup.home(1), [1000]);
}

#[test]
fn where_there_are_many_threads_each_lane_has_one() {
    let mut setup = setup(4, LONG);
    setup.pool.threads_max = 2;
    let mut opens = Vec::new();
    for number in 0..12 {
        let (job, open) = gated(number);
        setup.pool.submit(number as u32 / 3, job);
        opens.push(open);
    }
    let threads: Vec<usize> = (0..4).map(|lane| setup.load(lane).threads).collect();
    assert_eq!(threads, [2, 1, 1, 1]);
    for number in 12..15 {
        let (job, open) = gated(number);
        setup.pool.submit(100, job);
        opens.push(open);
    }
    assert_eq!(setup.load(100).threads, 3, "a lane of its own");
    drop(opens);
    setup.home(15);
}
