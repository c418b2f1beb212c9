//! UDP over `/io` (PROTOCOL §6.2), against real sockets.

use std::collections::HashSet;
use std::net::{Ipv4Addr, UdpSocket};

use crate::support::DEADLINE;
use crate::support::daemon::Daemon;
use crate::support::http::Request;
use crate::support::ws::{Op, Ws};

const UDP_BIND: u8 = 0x20;
const UDP_BOUND: u8 = 0x21;
const UDP_SEND: u8 = 0x22;
const UDP_RECV: u8 = 0x23;
const UDP_CLOSE: u8 = 0x24;
const JOIN: u8 = 0x25;
const ERROR: u8 = 0x7F;

fn bind_payload(id: u32, addr: &str) -> Vec<u8> {
    [&id.to_le_bytes()[..], &[0, 0], addr.as_bytes()].concat()
}

fn send_payload(id: u32, port: u16, addr: &str, data: &[u8]) -> Vec<u8> {
    let len = (addr.len() as u16).to_le_bytes();
    [&id.to_le_bytes()[..], &port.to_le_bytes(), &len, addr.as_bytes(), data].concat()
}

/// Binds a socket; its port.
fn bind(ws: &mut Ws, id: u32, addr: &str) -> u16 {
    ws.send(&Op::new(UDP_BIND, 7, bind_payload(id, addr)));
    let bound = ws.op_of(UDP_BOUND);
    assert_eq!((bound.request_id, bound.u32_at(0), bound.payload[4]), (7, id, 0), "{bound:?}");
    u16::from_le_bytes([bound.payload[5], bound.payload[6]])
}

fn peer() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket
}

#[test]
fn datagrams_go_both_ways_and_one_close_ends_it() {
    let daemon = Daemon::start(&[]);
    let mut ws = Ws::authenticated(daemon.port, &daemon.token, "s");
    for (id, at) in [(1, "127.0.0.1"), (2, ""), (3, "::")] {
        let port = bind(&mut ws, id, at);
        let peer = peer();
        let to = peer.local_addr().unwrap().port();
        ws.send(&Op::new(UDP_SEND, 0, send_payload(id, to, "127.0.0.1", b"hello")));
        let mut bytes = [0; 64];
        let (n, from) = peer.recv_from(&mut bytes).unwrap();
        assert_eq!((&bytes[..n], from.port()), (&b"hello"[..], port));
        peer.send_to(b"and back", (Ipv4Addr::LOCALHOST, port)).unwrap();
        let got = ws.op_of(UDP_RECV);
        assert_eq!(got.payload, send_payload(id, to, "127.0.0.1", b"and back"), "an IPv4 peer shows as one");
        ws.send(&Op::new(UDP_CLOSE, 9, id.to_le_bytes()));
        let closed = ws.op_of(UDP_CLOSE);
        assert_eq!((closed.request_id, closed.u32_at(0), closed.payload[4]), (0, id, 0));
        bind(&mut ws, id, at);
    }
}

#[test]
fn a_port_that_the_system_chose_is_nobody_else_s() {
    let daemon = Daemon::start(&[]);
    let mut ws = Ws::authenticated(daemon.port, &daemon.token, "s");
    // So many that two would meet in one port, if they could.
    let ports: HashSet<u16> = (0..1000).map(|id| bind(&mut ws, id, "127.0.0.1")).collect();
    assert_eq!(ports.len(), 1000);
    // Yet who asks for it by its number shares it, as SO_REUSEADDR says.
    let port = bind(&mut ws, 1000, "127.0.0.1");
    let named = [&1001_u32.to_le_bytes()[..], &port.to_le_bytes(), b"127.0.0.1"].concat();
    ws.send(&Op::new(UDP_BIND, 7, named));
    let bound = ws.op_of(UDP_BOUND);
    assert_eq!((bound.u32_at(0), bound.payload[4]), (1001, 0), "{bound:?}");
}

#[test]
fn a_name_is_looked_up_and_one_that_is_none_is_dropped() {
    let daemon = Daemon::start(&[]);
    let mut ws = Ws::authenticated(daemon.port, &daemon.token, "s");
    bind(&mut ws, 1, "");
    let peer = peer();
    let port = peer.local_addr().unwrap().port();
    for name in ["no.such.name.invalid", "localhost", "localhost"] {
        ws.send(&Op::new(UDP_SEND, 0, send_payload(1, port, name, name.as_bytes())));
    }
    let mut bytes = [0; 64];
    for _ in 0..2 {
        let n = peer.recv(&mut bytes).unwrap();
        assert_eq!(&bytes[..n], b"localhost");
    }
}

#[test]
fn a_burst_of_3000_datagrams_arrives_whole() {
    let daemon = Daemon::start(&[]);
    let mut ws = Ws::authenticated(daemon.port, &daemon.token, "s");
    let port = bind(&mut ws, 1, "127.0.0.1");
    let peer = peer();
    for index in 0..3_000_u32 {
        let data = [&index.to_le_bytes()[..], &[7; 1396]].concat();
        peer.send_to(&data, (Ipv4Addr::LOCALHOST, port)).unwrap();
    }
    for index in 0..3_000_u32 {
        let got = ws.op_of(UDP_RECV);
        assert_eq!(got.u32_at(4 + 2 + 2 + 9), index);
    }
}

#[test]
fn what_cannot_be_is_told_where_it_was_asked_for_and_counted_elsewhere() {
    let daemon = Daemon::start(&[]);
    let mut ws = Ws::authenticated(daemon.port, &daemon.token, "s");
    let refused = |ws: &mut Ws, id: u32, addr: &str, errno: u32| {
        ws.send(&Op::new(UDP_BIND, 1, bind_payload(id, addr)));
        let bound = ws.op_of(UDP_BOUND);
        assert_eq!((bound.payload[4], bound.u32_at(7)), (1, errno), "{addr}");
    };
    refused(&mut ws, 0x8000_0000, "", 22);
    refused(&mut ws, 1, "no address", 22);
    refused(&mut ws, 1, "192.0.2.77", 99);
    bind(&mut ws, 1, "");
    refused(&mut ws, 1, "", 17);
    // To IPv6 from an IPv4 socket: dropped, no ERROR.
    ws.send(&Op::new(UDP_SEND, 5, send_payload(1, 9, "::1", b"x")));
    ws.send(&Op::new(UDP_SEND, 6, send_payload(99, 9, "127.0.0.1", b"x")));
    assert_eq!(ws.op_of(ERROR).request_id, 6);
    ws.send(&Op::new(JOIN, 8, [&1_u32.to_le_bytes()[..], b"10.0.0.1"].concat()));
    assert_eq!(ws.op_of(ERROR).request_id, 8);
}

#[test]
fn a_group_is_joined_on_all_interfaces() {
    let daemon = Daemon::start(&[]);
    let mut ws = Ws::authenticated(daemon.port, &daemon.token, "s");
    let port = bind(&mut ws, 1, "");
    ws.send(&Op::new(JOIN, 0, [&1_u32.to_le_bytes()[..], b"239.192.152.143"].concat()));
    let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let socket = socket2::SockRef::from(&peer);
    socket.set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
    // The join is carried out before the next message is looked at.
    ws.send(&Op::new(UDP_CLOSE, 3, 99_u32.to_le_bytes()));
    assert_eq!(ws.op_of(ERROR).request_id, 3);
    peer.send_to(b"to the group", (Ipv4Addr::new(239, 192, 152, 143), port)).unwrap();
    assert!(ws.op_of(UDP_RECV).payload.ends_with(b"to the group"));
}

#[test]
fn a_burst_of_small_datagrams_is_sent_whole() {
    let daemon = Daemon::start(&[]);
    let mut ws = Ws::authenticated(daemon.port, &daemon.token, "s");
    bind(&mut ws, 1, "127.0.0.1");
    let peer = peer();
    let port = peer.local_addr().unwrap().port();
    let one = Op::new(UDP_SEND, 0, send_payload(1, port, "127.0.0.1", &[7; 100])).bytes();
    let framed = [&(one.len() as u32).to_le_bytes()[..], &one].concat();
    // BATCH: they come all at once, whatever the size of the daemon's reads.
    ws.send(&Op::new(0x50, 0, framed.repeat(3000)));
    let stats = || daemon.http().call(Request::get("/stats").token(&daemon.token)).json();
    let ended = std::iter::repeat_with(stats)
        .find(|stats| stats["bytes_sent"] == 300_000 || stats["udp_dropped"] != 0)
        .unwrap();
    assert_eq!(ended["udp_dropped"], 0, "sent {}", ended["bytes_sent"]);
}
