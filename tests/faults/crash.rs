//! The daemon is killed under load, at any moment, again and again: what it acknowledged is in the files, and the next
//! one serves it. And the power fails: what was flushed is on the disk.
//!
//! `CRASH_KILLS=200 CRASH_SEED=1 cargo test --test faults crash -- --nocapture`; `POWER_CUTS=50` likewise.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::load::{self, Course, WAYS, file_name};
use crate::number;
use crate::random::Random;
use crate::shadow::{Findings, Kept, Shadow};
use crate::support::DEADLINE;
use crate::support::daemon::{Daemon, Ended, Home};
use crate::support::http::Request;
use crate::volume::Volume;

/// What clients are told before an accident, at most.
const TOLD_MAX: u64 = 60;
/// After that, the accident comes within this time.
const WITHIN_US: u64 = 3_000;

/// Lives of one home, each ending in an accident under load.
struct Lives {
    home: Home,
    root: &'static str,
    random: Random,
    seed: u64,
    shadows: Vec<Shadow>,
}

impl Lives {
    fn new(home: Home, root: &'static str) -> Lives {
        let seed = number("CRASH_SEED", 1);
        let shadows = WAYS.iter().map(|_| Shadow::default()).collect();
        Lives { home, root, random: Random::new(seed, 0), seed, shadows }
    }

    /// One life; `accident` ends it.
    fn live(&mut self, life: u64, accident: impl FnOnce(&mut Daemon)) {
        let mut daemon = Daemon::start_in(self.home.clone(), &["--idle-timeout", "0"]);
        let (teller, told) = channel();
        let course = Course { told: teller, is_over: Arc::default() };
        let clients: Vec<_> = std::mem::take(&mut self.shadows)
            .into_iter()
            .enumerate()
            .map(|(client, shadow)| {
                let random = Random::new(self.seed, life * 100 + client as u64 + 1);
                load::start(&daemon, self.root, client, random, shadow, course.clone())
            })
            .collect();
        for _ in 0..self.random.below(TOLD_MAX) {
            told.recv_timeout(DEADLINE).expect("clients that are told something");
        }
        let (now, wait) = (Instant::now(), Duration::from_micros(self.random.below(WITHIN_US)));
        while now.elapsed() < wait {
            std::hint::spin_loop();
        }
        course.is_over.store(true, Ordering::SeqCst);
        accident(&mut daemon);
        self.shadows = clients.into_iter().map(|client| client.join().expect("a client")).collect();
    }

    /// Looks at what is there, by itself and through a new daemon.
    fn look(&mut self, life: u64, folder: &Path, kept: Kept) -> Findings {
        let daemon = Daemon::start_in(self.home.clone(), &[]);
        let mut sum = Findings::default();
        for (client, shadow) in self.shadows.iter_mut().enumerate() {
            let found = fs::read(folder.join(file_name(client))).unwrap_or_default();
            let path = data_encoding::BASE64.encode(file_name(client).as_bytes());
            let request = Request::get(&format!("/read/{}", self.root)).field("X-Path-Base64", &path);
            let answer = daemon.http().call(request.token(&daemon.token));
            assert!(answer.body == found || answer.status == 404, "{:?}", answer.status);
            let outcome = shadow.outlived(found, kept);
            let findings = outcome.unwrap_or_else(|what| {
                panic!("seed {}, life {life}, client {client} ({:?}): {what}", self.seed, WAYS[client])
            });
            sum.sure += findings.sure;
            sum.doubtful_new += findings.doubtful_new;
        }
        sum
    }
}

#[test]
fn a_kill_at_any_moment_under_load_loses_nothing_acknowledged() {
    let (kills, home) = (number("CRASH_KILLS", 15), Home::new());
    let root = home.root();
    let mut lives = Lives::new(home, "main");
    let mut sum = Findings::default();
    for life in 0..kills {
        lives.live(life, |daemon| {
            daemon.process().signal(Signal::KILL);
            assert_eq!(daemon.wait(), Ended::Killed(9));
        });
        let findings = lives.look(life, &root, Kept::Acknowledged);
        sum.sure += findings.sure;
        sum.doubtful_new += findings.doubtful_new;
    }
    println!(
        "seed {}: {kills} kills under load; of {} bytes that had to be there none was lost, of unanswered ones {} came through",
        lives.seed, sum.sure, sum.doubtful_new
    );
}

#[test]
fn a_power_cut_at_any_moment_under_load_loses_nothing_flushed() {
    let (cuts, home) = (number("POWER_CUTS", 5), Home::new());
    let Some(mut volume) = Volume::ext4(&home, 64) else { return };
    home.write_roots(&[("disk", volume.folder())]);
    let mut lives = Lives::new(home, "disk");
    let mut sum = Findings::default();
    let mut lost = 0;
    for life in 0..cuts {
        let mut was = Vec::new();
        lives.live(life, |daemon| {
            // What the kernel had, before it is taken from it.
            was = (0..WAYS.len())
                .map(|n| fs::read(volume.folder().join(file_name(n))).unwrap_or_default())
                .collect();
            volume.cut_power();
            daemon.process().signal(Signal::KILL);
            assert_eq!(daemon.wait(), Ended::Killed(9));
        });
        volume.come_back();
        for (client, was) in was.iter().enumerate() {
            let is = fs::read(volume.folder().join(file_name(client))).unwrap_or_default();
            let same = was.iter().zip(&is).filter(|(was, is)| was == is).count();
            lost += was.len() - same;
        }
        let findings = lives.look(life, volume.folder(), Kept::Flushed);
        sum.sure += findings.sure;
        sum.doubtful_new += findings.doubtful_new;
    }
    println!(
        "seed {}: {cuts} power cuts under load; of {} bytes that had been flushed none was lost, of others {lost}",
        lives.seed, sum.sure
    );
    assert!(lost > 0 || cuts == 0, "the power was never cut: nothing at all was lost");
}
