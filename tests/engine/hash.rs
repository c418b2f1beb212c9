//! Hashes of bodies and of ranges of files (PROTOCOL §5).

use crate::harness::{Bench, Request, Response};
use jstorrent_io_daemon::job::{Algorithm, Hasher, Lane};
use jstorrent_io_daemon::limits::Limits;
use serde_json::{Value, json};

/// Hex of a hash.
pub(crate) fn hex(algorithm: Algorithm, bytes: &[u8]) -> String {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    data_encoding::HEXLOWER.encode(hasher.finish().as_bytes())
}

pub(crate) fn sha1(bytes: &[u8]) -> String {
    hex(Algorithm::Sha1, bytes)
}

/// Bytes that repeat late.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    (0..len as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8).collect()
}

pub(crate) fn from_file(bench: &mut Bench, body: &Value) -> Response {
    let request = bench.request("POST", "/hash/from-file").session("s").json(body);
    bench.call(request)
}

fn whole(ranges: Value) -> Value {
    json!({"algorithm": "sha1", "fileRanges": ranges})
}

fn named(path: &str, offset: u64, length: u64) -> Value {
    json!({"root": "main", "path": path, "offset": offset, "length": length})
}

#[test]
fn bodies_are_hashed_as_they_arrive() {
    let mut bench = Bench::new();
    for len in [0, 3, 262_144, 2_000_001] {
        let body = noise(len);
        let request = bench.request("POST", "/hash/sha1").body(body.clone());
        let response = bench.call(request).ok();
        assert_eq!(response.field("Content-Type"), Some("application/octet-stream"));
        assert_eq!(data_encoding::HEXLOWER.encode(&response.body), sha1(&body));
        let request = bench.request("POST", "/hash/sha1").field("Accept", "application/json;q=0, */*");
        assert_eq!(bench.call(request.body(body.clone())).ok().body, response.body);
        let request =
            bench.request("POST", "/hash/sha256").field("Accept", "text/html, application/json;q=0.9");
        let answer = bench.call(request.chunked(body.clone(), 65_537)).ok().json();
        let expected = json!({"algorithm": "sha256", "hex": hex(Algorithm::Sha256, &body), "bytes": len});
        assert_eq!(answer, expected);
    }
    bench.assert_at_rest();
}

#[test]
fn a_body_is_hashed_by_two_jobs_one_behind_the_other() {
    let mut bench = Bench::new();
    bench.hold("HashInOrder");
    let id = bench.connect();
    let body = noise(3_000_000);
    let expected = sha1(&body);
    let bytes = bench.request("POST", "/hash/sha1").field("Accept", "application/json").body(body).bytes();
    let mut sent = bench.send(id, &bytes);
    assert_eq!(
        (bench.held(), bench.engine.state.buffers.out()),
        (2, bench.engine.state.limits.body_buffers_max)
    );
    while sent < bytes.len() {
        bench.let_go();
        bench.hold("HashInOrder");
        sent += bench.send(id, &bytes[sent..]);
    }
    bench.let_go();
    assert_eq!(bench.response(id, false).unwrap().ok().json()["hex"], expected.as_str());
    bench.assert_at_rest();
}

#[test]
fn jobs_of_one_body_stay_at_one_thread_and_bodies_spread() {
    let mut bench = Bench::with(Limits { hash_lanes: 2, ..Limits::default() }, |_| {});
    bench.hold("HashInOrder");
    let bytes = bench.request("POST", "/hash/sha1").body(noise(3_000_000)).bytes();
    let ids = [bench.connect(), bench.connect()];
    let sent = ids.map(|id| bench.send(id, &bytes));
    let lane = |number| Lane::HashInOrder(number);
    assert_eq!(bench.held_lanes(), [lane(0), lane(0), lane(1), lane(1)]);
    bench.let_go();
    for (id, sent) in ids.into_iter().zip(sent) {
        bench.send(id, &bytes[sent..]);
        bench.response(id, false).unwrap().ok();
    }
    bench.assert_at_rest();
}

#[test]
fn a_file_by_its_path() {
    let mut bench = Bench::new();
    let content = noise(20_000_000);
    std::fs::create_dir(bench.at("a b")).unwrap();
    bench.write("a b/f", &content);
    let get = |bench: &mut Bench, target: &str| bench.get(target);
    let response = get(&mut bench, "/hash/sha1/a%20b/f?root_token=main").ok();
    assert_eq!(response.text(), sha1(&content));
    let response = get(&mut bench, "/hash/sha256/a%20b%2Ff?root_token=main&offset=5&length=10").ok();
    assert_eq!(response.text(), hex(Algorithm::Sha256, &content[5..15]));
    let response = get(&mut bench, "/hash/sha1/a%20b/f?root_token=main&offset=20000000").ok();
    assert_eq!(response.text(), sha1(b""));
    for query in [
        "offset=20000001",
        "offset=20000001&length=0",
        "offset=19999999&length=2",
        "length=9223372036854775808",
    ] {
        get(&mut bench, &format!("/hash/sha1/a%20b/f?root_token=main&{query}"))
            .refused(416, "offset_beyond_end");
    }
    get(&mut bench, "/hash/sha1/none?root_token=main").refused(404, "not_found");
    get(&mut bench, "/hash/sha1/a%20b?root_token=main").refused(409, "is_directory");
    get(&mut bench, "/hash/sha1/f?root_token=none").refused(403, "root_unknown");
    get(&mut bench, "/hash/sha1/f").refused(400, "bad_parameter");
    get(&mut bench, "/hash/sha1/?root_token=main").refused(400, "path_invalid");
    get(&mut bench, "/hash/sha1/..%2Ff?root_token=main").refused(400, "path_invalid");
    let request = bench.request("HEAD", "/hash/sha1/a%20b/f?root_token=main");
    assert_eq!(bench.call(request).ok().field("Content-Length"), Some("40"));
    bench.assert_at_rest();
    assert_eq!((bench.descriptors(), bench.engine.state.files.len()), (0, 0));
}

#[test]
fn ranges_are_hashed_one_after_another() {
    let mut bench = Bench::new();
    let (a, b) = (noise(10_000_000), b"bbbb".to_vec());
    bench.write("a", &a);
    bench.write("b", &b);
    let id = bench.open("b", false);
    let ranges = json!([
        named("a", 1, 9_000_000),
        {"fileId": id, "offset": 1, "length": 2},
        {"fileId": id},
        named("b", 0, 0),
        {"root": "main", "path": "a", "offset": 9_999_990},
        named("a", 0, 3),
    ]);
    let mut expected = a[1..9_000_001].to_vec();
    expected.extend_from_slice(b"bbbbbb");
    expected.extend_from_slice(&a[9_999_990..]);
    expected.extend_from_slice(&a[..3]);
    let answer = from_file(&mut bench, &whole(ranges)).ok().json();
    assert_eq!(answer, json!({"algorithm": "sha1", "hex": sha1(&expected), "bytes": expected.len()}));
    let opened = bench.done.iter().filter(|kind| **kind == "Open").count();
    assert_eq!(opened, 3, "each file once, and the session's own");
    assert_eq!(bench.engine.state.metrics.bytes_hashed, expected.len() as u64);
    bench.assert_at_rest();
    assert_eq!(bench.engine.state.files.len(), 1);
}

#[test]
fn nothing_has_a_hash_too() {
    let mut bench = Bench::new();
    bench.write("a", "x");
    for ranges in [json!([]), json!([named("a", 1, 0)]), json!([named("a", 0, 0), named("a", 0, 0)])] {
        let answer = from_file(&mut bench, &whole(ranges)).ok().json();
        assert_eq!(answer, json!({"algorithm": "sha1", "hex": sha1(b""), "bytes": 0}));
    }
}

#[test]
fn what_is_beyond_the_end_is_refused() {
    let mut bench = Bench::new();
    bench.write("a", "12345");
    let id = bench.open("a", false);
    let of_id = |offset: u64, length: u64| json!({"fileId": id, "offset": offset, "length": length});
    for range in [
        named("a", 5, 1),
        named("a", 6, 0),
        named("a", 0, 6),
        named("a", u64::MAX, u64::MAX),
        of_id(5, 1),
        of_id(6, 0),
        of_id(1 << 63, 0),
        json!({"fileId": id, "offset": 6}),
        json!({"root": "main", "path": "a", "offset": 6}),
    ] {
        from_file(&mut bench, &whole(json!([named("a", 0, 2), range]))).refused(416, "offset_beyond_end");
    }
    bench.assert_at_rest();
}

#[test]
fn malformed_requests_are_refused() {
    let mut bench = Bench::new();
    bench.write("a", "x");
    std::fs::create_dir(bench.at("folder")).unwrap();
    let refused = |bench: &mut Bench, body: Value, status: u16, code: &str| {
        from_file(bench, &body).refused(status, code);
    };
    refused(&mut bench, json!({"algorithm": "md5", "fileRanges": []}), 400, "bad_parameter");
    refused(&mut bench, json!({"fileRanges": []}), 400, "bad_json");
    refused(&mut bench, json!({"algorithm": "sha1"}), 400, "bad_json");
    refused(&mut bench, whole(json!([{"offset": 0, "length": 1}])), 400, "bad_json");
    refused(&mut bench, whole(json!([{"fileId": 1, "root": "main", "path": "a"}])), 400, "bad_json");
    refused(&mut bench, whole(json!([{"fileId": 99, "offset": 0, "length": 1}])), 404, "no_such_file");
    refused(&mut bench, whole(json!([{"fileId": u64::MAX, "offset": 0, "length": 1}])), 404, "no_such_file");
    refused(&mut bench, whole(json!([[null, "main", "a", 0, 1]])), 400, "bad_json");
    refused(&mut bench, whole(json!([named("../a", 0, 1)])), 400, "path_invalid");
    refused(&mut bench, whole(json!([named("none", 0, 1)])), 404, "not_found");
    refused(&mut bench, whole(json!([named("a", 0, 1), named("folder", 0, 1)])), 409, "is_directory");
    let unknown = json!([named("a", 0, 1), {"root": "none", "path": "a", "offset": 0, "length": 1}]);
    refused(&mut bench, whole(unknown), 403, "root_unknown");
    let huge: Vec<Value> = (0..3).map(|_| named("a", 0, i64::MAX as u64)).collect();
    refused(&mut bench, whole(json!(huge)), 400, "bad_parameter");
    let body = json!({"algorithm": "sha1", "fileRanges": [{"fileId": 1, "offset": 0, "length": 1}]});
    bench.post_json("/hash/from-file", &body).refused(400, "session_required");
    let body = whole(json!([named("a", 0, 1)]));
    assert_eq!(bench.post_json("/hash/from-file", &body).ok().json()["hex"], sha1(b"x"), "no session needed");
    bench.assert_at_rest();
    assert_eq!((bench.descriptors(), bench.engine.state.files.len()), (0, 0));
}

#[test]
fn a_file_that_shrinks_meanwhile_is_an_error() {
    let mut bench = Bench::new();
    bench.write("a", noise(100_000));
    bench.hold("HashRange");
    let id = bench.connect();
    let request = bench.request("POST", "/hash/from-file").json(&whole(json!([named("a", 0, 100_000)])));
    bench.send(id, &request.bytes());
    bench.write("a", "short");
    bench.let_go();
    bench.response(id, false).unwrap().refused(416, "offset_beyond_end");
    bench.assert_at_rest();
}

/// A request whose work is held back at its first hash job.
fn under_way(bench: &mut Bench, kind: &'static str, request: Request) -> jstorrent_io_daemon::ids::ConnId {
    bench.hold(kind);
    let id = bench.connect();
    bench.send(id, &request.bytes());
    assert!(bench.held() > 0);
    id
}

#[test]
fn long_work_ends_with_its_client_and_short_work_does_not() {
    for (len, is_long) in [(100_u64 << 20, true), (1 << 20, false)] {
        let mut bench = Bench::new();
        std::fs::File::create(bench.at("a")).unwrap().set_len(len).unwrap();
        let request = bench.request("GET", "/hash/sha1/a?root_token=main");
        let id = under_way(&mut bench, "HashRange", request);
        bench.engine.hung_up(id);
        bench.run();
        bench.let_go();
        assert_eq!(bench.was_reset(id), is_long);
        let jobs = bench.done.iter().filter(|kind| **kind == "HashRange").count();
        assert_eq!((jobs, bench.response(id, false).is_some()), (1, !is_long));
        bench.assert_at_rest();
        assert_eq!(bench.descriptors(), 0);
    }
}

#[test]
fn many_large_requests_wait_for_memory_and_all_are_served() {
    let limits = Limits { bulk_bytes_max: 1 << 20, transfer: false, ..Limits::default() };
    let mut bench = Bench::with(limits, |_| {});
    bench.write("a", "x");
    bench.hold("Open");
    let ids: Vec<_> = (0..12).map(|_| bench.connect()).collect();
    let ranges: Vec<Value> = (0..100).map(|_| named("a", 0, 1)).collect();
    let bytes = bench.request("POST", "/hash/from-file").json(&whole(json!(ranges))).bytes();
    let sent: Vec<usize> = ids.iter().map(|id| bench.send(*id, &bytes)).collect();
    assert_eq!(bench.held(), 1, "the rest waits for its memory");
    bench.let_go();
    for (id, sent) in ids.into_iter().zip(sent) {
        bench.send(id, &bytes[sent..]);
        assert_eq!(bench.response(id, false).unwrap().ok().json()["hex"], sha1(&[b'x'; 100]));
    }
    bench.assert_at_rest();
}
