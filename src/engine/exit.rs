//! The orderly end (PROTOCOL §1): no new connections, requests whose heads have come are finished, then out. Also when
//! to begin it for idleness.

use super::slots::Slots;
use crate::state::State;
use crate::state::effects::Effect;
use crate::state::notes::Note;
use crate::time::Time;

#[derive(Debug, Default)]
pub(super) enum Exit {
    #[default]
    Running,
    /// Until then at most.
    Ending(Time),
    Over,
}

impl Exit {
    pub(super) fn next_deadline(&self, state: &State) -> Time {
        match self {
            Exit::Running if state.exit_wanted => state.now,
            Exit::Running => state.idle_deadline(),
            Exit::Ending(last) => *last,
            Exit::Over => state.now,
        }
    }

    pub(super) fn begin(&mut self, slots: &Slots, state: &mut State) {
        if !matches!(self, Exit::Running) {
            return;
        }
        *self = Exit::Ending(state.now.plus_ms(state.limits.exit_ms));
        state.exiting = true;
        state.effects.push_back(Effect::StopListening);
        for (id, _) in slots.iter() {
            state.notes.send(id, Note::Exit);
        }
    }

    /// Whether the end has begun with this, so that connections are now to be told.
    pub(super) fn advance(&mut self, slots: &Slots, state: &mut State) -> bool {
        match self {
            Exit::Running if state.idle_deadline() <= state.now || state.exit_wanted => {
                let reason =
                    if state.exit_wanted { "/control/shutdown was called" } else { "idle for too long" };
                log::info!("ending: {reason}");
                self.begin(slots, state);
                return true;
            }
            Exit::Ending(last) if *last <= state.now => *self = Exit::Over,
            _ => {}
        }
        false
    }

    pub(super) fn is_over(&self, slots: &Slots) -> bool {
        match self {
            Exit::Running => false,
            Exit::Ending(_) => slots.len() == 0,
            Exit::Over => true,
        }
    }
}
