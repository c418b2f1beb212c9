//! Names of things: every identity is a slot and a serial, so that a late event, completion, note or timer for
//! something that is gone is recognised and counted instead of hitting what took its slot.

use std::fmt;

/// A connection of any kind (HTTP, WebSocket, TCP, UDP, listener): its slot in the engine's table and the serial
/// of the tenant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId {
    /// Place in the engine's table; reused.
    pub slot: u32,
    /// Which tenant of that slot; never reused within 2^32 tenants.
    pub serial: u32,
}

impl ConnId {
    /// Nobody: a job whose completion interests no connection.
    pub const NOBODY: ConnId = ConnId { slot: u32::MAX, serial: u32::MAX };
}

impl fmt::Debug for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}.{}", self.slot, self.serial)
    }
}

/// A job in flight. Unique for the life of the daemon, and higher than those of all jobs before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct JobId(pub u64);

/// Number of a download root as the daemon has seen it: a root whose path changes gets a new number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct RootNumber(pub u32);

/// Number of an open file on the wire (PROTOCOL §4). Each open gives a new one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct FileId(pub u32);

/// A session's place in the table of sessions, with its serial (PROTOCOL §2, "A session").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct SessionId {
    /// Place in the table; reused.
    pub slot: u32,
    /// Which tenant of that slot.
    pub serial: u32,
}

impl SessionId {
    /// No session: the owner of what one request alone has open.
    pub const NOBODY: SessionId = SessionId { slot: u32::MAX, serial: u32::MAX };
}
