//! UDP_BIND, UDP_SEND, UDP_CLOSE, and multicast groups.

use super::{check_new_id, find, refuse};
use crate::ids::ConnId;
use crate::service::names::{self, Resolved};
use crate::state::State;
use crate::state::births::{Bind, Birth, Opening, Report};
use crate::state::datagrams::{UdpSocket, Unresolved};
use crate::state::effects::Effect;
use crate::state::lookups::Asker;
use crate::state::notes::Note;
use jstorrent_io_proto::errno::Errno;
use jstorrent_io_proto::host;
use jstorrent_io_proto::message::{ServerMessage, Status};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// UDP_BIND. An empty address: all IPv4 interfaces; `::`: both families.
pub(super) fn bind(state: &mut State, channel: ConnId, request_id: u32, wire: u32, port: u16, addr: &str) {
    let ip = if addr.is_empty() { Some(Ipv4Addr::UNSPECIFIED.into()) } else { host::literal(addr) };
    let opened = check_new_id(state, channel, wire).and_then(|()| {
        let at = SocketAddr::new(ip.ok_or(Errno::EINVAL)?, port);
        open(state, channel, wire, Bind { at, report: Report::Client(request_id) });
        Ok(())
    });
    if let Err(errno) = opened {
        let message =
            ServerMessage::UdpBound { socket_id: wire, status: Status::Failed, bound_port: 0, errno };
        state.tell(channel, request_id, &message);
    }
}

/// Puts a socket down for a connection that is to be made, under its id on the wire.
fn open(state: &mut State, channel_id: ConnId, wire: u32, plan: Bind) -> ConnId {
    let id = state.identities.reserve();
    if let Some(channel) = state.channels.get_mut(channel_id) {
        channel.ids.insert(wire, id);
    }
    state.datagrams.open(id, UdpSocket::new(channel_id, wire, plan.at.ip()));
    state.births.add(id, Birth::Bind(plan));
    id
}

/// Opens a socket on any port, of the family of `default_to`, where datagrams without an address go.
pub fn bind_for(
    state: &mut State,
    channel: ConnId,
    wire: u32,
    default_to: Option<SocketAddr>,
    report: Report,
) -> ConnId {
    let any: IpAddr = match default_to {
        Some(SocketAddr::V6(_)) => Ipv6Addr::UNSPECIFIED.into(),
        _ => Ipv4Addr::UNSPECIFIED.into(),
    };
    let id = open(state, channel, wire, Bind { at: SocketAddr::new(any, 0), report });
    if let Some(socket) = state.datagrams.get_mut(id) {
        socket.default_to = default_to;
    }
    id
}

/// Tells what became of a bind.
pub fn report_bound(state: &mut State, report: Report, channel: ConnId, wire: u32, opening: Opening) {
    let Report::Client(request_id) = report else {
        return super::report(state, report, channel, wire, opening);
    };
    let (status, bound_port, errno) = match opening.outcome {
        Ok(opened) => (Status::Good, opened.local.port(), Errno::NONE),
        Err(errno) => (Status::Failed, 0, errno),
    };
    let message = ServerMessage::UdpBound { socket_id: wire, status, bound_port, errno };
    state.tell(channel, request_id, &message);
}

/// UDP_SEND to a number or a name, or with an empty address to the default destination. What can't be sent is dropped
/// and counted, never an ERROR; only an id that is not there is one. A datagram for a name waits for its look-up, and
/// holds up no other.
pub(super) fn send(
    state: &mut State,
    channel: ConnId,
    request_id: u32,
    wire: u32,
    to: Destination<'_>,
    data: &[u8],
) {
    let Some(id) = find_udp(state, channel, wire) else {
        return refuse(state, channel, request_id, "udp_send: no socket of this id is open");
    };
    let default_to = state.datagrams.get(id).and_then(|socket| socket.default_to);
    let address = match to.addr {
        "" => default_to,
        addr => match host::Host::parse(addr) {
            Some(host::Host::Name(name)) => return send_to_name(state, id, name, to.port, data.into()),
            Some(host::Host::Address(ip)) => Some(SocketAddr::new(ip, to.port)),
            None => None,
        },
    };
    match address {
        Some(address) => send_to(state, id, address, data),
        None => state.metrics.udp_dropped += 1,
    }
}

fn send_to_name(state: &mut State, id: ConnId, name: &str, port: u16, data: Box<[u8]>) {
    let Some(socket) = state.datagrams.get(id) else { return };
    let asker = Asker { channel: socket.channel, datagram: true };
    match names::resolve(state, name, id, asker) {
        Resolved::Later => {
            let waits = state.datagrams.push_unresolved(id, Unresolved { host: name.into(), port, data });
            if !waits {
                drop_unresolved(state, id, name);
            }
        }
        Resolved::Known(Ok(addresses)) => {
            match state.datagrams.get(id).and_then(|socket| socket.choose(&addresses)) {
                Some(ip) => send_to(state, id, SocketAddr::new(ip, port), &data),
                None => state.metrics.udp_dropped += 1,
            }
        }
        Resolved::TooMany | Resolved::Known(Err(_)) => state.metrics.udp_dropped += 1,
    }
}

/// A datagram found no room. Its name is looked up for those that wait only.
fn drop_unresolved(state: &mut State, id: ConnId, name: &str) {
    state.metrics.udp_dropped += 1;
    let waits = |socket: &UdpSocket| socket.unresolved().any(|host| host.eq_ignore_ascii_case(name));
    if !state.datagrams.get(id).is_some_and(waits) {
        state.lookups.forget(name, id);
    }
}

/// A socket has gone: nobody waits for the names of its datagrams.
pub fn forget_names(state: &mut State, id: ConnId) {
    for waiting in state.datagrams.take_unresolved(id) {
        state.lookups.forget(&waiting.host, id);
    }
}

/// A look-up has ended: what waited for it is sent, or waits on for others.
pub fn names_came(state: &mut State, id: ConnId) {
    for waiting in state.datagrams.take_unresolved(id) {
        send_to_name(state, id, &waiting.host, waiting.port, waiting.data);
    }
}

/// Where a datagram is to go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Destination<'a> {
    pub(super) addr: &'a str,
    pub(super) port: u16,
}

/// Queues a datagram for an address.
pub(super) fn send_to(state: &mut State, id: ConnId, to: SocketAddr, data: &[u8]) {
    if state.datagrams.push(id, to, data) {
        state.turns.want(id);
    } else {
        state.metrics.udp_dropped += 1;
    }
}

/// UDP_CLOSE.
pub(super) fn close(state: &mut State, channel: ConnId, request_id: u32, wire: u32) {
    match find_udp(state, channel, wire) {
        Some(id) => state.notes.send(id, Note::Close),
        None => refuse(state, channel, request_id, "udp_close: no socket of this id is open"),
    }
}

/// UDP_JOIN_MULTICAST, UDP_LEAVE_MULTICAST: on all interfaces.
pub(super) fn group(state: &mut State, channel: ConnId, request_id: u32, wire: u32, group: &str, join: bool) {
    let Some(id) = find_udp(state, channel, wire) else {
        return refuse(state, channel, request_id, "udp multicast: no socket of this id is open");
    };
    match host::literal(group).filter(IpAddr::is_multicast) {
        Some(group) => state.effects.push_back(Effect::Membership { id, group, join, request_id }),
        None => refuse(state, channel, request_id, "udp multicast: the group must be a multicast address"),
    }
}

fn find_udp(state: &State, channel: ConnId, wire: u32) -> Option<ConnId> {
    find(state, channel, wire).filter(|id| state.datagrams.get(*id).is_some())
}
