//! Removes a file, a link itself, or a folder with all in it. Works from handle to handle and follows no link, so
//! that nothing outside is ever touched; without recursion, with few handles open, whatever the depth.

use super::confined::native;
use super::errors::{of_path, too_many};
use crate::job::DiskError;
use crate::limits::{DELETE_OPEN_MAX, DELETE_PENDING_DEPTH_MAX, DELETE_PENDING_MAX};
use crate::platform::files;
use cap_std::fs::{Dir, DirEntry};
use jstorrent_io_proto::path::RelPath;
use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};

/// How far one deletion may go.
#[derive(Clone, Copy, Debug)]
pub(super) struct DeletionLimits {
    /// Files and folders.
    pub(super) entries_max: u64,
    /// Folders in each other.
    pub(super) depth_max: usize,
}

/// Removes what `path` names.
pub(super) fn delete(root: &Dir, path: &RelPath, limits: DeletionLimits) -> Result<(), DiskError> {
    let Some(name) = path.file_name().map(OsStr::new) else {
        return Err(DiskError::BadName);
    };
    match native(path).parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => delete_in(&root.open_dir(parent).map_err(of_path)?, name, limits),
        None => delete_in(root, name, limits),
    }
}

fn delete_in(parent: &Dir, name: &OsStr, limits: DeletionLimits) -> Result<(), DiskError> {
    if !parent.symlink_metadata(name).map_err(of_path)?.is_dir() {
        match files::remove_entry(parent, name).map_err(of_path) {
            // A folder came into its place.
            Err(DiskError::IsDirectory) => {}
            other => return other,
        }
    }
    let mut sweep = Sweep { base: parent, levels: Vec::new(), left: limits.entries_max, limits };
    sweep.enter(name.to_owned())?;
    while !sweep.levels.is_empty() {
        sweep.step()?;
    }
    Ok(())
}

/// A folder that is being emptied.
struct Level {
    name: OsString,
    /// `None`: closed meanwhile.
    folder: Option<Dir>,
    /// Folders in it that were seen and are to be emptied.
    pending: Vec<OsString>,
}

/// A tree that is being removed, from the folder that holds it down to where the work is.
struct Sweep<'a> {
    base: &'a Dir,
    levels: Vec<Level>,
    left: u64,
    limits: DeletionLimits,
}

impl Sweep<'_> {
    /// Goes one folder down, or empties the deepest, or goes up.
    fn step(&mut self) -> Result<(), DiskError> {
        if let Some(name) = self.levels.last_mut().and_then(|level| level.pending.pop()) {
            return self.enter(name);
        }
        let pending = self.clear()?;
        match self.levels.last_mut() {
            Some(level) if !pending.is_empty() => level.pending = pending,
            _ => return self.leave(),
        }
        Ok(())
    }

    /// Makes the folder `name` the deepest; it is opened when it is looked at.
    fn enter(&mut self, name: OsString) -> Result<(), DiskError> {
        self.count()?;
        if self.levels.len() == self.limits.depth_max {
            return Err(too_many("folders in each other"));
        }
        self.levels.push(Level { name, folder: None, pending: Vec::new() });
        if let Some(above) = self.levels.len().checked_sub(DELETE_OPEN_MAX + 1) {
            self.levels[above].folder = None;
        }
        Ok(())
    }

    /// Removes what is no folder from the deepest; returns some of the folders in it.
    fn clear(&mut self) -> Result<Vec<OsString>, DiskError> {
        let Some(folder) = self.open_deepest()? else { return Ok(Vec::new()) };
        let pending_max = if self.levels.len() < DELETE_PENDING_DEPTH_MAX { DELETE_PENDING_MAX } else { 1 };
        let mut pending = Vec::new();
        for entry in folder.entries().map_err(of_path)? {
            let entry = entry.map_err(of_path)?;
            let name = entry.file_name();
            if !is_folder(&folder, &entry).map_err(of_path)? {
                self.count()?;
                match gone(files::remove_entry(&folder, &name)) {
                    // A folder came into its place.
                    Err(DiskError::IsDirectory) => {}
                    other => {
                        other?;
                        continue;
                    }
                }
            }
            pending.push(name);
            if pending.len() == pending_max {
                break;
            }
        }
        if let Some(level) = self.levels.last_mut() {
            level.folder = Some(folder);
        }
        Ok(pending)
    }

    /// Removes the deepest folder, which was seen empty, and goes up; stays where something came into it meanwhile.
    fn leave(&mut self) -> Result<(), DiskError> {
        let Some(level) = self.levels.pop() else { return Ok(()) };
        drop(level.folder);
        let outcome = match self.open_deepest()? {
            Some(parent) => {
                let outcome = parent.remove_dir(&level.name);
                if let Some(above) = self.levels.last_mut() {
                    above.folder = Some(parent);
                }
                outcome
            }
            None if self.levels.is_empty() => self.base.remove_dir(&level.name),
            None => return Ok(()),
        };
        match outcome {
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => self.enter(level.name),
            // A link, or a file, took its place. Below the top, the folder that has it is looked through again.
            Err(error) if error.kind() == ErrorKind::NotADirectory && self.levels.is_empty() => {
                gone(files::remove_entry(self.base, &level.name))
            }
            Err(error) if error.kind() == ErrorKind::NotADirectory => Ok(()),
            other => gone(other),
        }
    }

    /// Takes the deepest folder's handle, opening it and those above it as needed. `None`: it is no folder any more.
    fn open_deepest(&mut self) -> Result<Option<Dir>, DiskError> {
        let Some(deepest) = self.levels.last_mut() else { return Ok(None) };
        if let Some(folder) = deepest.folder.take() {
            return Ok(Some(folder));
        }
        let depth = self.levels.len();
        let known = (0..depth).rev().find(|index| self.levels[*index].folder.is_some());
        let mut reached =
            known.and_then(|index| self.levels[index].folder.take().map(|folder| (index, folder)));
        for index in known.map_or(0, |known| known + 1)..depth {
            let parent = reached.as_ref().map_or(self.base, |(_, folder)| folder);
            let next = match files::open_folder_itself(parent, &self.levels[index].name).map_err(of_path) {
                Err(DiskError::NotFound | DiskError::NotADirectory | DiskError::LinkLoop) => return Ok(None),
                other => other?,
            };
            if let Some((above, folder)) =
                reached.replace((index, next)).filter(|(above, _)| above + DELETE_OPEN_MAX > depth)
            {
                self.levels[above].folder = Some(folder);
            }
        }
        Ok(reached.map(|(_, folder)| folder))
    }

    fn count(&mut self) -> Result<(), DiskError> {
        self.left = self.left.checked_sub(1).ok_or_else(|| too_many("files and folders to delete"))?;
        Ok(())
    }
}

fn is_folder(parent: &Dir, entry: &DirEntry) -> io::Result<bool> {
    let kind = entry.file_type()?;
    if kind.is_dir() || kind.is_file() || kind.is_symlink() {
        return Ok(kind.is_dir());
    }
    // Some file systems don't say in the listing.
    match parent.symlink_metadata(entry.file_name()) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        found => found.map(|found| found.is_dir()),
    }
}

/// Someone else may have removed it: fine.
fn gone(outcome: io::Result<()>) -> Result<(), DiskError> {
    match outcome {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(of_path(error)),
        _ => Ok(()),
    }
}
