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

/// Tables of fewer places than this keep their memory.
const PLACES_KEPT: usize = 64;

/// Gives back the end of a table whose places are free, so that a crowd of connections that has gone leaves nothing.
pub(crate) fn give_back<T>(places: &mut Vec<T>, is_free: impl Fn(&T) -> bool) {
    let used = places.iter().rposition(|place| !is_free(place)).map_or(0, |last| last + 1);
    places.truncate(used);
    if places.capacity() > PLACES_KEPT && used < places.capacity() / 4 {
        places.shrink_to(PLACES_KEPT.max(used * 2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_shrinks_with_its_tenants() {
        let mut places: Vec<Option<u8>> = vec![Some(1); 1_000];
        places[10..].fill(None);
        places[500] = Some(2);
        give_back(&mut places, Option::is_none);
        assert_eq!((places.len(), places[500]), (501, Some(2)));
        assert!(places.capacity() >= 1_000, "not yet worth a move");
        places[500] = None;
        give_back(&mut places, Option::is_none);
        assert_eq!(places.len(), 10);
        assert!(places.capacity() < 100, "{}", places.capacity());
        give_back(&mut places, |_| true);
        assert!(places.is_empty());
    }
}
