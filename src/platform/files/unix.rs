//! Files on Linux, macOS and other Unixes. Where only Linux can do a thing, the others say that they can't.

use super::{Facts, Kind, QuickFacts};
use crate::job::{FileIdentity, RootSpace};
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};
use rustix::fs::{Access, Mode, OFlags, StatVfsMountFlags};
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, IoSlice};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Once};
use std::time::UNIX_EPOCH;

/// Slices that one gathered write takes; the system's own limit is 1,024.
#[cfg(target_os = "linux")]
const SLICES_MAX: usize = 64;

/// Whether a deleted file keeps its name for as long as someone has it open.
pub(crate) const OPEN_FILES_KEEP_NAMES: bool = false;

/// How files are opened: for reading, or for both. Opening never waits (a FIFO without a peer) and never makes a
/// terminal ours.
pub(crate) fn options(write: bool) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(write).custom_flags(bits(OFlags::NONBLOCK | OFlags::NOCTTY));
    options
}

/// As [`options`] for reading, for a file of the daemon's own.
pub(crate) fn own_options() -> std::fs::OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    options.read(true).custom_flags(bits(OFlags::NONBLOCK | OFlags::NOCTTY));
    options
}

/// Opens the folder `name`, one part of a path, in `parent`; a link of that name is not followed but an error.
pub(crate) fn open_folder_itself(parent: &Dir, name: &OsStr) -> io::Result<Dir> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    Ok(Dir::from_std_file(folder.into()))
}

/// Removes the file or link `name` in `parent`.
pub(crate) fn remove_entry(parent: &Dir, name: &OsStr) -> io::Result<()> {
    parent.remove_file(name)
}

/// What the system says of `file`.
pub(crate) fn facts(file: &File) -> io::Result<Facts> {
    file.metadata().map(|metadata| of_metadata(&metadata))
}

fn of_metadata(metadata: &Metadata) -> Facts {
    let kind = match metadata.file_type() {
        kind if kind.is_file() => Kind::File,
        kind if kind.is_dir() => Kind::Folder,
        _ => Kind::Other,
    };
    let mtime_ms = metadata.mtime().saturating_mul(1000).saturating_add(metadata.mtime_nsec() / 1_000_000);
    Facts {
        identity: FileIdentity { device: metadata.dev(), inode: metadata.ino(), born_ns: born_ns(metadata) },
        links: metadata.nlink(),
        kind,
        size: metadata.size(),
        allocated: metadata.blocks().saturating_mul(512),
        mtime_ms: u64::try_from(mtime_ms).unwrap_or(0),
    }
}

fn born_ns(metadata: &Metadata) -> u64 {
    let age = metadata.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
    age.map_or(0, |age| u64::try_from(age.as_nanos()).unwrap_or(u64::MAX))
}

/// One read at `offset`; 0 at the end of the file.
pub(crate) fn read_at(file: &File, offset: u64, into: &mut [u8]) -> io::Result<usize> {
    file.read_at(into, offset)
}

/// One write of `parts` at `offset`, which may take fewer bytes.
#[cfg(target_os = "linux")]
pub(crate) fn write_at(file: &File, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<usize> {
    match parts {
        [single] => file.write_at(single, offset),
        _ => Ok(rustix::io::pwritev(file, &parts[..parts.len().min(SLICES_MAX)], offset)?),
    }
}

/// One write at `offset` of the first part that holds anything; it may take fewer bytes.
#[cfg(not(target_os = "linux"))]
pub(crate) fn write_at(file: &File, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<usize> {
    parts.iter().find(|part| !part.is_empty()).map_or(Ok(0), |part| file.write_at(part, offset))
}

/// A read of what is in memory, with what the file is like at that moment; `None` where the system can't promise not
/// to wait, or would have to.
#[cfg(target_os = "linux")]
pub(crate) fn read_at_once(file: &File, offset: u64, into: &mut [u8]) -> Option<(usize, QuickFacts)> {
    use rustix::fs::AtFlags;
    use rustix::io::{ReadWriteFlags, preadv2};
    let count = preadv2(file, &mut [io::IoSliceMut::new(into)], offset, ReadWriteFlags::NOWAIT).ok()?;
    // A network file system would ask its server, unless told not to.
    statx_quickly(file, AtFlags::STATX_DONT_SYNC).ok().map(|facts| (count, facts))
}

/// Size and number of names of `file`. The time of its last change is not asked for: having been asked, Linux makes the
/// next write note a finer one, which costs a 16 KiB write a third more.
#[cfg(target_os = "linux")]
pub(crate) fn quick_facts(file: &File) -> io::Result<QuickFacts> {
    statx_quickly(file, rustix::fs::AtFlags::empty()).or_else(|_| facts(file).map(QuickFacts::from))
}

#[cfg(target_os = "linux")]
fn statx_quickly(file: &File, flags: rustix::fs::AtFlags) -> io::Result<QuickFacts> {
    use rustix::fs::{AtFlags, StatxFlags, statx};
    let facts = statx(file, c"", flags | AtFlags::EMPTY_PATH, StatxFlags::SIZE | StatxFlags::NLINK)?;
    Ok(QuickFacts { size: facts.stx_size, links: facts.stx_nlink.into() })
}

/// Size and number of names of `file`.
#[cfg(not(target_os = "linux"))]
pub(crate) fn quick_facts(file: &File) -> io::Result<QuickFacts> {
    facts(file).map(QuickFacts::from)
}

/// No such promise on this system.
#[cfg(not(target_os = "linux"))]
pub(crate) fn read_at_once(_: &File, _: u64, _: &mut [u8]) -> Option<(usize, QuickFacts)> {
    None
}

/// Reserves blocks for the first `size` bytes without changing the file's size. `Unsupported` where the file system,
/// or this system, can't.
#[cfg(target_os = "linux")]
pub(crate) fn reserve(file: &File, size: u64) -> io::Result<()> {
    Ok(rustix::fs::fallocate(file, rustix::fs::FallocateFlags::KEEP_SIZE, 0, size)?)
}

/// Not on this system.
#[cfg(not(target_os = "linux"))]
pub(crate) fn reserve(_: &File, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Makes a file with reserved blocks at least `size` bytes long, in one step that can never shorten it.
#[cfg(target_os = "linux")]
pub(crate) fn extend_reserved(file: &File, size: u64) -> io::Result<()> {
    Ok(rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, size)?)
}

/// Not on this system.
#[cfg(not(target_os = "linux"))]
pub(crate) fn extend_reserved(_: &File, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The file's data, and what is needed to find it, to the disk (`F_FULLFSYNC` on macOS).
pub(crate) fn flush(file: &File, _writable: bool) -> io::Result<()> {
    file.sync_data()
}

/// Bytes that this process could still use on the file system of `file`; `None` where it doesn't count them.
pub(crate) fn unused_bytes(file: &File) -> Option<u64> {
    let system = rustix::fs::fstatvfs(file).ok().filter(|system| system.f_blocks > 0)?;
    // The system's own share is for the superuser, too.
    let blocks = if rustix::process::geteuid().is_root() { system.f_bfree } else { system.f_bavail };
    Some(blocks.saturating_mul(system.f_frsize))
}

/// Bytes of holes among the first `end` bytes of `file`, or of some of them: at most so many are looked at.
#[cfg(target_os = "linux")]
pub(crate) fn holes(file: &File, end: u64, holes_max: usize) -> u64 {
    use rustix::fs::{SeekFrom, seek};
    let (mut at, mut bytes) = (0, 0);
    for _ in 0..holes_max {
        // The file's position is nobody's.
        let Ok(hole) = seek(file, SeekFrom::Hole(at)) else { break };
        if hole >= end {
            break;
        }
        // An error: there is no more data behind it.
        at = seek(file, SeekFrom::Data(hole)).unwrap_or(end).min(end);
        bytes += at - hole;
    }
    bytes
}

/// None that are known of.
#[cfg(not(target_os = "linux"))]
pub(crate) fn holes(_: &File, _: u64, _: usize) -> u64 {
    0
}

/// Space and writability below the folder `path`.
pub(crate) fn space(path: &Path) -> io::Result<RootSpace> {
    let system = rustix::fs::statvfs(path)?;
    let may_write = rustix::fs::access(path, Access::WRITE_OK | Access::EXEC_OK).is_ok();
    Ok(RootSpace {
        writable: may_write && !system.f_flag.contains(StatVfsMountFlags::RDONLY),
        free_bytes: system.f_bavail.saturating_mul(system.f_frsize),
        total_bytes: system.f_blocks.saturating_mul(system.f_frsize),
    })
}

/// Makes a write beyond the size that this process may give a file (`RLIMIT_FSIZE`) an error of that write: by
/// default, its signal ends the process.
pub(crate) fn survive_size_limit() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let nobody_looks = Arc::new(AtomicBool::new(false));
        if let Err(error) = signal_hook::flag::register(libc::SIGXFSZ, nobody_looks) {
            log::warn!("a limit on the size of files would end the daemon: {error}");
        }
    });
}

/// How many descriptors this process may have open; `None`: any number.
pub(crate) fn descriptors_limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

fn bits(flags: OFlags) -> i32 {
    flags.bits().cast_signed()
}
