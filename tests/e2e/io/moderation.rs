//! How often peers wake the daemon, and that nothing is lost or late by it.

use super::*;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{ErrorKind, Read, Write};
use std::thread;

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
    socket2::SockRef::from(&other).set_linger(Some(std::time::Duration::ZERO)).unwrap();
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
    let mut peer = connect(&mut ws, 1);
    peer.set_nodelay(true).unwrap();
    let data = pattern(16 << 10);
    for rest in [1, 12_345, 100_000] {
        // In a thread of its own, as fast as it goes, and then silent: what is held back now would be missed here.
        let (all, writer) = (1024 * data.len() + rest, {
            let (mut peer, data) = (peer.try_clone().unwrap(), data.clone());
            thread::spawn(move || {
                (0..1024).for_each(|_| peer.write_all(&data).unwrap());
                peer.write_all(&vec![9; rest]).unwrap();
            })
        });
        let received = receive(&mut ws, 1, all);
        let (fast, last) = received.split_at(all - rest);
        assert!(fast.chunks(data.len()).all(|piece| piece == data) && last.iter().all(|byte| *byte == 9));
        writer.join().unwrap();
        // And who asks and answers by turns is answered.
        for n in 0..100 {
            peer.write_all(&[n; 50]).unwrap();
            assert_eq!(receive(&mut ws, 1, 50), [n; 50]);
            ws.send(&tcp_send(1, &[n; 50]));
            peer.read_exact(&mut [0; 50]).unwrap();
        }
    }
}
