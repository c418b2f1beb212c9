//! Each call on a socket fails once, by what the system may say of it: a client may lose that connection, and is served
//! when it tries again; the daemon goes on, and nothing is left open.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::calls::{Calls, Wish};
use crate::pattern::whole;
use crate::quiet;
use crate::support::DEADLINE;
use crate::support::daemon::{Daemon, Home};
use crate::support::http::Request;
use crate::support::ws::{Op, Ws};

const BYTES: usize = 1 << 20;
/// Tries of one step: the first may be hit itself, the second while the daemon lets go of the first.
const TRIES: usize = 4;

/// Calls of one name in one step that have their turn: those that follow are like them.
const NTH_MAX: usize = 4;

/// What the system may say, by the name of the call.
const ERRORS: &[(&str, &[i32])] = &[
    ("accept4", &[libc::EMFILE, libc::ENOMEM, libc::ECONNABORTED]),
    ("bind", &[libc::EADDRINUSE]),
    ("connect", &[libc::ENETUNREACH]),
    ("epoll_ctl", &[libc::ENOMEM]),
    ("getsockname", &[libc::ENOBUFS]),
    ("getsockopt", &[libc::ENOBUFS]),
    ("listen", &[libc::EADDRINUSE]),
    ("recvfrom", &[libc::ECONNRESET, libc::ENOMEM]),
    ("recvmsg", &[libc::ENOMEM]),
    ("setsockopt", &[libc::ENOBUFS]),
    ("socket", &[libc::EMFILE, libc::ENOBUFS]),
];

type Step = (&'static str, fn(&Daemon));

fn open(daemon: &Daemon) -> Ws {
    Ws::authenticated(daemon.port, &daemon.token, "s")
}

/// The next message, which must have this opcode: a TCP_CLOSE may come in its place.
fn next(ws: &mut Ws, opcode: u8) -> Op {
    let op = ws.op();
    assert_eq!(op.opcode, opcode, "{op:?}");
    op
}

fn requests(daemon: &Daemon) {
    let mut http = daemon.http();
    for _ in 0..2 {
        http.call(Request::post("/control/ping").token(&daemon.token)).expect(200);
    }
    let read = Request::get("/read/main").field("X-Path-Base64", "ZmlsZQ==").token(&daemon.token);
    assert!(http.call(read).expect(200).body == whole(1, BYTES as u64), "the file");
    let hash = Request::post("/hash/sha1").token(&daemon.token).body(whole(1, 300_000));
    assert_eq!(http.call(hash).expect(200).body.len(), 20);
}

fn connecting(daemon: &Daemon) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let mut ws = open(daemon);
    ws.send(&Op::new(0x10, 1, [&1_u32.to_le_bytes()[..], &port.to_le_bytes(), b"127.0.0.1"].concat()));
    assert_eq!(next(&mut ws, 0x11).payload[4], 0);
    let (mut peer, _) = listener.accept().expect("a peer");
    peer.set_read_timeout(Some(DEADLINE)).expect("a time");
    ws.send(&Op::new(0x12, 0, [&1_u32.to_le_bytes()[..], b"there"].concat()));
    peer.read_exact(&mut [0; 5]).expect("what was sent");
    peer.write_all(b"back").expect("an open connection");
    assert_eq!(next(&mut ws, 0x13).payload[4..], *b"back");
    ws.send(&Op::new(0x14, 0, 1_u32.to_le_bytes()));
    assert_eq!(next(&mut ws, 0x14).payload[4], 0);
    ws.close();
}

fn listening(daemon: &Daemon) {
    let mut ws = open(daemon);
    ws.send(&Op::new(0x15, 1, [&2_u32.to_le_bytes()[..], &[0, 0], b"127.0.0.1"].concat()));
    let bound = next(&mut ws, 0x16);
    assert_eq!(bound.payload[4], 0);
    let port = u16::from_le_bytes([bound.payload[5], bound.payload[6]]);
    let mut peer = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    peer.write_all(b"hello").expect("an open connection");
    assert_eq!(next(&mut ws, 0x17).u32_at(0), 2);
    assert_eq!(next(&mut ws, 0x13).payload[4..], *b"hello");
    ws.close();
}

fn datagrams(daemon: &Daemon) {
    let peer = UdpSocket::bind("127.0.0.1:0").expect("a port");
    peer.set_read_timeout(Some(DEADLINE / 40)).expect("a time");
    let to = peer.local_addr().expect("an address").port();
    let mut ws = open(daemon);
    ws.send(&Op::new(0x20, 1, [&3_u32.to_le_bytes()[..], &[0, 0], b"127.0.0.1"].concat()));
    assert_eq!(next(&mut ws, 0x21).payload[4], 0);
    let head = [&3_u32.to_le_bytes()[..], &to.to_le_bytes(), &9_u16.to_le_bytes(), b"127.0.0.1"].concat();
    ws.send(&Op::new(0x22, 0, [&head[..], b"there"].concat()));
    let mut bytes = [0; 16];
    let (count, from) = peer.recv_from(&mut bytes).expect("a datagram that was not dropped");
    assert_eq!(&bytes[..count], b"there");
    peer.send_to(b"back", from).expect("a datagram");
    assert!(next(&mut ws, 0x23).payload.ends_with(b"back"));
    ws.close();
}

const STEPS: &[Step] =
    &[("requests", requests), ("connecting", connecting), ("listening", listening), ("datagrams", datagrams)];

/// Places that had their turn, those of this try, and what was hit in it.
#[derive(Default)]
struct Course {
    step: &'static str,
    seen: Vec<&'static str>,
    done: BTreeSet<(&'static str, &'static str, usize, i32)>,
    hit: bool,
    /// The call that was hit last, for whoever reads of a failure.
    last: Option<(&'static str, usize, i32)>,
}

impl Course {
    fn begin(&mut self, step: &'static str) {
        self.seen.clear();
        (self.step, self.hit) = (step, false);
    }

    /// The error that it is this call's turn to find.
    fn error(&mut self, name: &'static str) -> Option<i32> {
        let (_, errors) = ERRORS.iter().find(|(known, _)| *known == name)?;
        let nth = self.seen.iter().filter(|seen| **seen == name).count();
        self.seen.push(name);
        if self.hit || nth >= NTH_MAX {
            return None;
        }
        let error = errors.iter().find(|error| self.done.insert((self.step, name, nth, **error)))?;
        self.hit = true;
        self.last = Some((name, nth, *error));
        Some(*error)
    }
}

#[test]
fn each_call_on_a_socket_fails_once_and_the_next_client_is_served() {
    let Some((daemon, calls)) = Calls::start(Home::new(), &[]) else { return };
    std::fs::write(daemon.home.root().join("file"), whole(1, BYTES as u64)).expect("room");
    let course = Arc::new(Mutex::new(Course::default()));
    let shared = Arc::clone(&course);
    calls.judge(move |call| match shared.lock().expect("a course").error(call.name) {
        Some(errno) => Wish::Fail(errno),
        None => Wish::Pass,
    });
    let mut lost = 0;
    for (step, attempt) in STEPS {
        loop {
            course.lock().expect("a course").begin(step);
            let served = (0..TRIES).position(|_| {
                let began = Instant::now();
                let outcome = catch_unwind(AssertUnwindSafe(|| attempt(&daemon)));
                let last = course.lock().expect("a course").last;
                assert!(began.elapsed() < DEADLINE / 2, "{step} hangs after {last:?}");
                outcome.is_ok()
            });
            lost += served.unwrap_or_else(|| {
                panic!("{step} is not served any more after {:?}", course.lock().map(|course| course.last))
            });
            if !course.lock().expect("a course").hit {
                break;
            }
        }
    }
    calls.judge(|_| Wish::Pass);
    let struck = course.lock().expect("a course").done.len();
    quiet(&daemon, usize::MAX);
    println!("{struck} failures of calls on sockets: {lost} connections were lost, each next one was served");
}
