//! What is known of the space below each root. One measurement a root is under way at most: where a disk hangs, those
//! who ask again wait for the same one, and pile nothing up.

use crate::ids::{ConnId, RootNumber};
use crate::job::{DiskError, RootSpace};
use crate::state::notes::{Note, Notes};
use std::collections::BTreeMap;

#[derive(Debug, Default)]
struct Measurement {
    under_way: bool,
    latest: Option<Result<RootSpace, DiskError>>,
    waiting: Vec<ConnId>,
}

/// Measurements by root.
#[derive(Debug, Default)]
pub struct Spaces {
    roots: BTreeMap<RootNumber, Measurement>,
}

impl Spaces {
    /// `who` wants to know; told by [`Note::Look`]. Returns whether a measurement is to be begun.
    pub fn want(&mut self, root: RootNumber, who: ConnId) -> bool {
        let measurement = self.roots.entry(root).or_default();
        if !measurement.waiting.contains(&who) {
            measurement.waiting.push(who);
        }
        !std::mem::replace(&mut measurement.under_way, true)
    }

    /// A measurement has come home.
    pub fn measured(&mut self, root: RootNumber, space: Result<RootSpace, DiskError>, notes: &mut Notes) {
        let Some(measurement) = self.roots.get_mut(&root) else { return };
        measurement.under_way = false;
        measurement.latest = Some(space);
        for who in measurement.waiting.drain(..) {
            notes.send(who, Note::Look);
        }
    }

    /// What `who` waited for; `None` while it is not there.
    pub fn latest(&self, root: RootNumber, who: ConnId) -> Option<&Result<RootSpace, DiskError>> {
        let measurement = self.roots.get(&root)?;
        measurement.latest.as_ref().filter(|_| !measurement.waiting.contains(&who))
    }

    /// `who` waits no more.
    pub fn forget(&mut self, who: ConnId) {
        for measurement in self.roots.values_mut() {
            measurement.waiting.retain(|other| *other != who);
        }
    }

    /// Forgets roots that are no longer configured and have nothing under way.
    pub fn retain(&mut self, is_configured: impl Fn(RootNumber) -> bool) {
        self.roots.retain(|root, measurement| measurement.under_way || is_configured(*root));
    }
}
