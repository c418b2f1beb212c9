//! Clients that flood the daemon with what costs them little: connections, bytes one by one, pings, fragments, messages for
//! nobody, calls of other sites. Beside each flood a well-behaved client works on, and every request of it must succeed;
//! the daemon's memory stays below what the contract grants it.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use serde_json::{Value, json};

use crate::frames::{BINARY, CONTINUATION, PING, fragment, frame, upgraded};
use crate::pattern::whole;
use crate::quiet;
use crate::support::DEADLINE;
use crate::support::daemon::Daemon;
use crate::support::http::{Http, Request};
use crate::support::ws::{Op, Ws};

/// What the daemon may hold, in KiB (PROTOCOL §7), and its code and stacks in a build without optimisation.
const RESIDENT_KIB_MAX: u64 = (96 + 16) << 10;
const TCP_SEND: u8 = 0x12;
const FILE_READ: u8 = 0x40;
const FILE_WRITE: u8 = 0x42;
const ERROR: u8 = 0x7F;

/// A well-behaved client at work.
struct Witness {
    is_over: Arc<AtomicBool>,
    rounds: JoinHandle<u64>,
}

impl Witness {
    fn start(daemon: &Daemon) -> Witness {
        let is_over = Arc::new(AtomicBool::new(false));
        let (port, token, end) = (daemon.port, daemon.token.clone(), Arc::clone(&is_over));
        let rounds = thread::spawn(move || work(port, &token, &end));
        Witness { is_over, rounds }
    }

    /// Ends the flood's story: what the witness did meanwhile, and that all is well.
    fn tell(self, daemon: &Daemon, flood: &str) {
        self.is_over.store(true, Ordering::SeqCst);
        let rounds = self.rounds.join().expect("the well-behaved client was served");
        quiet(daemon, usize::MAX);
        let resident = daemon.process().status("VmHWM");
        println!(
            "{flood}: another client did {rounds} rounds of work, none failed; {resident} KiB at the peak"
        );
        assert!(resident <= RESIDENT_KIB_MAX, "{resident} KiB");
    }
}

/// Rounds of writing, reading by HTTP and `/io`, and connecting; at least one.
fn work(port: u16, token: &str, is_over: &AtomicBool) -> u64 {
    let mut http = Http::connect(port);
    let of = |request: Request| request.token(token).session("witness");
    let open = json!({"root": "main", "path": "witness", "write": true, "create": true});
    let file = http.call(of(Request::post("/files/open")).json(&open)).expect(201).json()["fileId"].clone();
    let mut ws = Ws::authenticated(port, token, "witness");
    let mut rounds = 0;
    while rounds == 0 || !is_over.load(Ordering::SeqCst) {
        let bytes = whole(rounds, 20_000);
        let write = Request::new("PATCH", &format!("/files/{file}/write?offset=0"));
        http.call(of(write).body(&bytes[..])).expect(200);
        let read = of(Request::get(&format!("/files/{file}/read")));
        assert!(http.call(read).expect(200).body == bytes, "what was written");
        let id = file.as_u64().expect("a number") as u32;
        let payload = [&id.to_le_bytes()[..], &[0; 8], &20_000_u32.to_le_bytes()].concat();
        ws.send(&Op::new(FILE_READ, 1, payload));
        assert!(ws.op().payload[9..] == bytes, "what was written, by message");
        Http::connect(port).call(of(Request::post("/control/ping"))).expect(200);
        rounds += 1;
    }
    ws.close();
    http.call(of(Request::post(&format!("/files/{file}/close")))).expect(200);
    rounds
}

fn stats(daemon: &Daemon) -> Value {
    daemon.http().call(Request::get("/stats").token(&daemon.token)).expect(200).json()
}

/// Both sides of thousands of connections are in need of descriptors.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

#[test]
fn more_connections_than_there_may_be() {
    raise_descriptor_limit();
    let daemon = Daemon::start(&[]);
    let witness = Witness::start(&daemon);
    let strangers: Vec<TcpStream> = (0..5000)
        .map(|n| {
            let mut stream = TcpStream::connect(("127.0.0.1", daemon.port)).expect("a connection");
            match n % 4 {
                // Silent; half-closed; with half a head; with a head that promises a body.
                0 => {}
                1 => stream.shutdown(Shutdown::Write).expect("half-closed"),
                2 => stream.write_all(b"GET /health HTTP/1.1\r\nHo").expect("half a head"),
                _ => {
                    let head = Request::post("/hash/sha1").field("Content-Length", "1000").bytes(daemon.port);
                    stream.write_all(&head).expect("a head");
                }
            }
            stream
        })
        .collect();
    let connections = stats(&daemon)["http"]["connections"].as_u64().expect("a number");
    assert!(connections <= 4096, "{connections} connections");
    drop(strangers);
    witness.tell(&daemon, "5,000 connections that are silent, half-closed or half-way through a request");
}

#[test]
fn a_burst_waits_in_the_kernel_until_it_is_accepted() {
    raise_descriptor_limit();
    let daemon = Daemon::start(&[]);
    let most = std::fs::read_to_string("/proc/sys/net/core/somaxconn").expect("the kernel's own limit");
    let burst = most.trim().parse::<usize>().expect("a number").min(2000);
    let at = SocketAddr::from(([127, 0, 0, 1], daemon.port));
    // A daemon that does not get to accept; one that is busy is the same, but for a shorter time.
    daemon.process().signal(Signal::STOP);
    let connections: Vec<TcpStream> = (0..burst)
        .map(|n| {
            TcpStream::connect_timeout(&at, DEADLINE / 40).unwrap_or_else(|error| panic!("{n}: {error}"))
        })
        .collect();
    daemon.process().signal(Signal::CONT);
    for mut stream in connections {
        stream
            .write_all(&Request::get("/health").field("Connection", "close").bytes(daemon.port))
            .expect("open");
        let mut answer = [0; 15];
        stream.read_exact(&mut answer).expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
    }
}

#[test]
fn slow_senders_are_cut() {
    let daemon = Daemon::start(&[]);
    let witness = Witness::start(&daemon);
    let mut senders: Vec<(TcpStream, bool)> = (0..500)
        .map(|_| {
            let stream = TcpStream::connect(("127.0.0.1", daemon.port)).expect("a connection");
            stream.set_read_timeout(Some(Duration::from_millis(1))).expect("a time");
            (stream, true)
        })
        .collect();
    let head = b"GET /health HTTP/1.1\r\nX-Slow: ".iter().chain(std::iter::repeat(&b'x'));
    let (mut cut, mut rounds) = (0, 0);
    for byte in head {
        for (stream, is_open) in senders.iter_mut().filter(|(_, is_open)| *is_open) {
            let mut answer = [0; 512];
            let _ = stream.write_all(&[*byte]);
            match stream.read(&mut answer) {
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
                Ok(count @ 1..) => assert!(answer[..count].starts_with(b"HTTP/1.1 408 "), "{answer:?}"),
                Ok(0) | Err(_) => {}
            }
            (*is_open, cut) = (false, cut + 1);
        }
        rounds += 1;
        if cut == senders.len() {
            break;
        }
        assert!(rounds < 1000, "{cut} were cut");
    }
    drop(senders);
    witness.tell(&daemon, &format!("500 heads that come byte by byte, cut after {rounds} bytes"));
}

#[test]
fn pings_whose_answers_nobody_reads() {
    let daemon = Daemon::start(&[]);
    let witness = Witness::start(&daemon);
    let mut stream = upgraded(&daemon, Some("s"));
    let pings = frame(PING, &[7; 125]).repeat(1000);
    stream.set_write_timeout(Some(Duration::from_millis(500))).expect("a time");
    let mut sent = 0_u64;
    // Until the daemon reads no more, or long after it should have.
    while sent < 1_000_000 && stream.write_all(&pings).is_ok() {
        sent += 1000;
    }
    drop(stream);
    witness.tell(&daemon, &format!("{sent} pings whose answers were not read"));
}

#[test]
fn fragments_and_chunks_of_one_byte() {
    let daemon = Daemon::start(&[]);
    let witness = Witness::start(&daemon);
    let open = json!({"root": "main", "path": "fragments", "write": true, "create": true});
    let open = Request::post("/files/open").token(&daemon.token).session("s").json(&open);
    let file = daemon.http().call(open).expect(201).json()["fileId"].as_u64().expect("a number");
    let bytes = whole(9, 100_000);
    let head = [&(file as u32).to_le_bytes()[..], &[0; 8], &[0]].concat();
    let message = Op::new(FILE_WRITE, 1, [&head[..], &bytes].concat()).bytes();
    let last = message.len() - 1;
    let fragments: Vec<u8> = (message.iter().enumerate())
        .flat_map(|(at, byte)| fragment(if at == 0 { BINARY } else { CONTINUATION }, &[*byte], at == last))
        .collect();
    let mut stream = upgraded(&daemon, Some("s"));
    stream.write_all(&fragments).expect("a daemon that reads");
    let mut answer = [0; 2 + 8 + 13];
    stream.read_exact(&mut answer).expect("FILE_WRITTEN");
    assert_eq!((answer[3], answer[14]), (0x43, 0), "{answer:?}");
    assert!(std::fs::read(daemon.home.root().join("fragments")).expect("the file") == bytes, "by fragments");
    let mut http = daemon.http();
    let chunked =
        Request::new("PATCH", &format!("/files/{file}/write?offset=0")).token(&daemon.token).session("s");
    http.send(&chunked.field("Transfer-Encoding", "chunked"));
    let chunks: Vec<u8> =
        bytes.iter().rev().flat_map(|byte| [b'1', b'\r', b'\n', *byte, b'\r', b'\n']).collect();
    http.send_bytes(&chunks);
    http.send_bytes(b"0\r\n\r\n");
    assert_eq!(http.response().expect(200).json()["written"], bytes.len());
    let found = std::fs::read(daemon.home.root().join("fragments")).expect("the file");
    assert!(found.iter().eq(bytes.iter().rev()), "by chunks");
    let close = Request::post(&format!("/files/{file}/close")).token(&daemon.token).session("s");
    http.call(close).expect(200);
    // A stranger's, without end: cut at the limit.
    let mut stranger = upgraded(&daemon, None);
    let _ = stranger.write_all(&fragments);
    let mut answer = Vec::new();
    let _ = stranger.read_to_end(&mut answer);
    drop((stream, http));
    witness.tell(&daemon, "100,000 fragments and 100,000 chunks of one byte");
}

#[test]
fn messages_for_ids_that_are_not_there() {
    let daemon = Daemon::start(&[]);
    let witness = Witness::start(&daemon);
    let mut ws = Ws::authenticated(daemon.port, &daemon.token, "s");
    let before = stats(&daemon)["messages_dropped"].as_u64().expect("a number");
    for id in 0..100_000_u32 {
        ws.send(&Op::new(TCP_SEND, 0, [&id.to_le_bytes()[..], b"nobody"].concat()));
    }
    for id in 0..1000_u32 {
        ws.send(&Op::new(TCP_SEND, id + 1, id.to_le_bytes()));
        let answer = ws.op();
        assert_eq!((answer.opcode, answer.request_id), (ERROR, id + 1));
    }
    let dropped = stats(&daemon)["messages_dropped"].as_u64().expect("a number") - before;
    assert!(dropped >= 100_000, "{dropped} were counted");
    ws.close();
    witness.tell(&daemon, "101,000 messages for ids that are not there");
}

#[test]
fn calls_of_other_sites() {
    let daemon = Daemon::start(&[]);
    let witness = Witness::start(&daemon);
    let port = daemon.port;
    for site in ["https://evil.example", "http://127.0.0.1:1", "null", "http://127.0.0.1", "file://"] {
        for _ in 0..20 {
            let upgrade = Ws::upgrade().field("Origin", site).token(&daemon.token);
            let refused = Ws::open(daemon.http(), upgrade).err().expect("no WebSocket");
            refused.refused(403, "origin_forbidden");
            for kind in ["application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "text/plain"]
            {
                let post =
                    Request::post("/control/shutdown").field("Origin", site).field("Content-Type", kind);
                daemon.http().call(post.body("a=b")).refused(403, "origin_forbidden");
            }
        }
    }
    for host in
        [format!("rebound.example:{port}"), "127.0.0.1".to_owned(), format!("127.0.0.1.evil.example:{port}")]
    {
        for _ in 0..20 {
            let upgrade = Ws::upgrade().field("Host", &host).token(&daemon.token);
            Ws::open(daemon.http(), upgrade).err().expect("no WebSocket").refused(421, "host_forbidden");
            let call = Request::get("/health").field("Host", &host).token(&daemon.token);
            daemon.http().call(call).refused(421, "host_forbidden");
        }
    }
    witness.tell(&daemon, "520 WebSockets, forms and calls of other sites and by rebound names");
}

#[test]
fn a_client_that_is_stopped_holds_up_nobody_and_goes_on_later() {
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    use rustix::process::{Pid, kill_process_group};

    let daemon = Daemon::start(&[]);
    let content = whole(3, 32 << 20);
    std::fs::write(daemon.home.root().join("down"), &content).expect("room");
    std::fs::write(daemon.home.path("up"), &content).expect("room");
    let name = |name: &[u8]| data_encoding::BASE64.encode(name);
    let head = |request: Request, path: &[u8]| {
        request
            .token(&daemon.token)
            .field("X-Path-Base64", &name(path))
            .field("Connection", "close")
            .bytes(daemon.port)
    };
    let length = content.len().to_string();
    let down = head(Request::get("/read/main"), b"down");
    let up = head(Request::post("/write/main").field("Content-Length", &length), b"up");
    std::fs::write(daemon.home.path("down.head"), down).expect("room");
    std::fs::write(daemon.home.path("up.head"), up).expect("room");
    // Two transfers in processes of their own, which tell when they are under way.
    let script = format!(
        "cd {}; exec 3<>/dev/tcp/127.0.0.1/{port} 4<>/dev/tcp/127.0.0.1/{port}
         cat down.head >&3; head -c 100000 <&3 >got; cat up.head >&4; head -c 100000 up >&4
         echo under way; read go
         tail -c +100001 up >&4 & cat <&3 >>got; wait; cat <&4 >answer",
        daemon.home.path("").display(),
        port = daemon.port
    );
    let mut client = Command::new("bash");
    client.args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
    let mut client = client.spawn().expect("bash");
    let group = Pid::from_raw(client.id() as i32).expect("a group");
    let mut line = [0; 10];
    client.stdout.take().expect("stdout").read_exact(&mut line).expect("a client under way");
    let witness = Witness::start(&daemon);
    client.stdin.take().expect("stdin").write_all(b"\n").expect("a client that reads");
    kill_process_group(group, Signal::STOP).expect("stopped");
    for _ in 0..200 {
        daemon.http().call(Request::post("/control/ping").token(&daemon.token)).expect(200);
    }
    kill_process_group(group, Signal::CONT).expect("going on");
    assert!(client.wait().expect("an end").success());
    let got = std::fs::read(daemon.home.path("got")).expect("what it got");
    assert!(got.ends_with(&content), "the whole file was read");
    let answer = std::fs::read(daemon.home.path("answer")).expect("its answer");
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    assert!(
        std::fs::read(daemon.home.root().join("up")).expect("the file") == content,
        "the whole file was written"
    );
    witness.tell(&daemon, "a client that is stopped within two transfers");
}
