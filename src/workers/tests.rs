//! The workers as the poll thread has them, on a real disk.

use super::disk::RealDisk;
use super::*;
use crate::buffer::Buffer;
use crate::ids::{ConnId, JobId, RootNumber};
use crate::job::{Algorithm, Chunk, FileHandle, FileRange, Hasher, Root, SharedHasher};
use crate::limits::DiskLimits;
use jstorrent_io_proto::path::RelPath;
use std::sync::mpsc;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

struct Setup {
    workers: Workers<RealDisk>,
    woken: mpsc::Receiver<()>,
    root: Arc<Root>,
    _folder: tempfile::TempDir,
}

fn setup() -> Setup {
    let folder = tempfile::tempdir().expect("a folder");
    let (wake, woken) = mpsc::channel();
    let limits = WorkerLimits { shutdown_max: LONG, ..WorkerLimits::default() };
    let disk = Arc::new(RealDisk::new(DiskLimits::default()));
    let workers = Workers::start(limits, disk, move || {
        let _ = wake.send(());
    });
    let root = Root { number: RootNumber(3), key: "k".to_owned(), path: folder.path().to_owned() };
    Setup { workers, woken, root: Arc::new(root), _folder: folder }
}

fn buffer(content: &[u8]) -> Buffer {
    let mut buffer = Buffer::new().expect("memory");
    buffer.append(content);
    buffer
}

impl Setup {
    fn job(lane: Lane, ask: Ask) -> Box<Job> {
        Box::new(Job { id: JobId(1), owner: ConnId::NOBODY, lane, uses: None, stage: Stage::Ask(ask) })
    }

    fn done(&mut self, lane: Lane, ask: Ask) -> Done {
        self.workers.submit(Self::job(lane, ask));
        self.woken.recv_timeout(LONG).expect("a wake");
        let jobs: Vec<_> = self.workers.take_completions().collect();
        match jobs.into_iter().next().map(|job| job.stage) {
            Some(Stage::Done(done)) => done,
            other => panic!("{other:?}"),
        }
    }

    fn lane(&self) -> Lane {
        Lane::Disk(self.root.number)
    }

    /// A new file with that content.
    fn file(&mut self, content: &[u8]) -> Arc<FileHandle> {
        let path = RelPath::parse("f", false).expect("a path");
        let open = Ask::Open { root: self.root.clone(), path, write: true, create: true, size: None };
        let Done::Open(Ok(opened)) = self.done(self.lane(), open) else { panic!("not opened") };
        let write = Ask::Write { file: opened.file.clone(), offset: 0, buffers: vec![buffer(content)] };
        let written = self.done(self.lane(), write);
        assert!(matches!(written, Done::Write(_, Ok(count)) if count == content.len() as u64), "{written:?}");
        opened.file
    }
}

#[test]
fn every_kind_of_job_finds_its_worker() {
    let mut setup = setup();
    let file = setup.file(b"abc");
    let range = FileRange { file: file.clone(), offset: 0, length: 3 };
    let ask = Ask::HashRange { hasher: Hasher::new(Algorithm::Sha1), range: range.clone() };
    let done = setup.done(Lane::DiskHash(RootNumber(3)), ask);
    assert!(matches!(done, Done::HashRange(_, Ok(()))), "{done:?}");
    let chunk = Chunk { index: 5, parts: Ok(vec![range]) };
    let ask = Ask::HashChunks { algorithm: Algorithm::Sha1, chunks: vec![chunk], stop: Arc::default() };
    let Done::HashChunks(outcomes) = setup.done(Lane::MixedHash, ask) else { panic!("another outcome") };
    assert_eq!(format!("{outcomes:?}"), "[(5, Ok(a9993e364706816aba3e25717850c26c9cd0d89d))]");
    let ask = Ask::HashBytes { hasher: Hasher::new(Algorithm::Sha256), buffers: Vec::new() };
    assert!(matches!(setup.done(Lane::Hash, ask), Done::HashBytes(..)));
    let hasher = SharedHasher::new(Algorithm::Sha1);
    let ask = Ask::HashInOrder { hasher: hasher.clone(), buffers: vec![buffer(b"abc")] };
    assert!(
        matches!(setup.done(Lane::HashInOrder(1), ask), Done::HashInOrder(buffers) if buffers.len() == 1)
    );
    assert_eq!(format!("{:?}", hasher.finish()), "a9993e364706816aba3e25717850c26c9cd0d89d");
    let done = setup.done(Lane::Names, Ask::Resolve { host: String::new() });
    assert!(matches!(done, Done::Resolve(Err(2))), "{done:?}");
    assert!(matches!(setup.done(Lane::Local, Ask::ListInterfaces), Done::ListInterfaces(Ok(_))));
    let mut lanes: Vec<_> =
        setup.workers.pool.loads().map(|(lane, load)| format!("{lane:?} {}", load.threads)).collect();
    lanes.sort();
    let expected = [
        "Disk(RootNumber(3)) 1",
        "DiskHash(RootNumber(3)) 1",
        "Hash 1",
        "HashInOrder(1) 1",
        "Local 1",
        "MixedHash 1",
        "Names 1",
    ];
    assert_eq!(lanes, expected);
    assert!(setup.workers.shutdown());
}

#[cfg(target_os = "linux")]
#[test]
fn short_reads_are_done_at_once() {
    let mut setup = setup();
    let file = setup.file(b"0123456789");
    let read = |offset, length| {
        let buffer = Buffer::new().expect("memory");
        Setup::job(Lane::Local, Ask::Read { file: file.clone(), offset, length, buffer })
    };
    let mut job = read(2, 4);
    assert!(setup.workers.try_now(&mut job), "it was written just now: the system has it in memory");
    let Stage::Done(Done::Read(buffer, Ok(10))) = &job.stage else { panic!("{job:?}") };
    assert_eq!(buffer.filled(), b"2345");
    let mut job = read(0, WorkerLimits::default().read_now_bytes_max + 1);
    assert!(!setup.workers.try_now(&mut job), "too long");
    assert!(matches!(&job.stage, Stage::Ask(Ask::Read { .. })));
    assert!(!setup.workers.try_now(&mut Setup::job(Lane::Local, Ask::ListInterfaces)));
}

#[test]
fn a_size_is_told_at_once() {
    let mut setup = setup();
    let file = setup.file(b"0123456789");
    let mut job = Setup::job(Lane::Local, Ask::Size(file));
    assert!(setup.workers.try_now(&mut job), "nothing of it has to be read");
    assert!(matches!(&job.stage, Stage::Done(Done::Size(Ok(10)))), "{job:?}");
}
