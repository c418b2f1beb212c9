//! `/hash/…` over real sockets and workers (PROTOCOL §5), against hashes that `sha1sum` and `sha256sum` give.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use crate::support::daemon::Daemon;
use crate::support::http::{Request, Response};

fn noise(size: usize) -> Vec<u8> {
    (0..size as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 11) as u8).collect()
}

/// What a program of the system says.
fn sum(program: &str, bytes: &[u8]) -> String {
    let mut child =
        Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("coreutils");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(bytes).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap().stdout;
    String::from_utf8(output).unwrap().split(' ').next().unwrap().to_owned()
}

fn daemon_with(files: &[(&str, &[u8])]) -> Daemon {
    let daemon = Daemon::start(&[]);
    for (name, content) in files {
        fs::write(daemon.home.root().join(name), content).unwrap();
    }
    daemon
}

fn call(daemon: &Daemon, request: Request) -> Response {
    daemon.http().call(request.token(&daemon.token).session("hash"))
}

fn named(path: &str, offset: u64, length: u64) -> Value {
    json!({"root": "main", "path": path, "offset": offset, "length": length})
}

#[test]
fn bodies_raw_and_as_json() {
    let daemon = daemon_with(&[]);
    for size in [0, 1, 100_000, 5_000_000] {
        let body = noise(size);
        let raw = call(&daemon, Request::post("/hash/sha1").body(body.clone())).expect(200);
        assert_eq!(HEXLOWER.encode(&raw.body), sum("sha1sum", &body));
        let request = Request::post("/hash/sha256").field("Accept", "application/json").body(body.clone());
        let expected = json!({"algorithm": "sha256", "hex": sum("sha256sum", &body), "bytes": size});
        assert_eq!(call(&daemon, request).expect(200).json(), expected);
    }
}

#[test]
fn files_by_path() {
    let content = noise(30_000_000);
    let daemon = daemon_with(&[("f", &content)]);
    let get = |target: &str| call(&daemon, Request::get(target));
    assert_eq!(get("/hash/sha1/f?root_token=main").expect(200).text(), sum("sha1sum", &content));
    let part = get("/hash/sha256/f?root_token=main&offset=1000&length=20000000").expect(200);
    assert_eq!(part.text(), sum("sha256sum", &content[1000..20_001_000]));
    get("/hash/sha1/f?root_token=main&offset=29999999&length=2").refused(416, "offset_beyond_end");
    get("/hash/sha1/none?root_token=main").refused(404, "not_found");
    get("/hash/sha1/f?root_token=none").refused(403, "root_unknown");
}

#[test]
fn ranges_of_files_whole_and_in_chunks() {
    let (a, b) = (noise(9_000_000), noise(1_234_567));
    let daemon = daemon_with(&[("a", &a), ("b", &b)]);
    let body = json!({"root": "main", "path": "b"});
    let id = call(&daemon, Request::post("/files/open").json(&body)).json()["fileId"].clone();
    let ranges = json!([named("a", 5, 8_000_000), {"fileId": id, "offset": 67, "length": 1_234_500}]);
    let mut all = a[5..8_000_005].to_vec();
    all.extend_from_slice(&b[67..]);
    for (algorithm, program) in [("sha1", "sha1sum"), ("sha256", "sha256sum")] {
        let whole = json!({"algorithm": algorithm, "fileRanges": ranges});
        let answer = call(&daemon, Request::post("/hash/from-file").json(&whole)).expect(200).json();
        assert_eq!(answer, json!({"algorithm": algorithm, "hex": sum(program, &all), "bytes": all.len()}));
        let chunked = json!({"algorithm": algorithm, "fileRanges": ranges, "chunkSize": 1 << 20});
        let hexes: Vec<String> = all.chunks(1 << 20).map(|chunk| sum(program, chunk)).collect();
        let answer = call(&daemon, Request::post("/hash/from-file").json(&chunked)).expect(200).json();
        let expected =
            json!({"algorithm": algorithm, "bytes": all.len(), "chunkSize": 1 << 20, "hexes": hexes});
        assert_eq!(answer, expected);
        let request = Request::post("/hash/from-file").json(&chunked).field("Accept", "application/x-ndjson");
        let answer = call(&daemon, request).expect(200);
        let mut lines: Vec<Value> =
            answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.pop(), Some(json!({"done": true, "chunks": hexes.len()})));
        lines.sort_by_key(|line| line["chunk"].as_u64());
        let expected: Vec<Value> =
            hexes.iter().enumerate().map(|(chunk, hex)| json!({"chunk": chunk, "hex": hex})).collect();
        assert_eq!(lines, expected);
    }
}

#[test]
fn chunks_that_cannot_be_read_say_why() {
    let daemon = daemon_with(&[("a", b"0123456789")]);
    let ranges = json!([named("none", 0, 4), named("a", 8, 4)]);
    let chunked = json!({"algorithm": "sha1", "fileRanges": ranges, "chunkSize": 4});
    let request = Request::post("/hash/from-file").json(&chunked).field("Accept", "application/x-ndjson");
    let answer = call(&daemon, request).expect(200);
    let mut lines: Vec<&str> = answer.text().lines().collect();
    assert_eq!(lines.pop(), Some(r#"{"done":true,"chunks":2}"#));
    lines.sort_unstable();
    let expected = [r#"{"chunk":0,"error":"not_found"}"#, r#"{"chunk":1,"error":"offset_beyond_end"}"#];
    assert_eq!(lines, expected);
    call(&daemon, Request::post("/hash/from-file").json(&chunked)).refused(404, "not_found");
}

#[test]
fn an_open_file_that_was_deleted_is_not_hashed() {
    let daemon = daemon_with(&[("f", b"0123456789")]);
    let open = Request::post("/files/open").json(&json!({"root": "main", "path": "f"}));
    let id = call(&daemon, open).expect(200).json()["fileId"].as_u64().unwrap();
    let range = json!([{"fileId": id, "offset": 0, "length": 10}]);
    let whole = json!({"algorithm": "sha1", "fileRanges": range});
    let chunked = json!({"algorithm": "sha1", "fileRanges": range, "chunkSize": 10});
    let hash = |body| call(&daemon, Request::post("/hash/from-file").json(body));
    hash(&whole).expect(200);
    fs::remove_file(daemon.home.root().join("f")).unwrap();
    hash(&chunked).refused(404, "not_found");
    hash(&whole).refused(404, "not_found");
}

#[test]
fn a_file_that_shrinks_while_it_is_hashed_is_an_error_and_no_more() {
    let daemon = daemon_with(&[]);
    let path = daemon.home.root().join("big");
    fs::File::create(&path).unwrap().set_len(4 << 30).unwrap();
    let mut http = daemon.http();
    let whole = json!({"algorithm": "sha1", "fileRanges": [named("big", 0, 4 << 30)]});
    http.send(&Request::post("/hash/from-file").token(&daemon.token).json(&whole));
    let mut probe = daemon.http();
    while probe.call(Request::get("/stats").token(&daemon.token)).json()["files"]["bytes_hashed"] == 0 {}
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(1).unwrap();
    http.response().refused(416, "offset_beyond_end");
    probe.call(Request::get("/health")).expect(200);
}

#[test]
fn a_client_that_leaves_ends_its_work() {
    let daemon = daemon_with(&[]);
    fs::File::create(daemon.home.root().join("big")).unwrap().set_len(1 << 40).unwrap();
    let mut probe = daemon.http();
    for (chunk_size, hash) in
        [(Value::Null, "sha256"), (json!(1 << 18), "sha1"), (json!(1_u64 << 39), "sha1")]
    {
        let body =
            json!({"algorithm": hash, "fileRanges": [named("big", 0, 1 << 40)], "chunkSize": chunk_size});
        let mut http = daemon.http();
        let request = Request::post("/hash/from-file").token(&daemon.token).json(&body);
        http.send(&request.field("Accept", "application/x-ndjson"));
        let workers = |probe: &mut crate::support::http::Http| {
            probe.call(Request::get("/stats").token(&daemon.token)).expect(200).json()["workers"]["jobs"]
                .clone()
        };
        while workers(&mut probe) == 0 {}
        drop(http);
        while workers(&mut probe) != 0 {}
    }
}
