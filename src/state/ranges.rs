//! Requests for missing bytes that are open (PROTOCOL §5, RANGE_REQUEST): who waits for what, and which `/io`
//! connection was asked. At most one a stream, so their number is bounded by that of connections.

use crate::ids::{ConnId, FileId, SessionId};
use std::collections::HashMap;

/// Number of a request on the wire; never used twice.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct RangeId(pub u64);

/// An open request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenRange {
    /// Whose file it is.
    pub session: SessionId,
    /// The stream's connection.
    pub stream: ConnId,
    /// The stream's number on the wire.
    pub stream_id: u64,
    /// Of which file.
    pub file: FileId,
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
    /// The `/io` connection that is asked.
    pub channel: ConnId,
    /// It has been told: then it is owed a cancellation, should it come to that.
    pub told: bool,
}

/// All open requests.
#[derive(Debug, Default)]
pub struct Ranges {
    open: HashMap<RangeId, OpenRange>,
    /// Available runs that all files remember together.
    pub runs: usize,
    last_range: u64,
    last_stream: u64,
}

impl Ranges {
    /// A number for a new stream.
    pub fn new_stream(&mut self) -> u64 {
        self.last_stream += 1;
        self.last_stream
    }

    /// Opens a request.
    pub fn add(&mut self, range: OpenRange) -> RangeId {
        self.last_range += 1;
        let id = RangeId(self.last_range);
        self.open.insert(id, range);
        id
    }

    /// An open request.
    pub fn get(&self, id: RangeId) -> Option<&OpenRange> {
        self.open.get(&id)
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, id: RangeId) -> Option<&mut OpenRange> {
        self.open.get_mut(&id)
    }

    /// Takes a request out.
    pub fn remove(&mut self, id: RangeId) -> Option<OpenRange> {
        self.open.remove(&id)
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}
