//! When sessions begin and end (PROTOCOL §2, "A session").

use super::files;
use crate::ids::{ConnId, SessionId};
use crate::state::State;
use crate::time::Time;
use jstorrent_io_proto::error::{Code, Refusal};

/// The session that an authenticated request named, made if it is new, and used now.
pub fn used(state: &mut State, name: &str) -> Result<SessionId, Refusal> {
    if state.sessions.find(name).is_none() && state.sessions.len() >= state.limits.sessions_max {
        make_room(state)?;
    }
    let id = state.sessions.find_or_add(name);
    let until = state.now.plus_ms(state.settings.session_ms);
    if let Some(session) = state.sessions.get_mut(id).filter(|session| !session.had_channel) {
        let is_new = session.ends_at == Time::NEVER;
        session.ends_at = until;
        if is_new {
            state.sessions.timers.remind(id, until);
        }
    }
    Ok(id)
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
        if at <= state.now {
            end(state, id);
        } else {
            state.sessions.timers.remind(id, at);
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
