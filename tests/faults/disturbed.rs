//! A disk that fails at random under load: calls find an error, no room, no descriptor or a signal, or do half of what they
//! are asked. What fails is tried again by the clients; what was acknowledged is in the files at last.
//!
//! `DISTURBED_ANSWERS=20000 CRASH_SEED=1 cargo test --test faults disturbed -- --nocapture`

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;

use crate::calls::{Call, Calls, Wish};
use crate::load::{self, Course, WAYS, file_name};
use crate::random::Random;
use crate::shadow::{Kept, Shadow};
use crate::support::DEADLINE;
use crate::support::daemon::{Ended, Home};
use crate::{number, quiet};

/// Calls in a hundred that are disturbed.
const PERCENT: u64 = 15;

/// What happens to a call, now and then.
fn disturb(call: &Call, random: &mut Random) -> Wish {
    if !random.percent(PERCENT) {
        return Wish::Pass;
    }
    let errno = match (call.name, random.below(4)) {
        ("pread64" | "pwrite64" | "pwritev" | "preadv2" | "sendfile", 0 | 1) => return Wish::Half,
        ("pwrite64" | "pwritev" | "mkdirat" | "fallocate", 2) => libc::ENOSPC,
        ("openat" | "openat2", 0..=2) => libc::EMFILE,
        (_, 0..=2) => libc::EINTR,
        _ => libc::EIO,
    };
    Wish::Fail(errno)
}

#[test]
fn a_disk_that_fails_at_random_under_load_loses_nothing() {
    let home = Home::new();
    let Some((mut daemon, calls)) = Calls::start(home.clone(), &[]) else { return };
    let (seed, answers) = (number("CRASH_SEED", 1), number("DISTURBED_ANSWERS", 1000));
    let (mut random, root) = (Random::new(seed, 999), home.root());
    let disturbed = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&disturbed);
    calls.judge(move |call| {
        let wish = if call.path.starts_with(&root) { disturb(call, &mut random) } else { Wish::Pass };
        count.fetch_add(u64::from(!matches!(wish, Wish::Pass)), Ordering::Relaxed);
        wish
    });
    let (teller, told) = channel();
    let course = Course { told: teller, is_over: Arc::default() };
    let clients: Vec<_> = (0..WAYS.len())
        .map(|n| {
            load::start(&daemon, "main", n, Random::new(seed, n as u64), Shadow::default(), course.clone())
        })
        .collect();
    for _ in 0..answers {
        told.recv_timeout(DEADLINE).expect("clients that are told something");
    }
    calls.judge(|_| Wish::Pass);
    // Its end cuts the clients off; what they were told by then counts.
    assert_eq!(daemon.stop(), Ended::Status(0));
    let mut sure = 0;
    for (n, client) in clients.into_iter().enumerate() {
        let mut shadow = client.join().expect("a client");
        let found = fs::read(home.root().join(file_name(n))).expect("a file");
        let findings = shadow.outlived(found, Kept::Acknowledged);
        sure +=
            findings.unwrap_or_else(|what| panic!("seed {seed}, client {n} ({:?}): {what}", WAYS[n])).sure;
    }
    println!(
        "seed {seed}: {answers} answers, {} calls disturbed; of {sure} bytes that had to be there none was lost",
        disturbed.load(Ordering::Relaxed)
    );
    // What was begun anew finds no trace of it.
    let daemon = crate::support::daemon::Daemon::start_in(home, &[]);
    quiet(&daemon, usize::MAX);
}
