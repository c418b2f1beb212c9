//! Sizes: preallocation that never shrinks, undoes itself where it fails, and loses nothing that others write
//! meanwhile.

use super::descriptors::Descriptor;
use super::errors::of_file;
use crate::job::DiskError;
use crate::limits::HOLES_MAX;
use crate::platform::files;
use std::fs::File;
use std::io;
use std::sync::PoisonError;

/// Makes the file at least `size` bytes long; returns its size then.
pub(super) fn preallocate(descriptor: &Descriptor, size: u64, full: bool) -> Result<u64, DiskError> {
    if !full || !reserve(descriptor, size)? {
        grow(descriptor, size).map_err(of_file)?;
    }
    retry(|| files::quick_facts(descriptor.file())).map(|facts| facts.size).map_err(of_file)
}

/// Reserves blocks, then sets the size; false where the file system can't.
fn reserve(descriptor: &Descriptor, size: u64) -> Result<bool, DiskError> {
    let file = descriptor.file();
    if size == 0 {
        return Ok(true);
    }
    check_room(file, size)?;
    // The size is set once all blocks are there, in a step that can't shorten what someone else made longer.
    match retry(|| files::reserve(file, size)).and_then(|()| retry(|| files::extend_reserved(file, size))) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(false),
        Err(error) => {
            give_back(descriptor);
            Err(of_file(error))
        }
    }
}

/// Refuses at once what can't fit, instead of filling the disk under everybody's feet to find out.
fn check_room(file: &File, size: u64) -> Result<(), DiskError> {
    let Some(unused) = files::unused_bytes(file) else { return Ok(()) };
    let facts = retry(|| files::facts(file)).map_err(of_file)?;
    let within = size.min(facts.size);
    // Both say too much: bytes that were compressed look missing, bytes that are reserved look like holes.
    let holes = files::holes(file, within, HOLES_MAX) + (size - within);
    let missing = size.saturating_sub(facts.allocated).min(holes);
    if missing > unused { Err(DiskError::DiskFull) } else { Ok(()) }
}

/// Frees the blocks that were reserved behind the file's end; those that filled its holes stay. The reservation's own
/// error is what counts, so that one in here is of no interest.
fn give_back(descriptor: &Descriptor) {
    let _alone = descriptor.resizing.write().unwrap_or_else(PoisonError::into_inner);
    let file = descriptor.file();
    let _ = retry(|| files::quick_facts(file)).and_then(|facts| retry(|| file.set_len(facts.size)));
}

/// Makes the file longer without blocks, if it is shorter.
fn grow(descriptor: &Descriptor, size: u64) -> io::Result<()> {
    let _alone = descriptor.resizing.write().unwrap_or_else(PoisonError::into_inner);
    let file = descriptor.file();
    if retry(|| files::quick_facts(file))?.size < size { retry(|| file.set_len(size)) } else { Ok(()) }
}

/// Again while a signal interrupts.
pub(super) fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
