//! Memory (PROTOCOL §7): whatever comes, the daemon stays within its bound. The real process is looked at.

use crate::support::daemon::Daemon;
use crate::support::http::{Http, Request};
use crate::support::ws::Ws;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const MIB: u64 = 1 << 20;
/// PROTOCOL §7.
const MEMORY_KIB_MAX: u64 = 96 << 10;

/// A client's message in frames of `frame_bytes`, unmasked by a mask of zeros.
fn frames(opcode: u8, payload: &[u8], frame_bytes: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(payload.len() + payload.len() / frame_bytes * 16 + 16);
    let mut parts = payload.chunks(frame_bytes).peekable();
    let mut code = opcode;
    while let Some(part) = parts.next() {
        bytes.push(code | if parts.peek().is_none() { 0x80 } else { 0 });
        match part.len() {
            0..=125 => bytes.push(0x80 | part.len() as u8),
            126..=0xFFFF => {
                bytes.push(0x80 | 126);
                bytes.extend((part.len() as u16).to_be_bytes());
            }
            _ => {
                bytes.push(0x80 | 127);
                bytes.extend((part.len() as u64).to_be_bytes());
            }
        }
        bytes.extend([0; 4]);
        bytes.extend(part);
        code = 0;
    }
    bytes
}

fn message(opcode: u8, request_id: u32, payload: &[u8]) -> Vec<u8> {
    [&[1, opcode, 0, 0][..], &request_id.to_le_bytes(), payload].concat()
}

fn hello() -> Vec<u8> {
    let text = br#"{"client":"hostile","features":["credit","batch"],"recvWindow":4294967295}"#;
    frames(2, &message(0x01, 1, text), usize::MAX)
}

/// A connection to `/io`, raw, that said hello with `credit`.
fn io(daemon: &Daemon) -> TcpStream {
    let mut http = Http::connect(daemon.port);
    let request = Ws::upgrade().token(&daemon.token).session("s");
    assert_eq!(http.call(request).status, 101);
    let (mut stream, _) = http.into_parts();
    stream.write_all(&hello()).unwrap();
    stream
}

/// Whoever misbehaves until it is told to stop.
#[derive(Clone, Default)]
struct Misrule {
    over: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
}

impl Misrule {
    /// Sends again and again, as fast as it is taken, and reads nothing.
    fn send_for_ever(&self, mut stream: TcpStream, bytes: Vec<u8>) -> thread::JoinHandle<()> {
        let misrule = self.clone();
        stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
        thread::spawn(move || {
            let mut at = 0;
            while !misrule.over.load(Ordering::Relaxed) {
                match stream.write(&bytes[at..]) {
                    Ok(n) => {
                        misrule.sent.fetch_add(n as u64, Ordering::Relaxed);
                        at = (at + n) % bytes.len();
                    }
                    Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                    // It was cut off, as it may be.
                    Err(_) => return,
                }
            }
        })
    }

    /// The same, on a connection of its own each time it is cut off or answered.
    fn request_for_ever(&self, port: u16, request: Vec<u8>, reads: bool) -> thread::JoinHandle<()> {
        let misrule = self.clone();
        thread::spawn(move || {
            while !misrule.over.load(Ordering::Relaxed) {
                let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
                stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
                let mut at = 0;
                while at < request.len() && !misrule.over.load(Ordering::Relaxed) {
                    match stream.write(&request[at..]) {
                        Ok(n) => at += n,
                        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                        }
                        Err(_) => break,
                    }
                }
                misrule.sent.fetch_add(at as u64, Ordering::Relaxed);
                while reads && !misrule.over.load(Ordering::Relaxed) {
                    match stream.read(&mut [0; 64 << 10]) {
                        Ok(0) => break,
                        Ok(_) => {}
                        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                        }
                        Err(_) => break,
                    }
                }
                while !reads && !misrule.over.load(Ordering::Relaxed) {
                    thread::park_timeout(Duration::from_millis(20));
                }
            }
        })
    }
}

/// Waits until the daemon's memory has not grown for a while, and some seconds have gone: what it takes under this load
/// it has taken. This is a measurement, not a wait for an event.
fn highest_rss_kib(daemon: &Daemon, seconds: u64) -> u64 {
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut highest = 0;
    while Instant::now() < end {
        highest = highest.max(daemon.process().status("VmHWM"));
        thread::park_timeout(Duration::from_millis(50));
    }
    highest
}

fn open_file(daemon: &Daemon, path: &str, size: u64) -> u32 {
    let body = serde_json::json!({"root": "main", "path": path, "write": true, "create": true, "size": size});
    let request = Request::post("/files/open").token(&daemon.token).session("s").json(&body);
    daemon.http().call(request).expect(201).json()["fileId"].as_u64().unwrap() as u32
}

/// A peer that takes nothing, and one that sends without end.
fn peers(misrule: &Misrule) -> (u16, u16) {
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let loud = TcpListener::bind("127.0.0.1:0").unwrap();
    let ports = (mute.local_addr().unwrap().port(), loud.local_addr().unwrap().port());
    thread::spawn(move || mute.incoming().map_while(Result::ok).collect::<Vec<_>>().len());
    let misrule = misrule.clone();
    thread::spawn(move || {
        for stream in loud.incoming().map_while(Result::ok) {
            misrule.send_for_ever(stream, vec![7; 1 << 20]);
        }
    });
    ports
}

fn connects(first: u32, count: u32, port: u16) -> Vec<u8> {
    let one = |id: u32| {
        let payload = [&id.to_le_bytes()[..], &port.to_le_bytes(), b"127.0.0.1"].concat();
        frames(2, &message(0x10, 1, &payload), usize::MAX)
    };
    (first..first + count).flat_map(one).collect()
}

#[test]
fn whatever_comes_memory_stays_within_its_bound() {
    let daemon = Daemon::start(&[]);
    let misrule = Misrule::default();
    let file = open_file(&daemon, "large", 64 * MIB);
    for n in 0..30_000 {
        std::fs::File::create(daemon.home.root().join(format!("{n:0>100}"))).unwrap();
    }
    let (mute, loud) = peers(&misrule);
    let mut all = Vec::new();
    // Messages of 64 MiB in fragments, of every kind, on several connections: BATCH, FILE_WRITE, JSON, TCP_SEND.
    let large = 64 << 20;
    let element = message(0x99, 5, b"an op that nobody knows");
    let element = [&(element.len() as u32).to_le_bytes()[..], &element].concat();
    let batch = message(0x50, 1, &element.repeat(large / element.len() - 1));
    let batch = frames(2, &batch, 131_000);
    let write = [&file.to_le_bytes()[..], &0_u64.to_le_bytes(), &[0], &vec![1; large - 21]].concat();
    let write = frames(2, &message(0x42, 9, &write), 131_000);
    let json = format!(
        r#"{{"op":"file_write","requestId":3,"fileId":{file},"offset":0,"check":0,"data":"{}"}}"#,
        "AAAA".repeat(large / 4 - 32)
    );
    let json = frames(1, json.as_bytes(), 131_000);
    for bytes in [&batch, &write, &json] {
        for _ in 0..2 {
            all.push(misrule.send_for_ever(io(&daemon), bytes.clone()));
        }
    }
    // Floods of FILE_READs whose answers nobody takes.
    let read = [&file.to_le_bytes()[..], &0_u64.to_le_bytes(), &(16_u32 << 20).to_le_bytes()].concat();
    let reads = frames(2, &message(0x40, 4, &read), usize::MAX).repeat(10_000);
    let small = [&file.to_le_bytes()[..], &0_u64.to_le_bytes(), &(200_u32 << 10).to_le_bytes()].concat();
    let small_reads = frames(2, &message(0x40, 4, &small), usize::MAX).repeat(10_000);
    for bytes in [&reads, &reads, &small_reads, &small_reads] {
        all.push(misrule.send_for_ever(io(&daemon), bytes.clone()));
    }
    // Peers that take nothing, to whom all is sent that was granted; peers that send, and a client that does not read.
    for _ in 0..2 {
        let mut stream = io(&daemon);
        stream.write_all(&connects(1, 100, mute)).unwrap();
        let mut sends = Vec::new();
        let data = vec![2; 1 << 20];
        for id in 1..101_u32 {
            sends.extend(frames(2, &message(0x12, 0, &[&id.to_le_bytes()[..], &data].concat()), 131_000));
        }
        all.push(misrule.send_for_ever(stream, sends));
        let mut stream = io(&daemon);
        stream.write_all(&connects(1, 100, loud)).unwrap();
        all.push(misrule.send_for_ever(stream, frames(2, &message(0x06, 0, &[]), usize::MAX)));
    }
    // Requests that are answered with more than they ask, and replies that nobody takes.
    for _ in 0..20 {
        let unknown = frames(2, &message(0x99, 5, &[]), usize::MAX).repeat(10_000);
        all.push(misrule.send_for_ever(io(&daemon), unknown));
    }
    // Checked writes, whole and slow ones, and folder lists, read and unread.
    let sha = "0".repeat(40);
    let target = format!("/files/{file}/write?offset=0");
    let request = Request::new("PATCH", &target).token(&daemon.token).session("s");
    let checked = request.field("X-Expected-SHA1", &sha).body(vec![3; large]).bytes(daemon.port);
    for _ in 0..4 {
        all.push(misrule.request_for_ever(daemon.port, checked.clone(), true));
    }
    let list = Request::get("/ops/list?path=&root_key=main").token(&daemon.token).bytes(daemon.port);
    for n in 0..24 {
        all.push(misrule.request_for_ever(daemon.port, list.clone(), n % 2 == 0));
    }
    let highest = highest_rss_kib(&daemon, 15);
    misrule.over.store(true, Ordering::Relaxed);
    for one in all {
        one.join().unwrap();
    }
    let sent = misrule.sent.load(Ordering::Relaxed) / MIB;
    println!("VmHWM {highest} KiB (bound {MEMORY_KIB_MAX} KiB), after {sent} MiB were sent");
    assert!(highest <= MEMORY_KIB_MAX, "{highest} KiB");
    // It still serves.
    let response = daemon.http().call(Request::get("/stats").token(&daemon.token)).expect(200);
    println!("{}", response.json()["memory"]);
}
