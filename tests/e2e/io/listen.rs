//! Listening sockets and the peers that come.

use super::*;
use std::io::{Read, Write};
use std::net::Ipv6Addr;

fn listen(ws: &mut Ws, id: u32, port: u16, bind_addr: &str) -> (u8, u16, u32) {
    ws.send(&Op::new(TCP_LISTEN, 5, with_id(id, &[&port.to_le_bytes()[..], bind_addr.as_bytes()].concat())));
    let answer = ws.op();
    assert_eq!((answer.opcode, answer.request_id, answer.u32_at(0)), (TCP_LISTEN_RESULT, 5, id));
    (answer.payload[4], u16::from_le_bytes([answer.payload[5], answer.payload[6]]), answer.u32_at(7))
}

/// Server id, socket id and address of a TCP_ACCEPT.
fn accepted(op: &Op) -> (u32, u32, u16, String) {
    assert_eq!((op.opcode, op.request_id), (TCP_ACCEPT, 0), "{op:?}");
    let port = u16::from_le_bytes([op.payload[8], op.payload[9]]);
    (op.u32_at(0), op.u32_at(4), port, String::from_utf8(op.payload[10..].to_vec()).unwrap())
}

#[test]
fn peers_become_sockets_with_ids_of_the_daemons() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    let (status, port, errno) = listen(&mut ws, 7, 0, "127.0.0.1");
    assert_eq!((status, errno), (0, 0));
    let mut peers = Vec::new();
    for _ in 0..3 {
        let mut peer = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (server, socket, remote_port, remote) = accepted(&ws.op());
        assert!(socket >= 0x8000_0000);
        assert_eq!((server, remote_port), (7, peer.local_addr().unwrap().port()));
        assert_eq!(remote, "127.0.0.1");
        peer.write_all(b"hi").unwrap();
        assert_eq!(receive(&mut ws, socket, 2), b"hi");
        ws.send(&tcp_send(socket, b"ho"));
        let mut bytes = [0; 2];
        peer.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"ho");
        peers.push((peer, socket));
    }
    ws.send(&Op::new(TCP_STOP_LISTEN, 0, 7_u32.to_le_bytes()));
    settle(&mut ws);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "nobody listens there any more");
    // Those who came before stay, and the id is free.
    let (peer, socket) = peers.pop().unwrap();
    drop(peer);
    assert_eq!(closed(&ws.op(), socket), (0, 0));
    assert_eq!(listen(&mut ws, 7, port, "127.0.0.1"), (0, port, 0));
    ws.send(&Op::new(TCP_STOP_LISTEN, 9, 8_u32.to_le_bytes()));
    assert_eq!((ws.op().opcode, 9), (ERROR, 9));
}

#[test]
fn both_families_and_their_addresses() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    let (status, port, _) = listen(&mut ws, 1, 0, "::");
    assert_eq!(status, 0);
    let _four = TcpStream::connect(("127.0.0.1", port)).unwrap();
    assert_eq!(accepted(&ws.op()).3, "127.0.0.1");
    let _six = TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap();
    assert_eq!(accepted(&ws.op()).3, "::1");
    let (status, port, _) = listen(&mut ws, 2, 0, "");
    assert_eq!(status, 0);
    assert!(TcpStream::connect((Ipv6Addr::LOCALHOST, port)).is_err());
    TcpStream::connect(("127.0.0.1", port)).unwrap();
    assert_eq!(accepted(&ws.op()).0, 2);
}

#[test]
fn what_is_in_the_way_of_listening_is_told() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    let (taken, port) = peer();
    assert_eq!(listen(&mut ws, 1, port, "127.0.0.1"), (1, 0, 98));
    assert_eq!(listen(&mut ws, 1, 0, "not an address"), (1, 0, 22));
    assert_eq!(listen(&mut ws, 1, 0, "192.0.2.1"), (1, 0, 99));
    assert_eq!(listen(&mut ws, 0x8000_0001, 0, ""), (1, 0, 22));
    drop(taken);
    assert_eq!(listen(&mut ws, 1, 0, "[::1]").0, 0);
    assert_eq!(listen(&mut ws, 1, 0, "127.0.0.1"), (1, 0, 17));
    ws.send(&tcp_connect(3, 1, "127.0.0.1", port));
    assert_eq!(connected(&ws.op(), 1), (1, 17));
    ws.send(&Op::new(TCP_SEND, 4, with_id(1, b"to a server")));
    assert_eq!((ws.op().opcode, 4), (ERROR, 4));
    ws.send(&Op::new(TCP_CLOSE, 4, 1_u32.to_le_bytes()));
    assert_eq!((ws.op().opcode, 4), (ERROR, 4));
}

#[test]
fn the_id_of_a_stopped_server_is_free_at_once() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    let (_, port, _) = listen(&mut ws, 7, 0, "127.0.0.1");
    for _ in 0..50 {
        ws.send(&Op::new(TCP_STOP_LISTEN, 0, 7_u32.to_le_bytes()));
        assert_eq!(listen(&mut ws, 7, port, "127.0.0.1"), (0, port, 0));
    }
    TcpStream::connect(("127.0.0.1", port)).unwrap();
    assert_eq!(accepted(&ws.op()).0, 7);
}

#[test]
fn a_request_to_listen_is_answered_though_it_is_stopped_at_once() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    let bind_addr = [&0_u16.to_le_bytes()[..], b"127.0.0.1"].concat();
    for _ in 0..20 {
        // In one write, so that the second is there before the system was asked.
        ws.send_all(&[
            Op::new(TCP_LISTEN, 5, with_id(7, &bind_addr)),
            Op::new(TCP_STOP_LISTEN, 0, 7_u32.to_le_bytes()),
            Op::new(TCP_LISTEN, 6, with_id(7, &bind_addr)),
            Op::new(TCP_STOP_LISTEN, 0, 7_u32.to_le_bytes()),
        ]);
        let mut answered: Vec<_> = (0..2).map(|_| ws.op()).map(|op| (op.opcode, op.request_id)).collect();
        answered.sort_unstable();
        assert_eq!(answered, [(TCP_LISTEN_RESULT, 5), (TCP_LISTEN_RESULT, 6)]);
    }
}
