//! From a job to calls of a [`Disk`] and back: full loops over short counts, spans checked before anything is
//! touched. Knows no file system.

use super::{Disk, OpenHow};
use crate::buffer::Buffer;
use crate::job::{Ask, DiskError, Done, FileHandle, Opened, Root, TransferError, WriteFailure};
use crate::workers::disk::errors;
use jstorrent_io_proto::path::RelPath;
use std::io::IoSlice;
use std::sync::Arc;

/// What [`perform`] made of a job.
#[derive(Debug)]
pub enum Performed {
    /// It was a file job.
    Done(Done),
    /// It is for other workers.
    NotMine(Ask),
}

/// Does a file job.
pub fn perform(disk: &impl Disk, ask: Ask) -> Performed {
    Performed::Done(match ask {
        Ask::Open { root, path, write, create, size } => {
            Done::Open(open(disk, &root, &path, OpenHow { write, create }, size))
        }
        Ask::Inspect(file) => Done::Inspect(disk.inspect(&file)),
        Ask::Size(file) => Done::Size(disk.size(&file)),
        Ask::Read { file, offset, length, mut buffer } => {
            let outcome = read(disk, &file, offset, length, &mut buffer);
            Done::Read(buffer, outcome)
        }
        Ask::Write { file, offset, buffers } => {
            let outcome = write(disk, &file, offset, &buffers);
            Done::Write(buffers, outcome)
        }
        Ask::Transfer { file, offset, length, outlet } => Done::Transfer(match outlet {
            Some(outlet) => disk.transfer(&file, &*outlet, offset, length),
            None => Err(TransferError::Socket),
        }),
        Ask::Flush(file) => Done::Flush(disk.flush(&file)),
        Ask::Preallocate { file, size, full } => Done::Preallocate(preallocate(disk, &file, size, full)),
        Ask::Truncate { file, size } => {
            Done::Truncate(errors::check_end(size, 0).and_then(|_| disk.truncate(&file, size)))
        }
        Ask::Forget(file) => {
            disk.forget(&file);
            Done::Forget
        }
        other => return perform_on_path(disk, other),
    })
}

fn perform_on_path(disk: &impl Disk, ask: Ask) -> Performed {
    Performed::Done(match ask {
        Ask::PathStat(root, path) => Done::PathStat(disk.path_stat(&root, &path)),
        Ask::PathList(root, path, bytes_max) => Done::PathList(disk.path_list(&root, &path, bytes_max)),
        Ask::PathDelete(root, path) => Done::PathDelete(disk.path_delete(&root, &path)),
        Ask::PathTruncate(root, path, size) => Done::PathTruncate(
            errors::check_end(size, 0).and_then(|_| disk.path_truncate(&root, &path, size)),
        ),
        Ask::MakeFolder(root, path) => Done::MakeFolder(disk.make_folder(&root, &path)),
        Ask::RootSpace(root) => Done::RootSpace(disk.root_space(&root)),
        Ask::ReadConfig { path, bytes_max } => Done::ReadConfig(disk.read_config(&path, bytes_max)),
        other => return Performed::NotMine(other),
    })
}

fn open(
    disk: &impl Disk,
    root: &Arc<Root>,
    path: &RelPath,
    how: OpenHow,
    size: Option<u64>,
) -> Result<Opened, DiskError> {
    let mut opened = disk.open(root, path, how)?;
    if let Some(size) = size {
        match preallocate(disk, &opened.file, size, true) {
            Ok(size) => opened.size = size,
            Err(error) => {
                disk.forget(&opened.file);
                return Err(error);
            }
        }
    }
    Ok(opened)
}

fn preallocate(disk: &impl Disk, file: &FileHandle, size: u64, full: bool) -> Result<u64, DiskError> {
    errors::check_end(size, 0)?;
    disk.preallocate(file, size, full)
}

/// Reads into the buffer's room; returns the file's size. Fewer bytes than asked only where the file ends there.
fn read(
    disk: &impl Disk,
    file: &FileHandle,
    offset: u64,
    length: usize,
    buffer: &mut Buffer,
) -> Result<u64, DiskError> {
    let size = disk.size(file)?;
    let Some(rest) = size.checked_sub(offset) else {
        return Err(DiskError::BeyondEnd { size });
    };
    let wanted = length.min(buffer.room_len());
    let room = &mut buffer.room()[..wanted];
    let mut count = 0;
    while count < wanted {
        match disk.read_at(file, offset + count as u64, &mut room[count..])? {
            0 => break,
            more => count += more,
        }
    }
    buffer.commit(count);
    if count == wanted || count as u64 == rest {
        Ok(size.max(offset + count as u64))
    } else {
        end_after(disk, file, offset, count)
    }
}

/// The file's size after a read of `count` bytes at `offset` met an end that was not there a moment before.
fn end_after(disk: &impl Disk, file: &FileHandle, offset: u64, count: usize) -> Result<u64, DiskError> {
    match disk.size(file)? {
        size if size < offset => Err(DiskError::BeyondEnd { size }),
        _ => Ok(offset + count as u64),
    }
}

/// Writes all that the buffers hold; returns how many bytes that was.
fn write(disk: &impl Disk, file: &FileHandle, offset: u64, buffers: &[Buffer]) -> Result<u64, WriteFailure> {
    let failed = |written, error| WriteFailure { written, error };
    let total = buffers.iter().map(|buffer| buffer.len() as u64).sum();
    errors::check_end(offset, total).map_err(|error| failed(0, error))?;
    let mut slices: Vec<_> = buffers
        .iter()
        .filter(|buffer| !buffer.is_empty())
        .map(|buffer| IoSlice::new(buffer.filled()))
        .collect();
    let mut rest = slices.as_mut_slice();
    let mut written = 0;
    loop {
        let count = disk.write_at(file, offset + written, rest).map_err(|error| failed(written, error))?;
        written += count as u64;
        if written == total {
            return Ok(written);
        }
        if count == 0 {
            return Err(failed(written, errors::took_nothing()));
        }
        IoSlice::advance_slices(&mut rest, count);
    }
}
