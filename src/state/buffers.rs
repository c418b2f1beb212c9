//! The pool of buffers: who may hold how many. A hog can't starve the others: an account may take a buffer only while
//! it holds fewer than are free (dynamic thresholds, as in switches), so one disk that hangs ends up with half of the
//! pool, a second one with half of the rest, and something is always left.
//!
//! What must be held whole (checked writes, large requests and answers) reserves its memory beforehand, all or nothing,
//! first come, first served. It comes from the bulk budget, which others draw on, too: large messages and bytes on
//! their way to peers, of which this file is told ([`Buffers::set_others`]), and the pool itself, beyond the buffers
//! that it always has. Nobody waits there while holding a part, except the one message that grows: while that waits,
//! nothing is reserved.
//!
//! A wake is not a grant: where anything changed, [`Buffers::wake`] tells the first in each line that could be served
//! that it may try; it leaves the line when it takes, or dies. Where nothing changed nobody is told again: whoever was
//! told and did not take has its reasons, and telling it once more would keep the loop turning for nothing.

use crate::buffer::{BUFFER_BYTES, Buffer};
use crate::ids::{ConnId, RootNumber};
use crate::limits::Limits;
use crate::state::notes::{Note, Notes};
use crate::state::spare::Spare;
use std::collections::{BTreeMap, VecDeque};

/// Who a buffer is accounted to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Account(u32);

impl Account {
    /// Bytes on their way to the hash.
    pub const HASH: Account = Account(0);
    /// Bytes that a reservation paid for: giving the buffer back gives its part of that back, too.
    const PAID: Account = Account(u32::MAX);
    /// The same, once they wait for an `/io` client to take them.
    const LENT: Account = Account(u32::MAX - 1);
    /// Bytes that wait for `/io` clients to take them.
    pub const CLIENTS: Account = Account(u32::MAX - 2);

    /// Bytes to or from a root.
    pub fn root(number: RootNumber) -> Account {
        Account(number.0.saturating_add(1).min(u32::MAX - 3))
    }
}

/// Whether a reservation paid for a buffer.
pub fn is_paid(buffer: &Buffer) -> bool {
    buffer.account == Account::PAID.0
}

/// A right to take that many buffers; what is left of it is given back by [`Buffers::release`].
#[derive(Debug)]
#[must_use = "a reservation that is dropped is lost to everyone"]
pub struct Reservation {
    buffers: usize,
}

impl Reservation {
    /// How many bytes it is worth.
    pub fn bytes(&self) -> u64 {
        (self.buffers * BUFFER_BYTES) as u64
    }
}

/// The pool.
#[derive(Debug)]
pub struct Buffers {
    /// Free ones, reserved or not.
    spare: Spare,
    max: usize,
    /// So many of them are there whatever the bulk budget is used for.
    own: usize,
    out: usize,
    held: BTreeMap<Account, usize>,
    lines: BTreeMap<Account, VecDeque<ConnId>>,
    /// In buffers, as all of the budget is counted here.
    bulk_max: usize,
    bulk_reserved: usize,
    /// What others hold of the budget.
    bulk_others_bytes: usize,
    /// The part of that which may last for hours: what entries cost.
    bulk_book_bytes: usize,
    /// The message that grows waits for memory: it comes first.
    growth_waits: bool,
    /// Buffers of reservations that wait for clients.
    lent: usize,
    /// Who waits for a reservation, and of how many buffers.
    bulk_line: VecDeque<(ConnId, usize)>,
    /// Who has a reservation, and was refused by the system.
    refused: Vec<ConnId>,
    /// Something was given back, or a line has a new first, or someone was refused.
    changed: bool,
}

impl Buffers {
    /// An empty pool under the given bounds.
    pub fn new(limits: &Limits) -> Buffers {
        Buffers {
            spare: Spare::new(limits.buffers_kept_max, limits.buffers_idle_ms),
            max: limits.buffers_max.max(1),
            own: limits.buffers_own.clamp(1, limits.buffers_max.max(1)),
            out: 0,
            held: BTreeMap::new(),
            lines: BTreeMap::new(),
            bulk_max: (limits.bulk_bytes_max / BUFFER_BYTES).max(1),
            bulk_reserved: 0,
            bulk_others_bytes: 0,
            bulk_book_bytes: 0,
            growth_waits: false,
            lent: 0,
            bulk_line: VecDeque::new(),
            refused: Vec::new(),
            changed: false,
        }
    }

    /// Takes a buffer for `account`, or puts `who` in line for one.
    pub fn take(&mut self, account: Account, who: ConnId) -> Option<Buffer> {
        if !self.may_take(account) || !self.is_turn_of(account, who) {
            self.stand(account, who);
            return None;
        }
        let Some(buffer) = self.fresh(account) else {
            self.stand(account, who);
            return None;
        };
        self.leave_line(account, who);
        self.out += 1;
        *self.held.entry(account).or_default() += 1;
        Some(buffer)
    }

    /// Takes one of the buffers that a reservation pays for. `None` only where the system has no memory: then `who` is
    /// told when it may have some again. Where it paid for no more, one more is taken beside the budget: that is how a
    /// body turns out to be too long.
    pub fn take_reserved(&mut self, paid: &mut Reservation, who: ConnId) -> Option<Buffer> {
        let Some(buffer) = self.fresh(Account::PAID) else {
            if !self.refused.contains(&who) {
                self.refused.push(who);
            }
            return None;
        };
        match paid.buffers.checked_sub(1) {
            Some(left) => paid.buffers = left,
            None => self.bulk_reserved += 1,
        }
        Some(buffer)
    }

    /// Gives a buffer back, whoever it was that took it.
    pub fn give(&mut self, buffer: Buffer) {
        self.changed = true;
        let account = Account(buffer.account);
        if account == Account::PAID || account == Account::LENT {
            self.bulk_reserved -= 1;
            self.lent -= usize::from(account == Account::LENT);
        } else {
            self.out -= 1;
            if let Some(held) = self.held.get_mut(&account) {
                *held -= 1;
                if *held == 0 {
                    self.held.remove(&account);
                }
            }
        }
        // Free ones are on the pool's own account: what a reservation paid for is kept only in place of those.
        if self.out + self.spare.len() < self.max {
            self.spare.give(buffer);
        }
    }

    /// What was read for a client waits for it from now on, and is no longer on its root's account.
    pub fn lend(&mut self, buffer: &mut Buffer) {
        let account = Account(buffer.account);
        if account == Account::PAID {
            self.lent += 1;
            buffer.account = Account::LENT.0;
            return;
        }
        if let Some(held) = self.held.get_mut(&account) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&account);
            }
        }
        *self.held.entry(Account::CLIENTS).or_default() += 1;
        buffer.account = Account::CLIENTS.0;
        self.changed = true;
    }

    /// Whether clients that take nothing leave enough for more to be read for `who`; where not, it stands in line.
    pub fn may_lend(&mut self, who: ConnId) -> bool {
        if self.may_take(Account::CLIENTS) && self.is_turn_of(Account::CLIENTS, who) {
            self.leave_line(Account::CLIENTS, who);
            return true;
        }
        self.stand(Account::CLIENTS, who);
        false
    }

    /// Reserves memory for `bytes`, or puts `who` in line for it. More than the whole budget is never asked: the
    /// contract's limit on checked bodies sees to it.
    pub fn reserve(&mut self, bytes: u64, who: ConnId) -> Option<Reservation> {
        let buffers = usize::try_from(bytes.div_ceil(BUFFER_BYTES as u64))
            .unwrap_or(usize::MAX)
            .clamp(1, self.bulk_max);
        let first = self.bulk_line.front().is_none_or(|(first, _)| *first == who);
        if !first || self.growth_waits || buffers > self.bulk_free() {
            if !self.bulk_line.iter().any(|(other, _)| *other == who) {
                self.bulk_line.push_back((who, buffers));
            }
            return None;
        }
        self.bulk_line.retain(|(other, _)| *other != who);
        self.changed = true;
        self.bulk_reserved += buffers;
        Some(Reservation { buffers })
    }

    /// Gives back what is left of a reservation.
    pub fn release(&mut self, reservation: Reservation) {
        self.bulk_reserved -= reservation.buffers;
        self.changed = true;
    }

    /// `who` has gone, or wants nothing any more: it stands in no line.
    pub fn forget(&mut self, who: ConnId) {
        self.refused.retain(|other| *other != who);
        self.bulk_line.retain(|(other, _)| *other != who);
        self.changed = true;
        self.lines.retain(|_, line| {
            line.retain(|other| *other != who);
            !line.is_empty()
        });
    }

    /// At the end of a step in which anything changed: where something is free and someone waits, the first is told.
    pub fn wake(&mut self, notes: &mut Notes) {
        if self.spare.is_refused() || !std::mem::take(&mut self.changed) {
            return;
        }
        for who in self.refused.drain(..) {
            notes.send(who, Note::MemoryFree);
        }
        for (account, line) in &self.lines {
            if let (true, Some(first)) = (self.may_take(*account), line.front()) {
                notes.send(*first, Note::MemoryFree);
            }
        }
        if let Some((first, _)) = self.bulk_line.front().filter(|(_, buffers)| self.is_due(*buffers)) {
            notes.send(*first, Note::MemoryFree);
        }
    }

    /// What others hold of the bulk budget now, in bytes, entries (`book`) included, and whether the message that grows
    /// waits for memory.
    pub fn set_others(&mut self, bytes: usize, book: usize, growth_waits: bool) {
        self.changed |= bytes < self.bulk_others_bytes || book > self.bulk_book_bytes;
        self.changed |= !growth_waits && self.growth_waits;
        self.bulk_book_bytes = book;
        (self.bulk_others_bytes, self.growth_waits) = (bytes, growth_waits);
    }

    /// Whether who wants so many buffers is to try: it would have them, or entries leave no room for them and it is to
    /// give up.
    fn is_due(&self, buffers: usize) -> bool {
        let left = self.bulk_bytes_max().saturating_sub(self.bulk_book_bytes);
        let hopeless = self.bulk_book_bytes > 0 && buffers > left / BUFFER_BYTES;
        hopeless || !self.growth_waits && buffers <= self.bulk_free()
    }

    /// What is left of the bulk budget, in buffers.
    fn bulk_free(&self) -> usize {
        let held = self.bulk_held_bytes() + self.bulk_others_bytes;
        self.bulk_bytes_max().saturating_sub(held) / BUFFER_BYTES
    }

    /// The bulk budget, in bytes.
    pub fn bulk_bytes_max(&self) -> usize {
        self.bulk_max * BUFFER_BYTES
    }

    /// Bytes of the bulk budget that are reserved, or borrowed for the pool.
    pub fn bulk_held_bytes(&self) -> usize {
        (self.bulk_reserved + self.out.saturating_sub(self.own)) * BUFFER_BYTES
    }

    /// Bytes that the first in line for a reservation waits for.
    pub fn bulk_wanted_bytes(&self) -> usize {
        self.bulk_line.front().map_or(0, |(_, buffers)| buffers * BUFFER_BYTES)
    }

    /// Who waits for a reservation, or until clients have taken of what was lent to them.
    pub fn waiting_for_answers(&self) -> impl Iterator<Item = ConnId> {
        let for_clients = self.lines.get(&Account::CLIENTS).into_iter().flatten().copied();
        self.bulk_line.iter().map(|(who, _)| *who).chain(for_clients)
    }

    /// Bytes in buffers of reservations that wait for clients.
    pub fn lent_bytes(&self) -> usize {
        self.lent * BUFFER_BYTES
    }

    /// The free buffers.
    pub fn spare(&self) -> &Spare {
        &self.spare
    }

    /// The same, to have those go that are not needed.
    pub fn spare_mut(&mut self) -> &mut Spare {
        &mut self.spare
    }

    /// Whether anyone waits for memory: then connections read no more than they must.
    pub fn is_tight(&self) -> bool {
        self.lines.keys().any(|account| *account != Account::CLIENTS)
    }

    /// Bytes reserved, in buffers or not.
    pub fn bulk_reserved_bytes(&self) -> usize {
        self.bulk_reserved * BUFFER_BYTES
    }

    /// Buffers that are out, reserved ones not counted.
    pub fn out(&self) -> usize {
        self.out
    }

    fn may_take(&self, account: Account) -> bool {
        let free = self.max - self.out.min(self.max);
        let held = self.held.get(&account).copied().unwrap_or(0);
        let in_budget = self.out < self.own || self.bulk_line.is_empty() && self.bulk_free() > 0;
        free > 0 && in_budget && (held < free || held == 0)
    }

    fn is_turn_of(&self, account: Account, who: ConnId) -> bool {
        self.lines.get(&account).and_then(VecDeque::front).is_none_or(|first| *first == who)
    }

    fn stand(&mut self, account: Account, who: ConnId) {
        let line = self.lines.entry(account).or_default();
        if !line.contains(&who) {
            line.push_back(who);
        }
    }

    fn leave_line(&mut self, account: Account, who: ConnId) {
        if let Some(line) = self.lines.get_mut(&account) {
            line.retain(|other| *other != who);
            self.changed = true;
            if line.is_empty() {
                self.lines.remove(&account);
            }
        }
    }

    fn fresh(&mut self, account: Account) -> Option<Buffer> {
        let buffer = self.spare.take();
        // Who is refused by the system waits for it, and for nobody here.
        self.changed |= buffer.is_none();
        let mut buffer = buffer?;
        buffer.account = account.0;
        Some(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(buffers_max: usize) -> Buffers {
        Buffers::new(&Limits { buffers_max, bulk_bytes_max: 4 * BUFFER_BYTES, ..Limits::default() })
    }

    fn id(slot: u32) -> ConnId {
        ConnId { slot, serial: 0 }
    }

    #[test]
    fn a_hog_leaves_something_for_others() {
        let mut pool = pool(8);
        let (hog, other) = (Account::root(RootNumber(1)), Account::root(RootNumber(2)));
        let mut held = Vec::new();
        while let Some(buffer) = pool.take(hog, id(1)) {
            held.push(buffer);
        }
        assert_eq!(held.len(), 4);
        assert!(pool.take(other, id(2)).is_some());
    }

    #[test]
    fn even_a_pool_of_one_serves_everyone_in_turn() {
        let mut pool = pool(1);
        let account = Account::HASH;
        let first = pool.take(account, id(1)).expect("the only one");
        assert!(pool.take(account, id(2)).is_none());
        assert!(pool.take(account, id(3)).is_none());
        pool.give(first);
        assert!(pool.take(account, id(3)).is_none(), "2 came before 3");
        let mut notes = Notes::default();
        pool.wake(&mut notes);
        assert_eq!(notes.take(), Some((id(2), Note::MemoryFree)));
        let second = pool.take(account, id(2)).expect("its turn");
        pool.give(second);
        assert!(pool.take(account, id(3)).is_some());
        assert!(!pool.is_tight());
    }

    #[test]
    fn the_dead_leave_the_line() {
        let mut pool = pool(1);
        let only = pool.take(Account::HASH, id(1)).expect("the only one");
        assert!(pool.take(Account::HASH, id(2)).is_none());
        pool.forget(id(2));
        pool.give(only);
        assert!(pool.take(Account::HASH, id(3)).is_some());
    }

    #[test]
    fn who_was_told_is_not_told_again_before_something_changes() {
        let mut pool = pool(1);
        let (mut notes, big) = (Notes::default(), 3 * BUFFER_BYTES as u64);
        let first = pool.reserve(big, id(1)).expect("fits");
        assert!(pool.reserve(big, id(2)).is_none());
        pool.wake(&mut notes);
        assert_eq!(notes.take(), None, "what is free is not enough for it");
        pool.release(first);
        pool.wake(&mut notes);
        assert_eq!(notes.take(), Some((id(2), Note::MemoryFree)));
        pool.wake(&mut notes);
        assert_eq!(notes.take(), None);
    }

    #[test]
    fn reservations_are_served_in_order() {
        let mut pool = pool(1);
        let big = pool.reserve(3 * BUFFER_BYTES as u64, id(1)).expect("fits");
        assert!(pool.reserve(2 * BUFFER_BYTES as u64, id(2)).is_none());
        assert!(pool.reserve(1, id(3)).is_none(), "no overtaking");
        let mut notes = Notes::default();
        pool.wake(&mut notes);
        assert_eq!(notes.take(), None, "what is free is too little for the first");
        pool.release(big);
        pool.wake(&mut notes);
        assert_eq!(notes.take(), Some((id(2), Note::MemoryFree)));
        assert!(pool.reserve(2 * BUFFER_BYTES as u64, id(2)).is_some());
        assert!(pool.reserve(1, id(3)).is_some());
    }
}
