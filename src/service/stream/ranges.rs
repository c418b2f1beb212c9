//! Between streams and the `/io` connections of their session: who is asked for missing bytes, and what comes of it
//! (PROTOCOL §5 "Deferred availability", §6.2 RANGE_*). An `/io` connection calls the functions here when its client has
//! said something, and is told by notes what it is to say.

use crate::ids::{ConnId, FileId, SessionId};
use crate::state::State;
use crate::state::availability::Availability;
use crate::state::files::Deferred;
use crate::state::notes::Note;
use crate::state::ranges::{OpenRange, RangeId};
use crate::time::Time;

/// What a file has that was opened with `deferred`: no byte is there as yet.
pub fn new_deferred(state: &State) -> Deferred {
    let available = Availability::new(state.limits.runs_per_file_max);
    Deferred { available, unsettled_until: Time::default() }
}

/// RANGE_AVAILABLE came from a client of that session, asked or not. Returns whether it has such a deferred file.
pub fn available(state: &mut State, session: SessionId, file_id: u32, offset: u64, length: u64) -> bool {
    let id = FileId(file_id);
    let runs_all_max = state.limits.runs_max;
    let Some(file) = state.files.get_mut(id, session) else { return false };
    let Some(deferred) = &mut file.deferred else { return false };
    let mut more = deferred.available.insert(offset, length);
    if state.ranges.runs.saturating_add_signed(more) > runs_all_max
        && more > 0
        && deferred.available.forget_farthest(offset)
    {
        more -= 1;
    }
    state.ranges.runs = state.ranges.runs.saturating_add_signed(more);
    let there = offset..offset.saturating_add(length);
    for (stream, _) in file.streams.iter().filter(|(_, lacks)| there.contains(lacks)) {
        state.notes.send(*stream, Note::Look);
    }
    true
}

/// RANGE_UNAVAILABLE came from a client of that session: the stream is cut. Returns whether the request is open, still.
pub fn unavailable(state: &mut State, session: SessionId, range_id: u64) -> bool {
    let id = RangeId(range_id);
    match state.ranges.get(id).copied() {
        Some(range) if range.session == session => {
            state.ranges.remove(id);
            state.notes.send(range.stream, Note::Cut);
            true
        }
        _ => false,
    }
}

/// An `/io` connection that has the feature `range` belongs to that session now: it is the newest, so it is asked for
/// all that is missing. Open requests are made anew.
pub fn channel_opened(state: &mut State, session: SessionId, channel: ConnId) {
    if let Some(session) = state.sessions.get_mut(session) {
        session.range_channels.retain(|other| *other != channel);
        session.range_channels.push(channel);
    }
    tell_streams(state, session);
}

/// An `/io` connection of that session has closed, whatever its features.
pub fn channel_closed(state: &mut State, session: SessionId, channel: ConnId) {
    let now = state.now;
    if let Some(session) = state.sessions.get_mut(session) {
        session.range_channels.retain(|other| *other != channel);
        session.alone_since = now;
    }
    tell_streams(state, session);
}

/// What the note [`Note::RangeRequest`] is about, to be said to the client at once; `None` where it is no longer needed,
/// or somebody else is asked meanwhile.
pub fn told(state: &mut State, channel: ConnId, id: RangeId) -> Option<OpenRange> {
    let range = state.ranges.get_mut(id).filter(|range| range.channel == channel)?;
    range.told = true;
    Some(*range)
}

/// Asks the session's newest connection for bytes.
pub(super) fn ask(state: &mut State, range: OpenRange) -> RangeId {
    let id = state.ranges.add(range);
    state.notes.send(range.channel, Note::RangeRequest(id));
    id
}

/// Ends a request: the client is told, if it ever heard of it and is still there, that it need not hurry.
pub(super) fn cancel(state: &mut State, id: RangeId) {
    let Some(range) = state.ranges.remove(id) else { return };
    let session = state.sessions.get(range.session);
    if range.told && session.is_some_and(|session| session.range_channels.contains(&range.channel)) {
        state.notes.send(range.channel, Note::RangeCancel(id));
    }
}

fn tell_streams(state: &mut State, session: SessionId) {
    for id in state.files.of(session) {
        let Some(file) = state.files.any(id).filter(|file| file.deferred.is_some()) else { continue };
        for stream in file.streams.keys() {
            state.notes.send(*stream, Note::Look);
        }
    }
}
