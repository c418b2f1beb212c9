//! The loops of `perform`, on a disk that gives and takes as little as it may, and fails when it is told to.

use super::*;
use crate::job::{FileIdentity, WriteFailure};
use std::sync::Mutex;

/// One file in memory.
#[derive(Default)]
struct Stingy {
    bytes: Mutex<Vec<u8>>,
    /// Most bytes a call.
    step: usize,
    /// Calls until one fails.
    until_failure: Mutex<Option<usize>>,
    /// Cuts the file to that size after the first read.
    shrinks_to: Option<usize>,
    forgotten: Mutex<u32>,
}

const FAILURE: DiskError = DiskError::PermissionDenied;

impl Stingy {
    fn new(bytes: &[u8], step: usize) -> Stingy {
        Stingy { bytes: Mutex::new(bytes.to_vec()), step, ..Stingy::default() }
    }

    fn call(&self) -> Result<(), DiskError> {
        match &mut *self.until_failure.lock().unwrap() {
            Some(0) => Err(FAILURE),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn handle() -> Arc<FileHandle> {
        let identity = FileIdentity { device: 0, inode: 0, born_ns: 0 };
        Arc::new(FileHandle::new(0, root_at(PathBuf::from("/")), rel("file"), true, identity))
    }
}

impl Disk for Stingy {
    fn open(&self, _: &Arc<Root>, _: &RelPath, _: OpenHow) -> Result<Opened, DiskError> {
        self.call()?;
        Ok(Opened { file: Stingy::handle(), size: 0, created: true, mtime_ms: 0 })
    }

    fn inspect(&self, _: &FileHandle) -> Result<FileStat, DiskError> {
        self.call()?;
        Ok(FileStat { size: self.bytes.lock().unwrap().len() as u64, allocated: 0, mtime_ms: 0 })
    }

    fn read_at(&self, _: &FileHandle, offset: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        self.call()?;
        let mut bytes = self.bytes.lock().unwrap();
        let rest = bytes.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(into.len()).min(self.step);
        into[..count].copy_from_slice(&rest[..count]);
        if let Some(size) = self.shrinks_to {
            bytes.truncate(size);
        }
        Ok(count)
    }

    fn write_at(&self, _: &FileHandle, offset: u64, parts: &[IoSlice<'_>]) -> Result<usize, DiskError> {
        self.call()?;
        let mut bytes = self.bytes.lock().unwrap();
        let taken: Vec<u8> = parts.iter().flat_map(|part| part.iter()).copied().take(self.step).collect();
        let end = offset as usize + taken.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[offset as usize..end].copy_from_slice(&taken);
        Ok(taken.len())
    }

    fn transfer(&self, _: &FileHandle, _: &dyn Outlet, _: u64, _: u64) -> Result<Transferred, TransferError> {
        Err(TransferError::Socket)
    }

    fn flush(&self, _: &FileHandle) -> Result<(), DiskError> {
        self.call()
    }

    fn preallocate(&self, _: &FileHandle, size: u64, _: bool) -> Result<u64, DiskError> {
        self.call().map(|()| size)
    }

    fn truncate(&self, _: &FileHandle, _: u64) -> Result<(), DiskError> {
        self.call()
    }

    fn forget(&self, _: &FileHandle) {
        *self.forgotten.lock().unwrap() += 1;
    }

    fn path_stat(&self, _: &Root, _: &RelPath) -> Result<PathStat, DiskError> {
        Err(FAILURE)
    }

    fn path_list(&self, _: &Root, _: &RelPath, _: usize) -> Result<Vec<String>, DiskError> {
        Err(FAILURE)
    }

    fn path_delete(&self, _: &Root, _: &RelPath) -> Result<(), DiskError> {
        self.call()
    }

    fn path_truncate(&self, _: &Root, _: &RelPath, _: u64) -> Result<(), DiskError> {
        self.call()
    }

    fn make_folder(&self, _: &Root, _: &RelPath) -> Result<(), DiskError> {
        self.call()
    }

    fn root_space(&self, _: &Root) -> Result<RootSpace, DiskError> {
        Err(FAILURE)
    }

    fn read_config(&self, _: &Path, _: usize) -> Result<Vec<u8>, String> {
        Err("none".to_owned())
    }

    fn read_now(&self, _: &FileHandle, _: u64, _: &mut [u8]) -> Option<Result<ReadNow, DiskError>> {
        None
    }
}

fn read(disk: &Stingy, offset: u64, length: usize) -> (Vec<u8>, Result<u64, DiskError>) {
    let mut buffer = Buffer::new().unwrap();
    buffer.append(b"before:");
    let before = buffer.len();
    match perform(disk, Ask::Read { file: Stingy::handle(), offset, length, buffer }) {
        Performed::Done(Done::Read(buffer, outcome)) => (buffer.filled()[before..].to_vec(), outcome),
        other => panic!("{other:?}"),
    }
}

fn write(disk: &Stingy, offset: u64, parts: &[&[u8]]) -> Result<u64, WriteFailure> {
    let buffers = parts.iter().map(|part| filled(part)).collect();
    match perform(disk, Ask::Write { file: Stingy::handle(), offset, buffers }) {
        Performed::Done(Done::Write(_, outcome)) => outcome,
        other => panic!("{other:?}"),
    }
}

#[test]
fn reads_go_on_after_short_counts() {
    let disk = Stingy::new(b"0123456789", 3);
    assert_eq!(read(&disk, 1, 8), (b"12345678".to_vec(), Ok(10)));
    assert_eq!(read(&disk, 1, 100), (b"123456789".to_vec(), Ok(10)));
    assert_eq!(read(&disk, 10, 1), (vec![], Ok(10)));
}

#[test]
fn a_read_that_fails_gives_nothing() {
    let disk = Stingy::new(b"0123456789", 3);
    *disk.until_failure.lock().unwrap() = Some(3);
    assert_eq!(read(&disk, 0, 8), (vec![], Err(FAILURE)));
}

#[test]
fn a_file_that_shrinks_while_it_is_read_ends_there() {
    let mut disk = Stingy::new(b"0123456789", 3);
    disk.shrinks_to = Some(5);
    assert_eq!(read(&disk, 1, 8), (b"1234".to_vec(), Ok(5)));
    let mut disk = Stingy::new(b"0123456789", 3);
    disk.shrinks_to = Some(2);
    assert_eq!(read(&disk, 1, 8), (b"123".to_vec(), Ok(4)), "what was read was there");
    let mut disk = Stingy::new(b"0123456789", 0);
    disk.shrinks_to = Some(2);
    assert_eq!(read(&disk, 5, 3), (vec![], Err(DiskError::BeyondEnd { size: 2 })));
}

#[test]
fn writes_go_on_across_buffers() {
    for step in 1..12 {
        let disk = Stingy::new(b"", step);
        assert_eq!(write(&disk, 2, &[b"abc", b"", b"d", b"efghij"]), Ok(10));
        assert_eq!(*disk.bytes.lock().unwrap(), b"\0\0abcdefghij");
    }
}

#[test]
fn a_write_that_fails_says_how_far_it_came() {
    let disk = Stingy::new(b"", 3);
    *disk.until_failure.lock().unwrap() = Some(2);
    assert_eq!(write(&disk, 0, &[b"abcd", b"efgh"]), Err(WriteFailure { written: 6, error: FAILURE }));
    assert_eq!(*disk.bytes.lock().unwrap(), b"abcdef");
    let stuck = Stingy::new(b"", 0);
    let failed = write(&stuck, 0, &[b"abcd"]).unwrap_err();
    assert!(
        matches!(failed, WriteFailure { written: 0, error: DiskError::Io { errno: 5, .. } }),
        "{failed:?}"
    );
}

#[test]
fn an_open_that_can_not_reserve_lets_go() {
    let disk = Stingy::new(b"", 1);
    *disk.until_failure.lock().unwrap() = Some(1);
    let root = root_at(PathBuf::from("/"));
    let ask = Ask::Open { root, path: rel("file"), write: true, create: true, size: Some(5) };
    assert!(matches!(perform(&disk, ask), Performed::Done(Done::Open(Err(FAILURE)))));
    assert_eq!(*disk.forgotten.lock().unwrap(), 1);
}

#[test]
fn jobs_of_other_workers_come_back() {
    let disk = Stingy::new(b"", 1);
    assert!(matches!(perform(&disk, Ask::ListInterfaces), Performed::NotMine(Ask::ListInterfaces)));
}
