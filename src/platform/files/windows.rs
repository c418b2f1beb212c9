//! Files on Windows. Positions are given with each call; blocks can't be reserved, but growing a file on NTFS takes
//! its clusters; nothing can be read with a promise not to wait.

use super::{Facts, Kind, QuickFacts};
use crate::job::{FileIdentity, RootSpace};
use cap_std::fs::{Dir, OpenOptions};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::windows::ffi::OsStrExt as _;
use std::os::windows::fs::{FileExt as _, MetadataExt as _};
use std::os::windows::io::AsRawHandle as _;
use std::path::Path;
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_STANDARD_INFO, FileStandardInfo, GetDiskFreeSpaceExW,
    GetFileInformationByHandle, GetFileInformationByHandleEx,
};

/// 1970 in the system's time, in units of 100 ns since 1601.
const EPOCH_100NS: u64 = 116_444_736_000_000_000;

/// Whether a deleted file keeps its name for as long as someone has it open.
pub(crate) const OPEN_FILES_KEEP_NAMES: bool = true;

/// How files are opened: for reading, or for both.
pub(crate) fn options(write: bool) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(write);
    options
}

/// As [`options`] for reading, for a file of the daemon's own.
pub(crate) fn own_options() -> std::fs::OpenOptions {
    let mut options = std::fs::OpenOptions::new();
    options.read(true);
    options
}

/// Opens the folder `name` in `parent`. A link of that name could lead to what is in `parent` at most, all of which
/// its caller is about to remove.
pub(crate) fn open_folder_itself(parent: &Dir, name: &OsStr) -> io::Result<Dir> {
    parent.open_dir(name)
}

/// Removes the file or link `name` in `parent`. A link to a folder counts as a folder here.
pub(crate) fn remove_entry(parent: &Dir, name: &OsStr) -> io::Result<()> {
    parent.remove_file(name).or_else(|error| match parent.symlink_metadata(name) {
        Ok(found) if found.is_symlink() => parent.remove_dir(name),
        _ => Err(error),
    })
}

/// What the system says of `file`.
pub(crate) fn facts(file: &File) -> io::Result<Facts> {
    let metadata = file.metadata()?;
    let kind = match metadata.file_type() {
        kind if kind.is_file() => Kind::File,
        kind if kind.is_dir() => Kind::Folder,
        _ => Kind::Other,
    };
    let standard = standard_info(file)?;
    Ok(Facts {
        identity: identity(file)?,
        // A deleted file keeps its name until the last handle is closed.
        links: if standard.DeletePending { 0 } else { standard.NumberOfLinks.into() },
        kind,
        size: metadata.file_size(),
        allocated: u64::try_from(standard.AllocationSize).unwrap_or(0),
        mtime_ms: metadata.last_write_time().saturating_sub(EPOCH_100NS) / 10_000,
    })
}

fn identity(file: &File) -> io::Result<FileIdentity> {
    let mut info = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the handle is open for as long as `file` is borrowed, and `info` is of the type that the call fills in.
    if unsafe { GetFileInformationByHandle(file.as_raw_handle(), &raw mut info) } == 0 {
        return Err(io::Error::last_os_error());
    }
    let inode = u64::from(info.nFileIndexHigh) << 32 | u64::from(info.nFileIndexLow);
    // NTFS counts in the index how often a place was used again.
    Ok(FileIdentity { device: info.dwVolumeSerialNumber.into(), inode, born_ns: 0 })
}

fn standard_info(file: &File) -> io::Result<FILE_STANDARD_INFO> {
    let mut info = FILE_STANDARD_INFO::default();
    let size = size_of::<FILE_STANDARD_INFO>() as u32;
    // SAFETY: as above; `info` is of the type that this class of information has, and `size` its size.
    let done = unsafe {
        GetFileInformationByHandleEx(file.as_raw_handle(), FileStandardInfo, (&raw mut info).cast(), size)
    };
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(info) }
}

/// Size and number of names of `file`.
pub(crate) fn quick_facts(file: &File) -> io::Result<QuickFacts> {
    facts(file).map(QuickFacts::from)
}

/// One read at `offset`; 0 at the end of the file.
pub(crate) fn read_at(file: &File, offset: u64, into: &mut [u8]) -> io::Result<usize> {
    file.seek_read(into, offset)
}

/// One write at `offset` of the first part that holds anything; it may take fewer bytes.
pub(crate) fn write_at(file: &File, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<usize> {
    parts.iter().find(|part| !part.is_empty()).map_or(Ok(0), |part| file.seek_write(part, offset))
}

/// No read here comes with a promise not to wait.
pub(crate) fn read_at_once(_: &File, _: u64, _: &mut [u8]) -> Option<(usize, QuickFacts)> {
    None
}

/// Not on this system.
pub(crate) fn reserve(_: &File, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Not on this system.
pub(crate) fn extend_reserved(_: &File, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The file's data to the disk. A handle for reading has none of its own, and the system would refuse.
pub(crate) fn flush(file: &File, writable: bool) -> io::Result<()> {
    if writable { file.sync_data() } else { Ok(()) }
}

/// Only asked before blocks are reserved.
pub(crate) fn unused_bytes(_: &File) -> Option<u64> {
    None
}

/// None that are known of.
pub(crate) fn holes(_: &File, _: u64, _: usize) -> u64 {
    0
}

/// Space and writability below the folder `path`.
pub(crate) fn space(path: &Path) -> io::Result<RootSpace> {
    let writable = !std::fs::metadata(path)?.permissions().readonly();
    let name: Vec<u16> = path.as_os_str().encode_wide().chain([0]).collect();
    let (mut free_bytes, mut total_bytes) = (0, 0);
    // SAFETY: `name` ends with a zero; the numbers outlive the call, which takes null for the one not wanted.
    let done = unsafe {
        GetDiskFreeSpaceExW(name.as_ptr(), &raw mut free_bytes, &raw mut total_bytes, std::ptr::null_mut())
    };
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(RootSpace { writable, free_bytes, total_bytes })
}

/// There is no such limit on this system.
pub(crate) fn survive_size_limit() {}

/// Handles are not short on this system.
pub(crate) fn descriptors_limit() -> Option<u64> {
    None
}
