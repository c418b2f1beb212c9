//! Sessions (PROTOCOL §2): who owns open files and tickets, and how long that lasts. Whoever ends a session closes its
//! files (`service::session`).

use crate::ids::{ConnId, FileId, SessionId};
use crate::state::timers::Timers;
use crate::time::Time;
use std::collections::HashMap;

/// One session.
#[derive(Debug)]
pub struct Session {
    /// The name that the client gave it.
    pub name: String,
    /// Its open `/io` connections, oldest first.
    pub channels: Vec<ConnId>,
    /// Those of them that have the feature `range`, oldest first: the newest is asked for missing bytes.
    pub range_channels: Vec<ConnId>,
    /// When the last `/io` connection closed.
    pub alone_since: Time,
    /// It ends then, unless it is used before; `Time::NEVER` while an `/io` connection is open.
    pub ends_at: Time,
    /// A reminder comes then at the latest, if not `Time::NEVER`: moving the end later costs none.
    pub reminded: Time,
    /// It has had an `/io` connection: then it ends 30 s after the last one closed, or 60 s while a stream is under way.
    pub had_channel: bool,
    /// Files open now.
    pub files: usize,
    /// Requests under way: a session that never had an `/io` connection does not end before them.
    pub requests: usize,
}

/// A right to GET one stream without the token.
#[derive(Debug, Clone, Copy)]
pub struct Ticket {
    /// Of which file.
    pub file: FileId,
    /// Whose it was.
    pub session: SessionId,
    /// Void from then on.
    pub expires_at: Time,
}

/// The secret that a ticket is named by.
pub type TicketKey = [u8; 16];

/// All sessions and tickets.
#[derive(Debug, Default)]
pub struct Sessions {
    slots: Vec<(u32, Option<Session>)>,
    names: HashMap<String, SessionId>,
    /// When to look at which session.
    pub timers: Timers<SessionId>,
    /// Tickets by their secret.
    pub tickets: HashMap<TicketKey, Ticket>,
}

impl Sessions {
    /// The session of that name, where there is one.
    pub fn find(&self, name: &str) -> Option<SessionId> {
        self.names.get(name).copied()
    }

    /// The session of that name, made where there is none.
    pub fn find_or_add(&mut self, name: &str) -> SessionId {
        if let Some(id) = self.find(name) {
            return id;
        }
        let session = Session {
            name: name.to_owned(),
            channels: Vec::new(),
            range_channels: Vec::new(),
            alone_since: Time::default(),
            ends_at: Time::NEVER,
            reminded: Time::NEVER,
            had_channel: false,
            files: 0,
            requests: 0,
        };
        let slot = self.slots.iter().position(|(_, tenant)| tenant.is_none()).unwrap_or_else(|| {
            self.slots.push((0, None));
            self.slots.len() - 1
        });
        self.slots[slot].0 += 1;
        self.slots[slot].1 = Some(session);
        let id = SessionId { slot: slot as u32, serial: self.slots[slot].0 };
        self.names.insert(name.to_owned(), id);
        id
    }

    /// A session by its identity.
    pub fn get(&self, id: SessionId) -> Option<&Session> {
        let (serial, tenant) = self.slots.get(id.slot as usize)?;
        tenant.as_ref().filter(|_| *serial == id.serial)
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        let (serial, tenant) = self.slots.get_mut(id.slot as usize)?;
        tenant.as_mut().filter(|_| *serial == id.serial)
    }

    /// It ends then, unless it is used before.
    pub fn ends(&mut self, id: SessionId, at: Time) {
        let Some(session) = self.get_mut(id) else { return };
        session.ends_at = at;
        if at < session.reminded {
            session.reminded = at;
            self.timers.remind(id, at);
        }
    }

    /// Takes a session out, with its tickets.
    pub fn remove(&mut self, id: SessionId) -> Option<Session> {
        self.get(id)?;
        let session = self.slots[id.slot as usize].1.take()?;
        self.names.remove(&session.name);
        self.tickets.retain(|_, ticket| ticket.session != id);
        Some(session)
    }

    /// Identities of all sessions.
    pub fn ids(&self) -> impl Iterator<Item = SessionId> + '_ {
        self.slots
            .iter()
            .enumerate()
            .filter(|(_, (_, tenant))| tenant.is_some())
            .map(|(slot, (serial, _))| SessionId { slot: slot as u32, serial: *serial })
    }

    /// How many sessions there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}
