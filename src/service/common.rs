//! What comes home to no connection because it belongs to all of them: the configuration, the space below a root.

use super::{config, io, roots};
use crate::job::{Done, Lane};
use crate::state::State;

/// Takes what belongs to everyone; gives back what is for the connection that asked.
pub fn completed(state: &mut State, lane: Lane, done: Done) -> Option<Done> {
    match (lane, done) {
        (_, Done::LoadTrust(outcome)) => io::loaded(state, outcome),
        (_, Done::ReadConfig(content)) => config::read(state, content),
        (Lane::Disk(root), Done::RootSpace(space)) => roots::measured(state, root, space),
        (_, other) => return Some(other),
    }
    None
}
