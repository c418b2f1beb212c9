//! When sessions begin and end (PROTOCOL §2, "A session").

use super::files;
use crate::ids::{ConnId, SessionId};
use crate::state::State;
use crate::state::files::OpenFile;
use crate::time::Time;
use jstorrent_io_proto::error::{Code, Refusal};

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
pub fn keep(state: &mut State, id: SessionId) {
    let until = state.now.plus_ms(state.settings.session_ms);
    if let Some(session) = state.sessions.get_mut(id).filter(|session| !session.had_channel) {
        let is_new = session.ends_at == Time::NEVER;
        session.ends_at = until;
        if is_new {
            state.sessions.timers.remind(id, until);
        }
    }
}

/// Ends the session that will end first anyway. 503 where all have an `/io` connection.
fn make_room(state: &mut State) -> Result<(), Refusal> {
    let sessions = &state.sessions;
    let ends_at = |id: &SessionId| sessions.get(*id).map_or(Time::NEVER, |session| session.ends_at);
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
        let Some(session) = state.sessions.get(id) else { continue };
        let at = session.ends_at;
        if at > state.now {
            state.sessions.timers.remind(id, at);
        } else if !session.had_channel && is_streaming(state, id) {
            state.sessions.ends(id, state.now.plus_ms(state.settings.session_ms));
        } else {
            end(state, id);
        }
    }
}

/// Whether a player is at work on one of its files: then its last request has not ended.
fn is_streaming(state: &State, id: SessionId) -> bool {
    let streams = |file| state.files.any(file).is_some_and(|file: &OpenFile| !file.streams.is_empty());
    state.files.of(id).into_iter().any(streams)
}

/// Ends a session: its files are closed, its tickets void.
pub fn end(state: &mut State, id: SessionId) {
    for file in state.files.of(id) {
        files::start_closing(state, file, ConnId::NOBODY);
    }
    state.sessions.remove(id);
}
