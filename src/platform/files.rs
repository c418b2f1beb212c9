//! Work on files where systems differ: how to open without waiting, identity, positioned reads and writes, blocks,
//! space. One file a system; each offers the same functions, which make one system call each and judge nothing.

use crate::job::FileIdentity;

mod resident;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

pub(crate) use resident::is_resident;
#[cfg(unix)]
pub(crate) use unix::*;
#[cfg(windows)]
pub(crate) use windows::*;

/// What a system says of an open file or folder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// Tells it from all others.
    pub(crate) identity: FileIdentity,
    /// Names that it has; 0: it was deleted.
    pub(crate) links: u64,
    /// What it is.
    pub(crate) kind: Kind,
    /// Bytes.
    pub(crate) size: u64,
    /// Bytes on the disk.
    pub(crate) allocated: u64,
    /// Last change, in milliseconds since 1970; 0 for what is older.
    pub(crate) mtime_ms: u64,
}

/// What something in a folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A FIFO, a device, a socket, a link.
    Other,
}

/// What is asked most often, and cheaper.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QuickFacts {
    /// Bytes.
    pub(crate) size: u64,
    /// Names that it has; 0: it was deleted.
    pub(crate) links: u64,
}

impl From<Facts> for QuickFacts {
    fn from(facts: Facts) -> QuickFacts {
        QuickFacts { size: facts.size, links: facts.links }
    }
}
