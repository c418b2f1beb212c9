//! TCP sockets: connect, both ways, every kind of end.

use super::*;
use std::io::{Read, Write};
use std::net::Shutdown;

#[test]
fn bytes_go_both_ways_and_the_peers_end_comes_last() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    let mut peer = connect(&mut ws, 1);
    ws.send(&tcp_send(1, b"hello"));
    let mut bytes = [0; 5];
    peer.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"hello");
    for len in [1, 113, 114, 65_523, 65_524, 3 << 20] {
        let data = pattern(len);
        let sent = data.clone();
        let mut writer = peer.try_clone().unwrap();
        let thread = std::thread::spawn(move || writer.write_all(&sent).unwrap());
        assert!(receive(&mut ws, 1, len) == data, "{len}");
        thread.join().unwrap();
    }
    peer.write_all(b"last").unwrap();
    drop(peer);
    assert_eq!(receive(&mut ws, 1, 4), b"last");
    assert_eq!(closed(&ws.op(), 1), (0, 0));
    ws.send(&Op::new(TCP_SEND, 5, with_id(1, b"late")));
    assert_eq!((ws.op().opcode, 5), (ERROR, 5));
    drop(connect(&mut ws, 1));
}

#[test]
fn a_large_message_reaches_the_peer_whole() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    let mut peer = connect(&mut ws, 1);
    let data = pattern(25 << 20);
    let expected = data.clone();
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap();
        assert!(all == expected);
    });
    ws.send(&tcp_send(1, &data));
    ws.send(&tcp_close(1));
    assert_eq!(closed(&ws.op(), 1), (0, 0));
    reader.join().unwrap();
}

#[test]
fn failures_have_their_numbers() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    let (listener, port) = peer();
    drop(listener);
    let mut answer = |op: Op, id| {
        ws.send(&op);
        connected(&ws.op(), id)
    };
    assert_eq!(answer(tcp_connect(1, 1, "127.0.0.1", port), 1), (1, 111));
    assert_eq!(answer(tcp_connect(1, 0x8000_0000, "127.0.0.1", port), 0x8000_0000), (1, 22));
    assert_eq!(answer(tcp_connect(1, 1, "", port), 1), (1, 22));
    for host in ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "0.0.0.0", "::", "::ffff:127.0.0.1"] {
        for own in [daemon.port, daemon.stream_port] {
            assert_eq!(answer(tcp_connect(1, 1, host, own), 1), (1, 13), "{host}");
        }
    }
    let _peer = connect(&mut ws, 1);
    ws.send(&tcp_connect(2, 1, "127.0.0.1", port));
    assert_eq!(connected(&ws.op(), 1), (1, 17));
}

#[test]
fn a_reset_is_told() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    let peer = connect(&mut ws, 1);
    socket2::SockRef::from(&peer).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(peer);
    assert_eq!(closed(&ws.op(), 1), (1, 104));
}

#[test]
fn a_half_closed_peer_still_gets_what_was_sent() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    let mut peer = connect(&mut ws, 1);
    let data = pattern(8 << 20);
    ws.send(&tcp_send(1, &data));
    settle(&mut ws);
    peer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(closed(&ws.op(), 1), (0, 0));
    let mut all = Vec::new();
    peer.read_to_end(&mut all).unwrap();
    assert!(all == data);
}

#[test]
fn what_was_opened_closes_with_its_connection() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    let mut peer = connect(&mut ws, 1);
    drop(ws);
    let mut all = Vec::new();
    let _ = peer.read_to_end(&mut all);
    assert!(all.is_empty());
}
