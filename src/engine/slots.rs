//! The table of connections: slots with serials, so that a late event for someone who has gone finds nobody.

use super::dispatch::Conn;
use crate::ids::ConnId;
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
    vacant: Vec<u32>,
    http: usize,
    live: usize,
}

impl Slots {
    /// A place for a connection that is about to be made; [`fill`](Slots::fill) follows.
    pub(super) fn reserve(&mut self) -> ConnId {
        let slot = self.vacant.pop().unwrap_or_else(|| {
            self.slots.push(Slot { serial: 0, conn: None, reminded: Time::NEVER });
            (self.slots.len() - 1) as u32
        });
        let place = &mut self.slots[slot as usize];
        place.serial = place.serial.wrapping_add(1);
        ConnId { slot, serial: place.serial }
    }

    pub(super) fn fill(&mut self, id: ConnId, conn: Conn) {
        self.http += usize::from(conn.is_client());
        self.live += 1;
        let place = &mut self.slots[id.slot as usize];
        place.conn = Some(conn);
        place.reminded = Time::NEVER;
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
        self.vacant.push(id.slot);
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
        let slot = &mut self.slots[id.slot as usize];
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
