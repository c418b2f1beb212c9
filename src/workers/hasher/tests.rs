//! Hashing against the plain use of the hash crates, over files that are byte strings and come in short counts.

use super::kernel::{self, BLOCK_BYTES, Kernel};
use super::*;
use crate::ids::RootNumber;
use crate::job::{FileIdentity, Root};
use jstorrent_io_proto::path::RelPath;
use proptest::collection::vec;
use proptest::prelude::*;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Files by their key. Reads give at most `step` bytes; the read with number `stop_at` sets `stop`.
struct Files {
    contents: Vec<Vec<u8>>,
    step: usize,
    reads: Cell<usize>,
    stop_at: usize,
    stop: AtomicBool,
}

impl Files {
    fn new(contents: Vec<Vec<u8>>) -> Files {
        Files {
            contents,
            step: usize::MAX,
            reads: Cell::new(0),
            stop_at: usize::MAX,
            stop: AtomicBool::new(false),
        }
    }

    fn range(&self, key: usize, offset: u64, length: u64) -> FileRange {
        FileRange { file: handle(key), offset, length }
    }

    fn bytes(&self, parts: &[FileRange]) -> Vec<u8> {
        let slices = parts.iter().map(|part| {
            let start = part.offset as usize;
            &self.contents[part.file.key as usize][start..start + part.length as usize]
        });
        slices.flatten().copied().collect()
    }

    fn chunks(&self, algorithm: Algorithm, chunks: Vec<Chunk>) -> Vec<(u64, Result<Digest, DiskError>)> {
        match hash_chunks(self, algorithm, chunks, &self.stop, &mut [0; 4 * STEP_BYTES]) {
            Done::HashChunks(outcomes) => outcomes,
            other => panic!("{other:?}"),
        }
    }
}

impl Source for Files {
    fn read_at(&self, file: &FileHandle, offset: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        self.reads.set(self.reads.get() + 1);
        if self.reads.get() == self.stop_at {
            self.stop.store(true, Ordering::Relaxed);
        }
        let Some(content) = self.contents.get(file.key as usize) else { return Err(DiskError::NotFound) };
        let rest = content.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(into.len()).min(self.step);
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn size(&self, file: &FileHandle) -> Result<u64, DiskError> {
        self.contents.get(file.key as usize).map(|content| content.len() as u64).ok_or(DiskError::NotFound)
    }
}

fn handle(key: usize) -> Arc<FileHandle> {
    let root = Root { number: RootNumber(0), key: String::new(), path: "/".into() };
    let path = RelPath::parse("f", false).expect("a path");
    let identity = FileIdentity { device: 0, inode: key as u64, born_ns: 0 };
    Arc::new(FileHandle::new(key as u64, Arc::new(root), path, false, identity))
}

fn plain(algorithm: Algorithm, bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish()
}

/// Bytes that differ everywhere.
fn noise(length: usize) -> Vec<u8> {
    (0..length as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 23) as u8).collect()
}

/// Lengths at which something happens: around blocks, paddings and steps.
fn length_of_interest() -> impl Strategy<Value = usize> {
    prop_oneof![
        4 => 0..200_usize,
        2 => (STEP_BYTES - 130)..(STEP_BYTES + 130),
        1 => (2 * STEP_BYTES - 70)..(2 * STEP_BYTES + 70),
        1 => 200..5_000_usize,
    ]
}

fn algorithm() -> impl Strategy<Value = Algorithm> {
    prop_oneof![Just(Algorithm::Sha1), Just(Algorithm::Sha256)]
}

/// Cuts a length into parts at the given per milles.
fn cut(length: usize, cuts: &[usize]) -> Vec<(usize, usize)> {
    let mut at: Vec<_> = cuts.iter().map(|cut| length * cut / 1000).chain([0, length]).collect();
    at.sort_unstable();
    at.windows(2).map(|pair| (pair[0], pair[1] - pair[0])).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Any list of chunks, each cut into parts of one of two files, read in counts as short as the system likes.
    #[test]
    fn chunks_are_hashed_as_if_each_were_alone(
        algorithm in algorithm(),
        lengths in vec((length_of_interest(), vec(0..1000_usize, 0..4), 0..300_usize), 0..11),
        step in prop_oneof![Just(usize::MAX), 1..100_usize, 60_000..70_000_usize],
    ) {
        let mut files = Files::new(vec![noise(2 * STEP_BYTES + 600), noise(3 * STEP_BYTES)]);
        files.step = step;
        let chunks: Vec<_> = lengths.iter().enumerate().map(|(index, (length, cuts, offset))| {
            let parts = cut(*length, cuts).into_iter().enumerate().map(|(n, (at, length))| {
                files.range(n % 2, (offset + at) as u64, length as u64)
            });
            Chunk { index: 100 + index as u64, parts: Ok(parts.collect()) }
        }).collect();
        let expected: Vec<_> = chunks.iter().map(|chunk| {
            let bytes = files.bytes(chunk.parts.as_deref().expect("made so"));
            (chunk.index, Ok(plain(algorithm, &bytes)))
        }).collect();
        prop_assert_eq!(files.chunks(algorithm, chunks), expected);
    }

    /// A range, hashed behind what was hashed before.
    #[test]
    fn a_range_goes_on_where_the_hash_was(
        algorithm in algorithm(),
        before in vec(any::<u8>(), 0..150),
        length in length_of_interest(),
        step in 1..70_000_usize,
    ) {
        let mut files = Files::new(vec![noise(length + 7)]);
        files.step = step;
        let mut hasher = Hasher::new(algorithm);
        hasher.update(&before);
        let range = files.range(0, 7, length as u64);
        let Done::HashRange(hasher, outcome) = hash_range(&files, hasher, range, &mut [0; 4 * STEP_BYTES]) else {
            panic!("another outcome")
        };
        prop_assert_eq!(outcome, Ok(()));
        let all = [&before[..], &files.contents[0][7..]].concat();
        prop_assert_eq!(hasher.finish(), plain(algorithm, &all));
    }

    /// Side by side is the same as alone, state by state, whatever the lists' lengths.
    #[test]
    fn messages_side_by_side_do_not_mix(words in vec(any::<u32>(), 20), counts in [0..4_usize, 0..4, 0..4, 0..4]) {
        let blocks: Vec<Vec<[u8; BLOCK_BYTES]>> = counts.iter().enumerate().map(|(lane, count)| {
            noise((count + lane + 4) * BLOCK_BYTES)[lane * 13..].as_chunks().0[..*count].to_vec()
        }).collect();
        let start: [[u32; 5]; 4] = std::array::from_fn(|lane| std::array::from_fn(|i| words[lane * 5 + i]));
        let mut together = start;
        let taken = kernel::Sha1::compress(together.each_mut(), std::array::from_fn(|lane| &blocks[lane][..]));
        prop_assert_eq!(Some(taken), counts.iter().copied().min());
        let mut alone = start;
        for (state, list) in alone.iter_mut().zip(&blocks) {
            sha1::block_api::compress(state, &list[..taken]);
        }
        prop_assert_eq!(together, alone);
    }
}

#[test]
fn buffers_are_fed_in_order_and_come_home() {
    let mut buffers = Vec::new();
    for part in [&b"ab"[..], b"", b"c"] {
        let mut buffer = Buffer::new().expect("memory");
        buffer.append(part);
        buffers.push(buffer);
    }
    let Done::HashBytes(hasher, buffers) = hash_bytes(Hasher::new(Algorithm::Sha1), buffers) else {
        panic!("another outcome")
    };
    assert_eq!(buffers.len(), 3);
    // FIPS 180-4's example.
    assert_eq!(format!("{:?}", hasher.finish()), "a9993e364706816aba3e25717850c26c9cd0d89d");
}

#[test]
fn a_chunk_that_can_not_be_read_fails_alone() {
    let files = Files::new(vec![noise(1000), noise(10)]);
    let chunk = |index, parts| Chunk { index, parts };
    let whole = || Ok(vec![files.range(0, 0, 1000)]);
    let good = Ok(plain(Algorithm::Sha1, &files.contents[0]));
    let chunks = vec![
        chunk(0, Err(DiskError::IsDirectory)),
        chunk(1, whole()),
        chunk(2, Ok(vec![files.range(0, 0, 1000), files.range(1, 4, 7)])),
        chunk(3, Ok(vec![files.range(9, 0, 1)])),
        chunk(4, whole()),
        chunk(5, Ok(vec![files.range(1, 11, 1)])),
        chunk(6, whole()),
        chunk(7, Err(DiskError::NotFound)),
    ];
    let expected = [
        Err(DiskError::IsDirectory),
        good.clone(),
        Err(DiskError::BeyondEnd { size: 10 }),
        Err(DiskError::NotFound),
        good.clone(),
        Err(DiskError::BeyondEnd { size: 10 }),
        good,
        Err(DiskError::NotFound),
    ];
    let outcomes = files.chunks(Algorithm::Sha1, chunks);
    assert_eq!(outcomes, (0..8).zip(expected).collect::<Vec<_>>());
}

#[test]
fn a_range_that_is_cut_off_says_how_large_the_file_is() {
    let files = Files::new(vec![noise(100)]);
    let range = files.range(0, 90, 11);
    let done = hash_range(&files, Hasher::new(Algorithm::Sha256), range, &mut [0; 4 * STEP_BYTES]);
    assert!(matches!(done, Done::HashRange(_, Err(DiskError::BeyondEnd { size: 100 }))), "{done:?}");
}

#[test]
fn what_nobody_waits_for_is_left() {
    let mut files = Files::new(vec![noise(1000)]);
    files.stop_at = 6;
    let chunks = (0..20).map(|index| Chunk { index, parts: Ok(vec![files.range(0, 0, 1000)]) });
    let outcomes = files.chunks(Algorithm::Sha1, chunks.collect());
    assert_eq!(outcomes.len(), 20);
    let done = outcomes.iter().filter(|(_, outcome)| outcome.is_ok()).count();
    assert!((1..10).contains(&done), "{done} were done");
    assert_eq!(outcomes[19], (19, Err(cancelled())));
}
