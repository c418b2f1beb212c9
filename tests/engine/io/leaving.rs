//! What a client that goes leaves behind: its sockets close at once, and what the kernel takes at once still goes out.

use super::*;
use jstorrent_io_proto::errno::Errno;

/// Its last words, and a close frame, in one read.
fn farewell() -> Vec<u8> {
    let op = |opcode: u8, payload: &[u8]| {
        crate::harness::frame(0x82, &[&[1, opcode, 0, 0, 0, 0, 0, 0][..], payload].concat())
    };
    let words = [
        op(TCP_SEND, &with_id(1, b"stopped")),
        op(TCP_CLOSE, &1_u32.to_le_bytes()),
        op(TCP_SEND, &with_id(2, b"stopped")),
        op(UDP_SEND, &udp(3, 9, "192.0.2.9", b"stopped")),
        crate::harness::frame(0x88, &[0x03, 0xE8]),
    ];
    words.concat()
}

fn with_sockets() -> (Bench, ConnId, [ConnId; 2]) {
    let mut bench = bench(Limits::default());
    let io = bench.io_with(&[]);
    let peers = [1, 2].map(|id| connect(&mut bench, io, id));
    bench.op(io, UDP_BIND, 1, &with_id(3, &[0, 0]));
    assert_eq!(outcome(&bench.frames(io)[0], UDP_BOUND), (0, 0));
    (bench, io, peers)
}

#[test]
fn the_last_words_of_a_client_go_out() {
    let (mut bench, io, peers) = with_sockets();
    bench.send(io, &farewell());
    for peer in peers {
        assert_eq!(bench.received(peer), b"stopped");
        assert!(bench.has_ended(peer) && !bench.was_reset(peer));
    }
    assert_eq!(bench.network().datagrams.len(), 1);
    bench.assert_at_rest();
}

#[test]
fn nobody_waits_for_a_peer_that_does_not_take_them() {
    let (mut bench, io, peers) = with_sockets();
    peers.iter().for_each(|peer| bench.stall(*peer, true));
    bench.send(io, &farewell());
    bench.wait_ms(99);
    assert!(!peers.iter().any(|peer| bench.has_ended(*peer)));
    bench.wait_ms(1);
    assert!(peers.iter().all(|peer| bench.was_reset(*peer)));
    bench.assert_at_rest();
}

#[test]
fn a_peer_that_fails_meanwhile_is_no_trouble() {
    let (mut bench, io, peers) = with_sockets();
    peers.iter().for_each(|peer| bench.stall(*peer, true));
    bench.send(io, &farewell());
    bench.engine.send_failed(peers[0], Errno::EPIPE);
    bench.hang_up(peers[1]);
    assert!(peers.iter().all(|peer| bench.was_reset(*peer)));
    bench.assert_at_rest();
}
