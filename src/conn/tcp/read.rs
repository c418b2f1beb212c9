//! Reading from a peer: where its bytes may go, and who says when it may go on.

use super::{Phase, Tcp};
use crate::state::State;
use crate::state::channels::Way;

/// Where the place last given out was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// In the channel's buffer.
    Direct,
    /// Elsewhere: the bytes are copied.
    Copied,
    /// Elsewhere: they are decrypted.
    Records,
    /// Elsewhere, and nobody wants the bytes.
    Dropped,
}

impl Tcp {
    /// Room for incoming bytes; `None` while it does not read: its client grants nothing (a TCP_CREDIT brings
    /// [`Note::Look`](crate::state::notes::Note::Look)), or its channel has gathered enough
    /// ([`Note::ReadOn`](crate::state::notes::Note::ReadOn)).
    pub fn place<'a>(&'a mut self, state: &'a mut State, scratch: &'a mut [u8]) -> Option<&'a mut [u8]> {
        match self.phase {
            Phase::Connecting(_) | Phase::Candidate => None,
            // What the client sent before is still to be delivered, and can't be before the handshake is over.
            Phase::Closing { .. } if self.owes_outcome() => {
                self.reading = Reading::Records;
                self.place_records(state, scratch)
            }
            Phase::Closing { .. } | Phase::Parting { .. } => {
                self.reading = Reading::Dropped;
                Some(scratch)
            }
            Phase::Open { .. } if self.is_secured() => {
                self.reading = Reading::Records;
                self.place_records(state, scratch)
            }
            Phase::Open { .. } => self.place_open(state, scratch),
        }
    }

    fn place_open<'a>(&'a mut self, state: &'a mut State, scratch: &'a mut [u8]) -> Option<&'a mut [u8]> {
        let granted = state.sockets.get(self.id)?.may_receive();
        if granted == 0 {
            self.leave_line(state);
            return None;
        }
        if self.in_line {
            return None;
        }
        match state.channels.way(self.channel, self.id, self.expected) {
            Some(Way::Direct) => {
                self.reading = Reading::Direct;
                let room = state.channels.room(self.channel, self.expected);
                let len = room.len().min(granted);
                Some(&mut room[..len])
            }
            Some(Way::Copied(len)) => {
                self.reading = Reading::Copied;
                let len = len.min(granted).min(scratch.len());
                Some(&mut scratch[..len])
            }
            None => {
                self.in_line = true;
                None
            }
        }
    }

    /// Whether its client's window is all that keeps it from reading: the peer's end needs no room in it.
    pub fn awaits_end(&self, state: &State) -> bool {
        let granted = state.sockets.get(self.id).map_or(0, |socket| socket.may_receive());
        matches!(self.phase, Phase::Open { .. }) && !self.is_secured() && granted == 0
    }

    /// The kernel put `n` bytes into the place.
    pub fn received(&mut self, state: &mut State, scratch: &[u8], n: usize) {
        match self.reading {
            Reading::Direct => state.channels.commit_received(self.channel, self.wire, self.expected, n),
            Reading::Copied => state.channels.push_received(self.channel, self.wire, &scratch[..n]),
            Reading::Records => return self.received_records(state, &scratch[..n]),
            Reading::Dropped => return,
        }
        self.expected = n;
        state.last_used = state.now;
        state.metrics.bytes_received += n as u64;
        if let Some(socket) = state.sockets.get_mut(self.id) {
            socket.received(n);
        }
        if state.channels.get(self.channel).is_some() {
            state.turns.want(self.channel);
        }
    }

    /// The kernel has nothing more at present.
    pub fn drained(&mut self, state: &mut State) {
        if self.reading == Reading::Direct {
            state.channels.trim(self.channel);
        }
    }

    /// It reads no more, or not now: others may.
    pub(super) fn leave_line(&mut self, state: &mut State) {
        self.in_line = false;
        state.channels.leave(self.channel, self.id);
    }
    /// Its id is free: the client may open another under it.
    pub(super) fn free_id(&mut self, state: &mut State) {
        if let Some(channel) = state.channels.get_mut(self.channel) {
            channel.ids.remove(&self.wire);
        }
    }
}
