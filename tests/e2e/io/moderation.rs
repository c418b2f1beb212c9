//! How often peers wake the daemon, and that nothing is lost or late by it.

use super::*;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{ErrorKind, Read, Write};
use std::thread;
use std::time::Duration;

/// As long as this, a connection that takes nothing is taken to be full.
const FULL_AFTER: Timespec = Timespec { tv_sec: 0, tv_nsec: 300_000_000 };

/// Sends the bytes again and again until nobody takes more; how many went.
fn fill(peer: &mut TcpStream, bytes: &[u8]) -> usize {
    peer.set_nonblocking(true).unwrap();
    let mut sent = 0;
    loop {
        match peer.write(&bytes[sent % bytes.len()..]) {
            Ok(n) => sent += n,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if poll(&mut [PollFd::new(peer, PollFlags::OUT)], Some(&FULL_AFTER)).unwrap() == 0 {
                    return sent;
                }
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Has the kernel grow the window of socket `id`, so that many bytes may wait in it.
fn widen(ws: &mut Ws, id: u32, peer: &TcpStream) {
    const BYTES: usize = 32 << 20;
    let mut peer = peer.try_clone().unwrap();
    let writer = thread::spawn(move || peer.write_all(&vec![0; BYTES]).unwrap());
    receive(ws, id, BYTES);
    writer.join().unwrap();
}

#[test]
fn peers_who_are_not_read_wake_nobody_and_lose_nothing() {
    const WRITES: usize = 1000;
    const BYTES: usize = 1000;
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    let (mut full, mut other) = (connect(&mut ws, 1), connect(&mut ws, 2));
    other.set_nodelay(true).unwrap();
    widen(&mut ws, 2, &other);
    let data = pattern(1 << 20);
    let filled = fill(&mut full, &data);
    let slept = || daemon.process().status("voluntary_ctxt_switches");
    let before = slept();
    for n in 0..WRITES {
        other.write_all(&[n as u8; BYTES]).unwrap();
        // Looking takes long enough for some of them to find it asleep.
        (0..3).for_each(|_| _ = slept());
    }
    let wakes = slept() - before;
    assert!(wakes < 12, "{wakes} wakes by {WRITES} writes that nobody could read");
    // The end lies behind what is not read.
    drop(other);
    let (mut first, mut second) = (0, Vec::new());
    let mut end = None;
    while first < filled || end.is_none() {
        let op = ws.op();
        let bytes = &op.payload[4..];
        match (op.opcode, op.u32_at(0)) {
            (TCP_RECV, 1) => {
                let right = |n: usize| bytes[n] == data[(first + n) % data.len()];
                assert!((0..bytes.len()).all(right), "behind {first}");
                first += bytes.len();
            }
            (TCP_RECV, 2) => second.extend_from_slice(bytes),
            _ => end = Some(closed(&op, 2)),
        }
    }
    assert_eq!((end, second.len()), (Some((0, 0)), WRITES * BYTES));
    assert!(second.chunks(BYTES).enumerate().all(|(n, bytes)| bytes == [n as u8; BYTES]));
    // Who was not listened to is again.
    full.write_all(b"again").unwrap();
    assert_eq!(receive(&mut ws, 1, 5), b"again");
}

#[test]
fn a_reset_by_a_peer_who_is_not_read_is_told() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    let (mut full, mut other) = (connect(&mut ws, 1), connect(&mut ws, 2));
    let filled = fill(&mut full, &pattern(1 << 20));
    other.set_nodelay(true).unwrap();
    (0..10).for_each(|_| other.write_all(b"lost by the reset").unwrap());
    socket2::SockRef::from(&other).set_linger(Some(Duration::ZERO)).unwrap();
    drop(other);
    let (mut received, mut end) = (0, None);
    while received < filled || end.is_none() {
        let op = ws.op();
        match (op.opcode, op.u32_at(0)) {
            (TCP_RECV, 1) => received += op.payload.len() - 4,
            (TCP_RECV, 2) => {}
            _ => end = Some(closed(&op, 2)),
        }
    }
    assert_eq!(end, Some((1, 104)));
}

#[test]
fn the_last_bytes_of_a_fast_peer_come_though_nothing_follows_them() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    let data = pattern(16 << 10);
    let mut done = Vec::new();
    for (id, rest) in [(1, 1), (2, 12_345), (3, 100_000)] {
        // Another one each time, that was never sent anything: who was is read at once.
        let mut peer = connect(&mut ws, id);
        peer.set_nodelay(true).unwrap();
        // In a thread of its own, as fast as it goes, and then silent: what is held back now would be missed here.
        let (all, writer) = (4096 * data.len() + rest, {
            let (mut peer, data) = (peer.try_clone().unwrap(), data.clone());
            thread::spawn(move || {
                (0..4096).for_each(|_| peer.write_all(&data).unwrap());
                peer.write_all(&vec![9; rest]).unwrap();
            })
        });
        let received = receive(&mut ws, id, all);
        let (fast, last) = received.split_at(all - rest);
        assert!(fast.chunks(data.len()).all(|piece| piece == data) && last.iter().all(|byte| *byte == 9));
        writer.join().unwrap();
        // And who asks and answers by turns is answered.
        for n in 0..100 {
            peer.write_all(&[n; 50]).unwrap();
            assert_eq!(receive(&mut ws, id, 50), [n; 50]);
            ws.send(&tcp_send(id, &[n; 50]));
            peer.read_exact(&mut [0; 50]).unwrap();
        }
        done.push(peer);
    }
}

#[test]
fn a_peer_who_is_not_read_is_written_to_and_learns_of_the_end() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    let (mut full, mut other) = (connect(&mut ws, 1), connect(&mut ws, 2));
    fill(&mut full, &pattern(1 << 20));
    other.set_nodelay(true).unwrap();
    (0..10).for_each(|_| other.write_all(b"nobody reads it").unwrap());
    // More than fits into the kernel: it goes on as the peer takes it, though no bytes of the peer are listened to.
    let data = pattern(16 << 20);
    for piece in data.chunks(1 << 20) {
        ws.send(&tcp_send(2, piece));
    }
    let mut taken = vec![0; data.len()];
    other.read_exact(&mut taken).unwrap();
    assert!(taken == data);
    ws.send(&tcp_close(2));
    assert_eq!(other.read(&mut [0]).unwrap(), 0);
    (0..10).for_each(|_| other.write_all(b"and it is dropped").unwrap());
}

#[test]
fn ends_behind_windows_that_are_used_up_are_told_after_a_jam() {
    const PEERS: usize = 300;
    const WINDOW: usize = 64 << 10;
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    hello_with_credit(&mut ws, WINDOW as u32);
    let data = pattern(WINDOW);
    let mut peers: Vec<_> = (0..PEERS as u32).map(|id| connect(&mut ws, id)).collect();
    // The client reads nothing until all have sent what they may, in two pieces, and ended: for most there is no room.
    let (first, second) = data.split_at(WINDOW / 3);
    peers.iter_mut().for_each(|peer| peer.write_all(first).unwrap());
    for mut peer in peers {
        peer.write_all(second).unwrap();
    }
    let mut received = vec![0; PEERS];
    for _ in 0..PEERS {
        let op = loop {
            let op = ws.op();
            if op.opcode != TCP_RECV {
                break op;
            }
            let (at, bytes) = (&mut received[op.u32_at(0) as usize], &op.payload[4..]);
            assert!(bytes == &data[*at..*at + bytes.len()]);
            *at += bytes.len();
        };
        assert_eq!((closed(&op, op.u32_at(0)), received[op.u32_at(0) as usize]), ((0, 0), WINDOW));
    }
}

#[test]
fn a_client_who_is_not_read_is_lost_with_its_reset() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    let (_takes_nothing, mut other) = (connect(&mut ws, 1), connect(&mut ws, 2));
    // Until nobody takes more: as much waits for the peer as may.
    ws.stream().set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let message = tcp_send(1, &vec![7; 1 << 20]);
    while ws.try_send(&message) {}
    socket2::SockRef::from(ws.stream()).set_linger(Some(Duration::ZERO)).unwrap();
    drop(ws);
    // Before the peer that takes nothing is given up, after 5 s, and the client is read again.
    other.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    let end = other.read(&mut [0]);
    let is_reset = end.as_ref().is_err_and(|error| error.kind() == ErrorKind::ConnectionReset);
    assert!(is_reset || matches!(end, Ok(0)), "{end:?}");
}

#[test]
fn a_client_who_is_not_read_goes_on_once_its_peer_takes_bytes() {
    const BLOCKS: usize = 1536;
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    let mut peer = connect(&mut ws, 1);
    // More than may wait for peers, in messages slow enough for the daemon to have read all when it reads no more: it
    // is told of others, and listens no longer, until the peer takes some.
    let block = pattern(64 << 10);
    let sent = block.clone();
    let writer = thread::spawn(move || {
        (0..BLOCKS).for_each(|_| ws.send(&tcp_send(1, &sent)));
        ws
    });
    let slept = || daemon.process().status("voluntary_ctxt_switches");
    let mut before = 0;
    while slept() != before {
        before = slept();
        poll(&mut [], Some(&FULL_AFTER)).unwrap();
    }
    let mut taken = vec![0; block.len()];
    for _ in 0..BLOCKS {
        peer.read_exact(&mut taken).unwrap();
        assert!(taken == block);
    }
    let mut ws = writer.join().unwrap();
    // Who was not listened to is again.
    ws.send(&tcp_send(1, b"again"));
    peer.read_exact(&mut taken[..5]).unwrap();
    assert_eq!(&taken[..5], b"again");
}

#[test]
fn the_last_bytes_of_a_fast_client_go_though_nothing_follows_them() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    let mut peer = connect(&mut ws, 1);
    peer.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    // A frame that is masked with zeros, made once: as fast as it goes.
    let frame = |data: &[u8]| {
        let message = tcp_send(1, data).bytes();
        [&[0x82, 0xFE][..], &(message.len() as u16).to_be_bytes(), &[0; 4], &message].concat()
    };
    let data = pattern(16 << 10);
    for rest in [200, 12_345, 60_000] {
        let mut sent = frame(&data).repeat(2048);
        sent.extend(frame(&vec![9; rest]));
        let mut client = ws.stream().try_clone().unwrap();
        let writer = thread::spawn(move || client.write_all(&sent).unwrap());
        let mut received = vec![0; 2048 * data.len() + rest];
        peer.read_exact(&mut received).unwrap();
        let (fast, last) = received.split_at(2048 * data.len());
        assert!(fast.chunks(data.len()).all(|piece| piece == data) && last.iter().all(|byte| *byte == 9));
        writer.join().unwrap();
        // And who waits for an answer gets it.
        for n in 0..100 {
            ws.send(&tcp_send(1, &[n; 50]));
            peer.read_exact(&mut [0; 50]).unwrap();
            peer.write_all(&[n; 50]).unwrap();
            assert_eq!(receive(&mut ws, 1, 50), [n; 50]);
        }
    }
}
