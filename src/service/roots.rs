//! `GET /roots`: the download roots with the space below them. All are measured at once; one whose disk hangs is
//! answered without its numbers rather than holding up the others.

use super::answer::Answer;
use super::{Cx, Step, Task};
use crate::ids::{ConnId, RootNumber};
use crate::job::{Ask, DiskError, Lane, RootSpace};
use crate::state::State;
use crate::state::roots::ConfiguredRoot;
use crate::time::Time;
use serde::Serialize;

/// Waits for the space below the roots.
#[derive(Debug)]
pub struct Roots {
    me: ConnId,
    asked: Vec<ConfiguredRoot>,
    until: Time,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RootAnswer<'a> {
    key: &'a str,
    display_name: &'a str,
    removable: bool,
    writable: bool,
    /// Bytes; `null` where the disk did not say in time, or the root is not there.
    free_bytes: Option<u64>,
    total_bytes: Option<u64>,
}

/// Begins `GET /roots`.
pub fn begin(cx: &mut Cx<'_>) -> Task {
    let asked = cx.state.roots.all.clone();
    for configured in &asked {
        let number = configured.root.number;
        if cx.state.spaces.want(number, cx.me) {
            let ask = Ask::RootSpace(configured.root.clone());
            cx.state.submit(ConnId::NOBODY, Lane::Disk(number), None, ask);
        }
    }
    let until = cx.state.now.plus_ms(cx.state.limits.space_wait_ms);
    Task::Roots(Roots { me: cx.me, asked, until })
}

/// The space below a root has come home.
pub fn measured(state: &mut State, root: RootNumber, space: Result<RootSpace, DiskError>) {
    state.spaces.measured(root, space, &mut state.notes);
    let roots = &state.roots;
    state.spaces.retain(|number| roots.all.iter().any(|configured| configured.root.number == number));
}

impl Roots {
    /// When it answers with what there is.
    pub fn deadline(&self) -> Time {
        self.until
    }

    pub(super) fn advance(&self, cx: &Cx<'_>) -> Step {
        let state = &*cx.state;
        let space = |number: RootNumber| state.spaces.latest(number, self.me);
        let complete = self.asked.iter().all(|configured| space(configured.root.number).is_some());
        if !complete && state.now < self.until {
            return Step::Wait;
        }
        let all: Vec<RootAnswer<'_>> = self
            .asked
            .iter()
            .map(|configured| {
                let known = space(configured.root.number).and_then(|result| result.as_ref().ok());
                RootAnswer {
                    key: &configured.info.key,
                    display_name: &configured.info.display_name,
                    removable: configured.info.removable,
                    writable: known.is_some_and(|space| space.writable),
                    free_bytes: known.map(|space| space.free_bytes),
                    total_bytes: known.map(|space| space.total_bytes),
                }
            })
            .collect();
        Step::Reply(Answer::json(&all))
    }

    pub(super) fn release(&self, state: &mut State) {
        state.spaces.forget(self.me);
    }
}
