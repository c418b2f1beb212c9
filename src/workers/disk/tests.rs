//! Tests of the disk on real folders: what each call does, and what links, races, faults and shortages do to it.

mod bytes;
mod frozen;
mod handles;
mod links;
mod loops;
mod opening;
mod paths;
mod races;
mod sizes;
mod transfers;

use super::*;
use crate::buffer::Buffer;
use crate::ids::RootNumber;
use crate::job::{Ask, Done};
use crate::limits::DiskLimits;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

/// A disk, and a root in a folder of its own. Beside the root there is a file that nothing may touch.
struct Fixture {
    dir: TempDir,
    disk: RealDisk,
    root: Arc<Root>,
}

const READ: OpenHow = OpenHow { write: false, create: false };
const WRITE: OpenHow = OpenHow { write: true, create: false };
const MAKE: OpenHow = OpenHow { write: true, create: true };
const SECRET: &[u8] = b"outside the root";

impl Fixture {
    fn new() -> Fixture {
        Fixture::with(DiskLimits::default())
    }

    fn with(limits: DiskLimits) -> Fixture {
        let dir = TempDir::new().expect("a temporary folder");
        std::fs::create_dir(dir.path().join("root")).expect("a root");
        std::fs::write(dir.path().join("secret"), SECRET).expect("a file outside");
        let root = root_at(dir.path().join("root"));
        Fixture { dir, disk: RealDisk::new(limits), root }
    }

    /// The system's path of `name` below the root.
    fn at(&self, name: &str) -> PathBuf {
        self.root.path.join(name)
    }

    fn open(&self, name: &str, how: OpenHow) -> Result<Opened, DiskError> {
        self.disk.open(&self.root, &rel(name), how)
    }

    fn make(&self, name: &str, content: &[u8]) -> Arc<FileHandle> {
        let file = self.open(name, MAKE).expect("a file").file;
        assert_eq!(self.write(&file, 0, content), Ok(content.len() as u64));
        file
    }

    fn write(
        &self,
        file: &Arc<FileHandle>,
        offset: u64,
        content: &[u8],
    ) -> Result<u64, crate::job::WriteFailure> {
        let buffers = content.chunks(crate::buffer::BUFFER_BYTES).map(filled).collect();
        match perform(&self.disk, Ask::Write { file: Arc::clone(file), offset, buffers }) {
            Performed::Done(Done::Write(_, outcome)) => outcome,
            other => panic!("{other:?}"),
        }
    }

    /// The bytes and the file's size.
    fn read(&self, file: &Arc<FileHandle>, offset: u64, length: usize) -> Result<(Vec<u8>, u64), DiskError> {
        let buffer = Buffer::new().expect("memory");
        match perform(&self.disk, Ask::Read { file: Arc::clone(file), offset, length, buffer }) {
            Performed::Done(Done::Read(buffer, outcome)) => {
                outcome.map(|size| (buffer.filled().to_vec(), size))
            }
            other => panic!("{other:?}"),
        }
    }

    #[cfg(unix)]
    fn secret_is_untouched(&self) {
        assert_eq!(std::fs::read(self.dir.path().join("secret")).expect("the file outside"), SECRET);
    }
}

/// Says that a test, or a part of one, was left out.
#[cfg(unix)]
#[expect(clippy::print_stderr, reason = "what is not tested is told")]
fn not_tested(why: &str) {
    eprintln!("not tested: {why}");
}

fn root_at(path: PathBuf) -> Arc<Root> {
    Arc::new(Root { number: RootNumber(0), key: "key".to_owned(), path })
}

fn rel(name: &str) -> RelPath {
    RelPath::parse(name, true).expect("a path")
}

fn filled(content: &[u8]) -> Buffer {
    let mut buffer = Buffer::new().expect("memory");
    assert_eq!(buffer.append(content), content.len());
    buffer
}

/// Does `work` while another thread does `other` over and over.
fn meanwhile(other: impl Fn() + Sync, work: impl FnOnce()) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                other();
            }
        });
        // Even a `work` that panics ends the other.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        over.store(true, Ordering::Relaxed);
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

/// Runs the test `name` of this binary, one that is left out otherwise, in a process of its own.
#[cfg(target_os = "linux")]
fn in_a_process(name: &str) {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("workers::disk::tests::{name}"), "--ignored", "--test-threads=1"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{}: {said}{failed}", output.status);
}

/// Runs a tool of the system's; notes that something is not tested where it fails.
#[cfg(target_os = "linux")]
fn run(command: &mut std::process::Command) -> bool {
    let output = command.output();
    let done = output.as_ref().is_ok_and(|output| output.status.success());
    if !done {
        not_tested(&format!("{command:?}: {output:?}"));
    }
    done
}
