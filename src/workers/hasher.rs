//! Hashing: bytes in memory, ranges of files, and chunks made of such ranges. Reads files in steps into memory that
//! its thread keeps, so that a hash of any length costs that memory and no more. Never opens a file, and never says
//! anything of a file but that it failed.

mod kernel;
mod lanes;
mod parts;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod sha1_x86;
#[cfg(test)]
mod tests;

use super::disk::Disk;
use crate::buffer::Buffer;
use crate::job::{Algorithm, Chunk, Digest, DiskError, Done, FileHandle, FileRange, Hasher, SharedHasher};
use jstorrent_io_proto::errno::Errno;
use parts::Parts;
use sha1::Digest as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Bytes read at a time into one hash: small enough that what was read is still in the processor's cache when it is
/// hashed.
const STEP_BYTES: usize = 64 << 10;

impl Hasher {
    /// Feeds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Sha1(sha1) => sha1.update(bytes),
            Hasher::Sha256(sha256) => sha256.update(bytes),
        }
    }

    /// The hash of all that was fed.
    pub fn finish(self) -> Digest {
        match self {
            Hasher::Sha1(sha1) => Digest::from(<[u8; 20]>::from(sha1.finalize())),
            Hasher::Sha256(sha256) => Digest::from(<[u8; 32]>::from(sha256.finalize())),
        }
    }
}

/// Bytes of the place of a thread for which there is no full one: all others wait in theirs.
const TIGHT_BYTES: usize = 16 << 10;

/// How many full places there may be.
#[derive(Debug)]
pub(super) struct Places(AtomicUsize);

impl Places {
    pub(super) fn new(count: usize) -> Arc<Places> {
        Arc::new(Places(AtomicUsize::new(count)))
    }

    fn take(self: &Arc<Places>) -> Option<Full> {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).ok()?;
        let mut full = Full { place: None, of: self.clone() };
        full.place = Some(Buffer::new().ok()?);
        Some(full)
    }
}

/// A full place; it is others' when it is dropped.
#[derive(Debug)]
struct Full {
    place: Option<Buffer>,
    of: Arc<Places>,
}

impl Drop for Full {
    fn drop(&mut self) {
        self.of.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// What a hashing thread keeps between jobs: the place that files are read into, 256 KiB, as long as not too many have
/// one. Else it makes do with [`TIGHT_BYTES`], for the time of a job.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    full: Option<Full>,
    tight: Vec<u8>,
}

impl Scratch {
    pub(super) fn place(&mut self, places: &Arc<Places>) -> &mut [u8] {
        if self.full.is_none() {
            self.full = places.take();
        }
        match self.full.as_mut().and_then(|full| full.place.as_mut()) {
            Some(place) => place.room(),
            None => {
                self.tight.resize(TIGHT_BYTES, 0);
                &mut self.tight
            }
        }
    }

    /// The job is done.
    pub(super) fn rest(&mut self) {
        self.tight = Vec::new();
    }
}

/// What files are read through: a [`Disk`], or what a test puts in its place.
pub(super) trait Source {
    /// As [`Disk::read_at`].
    fn read_at(&self, file: &FileHandle, offset: u64, into: &mut [u8]) -> Result<usize, DiskError>;

    /// The file's size in bytes.
    fn size(&self, file: &FileHandle) -> Result<u64, DiskError>;
}

impl<D: Disk> Source for D {
    fn read_at(&self, file: &FileHandle, offset: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        Disk::read_at(self, file, offset, into)
    }

    fn size(&self, file: &FileHandle) -> Result<u64, DiskError> {
        Disk::size(self, file)
    }
}

/// Does [`crate::job::Ask::HashBytes`].
pub(super) fn hash_bytes(mut hasher: Hasher, buffers: Vec<Buffer>) -> Done {
    buffers.iter().for_each(|buffer| hasher.update(buffer.filled()));
    Done::HashBytes(hasher, buffers)
}

/// Does [`crate::job::Ask::HashInOrder`].
pub(super) fn hash_in_order(hasher: &SharedHasher, buffers: Vec<Buffer>) -> Done {
    hasher.update(&buffers);
    Done::HashInOrder(buffers)
}

/// Does [`crate::job::Ask::HashRange`]. After an error the hash is worth nothing.
pub(super) fn hash_range(
    source: &impl Source,
    mut hasher: Hasher,
    range: FileRange,
    place: &mut [u8],
) -> Done {
    let outcome = feed(source, &mut hasher, range, place);
    Done::HashRange(hasher, outcome)
}

fn feed(
    source: &impl Source,
    hasher: &mut Hasher,
    range: FileRange,
    place: &mut [u8],
) -> Result<(), DiskError> {
    let step = place.len().min(STEP_BYTES);
    let place = &mut place[..step];
    let mut parts = Parts::new(vec![range]);
    loop {
        match parts.read(source, place)? {
            0 => return Ok(()),
            count => hasher.update(&place[..count]),
        }
    }
}

/// Does [`crate::job::Ask::HashChunks`]. What is left once `stop` is set comes home as cancelled.
pub(super) fn hash_chunks(
    source: &impl Source,
    algorithm: Algorithm,
    chunks: Vec<Chunk>,
    stop: &AtomicBool,
    place: &mut [u8],
) -> Done {
    Done::HashChunks(match algorithm {
        Algorithm::Sha1 => lanes::hash::<kernel::Sha1>(source, chunks, stop, place),
        Algorithm::Sha256 => lanes::hash::<kernel::Sha256>(source, chunks, stop, place),
    })
}

fn cancelled() -> DiskError {
    DiskError::Io { errno: Errno::ECANCELED.0, text: "Nobody waits for it any more".to_owned() }
}
