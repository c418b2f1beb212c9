//! The bulk budget as a whole: who draws on it, and what that leaves for others. Two kinds of things do: what is large
//! and goes again soon (bodies, messages, bytes towards peers), and entries (connections, sockets, files), which are
//! small, come by the thousand and may stay for hours. Entries have a share of their own (`limits.book_bytes`); beyond
//! it they take of the budget what nobody holds or waits for, and never more than half of it: so that the sum holds
//! whichever came first. What then finds too little room for ever is refused, and does not wait.

use super::{State, buffers};
use crate::buffer::BUFFER_BYTES;
use crate::ids::ConnId;
use crate::limits::{
    CONNECTION_BYTES, ENTRY_MARGIN_BYTES, FILE_BYTES, LOOKUP_BYTES, SOCKET_BYTES, THREAD_BYTES,
    TLS_SESSION_BYTES, WORK_BYTES,
};

impl State {
    /// Bytes of the bulk budget that its others than reservations hold: large messages, FILE_WRITEs, what waits for
    /// peers, and entries. The middle two have a floor of their own beside the budget.
    fn bulk_others(&self) -> usize {
        let writes = self.works.copied_bytes().saturating_sub(self.limits.write_floor_bytes);
        self.gathering.block_bytes() + writes + self.peers_bytes() + self.book_overflow()
    }

    /// Bytes of the bulk budget that what waits for peers holds, free buffers included.
    fn peers_bytes(&self) -> usize {
        self.sockets.held().saturating_sub(self.limits.bulk_floor_bytes)
            + self.sockets.spare().len() * BUFFER_BYTES
    }

    /// What entries cost beyond what there is for them beside the bulk budget, in bytes.
    fn book_overflow(&self) -> usize {
        self.book_bytes().saturating_sub(self.limits.book_bytes)
    }

    /// What connections, files and other entries take, about, in bytes. A connect costs a socket more while it is under
    /// way, and so does each attempt at one of a name's addresses; what is about to begin may have both.
    fn book_bytes(&self) -> usize {
        let sockets = self.sockets.len() + self.datagrams.len() + self.servers.len();
        let connecting = (self.metrics.pending_tcp + self.metrics.pending_connects) as usize;
        let connections = (self.metrics.http_connections + self.metrics.ws_connections) as usize;
        (sockets + connecting + 2 * self.births.len()) * SOCKET_BYTES
            + connections * CONNECTION_BYTES
            + self.secured.under_way() * TLS_SESSION_BYTES
            + self.files.owned() * FILE_BYTES
            + self.works.count() * WORK_BYTES
            + self.lookups.len() * LOOKUP_BYTES
            + self.lookups.out() * THREAD_BYTES
    }

    /// Whether entries of so many bytes may be added.
    pub fn entries_fit(&self, bytes: usize) -> bool {
        let overflow = (self.book_bytes() + bytes).saturating_sub(self.limits.book_bytes);
        overflow == 0 || overflow <= self.left_for_entries()
    }

    /// What entries may take of the bulk budget, in bytes: what nobody else holds or waits for, and half of it at most.
    fn left_for_entries(&self) -> usize {
        if self.gathering.waits_for_memory() {
            return 0;
        }
        let others = self.bulk_held_bytes() - self.book_overflow() + self.buffers.bulk_wanted_bytes();
        self.buffers.bulk_bytes_max().saturating_sub(others).min(self.limits.book_overflow_max())
    }

    /// Reserves bulk memory for `who`, or puts it in line for it.
    pub fn reserve(&mut self, bytes: u64, who: ConnId) -> Option<buffers::Reservation> {
        self.count_bulk();
        self.buffers.reserve(bytes, who)
    }

    /// How many bytes can be reserved at most, whoever else is waited for, where entries leave less than all.
    pub fn reservable_bytes(&self) -> Option<u64> {
        let overflow = Some(self.book_overflow()).filter(|overflow| *overflow > 0)?;
        let left = self.buffers.bulk_bytes_max().saturating_sub(overflow);
        Some((left / BUFFER_BYTES * BUFFER_BYTES) as u64)
    }

    /// Bytes left of the bulk budget, to the byte: the largest message there may be fills the whole of it.
    pub fn bulk_free_bytes(&self) -> usize {
        self.buffers.bulk_bytes_max().saturating_sub(self.bulk_held_bytes())
    }

    /// Bytes of the bulk budget that are held, by whomever.
    pub fn bulk_held_bytes(&self) -> usize {
        self.buffers.bulk_held_bytes() + self.bulk_others()
    }

    pub(super) fn count_bulk(&mut self) {
        let waits = self.gathering.waits_for_memory();
        self.buffers.set_others(self.bulk_others(), self.book_overflow(), waits);
    }

    /// What others leave of the bulk budget for what waits for peers, and do not wait for themselves, in bytes. Those
    /// who would come or connect meanwhile find something, too.
    pub(super) fn left_for_peers(&self) -> usize {
        let margin = 2 * ENTRY_MARGIN_BYTES;
        let entries = (self.book_bytes() + margin).saturating_sub(self.limits.book_bytes);
        let others = self.bulk_others() - self.peers_bytes() - self.book_overflow() + entries;
        let others = others + self.buffers.bulk_reserved_bytes() + self.buffers.bulk_wanted_bytes();
        self.limits.bulk_bytes_max.saturating_sub(others)
    }

    /// Whether the large message of `who`, of which `held` bytes are there, can't grow, and there is nobody to wait for
    /// but entries.
    pub fn is_growth_hopeless(&self, who: ConnId, held: usize) -> bool {
        self.gathering.is_large(who)
            && self.gathering.block_bytes() == held
            && self.buffers.bulk_reserved_bytes() == 0
            && self.buffers.out() <= self.limits.buffers_own
            && self.bulk_others() == self.book_overflow() + held
            && self.gathering.room(who, held, self.bulk_free_bytes()) == 0
    }

    /// Whether anyone but `who`, and the work of the `/io` connection that it is, waits for memory that answers hold.
    pub fn is_wanted(&self, who: ConnId) -> bool {
        let mine = self.channels.get(who).map(|channel| &channel.works);
        let is_other = |other: ConnId| other != who && !mine.is_some_and(|works| works.contains(&other));
        self.gathering.waiting().is_some_and(is_other)
            || self.buffers.waiting_for_answers().any(is_other)
            || self.works.waiting_to_read().any(is_other)
    }

    /// Takes one of the places for secured sockets for `who`, or puts it in line for one.
    pub fn take_secured(&mut self, who: ConnId) -> bool {
        let fits = self.entries_fit(TLS_SESSION_BYTES);
        self.secured.take_if(fits, who)
    }

    pub(super) fn wake_secured(&mut self) {
        if self.entries_fit(TLS_SESSION_BYTES) {
            self.secured.wake(&mut self.notes);
        }
    }
}
