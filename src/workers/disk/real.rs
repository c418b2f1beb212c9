//! The disk of the running daemon. Opens and reopens by name below the roots, and works on descriptors; whatever else
//! there is to a call is in the files beside this one.

use super::deletion::{self, DeletionLimits};
use super::descriptors::{Descriptor, Descriptors};
use super::detour::{self, Use};
use super::errors::{Passing, check_end, of_file};
use super::reserve::{self, retry};
use super::{Disk, OpenHow, ReadNow, confined, listing, space};
use crate::ids::RootNumber;
use crate::job::{
    DiskError, FileHandle, FileStat, Opened, Outlet, PathStat, Root, RootSpace, TransferError, Transferred,
};
use crate::limits::DiskLimits;
use crate::platform::files::{self, QuickFacts};
use jstorrent_io_proto::path::RelPath;
use std::collections::HashMap;
use std::io::{self, ErrorKind, IoSlice};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

/// What happened so far, for `/stats`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskCounters {
    /// Descriptors of open files that are kept now.
    pub descriptors: usize,
    /// Times that a handle's file was opened again.
    pub reopened: u64,
}

/// The share of the process's descriptors that open files may take.
const DESCRIPTORS_SHARE: u64 = 4;
/// Attempts to open something while descriptors are short.
const SHORTAGE_ATTEMPTS: usize = 12;
/// How long each waits, at most, for what was given up to be closed.
const SHORTAGE_WAIT: Duration = Duration::from_millis(10);
/// Descriptors given up at a time while they are short: what one call needs.
const SHORTAGE_SHED: usize = 4;
/// Roots above which those that no descriptor belongs to are forgotten.
const ROOTS_KEPT: usize = 64;

/// The system's file systems.
#[derive(Debug)]
pub struct RealDisk {
    limits: DiskLimits,
    descriptors: Descriptors,
    resizing: Mutex<HashMap<RootNumber, Arc<RwLock<()>>>>,
    next_key: AtomicU64,
    reopened: AtomicU64,
}

impl RealDisk {
    /// A disk with nothing open.
    pub fn new(limits: DiskLimits) -> RealDisk {
        files::survive_size_limit();
        let share = files::descriptors_limit().map_or(u64::MAX, |all| all / DESCRIPTORS_SHARE);
        let descriptors_max = limits.descriptors_max.min(usize::try_from(share).unwrap_or(usize::MAX));
        RealDisk {
            limits,
            descriptors: Descriptors::new(descriptors_max),
            resizing: Mutex::default(),
            next_key: AtomicU64::new(0),
            reopened: AtomicU64::new(0),
        }
    }

    /// The open file of a handle, to read from by offset; opened again where that is needed.
    pub fn descriptor(&self, file: &FileHandle) -> Result<Arc<Descriptor>, DiskError> {
        if file.is_gone() {
            return Err(DiskError::NotFound);
        }
        match self.descriptors.get(file.key) {
            Some(descriptor) => Ok(descriptor),
            None => self.reopen(file),
        }
    }

    /// Opens a handle's file again: the same one, or none.
    fn reopen(&self, file: &FileHandle) -> Result<Arc<Descriptor>, DiskError> {
        let found = self.with_descriptors(|| {
            let root = confined::root_folder(&file.root)?;
            detour::below(&root, &file.root, (&file.path, Use::Target), |folder, path| {
                confined::open(folder, confined::native(path), file.writable)
            })
        });
        let (opened, facts) = match found {
            // Something else has its name now.
            Err(
                DiskError::NotFound
                | DiskError::IsDirectory
                | DiskError::NotRegular
                | DiskError::NotADirectory
                | DiskError::EscapesRoot
                | DiskError::LinkLoop,
            ) => return Err(self.noticed_gone(file)),
            other => other?,
        };
        if !facts.identity.continues(file.identity) {
            return Err(self.noticed_gone(file));
        }
        self.reopened.fetch_add(1, Ordering::Relaxed);
        Ok(self.keep(file.key, opened, &file.root))
    }

    fn keep(&self, key: u64, file: std::fs::File, root: &Root) -> Arc<Descriptor> {
        let resizing = self.resizing(root.number);
        self.descriptors.insert(key, Descriptor::new(file, root.number, resizing))
    }

    /// The lock that sizes below a root are set under.
    fn resizing(&self, root: RootNumber) -> Arc<RwLock<()>> {
        let mut all = self.resizing.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() > ROOTS_KEPT {
            all.retain(|_, lock| Arc::strong_count(lock) > 1);
        }
        Arc::clone(all.entry(root).or_default())
    }

    /// The open file of a handle, and its size; an error where it was deleted.
    fn live(&self, file: &FileHandle) -> Result<(Arc<Descriptor>, u64), DiskError> {
        let descriptor = self.descriptor(file)?;
        let facts =
            retry(|| files::quick_facts(descriptor.file())).map_err(|error| self.judged(file, error))?;
        if facts.links == 0 {
            return Err(self.noticed_gone(file));
        }
        Ok((descriptor, facts.size))
    }

    fn writable(&self, file: &FileHandle) -> Result<Arc<Descriptor>, DiskError> {
        let (descriptor, _) = self.live(file)?;
        if file.writable { Ok(descriptor) } else { Err(DiskError::ReadOnly) }
    }

    /// Notes that a handle's file is gone, and lets go of what is left of it, so that its space is free again.
    fn noticed_gone(&self, file: &FileHandle) -> DiskError {
        file.set_gone();
        self.descriptors.discard(file.key);
        DiskError::NotFound
    }

    /// An error on an open file. A network file system tells only now that it was deleted.
    fn judged(&self, file: &FileHandle, error: io::Error) -> DiskError {
        match of_file(error) {
            DiskError::NotFound => self.noticed_gone(file),
            other => other,
        }
    }

    /// Moves `share` bytes into a socket, or as many as it takes.
    fn send(
        &self,
        file: &FileHandle,
        descriptor: &Descriptor,
        outlet: &dyn Outlet,
        offset: u64,
        share: u64,
    ) -> Result<Transferred, TransferError> {
        let mut moved = 0;
        while moved < share {
            let most = usize::try_from(share - moved).unwrap_or(usize::MAX);
            match retry(|| outlet.send_file(descriptor.file(), offset.saturating_add(moved), most)) {
                Ok(0) => return Err(ended_early(descriptor.file())),
                Ok(count) => moved += count as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(Transferred { bytes: moved, blocked: true });
                }
                Err(error) if is_sockets_fault(&error) => return Err(TransferError::Socket),
                Err(error) => return Err(TransferError::Disk(self.judged(file, error))),
            }
        }
        Ok(Transferred { bytes: moved, blocked: false })
    }

    /// The same where all of it is in memory.
    fn send_now(
        &self,
        file: &FileHandle,
        descriptor: &Descriptor,
        outlet: &dyn Outlet,
        offset: u64,
        share: u64,
    ) -> Option<Result<Transferred, TransferError>> {
        let (_, facts) = files::read_at_once(descriptor.file(), offset, &mut [0])?;
        if facts.links == 0 {
            return Some(Err(TransferError::Disk(self.noticed_gone(file))));
        }
        files::is_resident(descriptor.file(), offset, share)
            .then(|| self.send(file, descriptor, outlet, offset, share))
    }

    /// What a read of `count` bytes, where `wanted` were asked for, means for a file that is like `facts`.
    fn judged_now(
        &self,
        file: &FileHandle,
        offset: u64,
        wanted: usize,
        count: usize,
        facts: QuickFacts,
    ) -> Option<Result<ReadNow, DiskError>> {
        let end = offset.saturating_add(count as u64);
        if facts.links == 0 {
            Some(Err(self.noticed_gone(file)))
        } else if count == wanted && count > 0 {
            Some(Ok(ReadNow { count, size: facts.size.max(end) }))
        } else if offset > facts.size {
            Some(Err(DiskError::BeyondEnd { size: facts.size }))
        } else {
            // The rest is not in memory, or has just come.
            (end == facts.size || wanted == 0).then_some(Ok(ReadNow { count, size: facts.size }))
        }
    }

    /// Tries what needs a descriptor, giving up cached ones while there is none to be had, and again while a signal
    /// interrupts.
    fn with_descriptors<T, E: Passing>(&self, attempt: impl Fn() -> Result<T, E>) -> Result<T, E> {
        let mut attempts_left = SHORTAGE_ATTEMPTS;
        loop {
            match attempt() {
                Err(error) if error.is_interruption() => {}
                Err(error) if error.is_shortage() && attempts_left > 1 => {
                    attempts_left -= 1;
                    self.descriptors.shed_and_wait(SHORTAGE_SHED, SHORTAGE_WAIT);
                }
                other => return other,
            }
        }
    }

    /// [`Self::with_descriptors`], for what `name` means below a root.
    fn below<T>(
        &self,
        root: &Root,
        name: (&RelPath, Use),
        attempt: impl Fn(&cap_std::fs::Dir, &RelPath) -> Result<T, DiskError>,
    ) -> Result<T, DiskError> {
        self.with_descriptors(|| detour::below(&confined::root_folder(root)?, root, name, &attempt))
    }
}

impl Disk for RealDisk {
    fn open(&self, root: &Arc<Root>, path: &RelPath, how: OpenHow) -> Result<Opened, DiskError> {
        if path.is_root() {
            return Err(DiskError::IsDirectory);
        }
        let used_for = if how.create { Use::Make } else { Use::Target };
        let (opened, facts, created) = self.below(root, (path, used_for), |folder, path| {
            if how.create {
                confined::open_or_make(folder, path, how.write)
            } else {
                confined::open(folder, confined::native(path), how.write)
                    .map(|(file, facts)| (file, facts, false))
            }
        })?;
        let key = self.next_key.fetch_add(1, Ordering::Relaxed);
        self.keep(key, opened, root);
        let file = FileHandle::new(key, Arc::clone(root), path.clone(), how.write, facts.identity);
        Ok(Opened { file: Arc::new(file), size: facts.size, created, mtime_ms: facts.mtime_ms })
    }

    fn inspect(&self, file: &FileHandle) -> Result<FileStat, DiskError> {
        let (descriptor, _) = self.live(file)?;
        let facts = retry(|| files::facts(descriptor.file())).map_err(|error| self.judged(file, error))?;
        Ok(FileStat { size: facts.size, allocated: facts.allocated, mtime_ms: facts.mtime_ms })
    }

    fn size(&self, file: &FileHandle) -> Result<u64, DiskError> {
        self.live(file).map(|(_, size)| size)
    }

    fn read_at(&self, file: &FileHandle, offset: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        let descriptor = self.descriptor(file)?;
        retry(|| files::read_at(descriptor.file(), offset, into)).map_err(|error| self.judged(file, error))
    }

    fn write_at(&self, file: &FileHandle, offset: u64, parts: &[IoSlice<'_>]) -> Result<usize, DiskError> {
        let descriptor = self.writable(file)?;
        if parts.is_empty() {
            return Ok(0);
        }
        let _shared = descriptor.resizing.read().unwrap_or_else(PoisonError::into_inner);
        retry(|| files::write_at(descriptor.file(), offset, parts)).map_err(|error| self.judged(file, error))
    }

    fn transfer(
        &self,
        file: &FileHandle,
        outlet: &dyn Outlet,
        offset: u64,
        length: u64,
    ) -> Result<Transferred, TransferError> {
        let (descriptor, _) = self.live(file).map_err(TransferError::Disk)?;
        let share = length.min(self.limits.transfer_bytes_max);
        self.send(file, &descriptor, outlet, offset, share)
    }

    fn transfer_now(
        &self,
        file: &FileHandle,
        outlet: &dyn Outlet,
        offset: u64,
        length: u64,
    ) -> Option<Result<Transferred, TransferError>> {
        if file.is_gone() {
            return Some(Err(TransferError::Disk(DiskError::NotFound)));
        }
        let descriptor = self.descriptors.get(file.key)?;
        let outcome = self.send_now(file, &descriptor, outlet, offset, length);
        self.descriptors.release(descriptor);
        outcome
    }

    fn flush(&self, file: &FileHandle) -> Result<(), DiskError> {
        let (descriptor, _) = self.live(file)?;
        retry(|| files::flush(descriptor.file(), file.writable)).map_err(|error| self.judged(file, error))
    }

    fn preallocate(&self, file: &FileHandle, size: u64, full: bool) -> Result<u64, DiskError> {
        reserve::preallocate(&*self.writable(file)?, size, full)
    }

    fn truncate(&self, file: &FileHandle, size: u64) -> Result<(), DiskError> {
        let descriptor = self.writable(file)?;
        let _shared = descriptor.resizing.read().unwrap_or_else(PoisonError::into_inner);
        retry(|| descriptor.file().set_len(size)).map_err(|error| self.judged(file, error))
    }

    fn forget(&self, file: &FileHandle) {
        self.descriptors.remove(file.key);
    }

    fn path_stat(&self, root: &Root, path: &RelPath) -> Result<PathStat, DiskError> {
        self.below(root, (path, Use::Target), confined::stat)
    }

    fn path_list(&self, root: &Root, path: &RelPath, bytes_max: usize) -> Result<Vec<String>, DiskError> {
        self.below(root, (path, Use::Target), |folder, path| listing::list(folder, path, bytes_max))
    }

    fn path_delete(&self, root: &Root, path: &RelPath) -> Result<(), DiskError> {
        if files::OPEN_FILES_KEEP_NAMES {
            self.descriptors.shed_and_wait(usize::MAX, SHORTAGE_WAIT);
        }
        let limits = DeletionLimits {
            entries_max: self.limits.delete_entries_max,
            depth_max: self.limits.delete_depth_max,
        };
        self.below(root, (path, Use::Entry), |folder, path| deletion::delete(folder, path, limits))
    }

    fn path_truncate(&self, root: &Root, path: &RelPath, size: u64) -> Result<(), DiskError> {
        let (file, _) = self.below(root, (path, Use::Target), |folder, path| {
            confined::open(folder, confined::native(path), true)
        })?;
        let resizing = self.resizing(root.number);
        let _shared = resizing.read().unwrap_or_else(PoisonError::into_inner);
        retry(|| file.set_len(size)).map_err(of_file)
    }

    fn make_folder(&self, root: &Root, path: &RelPath) -> Result<(), DiskError> {
        self.below(root, (path, Use::Make), confined::make_folder)
    }

    fn root_space(&self, root: &Root) -> Result<RootSpace, DiskError> {
        self.with_descriptors(|| space::root_space(root))
    }

    fn read_config(&self, path: &Path, bytes_max: usize) -> Result<Vec<u8>, String> {
        let opened = self.with_descriptors(|| files::own_options().open(path));
        space::read_config(path, opened, bytes_max)
    }

    fn shed(&self, n: usize) -> usize {
        self.descriptors.shed(n)
    }

    fn counters(&self) -> DiskCounters {
        DiskCounters { descriptors: self.descriptors.len(), reopened: self.reopened.load(Ordering::Relaxed) }
    }

    fn read_now(
        &self,
        file: &FileHandle,
        offset: u64,
        into: &mut [u8],
    ) -> Option<Result<ReadNow, DiskError>> {
        if file.is_gone() {
            return Some(Err(DiskError::NotFound));
        }
        // To this call of Linux's, the last offset of all means the file's own position.
        check_end(offset, into.len() as u64).ok()?;
        let descriptor = self.descriptors.get(file.key)?;
        let outcome = files::read_at_once(descriptor.file(), offset, into);
        self.descriptors.release(descriptor);
        let (count, facts) = outcome?;
        self.judged_now(file, offset, into.len(), count, facts)
    }
}

/// Whether a transfer failed on the socket's side.
fn is_sockets_fault(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::BrokenPipe
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::NotConnected
            | ErrorKind::TimedOut
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
    )
}

/// The file ended before what was promised of it.
fn ended_early(file: &std::fs::File) -> TransferError {
    TransferError::Disk(match files::facts(file) {
        Ok(facts) => DiskError::BeyondEnd { size: facts.size },
        Err(error) => of_file(error),
    })
}
