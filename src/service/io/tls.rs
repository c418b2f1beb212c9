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

/// A name with a final dot (RFC 1035, 2.3.4).
const HOSTNAME_BYTES_MAX: usize = 254;

/// TCP_SECURE. An id that is not there is status 1 at once; all else its connection settles. Where one is under way
/// already, both fail.
pub(super) fn secure(
    state: &mut State,
    channel: ConnId,
    request_id: u32,
    wire: u32,
    skip_validation: bool,
    hostname: &str,
) {
    let id = find(state, channel, wire);
    let Some((id, socket)) = id.and_then(|id| Some((id, state.sockets.get_mut(id)?))) else {
        return failed(state, channel, request_id, wire);
    };
    state.notes.send(id, Note::Secure);
    match &mut socket.securing {
        Some(first) => {
            first.fresh = false;
            failed(state, channel, request_id, wire);
        }
        None => {
            let fresh = !socket.used;
            // What can be no name is not kept: an empty one fails in the same way.
            let hostname = if hostname.len() <= HOSTNAME_BYTES_MAX { hostname } else { "" };
            let securing = Securing { request_id, hostname: hostname.into(), skip_validation, fresh };
            socket.securing = Some(Box::new(securing));
        }
    }
}

/// TCP_SECURED with status 1.
pub fn failed(state: &mut State, channel: ConnId, request_id: u32, wire: u32) {
    let message = ServerMessage::TcpSecured { socket_id: wire, status: Status::Failed };
    state.tell(channel, request_id, &message);
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
