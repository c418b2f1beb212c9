//! The table of connections: slots with serials, so that a late event for someone who has gone finds nobody.

use super::dispatch::Conn;
use crate::ids::{ConnId, give_back};
use crate::time::Time;

#[derive(Debug)]
struct Slot {
    serial: u32,
    conn: Option<Conn>,
    reminded: Time,
}

/// All connections.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    http: usize,
    live: usize,
}

impl Slots {
    /// Puts a connection in the place that was reserved for it.
    pub(super) fn fill(&mut self, id: ConnId, conn: Conn) {
        self.http += usize::from(conn.is_client());
        self.live += 1;
        let slot = id.slot as usize;
        if slot >= self.slots.len() {
            self.slots.resize_with(slot + 1, || Slot { serial: 0, conn: None, reminded: Time::NEVER });
        }
        self.slots[slot] = Slot { serial: id.serial, conn: Some(conn), reminded: Time::NEVER };
    }

    /// A connection goes on as one of another kind.
    pub(super) fn replace(&mut self, id: ConnId, conn: Conn) {
        if let Some(place) = self.get_mut(id) {
            *place = conn;
        }
    }

    pub(super) fn get(&self, id: ConnId) -> Option<&Conn> {
        self.slots.get(id.slot as usize).filter(|slot| slot.serial == id.serial)?.conn.as_ref()
    }

    pub(super) fn get_mut(&mut self, id: ConnId) -> Option<&mut Conn> {
        self.slots.get_mut(id.slot as usize).filter(|slot| slot.serial == id.serial)?.conn.as_mut()
    }

    pub(super) fn remove(&mut self, id: ConnId) -> Option<Conn> {
        let slot = self.slots.get_mut(id.slot as usize).filter(|slot| slot.serial == id.serial)?;
        let conn = slot.conn.take()?;
        self.http -= usize::from(conn.is_client());
        self.live -= 1;
        if id.slot as usize + 1 == self.slots.len() {
            give_back(&mut self.slots, |slot| slot.conn.is_none());
        }
        Some(conn)
    }

    /// Notes that a reminder for `id` came.
    pub(super) fn reminder_came(&mut self, id: ConnId) {
        if let Some(slot) = self.slots.get_mut(id.slot as usize).filter(|slot| slot.serial == id.serial) {
            slot.reminded = Time::NEVER;
        }
    }

    /// Whether a reminder at `deadline` must be set: none that comes as early is under way.
    pub(super) fn needs_reminder(&mut self, id: ConnId, deadline: Time) -> bool {
        let Some(slot) = self.slots.get_mut(id.slot as usize) else { return false };
        let needed = deadline < slot.reminded;
        if needed {
            slot.reminded = deadline;
        }
        needed
    }

    /// Client connections: HTTP and WebSocket.
    pub(super) fn http_len(&self) -> usize {
        self.http
    }

    pub(super) fn len(&self) -> usize {
        self.live
    }

    /// The client connection that is there longest without ever having shown the token.
    pub(super) fn oldest_unauthenticated(&self) -> Option<ConnId> {
        self.iter().filter_map(|(id, conn)| Some((conn.stranger_since()?, id))).min().map(|(_, id)| id)
    }

    /// All connections.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ConnId, &Conn)> {
        self.slots.iter().enumerate().filter_map(|(slot, place)| {
            Some((ConnId { slot: slot as u32, serial: place.serial }, place.conn.as_ref()?))
        })
    }
}
