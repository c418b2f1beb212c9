//! Names below a root to files and folders, never leaving it. Every resolution starts at the root's folder as it is at
//! that moment and is confined by cap-std (`openat2` with `RESOLVE_BENEATH` where the kernel has it, step by step
//! elsewhere), so that no link, swapped in at whatever moment, leads out. Decides nothing about what is done there.

use super::errors::of_path;
use crate::job::{DiskError, PathStat, Root};
use crate::limits::LINKS_MAX;
use crate::platform::files::{self, Facts, Kind};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use jstorrent_io_proto::path::RelPath;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// The folder of `root`. Opened anew for each operation, so that a root that was replaced, unmounted or mounted over
/// is never mistaken for what is there now.
pub(super) fn root_folder(root: &Root) -> Result<Dir, DiskError> {
    // Its own path is the configuration's and trusted: it may lead anywhere.
    Dir::open_ambient_dir(&root.path, ambient_authority()).map_err(super::errors::of_file)
}

/// `path` for the system.
pub(super) fn native(path: &RelPath) -> &Path {
    Path::new(if path.is_root() { "." } else { path.as_str() })
}

/// Opens a regular file that is there.
pub(super) fn open(root: &Dir, path: &Path, write: bool) -> Result<(File, Facts), DiskError> {
    // Looked at first: opening a device may do something, and opening a FIFO may wake its other end.
    let found = root.metadata(path).map_err(of_path)?;
    check_regular(match () {
        () if found.is_file() => Kind::File,
        () if found.is_dir() => Kind::Folder,
        () => Kind::Other,
    })?;
    let file = root.open_with(path, &files::options(write)).map_err(of_path)?.into_std();
    let facts = files::facts(&file).map_err(of_path)?;
    check_regular(facts.kind)?;
    Ok((file, facts))
}

fn check_regular(kind: Kind) -> Result<(), DiskError> {
    match kind {
        Kind::File => Ok(()),
        Kind::Folder => Err(DiskError::IsDirectory),
        Kind::Other => Err(DiskError::NotRegular),
    }
}

/// Opens a regular file, or makes it and its parents; tells which. A new one is open for writing, too.
pub(super) fn open_or_make(
    root: &Dir,
    path: &RelPath,
    write: bool,
) -> Result<(File, Facts, bool), DiskError> {
    let mut options = files::options(true);
    options.create_new(true);
    let mut target = PathBuf::from(native(path));
    let mut made_parents = false;
    for _ in 0..LINKS_MAX {
        match open(root, &target, write) {
            Err(DiskError::NotFound) => {}
            other => return other.map(|(file, facts)| (file, facts, false)),
        }
        match root.open_with(&target, &options) {
            Ok(file) => {
                let file = file.into_std();
                let facts = files::facts(&file).map_err(of_path)?;
                return Ok((file, facts, true));
            }
            // A link to what is not there yet, or someone who was quicker.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => follow(root, &mut target),
            Err(error) if error.kind() == ErrorKind::NotFound && !made_parents => {
                make_folders(root, path.parts().rev().skip(1).count(), path)?;
                made_parents = true;
            }
            Err(error) => return Err(of_path(error)),
        }
    }
    Err(DiskError::LinkLoop)
}

/// Where `path` is a link, replaces it by where that leads.
fn follow(root: &Dir, path: &mut PathBuf) {
    if let Ok(target) = root.read_link(&path) {
        path.pop();
        path.push(target);
    }
}

/// Makes the folder `path` and those above it; fine where they are there.
pub(super) fn make_folder(root: &Dir, path: &RelPath) -> Result<(), DiskError> {
    match root.metadata(native(path)) {
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(_) => return Err(DiskError::NotADirectory),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(of_path(error)),
    }
    make_folders(root, path.parts().count(), path)?;
    match root.metadata(native(path)).map_err(of_path)? {
        found if found.is_dir() => Ok(()),
        _ => Err(DiskError::NotADirectory),
    }
}

/// Makes the folder that the first `depth` parts of `path` name: up to one whose parent is there, then down again.
fn make_folders(root: &Dir, depth: usize, path: &RelPath) -> Result<(), DiskError> {
    let prefix = |depth| path.parts().take(depth).collect::<PathBuf>();
    let mut made = depth;
    while made > 0 {
        match root.create_dir(prefix(made)) {
            Err(error) if error.kind() == ErrorKind::NotFound && made > 1 => made -= 1,
            other => {
                there(other)?;
                break;
            }
        }
    }
    (made + 1..=depth).try_for_each(|depth| there(root.create_dir(prefix(depth))))
}

/// A folder, or something else, that is there already is fine: what is done with it next will tell.
fn there(outcome: std::io::Result<()>) -> Result<(), DiskError> {
    match outcome {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(of_path(error)),
        _ => Ok(()),
    }
}

/// Size, time and kind of what `path` names.
pub(super) fn stat(root: &Dir, path: &RelPath) -> Result<PathStat, DiskError> {
    let found = root.metadata(native(path)).map_err(of_path)?;
    let modified = found.modified().map_err(of_path)?.into_std();
    Ok(PathStat {
        size: found.len(),
        mtime_ms: modified
            .duration_since(UNIX_EPOCH)
            .map_or(0, |age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
        is_directory: found.is_dir(),
        is_file: found.is_file(),
    })
}
