//! When a client is read, and how much of what it may send there is memory for. Who is not read is told when it may be,
//! or is found to wait for nobody.

use super::{Hearing, Phase, WebSocket};
use crate::limits::WORK_PATIENCE_MS;
use crate::state::State;
use jstorrent_io_proto::frame::close;

impl WebSocket {
    /// Room for incoming bytes; `None` while it does not read: its client takes no replies (it goes on when they have
    /// been sent), or there is no memory for what it may send next ([`Note::ReadOn`](crate::state::notes::Note::ReadOn)).
    pub fn place<'a>(&'a mut self, state: &mut State, scratch: &'a mut [u8]) -> Option<&'a mut [u8]> {
        let len = scratch.len().min(state.limits.channel_read_bytes).max(1);
        if matches!(self.phase, Phase::Closing { .. }) {
            return (!self.has_waiting()).then(|| &mut scratch[..len]);
        }
        if !state.channels.may_be_read(self.id) {
            self.hearing = Hearing::Clogged;
            return None;
        }
        let room = self.room(state);
        if matches!(self.phase, Phase::Closing { .. }) {
            return Some(&mut scratch[..len]);
        }
        if room == 0 {
            self.hearing = Hearing::Shut;
            self.stand_unread(state);
            return None;
        }
        if self.hearing != Hearing::Open {
            self.hearing = Hearing::Open;
            self.heard(state);
        }
        Some(&mut scratch[..len.min(room)])
    }

    /// How much memory there is for what it may send next, in bytes.
    fn room(&mut self, state: &mut State) -> usize {
        if self.works_wait(state) || self.has_waiting() {
            return 0;
        }
        let room = state.readable(self.id, self.gathered());
        state.gathering.answered(self.id, self.gathered(), room);
        if room == 0 && state.is_growth_hopeless(self.id, self.gathered()) {
            self.close(
                state,
                close::TRY_AGAIN_LATER,
                "so much is open that there is no memory for this message: close some, or send less at once",
            );
            state.turns.want(self.id);
        }
        room
    }

    /// Whether so much work on files is under way that there is no room for more, and it makes progress.
    pub(super) fn works_wait(&mut self, state: &State) -> bool {
        let patient_until = state.works.progress_at().plus_ms(WORK_PATIENCE_MS);
        let waits = state.works_are_full() && state.now < patient_until;
        if waits {
            self.unread_until = patient_until;
        }
        waits
    }

    /// It is told when it may be read again, or what has come may be handled.
    pub(super) fn stand_unread(&self, state: &mut State) {
        if !state.unread_channels.iter().any(|(other, _)| *other == self.id) {
            state.unread_channels.push((self.id, self.gathered()));
        }
    }
}
