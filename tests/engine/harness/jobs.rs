//! Jobs, done in line.

use jstorrent_io_daemon::job::{
    Ask, Chunk, Digest, DiskError, Done, FileHandle, FileRange, Hasher, Interface, TransferError,
    Transferred, WriteFailure,
};
use jstorrent_io_daemon::workers::disk::{self, Disk, Performed, RealDisk};
use std::net::Ipv4Addr;

/// A job's kind, by the name of its variant.
pub(crate) fn kind(ask: &Ask) -> &'static str {
    match ask {
        Ask::Open { .. } => "Open",
        Ask::Inspect(_) => "Inspect",
        Ask::Size(_) => "Size",
        Ask::Read { .. } => "Read",
        Ask::Write { .. } => "Write",
        Ask::Transfer { .. } => "Transfer",
        Ask::Flush(_) => "Flush",
        Ask::Preallocate { .. } => "Preallocate",
        Ask::Truncate { .. } => "Truncate",
        Ask::Forget(_) => "Forget",
        Ask::PathStat(..) => "PathStat",
        Ask::PathList(..) => "PathList",
        Ask::PathDelete(..) => "PathDelete",
        Ask::PathTruncate(..) => "PathTruncate",
        Ask::MakeFolder(..) => "MakeFolder",
        Ask::RootSpace(_) => "RootSpace",
        Ask::ReadConfig { .. } => "ReadConfig",
        Ask::ListInterfaces => "ListInterfaces",
        Ask::LoadTrust => "LoadTrust",
        Ask::HashBytes { .. } => "HashBytes",
        Ask::HashInOrder { .. } => "HashInOrder",
        Ask::HashRange { .. } => "HashRange",
        Ask::HashChunks { .. } => "HashChunks",
        Ask::Resolve { .. } => "Resolve",
    }
}

pub(super) fn perform(disk: &RealDisk, ask: Ask) -> Done {
    match disk::perform(disk, ask) {
        Performed::Done(done) => done,
        Performed::NotMine(Ask::HashBytes { mut hasher, buffers }) => {
            buffers.iter().for_each(|buffer| hasher.update(buffer.filled()));
            Done::HashBytes(hasher, buffers)
        }
        Performed::NotMine(Ask::HashInOrder { hasher, buffers }) => {
            hasher.update(&buffers);
            Done::HashInOrder(buffers)
        }
        Performed::NotMine(Ask::HashRange { mut hasher, range }) => {
            let result = hash_range(disk, &mut hasher, &range);
            Done::HashRange(hasher, result)
        }
        Performed::NotMine(Ask::HashChunks { algorithm, chunks, .. }) => Done::HashChunks(
            chunks
                .into_iter()
                .map(|chunk| (chunk.index, hash_chunk(disk, Hasher::new(algorithm), chunk)))
                .collect(),
        ),
        Performed::NotMine(Ask::ListInterfaces) => Done::ListInterfaces(Ok(vec![Interface {
            name: "lo".into(),
            address: Ipv4Addr::LOCALHOST,
            prefix_length: 8,
        }])),
        Performed::NotMine(other) => panic!("{other:?}"),
    }
}

fn hash_chunk(disk: &RealDisk, mut hasher: Hasher, chunk: Chunk) -> Result<Digest, DiskError> {
    for part in chunk.parts? {
        hash_range(disk, &mut hasher, &part)?;
    }
    Ok(hasher.finish())
}

fn hash_range(disk: &RealDisk, hasher: &mut Hasher, range: &FileRange) -> Result<(), DiskError> {
    let size = disk.inspect(&range.file)?.size;
    if range.offset + range.length > size {
        return Err(DiskError::BeyondEnd { size });
    }
    let mut bytes = vec![0; range.length as usize];
    let mut count = 0;
    while count < bytes.len() {
        match disk.read_at(&range.file, range.offset + count as u64, &mut bytes[count..])? {
            0 => return Err(DiskError::BeyondEnd { size }),
            more => count += more,
        }
    }
    hasher.update(&bytes);
    Ok(())
}

/// Moves bytes to a client, if it is still there.
pub(super) fn transfer(
    disk: &RealDisk,
    file: &FileHandle,
    offset: u64,
    length: u64,
    to: Option<&mut Vec<u8>>,
) -> Done {
    let mut bytes = vec![0; length.min(64 << 10) as usize];
    let outcome = disk.read_at(file, offset, &mut bytes).and_then(|count| match count {
        0 => Err(DiskError::BeyondEnd { size: offset }),
        count => Ok(count),
    });
    Done::Transfer(match (outcome, to) {
        (Err(error), _) => Err(TransferError::Disk(error)),
        (Ok(_), None) => Err(TransferError::Socket),
        (Ok(count), Some(to)) => {
            to.extend_from_slice(&bytes[..count]);
            Ok(Transferred { bytes: count as u64, blocked: false })
        }
    })
}

/// A job that the disk fails. A write fails after half of its bytes.
pub(super) fn failed(ask: Ask, error: DiskError) -> Done {
    match ask {
        Ask::Open { .. } => Done::Open(Err(error)),
        Ask::Inspect(_) => Done::Inspect(Err(error)),
        Ask::Size(_) => Done::Size(Err(error)),
        Ask::Read { buffer, .. } => Done::Read(buffer, Err(error)),
        Ask::Write { buffers, .. } => {
            let bytes: usize = buffers.iter().map(|buffer| buffer.len()).sum();
            Done::Write(buffers, Err(WriteFailure { written: bytes as u64 / 2, error }))
        }
        Ask::Transfer { .. } => Done::Transfer(Err(TransferError::Disk(error))),
        Ask::Flush(_) => Done::Flush(Err(error)),
        Ask::Preallocate { .. } => Done::Preallocate(Err(error)),
        Ask::Truncate { .. } => Done::Truncate(Err(error)),
        Ask::PathStat(..) => Done::PathStat(Err(error)),
        Ask::PathList(..) => Done::PathList(Err(error)),
        Ask::PathDelete(..) => Done::PathDelete(Err(error)),
        Ask::PathTruncate(..) => Done::PathTruncate(Err(error)),
        Ask::MakeFolder(..) => Done::MakeFolder(Err(error)),
        Ask::RootSpace(_) => Done::RootSpace(Err(error)),
        Ask::HashRange { hasher, .. } => Done::HashRange(hasher, Err(error)),
        Ask::HashChunks { chunks, .. } => {
            Done::HashChunks(chunks.iter().map(|chunk| (chunk.index, Err(error.clone()))).collect())
        }
        Ask::ReadConfig { .. } => Done::ReadConfig(Err("the disk failed".into())),
        Ask::ListInterfaces => Done::ListInterfaces(Err("the system failed".into())),
        other => panic!("{other:?} does not fail"),
    }
}
