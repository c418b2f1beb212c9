//! When sessions begin and end (PROTOCOL §2, "A session").

use super::files;
use crate::ids::{ConnId, SessionId};
use crate::state::State;
use crate::time::Time;
use jstorrent_io_proto::error::{Code, Refusal};
use jstorrent_io_proto::limits::{SESSION_LINGER_MS, STREAM_ORPHAN_MS_MAX};

/// The session that an authenticated request named, made if it is new, and used now.
pub fn used(state: &mut State, name: &str) -> Result<SessionId, Refusal> {
    if state.sessions.find(name).is_none() && state.sessions.len() >= state.limits.sessions_max {
        make_room(state)?;
    }
    let id = state.sessions.find_or_add(name);
    keep(state, id);
    Ok(id)
}

/// The session is used now: where it never had an `/io` connection, it lasts on from here.
fn keep(state: &mut State, id: SessionId) {
    let until = state.now.plus_ms(state.settings.session_ms);
    let Some(session) = state.sessions.get(id) else { return };
    if session.requests == 0 && !session.had_channel {
        state.sessions.ends(id, until);
    }
}

/// A request of the session is under way, until [`rest`]: one that never had an `/io` connection does not end before.
pub fn hold(state: &mut State, id: SessionId) {
    let Some(session) = state.sessions.get_mut(id) else { return };
    session.requests += 1;
    if !session.had_channel {
        session.ends_at = Time::NEVER;
    }
}

/// A request of the session is over.
pub fn rest(state: &mut State, id: SessionId) {
    let now = state.now;
    let Some(session) = state.sessions.get_mut(id) else { return };
    session.requests -= 1;
    let is_last = session.had_channel && session.channels.is_empty() && session.requests == 0;
    if is_last && session.alone_since.plus_ms(SESSION_LINGER_MS) <= now {
        state.sessions.ends(id, now);
    }
    keep(state, id);
}

/// An `/io` connection of the session opened: it lasts at least as long.
pub fn channel_opened(state: &mut State, id: SessionId, channel: ConnId) {
    if let Some(session) = state.sessions.get_mut(id) {
        session.channels.push(channel);
        session.had_channel = true;
        session.ends_at = Time::NEVER;
    }
}

/// An `/io` connection of the session closed; if it was the last, the session ends unless another opens in time.
pub fn channel_closed(state: &mut State, id: SessionId, channel: ConnId) {
    let now = state.now;
    let Some(session) = state.sessions.get_mut(id) else { return };
    session.channels.retain(|other| *other != channel);
    session.alone_since = now;
    if session.channels.is_empty() {
        state.sessions.ends(id, state.now.plus_ms(SESSION_LINGER_MS));
    }
}

/// Ends the session that will end first anyway, of those that own nothing. 503 where all are in use.
fn make_room(state: &mut State) -> Result<(), Refusal> {
    let sessions = &state.sessions;
    let idle = |id: &SessionId| sessions.get(*id).filter(|session| session.files == 0);
    let ends_at = |id: &SessionId| idle(id).map_or(Time::NEVER, |session| session.ends_at);
    let first = sessions.ids().min_by_key(ends_at).filter(|id| ends_at(id) != Time::NEVER);
    match first {
        Some(id) => {
            end(state, id);
            Ok(())
        }
        None => Err(Refusal::because(Code::Overloaded, "Too many sessions are open: close some.")),
    }
}

/// Ends the sessions whose time has come.
pub fn expire(state: &mut State) {
    while let Some(id) = state.sessions.timers.take_due(state.now) {
        let Some(session) = state.sessions.get_mut(id) else { continue };
        session.reminded = Time::NEVER;
        // A stream under way waits for a client to come back, for longer than a session that has none.
        let waits = session.had_channel && session.channels.is_empty() && session.requests > 0;
        let orphaned_at = session.alone_since.plus_ms(STREAM_ORPHAN_MS_MAX);
        let at = if waits { session.ends_at.max(orphaned_at) } else { session.ends_at };
        if at > state.now {
            state.sessions.ends(id, at);
        } else {
            end(state, id);
        }
    }
}

/// Ends a session: its files are closed, its tickets void.
pub fn end(state: &mut State, id: SessionId) {
    for file in state.files.of(id) {
        files::start_closing(state, file, ConnId::NOBODY);
    }
    state.sessions.remove(id);
}
