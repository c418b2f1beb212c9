//! A life of files from their making to their end, by every endpoint and op that touches a disk. Each step that fails is
//! tried once more, and must succeed then: what failed left nothing in its way. What is there in the end is exactly what
//! was answered.

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex};

use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use crate::pattern::whole;
use crate::support::DEADLINE;
use crate::support::daemon::Daemon;
use crate::support::http::Request;
use crate::support::ws::{Op, Ws};

const FILE_READ: u8 = 0x40;
const FILE_WRITE: u8 = 0x42;
/// What is written at first: more than one of the daemon's buffers.
const BYTES: usize = 300_000;
/// What is left by truncating.
const LEFT: usize = 250_000;
/// A piece that is written and read over `/io`.
const PIECE: usize = 20_000;

/// A step that failed, and what the client was told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Failure {
    pub(crate) step: &'static str,
    pub(crate) told: Told,
}

/// What a client was told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    /// A refusal with this code.
    Code(String),
    /// A message with this errno.
    Errno(u32),
    /// The connection was cut within the body of an answer.
    Cut,
}

/// One course of the scenario, in a folder of its own.
pub(crate) struct Scenario<'a> {
    daemon: &'a Daemon,
    folder: String,
    /// Told of each step as it begins.
    on_step: &'a dyn Fn(&'static str),
    failures: Vec<Failure>,
}

type Attempt<T> = Result<T, Told>;

/// Goes through the scenario; the failures on the way.
pub(crate) fn run(daemon: &Daemon, folder: &str, on_step: &dyn Fn(&'static str)) -> Vec<Failure> {
    let mut scenario = Scenario { daemon, folder: folder.to_owned(), on_step, failures: Vec::new() };
    let content = scenario.open_file();
    scenario.by_name(&content);
    scenario.folders();
    scenario.overview();
    scenario.failures
}

/// A digest, made once: the scenario is gone through again and again.
fn sha1(bytes: &[u8]) -> String {
    static KNOWN: LazyLock<Mutex<HashMap<Vec<u8>, String>>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().expect("digests");
    match known.get(bytes) {
        Some(digest) => digest.clone(),
        None => {
            let digest = data_encoding::HEXLOWER.encode(&Sha1::digest(bytes));
            known.insert(bytes.to_vec(), digest.clone());
            digest
        }
    }
}

impl Scenario<'_> {
    /// Does a step, and where it fails once more.
    fn step<T>(&mut self, step: &'static str, attempt: impl Fn(&Self) -> Attempt<T>) -> T {
        (self.on_step)(step);
        attempt(self).unwrap_or_else(|told| {
            self.failures.push(Failure { step, told: told.clone() });
            attempt(self).unwrap_or_else(|again| panic!("{step} failed twice: {told:?}, then {again:?}"))
        })
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }

    fn on_disk(&self, name: &str) -> PathBuf {
        self.daemon.home.root().join(self.path(name))
    }

    /// The body of a good answer.
    fn call(&self, request: Request) -> Attempt<Vec<u8>> {
        let request = request.token(&self.daemon.token).session("s").field("Connection", "close");
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.daemon.port)).expect("a connection");
        stream.set_read_timeout(Some(DEADLINE)).expect("a time");
        // A refusal may come before the whole body went out.
        let _ = stream.write_all(&request.bytes(self.daemon.port));
        let mut answer = Vec::new();
        if let Err(error) = stream.read_to_end(&mut answer) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "no end came");
        }
        let _ = stream.shutdown(Shutdown::Both);
        read_answer(&answer)
    }

    fn json(&self, target: &str, body: &Value) -> Attempt<Vec<u8>> {
        self.call(Request::post(target).json(body))
    }

    fn dialect(&self, request: Request, name: &str) -> Attempt<Vec<u8>> {
        let path = data_encoding::BASE64.encode(self.path(name).as_bytes());
        self.call(request.field("X-Path-Base64", &path))
    }

    fn open(&self, name: &str) -> Attempt<u64> {
        let body = json!({"root": "main", "path": self.path(name), "write": true, "create": true});
        let answer = self.json("/files/open", &body)?;
        Ok(serde_json::from_slice::<Value>(&answer).expect("JSON")["fileId"].as_u64().expect("a number"))
    }

    /// A file by its number; what is in it at last.
    fn open_file(&mut self) -> Vec<u8> {
        let mut content = whole(1, BYTES as u64);
        let file = self.step("open and create", |at| at.open("a/b/file"));
        let of = |what: &str| format!("/files/{file}{what}");
        self.step("preallocate", |at| at.call(Request::post(&of(&format!("/preallocate?size={BYTES}")))));
        let write = |offset: usize, bytes: &[u8]| {
            Request::new("PATCH", &of(&format!("/write?offset={offset}"))).body(bytes)
        };
        self.step("write", |at| at.call(write(0, &content)));
        let checked = whole(2, PIECE as u64);
        content[100_000..100_000 + PIECE].copy_from_slice(&checked);
        self.step("checked write", |at| {
            at.call(write(100_000, &checked).field("X-Expected-SHA1", &sha1(&checked)))
        });
        self.messages(file as u32, &mut content);
        self.step("flush", |at| at.call(Request::post(&of("/flush"))));
        let read = |at: &Self, what: &str| at.call(Request::get(&of(what)));
        assert!(self.step("read", |at| read(at, "/read")) == content, "read");
        let part = self.step("read a part", |at| read(at, "/read?offset=150000&length=5000"));
        assert!(part == content[150_000..155_000], "read a part");
        content.truncate(LEFT);
        self.step("truncate", |at| at.call(Request::post(&of(&format!("/truncate?size={LEFT}")))));
        let stat: Value = serde_json::from_slice(&self.step("inspect", |at| read(at, ""))).expect("JSON");
        assert_eq!(stat["size"], LEFT);
        self.hashes(file, &content);
        self.step("close", |at| at.call(Request::post(&of("/close"))));
        content
    }

    /// FILE_WRITE and FILE_READ.
    fn messages(&mut self, file: u32, content: &mut [u8]) {
        let at = 200_000;
        let bytes = whole(3, PIECE as u64);
        let head = [&file.to_le_bytes()[..], &(at as u64).to_le_bytes()].concat();
        let ask = |scenario: &Self, opcode, payload: Vec<u8>| -> Attempt<Op> {
            let daemon = scenario.daemon;
            let mut ws = Ws::authenticated(daemon.port, &daemon.token, "s");
            ws.send(&Op::new(opcode, 1, payload));
            let answer = ws.op();
            ws.close();
            if answer.payload[4] == 0 { Ok(answer) } else { Err(Told::Errno(answer.u32_at(5))) }
        };
        self.step("FILE_WRITE", |it| ask(it, FILE_WRITE, [&head[..], &[0], &bytes].concat()));
        content[at..at + PIECE].copy_from_slice(&bytes);
        let length = (PIECE as u32).to_le_bytes();
        let read = self.step("FILE_READ", |it| ask(it, FILE_READ, [&head[..], &length].concat()));
        assert!(read.payload[9..] == bytes, "FILE_READ");
    }

    fn hashes(&mut self, file: u64, content: &[u8]) {
        let body =
            json!({"algorithm": "sha1", "fileRanges": [{"fileId": file, "offset": 0, "length": LEFT}]});
        let answer = self.step("hash", |at| at.json("/hash/from-file", &body));
        let answer: Value = serde_json::from_slice(&answer).expect("JSON");
        assert_eq!(answer["hex"], sha1(content));
        let mut chunked = body;
        chunked["chunkSize"] = json!(100_000);
        let answer = self.step("hash in chunks", |at| at.json("/hash/from-file", &chunked));
        let answer: Value = serde_json::from_slice(&answer).expect("JSON");
        let hexes: Vec<_> = content.chunks(100_000).map(sha1).collect();
        assert_eq!(answer["hexes"], json!(hexes));
        let stream = || Request::get(&format!("/stream/{file}")).field("Range", "bytes=1000-240999");
        assert!(self.step("stream", |at| at.call(stream())) == content[1000..241_000], "stream");
    }

    /// The shipping client's dialect, on the same file and a new one.
    fn by_name(&mut self, content: &[u8]) {
        let path = self.path("a/b/file");
        let read = self.step("read by name", |at| at.dialect(Request::get("/read/main"), "a/b/file"));
        assert!(read == content, "read by name");
        let hash = |at: &Self| at.call(Request::get(&format!("/hash/sha1/{path}?root_token=main")));
        assert_eq!(self.step("hash by name", hash), sha1(content).as_bytes());
        let bytes = whole(4, PIECE as u64);
        let write = || Request::post("/write/main").body(&bytes[..]);
        self.step("write by name", |at| at.dialect(write(), "c/new"));
        let checked = || write().field("X-Expected-SHA1", &sha1(&bytes)).field("X-Offset", "5");
        self.step("checked write by name", |at| at.dialect(checked(), "c/checked"));
        assert!(fs::read(self.on_disk("c/checked")).expect("a file")[5..] == bytes, "checked write by name");
        let truncate = json!({"root_key": "main", "path": self.path("c/new"), "length": 100});
        self.step("truncate by name", |at| at.json("/ops/truncate", &truncate));
        assert!(fs::read(self.on_disk("c/new")).expect("a file") == bytes[..100], "truncate by name");
        assert!(fs::read(self.on_disk("a/b/file")).expect("a file") == content, "at last");
    }

    fn folders(&mut self) {
        let named = |name: &str| json!({"root_key": "main", "path": self.path(name)});
        let (made, removed, file) = (named("d/e/f"), named("c"), named("a/b/file"));
        let target = |what: &str, name: &str| format!("/ops/{what}?path={}&root_key=main", self.path(name));
        let (list, stat) = (target("list", "c"), target("stat", "c/new"));
        self.step("make a folder", |at| at.json("/files/ensure_dir", &made));
        assert!(self.on_disk("d/e/f").is_dir());
        let names = self.step("list", |at| at.call(Request::get(&list)));
        let mut names: Vec<String> = serde_json::from_slice(&names).expect("JSON");
        names.sort();
        assert_eq!(names, ["checked", "new"]);
        let stat: Value =
            serde_json::from_slice(&self.step("stat", |at| at.call(Request::get(&stat)))).expect("JSON");
        assert_eq!(stat["size"], 100);
        self.step("delete a file", |at| at.json("/ops/delete", &file));
        assert!(!self.on_disk("a/b/file").exists() && self.on_disk("a/b").exists());
        self.step("delete a folder", |at| at.json("/ops/delete", &removed));
        assert!(!self.on_disk("c").exists() && self.on_disk("d").exists());
    }

    fn overview(&mut self) {
        let roots = self.step("roots", |at| at.call(Request::get("/roots")));
        let roots: Value = serde_json::from_slice(&roots).expect("JSON");
        assert_eq!(roots[0]["key"], "main");
        self.step("refresh", |at| at.call(Request::post("/api/read-rpc-info-from-disk")));
    }
}

/// The body of a whole answer with success, or what it was instead.
fn read_answer(answer: &[u8]) -> Attempt<Vec<u8>> {
    let Some(head_len) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Err(Told::Cut);
    };
    let head = std::str::from_utf8(&answer[..head_len]).expect("ASCII");
    let body = &answer[head_len + 4..];
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let length: usize = length.expect("a length").parse().expect("a number");
    let status: u16 = head[9..12].parse().expect("a status");
    match status {
        _ if body.len() < length => Err(Told::Cut),
        200..=299 => Ok(body.to_vec()),
        _ => {
            let problem: Value = serde_json::from_slice(body).expect("a problem");
            Err(Told::Code(problem["code"].as_str().expect("a code").to_owned()))
        }
    }
}
