//! The run itself: threads that churn, pauses in which what is left is looked at, and the verdict.

mod client;
mod files;
mod pattern;
mod peers;
mod random;
mod socket;
#[allow(dead_code, reason = "clients and probes for all tests, whichever are used here")]
#[path = "../e2e/support/mod.rs"]
mod support;
mod target;

use std::fmt::Write;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use peers::Peers;
use random::Random;
use support::DEADLINE;
use support::daemon::{Daemon, Ended, Home};
use target::{Counts, Target};

/// Clients of `/io`, and of files.
const IO_CLIENTS: u64 = 3;
const FILE_CLIENTS: u64 = 2;
/// How much more memory may be in use at the end than after the first part, in KiB, where that took a minute; after a
/// shorter one, pools and threads' heaps are still being filled.
const GROWTH_MAX_KIB: u64 = 2048;
const GROWTH_SHORT_MAX_KIB: u64 = 6144;
/// How long there is churn before the next pause. The first part is half of a shorter run.
const PART_MAX: Duration = Duration::from_secs(60);

/// What to run.
struct Options {
    seconds: u64,
    seed: u64,
}

/// What is measured when nothing is under way.
struct Quiet {
    rss_kib: u64,
    descriptors: usize,
}

/// The first thing that went wrong in any thread.
static WRONG: Mutex<Option<String>> = Mutex::new(None);

/// The whole program.
pub(crate) fn main() -> ExitCode {
    let Some(options) = options() else {
        println!("usage: cargo test --release --test soak -- [--seconds N] [--seed N]");
        return ExitCode::from(2);
    };
    println!("soak: {} s with seed {}", options.seconds, options.seed);
    panic::set_hook(Box::new(note));
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| soak(&options)));
    let wrong = WRONG.lock().unwrap().clone();
    let wrong = wrong.or_else(|| outcome.err().map(|_| "it panicked".to_owned()));
    match wrong {
        None => {
            println!("test result: ok. 1 passed, 0 failed");
            ExitCode::SUCCESS
        }
        Some(wrong) => {
            println!("wrong: {wrong} (again: --seconds {} --seed {})", options.seconds, options.seed);
            println!("test result: FAILED. 0 passed, 1 failed");
            ExitCode::FAILURE
        }
    }
}

/// The command line; `None` where it makes no sense.
fn options() -> Option<Options> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let mut options = Options { seconds: 30, seed: u64::from(now.subsec_nanos()) };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let value = args.next()?.parse().ok()?;
        match arg.as_str() {
            "--seconds" => options.seconds = value,
            "--seed" => options.seed = value,
            _ => return None,
        }
    }
    Some(options)
}

/// Keeps the first panic, on one line with its place.
fn note(wrong: &PanicHookInfo<'_>) {
    let mut text = wrong.payload_as_str().unwrap_or("a panic").replace('\n', "; ");
    text.truncate(text.floor_char_boundary(1500));
    if let Some(place) = wrong.location() {
        let _ = write!(text, " at {}:{}", place.file(), place.line());
    }
    WRONG.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get_or_insert(text);
}

fn soak(options: &Options) {
    let home = Home::new();
    std::fs::create_dir(home.path("second")).unwrap();
    home.write_roots(&[("main", &home.root()), ("second", &home.path("second"))]);
    let mut daemon = Daemon::start_in(home, &["--log-level", "warn"]);
    let target = Target {
        port: daemon.port,
        token: daemon.token.clone(),
        count: Counts::default(),
        strays: Default::default(),
    };
    let peers = Arc::new(Peers::start());
    let mut randoms: Vec<Random> =
        (0..=IO_CLIENTS + FILE_CLIENTS).map(|n| Random::new(options.seed, n)).collect();
    let mut left = Duration::from_secs(options.seconds);
    let mut first: Option<Quiet> = None;
    let mut last_rss_kib = 0;
    while !left.is_zero() {
        let part = if first.is_none() { (left / 2).min(PART_MAX) } else { left.min(PART_MAX) };
        churn(&daemon, &target, &peers, &mut randoms, part);
        left -= part;
        let now = settle(left, &daemon, &target, &peers, first.as_ref());
        last_rss_kib = now.rss_kib;
        first.get_or_insert(now);
    }
    println!("{}", target.count);
    let growth = first.map_or(0, |first| last_rss_kib.saturating_sub(first.rss_kib));
    let is_long = Duration::from_secs(options.seconds) >= 2 * PART_MAX;
    let growth_max = if is_long { GROWTH_MAX_KIB } else { GROWTH_SHORT_MAX_KIB };
    assert!(growth <= growth_max, "{growth} KiB more in use than after the first part");
    assert_eq!(daemon.stop(), Ended::Status(0));
}

/// Everything at once for a time; ends when each has brought what it began to an end.
fn churn(daemon: &Daemon, target: &Target, peers: &Arc<Peers>, randoms: &mut [Random], time: Duration) {
    let until = Instant::now() + time;
    let home = &daemon.home;
    let panicked = thread::scope(|scope| {
        let mut threads = Vec::new();
        for (number, random) in (0..).zip(randoms.iter_mut()) {
            threads.push(scope.spawn(move || match number {
                0 => files::refresh(target, home, random, until),
                1..=FILE_CLIENTS => files::run(target, random, number, until),
                _ => client::run(target, peers, random, number, until),
            }));
        }
        threads.into_iter().filter_map(|thread| thread.join().err()).count()
    });
    assert_eq!(panicked, 0, "{panicked} threads ended early");
    assert_eq!(peers.wrong(), None);
}

/// Waits until nothing is open or under way any more, and no more descriptors are than there were; what is in use then.
fn settle(left: Duration, daemon: &Daemon, target: &Target, peers: &Peers, before: Option<&Quiet>) -> Quiet {
    let deadline = Instant::now() + DEADLINE;
    let mut http = target.http();
    loop {
        let mut over = target.left_over(&mut http);
        let descriptors = daemon.process().descriptors();
        match before {
            Some(before) if descriptors > before.descriptors => {
                over.push(format!("{descriptors} descriptors"))
            }
            _ => {}
        }
        over.extend(peers.open().into_iter().map(|addresses| format!("a peer, {addresses}")));
        if over.is_empty() {
            peers.forget();
            let rss_kib = daemon.process().status("VmRSS");
            println!(
                "{} s left: {rss_kib} KiB in use, {descriptors} descriptors, nothing left over",
                left.as_secs()
            );
            return Quiet { rss_kib, descriptors };
        }
        assert!(Instant::now() < deadline, "left over, with {descriptors} descriptors: {}", over.join(", "));
    }
}
