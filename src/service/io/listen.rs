//! TCP_LISTEN and TCP_STOP_LISTEN, and the peers that come.

use super::{check_new_id, find, refuse};
use crate::ids::ConnId;
use crate::state::State;
use crate::state::births::{Birth, Listen};
use crate::state::notes::Note;
use jstorrent_io_proto::errno::Errno;
use jstorrent_io_proto::host;
use jstorrent_io_proto::message::{ServerMessage, Status};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// TCP_LISTEN.
pub(super) fn listen(
    state: &mut State,
    channel: ConnId,
    request_id: u32,
    wire: u32,
    port: u16,
    bind_addr: &str,
) {
    if let Err(errno) = try_listen(state, channel, request_id, wire, port, bind_addr) {
        let message =
            ServerMessage::TcpListenResult { server_id: wire, status: Status::Failed, bound_port: 0, errno };
        state.tell(channel, request_id, &message);
    }
}

fn try_listen(
    state: &mut State,
    channel: ConnId,
    request_id: u32,
    wire: u32,
    port: u16,
    bind_addr: &str,
) -> Result<(), Errno> {
    check_new_id(state, channel, wire)?;
    let ip = bind_address(bind_addr).ok_or(Errno::EINVAL)?;
    let plan = Listen {
        channel,
        wire,
        at: SocketAddr::new(ip, port),
        both_families: ip.is_ipv6() && ip.is_unspecified(),
        request_id,
    };
    let id = state.identities.reserve();
    if let Some(channel) = state.channels.get_mut(channel) {
        channel.ids.insert(wire, id);
    }
    state.servers.put(id, (channel, wire));
    state.births.add(id, Birth::Listen(plan));
    Ok(())
}

/// Where to bind: empty stands for all IPv4 interfaces, `::` for both families (PROTOCOL §7).
pub(super) fn bind_address(text: &str) -> Option<IpAddr> {
    if text.is_empty() { Some(Ipv4Addr::UNSPECIFIED.into()) } else { host::literal(text) }
}

/// TCP_STOP_LISTEN. Nothing answers it: the id is free at once.
pub(super) fn stop(state: &mut State, channel: ConnId, request_id: u32, wire: u32) {
    match find(state, channel, wire).filter(|id| state.servers.get(*id).is_some()) {
        Some(id) => {
            if let Some(channel) = state.channels.get_mut(channel) {
                channel.ids.remove(&wire);
            }
            state.notes.send(id, Note::Close);
        }
        None => refuse(state, channel, request_id, "tcp_stop_listen: no server of this id is open"),
    }
}

/// Whether a peer of a listener may be accepted. Otherwise it waits in the kernel's queue until there are fewer sockets,
/// or the client takes what it is told; the listener is noted then.
pub fn may_accept(state: &State, server: ConnId) -> bool {
    let Some((channel, _)) = state.servers.get(server) else { return false };
    super::check_room(state).is_ok() && state.channels.may_be_read(*channel)
}

/// A peer of a listener was accepted: the connection that it becomes.
pub fn accept(state: &mut State, server: ConnId, remote: SocketAddr) -> Option<ConnId> {
    let (channel_id, server_id) = *state.servers.get(server)?;
    let socket_id = state.channels.pick_id(channel_id)?;
    let id = state.identities.reserve();
    super::tcp::open(state, channel_id, socket_id, id);
    state.births.add(id, Birth::Accepted);
    let message = ServerMessage::TcpAccept {
        server_id,
        socket_id,
        remote_port: remote.port(),
        remote_addr: remote.ip().to_canonical().to_string().into(),
    };
    state.tell(channel_id, 0, &message);
    Some(id)
}
