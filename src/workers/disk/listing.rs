//! The names in a folder, up to a bound of memory.

use super::confined::native;
use super::errors::{of_path, too_many};
use crate::job::DiskError;
use cap_std::fs::Dir;
use jstorrent_io_proto::path::RelPath;

/// What a name costs beside its bytes, in bytes: a `String`, and what its allocation rounds up to.
const NAME_OVERHEAD_BYTES: usize = 40;
/// What a control character takes in JSON.
const ESCAPE_BYTES: usize = 6;

/// The names, sorted; at most `bytes_max` bytes of memory for them, and as many for them as JSON.
pub(super) fn list(root: &Dir, path: &RelPath, bytes_max: usize) -> Result<Vec<String>, DiskError> {
    let mut names = Vec::new();
    let mut bytes = 0;
    for entry in root.read_dir(native(path)).map_err(of_path)? {
        let name = entry.map_err(of_path)?.file_name().to_string_lossy().into_owned();
        bytes += (name.len() + NAME_OVERHEAD_BYTES).max(json_len(&name));
        if bytes > bytes_max {
            return Err(too_many("names in that folder"));
        }
        names.push(name);
    }
    names.sort_unstable();
    Ok(names)
}

/// What a name takes in a JSON array, at most.
fn json_len(name: &str) -> usize {
    let escaped = name.bytes().filter(|byte| byte.is_ascii_control() || matches!(byte, b'"' | b'\\')).count();
    name.len() + escaped * (ESCAPE_BYTES - 1) + r#""",""#.len()
}
