//! The system has no memory for a while: what needs none is answered, what needs some waits, and all goes on as soon as
//! there is some, without a new event.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::json;
use sha1::{Digest, Sha1};

use crate::calls::{Calls, Wish};
use crate::pattern::whole;
use crate::support::daemon::Home;
use crate::support::http::{Http, Request};
use crate::support::ws::{Op, Ws};

const BYTES: usize = 1 << 20;
/// One of the daemon's buffers, each a map of its own.
const BUFFER: &str = "/memory/262144";
/// Times that the system refuses before it has memory again.
const REFUSALS: usize = 3;

/// A client that needs memory, to its end.
type Client = fn(&Target, u32);

/// Where the daemon is, for clients in threads of their own.
struct Target {
    port: u16,
    token: String,
}

impl Target {
    fn http(&self) -> Http {
        Http::connect(self.port)
    }
}

fn patch(daemon: &Target, file: u32, fields: &[(&str, &str)]) {
    let mut request = Request::new("PATCH", &format!("/files/{file}/write?offset=0"));
    for (name, value) in fields {
        request = request.field(name, value);
    }
    let request = request.token(&daemon.token).session("s").body(whole(1, BYTES as u64));
    assert_eq!(daemon.http().call(request).expect(200).json()["written"], BYTES);
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha1::digest(bytes))
}

const CLIENTS: &[(&str, Client)] = &[
    ("write", |daemon, file| patch(daemon, file, &[])),
    ("checked write", |daemon, file| {
        patch(daemon, file, &[("X-Expected-SHA1", &hex(&whole(1, BYTES as u64)))]);
    }),
    ("hash", |daemon, _| {
        let bytes = whole(1, BYTES as u64);
        let request = Request::post("/hash/sha1").token(&daemon.token).body(&bytes[..]);
        assert_eq!(daemon.http().call(request).expect(200).body[..], Sha1::digest(&bytes)[..]);
    }),
    ("write by message", |daemon, file| {
        let mut ws = Ws::authenticated(daemon.port, &daemon.token, "s");
        let head = [&file.to_le_bytes()[..], &[0; 8], &[0]].concat();
        ws.send(&Op::new(0x42, 1, [head, whole(1, BYTES as u64)].concat()));
        assert_eq!(ws.op().payload[4], 0);
        ws.close();
    }),
    ("read by message", |daemon, _| {
        let open = json!({"root": "main", "path": "there"});
        let open = Request::post("/files/open").token(&daemon.token).session("s").json(&open);
        let file = daemon.http().call(open).expect(200).json()["fileId"].as_u64().expect("a number") as u32;
        let mut ws = Ws::authenticated(daemon.port, &daemon.token, "s");
        let payload = [&file.to_le_bytes()[..], &[0; 8], &(BYTES as u32).to_le_bytes()].concat();
        ws.send(&Op::new(0x40, 1, payload));
        assert!(ws.op().payload[9..] == whole(2, BYTES as u64), "what is there");
        ws.close();
    }),
    ("a peer both ways", |daemon, _| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let mut ws = Ws::authenticated(daemon.port, &daemon.token, "s");
        ws.send(&Op::new(0x10, 1, [&1_u32.to_le_bytes()[..], &port.to_le_bytes(), b"127.0.0.1"].concat()));
        assert_eq!(ws.op().payload[4], 0);
        let (mut peer, _) = listener.accept().expect("a peer");
        let bytes = whole(1, BYTES as u64);
        ws.send(&Op::new(0x12, 0, [&1_u32.to_le_bytes()[..], &bytes].concat()));
        let echo = thread::spawn(move || {
            let mut got = vec![0; BYTES];
            peer.read_exact(&mut got).expect("all of it");
            peer.write_all(&got).expect("an open connection");
        });
        let mut got: Vec<u8> = Vec::new();
        while got.len() < BYTES {
            got.extend(&ws.op_of(0x13).payload[4..]);
        }
        assert!(got == bytes, "what came back");
        echo.join().expect("an echo");
        ws.close();
    }),
];

#[test]
fn without_memory_others_are_answered_and_then_all_goes_on() {
    for (what, client) in CLIENTS {
        let Some((daemon, calls)) = Calls::start(Home::new(), &[]) else { return };
        std::fs::write(daemon.home.root().join("there"), whole(2, BYTES as u64)).expect("room");
        let refusals = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&refusals);
        calls.judge(move |call| match call.path == Path::new(BUFFER) {
            true if count.fetch_add(1, Ordering::SeqCst) < REFUSALS => Wish::Fail(libc::ENOMEM),
            _ => Wish::Pass,
        });
        let open = json!({"root": "main", "path": "file", "write": true, "create": true});
        let open = Request::post("/files/open").token(&daemon.token).session("s").json(&open);
        let file = daemon.http().call(open).expect(201).json()["fileId"].as_u64().expect("a number");
        let target = Target { port: daemon.port, token: daemon.token.clone() };
        let at_work = thread::spawn(move || client(&target, file as u32));
        let mut answered = 0;
        while !at_work.is_finished() {
            daemon.http().call(Request::post("/control/ping").token(&daemon.token)).expect(200);
            answered += 1;
        }
        at_work.join().unwrap_or_else(|_| panic!("{what} does not go on"));
        let refused = refusals.load(Ordering::SeqCst).min(REFUSALS);
        assert!(refused > 0, "{what} needs no memory");
        println!(
            "{what}: {refused} times no memory; {answered} other requests were answered meanwhile, then it went on"
        );
        let close = Request::post(&format!("/files/{file}/close")).token(&daemon.token).session("s");
        daemon.http().call(close).expect(200);
    }
}
