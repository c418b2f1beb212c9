//! What may be fetched for a client: datagrams, and parts of files. Nothing while enough waits for it already, and of
//! files no more at a time than leaves something to others, whatever it asks for.

use super::{Channel, Channels};
use crate::buffer::BUFFER_BYTES;
use crate::ids::ConnId;
use crate::state::notes::{Note, Notes};

impl Channels {
    /// Whether `who` may read datagrams for a channel's client; where not, it stands in line, and is told when to try
    /// again.
    pub fn may_gather(&mut self, id: ConnId, who: ConnId) -> bool {
        let Some(channel) = self.shelf.get_mut(id) else { return false };
        if channel.out.len() < self.gather_bytes_max {
            return true;
        }
        if !channel.is_crowded() {
            self.crowded.push(id);
        }
        if !channel.datagram_line.contains(&who) {
            channel.datagram_line.push_back(who);
        }
        false
    }

    /// Whether `who` may begin to fetch so many bytes for a channel's client, until [`fetched`](Channels::fetched);
    /// where not, it stands in line, and is told when to try again. One client must not have more on its way to it than
    /// leaves something to others.
    pub fn may_fetch(&mut self, id: ConnId, who: ConnId, bytes: usize) -> bool {
        let Some(channel) = self.shelf.get(id) else { return false };
        let first = channel.fetch_line.front().is_none_or(|(first, _)| *first == who);
        let fits = first && self.has_room_to_fetch(channel, bytes);
        let Some(channel) = self.shelf.get_mut(id) else { return false };
        if fits {
            channel.fetch_line.pop_front();
            channel.fetching += bytes;
            return true;
        }
        if !channel.is_crowded() {
            self.crowded.push(id);
        }
        if !channel.fetch_line.iter().any(|(other, _)| *other == who) {
            channel.fetch_line.push_back((who, bytes));
        }
        false
    }

    fn has_room_to_fetch(&self, channel: &Channel, bytes: usize) -> bool {
        let max = if bytes <= BUFFER_BYTES { self.fetch_small_bytes_max } else { self.fetch_bytes_max };
        channel.out.len() < self.gather_bytes_max
            && (channel.fetching == 0 || channel.fetching + bytes <= max)
    }

    /// Bytes that [`may_fetch`](Channels::may_fetch) let in wait for the client now, or did not come.
    pub fn fetched(&mut self, id: ConnId, bytes: usize) {
        if let Some(channel) = self.shelf.get_mut(id) {
            channel.fetching -= bytes;
        }
    }

    /// Where a channel may have more fetched for it, the first who would is told to try.
    pub(super) fn wake_fetching(&self, notes: &mut Notes) {
        for channel in self.crowded.iter().filter_map(|id| self.shelf.get(*id)) {
            if let Some((first, bytes)) = channel.fetch_line.front()
                && self.has_room_to_fetch(channel, *bytes)
            {
                notes.send(*first, Note::ReadOn);
            }
        }
    }
}
