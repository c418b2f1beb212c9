//! rpc-info.json.

use jstorrent_io_proto::limits::ROOTS_MAX;
use jstorrent_io_proto::rpc_info::{parse, roots_changed_json};
use std::collections::HashSet;
use std::path::Path;

/// What is taken from the file is JSON's to begin with, has distinct keys and absolute paths, and what clients are told
/// of it is JSON again, without paths.
pub fn rpc_info(data: &[u8]) {
    let Ok(profile) = parse(data, "i") else { return };
    assert!(profile.roots.len() <= ROOTS_MAX);
    let keys: HashSet<_> = profile.roots.iter().map(|root| &root.key).collect();
    assert_eq!(keys.len(), profile.roots.len(), "a key twice");
    assert!(profile.roots.iter().all(|root| Path::new(&root.path).is_absolute()));
    let shown: serde_json::Value = serde_json::from_slice(&roots_changed_json(&profile.roots)).expect("JSON");
    let shown = shown.as_array().expect("an array");
    assert_eq!(shown.len(), profile.roots.len());
    for (shown, root) in shown.iter().zip(&profile.roots) {
        assert_eq!(shown["key"], root.key.as_str());
        assert!(shown.get("path").is_none());
    }
}
