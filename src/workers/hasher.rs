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
use std::sync::atomic::AtomicBool;

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

/// What a hashing thread keeps between jobs: the place that files are read into, 256 KiB.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    place: Option<Buffer>,
}

impl Scratch {
    fn place(&mut self) -> Result<&mut [u8], DiskError> {
        let place = match self.place.take() {
            Some(place) => place,
            None => Buffer::new().map_err(|error| DiskError::Io {
                errno: Errno::from_io(&error).0,
                text: "There is no memory to read into".to_owned(),
            })?,
        };
        Ok(self.place.insert(place).room())
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
    scratch: &mut Scratch,
) -> Done {
    let outcome = scratch.place().and_then(|place| feed(source, &mut hasher, range, place));
    Done::HashRange(hasher, outcome)
}

fn feed(
    source: &impl Source,
    hasher: &mut Hasher,
    range: FileRange,
    place: &mut [u8],
) -> Result<(), DiskError> {
    let place = &mut place[..STEP_BYTES];
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
    scratch: &mut Scratch,
) -> Done {
    Done::HashChunks(match scratch.place() {
        Ok(place) => match algorithm {
            Algorithm::Sha1 => lanes::hash::<kernel::Sha1>(source, chunks, stop, place),
            Algorithm::Sha256 => lanes::hash::<kernel::Sha256>(source, chunks, stop, place),
        },
        Err(error) => chunks.iter().map(|chunk| (chunk.index, Err(error.clone()))).collect(),
    })
}

fn cancelled() -> DiskError {
    DiskError::Io { errno: Errno::ECANCELED.0, text: "Nobody waits for it any more".to_owned() }
}
