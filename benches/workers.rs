//! What the workers cost and give: the hand-off of a job and its way home, and hashing of cached files next to
//! openssl in the same run. `cargo bench --bench workers`. It reports; it judges nothing.
#![allow(clippy::print_stdout)]

use jstorrent_io_daemon::buffer::Buffer;
use jstorrent_io_daemon::ids::{ConnId, JobId, RootNumber};
use jstorrent_io_daemon::job::{
    Algorithm, Ask, Chunk, Done, FileHandle, FileRange, Hasher, Job, Lane, Root, Stage,
};
use jstorrent_io_daemon::limits::{DiskLimits, WorkerLimits};
use jstorrent_io_daemon::workers::Workers;
use jstorrent_io_daemon::workers::disk::RealDisk;
use jstorrent_io_proto::path::RelPath;
use mio::{Events, Poll, Token, Waker};
use std::io::Write;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const FILE_BYTES: u64 = 1 << 30;
const CHUNK_BYTES: u64 = 256 << 10;
const CHUNKS_A_JOB: u64 = 16;
const BODY_BYTES: u64 = 256 << 20;
const ROUNDS: usize = 5;

struct Rig {
    poll: Poll,
    events: Events,
    wakes: Arc<AtomicU64>,
    workers: Workers<RealDisk>,
    threads: usize,
}

impl Rig {
    fn new(limits: WorkerLimits) -> Rig {
        let poll = Poll::new().expect("a poll");
        let waker = Waker::new(poll.registry(), Token(0)).expect("a waker");
        let wakes = Arc::new(AtomicU64::new(0));
        let counter = wakes.clone();
        let threads = limits.hash_threads;
        let workers = Workers::start(limits, Arc::new(RealDisk::new(DiskLimits::default())), move || {
            counter.fetch_add(1, Ordering::Relaxed);
            waker.wake().expect("a wake");
        });
        Rig { poll, events: Events::with_capacity(8), wakes, workers, threads }
    }

    fn submit(&mut self, lane: Lane, ask: Ask) {
        let stage = Stage::Ask(ask);
        self.workers.submit(Box::new(Job { id: JobId(0), owner: ConnId::NOBODY, lane, uses: None, stage }));
    }

    fn wait(&mut self) -> Vec<Done> {
        self.poll.poll(&mut self.events, None).expect("an event");
        let stages = self.workers.take_completions().map(|job| job.stage);
        stages.map(|stage| if let Stage::Done(done) = stage { done } else { panic!("{stage:?}") }).collect()
    }

    /// Submits one by one, so many at a time under way, until all have come home.
    fn pump(&mut self, lane: Lane, at_a_time: usize, mut asks: impl Iterator<Item = Ask>) -> usize {
        let (mut out, mut home) = (0, 0);
        loop {
            while out < at_a_time {
                let Some(ask) = asks.next() else { break };
                self.submit(lane, ask);
                out += 1;
            }
            if out == 0 {
                return home;
            }
            for done in self.wait() {
                assert!(!format!("{done:?}").contains("Err("), "{done:?}");
                out -= 1;
                home += 1;
            }
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Seconds that all threads of this process were on a processor: what other load on the machine does not change, and
/// what `openssl speed` counts too. Elsewhere than on Linux, the time on the wall.
fn on_cpu(origin: Instant) -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let times = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    });
    match times.sum::<f64>() {
        0.0 => origin.elapsed().as_secs_f64(),
        ns => ns / 1e9,
    }
}

/// `openssl speed` of one core, in GB/s.
fn openssl(algorithm: &str) -> Option<f64> {
    let bytes = CHUNK_BYTES.to_string();
    let arguments = ["speed", "-seconds", "1", "-bytes", &bytes, "-evp", algorithm];
    let output = Command::new("openssl").args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let figure = text.lines().last()?.split_whitespace().last()?.trim_end_matches('k').parse::<f64>().ok()?;
    Some(figure * 1000.0 / 1e9)
}

fn open(rig: &mut Rig, folder: &std::path::Path) -> Arc<FileHandle> {
    let mut file = std::fs::File::create(folder.join("f")).expect("a file");
    let mut block = vec![0_u8; 1 << 20];
    for number in 0..FILE_BYTES >> 20 {
        block[..8].copy_from_slice(&number.to_le_bytes());
        file.write_all(&block).expect("space for the file");
    }
    let root = Root { number: RootNumber(0), key: "k".to_owned(), path: folder.to_owned() };
    let path = RelPath::parse("f", false).expect("a path");
    rig.submit(
        Lane::Disk(RootNumber(0)),
        Ask::Open { root: Arc::new(root), path, write: false, create: false, size: None },
    );
    match rig.wait().pop() {
        Some(Done::Open(Ok(opened))) => opened.file,
        other => panic!("{other:?}"),
    }
}

fn hand_off(rig: &mut Rig, file: &Arc<FileHandle>) {
    let lane = Lane::Disk(RootNumber(0));
    let mut trips: Vec<f64> = (0..3000)
        .map(|_| {
            // Long enough for every thread to have gone to sleep.
            std::thread::sleep(Duration::from_micros(300));
            let begun = Instant::now();
            rig.submit(lane, Ask::Forget(file.clone()));
            while rig.wait().is_empty() {}
            begun.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    trips.sort_by(f64::total_cmp);
    println!("| hand-off and home, idle | p50 {:.1} µs, p99 {:.1} µs |", trips[1500], trips[2970]);
    let before = rig.wakes.load(Ordering::Relaxed);
    let begun = Instant::now();
    let jobs = rig.pump(lane, 64, (0..200_000).map(|_| Ask::Forget(file.clone())));
    let seconds = begun.elapsed().as_secs_f64();
    let wakes = (rig.wakes.load(Ordering::Relaxed) - before) as f64 / jobs as f64;
    println!("| 64 jobs under way | {:.0} jobs/s, {wakes:.3} wakes a job |", jobs as f64 / seconds);
}

fn chunk_jobs(file: &Arc<FileHandle>, algorithm: Algorithm) -> impl Iterator<Item = Ask> {
    let chunk = |index: u64| {
        let range = FileRange { file: file.clone(), offset: index * CHUNK_BYTES, length: CHUNK_BYTES };
        Chunk { index, parts: Ok(vec![range]) }
    };
    (0..FILE_BYTES / CHUNK_BYTES / CHUNKS_A_JOB).map(move |job| Ask::HashChunks {
        algorithm,
        chunks: (job * CHUNKS_A_JOB..(job + 1) * CHUNKS_A_JOB).map(chunk).collect(),
        stop: Arc::default(),
    })
}

/// GB a second on the wall, and a second on a processor.
#[derive(Clone, Copy)]
struct Speed {
    wall: f64,
    cpu: f64,
}

fn measured(bytes: u64, work: impl FnOnce()) -> Speed {
    let origin = Instant::now();
    let cpu = on_cpu(origin);
    work();
    let wall = origin.elapsed().as_secs_f64();
    let gigabytes = bytes as f64 / 1e9;
    Speed { wall: gigabytes / wall, cpu: gigabytes / (on_cpu(origin) - cpu) }
}

fn report(what: &str, speeds: &[Speed], threads: usize, openssl: f64) {
    let cpu = median(speeds.iter().map(|speed| speed.cpu).collect());
    let wall = median(speeds.iter().map(|speed| speed.wall).collect());
    println!(
        "| {what} | {cpu:.2} GB a CPU second, {:.2} of openssl; {wall:.2} GB/s, {:.2} |",
        cpu / openssl,
        wall / openssl / threads as f64
    );
}

fn hashing(rig: &mut Rig, file: &Arc<FileHandle>, algorithm: Algorithm) {
    let (mut chunked, mut whole, mut bodies, mut theirs) = (vec![], vec![], vec![], vec![]);
    let (threads, lane) = (rig.threads, Lane::DiskHash(RootNumber(0)));
    for _ in 0..ROUNDS {
        theirs.extend(openssl(algorithm.name()));
        chunked.push(measured(FILE_BYTES, || {
            rig.pump(lane, threads + 1, chunk_jobs(file, algorithm));
        }));
        let range = FileRange { file: file.clone(), offset: 0, length: FILE_BYTES };
        let ask = Ask::HashRange { hasher: Hasher::new(algorithm), range };
        whole.push(measured(FILE_BYTES, || {
            rig.pump(lane, 1, std::iter::once(ask));
        }));
        bodies.push(measured(BODY_BYTES, || hash_body(rig, algorithm)));
    }
    let one = if theirs.is_empty() { f64::NAN } else { median(theirs) };
    let name = algorithm.name();
    println!("| openssl speed {name} | {one:.2} GB a CPU second |");
    report(&format!("{name} of 256 KiB chunks, {threads} threads"), &chunked, threads, one);
    report(&format!("{name} of one range"), &whole, 1, one);
    report(&format!("{name} of a body, 256 KiB a job"), &bodies, 1, one);
}

/// A body that comes in buffers, one job at a time.
fn hash_body(rig: &mut Rig, algorithm: Algorithm) {
    let mut hasher = Hasher::new(algorithm);
    let mut buffers = vec![Buffer::new().expect("memory")];
    let length = buffers[0].room_len();
    buffers[0].commit(length);
    for _ in 0..BODY_BYTES / length as u64 {
        rig.submit(Lane::Hash, Ask::HashBytes { hasher, buffers });
        match rig.wait().pop() {
            Some(Done::HashBytes(its, theirs)) => (hasher, buffers) = (its, theirs),
            other => panic!("{other:?}"),
        }
    }
}

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut rig = Rig::new(WorkerLimits::default());
    let file = open(&mut rig, folder.path());
    println!("| what | result |\n| --- | --- |");
    hand_off(&mut rig, &file);
    hashing(&mut rig, &file, Algorithm::Sha1);
    hashing(&mut rig, &file, Algorithm::Sha256);
}
