//! What the system says, as [`DiskError`]. The one place where errno numbers become meanings.

use crate::job::DiskError;
use jstorrent_io_proto::errno::Errno;
use std::io;

/// From an operation on an open file.
pub(super) fn of_file(error: io::Error) -> DiskError {
    match Errno::from_io(&error) {
        Errno::ENOENT | Errno::ESTALE => DiskError::NotFound,
        Errno::EISDIR => DiskError::IsDirectory,
        Errno::ENOTDIR => DiskError::NotADirectory,
        Errno::ELOOP => DiskError::LinkLoop,
        Errno::ENAMETOOLONG | Errno::EILSEQ => DiskError::BadName,
        Errno::ENOSPC | Errno::EDQUOT => DiskError::DiskFull,
        Errno::EPERM | Errno::EACCES => DiskError::PermissionDenied,
        Errno::EROFS => DiskError::ReadOnly,
        other => io_error(other, text(&error)),
    }
}

/// The system's text for `error`, without the number that the standard library appends.
pub(super) fn text(error: &io::Error) -> String {
    let mut text = error.to_string();
    if let Some(end) = text.rfind(" (os error ") {
        text.truncate(end);
    }
    text
}

fn io_error(errno: Errno, text: String) -> DiskError {
    DiskError::Io { errno: errno.0, text }
}

/// From an operation on a path below a root: there cap-std says by an error without a number that a link leads out,
/// and file systems refuse names that they can't hold as invalid.
pub(super) fn of_path(error: io::Error) -> DiskError {
    if error.raw_os_error().is_none() && error.kind() == io::ErrorKind::PermissionDenied {
        return DiskError::EscapesRoot;
    }
    match of_file(error) {
        DiskError::Io { errno, .. } if errno == Errno::EINVAL.0 => DiskError::BadName,
        other => other,
    }
}

/// An error that may have passed when the same is tried again.
pub(super) trait Passing {
    /// Its number, where it has one of its own.
    fn errno(&self) -> Option<Errno>;

    /// Whether descriptors were short, the process's or the system's.
    fn is_shortage(&self) -> bool {
        matches!(self.errno(), Some(Errno::EMFILE | Errno::ENFILE))
    }

    /// Whether a signal came between. The kernel's own file systems start again by themselves; those in user space or
    /// on a network may not.
    fn is_interruption(&self) -> bool {
        self.errno() == Some(Errno::EINTR)
    }
}

impl Passing for DiskError {
    fn errno(&self) -> Option<Errno> {
        match self {
            DiskError::Io { errno, .. } => Some(Errno(*errno)),
            _ => None,
        }
    }
}

impl Passing for io::Error {
    fn errno(&self) -> Option<Errno> {
        Some(Errno::from_io(self))
    }
}

/// Refuses a span that ends behind what a file can be at all: 2^63 - 1 bytes.
pub(super) fn check_end(offset: u64, length: u64) -> Result<(), DiskError> {
    match offset.checked_add(length) {
        Some(end) if end <= i64::MAX as u64 => Ok(()),
        _ => Err(io_error(Errno::EFBIG, "No file can be that large".to_owned())),
    }
}

/// A write that made no progress and gave no reason.
pub(super) fn took_nothing() -> DiskError {
    io_error(Errno::EIO, "The file system took no bytes".to_owned())
}

/// More of something than the daemon handles in one request.
pub(super) fn too_many(what: &str) -> DiskError {
    io_error(Errno::EOVERFLOW, format!("Too many {what}"))
}
