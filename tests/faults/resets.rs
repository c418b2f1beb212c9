//! Clients that vanish by a reset, at every state of HTTP and `/io`: nothing is left of them, and others are served.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::frames::{BINARY, CONTINUATION, fragment, frame, upgraded};
use crate::quiet;
use crate::support::DEADLINE;
use crate::support::daemon::Daemon;
use crate::support::http::{Http, Request};
use crate::support::ws::Op;

/// How often at each state: the kernel and the daemon's threads have their own time.
const TIMES: usize = 3;
const BIG: u64 = 32 << 20;

/// What the states need: a daemon with some files, and a peer.
struct Scene {
    daemon: Daemon,
    peer: TcpListener,
    /// A file to write to, a large one to read, and one whose bytes never come.
    files: [u64; 3],
}

type State = (&'static str, fn(&Scene) -> Vec<TcpStream>);

impl Scene {
    fn new() -> Scene {
        let daemon = Daemon::start(&[]);
        std::fs::File::create(daemon.home.root().join("big")).expect("a file").set_len(BIG).expect("room");
        let open = |path: &str, write: bool, is_deferred: bool| {
            let body = json!({"root": "main", "path": path, "write": write, "create": write, "deferred": is_deferred});
            let request = Request::post("/files/open").token(&daemon.token).session("keeper").json(&body);
            daemon.http().call(request).json()["fileId"].as_u64().expect("a number")
        };
        let files = [open("file", true, false), open("big", false, false), open("big", false, true)];
        Scene { daemon, peer: TcpListener::bind("127.0.0.1:0").expect("a port"), files }
    }

    /// A connection on which this was sent.
    fn sent(&self, bytes: &[u8]) -> Vec<TcpStream> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.daemon.port)).expect("a connection");
        stream.write_all(bytes).expect("an open connection");
        vec![stream]
    }

    /// A head with the token, of the session that has the files.
    fn head(&self, method: &str, target: &str, fields: &[(&str, &str)]) -> Vec<u8> {
        let mut request = Request::new(method, target).token(&self.daemon.token).session("keeper");
        for (name, value) in fields {
            request = request.field(name, value);
        }
        request.bytes(self.daemon.port)
    }

    /// The same, after its answer began.
    fn answering(&self, bytes: &[u8]) -> Vec<TcpStream> {
        let mut streams = self.sent(bytes);
        streams[0].read_exact(&mut [0; 1]).expect("an answer");
        streams
    }

    fn write_target(&self) -> String {
        format!("/files/{}/write?offset=0", self.files[0])
    }

    fn hash(&self, accept: &str) -> Vec<u8> {
        let ranges = json!([{"fileId": self.files[1], "offset": 0, "length": 4 << 20}]);
        let body = json!({"algorithm": "sha1", "fileRanges": ranges, "chunkSize": 65_536});
        let request = Request::post("/hash/from-file").token(&self.daemon.token).session("keeper");
        request.field("Accept", accept).json(&body).bytes(self.daemon.port)
    }

    /// A connection to `/io` on which these frames were sent.
    fn io(&self, frames: &[Vec<u8>]) -> Vec<TcpStream> {
        let mut stream = upgraded(&self.daemon, Some("keeper"));
        stream.write_all(&frames.concat()).expect("an open connection");
        vec![stream]
    }

    /// TCP_CONNECT to a port of this machine, or to nowhere.
    fn connect(&self, host: &str, port: u16) -> Vec<u8> {
        message(0x10, &[&1_u32.to_le_bytes()[..], &port.to_le_bytes(), host.as_bytes()].concat())
    }

    fn file_message(&self, opcode: u8, file: u64, rest: &[u8]) -> Vec<u8> {
        message(opcode, &[&(file as u32).to_le_bytes()[..], &[0; 8], rest].concat())
    }

    /// A socket that is connected and has data on its way both ways.
    fn connected(&self) -> Vec<TcpStream> {
        let port = self.peer.local_addr().expect("an address").port();
        let send = message(0x12, &[&1_u32.to_le_bytes()[..], &[7; 100_000]].concat());
        let mut streams = self.io(&[self.connect("127.0.0.1", port)]);
        streams[0].read_exact(&mut [0; 2 + 8 + 9]).expect("TCP_CONNECTED");
        let (mut peer, _) = self.peer.accept().expect("a peer");
        streams[0].write_all(&send).expect("an open connection");
        peer.write_all(&[7; 100_000]).expect("an open connection");
        streams.push(peer);
        streams
    }
}

/// A binary message in one frame.
fn message(opcode: u8, payload: &[u8]) -> Vec<u8> {
    frame(BINARY, &Op::new(opcode, 1, payload).bytes())
}

const STATES: &[State] = &[
    ("connected", |s| s.sent(b"")),
    ("in the request line", |s| s.sent(b"GET /hea")),
    ("in a field", |s| s.sent(b"GET /health HTTP/1.1\r\nHost: 127")),
    ("after a request", |s| s.sent(&s.head("GET", "/roots", &[]))),
    ("after fifty requests", |s| s.sent(&s.head("GET", "/stats", &[]).repeat(50))),
    ("after an answer", |s| s.answering(&s.head("GET", "/roots", &[]))),
    ("in a body", |s| {
        let head = s.head("PATCH", &s.write_target(), &[("Content-Length", "1000000")]);
        s.sent(&[head, vec![1; 300_000]].concat())
    }),
    ("in a chunk", |s| {
        let head = s.head("PATCH", &s.write_target(), &[("Transfer-Encoding", "chunked")]);
        s.sent(&[&head, &b"5\r\nhello\r\n40000\r\nhal"[..]].concat())
    }),
    ("in a checked body", |s| {
        let digest = "0".repeat(40);
        let fields = [("Content-Length", "1000000"), ("X-Expected-SHA1", digest.as_str())];
        s.sent(&[s.head("PATCH", &s.write_target(), &fields), vec![1; 300_000]].concat())
    }),
    ("in a body to be hashed", |s| {
        s.sent(&[s.head("POST", "/hash/sha1", &[("Content-Length", "9000000")]), vec![1; 900_000]].concat())
    }),
    ("before a body", |s| {
        s.answering(&s.head("POST", "/hash/sha1", &[("Content-Length", "5"), ("Expect", "100-continue")]))
    }),
    ("in the body of a write by name", |s| {
        let fields = [("Content-Length", "1000000"), ("X-Path-Base64", "bmV3")];
        s.sent(&[s.head("POST", "/write/main", &fields), vec![1; 300_000]].concat())
    }),
    ("in an answer", |s| s.answering(&s.head("GET", &format!("/files/{}/read", s.files[1]), &[]))),
    ("in a stream", |s| s.answering(&s.head("GET", &format!("/stream/{}", s.files[1]), &[]))),
    ("in several ranges", |s| {
        let range = [("Range", "bytes=0-9999999,20000000-29999999")];
        s.answering(&s.head("GET", &format!("/stream/{}", s.files[1]), &range))
    }),
    ("in a stream that waits", |s| s.answering(&s.head("GET", &format!("/stream/{}", s.files[2]), &[]))),
    ("while a file is hashed", |s| s.sent(&s.hash("application/json"))),
    ("in lines of digests", |s| s.answering(&s.hash("application/x-ndjson"))),
    ("before an upgrade is answered", |s| {
        let fields = [
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        s.sent(&s.head("GET", "/io", &fields))
    }),
    ("upgraded, a stranger", |s| vec![upgraded(&s.daemon, None)]),
    ("upgraded", |s| s.io(&[])),
    ("after a hello", |s| s.io(&[message(0x01, br#"{"features":["credit","batch","range"]}"#)])),
    ("in a frame's head", |s| s.io(&[vec![0x82]])),
    ("in a message", |s| {
        let write = s.file_message(0x42, s.files[0], &[0].repeat(1_000_001));
        s.io(&[write[..500_000].to_vec()])
    }),
    ("between fragments", |s| {
        let bytes = Op::new(0x42, 1, [&(s.files[0] as u32).to_le_bytes()[..], &[0; 5]].concat()).bytes();
        s.io(&[fragment(BINARY, &bytes, false), fragment(CONTINUATION, &[0; 100], false)])
    }),
    ("in a batch", |s| s.io(&[message(0x01, br#"{"features":["batch"]}"#), message(0x50, &[9, 0, 0, 0, 1])])),
    ("after a write by message", |s| s.io(&[s.file_message(0x42, s.files[0], &[0].repeat(300_001))])),
    ("in answers to reads by message", |s| {
        let read = s.file_message(0x40, s.files[1], &(16_u32 << 20).to_le_bytes());
        let mut streams = s.io(&[read.repeat(4)]);
        streams[0].read_exact(&mut [0; 1]).expect("an answer");
        streams
    }),
    // An address of TEST-NET-1 (RFC 5737), where nobody is.
    ("while connecting", |s| s.io(&[s.connect("192.0.2.1", 9)])),
    ("while a name is looked up", |s| s.io(&[s.connect("nobody.invalid", 9)])),
    ("with a socket", |s| s.connected()),
    ("with a socket that listens", |s| {
        s.io(&[message(0x15, &[&2_u32.to_le_bytes()[..], &[0, 0], b"127.0.0.1"].concat())])
    }),
    ("with a datagram socket", |s| s.io(&[message(0x20, &[&3_u32.to_le_bytes()[..], &[0, 0]].concat())])),
    ("in a handshake of TLS", |s| {
        let mut streams = s.connected();
        let secure = message(0x19, &[&1_u32.to_le_bytes()[..], &[1], b"localhost"].concat());
        streams[0].write_all(&secure).expect("an open connection");
        streams
    }),
];

/// Closes at once, with RST.
fn reset(stream: &TcpStream) {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).expect("an option");
}

#[test]
fn a_reset_at_every_state_leaves_nothing_behind() {
    let scene = Scene::new();
    let mut http = scene.daemon.http();
    let check = |http: &mut Http| -> Value {
        let request = Request::get(&format!("/files/{}/read?offset=0&length=10", scene.files[1]));
        let answer = http.call(request.token(&scene.daemon.token).session("keeper")).expect(200);
        assert_eq!(answer.body, [0; 10]);
        http.call(Request::get("/stats").token(&scene.daemon.token)).expect(200).json()
    };
    check(&mut http);
    for (state, bring_about) in STATES {
        for _ in 0..TIMES {
            let streams = bring_about(&scene);
            streams.iter().for_each(reset);
            drop(streams);
            // A job that was under way comes to its end, and its file is closed behind it.
            let deadline = Instant::now() + DEADLINE;
            let mut stats = check(&mut http);
            while stats["files"]["open"] != 3 {
                assert!(Instant::now() < deadline, "{state}: {stats}");
                stats = check(&mut http);
            }
        }
    }
    drop(http);
    let mut http = scene.daemon.http();
    for id in scene.files {
        let close = Request::post(&format!("/files/{id}/close"));
        http.call(close.token(&scene.daemon.token).session("keeper")).expect(200);
    }
    drop(http);
    quiet(&scene.daemon, usize::MAX);
    println!("{} states, {} resets: nothing is left behind", STATES.len(), STATES.len() * TIMES);
}
