//! File jobs: the small trait behind which all file system work is done, and what turns a job into calls of it. It
//! never decides which worker does what or how long anything may take, and never names a system.
//!
//! [`RealDisk`] is the disk of the running daemon. A simulation puts its own behind [`Disk`]: one that is slow, full,
//! takes a byte at a time, or fails.

mod confined;
mod deletion;
mod descriptors;
mod detour;
mod errors;
mod listing;
mod perform;
mod real;
mod reserve;
mod space;
#[cfg(test)]
mod tests;

pub use descriptors::Descriptor;
pub use perform::{Performed, perform};
pub use real::{DiskCounters, RealDisk};

use crate::job::{
    DiskError, FileHandle, FileStat, Opened, Outlet, PathStat, Root, RootSpace, TransferError, Transferred,
};
use jstorrent_io_proto::path::RelPath;
use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;

/// How a file is to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenHow {
    /// For reading and writing, else for reading.
    pub write: bool,
    /// Made, with its parents, where it is not there. Implies nothing about `write`.
    pub create: bool,
}

/// What [`Disk::read_now`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadNow {
    /// Bytes read. Fewer than asked only at the end of the file.
    pub count: usize,
    /// The file's size in bytes.
    pub size: u64,
}

/// A file system as the daemon needs it. Every method but those ending in `now` may block; all may be called from any
/// thread. A handle whose file was deleted or replaced is [`DiskError::NotFound`] from the moment that this is
/// noticed (PROTOCOL §7), and a handle for reading is [`DiskError::ReadOnly`] to all that changes its file.
pub trait Disk: Send + Sync + 'static {
    /// Opens a regular file below `root`, never waiting for what is none, never leaving the root. `created` is true
    /// for exactly one of several that race to make a file.
    fn open(&self, root: &Arc<Root>, path: &RelPath, how: OpenHow) -> Result<Opened, DiskError>;

    /// Size, blocks and times of an open file.
    fn inspect(&self, file: &FileHandle) -> Result<FileStat, DiskError>;

    /// Size of an open file in bytes.
    fn size(&self, file: &FileHandle) -> Result<u64, DiskError> {
        self.inspect(file).map(|stat| stat.size)
    }

    /// One read: at least one byte, or 0 at or behind the end of the file.
    fn read_at(&self, file: &FileHandle, offset: u64, into: &mut [u8]) -> Result<usize, DiskError>;

    /// One write of `parts`, one after another, from `offset`: how many bytes were taken, at least one if there are
    /// any.
    fn write_at(&self, file: &FileHandle, offset: u64, parts: &[IoSlice<'_>]) -> Result<usize, DiskError>;

    /// Moves up to `length` bytes of the file into a socket; fewer where the socket is full or a worker's share is
    /// used up, at least one otherwise. The end of the file before `length` is [`DiskError::BeyondEnd`].
    fn transfer(
        &self,
        file: &FileHandle,
        outlet: &dyn Outlet,
        offset: u64,
        length: u64,
    ) -> Result<Transferred, TransferError>;

    /// A transfer that can't block on the disk, for the poll thread: `None` where it would have to, or where nobody can
    /// tell. Ends as [`crate::job::Ask::Transfer`] would.
    fn transfer_now(
        &self,
        _file: &FileHandle,
        _outlet: &dyn Outlet,
        _offset: u64,
        _length: u64,
    ) -> Option<Result<Transferred, TransferError>> {
        None
    }

    /// The file's data to the disk.
    fn flush(&self, file: &FileHandle) -> Result<(), DiskError>;

    /// Makes the file at least `size` bytes long, with blocks reserved where `full` asks for it and the file system
    /// can; returns its size then. A failure leaves the file as it was.
    fn preallocate(&self, file: &FileHandle, size: u64, full: bool) -> Result<u64, DiskError>;

    /// Sets the file's size.
    fn truncate(&self, file: &FileHandle, size: u64) -> Result<(), DiskError>;

    /// The file is closed and will not be used again.
    fn forget(&self, file: &FileHandle);

    /// Size, time and kind of what a path names. Links are followed.
    fn path_stat(&self, root: &Root, path: &RelPath) -> Result<PathStat, DiskError>;

    /// The names in a folder, sorted. Names that are not Unicode come with replacement characters.
    fn path_list(&self, root: &Root, path: &RelPath, bytes_max: usize) -> Result<Vec<String>, DiskError>;

    /// Removes a file, a link itself, or a folder with all in it; the root itself is [`DiskError::BadName`].
    fn path_delete(&self, root: &Root, path: &RelPath) -> Result<(), DiskError>;

    /// Sets the size of a file that is there.
    fn path_truncate(&self, root: &Root, path: &RelPath, size: u64) -> Result<(), DiskError>;

    /// Makes a folder and its parents; fine where it is there.
    fn make_folder(&self, root: &Root, path: &RelPath) -> Result<(), DiskError>;

    /// Space and writability of the file system below a root.
    fn root_space(&self, root: &Root) -> Result<RootSpace, DiskError>;

    /// A small file of the daemon's own, of at most `bytes_max` bytes; else one sentence that says why not.
    fn read_config(&self, path: &Path, bytes_max: usize) -> Result<Vec<u8>, String>;

    /// Closes up to `n` kept descriptors that were not used for longest, so that something else may be opened;
    /// returns how many. For the poll thread: never waits, and they are closed a moment later on another. A disk that keeps
    /// none has none to close.
    fn shed(&self, _n: usize) -> usize {
        0
    }

    /// What happened so far.
    fn counters(&self) -> DiskCounters {
        DiskCounters::default()
    }

    /// A read that can't block, for the poll thread: `None` where it would have to, or where the platform can't
    /// tell. Ends as [`crate::job::Ask::Read`] would.
    fn read_now(&self, file: &FileHandle, offset: u64, into: &mut [u8])
    -> Option<Result<ReadNow, DiskError>>;
}
