//! Sockets come and go, by every way that there is: nothing is left of them.

use super::*;
use crate::support::http::Request;
use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

/// A peer that does to each of its sockets what the first byte asks for.
fn moody_peer() -> u16 {
    let (listener, port) = peer();
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            thread::spawn(move || {
                let mut wish = [0];
                match stream.read(&mut wish) {
                    Ok(1) if wish == *b"r" => {
                        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
                    }
                    Ok(1) if wish == *b"e" => drop(stream.write_all(b"echo")),
                    Ok(1) => drop(stream.read(&mut wish)),
                    _ => {}
                }
            });
        }
    });
    port
}

fn stats(daemon: &Daemon) -> Option<Value> {
    let response = daemon.http().call(Request::get("/stats").token(&daemon.token));
    (response.status == 200).then(|| response.json())
}

/// Cancelled before, or just after, they could connect.
const CANCELLED: std::ops::Range<u32> = 96..100;

#[test]
fn after_a_thousand_ends_nothing_is_left() {
    churn(50);
    lose(10);
}

/// Takes a minute: `cargo test --release --test e2e -- --ignored`.
#[test]
#[ignore = "takes a minute"]
fn after_ten_thousand_ends_of_every_kind_nothing_is_left() {
    churn(2_500);
    lose(500);
}

/// In each round four sockets that the peer resets, four that it closes, eight that the client closes, four that are
/// refused, and four that are cancelled.
fn churn(rounds: usize) {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    // Several, as a port that was used rests for a while.
    let ports = [(); 8].map(|()| moody_peer());
    let (nobody, closed_port) = peer();
    drop(nobody);
    let before = daemon.process().descriptors();
    for round in 0..rounds {
        let port = ports[round % ports.len()];
        for id in 0..20 {
            let port = if id % 5 == 4 { closed_port } else { port };
            ws.send(&tcp_connect(1, id, "127.0.0.1", port));
        }
        let mut open = 0;
        for _ in 0..20 {
            let answer = ws.op();
            let id = answer.u32_at(0);
            let expected = if id % 5 == 4 { (1, 111) } else { (0, 0) };
            assert_eq!(connected(&answer, id), expected);
            open += u32::from(expected.0 == 0);
        }
        for id in (0..20).filter(|id| id % 5 != 4) {
            match id % 5 {
                0 => ws.send(&tcp_send(id, b"r")),
                1 => ws.send(&tcp_send(id, b"e")),
                2 => ws.send(&tcp_close(id)),
                _ => {
                    ws.send(&tcp_send(id, b"w"));
                    ws.send(&tcp_close(id));
                }
            }
        }
        for id in CANCELLED {
            ws.send(&tcp_connect(2, id, "127.0.0.1", port));
            ws.send(&tcp_close(id));
        }
        let mut closes = 0;
        let mut cancelled = 0;
        while closes < open || cancelled < CANCELLED.len() {
            let op = ws.op();
            let id = op.u32_at(0);
            match op.opcode {
                TCP_RECV => assert_eq!((id % 5, &op.payload[4..]), (1, &b"echo"[..])),
                TCP_CONNECTED => {
                    // The cancellation may come too late.
                    let outcome = connected(&op, id);
                    assert!(outcome == (1, 125) || outcome == (0, 0), "round {round}: {outcome:?}");
                    open += u32::from(outcome.0 == 0);
                    cancelled += 1;
                }
                _ => {
                    let expected = if id.is_multiple_of(5) { (1, 104) } else { (0, 0) };
                    assert_eq!(closed(&op, id), expected);
                    closes += 1;
                }
            }
        }
    }
    until_as_before(&daemon, before);
    if let Some(stats) = stats(&daemon) {
        for counter in ["tcp_sockets", "pending_connects", "pending_tcp", "tcp_servers"] {
            assert_eq!(stats[counter], 0, "{counter}");
        }
    }
    drop(ws);
}

/// Some linger, so that what was sent last is not lost in a reset.
fn until_as_before(daemon: &Daemon, descriptors: usize) {
    let deadline = Instant::now() + crate::support::DEADLINE;
    while daemon.process().descriptors() > descriptors && Instant::now() < deadline {
        thread::yield_now();
    }
    assert_eq!(daemon.process().descriptors(), descriptors);
}

/// WebSockets that are lost take their twenty sockets along.
fn lose(websockets: usize) {
    let daemon = Daemon::start(&[]);
    let before = daemon.process().descriptors();
    for _ in 0..websockets {
        let mut ws = open(&daemon);
        let mut peers: Vec<_> = (0..20).map(|id| connect(&mut ws, id)).collect();
        drop(ws);
        for peer in &mut peers {
            assert!(matches!(peer.read(&mut [0]), Ok(0) | Err(_)));
        }
    }
    until_as_before(&daemon, before);
}

#[test]
fn names_resolve_and_failures_have_getaddrinfos_numbers() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    let (listener, port) = peer();
    // Whichever family the system prefers for it, one address answers.
    ws.send(&tcp_connect(1, 1, "localhost", port));
    assert_eq!(connected(&ws.op(), 1), (0, 0));
    let mut peer = listener.accept().unwrap().0;
    ws.send(&tcp_send(1, b"by name"));
    let mut bytes = [0; 7];
    peer.read_exact(&mut bytes).unwrap();
    peer.write_all(b"answer").unwrap();
    assert_eq!(receive(&mut ws, 1, 6), b"answer");
    drop(peer);
    assert_eq!(closed(&ws.op(), 1), (0, 0));
    drop(listener);
    let mut answer = |host: &str, port: u16| {
        ws.send(&tcp_connect(2, 2, host, port));
        connected(&ws.op(), 2)
    };
    assert_eq!(answer("localhost", port), (1, 111));
    assert_eq!(answer("localhost", daemon.port), (1, 13));
    assert_eq!(answer("bad[name", 80), (1, 22));
    let (status, errno) = answer("no-such-name.invalid", 80);
    assert!(status == 1 && errno > 0x1000, "{errno:#x}");
}

#[test]
fn a_connect_that_nobody_answers_ends_in_its_time() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    // A listener whose queue is full answers no more: its packets are dropped.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let _first: Vec<_> =
        (0..2).map_while(|_| TcpStream::connect_timeout(&address, Duration::from_millis(300)).ok()).collect();
    let payload = [&address.port().to_le_bytes()[..], b"127.0.0.1\0{\"timeoutMs\":200}"].concat();
    ws.send(&Op::new(TCP_CONNECT, 3, with_id(1, &payload)));
    assert_eq!(connected(&ws.op(), 1), (1, 110));
    ws.send(&tcp_connect(4, 1, "127.0.0.1", address.port()));
    ws.send(&tcp_close(1));
    assert_eq!(connected(&ws.op(), 1), (1, 125));
}
