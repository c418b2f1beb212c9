//! What may block, as data: a job goes out to a worker in a box and comes home in the same box with its outcome and
//! its buffers. Nothing here does anything; `workers` performs jobs, `service` writes and reads them.

use crate::buffer::Buffer;
use crate::ids::{ConnId, FileId, JobId, RootNumber};
use crate::tls::Trust;
use jstorrent_io_proto::path::RelPath;
use sha1::Sha1;
use sha2::Sha256;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Which workers a job waits for. One lane a root (one for its file jobs, one for hashing its files), so that a root
/// whose disk hangs holds up requests on that root alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Lane {
    /// File operations on one root.
    Disk(RootNumber),
    /// Hashing of files of one root.
    DiskHash(RootNumber),
    /// Hashing across several roots.
    MixedHash,
    /// Hashing of bytes in memory.
    Hash,
    /// Hashing of bytes in memory by one thread, in the order in which the jobs were sent out.
    HashInOrder(u16),
    /// Names to addresses.
    Names,
    /// The daemon's own files and the system's tables: rpc-info.json, network interfaces.
    Local,
}

/// A job under way, and afterwards what became of it.
#[derive(Debug)]
pub struct Job {
    /// Unique.
    pub id: JobId,
    /// Who is told; checked for staleness when the job comes home.
    pub owner: ConnId,
    /// Where it waits.
    pub lane: Lane,
    /// The open file that it is at work on: a close of that file waits until the job has come home.
    pub uses: Option<FileId>,
    /// What is asked, then what came of it.
    pub stage: Stage,
}

/// A job's content on its way out and on its way home.
#[derive(Debug)]
pub enum Stage {
    /// To be done.
    Ask(Ask),
    /// Done, or failed.
    Done(Done),
    /// In the hands of a worker: never seen by anyone else.
    Taken,
}

/// A download root as jobs know it. Plain data; open directory handles are the workers' own.
#[derive(Debug)]
pub struct Root {
    /// New for each path: a root whose path changed is another root.
    pub number: RootNumber,
    /// The key that clients name it by.
    pub key: String,
    /// Absolute path of the folder.
    pub path: PathBuf,
}

/// What tells one file of a system from all others that exist at the same time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct FileIdentity {
    /// Device (Unix) or volume serial (Windows).
    pub device: u64,
    /// Inode (Unix) or file index (Windows).
    pub inode: u64,
    /// When it was made, in nanoseconds since 1970; 0 where the system does not tell. Unix gives the inode of a file that
    /// was deleted to the next one.
    pub born_ns: u64,
}

impl FileIdentity {
    /// Whether what is found now by a name may be what was found by it `before`. Nothing is made earlier than it was,
    /// but some systems move the time back when others are set.
    pub fn continues(self, before: FileIdentity) -> bool {
        (self.device, self.inode) == (before.device, before.inode)
            && (before.born_ns == 0 || self.born_ns <= before.born_ns)
    }
}

/// A file that was opened. The descriptor itself is in the workers' cache and may come and go; this is the promise
/// that what is reopened is the same file.
#[derive(Debug)]
pub struct FileHandle {
    /// Unique for the life of the daemon: the cache's key.
    pub key: u64,
    /// The root it was opened in.
    pub root: Arc<Root>,
    /// Where in that root.
    pub path: RelPath,
    /// Opened for writing.
    pub writable: bool,
    /// The file that was there when it was opened.
    pub identity: FileIdentity,
    gone: AtomicBool,
}

impl FileHandle {
    /// A handle for a file that has just been opened.
    pub fn new(
        key: u64,
        root: Arc<Root>,
        path: RelPath,
        writable: bool,
        identity: FileIdentity,
    ) -> FileHandle {
        FileHandle { key, root, path, writable, identity, gone: AtomicBool::new(false) }
    }

    /// Whether it was noticed that the file was deleted or replaced: from then on it is `not_found` (PROTOCOL §7).
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    /// Notes that the file was deleted or replaced.
    pub fn set_gone(&self) {
        self.gone.store(true, Ordering::Relaxed);
    }
}

/// Where a disk worker may send a file's bytes without a copy: a connected, non-blocking socket.
pub trait Outlet: Send + Sync + std::fmt::Debug {
    /// Moves at most `length` bytes of `file` from `offset` into the socket; as `sendfile(2)`: `WouldBlock` where the
    /// socket is full, 0 at the end of the file.
    fn send_file(&self, file: &std::fs::File, offset: u64, length: usize) -> io::Result<usize>;
}

/// Which hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Algorithm {
    /// 20 bytes.
    Sha1,
    /// 32 bytes.
    Sha256,
}

impl Algorithm {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Sha1 => "sha1",
            Algorithm::Sha256 => "sha256",
        }
    }

    /// Length of the digest in bytes.
    pub fn digest_len(self) -> usize {
        match self {
            Algorithm::Sha1 => 20,
            Algorithm::Sha256 => 32,
        }
    }
}

/// A finished hash of either kind.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    bytes: [u8; 32],
    len: u8,
}

impl Digest {
    /// From the raw bytes: 20 or 32 of them.
    pub fn new(bytes: &[u8]) -> Option<Digest> {
        let mut all = [0; 32];
        matches!(bytes.len(), 20 | 32).then(|| {
            all[..bytes.len()].copy_from_slice(bytes);
            Digest { bytes: all, len: bytes.len() as u8 }
        })
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl From<[u8; 20]> for Digest {
    fn from(sha1: [u8; 20]) -> Digest {
        let mut bytes = [0; 32];
        bytes[..20].copy_from_slice(&sha1);
        Digest { bytes, len: 20 }
    }
}

impl From<[u8; 32]> for Digest {
    fn from(bytes: [u8; 32]) -> Digest {
        Digest { bytes, len: 32 }
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A hash under way, of either kind.
#[derive(Clone, Debug)]
pub enum Hasher {
    /// SHA-1.
    Sha1(Sha1),
    /// SHA-256.
    Sha256(Sha256),
}

impl Hasher {
    /// A hash of nothing as yet.
    pub fn new(algorithm: Algorithm) -> Hasher {
        match algorithm {
            Algorithm::Sha1 => Hasher::Sha1(Sha1::default()),
            Algorithm::Sha256 => Hasher::Sha256(Sha256::default()),
        }
    }
}

/// A hash that several jobs of one [`Lane::HashInOrder`] feed, one after another; so nobody ever waits for its lock.
#[derive(Clone, Debug)]
pub struct SharedHasher(Arc<Mutex<Hasher>>);

impl SharedHasher {
    /// A hash of nothing as yet.
    pub fn new(algorithm: Algorithm) -> SharedHasher {
        SharedHasher(Arc::new(Mutex::new(Hasher::new(algorithm))))
    }

    /// Feeds the buffers' filled parts.
    pub fn update(&self, buffers: &[Buffer]) {
        let mut hasher = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buffers.iter().for_each(|buffer| hasher.update(buffer.filled()));
    }

    /// The hash of all that was fed.
    pub fn finish(&self) -> Digest {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone().finish()
    }
}

/// A part of an open file.
#[derive(Clone, Debug)]
pub struct FileRange {
    /// The file.
    pub file: Arc<FileHandle>,
    /// First byte.
    pub offset: u64,
    /// Bytes; all of them must be there.
    pub length: u64,
}

/// One chunk to be hashed: the concatenation of parts, or why it can't be (its file could not be opened).
#[derive(Clone, Debug)]
pub struct Chunk {
    /// Its number within the request.
    pub index: u64,
    /// What it is made of.
    pub parts: Result<Vec<FileRange>, DiskError>,
}

/// What a worker can be asked.
#[derive(Debug)]
pub enum Ask {
    /// Opens a regular file below a root; never waits for a FIFO, never follows a link out.
    Open {
        /// Where.
        root: Arc<Root>,
        /// Which.
        path: RelPath,
        /// For reading and writing, else for reading.
        write: bool,
        /// Makes it, and its parents, where it is not there. Implies nothing about `write`.
        create: bool,
        /// Reserves that many bytes (as [`Ask::Preallocate`] with `full`), where given. Only with `write`.
        size: Option<u64>,
    },
    /// Size, blocks and times of an open file.
    Inspect(Arc<FileHandle>),
    /// Size of an open file, and nothing more: where that can't block, it is told without a hand-off.
    Size(Arc<FileHandle>),
    /// Reads up to `length` bytes (at most the buffer's room) at `offset` into the buffer.
    Read {
        /// From which file.
        file: Arc<FileHandle>,
        /// First byte.
        offset: u64,
        /// Bytes wanted.
        length: usize,
        /// Where to.
        buffer: Buffer,
    },
    /// Writes the buffers' filled parts one after another at `offset`; all of them or an error.
    Write {
        /// To which file.
        file: Arc<FileHandle>,
        /// First byte.
        offset: u64,
        /// What.
        buffers: Vec<Buffer>,
    },
    /// Moves up to `length` bytes from the file straight into a socket.
    Transfer {
        /// From which file.
        file: Arc<FileHandle>,
        /// First byte.
        offset: u64,
        /// Bytes wanted at most.
        length: u64,
        /// The socket of the job's owner. The reactor fills it in.
        outlet: Option<Arc<dyn Outlet>>,
    },
    /// Data to the disk (fdatasync or equal).
    Flush(Arc<FileHandle>),
    /// Makes the file at least that large; never shrinks it.
    Preallocate {
        /// Which file.
        file: Arc<FileHandle>,
        /// Bytes in all.
        size: u64,
        /// Reserve blocks where the file system can; else sparse.
        full: bool,
    },
    /// Sets the size.
    Truncate {
        /// Which file.
        file: Arc<FileHandle>,
        /// Bytes in all.
        size: u64,
    },
    /// The file is closed: its descriptor may go. Answered by nothing of interest.
    Forget(Arc<FileHandle>),
    /// Size, time and kind of what a path names.
    PathStat(Arc<Root>, RelPath),
    /// Names in a folder, up to that many bytes of memory for them, and for them as JSON.
    PathList(Arc<Root>, RelPath, usize),
    /// Removes a file, a link itself, or a folder with all in it.
    PathDelete(Arc<Root>, RelPath),
    /// Sets the size of a file that is there.
    PathTruncate(Arc<Root>, RelPath, u64),
    /// Makes a folder and its parents; fine where it is there.
    MakeFolder(Arc<Root>, RelPath),
    /// Space and writability of the file system below a root.
    RootSpace(Arc<Root>),
    /// Reads a small file of the daemon's own, at most `bytes_max` bytes of it.
    ReadConfig {
        /// Absolute path.
        path: PathBuf,
        /// More than this is an error.
        bytes_max: usize,
    },
    /// The machine's IPv4 interfaces.
    ListInterfaces,
    /// Loads the roots of TLS.
    LoadTrust,
    /// Feeds the buffers' filled parts to the hash.
    HashBytes {
        /// The hash under way.
        hasher: Hasher,
        /// What to feed.
        buffers: Vec<Buffer>,
    },
    /// Feeds the buffers' filled parts to a hash that several jobs of one [`Lane::HashInOrder`] share: the next one can
    /// wait behind this one, so that the thread goes on without a word from home.
    HashInOrder {
        /// The hash under way.
        hasher: SharedHasher,
        /// What to feed.
        buffers: Vec<Buffer>,
    },
    /// Feeds a range of a file to the hash.
    HashRange {
        /// The hash under way.
        hasher: Hasher,
        /// What to feed.
        range: FileRange,
    },
    /// Hashes whole chunks, each on its own.
    HashChunks {
        /// Which hash.
        algorithm: Algorithm,
        /// What.
        chunks: Vec<Chunk>,
        /// Set once nobody wants the outcome any more: what is left may be skipped, whatever comes home for it.
        stop: Arc<AtomicBool>,
    },
    /// Looks up a name.
    Resolve {
        /// The name.
        host: String,
    },
}

/// What came of it; one variant for each [`Ask`], in the same order.
#[derive(Debug)]
pub enum Done {
    /// The file, its size in bytes, and whether it was made.
    Open(Result<Opened, DiskError>),
    /// Of an open file.
    Inspect(Result<FileStat, DiskError>),
    /// Bytes.
    Size(Result<u64, DiskError>),
    /// The buffer, and the file's size as it was when read, in bytes. Fewer bytes than asked only at the end of the
    /// file; an offset behind the end is [`DiskError::BeyondEnd`].
    Read(Buffer, Result<u64, DiskError>),
    /// The buffers, and how many bytes the kernel took: all, or the error with the count before it.
    Write(Vec<Buffer>, Result<u64, WriteFailure>),
    /// Bytes moved. Fewer than asked where the socket was full (`blocked`) or the job's share was used up.
    Transfer(Result<Transferred, TransferError>),
    /// Durable.
    Flush(Result<(), DiskError>),
    /// The size now.
    Preallocate(Result<u64, DiskError>),
    /// Done.
    Truncate(Result<(), DiskError>),
    /// Done.
    Forget,
    /// Of a path.
    PathStat(Result<PathStat, DiskError>),
    /// Names, sorted.
    PathList(Result<Vec<String>, DiskError>),
    /// Gone.
    PathDelete(Result<(), DiskError>),
    /// Done.
    PathTruncate(Result<(), DiskError>),
    /// There.
    MakeFolder(Result<(), DiskError>),
    /// Of a root.
    RootSpace(Result<RootSpace, DiskError>),
    /// The content, or one sentence that says why not.
    ReadConfig(Result<Vec<u8>, String>),
    /// The interfaces, or one sentence that says why not.
    ListInterfaces(Result<Vec<Interface>, String>),
    /// The roots, or one sentence that says why not.
    LoadTrust(Result<Trust, String>),
    /// The hash and the buffers.
    HashBytes(Hasher, Vec<Buffer>),
    /// The buffers.
    HashInOrder(Vec<Buffer>),
    /// The hash.
    HashRange(Hasher, Result<(), DiskError>),
    /// In the order asked: number and digest.
    HashChunks(Vec<(u64, Result<Digest, DiskError>)>),
    /// At least one address, or getaddrinfo's code, absolute.
    Resolve(Result<Vec<IpAddr>, i32>),
}

/// A file that was opened.
#[derive(Debug)]
pub struct Opened {
    /// The handle.
    pub file: Arc<FileHandle>,
    /// Bytes.
    pub size: u64,
    /// It was not there before.
    pub created: bool,
    /// Last change, in milliseconds since 1970.
    pub mtime_ms: u64,
}

/// What the system says of an open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStat {
    /// Bytes.
    pub size: u64,
    /// Bytes on the disk.
    pub allocated: u64,
    /// Last change, in milliseconds since 1970.
    pub mtime_ms: u64,
}

/// What the system says of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathStat {
    /// Bytes.
    pub size: u64,
    /// Last change, in milliseconds since 1970.
    pub mtime_ms: u64,
    /// A folder.
    pub is_directory: bool,
    /// A regular file.
    pub is_file: bool,
}

/// Space below a root, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootSpace {
    /// Whether files can be made there.
    pub writable: bool,
    /// Free for us.
    pub free_bytes: u64,
    /// In all.
    pub total_bytes: u64,
}

/// One IPv4 address of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The system's name for it.
    pub name: String,
    /// Its address.
    pub address: std::net::Ipv4Addr,
    /// Length of the network prefix in bits, 0 to 32.
    pub prefix_length: u8,
}

/// A write that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteFailure {
    /// Bytes that the kernel took before.
    pub written: u64,
    /// Why it stopped.
    pub error: DiskError,
}

/// How far a transfer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transferred {
    /// Bytes that the socket took.
    pub bytes: u64,
    /// The socket was full: wait until it can be written.
    pub blocked: bool,
}

/// Why a transfer stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferError {
    /// The file's side; also when it is shorter than was promised ([`DiskError::BeyondEnd`]).
    Disk(DiskError),
    /// The socket's side: its peer has gone.
    Socket,
}

/// What the system, or our own care, had against a file operation. `service::refusals` maps it to the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskError {
    /// No such file or folder; or the handle's file was deleted or replaced.
    NotFound,
    /// A folder where a file is meant.
    IsDirectory,
    /// A file where a folder is meant, or in the middle of a path.
    NotADirectory,
    /// A link led out of the root.
    EscapesRoot,
    /// A FIFO, a device, a socket.
    NotRegular,
    /// Links that lead in a circle, or too many of them.
    LinkLoop,
    /// The system finds a name too long or not allowed here.
    BadName,
    /// ENOSPC or EDQUOT.
    DiskFull,
    /// EACCES or EPERM.
    PermissionDenied,
    /// A file system, or a handle, for reading only.
    ReadOnly,
    /// Behind the end of a file of that size; also when a file shrank under a reader.
    BeyondEnd {
        /// Bytes.
        size: u64,
    },
    /// Anything else: the Linux errno number (PROTOCOL §6.2) and the system's text.
    Io {
        /// Linux number.
        errno: u32,
        /// The system's text.
        text: String,
    },
}
