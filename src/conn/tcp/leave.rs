//! How a socket takes its leave of its peer, once the client was told of the end. Tells the client nothing.

use super::{Phase, Tcp};
use crate::state::State;
use crate::state::effects::Effect;

impl Tcp {
    /// Takes leave of the peer: what waits for it is delivered, then our side ends. Where the peer has not ended its
    /// own, what it still sends is dropped for a while: closing at once would answer it with a reset, which could
    /// destroy what we sent last.
    pub(super) fn part(&mut self, state: &mut State, wait_ms: u64) {
        self.say_goodbye(state);
        if !self.is_flushed(state) {
            if !matches!(self.phase, Phase::Parting { .. }) {
                self.phase = Phase::Parting { until: state.now.plus_ms(wait_ms) };
            }
        } else if self.peer_ended {
            self.phase = Phase::Parting { until: state.now };
            self.finish(false);
        } else {
            state.effects.push_back(Effect::ShutdownWrite(self.id));
            self.phase = Phase::Parting { until: state.now.plus_ms(state.limits.linger_ms) };
        }
        self.after(state);
    }
}
