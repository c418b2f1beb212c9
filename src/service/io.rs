//! What each message of `/io` does (PROTOCOL §6.2), with no socket and no frame in sight: ids are looked up, connections
//! are asked for, notes are written. Hello, AUTH and ACTIVITY are the WebSocket's own.

mod address;
mod listen;
mod tcp;
mod tls;
mod udp;

pub use address::is_own;
pub use listen::{accept, may_accept};
pub use tcp::{Target, Wish, begin, report, send, send_on};
pub use tls::{failed as secure_failed, loaded, trust};
pub use udp::{bind_for, forget_names, names_came, report_bound};

use crate::buffer::Block;
use crate::ids::{ConnId, SessionId};
use crate::limits::{ENTRY_MARGIN_BYTES, SOCKET_BYTES};
use crate::service::{io_files, stream};
use crate::state::State;
use crate::state::channels::FIRST_OWN_ID;
use crate::state::notes::Note;
use jstorrent_io_proto::errno::Errno;
use jstorrent_io_proto::message::{ClientMessage, ServerMessage};
use std::sync::Arc;

/// Does what an authenticated client asked for.
///
/// `block`: the large message that its data lies in, if it came in one.
pub fn handle(
    state: &mut State,
    channel: ConnId,
    request_id: u32,
    message: ClientMessage<'_>,
    block: Option<&Arc<Block>>,
) {
    match message {
        ClientMessage::TcpConnect { socket_id, port, host, options } => {
            tcp::connect(state, channel, request_id, socket_id, Target { host: &host, port }, &options);
        }
        ClientMessage::TcpSend { socket_id, data } => {
            send(state, channel, request_id, socket_id, data, 0);
        }
        ClientMessage::TcpClose { socket_id } => tcp::close(state, channel, request_id, socket_id),
        ClientMessage::TcpListen { server_id, port, bind_addr } => {
            listen::listen(state, channel, request_id, server_id, port, &bind_addr);
        }
        ClientMessage::TcpStopListen { server_id } => listen::stop(state, channel, request_id, server_id),
        ClientMessage::TcpCredit { socket_id, bytes } => {
            tcp::credit(state, channel, request_id, socket_id, bytes);
        }
        ClientMessage::RangeAvailable { file_id, offset, length } => {
            let known = session(state, channel)
                .is_some_and(|session| stream::available(state, session, file_id, offset, length));
            if !known {
                refuse(state, channel, request_id, "range_available: no deferred file of this id is open");
            }
        }
        ClientMessage::RangeUnavailable { range_id, reason } => {
            log::debug!("range {range_id} will not come: {reason}");
            let known =
                session(state, channel).is_some_and(|session| stream::unavailable(state, session, range_id));
            if !known {
                refuse(state, channel, request_id, "range_unavailable: no request of this id is open");
            }
        }
        ClientMessage::TcpSecure { socket_id, skip_validation, hostname } => {
            tls::secure(state, channel, request_id, socket_id, skip_validation, &hostname);
        }
        ClientMessage::UdpBind { socket_id, port, bind_addr } => {
            udp::bind(state, channel, request_id, socket_id, port, &bind_addr);
        }
        ClientMessage::UdpSend { socket_id, port, addr, data } => {
            let to = udp::Destination { addr: &addr, port };
            udp::send(state, channel, request_id, socket_id, to, data);
        }
        ClientMessage::UdpClose { socket_id } => udp::close(state, channel, request_id, socket_id),
        ClientMessage::UdpJoinMulticast { socket_id, group } => {
            udp::group(state, channel, request_id, socket_id, &group, true);
        }
        ClientMessage::UdpLeaveMulticast { socket_id, group } => {
            udp::group(state, channel, request_id, socket_id, &group, false);
        }
        ClientMessage::FileRead { file_id, offset, length } => {
            io_files::read(state, channel, request_id, file_id, offset, length);
        }
        ClientMessage::FileWrite { file_id, offset, digest, data } => {
            let write = io_files::Write { file_id, offset, digest };
            io_files::write(state, channel, request_id, write, data, block);
        }
        ClientMessage::Keepalive => {}
        ClientMessage::Error { message } => log::debug!("/io: the client reports: {message}"),
        other => {
            let name = other.op().row().json;
            refuse(state, channel, request_id, &format!("{name} is not served by this daemon"));
        }
    }
}

/// Whose files a channel may name.
pub(super) fn session(state: &State, channel: ConnId) -> Option<SessionId> {
    state.channels.get(channel)?.session
}

/// A message that has no other answer, and can't be done: ERROR where it has a number, and counted.
fn refuse(state: &mut State, channel: ConnId, request_id: u32, text: &str) {
    state.metrics.messages_dropped += 1;
    if request_id != 0 {
        state.tell(channel, request_id, &ServerMessage::Error { message: text.into() });
    }
}

/// Closes a TCP or UDP socket of a channel, as TCP_CLOSE or UDP_CLOSE does; `false` where there is none of that id.
pub fn close_any(state: &mut State, channel: ConnId, wire: u32) -> bool {
    let Some(id) = find(state, channel, wire) else { return false };
    if let Some(socket) = state.sockets.get_mut(id) {
        socket.deaf = true;
    } else if state.datagrams.get(id).is_none() {
        return false;
    }
    state.notes.send(id, Note::Close);
    true
}

/// Whether another socket may be opened: EMFILE where there are too many, ENOBUFS where there is no memory for it. Some
/// is left for what those need that are there, and for clients.
pub fn check_room(state: &State) -> Result<(), Errno> {
    let open = state.sockets.len() + state.datagrams.len() + state.servers.len();
    if open >= state.limits.sockets_max {
        return Err(Errno::EMFILE);
    }
    if state.entries_fit(3 * SOCKET_BYTES + ENTRY_MARGIN_BYTES) { Ok(()) } else { Err(Errno::ENOBUFS) }
}

/// Whether a client may open something under that id: EINVAL where it is the daemon's to pick, EEXIST where it is in
/// use, and what [`check_room`] says.
fn check_new_id(state: &State, channel: ConnId, wire: u32) -> Result<(), Errno> {
    let ids = state.channels.get(channel).map(|channel| &channel.ids).ok_or(Errno::EBADF)?;
    if wire >= FIRST_OWN_ID {
        Err(Errno::EINVAL)
    } else if ids.contains_key(&wire) {
        Err(Errno::EEXIST)
    } else {
        check_room(state)
    }
}

/// The connection behind an id on the wire.
fn find(state: &State, channel: ConnId, wire: u32) -> Option<ConnId> {
    state.channels.get(channel)?.ids.get(&wire).copied()
}
