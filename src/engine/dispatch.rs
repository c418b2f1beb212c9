//! One connection of any kind: passes each call on to the kind that it is.

use crate::conn::End;
use crate::conn::http::Http;
use crate::conn::outgoing::Outgoing;
use crate::ids::JobId;
use crate::job::Done;
use crate::state::State;
use crate::state::notes::Note;
use crate::time::Time;
use jstorrent_io_proto::errno::Errno;

/// A connection.
#[derive(Debug)]
pub enum Conn {
    /// A client that speaks HTTP.
    Http(Http),
}

impl Conn {
    pub(super) fn is_client(&self) -> bool {
        matches!(self, Conn::Http(_))
    }

    /// Since when it is there, where it has never shown the token.
    pub(super) fn stranger_since(&self) -> Option<Time> {
        match self {
            Conn::Http(http) => http.stranger_since(),
        }
    }

    /// A request whose body is still arriving.
    pub(super) fn is_unfinished(&self) -> bool {
        match self {
            Conn::Http(http) => http.is_unfinished(),
        }
    }

    pub(super) fn deadline(&self) -> Time {
        match self {
            Conn::Http(http) => http.deadline(),
        }
    }

    pub(super) fn expired(&mut self, state: &mut State) {
        match self {
            Conn::Http(http) => http.expired(state),
        }
    }

    pub(super) fn place<'a>(&'a mut self, state: &mut State, scratch: &'a mut [u8]) -> Option<&'a mut [u8]> {
        match self {
            Conn::Http(http) => http.place(state, scratch),
        }
    }

    pub(super) fn received(&mut self, state: &mut State, scratch: &[u8], n: usize) {
        match self {
            Conn::Http(http) => http.received(state, scratch, n),
        }
    }

    pub(super) fn drained(&mut self, state: &mut State) {
        match self {
            Conn::Http(http) => http.drained(state),
        }
    }

    pub(super) fn ended(&mut self, state: &mut State) {
        match self {
            Conn::Http(http) => http.ended(state),
        }
    }

    pub(super) fn hung_up(&mut self, state: &mut State) {
        match self {
            Conn::Http(http) => http.hung_up(state),
        }
    }

    pub(super) fn failed(&mut self, state: &mut State, _errno: Errno) {
        match self {
            Conn::Http(http) => http.failed(state),
        }
    }

    pub(super) fn outgoing(&self) -> Outgoing<'_> {
        match self {
            Conn::Http(http) => http.outgoing(),
        }
    }

    pub(super) fn sent(&mut self, state: &mut State, n: usize) {
        match self {
            Conn::Http(http) => http.sent(state, n),
        }
    }

    pub(super) fn start_transfer(&mut self, state: &mut State) {
        match self {
            Conn::Http(http) => http.start_transfer(state),
        }
    }

    pub(super) fn completed(&mut self, state: &mut State, job: JobId, done: Done) {
        match self {
            Conn::Http(http) => http.completed(state, job, done),
        }
    }

    pub(super) fn noted(&mut self, state: &mut State, note: Note) {
        match self {
            Conn::Http(http) => http.noted(state, note),
        }
    }

    /// Whether, and how, it has ended.
    pub(super) fn end(&self) -> Option<End> {
        match self {
            Conn::Http(http) => http.end(),
        }
    }

    /// Gives back all that it holds.
    pub(super) fn release(&mut self, state: &mut State) {
        match self {
            Conn::Http(http) => http.release(state),
        }
    }
}
