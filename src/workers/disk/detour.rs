//! Names that the system's confined calls don't take as they are: those that lead through an absolute link back into
//! the root, and those as long as the contract allows. Rewrites names and decides nothing: what comes of it is confined
//! again when it is used, so that no race with a link gains anything.

use super::confined;
use super::errors::of_path;
use crate::job::{DiskError, Root};
use crate::limits::LINKS_MAX;
use cap_std::fs::Dir;
use jstorrent_io_proto::path::RelPath;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// Bytes of a path that one call takes: on Linux 4,096 with the NUL that ends it (PATH_MAX), one fewer than PROTOCOL
/// §4 allows. Elsewhere it is the system that says what is too long.
const CALL_BYTES_MAX: usize = 4095;

/// What a name is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// For what it leads to.
    Target,
    /// For what it leads to, whose folders are made.
    Make,
    /// For the entry itself, be it a link.
    Entry,
}

/// Does `work` on what `path` names below `folder`, which is the folder of `root`.
pub(super) fn below<T>(
    folder: &Dir,
    root: &Root,
    (path, used_for): (&RelPath, Use),
    work: impl Fn(&Dir, &RelPath) -> Result<T, DiskError>,
) -> Result<T, DiskError> {
    if path.as_str().len() > CALL_BYTES_MAX
        && let Some((first, rest)) = path.split_first()
    {
        if used_for == Use::Make {
            confined::make_folder(folder, &first)?;
        }
        return work(&folder.open_dir(confined::native(&first)).map_err(of_path)?, &rest);
    }
    match work(folder, path) {
        Err(DiskError::EscapesRoot) => work(folder, &without_links(folder, root, path, used_for)?),
        other => other,
    }
}

/// What `path` leads to, with no link in it that is there now; `EscapesRoot` where that lies outside, or where the way
/// there goes through what lies outside by `..`.
fn without_links(folder: &Dir, root: &Root, path: &RelPath, used_for: Use) -> Result<RelPath, DiskError> {
    let spellings = [Some(root.path.clone()), root.path.canonicalize().ok()];
    let mut ahead: Vec<OsString> = path.parts().rev().map(OsString::from).collect();
    let mut reached = PathBuf::new();
    let mut links = 0;
    while let Some(part) = ahead.pop() {
        if part == ".." {
            reached.pop().then_some(()).ok_or(DiskError::EscapesRoot)?;
            continue;
        }
        reached.push(part);
        if ahead.is_empty() && used_for == Use::Entry {
            break;
        }
        // No link, or nothing: the call that follows tells.
        let Ok(target) = folder.read_link_contents(&reached) else { continue };
        links += 1;
        if links > LINKS_MAX {
            return Err(DiskError::LinkLoop);
        }
        reached.pop();
        if target.has_root() {
            reached = PathBuf::new();
        }
        push_parts(inside(&target, &spellings)?, &mut ahead);
    }
    let text = reached.to_str().ok_or(DiskError::EscapesRoot)?;
    RelPath::parse(text, true).map_err(|_| DiskError::EscapesRoot)
}

/// A link's target as seen from the root where it is absolute, else as it is.
fn inside<'a>(target: &'a Path, spellings: &[Option<PathBuf>]) -> Result<&'a Path, DiskError> {
    if !target.has_root() {
        return Ok(target);
    }
    let mut inside = spellings.iter().flatten().filter_map(|root| target.strip_prefix(root).ok());
    inside.next().ok_or(DiskError::EscapesRoot)
}

fn push_parts(target: &Path, ahead: &mut Vec<OsString>) {
    for part in target.components().rev() {
        match part {
            Component::Normal(name) => ahead.push(name.to_owned()),
            Component::ParentDir => ahead.push("..".into()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
}
