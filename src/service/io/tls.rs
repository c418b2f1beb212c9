//! TCP_SECURE, and the roots that it needs.

use super::find;
use crate::ids::ConnId;
use crate::job::{Ask, Lane};
use crate::state::State;
use crate::state::notes::Note;
use crate::state::sockets::Securing;
use crate::state::trust::Trusted;
use crate::tls::Trust;
use jstorrent_io_proto::message::{ServerMessage, Status};
use std::sync::Arc;

/// TCP_SECURE. An id that is not there, or that is being secured, is status 1 at once; all else its connection settles.
pub(super) fn secure(
    state: &mut State,
    channel: ConnId,
    request_id: u32,
    wire: u32,
    skip_validation: bool,
    hostname: &str,
) {
    let id = find(state, channel, wire);
    match id.and_then(|id| Some((id, state.sockets.get_mut(id)?))) {
        Some((id, socket)) if socket.securing.is_none() => {
            let fresh = !socket.used;
            socket.securing =
                Some(Box::new(Securing { request_id, hostname: hostname.into(), skip_validation, fresh }));
            state.notes.send(id, Note::Secure);
        }
        _ => {
            let message = ServerMessage::TcpSecured { socket_id: wire, status: Status::Failed };
            state.tell(channel, request_id, &message);
        }
    }
}

/// The roots, where they are there; else `who` is told by [`Note::Look`] once that is settled.
pub fn trust(state: &mut State, who: ConnId) -> Option<Result<Arc<Trust>, ()>> {
    match &mut state.trust {
        Trusted::Loaded(trust) => return Some(Ok(trust.clone())),
        Trusted::Failed => return Some(Err(())),
        Trusted::Loading(waiting) => waiting.push(who),
        Trusted::Unasked => {
            state.trust = Trusted::Loading(vec![who]);
            state.submit(ConnId::NOBODY, Lane::Local, None, Ask::LoadTrust);
        }
    }
    None
}

/// The worker is back.
pub fn loaded(state: &mut State, outcome: Result<Trust, String>) {
    let settled = match outcome {
        Ok(trust) => Trusted::Loaded(Arc::new(trust)),
        Err(reason) => {
            log::warn!("{reason}");
            Trusted::Failed
        }
    };
    if let Trusted::Loading(waiting) = std::mem::replace(&mut state.trust, settled) {
        for who in waiting {
            state.notes.send(who, Note::Look);
        }
    }
}
