//! Disks that are full, broken, read-only, too small for a file, or pulled out: the client is told by the right code, what
//! was acknowledged is there, others are served, and nothing is left open.

use std::fs;
use std::io::Read;
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use crate::pattern::whole;
use crate::quiet;
use crate::support::DEADLINE;
use crate::support::daemon::{BINARY, Daemon, Home, INSTALL_ID};
use crate::support::http::{Request, Response};
use crate::support::ws::{Op, Ws};
use crate::volume::{Volume, has};

const FILE_WRITE: u8 = 0x42;
const MIB: usize = 1 << 20;

/// A request on a connection of its own.
fn call(daemon: &Daemon, request: Request) -> Response {
    daemon.http().call(request.token(&daemon.token).session("s"))
}

fn named(daemon: &Daemon, request: Request, name: &str) -> Response {
    call(daemon, request.field("X-Path-Base64", &data_encoding::BASE64.encode(name.as_bytes())))
}

fn write_named(daemon: &Daemon, root: &str, name: &str, bytes: &[u8]) -> Response {
    named(daemon, Request::post(&format!("/write/{root}")).body(bytes), name)
}

fn read_named(daemon: &Daemon, root: &str, name: &str) -> Response {
    named(daemon, Request::get(&format!("/read/{root}")), name)
}

fn try_open(daemon: &Daemon, root: &str, name: &str) -> Response {
    let body = json!({"root": root, "path": name, "write": true, "create": true});
    call(daemon, Request::post("/files/open").json(&body))
}

fn open(daemon: &Daemon, root: &str, name: &str) -> u64 {
    let answer = try_open(daemon, root, name);
    answer.json()["fileId"].as_u64().unwrap_or_else(|| panic!("{answer:?}"))
}

fn on_file(daemon: &Daemon, method: &str, file: u64, what: &str, body: &[u8]) -> Response {
    call(daemon, Request::new(method, &format!("/files/{file}/{what}")).body(body))
}

/// FILE_WRITE; status, errno and count of the answer.
fn message_write(daemon: &Daemon, file: u64, offset: usize, bytes: &[u8]) -> (u8, u32, u32) {
    let mut ws = Ws::authenticated(daemon.port, &daemon.token, "s");
    let head = [&(file as u32).to_le_bytes()[..], &(offset as u64).to_le_bytes(), &[0]].concat();
    ws.send(&Op::new(FILE_WRITE, 1, [&head[..], bytes].concat()));
    let answer = ws.op();
    ws.close();
    (answer.payload[4], answer.u32_at(5), answer.u32_at(9))
}

/// A daemon with the roots `main` and `disk`, which is the volume.
fn daemon_with(home: &Home, volume: &Volume) -> Daemon {
    home.write_roots(&[("main", &home.root()), ("disk", volume.folder())]);
    Daemon::start_in(home.clone(), &[])
}

/// Another root and the daemon itself are as well as ever.
fn check_others(daemon: &Daemon) {
    write_named(daemon, "main", "other", b"well").expect(200);
    assert_eq!(read_named(daemon, "main", "other").expect(200).body, b"well");
}

#[test]
fn a_full_disk_is_told_and_what_was_acknowledged_stays() {
    let home = Home::new();
    let Some(volume) = Volume::tmpfs(&home, 2048) else { return };
    let daemon = daemon_with(&home, &volume);
    let content = whole(1, MIB as u64);
    let file = open(&daemon, "disk", "file");
    on_file(&daemon, "PATCH", file, "write?offset=0", &content).expect(200);
    // Each begins where there is room, and ends where there is none.
    let more = whole(2, 3 * MIB as u64);
    let target = format!("write?offset={MIB}");
    on_file(&daemon, "PATCH", file, &target, &more).refused(507, "disk_full");
    let (status, errno, written) = message_write(&daemon, file, MIB, &more);
    assert_eq!((status, errno), (1, libc::ENOSPC as u32));
    let found = fs::read(volume.folder().join("file")).expect("the file");
    assert!(found[..MIB] == content, "what was acknowledged");
    assert!(
        found[MIB..] == more[..found.len() - MIB] && found.len() - MIB >= written as usize,
        "what came after"
    );
    write_named(&daemon, "disk", "new", &more).refused(507, "disk_full");
    on_file(&daemon, "POST", file, &format!("preallocate?size={}", 64 * MIB), b"").refused(507, "disk_full");
    on_file(&daemon, "POST", file, "flush", b"").expect(200);
    check_others(&daemon);
    let read = call(&daemon, Request::get(&format!("/files/{file}/read?length={MIB}"))).expect(200);
    assert!(read.body == content, "read");
    // Room is made, and it goes on.
    let delete = json!({"root_key": "disk", "path": "new"});
    call(&daemon, Request::post("/ops/delete").json(&delete)).expect(200);
    on_file(&daemon, "POST", file, &format!("truncate?size={MIB}"), b"").expect(200);
    on_file(&daemon, "PATCH", file, &target, &more[..MIB / 2]).expect(200);
    on_file(&daemon, "POST", file, "close", b"").expect(200);
    let found = fs::read(volume.folder().join("file")).expect("the file");
    assert!(found == [&content, &more[..MIB / 2]].concat(), "at last");
    quiet(&daemon, usize::MAX);
}

#[test]
fn a_disk_that_can_t_be_read_is_told_by_every_reader() {
    let home = Home::new();
    let Some(mut volume) = Volume::ext4(&home, 64) else { return };
    let content = whole(1, 24 * MIB as u64);
    fs::write(volume.folder().join("file"), &content).expect("room");
    volume.lose_all_behind(16 << 20);
    let daemon = daemon_with(&home, &volume);
    let file = open(&daemon, "disk", "file");
    let last = format!("read?offset={}&length=1000", content.len() - 1000);
    call(&daemon, Request::get(&format!("/files/{file}/{last}"))).refused(500, "io_error");
    call(&daemon, Request::get("/hash/sha1/file?root_token=disk")).refused(500, "io_error");
    let ranges = json!([{"fileId": file, "offset": 0, "length": content.len()}]);
    let hash = json!({"algorithm": "sha256", "fileRanges": ranges, "chunkSize": MIB});
    call(&daemon, Request::post("/hash/from-file").json(&hash)).refused(500, "io_error");
    let lines = Request::post("/hash/from-file").json(&hash).field("Accept", "application/x-ndjson");
    let lines = call(&daemon, lines).expect(200);
    assert!(lines.text().contains(r#""error":"io_error""#), "{lines:?}");
    // Heads that were sent before: the connection is cut, and what came is right.
    for target in [format!("/files/{file}/read"), format!("/stream/{file}")] {
        let mut http = daemon.http();
        http.send(&Request::get(&target).token(&daemon.token).session("s"));
        let (mut stream, mut got) = http.into_parts();
        let _ = stream.read_to_end(&mut got);
        let head = got.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
        let body = &got[head..];
        assert!(
            body.len() < content.len() && *body == content[..body.len()],
            "{target}: {} bytes",
            body.len()
        );
    }
    check_others(&daemon);
    on_file(&daemon, "POST", file, "close", b"").expect(200);
    quiet(&daemon, usize::MAX);
}

#[test]
fn a_disk_that_turns_read_only_is_told() {
    let home = Home::new();
    let Some(volume) = Volume::tmpfs(&home, 2048) else { return };
    let daemon = daemon_with(&home, &volume);
    write_named(&daemon, "disk", "file", b"before").expect(200);
    quiet(&daemon, usize::MAX);
    assert!(volume.remount("ro"), "nobody has a file open for writing");
    write_named(&daemon, "disk", "file", b"after").refused(403, "read_only");
    write_named(&daemon, "disk", "new", b"after").refused(403, "read_only");
    try_open(&daemon, "disk", "file").refused(403, "read_only");
    let path = json!({"root_key": "disk", "path": "file", "length": 1});
    for what in ["/ops/delete", "/ops/truncate"] {
        call(&daemon, Request::post(what).json(&path)).refused(403, "read_only");
    }
    let folder = json!({"root_key": "disk", "path": "folder"});
    call(&daemon, Request::post("/files/ensure_dir").json(&folder)).refused(403, "read_only");
    assert_eq!(read_named(&daemon, "disk", "file").expect(200).body, b"before");
    let roots = call(&daemon, Request::get("/roots")).json();
    assert_eq!((&roots[0]["writable"], &roots[1]["writable"]), (&json!(true), &json!(false)), "{roots}");
    check_others(&daemon);
    assert!(volume.remount("rw"));
    write_named(&daemon, "disk", "file", b"again!").expect(200);
    assert_eq!(fs::read(volume.folder().join("file")).expect("the file"), b"again!");
    quiet(&daemon, usize::MAX);
}

#[test]
fn a_disk_that_is_pulled_out_and_put_back_is_served_again() {
    let home = Home::new();
    let Some(mut volume) = Volume::ext4(&home, 64) else { return };
    let daemon = daemon_with(&home, &volume);
    let content = whole(1, MIB as u64);
    let file = open(&daemon, "disk", "file");
    on_file(&daemon, "PATCH", file, "write?offset=0", &content).expect(200);
    on_file(&daemon, "POST", file, "flush", b"").expect(200);
    let copy = volume.copy(home.path("copy.img"));
    volume.unplug();
    let told = |answer: Response| {
        let code = answer.code();
        assert!(["io_error", "not_found", "read_only"].contains(&code.as_str()), "{answer:?}");
    };
    told(on_file(&daemon, "PATCH", file, "write?offset=0", &content));
    told(on_file(&daemon, "POST", file, "flush", b""));
    told(write_named(&daemon, "disk", "file", b"x"));
    read_named(&daemon, "disk", "file").refused(404, "not_found");
    try_open(&daemon, "disk", "new").refused(404, "not_found");
    check_others(&daemon);
    let roots: Value = call(&daemon, Request::get("/roots")).expect(200).json();
    assert_eq!(roots[1]["key"], "disk");
    volume.plug_in(copy);
    assert!(read_named(&daemon, "disk", "file").expect(200).body == content, "after it came back");
    let again = open(&daemon, "disk", "file");
    on_file(&daemon, "PATCH", again, "write?offset=5", b"again").expect(200);
    assert_eq!(
        &fs::read(volume.folder().join("file")).expect("the file")[..10],
        [&content[..5], b"again"].concat()
    );
    for id in [file, again] {
        on_file(&daemon, "POST", id, "close", b"").expect(200);
    }
    quiet(&daemon, usize::MAX);
}

#[test]
fn a_file_that_shrinks_while_it_is_read_cuts_the_answer() {
    let daemon = Daemon::start(&[]);
    let path = daemon.home.root().join("file");
    let size = 48 << 20;
    let by_id = |id: u64| (format!("/files/{id}/read"), "x");
    let by_name = ("/read/main".to_owned(), "ZmlsZQ==");
    let file = open(&daemon, "main", "file");
    for (target, name) in [by_id(file), by_name] {
        fs::File::create(&path).and_then(|file| file.set_len(size)).expect("room");
        let mut http = daemon.http();
        let request = Request::get(&target).token(&daemon.token).session("s").field("X-Path-Base64", name);
        http.send(&request);
        let (mut stream, mut got) = http.into_parts();
        got.resize(1, 0);
        stream.read_exact(&mut got).expect("a head");
        fs::File::options().write(true).open(&path).and_then(|file| file.set_len(100)).expect("shorter");
        let end = stream.read_to_end(&mut got);
        assert!(end.is_err(), "{target}: a reset, and no plain end after {} bytes", got.len());
        assert!((got.len() as u64) < size, "{target}");
    }
    on_file(&daemon, "GET", file, "read?offset=101", b"").refused(416, "offset_beyond_end");
    check_others(&daemon);
    on_file(&daemon, "POST", file, "close", b"").expect(200);
    quiet(&daemon, usize::MAX);
}

#[test]
fn a_limit_on_the_size_of_files_is_told_and_survived() {
    if !has("prlimit") {
        return;
    }
    let home = Home::new();
    let mut command = home.prepared(Command::new("prlimit"));
    command.args([&format!("--fsize={MIB}"), BINARY, "--install-id", INSTALL_ID]);
    // Its log counts, too, and stays below.
    let daemon = Daemon::spawn(home, command);
    let file = open(&daemon, "main", "file");
    let content = whole(1, 2 * MIB as u64);
    on_file(&daemon, "PATCH", file, "write?offset=0", &content).refused(500, "io_error");
    let (status, errno, _) = message_write(&daemon, file, MIB, b"x");
    assert_eq!((status, errno), (1, libc::EFBIG as u32));
    on_file(&daemon, "POST", file, &format!("truncate?size={}", 2 * MIB), b"").refused(500, "io_error");
    on_file(&daemon, "PATCH", file, "write?offset=0", &content[..MIB]).expect(200);
    assert!(
        fs::read(daemon.home.root().join("file")).expect("the file") == content[..MIB],
        "up to the limit"
    );
    on_file(&daemon, "POST", file, "close", b"").expect(200);
    quiet(&daemon, usize::MAX);
}

#[test]
fn a_log_without_room_holds_up_nothing_and_goes_on_when_there_is_some() {
    let home = Home::new();
    let Some(volume) = Volume::tmpfs(&home, 64) else { return };
    let ballast = volume.folder().join("ballast");
    fs::write(&ballast, vec![0; 40 << 10]).expect("room");
    let log = volume.folder().join("log");
    let arguments = ["--log-level", "trace", "--log-file", log.to_str().expect("a temporary path")];
    let daemon = Daemon::start_in(home, &arguments);
    // Many times what there is room for.
    let mut http = daemon.http();
    for _ in 0..2000 {
        http.call(Request::get("/no/such/endpoint").token(&daemon.token)).expect(404);
    }
    daemon.wait_for_stderr("the log file can't be written");
    fs::remove_file(&ballast).expect("the ballast");
    let full = fs::metadata(&log).expect("the log").len();
    let deadline = Instant::now() + DEADLINE;
    while fs::metadata(&log).expect("the log").len() <= full {
        assert!(Instant::now() < deadline, "the log does not go on");
        http.call(Request::get("/no/such/endpoint").token(&daemon.token)).expect(404);
    }
    check_others(&daemon);
}
