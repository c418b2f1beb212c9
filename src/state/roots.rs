//! The download roots that rpc-info.json permits at present, replaced in one step (PROTOCOL §3).

use crate::ids::RootNumber;
use crate::job::Root;
use jstorrent_io_proto::rpc_info::{Profile, RootInfo};
use std::path::PathBuf;
use std::sync::Arc;

/// One root as configured.
#[derive(Debug, Clone)]
pub struct ConfiguredRoot {
    /// What jobs carry.
    pub root: Arc<Root>,
    /// What the file said.
    pub info: RootInfo,
}

/// The configuration in force.
#[derive(Debug, Default)]
pub struct Roots {
    /// In the file's order.
    pub all: Vec<ConfiguredRoot>,
    /// The extension whose origin is allowed.
    pub extension_id: Option<String>,
    numbers: u32,
}

impl Roots {
    /// The root with that key.
    pub fn get(&self, key: &str) -> Option<&Arc<Root>> {
        self.all.iter().find(|configured| configured.root.key == key).map(|configured| &configured.root)
    }

    /// Whether a root is permitted now: it is there, with the same path. It may have been gone meanwhile.
    pub fn permits(&self, root: &Root) -> bool {
        self.get(&root.key).is_some_and(|now| now.number == root.number || now.path == root.path)
    }

    /// Replaces the whole configuration. A root whose key and path stay keeps its number, so that its open files
    /// go on. Returns whether what clients are told of the roots changed.
    pub fn replace(&mut self, profile: Profile) -> bool {
        let before: Vec<RootInfo> = self.all.iter().map(|configured| configured.info.clone()).collect();
        let all: Vec<ConfiguredRoot> = profile
            .roots
            .into_iter()
            .map(|info| ConfiguredRoot { root: self.same_or_new(&info), info })
            .collect();
        self.all = all;
        self.extension_id = profile.extension_id;
        !before.iter().map(told).eq(self.all.iter().map(|configured| told(&configured.info)))
    }

    fn same_or_new(&mut self, info: &RootInfo) -> Arc<Root> {
        let path = PathBuf::from(&info.path);
        let same = self.all.iter().find(|old| old.root.key == info.key && old.root.path == path);
        if let Some(same) = same {
            return same.root.clone();
        }
        self.numbers += 1;
        Arc::new(Root { number: RootNumber(self.numbers), key: info.key.clone(), path })
    }
}

/// What ROOTS_CHANGED says of a root.
fn told(info: &RootInfo) -> (&str, &str, bool, bool) {
    (&info.key, &info.display_name, info.removable, info.last_stat_ok)
}
