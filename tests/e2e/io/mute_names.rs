//! Names that never resolve, with a real resolver and a nameserver that says nothing: they hold up nobody.

use super::*;
use crate::support::daemon::{BINARY, Home, INSTALL_ID};
use crate::support::http::Request;
use std::io::{Read, Write};
use std::net::UdpSocket;
use std::process::Command;
use std::time::{Duration, Instant};

const UDP_BIND: u8 = 0x20;
const UDP_BOUND: u8 = 0x21;
const UDP_SEND: u8 = 0x22;
/// Where the mute nameserver is.
const MUTE: &str = "127.0.0.77";
/// Far more than is seen, and far less than a resolver takes to give up.
const PROMPT: Duration = Duration::from_millis(1_500);

/// A daemon whose resolver asks the mute nameserver, in a mount namespace of its own. `None` where that may not be.
fn daemon_that_asks_nobody() -> Option<(Daemon, UdpSocket)> {
    let mute = UdpSocket::bind((MUTE, 53)).ok()?;
    let unshared = Command::new("unshare").args(["-m", "true"]).status();
    if !unshared.is_ok_and(|status| status.success()) {
        return None;
    }
    let home = Home::new();
    let conf = home.path("resolv.conf");
    std::fs::write(&conf, format!("nameserver {MUTE}\n")).unwrap();
    let mut command = home.prepared(Command::new("unshare"));
    command.args(["-m", "--propagation", "private", "sh", "-c"]);
    command.arg("mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"").arg(conf).arg(BINARY);
    command.args(["--install-id", INSTALL_ID]);
    Some((Daemon::spawn(home, command), mute))
}

fn udp_send(id: u32, port: u16, addr: &str) -> Op {
    let len = (addr.len() as u16).to_le_bytes();
    Op::new(UDP_SEND, 0, with_id(id, &[&port.to_le_bytes()[..], &len, addr.as_bytes(), b"x"].concat()))
}

#[test]
fn names_that_never_resolve_hold_up_nothing() {
    let Some((daemon, mute)) = daemon_that_asks_nobody() else {
        return println!("skipped: needs root, port 53 of {MUTE} and a mount namespace");
    };
    mute.set_read_timeout(Some(crate::support::DEADLINE)).unwrap();
    let mut ws = open(&daemon);
    let mut echo = connect(&mut ws, 1_000);
    ws.send(&Op::new(UDP_BIND, 7, with_id(1_001, &[0, 0])));
    ws.op_of(UDP_BOUND);
    for n in 0..3 {
        ws.send(&udp_send(1_001, 9, &format!("mute{n}.example")));
    }
    for n in 0..600 {
        ws.send(&tcp_connect(2, n, &format!("never{n}.example"), 80));
    }
    // They are being asked for: the resolver's questions arrive, and are not answered.
    mute.recv(&mut [0; 512]).expect("a question");
    let (good, port) = peer();
    let began = Instant::now();
    ws.send(&tcp_send(1_000, b"ping"));
    let mut bytes = [0; 4];
    echo.read_exact(&mut bytes).unwrap();
    echo.write_all(b"pong").unwrap();
    assert_eq!(receive(&mut ws, 1_000, 4), b"pong");
    let echoed = began.elapsed();
    let began = Instant::now();
    let write = Request::post("/write/main").token(&daemon.token).field("X-Path-Base64", "Zg==");
    daemon.http().call(write.body("bytes")).expect(200);
    let written = began.elapsed();
    let began = Instant::now();
    ws.send(&tcp_connect(3, 700, "localhost", port));
    assert_eq!(connected(&ws.op(), 700), (0, 0));
    let _peer = good.accept().unwrap();
    let resolved = began.elapsed();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_read_timeout(Some(crate::support::DEADLINE)).unwrap();
    let began = Instant::now();
    ws.send(&udp_send(1_001, udp.local_addr().unwrap().port(), "localhost"));
    udp.recv(&mut [0; 8]).unwrap();
    let sent = began.elapsed();
    println!(
        "with 603 names stuck: echo {echoed:?}, file write {written:?}, connect {resolved:?}, datagram {sent:?}"
    );
    assert!([echoed, written, resolved, sent].iter().all(|took| *took < PROMPT));
    // Closing them ends what they wait for at once.
    for n in 0..600 {
        ws.send(&tcp_close(n));
    }
    for _ in 0..600 {
        let answer = ws.op();
        assert_eq!((answer.opcode, answer.payload[4], answer.u32_at(5)), (TCP_CONNECTED, 1, 125));
    }
}
