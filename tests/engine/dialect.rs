//! The shipping client's dialect (PROTOCOL §4).

use crate::harness::{Bench, Request};
use serde_json::json;

fn read(bench: &Bench, path: &str) -> Request {
    bench.request("GET", "/read/main").path(path)
}

fn write(bench: &Bench, path: &str, body: impl Into<Vec<u8>>) -> Request {
    bench.request("POST", "/write/main").path(path).body(body)
}

#[test]
fn reads_exactly_what_is_asked() {
    let mut bench = Bench::new();
    bench.write("f", b"0123456789");
    for (offset, length, expected) in [
        (None, None, "0123456789"),
        (Some("3"), None, "3456789"),
        (Some("3"), Some("4"), "3456"),
        (Some("0"), Some("10"), "0123456789"),
        (Some("10"), None, ""),
        (Some("10"), Some("0"), ""),
    ] {
        let mut request = read(&bench, "f");
        if let Some(offset) = offset {
            request = request.field("X-Offset", offset);
        }
        if let Some(length) = length {
            request = request.field("X-Length", length);
        }
        let response = bench.call(request).ok();
        assert_eq!(response.text(), expected, "{offset:?} {length:?}");
        assert_eq!(response.field("Content-Type"), Some("application/octet-stream"));
    }
    bench.assert_at_rest();
    assert_eq!(bench.descriptors(), 0, "files of one request are closed");
}

#[test]
fn refuses_what_lies_beyond_the_end() {
    let mut bench = Bench::new();
    bench.write("f", b"0123456789");
    for (offset, length) in
        [("11", None), ("11", Some("0")), ("0", Some("11")), ("9", Some("2")), ("10", Some("1"))]
    {
        let mut request = read(&bench, "f").field("X-Offset", offset);
        if let Some(length) = length {
            request = request.field("X-Length", length);
        }
        bench.call(request).refused(416, "offset_beyond_end");
    }
    let far = i64::MAX.to_string();
    let request = read(&bench, "f").field("X-Offset", &far).field("X-Length", "18446744073709551615");
    bench.call(request).refused(416, "offset_beyond_end");
    bench.assert_at_rest();
    assert_eq!(bench.descriptors(), 0);
}

#[test]
fn large_reads_come_whole_and_keep_the_file_until_the_end() {
    let mut bench = Bench::new();
    let content: Vec<u8> = (0..1_000_000_u32).map(|n| n as u8).collect();
    bench.write("f", &content);
    let id = bench.connect();
    bench.stall(id, true);
    bench.send(id, &read(&bench, "f").bytes());
    assert_eq!(bench.descriptors(), 1);
    assert!(bench.engine.state.buffers.out() > 0);
    bench.stall(id, false);
    assert_eq!(bench.response(id, false).unwrap().ok().body, content);
    bench.assert_at_rest();
    assert_eq!(bench.descriptors(), 0);
}

#[test]
fn a_client_that_goes_away_leaves_nothing_open() {
    for kind in ["Open", "Read", "Write"] {
        let mut bench = Bench::new();
        bench.write("f", vec![7; 1 << 20]);
        bench.hold(kind);
        let id = bench.connect();
        let request = if kind == "Write" { write(&bench, "f", vec![1; 600_000]) } else { read(&bench, "f") };
        bench.send(id, &request.bytes());
        assert_eq!(bench.held(), 1, "{kind}");
        bench.reset(id);
        bench.let_go();
        bench.assert_at_rest();
        assert_eq!((bench.descriptors(), bench.engine.state.files.len()), (0, 0), "{kind}");
    }
}

#[test]
fn what_is_not_a_file_is_told_apart() {
    let mut bench = Bench::new();
    std::fs::create_dir(bench.at("folder")).unwrap();
    bench.write("f", b"x");
    for (path, status, code) in [
        ("missing", 404, "not_found"),
        ("folder", 409, "is_directory"),
        ("f/x", 409, "not_a_directory"),
        ("../f", 400, "path_invalid"),
        ("", 400, "path_invalid"),
    ] {
        let request = read(&bench, path);
        bench.call(request).refused(status, code);
    }
    let request = bench.request("GET", "/read/other").path("f");
    bench.call(request).refused(403, "root_unknown");
    let request = bench.request("GET", "/read/m%61in").path("f");
    assert_eq!(bench.call(request).ok().text(), "x", "a key is percent-encoded");
    let request = bench.request("GET", "/read/main");
    bench.call(request).refused(400, "bad_parameter");
    let request = bench.request("GET", "/read/main").field("X-Path-Base64", "!");
    bench.call(request).refused(400, "path_invalid");
    let request = read(&bench, "f").field("X-Offset", "-1");
    bench.call(request).refused(400, "bad_parameter");
    let request = read(&bench, "f").path("f");
    bench.call(request).refused(400, "bad_parameter");
}

#[test]
fn head_of_a_read_tells_the_length() {
    let mut bench = Bench::new();
    bench.write("f", vec![1; 300_000]);
    let request = bench.request("HEAD", "/read/main").path("f");
    let response = bench.call(request).ok();
    assert_eq!(response.field("Content-Length"), Some("300000"));
    bench.assert_at_rest();
    assert_eq!(bench.descriptors(), 0);
}

#[test]
fn writes_make_the_file_and_its_parents() {
    let mut bench = Bench::new();
    let request = write(&bench, "a/b/f", "hello");
    let response = bench.call(request).ok();
    assert_eq!((response.body.len(), response.field("Content-Length")), (0, Some("0")));
    assert_eq!(bench.read("a/b/f"), b"hello");
    let request = write(&bench, "a/b/f", "J").field("X-Offset", "8");
    bench.call(request).ok();
    assert_eq!(bench.read("a/b/f"), b"hello\0\0\0J");
    // What is compressed would be stored as it came, which nobody means.
    let request = write(&bench, "packed", "hello").field("Content-Encoding", "gzip");
    bench.call(request).refused(415, "media_type");
    assert!(!bench.at("packed").exists());
    let request = write(&bench, "a/b/f", "h").field("Content-Encoding", "Identity");
    bench.call(request).ok();
    let request = write(&bench, "a/b/f", "");
    bench.call(request).ok();
    let request = bench.request("POST", "/write/main").path("new");
    bench.call(request).ok();
    assert_eq!(bench.read("new"), b"", "no body is a body of nothing");
    bench.assert_at_rest();
    assert_eq!(bench.descriptors(), 0);
}

#[test]
fn large_bodies_stream_whole_and_in_chunks() {
    let content: Vec<u8> = (0..3_000_000_u32).map(|n| (n / 7) as u8).collect();
    let mut bench = Bench::new();
    let request = write(&bench, "whole", content.clone());
    bench.call(request).ok();
    assert!(bench.read("whole") == content);
    for (name, chunk_bytes) in [("large", 300_000), ("small", 1000)] {
        let request = bench.request("POST", "/write/main").path(name).chunked(content.clone(), chunk_bytes);
        bench.call(request).ok();
        assert!(bench.read(name) == content);
    }
    bench.assert_at_rest();
}

#[test]
fn a_slow_opening_stops_the_body() {
    let mut bench = Bench::new();
    bench.hold("Open");
    let id = bench.connect();
    let bytes = write(&bench, "f", vec![3; 4 << 20]).bytes();
    let sent = bench.send(id, &bytes);
    let head = bytes.len() - (4 << 20);
    assert!(sent <= (1 << 20) + head, "{sent} bytes were read while the file was not open");
    bench.wait_ms(200_000);
    assert!(!bench.has_ended(id), "the client is not to blame");
    bench.let_go();
    bench.send(id, &bytes[sent..]);
    bench.response(id, false).unwrap().ok();
    assert_eq!(bench.read("f").len(), 4 << 20);
    bench.assert_at_rest();
}

#[test]
fn a_write_that_can_t_be_opened_is_refused() {
    let mut bench = Bench::new();
    std::fs::create_dir(bench.at("folder")).unwrap();
    let request = write(&bench, "folder", vec![1; 1 << 20]);
    bench.call(request).refused(409, "is_directory");
    bench.write("f", "x");
    let request = write(&bench, "f/g", "y");
    bench.call(request).refused(409, "not_a_directory");
    let request = write(&bench, "f", "y").field("X-Offset", "9223372036854775807");
    bench.call(request).refused(400, "bad_parameter");
    bench.assert_at_rest();
}

#[test]
fn stat_tells_size_time_and_kind() {
    let mut bench = Bench::new();
    bench.write("a b", b"xyz");
    let stat = bench.get("/ops/stat?path=a%20b&root_key=main").ok().json();
    assert_eq!(
        (&stat["size"], &stat["is_file"], &stat["is_directory"]),
        (&3.into(), &true.into(), &false.into())
    );
    assert!(stat["mtime"].as_u64().unwrap() > 1_600_000_000_000);
    let stat = bench.get("/ops/stat?path=&root_key=main").ok().json();
    assert_eq!((&stat["is_file"], &stat["is_directory"]), (&false.into(), &true.into()));
    bench.get("/ops/stat?path=none&root_key=main").refused(404, "not_found");
    bench.get("/ops/stat?path=x&root_key=none").refused(403, "root_unknown");
    bench.get("/ops/stat?root_key=main").refused(400, "bad_parameter");
    bench.get("/ops/stat?path=x").refused(400, "bad_parameter");
    bench.get("/ops/stat?path=x&path=y&root_key=main").refused(400, "bad_parameter");
    let request = bench.request("HEAD", "/ops/stat?path=a+b&root_key=main");
    assert!(bench.call(request).ok().field("Content-Length").is_some());
}

#[test]
fn list_tells_names() {
    let mut bench = Bench::new();
    bench.write("b", "");
    bench.write("a", "");
    std::fs::create_dir(bench.at("c")).unwrap();
    assert_eq!(bench.get("/ops/list?path=&root_key=main").ok().json(), json!(["a", "b", "c"]));
    assert_eq!(bench.get("/ops/list?path=c&root_key=main").ok().json(), json!([]));
    bench.get("/ops/list?path=a&root_key=main").refused(409, "not_a_directory");
    bench.get("/ops/list?path=x&root_key=main").refused(404, "not_found");
}

#[test]
fn delete_truncate_and_ensure_dir() {
    let mut bench = Bench::new();
    let body = |path: &str| json!({"path": path, "root_key": "main"});
    assert_eq!(bench.post_json("/files/ensure_dir", &body("x/y/z")).ok().body, b"");
    bench.post_json("/files/ensure_dir", &body("x/y/z")).ok();
    bench.post_json("/files/ensure_dir", &body("")).ok();
    bench.write("x/y/f", "12345");
    let truncate = |length: u64| json!({"path": "x/y/f", "root_key": "main", "length": length});
    bench.post_json("/ops/truncate", &truncate(2)).ok();
    assert_eq!(bench.read("x/y/f"), b"12");
    bench.post_json("/ops/truncate", &truncate(u64::MAX)).refused(400, "bad_parameter");
    bench.post_json("/ops/truncate", &body("x/y/f")).refused(400, "bad_json");
    bench.post_json("/files/ensure_dir", &body("x/y/f")).refused(409, "not_a_directory");
    bench.post_json("/ops/delete", &body("x/y/none")).refused(404, "not_found");
    for root in ["", ".", "/", "./."] {
        bench.post_json("/ops/delete", &body(root)).refused(400, "path_invalid");
    }
    assert_eq!(bench.post_json("/ops/delete", &body("x")).ok().body, b"");
    assert!(!bench.at("x").exists());
    let unknown = json!({"path": "x", "root_key": "none"});
    bench.post_json("/ops/delete", &unknown).refused(403, "root_unknown");
}

#[test]
fn json_bodies_are_judged() {
    let mut bench = Bench::new();
    let request = bench.request("POST", "/ops/delete").body("{");
    bench.call(request).refused(400, "bad_json");
    let request = bench.request("POST", "/ops/delete").field("Content-Type", "text/plain").body("{}");
    bench.call(request).refused(415, "media_type");
    let request = bench.request("POST", "/ops/delete").field("Content-Type", "application/json");
    bench.call(request.field("Content-Type", "text/plain").body("{}")).refused(415, "media_type");
    // The values of the fields in their order are no object.
    bench.write("f", "x");
    bench.post_json("/ops/delete", &serde_json::json!(["f", "main"])).refused(400, "bad_json");
    assert_eq!(bench.read("f"), b"x");
    let request = bench.request("POST", "/ops/delete").body(vec![b' '; (1 << 20) + 1]);
    bench.call(request).refused(413, "body_too_large");
    let request = bench.request("POST", "/ops/delete").chunked(vec![b' '; (1 << 20) + 1], 10_000);
    bench.call(request).refused(413, "body_too_large");
    bench.assert_at_rest();
}
