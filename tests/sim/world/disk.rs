//! A file system in memory behind the daemon's own `Disk`: short counts, errors, a disk that is full, a file that is cut
//! behind the daemon's back. When things happen is not its business (`workers`).

use super::dice::Dice;
use jstorrent_io_daemon::job::{
    DiskError, FileHandle, FileIdentity, FileStat, Opened, Outlet, PathStat, Root, RootSpace, TransferError,
    Transferred,
};
use jstorrent_io_daemon::workers::disk::{Disk, OpenHow, ReadNow};
use jstorrent_io_proto::path::RelPath;
use std::collections::BTreeMap;
use std::io::IoSlice;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

/// How often, in a thousand calls, what goes wrong.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) io_error: u32,
    pub(crate) full: u32,
    pub(crate) short: u32,
}

/// The disk.
#[derive(Debug)]
pub(crate) struct SimDisk(Mutex<Model>);

#[derive(Debug)]
struct Model {
    dice: Dice,
    faults: Faults,
    /// Faults so far: an error without one is a lie.
    fault_count: u64,
    files: Vec<File>,
    /// By the root's key and the path in it.
    paths: BTreeMap<(String, String), usize>,
    handles: BTreeMap<u64, Handle>,
    opened: u64,
    config: Result<Vec<u8>, String>,
}

#[derive(Debug)]
struct File {
    bytes: Vec<u8>,
    gone: bool,
}

#[derive(Debug)]
struct Handle {
    file: usize,
    forgotten: bool,
}

const FILE_BYTES_MAX: u64 = 8 << 20;

impl SimDisk {
    pub(crate) fn new(seed: u64, faults: Faults) -> SimDisk {
        SimDisk(Mutex::new(Model {
            dice: Dice::seeded(seed),
            faults,
            fault_count: 0,
            files: Vec::new(),
            paths: BTreeMap::new(),
            handles: BTreeMap::new(),
            opened: 0,
            config: Ok(Vec::new()),
        }))
    }

    fn model(&self) -> MutexGuard<'_, Model> {
        self.0.lock().expect("nobody panics in here")
    }

    /// Puts a file there.
    pub(crate) fn plant(&self, root: &str, path: &str, bytes: Vec<u8>) {
        let mut model = self.model();
        model.files.push(File { bytes, gone: false });
        let index = model.files.len() - 1;
        model.paths.insert((root.to_owned(), path.to_owned()), index);
    }

    /// What a file holds; `None` where there is none.
    pub(crate) fn content(&self, root: &str, path: &str) -> Option<Vec<u8>> {
        let model = self.model();
        let index = *model.paths.get(&(root.to_owned(), path.to_owned()))?;
        Some(model.files[index].bytes.clone())
    }

    /// Cuts a file to a length, as another process may at any time.
    pub(crate) fn shrink(&self, root: &str, path: &str, length: usize) {
        let mut model = self.model();
        model.fault_count += 1;
        if let Some(index) = model.paths.get(&(root.to_owned(), path.to_owned())).copied() {
            model.files[index].bytes.truncate(length);
        }
    }

    pub(crate) fn fault_count(&self) -> u64 {
        self.model().fault_count
    }

    pub(crate) fn stop_faults(&self) {
        self.model().faults = Faults::default();
    }

    /// Handles that were opened and never closed.
    pub(crate) fn handles_open(&self) -> usize {
        self.model().handles.values().filter(|handle| !handle.forgotten).count()
    }

    /// What a worker's transfer finds: at least one byte, or the end of the file, or an error.
    pub(crate) fn read_for_transfer(
        &self,
        file: &FileHandle,
        offset: u64,
        length: u64,
    ) -> Result<Vec<u8>, DiskError> {
        let mut model = self.model();
        model.may_fail()?;
        let bytes = &model.file(file)?.bytes;
        let size = bytes.len() as u64;
        if offset >= size {
            return Err(DiskError::BeyondEnd { size });
        }
        let end = size.min(offset + length);
        Ok(bytes[offset as usize..end as usize].to_vec())
    }

    /// What rpc-info.json holds from now on.
    pub(crate) fn set_config(&self, config: Result<Vec<u8>, String>) {
        self.model().config = config;
    }
}

impl Model {
    fn fault(&mut self, error: DiskError) -> DiskError {
        self.fault_count += 1;
        error
    }

    fn may_fail(&mut self) -> Result<(), DiskError> {
        if self.dice.chance(self.faults.io_error) {
            return Err(self.fault(DiskError::Io { errno: 5, text: "Input/output error".to_owned() }));
        }
        Ok(())
    }

    fn may_be_full(&mut self) -> Result<(), DiskError> {
        self.may_fail()?;
        if self.dice.chance(self.faults.full) {
            return Err(self.fault(DiskError::DiskFull));
        }
        Ok(())
    }

    /// A count between 1 and `count`, where there is any.
    fn shorten(&mut self, count: usize) -> usize {
        if count > 1 && self.dice.chance(self.faults.short) {
            return 1 + self.dice.below(count as u64 - 1) as usize;
        }
        count
    }

    fn file(&mut self, handle: &FileHandle) -> Result<&mut File, DiskError> {
        let known = self.handles.get(&handle.key).expect("a handle that this disk gave out");
        assert!(!known.forgotten, "a handle was used after it was closed: {:?}", handle.path);
        let file = &mut self.files[known.file];
        if file.gone {
            handle.set_gone();
            return Err(DiskError::NotFound);
        }
        Ok(file)
    }

    fn for_writing(&mut self, handle: &FileHandle) -> Result<&mut File, DiskError> {
        let file = self.file(handle)?;
        if handle.writable { Ok(file) } else { Err(DiskError::ReadOnly) }
    }

    fn resize(&mut self, handle: &FileHandle, size: u64) -> Result<(), DiskError> {
        if size > FILE_BYTES_MAX {
            return Err(self.fault(DiskError::DiskFull));
        }
        self.for_writing(handle)?.bytes.resize(size as usize, 0);
        Ok(())
    }

    fn look_up(&mut self, root: &Root, path: &RelPath) -> Option<usize> {
        self.paths.get(&(root.key.clone(), path.as_str().to_owned())).copied()
    }
}

impl Disk for SimDisk {
    fn open(&self, root: &Arc<Root>, path: &RelPath, how: OpenHow) -> Result<Opened, DiskError> {
        let mut model = self.model();
        model.may_fail()?;
        let found = model.look_up(root, path);
        let created = found.is_none();
        let file = match found {
            Some(index) => index,
            None if how.create => {
                model.may_be_full()?;
                model.files.push(File { bytes: Vec::new(), gone: false });
                let index = model.files.len() - 1;
                model.paths.insert((root.key.clone(), path.as_str().to_owned()), index);
                index
            }
            None => return Err(DiskError::NotFound),
        };
        model.opened += 1;
        let key = model.opened;
        model.handles.insert(key, Handle { file, forgotten: false });
        let identity = FileIdentity { device: root.number.0.into(), inode: file as u64, born_ns: 0 };
        let size = model.files[file].bytes.len() as u64;
        let handle = FileHandle::new(key, root.clone(), path.clone(), how.write, identity);
        Ok(Opened { file: Arc::new(handle), size, created, mtime_ms: 1 })
    }

    fn inspect(&self, file: &FileHandle) -> Result<FileStat, DiskError> {
        let mut model = self.model();
        model.may_fail()?;
        let size = model.file(file)?.bytes.len() as u64;
        Ok(FileStat { size, allocated: size, mtime_ms: 1 })
    }

    fn read_at(&self, file: &FileHandle, offset: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        let mut model = self.model();
        model.may_fail()?;
        let size = model.file(file)?.bytes.len();
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(size);
        let count = model.shorten(into.len().min(size - start));
        into[..count].copy_from_slice(&model.file(file)?.bytes[start..start + count]);
        Ok(count)
    }

    fn write_at(&self, file: &FileHandle, offset: u64, parts: &[IoSlice<'_>]) -> Result<usize, DiskError> {
        let mut model = self.model();
        model.may_be_full()?;
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        let count = model.shorten(bytes.len());
        let end = offset + count as u64;
        if end > FILE_BYTES_MAX {
            return Err(model.fault(DiskError::DiskFull));
        }
        let content = &mut model.for_writing(file)?.bytes;
        if count > 0 {
            content.resize(content.len().max(end as usize), 0);
            content[offset as usize..end as usize].copy_from_slice(&bytes[..count]);
        }
        Ok(count)
    }

    fn transfer(
        &self,
        _file: &FileHandle,
        _outlet: &dyn Outlet,
        _offset: u64,
        _length: u64,
    ) -> Result<Transferred, TransferError> {
        unreachable!("the simulated workers move bytes into simulated sockets themselves")
    }

    fn flush(&self, file: &FileHandle) -> Result<(), DiskError> {
        let mut model = self.model();
        model.may_fail()?;
        model.file(file).map(|_| ())
    }

    fn preallocate(&self, file: &FileHandle, size: u64, _full: bool) -> Result<u64, DiskError> {
        let mut model = self.model();
        model.may_be_full()?;
        let now = model.for_writing(file)?.bytes.len() as u64;
        model.resize(file, now.max(size))?;
        Ok(now.max(size))
    }

    fn truncate(&self, file: &FileHandle, size: u64) -> Result<(), DiskError> {
        let mut model = self.model();
        model.may_fail()?;
        model.resize(file, size)
    }

    fn forget(&self, file: &FileHandle) {
        let mut model = self.model();
        let known = model.handles.get_mut(&file.key).expect("a handle that this disk gave out");
        assert!(!known.forgotten, "a handle was closed twice: {:?}", file.path);
        known.forgotten = true;
    }

    fn path_stat(&self, root: &Root, path: &RelPath) -> Result<PathStat, DiskError> {
        let mut model = self.model();
        model.may_fail()?;
        let index = model.look_up(root, path).ok_or(DiskError::NotFound)?;
        let size = model.files[index].bytes.len() as u64;
        Ok(PathStat { size, mtime_ms: 1, is_directory: false, is_file: true })
    }

    fn path_list(&self, root: &Root, path: &RelPath, _: usize) -> Result<Vec<String>, DiskError> {
        let mut model = self.model();
        model.may_fail()?;
        let prefix = if path.is_root() { String::new() } else { format!("{}/", path.as_str()) };
        let mut names: Vec<String> = model
            .paths
            .keys()
            .filter(|(key, _)| *key == root.key)
            .filter_map(|(_, name)| Some(name.strip_prefix(&prefix)?.split('/').next()?.to_owned()))
            .collect();
        names.dedup();
        Ok(names)
    }

    fn path_delete(&self, root: &Root, path: &RelPath) -> Result<(), DiskError> {
        let mut model = self.model();
        model.may_fail()?;
        let key = (root.key.clone(), path.as_str().to_owned());
        let index = model.paths.remove(&key).ok_or(DiskError::NotFound)?;
        model.files[index].gone = true;
        Ok(())
    }

    fn path_truncate(&self, root: &Root, path: &RelPath, size: u64) -> Result<(), DiskError> {
        let mut model = self.model();
        model.may_fail()?;
        let index = model.look_up(root, path).ok_or(DiskError::NotFound)?;
        if size > FILE_BYTES_MAX {
            return Err(model.fault(DiskError::DiskFull));
        }
        model.files[index].bytes.resize(size as usize, 0);
        Ok(())
    }

    fn make_folder(&self, root: &Root, path: &RelPath) -> Result<(), DiskError> {
        let mut model = self.model();
        model.may_be_full()?;
        match model.look_up(root, path) {
            Some(_) => Err(DiskError::NotADirectory),
            None => Ok(()),
        }
    }

    fn root_space(&self, _root: &Root) -> Result<RootSpace, DiskError> {
        self.model().may_fail()?;
        Ok(RootSpace { writable: true, free_bytes: 1 << 30, total_bytes: 1 << 40 })
    }

    fn read_config(&self, _path: &Path, bytes_max: usize) -> Result<Vec<u8>, String> {
        let config = self.model().config.clone()?;
        if config.len() <= bytes_max { Ok(config) } else { Err("it is too large".to_owned()) }
    }

    fn read_now(
        &self,
        _file: &FileHandle,
        _offset: u64,
        _into: &mut [u8],
    ) -> Option<Result<ReadNow, DiskError>> {
        None
    }
}
