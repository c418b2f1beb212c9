//! Memory that was lent to a client: what was read for it, and waits for it to take it.

use super::WebSocket;
use crate::limits::{LENT_STALL_MS, STALL_LOOK_MS};
use crate::state::State;
use crate::time::Time;

impl WebSocket {
    /// Buffers were lent to the client, or it took some: from here on it has its time to take one more.
    pub(super) fn took_lent(&mut self, state: &State) {
        let holds = state.channels.get(self.id).is_some_and(|channel| channel.holds_lent());
        self.lent_look_at = if holds { state.now.plus_ms(LENT_STALL_MS) } else { Time::NEVER };
    }

    /// A client that takes nothing of what was read for it, while others wait for that memory, is cut off.
    pub(super) fn check_lent(&mut self, state: &State) {
        if self.lent_look_at > state.now {
            return;
        }
        self.lent_look_at = state.now.plus_ms(STALL_LOOK_MS);
        if state.is_wanted(self.id) {
            log::warn!(
                "/io: a client that does not take what it reads is cut off: others wait for the memory"
            );
            self.finish(true);
        }
    }
}
