//! `/files/…` and the shipping client's dialect over real sockets and disks (PROTOCOL §4): what each request does to
//! the file system, and what each failure of it is called.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::support::daemon::Daemon;
use crate::support::http::{Http, Request, Response};

const SESSION: &str = "files";

fn noise(size: usize) -> Vec<u8> {
    (0..size as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 11) as u8).collect()
}

fn call(daemon: &Daemon, request: Request) -> Response {
    daemon.http().call(request.token(&daemon.token).session(SESSION))
}

fn open(daemon: &Daemon, path: &str, write: bool) -> u64 {
    let body = json!({"root": "main", "path": path, "write": write, "create": write});
    call(daemon, Request::post("/files/open").json(&body)).json()["fileId"].as_u64().expect("an id")
}

fn by_key(daemon: &Daemon, request: Request, path: &[u8]) -> Response {
    daemon.http().call(request.token(&daemon.token).field("X-Path-Base64", &BASE64.encode(path)))
}

fn post(daemon: &Daemon, target: &str, body: Value) -> Response {
    daemon.http().call(Request::post(target).token(&daemon.token).json(&body))
}

#[test]
fn a_file_from_its_opening_to_its_close() {
    let daemon = Daemon::start(&[]);
    let body = json!({"root": "main", "path": "a/b/f", "write": true, "create": true, "size": 1_000_000});
    let opened = call(&daemon, Request::post("/files/open").json(&body)).expect(201).json();
    let id = opened["fileId"].as_u64().unwrap();
    assert_eq!(opened, json!({"fileId": id, "size": 1_000_000, "created": true}));
    let again = call(&daemon, Request::post("/files/open").json(&body)).expect(200).json();
    assert!(again["fileId"] != id && again["created"] == false, "{again}");
    let content = noise(900_000);
    let request = Request::new("PATCH", &format!("/files/{id}/write?offset=50000")).body(content.clone());
    assert_eq!(call(&daemon, request).expect(200).json(), json!({"written": 900_000}));
    let read =
        call(&daemon, Request::get(&format!("/files/{id}/read?offset=50000&length=900000"))).expect(200);
    assert!(read.body == content);
    let info = call(&daemon, Request::get(&format!("/files/{id}"))).expect(200).json();
    assert_eq!((&info["size"], &info["writable"]), (&json!(1_000_000), &json!(true)));
    assert!(info["allocated"].as_u64().unwrap() >= 1_000_000, "real blocks: {info}");
    for (target, answer) in [
        ("flush", json!({})),
        ("preallocate?size=2000000&mode=sparse", json!({"size": 2_000_000})),
        ("truncate?size=60000", json!({"size": 60_000})),
        ("close", json!({})),
    ] {
        let response = call(&daemon, Request::post(&format!("/files/{id}/{target}"))).expect(200);
        assert_eq!(response.json(), answer, "{target}");
    }
    call(&daemon, Request::get(&format!("/files/{id}"))).refused(404, "no_such_file");
    let on_disk = fs::read(daemon.home.root().join("a/b/f")).unwrap();
    assert!(on_disk.len() == 60_000 && on_disk[50_000..] == content[..10_000]);
}

#[test]
fn a_body_in_pieces_is_one_file() {
    let daemon = Daemon::start(&[]);
    let content = noise(4_000_000);
    let id = open(&daemon, "f", true);
    let workers: Vec<_> = (0..4_usize)
        .map(|worker| {
            let (port, token) = (daemon.port, daemon.token.clone());
            let part = content[worker * 1_000_000..][..1_000_000].to_vec();
            std::thread::spawn(move || {
                let mut http = Http::connect(port);
                for (number, piece) in part.chunks(16 << 10).enumerate() {
                    let offset = worker * 1_000_000 + number * (16 << 10);
                    let request = Request::new("PATCH", &format!("/files/{id}/write?offset={offset}"));
                    http.call(request.token(&token).session(SESSION).body(piece)).expect(200);
                }
            })
        })
        .collect();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    assert!(fs::read(daemon.home.root().join("f")).unwrap() == content);
    let read = call(&daemon, Request::get(&format!("/files/{id}/read"))).expect(200);
    assert!(read.body == content);
}

#[test]
fn what_is_not_a_file_or_not_allowed_is_refused_by_its_own_code() {
    let daemon = Daemon::start(&[]);
    let root = daemon.home.root();
    fs::write(daemon.home.path("outside"), "secret").unwrap();
    fs::write(root.join("f"), "x").unwrap();
    fs::create_dir(root.join("folder")).unwrap();
    symlink("../outside", root.join("escape")).unwrap();
    symlink("f", root.join("inside")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    assert!(Command::new("mkfifo").arg(root.join("fifo")).status().unwrap().success());
    for (path, status, code) in [
        ("none", 404, "not_found"),
        ("folder", 409, "is_directory"),
        ("f/below", 409, "not_a_directory"),
        ("escape", 403, "path_escapes_root"),
        ("loop", 400, "path_invalid"),
        ("fifo", 403, "not_a_regular_file"),
        ("../outside", 400, "path_invalid"),
        ("a\0b", 400, "path_invalid"),
        ("", 400, "path_invalid"),
    ] {
        let body = json!({"root": "main", "path": path});
        call(&daemon, Request::post("/files/open").json(&body)).refused(status, code);
        by_key(&daemon, Request::get("/read/main"), path.as_bytes()).refused(status, code);
    }
    assert_eq!(by_key(&daemon, Request::get("/read/main"), b"inside").expect(200).text(), "x");
    let body = json!({"root": "other", "path": "f"});
    call(&daemon, Request::post("/files/open").json(&body)).refused(403, "root_unknown");
    let body = json!({"root": "main", "path": "f", "size": 5});
    call(&daemon, Request::post("/files/open").json(&body)).refused(400, "bad_parameter");
}

#[test]
fn requests_on_open_files_are_checked() {
    let daemon = Daemon::start(&[]);
    fs::write(daemon.home.root().join("f"), "0123456789").unwrap();
    let id = open(&daemon, "f", false);
    let get = |target: String| call(&daemon, Request::get(&target));
    assert_eq!(get(format!("/files/{id}/read?offset=8&length=100")).expect(200).text(), "89");
    assert_eq!(get(format!("/files/{id}/read?offset=10")).expect(200).body, b"");
    get(format!("/files/{id}/read?offset=11")).refused(416, "offset_beyond_end");
    for offset in [1 << 62, 1 << 63, u64::MAX] {
        get(format!("/files/{id}/read?offset={offset}&length=5")).refused(416, "offset_beyond_end");
    }
    get("/files/4294967297".to_owned()).refused(404, "no_such_file");
    get(format!("/files/{id}/read?offset=1&offset=2")).refused(400, "bad_parameter");
    get(format!("/files/{id}/read?offset=-1")).refused(400, "bad_parameter");
    let head = call(&daemon, Request::new("HEAD", &format!("/files/{id}/read"))).expect(200);
    assert_eq!(head.field("Content-Length"), Some("10"));
    let patch = |target: &str| Request::new("PATCH", &format!("/files/{id}/{target}"));
    call(&daemon, patch("write").body("x")).refused(403, "read_only");
    call(&daemon, patch("write")).refused(411, "length_required");
    call(&daemon, Request::post(&format!("/files/{id}/write"))).refused(405, "method_not_allowed");
    call(&daemon, Request::post(&format!("/files/{id}/truncate?size=1"))).refused(403, "read_only");
    call(&daemon, Request::post(&format!("/files/{id}/truncate"))).refused(400, "bad_parameter");
    call(&daemon, Request::post(&format!("/files/{id}/preallocate?size=1&mode=x")))
        .refused(400, "bad_parameter");
    let other = Request::get(&format!("/files/{id}")).token(&daemon.token).session("other");
    daemon.http().call(other).refused(404, "no_such_file");
}

#[test]
fn a_file_that_was_deleted_or_replaced_while_open_is_gone() {
    let daemon = Daemon::start(&[]);
    for replace in [false, true] {
        fs::write(daemon.home.root().join("f"), "old").unwrap();
        let id = open(&daemon, "f", true);
        fs::remove_file(daemon.home.root().join("f")).unwrap();
        if replace {
            fs::write(daemon.home.root().join("f"), "new").unwrap();
        }
        call(&daemon, Request::get(&format!("/files/{id}/read"))).refused(404, "not_found");
        call(&daemon, Request::new("PATCH", &format!("/files/{id}/write")).body("x"))
            .refused(404, "not_found");
        call(&daemon, Request::get(&format!("/files/{id}"))).refused(404, "not_found");
        call(&daemon, Request::post(&format!("/files/{id}/close"))).expect(200);
    }
    assert_eq!(fs::read(daemon.home.root().join("f")).unwrap(), b"new");
}

#[test]
fn the_dialect_reads_and_writes_by_key_and_path() {
    let daemon = Daemon::start(&[]);
    let content = noise(3_000_000);
    let write = Request::post("/write/main").body(content.clone());
    assert_eq!(by_key(&daemon, write, "neu/é".as_bytes()).expect(200).body, b"");
    let latin1 = Request::get("/read/main").field("X-Offset", "7").field("X-Length", "2000000");
    let read = by_key(&daemon, latin1, b"neu/\xe9").expect(200);
    assert!(read.body == content[7..2_000_007], "the same path, as btoa writes it");
    assert!(fs::read(daemon.home.root().join("neu/é")).unwrap() == content);
    let patch = Request::post("/write/main").field("X-Offset", "1").body("ABC");
    by_key(&daemon, patch, "neu/é".as_bytes()).expect(200);
    let beyond = Request::get("/read/main").field("X-Offset", "3000001").field("X-Length", "0");
    by_key(&daemon, beyond, "neu/é".as_bytes()).refused(416, "offset_beyond_end");
    let absurd = Request::get("/read/main").field("X-Offset", "18446744073709551615").field("X-Length", "9");
    by_key(&daemon, absurd, "neu/é".as_bytes()).refused(416, "offset_beyond_end");
    let too_long = Request::get("/read/main").field("X-Offset", "0").field("X-Length", "3000001");
    by_key(&daemon, too_long, "neu/é".as_bytes()).refused(416, "offset_beyond_end");
    let read = Request::get("/read/main").field("X-Length", "5");
    assert_eq!(by_key(&daemon, read, "neu/é".as_bytes()).expect(200).body[1..4], *b"ABC");
}

#[test]
fn checked_writes_are_all_or_nothing() {
    let daemon = Daemon::start(&[]);
    // SHA-1 and SHA-256 of "abc" (FIPS 180-4).
    let sha1 = "A9993E364706816ABA3E25717850C26C9CD0D89D";
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let write = |sha: &str, body: &str| {
        let request = Request::post("/write/main").field("X-Expected-SHA1", sha).body(body);
        by_key(&daemon, request, b"new/f")
    };
    let refusal = write(sha1, "abd").refused(409, "hash_mismatch");
    assert!(!refusal.text().is_empty(), "the shipping client reads the text");
    assert!(!daemon.home.root().join("new").exists());
    write("xyz", "abc").refused(400, "bad_parameter");
    write(sha1, "abc").expect(200);
    let id = open(&daemon, "new/f", true);
    let patch = |sha: &str, body: &str| {
        let request = Request::new("PATCH", &format!("/files/{id}/write?offset=3"));
        call(&daemon, request.field("X-Expected-SHA256", sha).field("X-Expected-SHA1", sha1).body(body))
    };
    patch(&sha256.replace('b', "c"), "abc").refused(409, "hash_mismatch");
    assert_eq!(patch(sha256, "abc").expect(200).json(), json!({"written": 3}));
    assert_eq!(fs::read(daemon.home.root().join("new/f")).unwrap(), b"abcabc");
    let announced = Request::post("/write/main")
        .field("X-Expected-SHA1", sha1)
        .field("Content-Length", &((64 << 20) + 1).to_string());
    by_key(&daemon, announced, b"f").refused(413, "body_too_large");
}

#[test]
fn the_dialect_s_operations_on_paths() {
    let daemon = Daemon::start(&[]);
    let on = |path: &str| json!({"path": path, "root_key": "main"});
    assert_eq!(post(&daemon, "/files/ensure_dir", on("a/b")).expect(200).body, b"");
    fs::write(daemon.home.root().join("a/f"), "12345").unwrap();
    let get = |target: &str| daemon.http().call(Request::get(target).token(&daemon.token));
    let stat = get("/ops/stat?path=a%2Ff&root_key=main").expect(200).json();
    assert_eq!(
        (&stat["size"], &stat["is_file"], &stat["is_directory"]),
        (&json!(5), &json!(true), &json!(false))
    );
    assert!(stat["mtime"].as_u64().unwrap() > 1_600_000_000_000, "milliseconds");
    assert_eq!(get("/ops/list?path=a&root_key=main").expect(200).json(), json!(["b", "f"]));
    assert_eq!(get("/ops/list?path=&root_key=main").expect(200).json(), json!(["a"]));
    get("/ops/stat?path=none&root_key=main").refused(404, "not_found");
    let truncate = json!({"path": "a/f", "root_key": "main", "length": 2});
    post(&daemon, "/ops/truncate", truncate).expect(200);
    assert_eq!(fs::read(daemon.home.root().join("a/f")).unwrap(), b"12");
    post(&daemon, "/ops/delete", on("")).refused(400, "path_invalid");
    post(&daemon, "/ops/delete", on("a")).expect(200);
    post(&daemon, "/ops/delete", on("a")).refused(404, "not_found");
    assert!(daemon.home.root().exists() && !daemon.home.root().join("a").exists());
    post(&daemon, "/ops/delete", json!({"path": "x"})).refused(400, "bad_json");
    post(&daemon, "/ops/delete", json!({"path": "x", "root_key": "other"})).refused(403, "root_unknown");
}

#[test]
fn a_client_that_dies_within_a_body_leaves_the_daemon_in_order() {
    let daemon = Daemon::start(&[]);
    for _ in 0..20 {
        let mut http = daemon.http();
        let head =
            Request::post("/write/main").token(&daemon.token).field("X-Path-Base64", &BASE64.encode(b"f"));
        http.send(&head.field("Content-Length", "10000000"));
        http.send_bytes(&noise(100_000));
    }
    by_key(&daemon, Request::post("/write/main").body("whole"), b"g").expect(200);
    let mut http = daemon.http();
    let stats = loop {
        let stats = http.call(Request::get("/stats").token(&daemon.token)).expect(200).json();
        if stats["http"]["in_flight"] == 1 && stats["workers"]["jobs"] == 0 {
            break stats;
        }
    };
    assert_eq!(
        (&stats["memory"]["buffers_bytes"], &stats["files"]["open"]),
        (&json!(0), &json!(0)),
        "{stats}"
    );
}
