//! Tickets (PROTOCOL §5): a URL that opens one stream for a while, for players that can't set headers. The token itself is
//! never taken from a URL. Nothing here is ever logged.

use super::answer::Answer;
use super::collect::{Pending, parse};
use super::{Call, Cx, Task, files};
use crate::ids::{FileId, SessionId};
use crate::state::State;
use crate::state::sessions::{Ticket, TicketKey};
use data_encoding::BASE64URL_NOPAD;
use jstorrent_io_proto::error::{Code, Refusal};
use jstorrent_io_proto::limits::{TICKET_TTL_S_DEFAULT, TICKET_TTL_S_MAX};
use jstorrent_io_proto::percent;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TicketBody {
    file_id: u64,
    ttl_seconds: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TicketAnswer {
    url: String,
    expires_at_ms: u64,
}

/// `POST /control/stream_ticket`.
pub fn issue(cx: &mut Cx<'_>, pending: Pending, body: &[u8]) -> Result<Task, Refusal> {
    let session = pending.session.ok_or(Code::SessionRequired)?;
    let body: TicketBody = parse(body)?;
    let ttl_s = body.ttl_seconds.unwrap_or(TICKET_TTL_S_DEFAULT);
    if ttl_s > TICKET_TTL_S_MAX {
        let detail = format!("ttlSeconds must be at most {TICKET_TTL_S_MAX}.");
        return Err(Refusal::because(Code::BadParameter, detail));
    }
    let state = &mut *cx.state;
    let file = files::id_of(body.file_id)?;
    files::find(state, session, file)?;
    make_room(state)?;
    let key: TicketKey = state.random.bytes();
    let expires_at = state.now.plus_ms(ttl_s * 1000);
    state.sessions.tickets.insert(key, Ticket { file, session, expires_at });
    if let Some(file) = state.files.get_mut(file, session) {
        file.tickets.push(key);
    }
    let url = url(state, file, session, &key);
    let expires_at_ms = state.wall_ms().saturating_add(ttl_s * 1000);
    Ok(Task::ready(Answer::json(&TicketAnswer { url, expires_at_ms })))
}

/// Where there are too many tickets, those that have expired go. 503 where none has.
fn make_room(state: &mut State) -> Result<(), Refusal> {
    let tickets = &mut state.sessions.tickets;
    if tickets.len() < state.limits.tickets_max {
        return Ok(());
    }
    for (key, ticket) in tickets.extract_if(|_, ticket| ticket.expires_at <= state.now) {
        if let Some(file) = state.files.any_mut(ticket.file) {
            file.tickets.retain(|other| *other != key);
        }
    }
    if tickets.len() < state.limits.tickets_max {
        return Ok(());
    }
    Err(Refusal::because(Code::Overloaded, "Too many tickets are in force: give them shorter lives."))
}

fn url(state: &State, id: FileId, session: SessionId, key: &TicketKey) -> String {
    let mut url = format!("http://127.0.0.1:{}/stream/{}/", state.settings.stream_port, id.0);
    let file = state.files.get(id, session);
    percent::encode_into(file.and_then(|file| file.handle.path.file_name()).unwrap_or_default(), &mut url);
    url.push_str("?ticket=");
    BASE64URL_NOPAD.encode_append(key, &mut url);
    url
}

/// The session that a request may speak for by the ticket in its query; 401 where it is none for this file. What a
/// ticket is found by is 128 random bits as a whole, so that no answer's time tells a part of them.
pub fn redeem(state: &State, call: &Call<'_>, file: FileId) -> Result<SessionId, Refusal> {
    let invalid = Code::TicketInvalid;
    let text = call.query().get("ticket").ok().flatten().ok_or(invalid)?;
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| invalid)?;
    let key = TicketKey::try_from(bytes.as_slice()).map_err(|_| invalid)?;
    let ticket = state.sessions.tickets.get(&key).ok_or(invalid)?;
    if ticket.file == file && ticket.expires_at > state.now {
        Ok(ticket.session)
    } else {
        Err(invalid.into())
    }
}
