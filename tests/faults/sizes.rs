//! Requests that announce or ask for more than any machine has: refused by the right code, and nothing is allocated for
//! them, not even where the process may have little memory.

use std::io::{Read, Write};
use std::process::Command;

use serde_json::{Value, json};

use crate::frames::upgraded;
use crate::quiet;
use crate::support::daemon::{BINARY, Daemon, Home, INSTALL_ID};
use crate::support::http::{Request, Response};
use crate::support::ws::{Op, Ws};
use crate::volume::has;

/// The address space that the daemon may have: its code, stacks and what the contract grants.
const ADDRESS_SPACE: u64 = 512 << 20;
/// What it may hold for requests that it refuses, in KiB.
const RESIDENT_KIB_MAX: u64 = 32 << 10;
const HUGE: &[u64] = &[1 << 40, 1 << 62, i64::MAX as u64, u64::MAX];

fn daemon() -> Option<Daemon> {
    if !has("prlimit") {
        return None;
    }
    let home = Home::new();
    let mut command = home.prepared(Command::new("prlimit"));
    command.args([&format!("--as={ADDRESS_SPACE}"), BINARY, "--install-id", INSTALL_ID]);
    Some(Daemon::spawn(home, command))
}

/// Fields of a request.
type Fields = &'static [(&'static str, &'static str)];

struct Client<'a> {
    daemon: &'a Daemon,
    file: u64,
}

impl Client<'_> {
    fn call(&self, request: Request) -> Response {
        self.daemon.http().call(request.token(&self.daemon.token).session("s"))
    }

    fn on_file(&self, method: &str, what: &str) -> Response {
        self.call(Request::new(method, &format!("/files/{}/{what}", self.file)).body("x"))
    }

    /// A refusal, not by accident, and no success.
    fn refused(&self, what: &str, answer: &Response, codes: &[&str]) {
        assert!((400..600).contains(&answer.status), "{what}: {answer:?}");
        assert!(codes.contains(&answer.code().as_str()), "{what}: {answer:?}");
    }

    fn files(&self) {
        for size in HUGE {
            let told = |what: String, codes| self.refused(&what, &self.on_file("POST", &what), codes);
            told(format!("preallocate?size={size}"), &["disk_full", "io_error", "bad_parameter"][..]);
            if *size > 1 << 60 {
                told(format!("truncate?size={size}"), &["io_error", "bad_parameter"]);
                let write = format!("write?offset={size}");
                self.refused(&write, &self.on_file("PATCH", &write), &["io_error", "bad_parameter"]);
            }
            let read = format!("/files/{}/read?offset={size}", self.file);
            self.refused(&read, &self.call(Request::get(&read)), &["offset_beyond_end", "bad_parameter"]);
        }
    }

    fn hashes(&self) {
        for (length, chunk) in
            [(1_u64 << 62, None), (1 << 62, Some(1_u64)), (1 << 40, Some(1_u64 << 39)), (u64::MAX, None)]
        {
            let ranges = vec![json!({"fileId": self.file, "offset": 0, "length": length}); 2];
            let mut body = json!({"algorithm": "sha1", "fileRanges": ranges});
            if let Some(chunk) = chunk {
                body["chunkSize"] = json!(chunk);
            }
            let answer = self.call(Request::post("/hash/from-file").json(&body));
            self.refused(
                &body.to_string(),
                &answer,
                &["offset_beyond_end", "bad_parameter", "body_too_large", "bad_json"],
            );
        }
    }

    /// Bodies that are announced and never come.
    fn bodies(&self) {
        let announced: [(&str, &str, Fields); 4] = [
            ("POST", "/files/open", &[("Content-Type", "application/json")]),
            ("POST", "/ops/delete", &[("Content-Type", "application/json")]),
            ("POST", "/hash/from-file", &[("Content-Type", "application/json")]),
            (
                "PATCH",
                "/files/1/write?offset=0",
                &[("X-Expected-SHA1", "da39a3ee5e6b4b0d3255bfef95601890afd80709")],
            ),
        ];
        for (method, target, fields) in &announced {
            for length in HUGE {
                let mut request = Request::new(method, target).field("Content-Length", &length.to_string());
                for (name, value) in *fields {
                    request = request.field(name, value);
                }
                self.refused(
                    target,
                    &self.call(request),
                    &["body_too_large", "bad_request", "bad_parameter"],
                );
            }
        }
        // What may be of any length is waited for, without a buffer.
        let endless = Request::post("/hash/sha1").token(&self.daemon.token);
        let mut waiting = self.daemon.http();
        waiting.send(&endless.field("Content-Length", &(i64::MAX as u64).to_string()));
        self.call(Request::post("/control/ping")).expect(200);
    }

    fn messages(&self) {
        let mut ws = Ws::authenticated(self.daemon.port, &self.daemon.token, "s");
        for length in [(16 << 20) + 1, u32::MAX] {
            let payload = [&(self.file as u32).to_le_bytes()[..], &[0; 8], &length.to_le_bytes()].concat();
            ws.send(&Op::new(0x40, 1, payload));
            assert_eq!((ws.op().u32_at(5), length > 0), (libc::EINVAL as u32, true));
        }
        for offset in [i64::MAX as u64, u64::MAX] {
            let payload = [&(self.file as u32).to_le_bytes()[..], &offset.to_le_bytes(), b"\0xyz"].concat();
            ws.send(&Op::new(0x42, 1, payload));
            let answer = ws.op();
            assert_eq!((answer.opcode, answer.payload[4]), (0x43, 1), "{answer:?}");
        }
        ws.close();
        // Frames that announce what never comes.
        for (session, length) in
            [(Some("s"), (64_u64 << 20) + 1), (Some("s"), 1 << 62), (None, 70_000), (None, 1 << 40)]
        {
            let mut stream = upgraded(self.daemon, session);
            let head = [&[0x82, 0xFF][..], &length.to_be_bytes(), &[0; 4]].concat();
            stream.write_all(&head).expect("an open connection");
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            assert_eq!(answer[..4], [0x88, answer[1], 0x03, 0xF1], "close 1009 for {length}: {answer:?}");
        }
    }
}

#[test]
fn nothing_is_allocated_for_what_is_only_announced() {
    let Some(daemon) = daemon() else { return };
    let open = json!({"root": "main", "path": "file", "write": true, "create": true});
    let open = Request::post("/files/open").token(&daemon.token).session("s").json(&open);
    let file = daemon.http().call(open).expect(201).json()["fileId"].as_u64().expect("a number");
    let client = Client { daemon: &daemon, file };
    client.files();
    client.hashes();
    client.bodies();
    client.messages();
    let stat: Value = client.call(Request::get(&format!("/files/{file}"))).expect(200).json();
    assert!(stat["allocated"].as_u64().is_some_and(|bytes| bytes < 1 << 20), "{stat}");
    client.on_file("POST", "close").expect(200);
    quiet(&daemon, usize::MAX);
    let resident = daemon.process().status("VmHWM");
    println!(
        "requests for up to 2^64 bytes within {} MiB of address space: {resident} KiB at the peak",
        ADDRESS_SPACE >> 20
    );
    assert!(resident <= RESIDENT_KIB_MAX, "{resident} KiB");
}
