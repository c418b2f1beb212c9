//! The daemon's engine in a simulated world: one seed determines clients, sockets, disk, time and faults. First a time
//! of trouble, in which nothing wrong may happen; then a time without faults, in which everything must come to its end;
//! then nothing must be left.
//!
//! `SIM_SEEDS=N` runs N seeds, `SIM_SECONDS=N` as many as fit, `SIM_FIRST=N` begins there. A seed that fails prints the
//! line that replays it; `SIM_TRACE=1` beside it prints what happened.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "whoever runs seeds by hand reads what came of them"
)]

mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};
use world::{Dice, Summary, run_bytes, run_io_bytes, run_seed};

/// Seeds of an ordinary `cargo test`.
const SEEDS: u64 = 200;
/// A seed that takes longer hangs.
const SEED_TIME_MAX: Duration = Duration::from_secs(120);

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn replay_line(seed: u64) -> String {
    format!("SIM_SEED={seed} cargo test --test sim replay -- --nocapture")
}

/// Ends the process where a seed does not come back: nothing else can stop a loop that never ends.
fn watchdog() -> Sender<u64> {
    let (tell, told) = channel();
    thread::spawn(move || {
        let mut seed = None;
        loop {
            match told.recv_timeout(SEED_TIME_MAX) {
                Ok(next) => seed = Some(next),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(seed) = seed {
                        eprintln!("does not end:\n{}", replay_line(seed));
                    }
                    std::process::abort();
                }
            }
        }
    });
    tell
}

fn run(seed: u64) -> Summary {
    match catch_unwind(AssertUnwindSafe(|| run_seed(seed))) {
        Ok(summary) => summary,
        Err(_) => panic!("this seed fails:\n{}", replay_line(seed)),
    }
}

/// Runs seeds until they, or the time, are used up; returns how many, and their steps and answers.
fn run_many(next: &AtomicU64, end: u64, until: Option<Instant>) -> [u64; 3] {
    let watched = watchdog();
    let mut sums = [0; 3];
    while until.is_none_or(|until| Instant::now() < until) {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            break;
        }
        watched.send(seed).expect("the watchdog lives");
        let started = Instant::now();
        let summary = run(seed);
        if std::env::var_os("SIM_TIMES").is_some() {
            println!(
                "seed {seed}: {} steps, {} answers, {:?}",
                summary.steps,
                summary.answers,
                started.elapsed()
            );
        }
        sums = [sums[0] + 1, sums[1] + summary.steps, sums[2] + summary.answers];
    }
    sums
}

/// That this can fail was tried: each of these, broken on purpose in the daemon, was caught by the ordinary number of
/// seeds (and by which seed first, with the generator as it was then).
///
/// * a sent buffer is not given back (2); a reservation is not given back (3); requests in flight are not counted down (2)
/// * nobody is woken for memory (5); a pipelined request is forgotten once its turn comes (10)
/// * 200 before the disk has the bytes (2); a write that failed is forgotten (148); a short read passes for all (3)
/// * bytes of a partial send are sent twice (2); no lingering, so that a reset overtakes the answer (7)
/// * a transfer that was blocked takes back an edge that came meanwhile (119); a FIN behind a short read is missed (2)
/// * the end within a body is ignored (139); reminders are never set (52)
/// * a file closes under a read (11) or under a job (2), or without waiting (245); a session's files outlive it (2)
///
/// With `/io` it found in the daemon as it was:
///
/// * the rest of a TCP_SEND lost when its name's race between addresses ended in the middle of it
/// * a window overrun before the socket was connected: never answered, and its place among the connects lost for good
/// * TCP_SECURE forgotten, with the bytes behind it sent in the clear, while its socket was looking for an address
/// * a buffer held by every UDP socket that had looked for datagrams; one on no account once its FILE_READ was cut
/// * an id that stayed taken behind TCP_STOP_LISTEN when both came in one read; more peers accepted than sockets may be
/// * a request over HTTP stuck for ever when its memory came at the moment at which its socket was found empty
/// * a client cut as dead for not answering pings that the daemon itself did not read the answers to
///
/// With sockets over HTTP: one opened on a connection whose close frame had gone out; what became of a connect kept for
/// a client that had gone; one that stayed open though the answer that named it could not be sent. Caught there, of what
/// was broken on purpose:
///
/// * the socket of another session is closed (112); a listener passes for a socket (81); the oldest connection owns (171)
/// * 200 and nothing closed, or no TCP_CLOSE (2); what was sent before is lost at the close (2025); an id twice (2)
/// * who asked is not answered when the connection goes (75); no default destination (2); another errno (81)
#[test]
fn seeds() {
    let first = number("SIM_FIRST").unwrap_or(1);
    let seconds = number("SIM_SECONDS").map(Duration::from_secs);
    let count = number("SIM_SEEDS").unwrap_or(if seconds.is_some() { u64::MAX - first } else { SEEDS });
    let started = Instant::now();
    let until = seconds.map(|seconds| started + seconds);
    let next = AtomicU64::new(first);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let sums: Vec<[u64; 3]> = thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| run_many(&next, first.saturating_add(count), until)))
            .collect();
        running.into_iter().map(|thread| thread.join().expect("every seed holds")).collect()
    });
    let [runs, steps, answers] = [0, 1, 2].map(|index| sums.iter().map(|sum| sum[index]).sum::<u64>());
    println!("{runs} seeds from {first}, {steps} steps, {answers} answers in {:?}", started.elapsed());
}

/// Runs the one seed that `SIM_SEED` names.
#[test]
fn replay() {
    if let Some(seed) = number("SIM_SEED") {
        println!("{:?}", run_seed(seed));
    }
}

/// What a fuzzer does, by chance: short runs, whose every choice is a byte. `SIM_BYTES=N` runs N.
#[test]
fn bytes_choose_as_well_as_a_seed() {
    let mut sums = [0, 0];
    for number in 0..number("SIM_BYTES").unwrap_or(60) {
        let mut dice = Dice::seeded(number);
        let length = 1 + dice.size(2_000) as usize;
        let bytes: Vec<u8> = (0..length).map(|_| dice.below(256) as u8).collect();
        let run = || if number % 4 == 0 { run_bytes(&bytes) } else { run_io_bytes(&bytes) };
        let outcome = catch_unwind(AssertUnwindSafe(run));
        match outcome {
            Ok(summary) => sums = [sums[0] + summary.steps, sums[1] + summary.answers],
            Err(_) => panic!("the bytes of number {number} fail"),
        }
    }
    println!("{} steps, {} answers and messages", sums[0], sums[1]);
}

/// The seeds of `engine_events` and `engine_io`, with what those fuzz targets found. Of `engine_io`, 8 is a connect
/// without end, to a silent address, whose waiting bytes kept the connection from being read; 9 is a batch that waited
/// behind bytes for a peer, in one read with them, and was forgotten once the peer took them. Of `engine_events`, 38 is
/// a write without a length to a file that is not there, which was refused for the first of the two.
#[test]
fn what_the_fuzzer_found_holds() {
    type Run = fn(&[u8]) -> Summary;
    for (name, run) in [("engine_events", run_bytes as Run), ("engine_io", run_io_bytes)] {
        let folder = format!("{}/fuzz/seeds/{name}", env!("CARGO_MANIFEST_DIR"));
        for seed in std::fs::read_dir(folder).expect("the seeds of the fuzz target") {
            run(&std::fs::read(seed.expect("a seed").path()).expect("its bytes"));
        }
    }
}

#[test]
fn a_seed_determines_everything() {
    for seed in 1..15 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
}
