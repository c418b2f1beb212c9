//! Clients that write, flush and check without a pause until the daemon is gone, each to a file of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread::{self, JoinHandle};

use serde_json::json;
use sha1::{Digest, Sha1};

use crate::random::Random;
use crate::shadow::{Shadow, Write};
use crate::support::daemon::Daemon;
use crate::support::http::{Http, Request, Response};
use crate::support::ws::{Op, Ws};

/// Where the last write ends.
const FILE_BYTES: u64 = 1 << 20;
/// The most that is written at once.
const WRITE_BYTES_MAX: u64 = crate::pattern::PIECE_MAX as u64;
/// FILE_WRITEs that are sent before the first is answered.
const IN_FLIGHT: usize = 8;

const FILE_WRITE: u8 = 0x42;
const FILE_WRITTEN: u8 = 0x43;

/// How a client writes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// `PATCH /files/N/write`, checked or not, and `/flush`.
    Open,
    /// `POST /write/KEY` of the shipping client.
    Dialect,
    /// FILE_WRITE over `/io`, several at a time.
    Io,
}

/// The clients of a run, in the order of their files.
pub(crate) const WAYS: [Way; 4] = [Way::Open, Way::Io, Way::Dialect, Way::Open];

/// The name of a client's file below its root.
pub(crate) fn file_name(client: usize) -> String {
    format!("under/load/file-{client}")
}

/// Something that a client was told.
pub(crate) struct Told;

/// What clients and their test share.
#[derive(Clone)]
pub(crate) struct Course {
    pub(crate) told: Sender<Told>,
    /// The accident has begun: flushes that are answered from now on don't count. (A power cut is played by ext4 while
    /// the kernel runs on, and it lets some of those pass that it doesn't save.)
    pub(crate) is_over: Arc<AtomicBool>,
}

/// Starts a client; it ends with the daemon and gives its shadow back.
pub(crate) fn start(
    daemon: &Daemon,
    root: &'static str,
    client: usize,
    mut random: Random,
    shadow: Shadow,
    course: Course,
) -> JoinHandle<Shadow> {
    let (port, token) = (daemon.port, daemon.token.clone());
    thread::spawn(move || {
        let Ok(mut http) = Http::try_connect(port) else { return shadow };
        let way = WAYS[client];
        let Some(file) = open(&mut http, &token, root, client) else { return shadow };
        let mut load = Load { http, port, token, root, client, file, shadow, course };
        match way {
            Way::Io => load.by_io(&mut random),
            _ => load.by_http(&mut random, way),
        }
        load.shadow
    })
}

/// Opens a client's file for writing, however often that takes; `None` where the daemon has gone.
fn open(http: &mut Http, token: &str, root: &str, client: usize) -> Option<u64> {
    let body = json!({"root": root, "path": file_name(client), "write": true, "create": true});
    let request = Request::post("/files/open").token(token).session("s").json(&body);
    loop {
        let answer = try_call(http, &request)?;
        if answer.status < 400 {
            return Some(answer.json()["fileId"].as_u64().expect("a number"));
        }
        tells_of_the_disk(&answer);
    }
}

/// What fails is tried again: the disk may be better then, or the daemon gone.
fn tells_of_the_disk(answer: &Response) {
    assert!(matches!(answer.code().as_str(), "io_error" | "read_only" | "disk_full"), "{answer:?}");
}

fn try_call(http: &mut Http, request: &Request) -> Option<Response> {
    http.try_send_bytes(&request.bytes(http.port())).then(|| http.try_response(false)).flatten()
}

struct Load {
    http: Http,
    port: u16,
    token: String,
    root: &'static str,
    client: usize,
    file: u64,
    shadow: Shadow,
    course: Course,
}

impl Load {
    fn by_http(&mut self, random: &mut Random, way: Way) {
        loop {
            let write = self.next_write(random);
            self.shadow.sent(write);
            let request = match way {
                Way::Dialect => self.dialect(&write),
                _ => self.patch(&write, random.percent(30)),
            };
            loop {
                let Some(answer) = try_call(&mut self.http, &request) else { return };
                let _ = self.course.told.send(Told);
                if answer.status == 200 {
                    break;
                }
                tells_of_the_disk(&answer);
            }
            self.shadow.answered(write.key);
            if random.percent(20) && self.flush().is_none() {
                return;
            }
        }
    }

    fn by_io(&mut self, random: &mut Random) {
        let request = Ws::upgrade().token(&self.token).session("s");
        let Ok(mut stream) = Http::try_connect(self.port) else { return };
        if !stream.try_send_bytes(&request.bytes(self.port)) {
            return;
        }
        let Some(answer) = stream.try_response(false) else { return };
        let mut ws = Ws::after(stream, &answer);
        loop {
            while self.shadow.open_count() < IN_FLIGHT {
                let write = self.next_write(random);
                self.shadow.sent(write);
                if !ws.try_send(&self.file_write(&write, random.percent(30))) {
                    break;
                }
            }
            let Some(written) = ws.try_op() else { return };
            if let Some(again) = self.written(&written)
                && !ws.try_send(&self.file_write(&again, false))
            {
                return;
            }
            if random.percent(10) && self.flush().is_none() {
                return;
            }
        }
    }

    /// An answer to FILE_WRITE; the write itself, where it failed.
    fn written(&mut self, written: &Op) -> Option<Write> {
        assert_eq!(written.opcode, FILE_WRITTEN, "{written:?}");
        let _ = self.course.told.send(Told);
        let key = u64::from(written.request_id);
        if written.payload[4] == 0 {
            self.shadow.answered(key);
            return None;
        }
        let errno = written.u32_at(5) as i32;
        assert!(matches!(errno, libc::EIO | libc::EROFS | libc::ENOSPC), "{written:?}");
        Some(self.shadow.open_write(key))
    }

    /// `None` where the daemon has gone.
    fn flush(&mut self) -> Option<()> {
        let covered = self.shadow.flush_begins();
        let target = format!("/files/{}/flush", self.file);
        let request = Request::post(&target).token(&self.token).session("s");
        let answer = try_call(&mut self.http, &request)?;
        match answer.status {
            200 if self.course.is_over.load(Ordering::SeqCst) => {}
            200 => self.shadow.flush_ended(covered),
            _ => tells_of_the_disk(&answer),
        }
        let _ = self.course.told.send(Told);
        Some(())
    }

    /// A write that overlaps with none that is under way: which of two would win is nobody's promise.
    fn next_write(&self, random: &mut Random) -> Write {
        loop {
            let len = random.size(WRITE_BYTES_MAX) as usize;
            let offset = random.below(FILE_BYTES - len as u64 + 1) as usize;
            // The key is the request's id, too.
            let write = Write { key: random.next() >> 33, offset, len };
            if !self.shadow.is_open(&write) {
                return write;
            }
        }
    }

    fn patch(&self, write: &Write, is_checked: bool) -> Request {
        let target = format!("/files/{}/write?offset={}", self.file, write.offset);
        let request = Request::new("PATCH", &target).token(&self.token).session("s").body(write.bytes());
        if is_checked {
            request.field("X-Expected-SHA1", &hex(&Sha1::digest(write.bytes())))
        } else {
            request
        }
    }

    fn dialect(&self, write: &Write) -> Request {
        let path = data_encoding::BASE64.encode(file_name(self.client).as_bytes());
        Request::post(&format!("/write/{}", self.root))
            .token(&self.token)
            .field("X-Path-Base64", &path)
            .field("X-Offset", &write.offset.to_string())
            .body(write.bytes())
    }

    fn file_write(&self, write: &Write, is_checked: bool) -> Op {
        let mut payload = (self.file as u32).to_le_bytes().to_vec();
        payload.extend((write.offset as u64).to_le_bytes());
        payload.push(u8::from(is_checked));
        if is_checked {
            payload.extend(Sha1::digest(write.bytes()));
        }
        payload.extend(write.bytes());
        Op::new(FILE_WRITE, write.key as u32, payload)
    }
}

fn hex(digest: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(digest)
}
