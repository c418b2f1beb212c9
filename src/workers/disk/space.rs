//! What is read outside the roots' files: their space, and the daemon's own small files.

use super::errors::{of_file, text};
use super::reserve::retry;
use crate::job::{DiskError, Root, RootSpace};
use crate::platform::files;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Space and writability below `root`.
pub(super) fn root_space(root: &Root) -> Result<RootSpace, DiskError> {
    if !std::fs::metadata(&root.path).map_err(of_file)?.is_dir() {
        return Err(DiskError::NotADirectory);
    }
    files::space(&root.path).map_err(of_file)
}

/// A small regular file, or one sentence that says why not. `opened`: what came of opening it.
pub(super) fn read_config(
    path: &Path,
    opened: io::Result<File>,
    bytes_max: usize,
) -> Result<Vec<u8>, String> {
    let told = |error: io::Error| format!("{} can't be read: {}.", path.display(), text(&error));
    let file = opened.map_err(told)?;
    if !retry(|| file.metadata()).map_err(told)?.is_file() {
        return Err(format!("{} is not a regular file.", path.display()));
    }
    let bytes = read_up_to(&file, bytes_max as u64 + 1).map_err(told)?;
    if bytes.len() > bytes_max {
        return Err(format!("{} has more than {bytes_max} bytes.", path.display()));
    }
    Ok(bytes)
}

fn read_up_to(file: &File, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}
