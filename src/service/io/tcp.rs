//! TCP_CONNECT, TCP_SEND, TCP_CLOSE, TCP_CREDIT.

use super::{address, check_new_id, find, refuse};
use crate::ids::ConnId;
use crate::state::State;
use crate::state::births::{Birth, Connect, Dial, Opening, Report};
use crate::state::notes::Note;
use crate::state::sockets::{Credit, Pushed, Socket};
use jstorrent_io_proto::errno::Errno;
use jstorrent_io_proto::host::{self, Host};
use jstorrent_io_proto::limits::CONNECT_WAIT_MS_DEFAULT;
use jstorrent_io_proto::message::{ConnectOptions, ServerMessage, Status};
use std::net::{IpAddr, SocketAddr};

/// Where a TCP_CONNECT is to go.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Name or address.
    pub host: &'a str,
    /// Port.
    pub port: u16,
}

/// TCP_CONNECT.
pub(super) fn connect(
    state: &mut State,
    channel: ConnId,
    request_id: u32,
    wire: u32,
    target: Target<'_>,
    options: &ConnectOptions<'_>,
) {
    if let Err(errno) = try_connect(state, channel, request_id, wire, target, options) {
        let message = ServerMessage::TcpConnected { socket_id: wire, status: Status::Failed, errno };
        state.tell(channel, request_id, &message);
    }
}

fn try_connect(
    state: &mut State,
    channel: ConnId,
    request_id: u32,
    wire: u32,
    target: Target<'_>,
    options: &ConnectOptions<'_>,
) -> Result<(), Errno> {
    check_new_id(state, channel, wire)?;
    let from = match options.local_address.as_deref() {
        Some(text) => Some(host::literal(text).ok_or(Errno::EINVAL)?),
        None => None,
    };
    let wish = Wish {
        from,
        no_delay: options.no_delay.unwrap_or(true),
        wait_ms: options.timeout_ms.map_or(CONNECT_WAIT_MS_DEFAULT, u64::from),
        report: Report::Client(request_id),
    };
    begin(state, channel, wire, target, wish).map(drop)
}

/// How to connect.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// From which address, where that matters.
    pub from: Option<IpAddr>,
    /// `TCP_NODELAY`.
    pub no_delay: bool,
    /// How long it may take, in milliseconds.
    pub wait_ms: u64,
    /// Who is told the outcome.
    pub report: Report,
}

/// Opens a socket that is to connect, under an id that is free.
pub fn begin(
    state: &mut State,
    channel: ConnId,
    wire: u32,
    target: Target<'_>,
    wish: Wish,
) -> Result<ConnId, Errno> {
    let Wish { from, no_delay, wait_ms, report } = wish;
    let birth = match Host::parse(target.host).ok_or(Errno::EINVAL)? {
        Host::Address(ip) => {
            let to = SocketAddr::new(ip, target.port);
            if address::is_own(&state.settings, to) {
                return Err(Errno::EACCES);
            }
            Birth::Connect(Connect { to, from, no_delay, wait_ms, report })
        }
        Host::Name(name) => {
            Birth::Dial(Dial { host: name.into(), port: target.port, from, no_delay, wait_ms, report })
        }
    };
    let id = state.identities.reserve();
    open(state, channel, wire, id);
    state.births.add(id, birth);
    Ok(id)
}

/// Tells what became of a connect.
pub fn report(state: &mut State, report: Report, channel: ConnId, wire: u32, opening: Opening) {
    match report {
        Report::Client(request_id) => {
            let (status, errno) = match opening.outcome {
                Ok(_) => (Status::Good, Errno::NONE),
                Err(errno) => (Status::Failed, errno),
            };
            let message = ServerMessage::TcpConnected { socket_id: wire, status, errno };
            state.tell(channel, request_id, &message);
        }
        Report::Conn(conn) => {
            // Whoever asked may have gone.
            let Some(all) = state.openings.get_mut(conn) else { return };
            all.push(opening);
            state.notes.send(conn, Note::Look);
        }
    }
}

/// Puts a socket down for a connection that is to be made, under its id on the wire.
pub(super) fn open(state: &mut State, channel_id: ConnId, wire: u32, id: ConnId) {
    let Some(channel) = state.channels.get_mut(channel_id) else { return };
    channel.ids.insert(wire, id);
    let credit = channel.has_credit().then(|| Credit::new(channel.recv_window));
    state.sockets.open(id, Socket::new(channel_id, wire, credit));
}

/// TCP_SEND, or its beginning, with `following` bytes of its frame to come; `false` where nobody wants the rest
/// ([`send_on`]).
pub fn send(
    state: &mut State,
    channel: ConnId,
    request_id: u32,
    wire: u32,
    data: &[u8],
    following: u64,
) -> bool {
    match find(state, channel, wire).filter(|id| state.sockets.get(*id).is_some()) {
        Some(socket) => push(state, socket, data, following),
        None => {
            refuse(state, channel, request_id, "tcp_send: no socket of this id is open");
            return false;
        }
    }
    true
}

/// More data of a TCP_SEND. The socket is looked up anew: while the message was on its way it may have become another
/// connection's, the winner of a race between addresses, or nobody's.
pub fn send_on(state: &mut State, channel: ConnId, wire: u32, data: &[u8], following: u64) {
    match find(state, channel, wire) {
        Some(socket) => push(state, socket, data, following),
        None => state.metrics.messages_dropped += 1,
    }
}

/// Data for a socket. What comes for one that takes nothing any more is dropped: its TCP_CLOSE is on the way.
fn push(state: &mut State, socket: ConnId, data: &[u8], following: u64) {
    if data.is_empty() && following == 0 {
        return;
    }
    state.last_used = state.now;
    match state.sockets.push(socket, data, following) {
        Pushed::Queued { first: true } => state.notes.send(socket, Note::Queued),
        Pushed::Queued { first: false } => {}
        Pushed::Dropped => state.metrics.messages_dropped += 1,
        Pushed::Overrun => state.notes.send(socket, Note::Overrun),
    }
}

/// TCP_CLOSE.
pub(super) fn close(state: &mut State, channel: ConnId, request_id: u32, wire: u32) {
    let Some(id) = find(state, channel, wire).filter(|id| state.sockets.get(*id).is_some()) else {
        return refuse(state, channel, request_id, "tcp_close: no socket of this id is open");
    };
    if let Some(socket) = state.sockets.get_mut(id) {
        socket.deaf = true;
    }
    state.notes.send(id, Note::Close);
}

/// TCP_CREDIT. Without the feature there are no windows to widen.
pub(super) fn credit(state: &mut State, channel: ConnId, request_id: u32, wire: u32, bytes: u32) {
    let id = find(state, channel, wire);
    match id.and_then(|id| Some((id, state.sockets.get_mut(id)?))) {
        Some((id, socket)) => {
            if socket.granted(bytes) {
                state.notes.send(id, Note::Look);
            }
        }
        None => refuse(state, channel, request_id, "tcp_credit: no socket of this id is open"),
    }
}
