//! What peers cost (PROTOCOL §6.3, §7): a client that stops reading while hundreds send, and thousands of idle sockets.

use crate::support::DEADLINE;
use crate::support::daemon::Daemon;
use crate::support::ws::{Op, Ws};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const TCP_CONNECT: u8 = 0x10;
const TCP_CONNECTED: u8 = 0x11;
const TCP_RECV: u8 = 0x13;
const TCP_CLOSE: u8 = 0x14;
/// What the daemon may have resident meanwhile.
const STALLED_KIB_MAX: u64 = 48 << 10;
/// What 5,000 idle sockets may add.
const IDLE_KIB_MAX: u64 = 16 << 10;
const IDLE_SOCKETS: u32 = 5_000;

fn connect(ws: &mut Ws, id: u32, port: u16) {
    let payload = [&id.to_le_bytes()[..], &port.to_le_bytes(), b"127.0.0.1"].concat();
    ws.send(&Op::new(TCP_CONNECT, 1, payload));
}

/// Bytes that tell a wrong peer, place or order: a table whose length is a prime, from a place of each peer's own.
struct Pattern(Vec<u8>);

impl Pattern {
    const LEN: usize = 65_521;

    fn new() -> Arc<Pattern> {
        let bytes = (0..Pattern::LEN as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8);
        Arc::new(Pattern(bytes.collect()))
    }

    /// What follows, at least one byte of it.
    fn at(&self, id: u32, at: u64) -> &[u8] {
        &self.0[(at as usize + id as usize * 977) % Pattern::LEN..]
    }

    fn is_right(&self, id: u32, mut at: u64, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let right = self.at(id, at);
            let n = right.len().min(bytes.len());
            if bytes[..n] != right[..n] {
                return false;
            }
            (at, bytes) = (at + n as u64, &bytes[n..]);
        }
        true
    }
}

/// Sends the pattern of its number until it is told to end, and says how much that was.
fn speak(mut peer: TcpStream, pattern: &Pattern, total: &AtomicU64, over: &AtomicU64) -> u64 {
    let mut id = [0; 4];
    peer.read_exact(&mut id).unwrap();
    let id = u32::from_le_bytes(id);
    // What the kernel holds is not what is measured.
    socket2::SockRef::from(&peer).set_send_buffer_size(64 << 10).unwrap();
    peer.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut sent = 0_u64;
    while over.load(Ordering::Relaxed) == 0 {
        match peer.write(pattern.at(id, sent)) {
            Ok(n) => {
                sent += n as u64;
                total.fetch_add(n as u64, Ordering::Relaxed);
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => panic!("peer {id}: {error}"),
        }
    }
    sent
}

/// Waits until peers can send no more: the daemon has stopped reading them, and the kernel's buffers are full.
fn until_nothing_moves(total: &AtomicU64) -> u64 {
    let deadline = Instant::now() + 3 * DEADLINE;
    let (mut before, mut still) = (0, 0);
    while still < 10 {
        assert!(Instant::now() < deadline, "peers are read though the client reads nothing");
        thread::park_timeout(Duration::from_millis(100));
        let now = total.load(Ordering::Relaxed);
        still = if now == before { still + 1 } else { 0 };
        before = now;
    }
    before
}

#[test]
fn a_client_that_stops_reading_costs_little_and_loses_nothing() {
    const PEERS: u32 = 200;
    let daemon = Daemon::start(&[]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let pattern = Pattern::new();
    let (total, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut ws = Ws::authenticated(daemon.port, &daemon.token, "s");
    let mut speakers = Vec::new();
    for id in 0..PEERS {
        connect(&mut ws, id, port);
        let peer = listener.accept().unwrap().0;
        assert_eq!(ws.op_of(TCP_CONNECTED).payload[4], 0);
        let (pattern, total, over) = (pattern.clone(), total.clone(), over.clone());
        speakers.push(thread::spawn(move || speak(peer, &pattern, &total, &over)));
    }
    // They begin when they know who they are; from here on the client reads nothing.
    for id in 0..PEERS {
        ws.send(&Op::new(0x12, 0, [id.to_le_bytes(), id.to_le_bytes()].concat()));
    }
    let stalled = until_nothing_moves(&total);
    let resident = daemon.process().status("VmHWM");
    println!("{stalled} bytes of {PEERS} peers wait, VmHWM {resident} KiB (bound {STALLED_KIB_MAX} KiB)");
    assert!(resident <= STALLED_KIB_MAX, "{resident} KiB");
    // It goes on: everything comes, each peer's in order, and one close for each.
    over.store(1, Ordering::Relaxed);
    let mut received = vec![0_u64; PEERS as usize];
    let mut closed = 0;
    while closed < PEERS {
        let op = ws.op();
        let id = op.u32_at(0);
        let got = &mut received[id as usize];
        match op.opcode {
            TCP_RECV => {
                assert!(pattern.is_right(id, *got, &op.payload[4..]), "peer {id} after {got} bytes");
                *got += op.payload.len() as u64 - 4;
            }
            TCP_CLOSE => closed += 1,
            other => panic!("{other:#x}"),
        }
    }
    // A peer that was in the middle of a block may have sent a little more after it was told.
    let sent: u64 = speakers.into_iter().map(|speaker| speaker.join().unwrap()).sum();
    assert_eq!(received.iter().sum::<u64>(), sent);
}

#[test]
fn idle_sockets_cost_little() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let all = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, all);
    let enough = limit.maximum.is_none_or(|maximum| maximum > 2 * u64::from(IDLE_SOCKETS) + 100);
    if !enough {
        return println!("skipped: needs {} descriptors", 2 * IDLE_SOCKETS + 100);
    }
    let daemon = Daemon::start(&[]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut ws = Ws::authenticated(daemon.port, &daemon.token, "s");
    let mut peers = Vec::new();
    let mut open = |ws: &mut Ws, ids: std::ops::Range<u32>| {
        for first in ids.step_by(50) {
            (first..first + 50).for_each(|id| connect(ws, id, port));
            for _ in 0..50 {
                peers.push(listener.accept().unwrap().0);
                assert_eq!(ws.op_of(TCP_CONNECTED).payload[4], 0);
            }
        }
    };
    // What the first ones cost is the code that serves them.
    open(&mut ws, 0..50);
    let before = daemon.process().status("VmRSS");
    open(&mut ws, 50..IDLE_SOCKETS + 50);
    let after = daemon.process().status("VmRSS");
    println!("{IDLE_SOCKETS} idle sockets: {} KiB more than {before} KiB", after - before);
    assert!(after - before <= IDLE_KIB_MAX, "{} KiB", after - before);
}

#[test]
fn peers_that_take_nothing_cost_no_more_than_may_and_hold_up_their_own_client_only() {
    const PEERS: u32 = 16;
    const EACH_BYTES: usize = 16 << 20;
    let daemon = Daemon::start(&[]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // Neither client has windows: only the daemon's own bounds hold.
    let mut greedy = Ws::authenticated(daemon.port, &daemon.token, "greedy");
    let mut silent = Vec::new();
    for id in 0..PEERS {
        connect(&mut greedy, id, port);
        silent.push(listener.accept().unwrap().0);
        assert_eq!(greedy.op_of(TCP_CONNECTED).payload[4], 0);
    }
    let mut other = Ws::authenticated(daemon.port, &daemon.token, "other");
    connect(&mut other, 1, port);
    let mut echo = listener.accept().unwrap().0;
    assert_eq!(other.op_of(TCP_CONNECTED).payload[4], 0);
    let sender = thread::spawn(move || {
        let piece = vec![7; 1 << 20];
        for n in 0..EACH_BYTES / piece.len() * PEERS as usize {
            let id = n as u32 % PEERS;
            greedy.send(&Op::new(0x12, 0, [&id.to_le_bytes()[..], &piece].concat()));
        }
        // Those that took nothing while they held up the rest were given up.
        let closed = greedy.op_of(TCP_CLOSE);
        assert_eq!((closed.payload[4], closed.u32_at(5)), (1, 110));
    });
    let (mut rounds, mut longest) = (0, Duration::ZERO);
    while !sender.is_finished() {
        let begun = Instant::now();
        other.send(&Op::new(0x12, 0, [&1_u32.to_le_bytes()[..], &[5; 1000]].concat()));
        let mut bytes = [0; 1000];
        echo.read_exact(&mut bytes).unwrap();
        echo.write_all(&bytes).unwrap();
        assert_eq!(other.op_of(TCP_RECV).payload.len(), 4 + 1000);
        longest = longest.max(begun.elapsed());
        rounds += 1;
    }
    sender.join().unwrap();
    let resident = daemon.process().status("VmHWM");
    println!(
        "{rounds} rounds meanwhile, the longest took {longest:?}; VmHWM {resident} KiB (bound {} KiB)",
        96 << 10
    );
    assert!(longest < Duration::from_secs(2), "{longest:?}");
    assert!(resident <= 96 << 10, "{resident} KiB");
}
