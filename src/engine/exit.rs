//! The orderly end (PROTOCOL §1): no new connections, what has been received whole is finished, then out. Also when
//! to begin it for idleness.

use super::slots::Slots;
use crate::ids::ConnId;
use crate::state::State;
use crate::state::effects::Effect;
use crate::state::notes::Note;
use crate::time::Time;

/// How long a request whose body is still arriving is waited for, in milliseconds: its sender may have died.
const UNFINISHED_MS: u64 = 300;

#[derive(Debug, Default)]
pub(super) enum Exit {
    #[default]
    Running,
    /// Until `last` at most; until `patient` for requests that have not come whole.
    Ending {
        patient: Time,
        last: Time,
    },
    Over,
}

impl Exit {
    pub(super) fn next_deadline(&self, state: &State) -> Time {
        match self {
            Exit::Running if state.exit_wanted => state.now,
            Exit::Running => state.idle_deadline(),
            Exit::Ending { patient, .. } if *patient > state.now => *patient,
            Exit::Ending { last, .. } => *last,
            Exit::Over => state.now,
        }
    }

    pub(super) fn begin(&mut self, slots: &Slots, state: &mut State) {
        if !matches!(self, Exit::Running) {
            return;
        }
        let patient = state.now.plus_ms(UNFINISHED_MS);
        *self = Exit::Ending { patient, last: state.now.plus_ms(state.limits.exit_ms) };
        state.exiting = true;
        state.effects.push_back(Effect::StopListening);
        tell(slots.iter().map(|(id, _)| id), state, Note::Exit);
    }

    pub(super) fn advance(&mut self, slots: &mut Slots, state: &mut State) {
        match self {
            Exit::Running if state.idle_deadline() <= state.now || state.exit_wanted => {
                self.begin(slots, state)
            }
            Exit::Ending { last, .. } if *last <= state.now => *self = Exit::Over,
            Exit::Ending { patient, .. } if *patient <= state.now => {
                *patient = Time::default();
                let unfinished = slots.iter().filter(|(_, conn)| conn.is_unfinished());
                tell(unfinished.map(|(id, _)| id), state, Note::Cut);
            }
            _ => {}
        }
    }

    pub(super) fn is_over(&self, slots: &Slots) -> bool {
        match self {
            Exit::Running => false,
            Exit::Ending { .. } => slots.len() == 0,
            Exit::Over => true,
        }
    }
}

fn tell(ids: impl Iterator<Item = ConnId>, state: &mut State, note: Note) {
    for id in ids {
        state.notes.send(id, note);
    }
}
