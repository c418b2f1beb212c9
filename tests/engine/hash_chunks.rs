//! `/hash/from-file` with `chunkSize`: as JSON and as lines (PROTOCOL §5).

use crate::harness::{Bench, Response};
use crate::hash::{from_file, hex, noise, sha1};
use jstorrent_io_daemon::job::Algorithm;
use jstorrent_io_daemon::limits::Limits;
use serde_json::{Value, json};

fn chunked(ranges: Value, chunk_bytes: u64) -> Value {
    json!({"algorithm": "sha1", "fileRanges": ranges, "chunkSize": chunk_bytes})
}

fn named(path: &str, offset: u64, length: u64) -> Value {
    json!({"root": "main", "path": path, "offset": offset, "length": length})
}

fn lines(bench: &mut Bench, body: &Value) -> Response {
    let request = bench.request("POST", "/hash/from-file").session("s").json(body);
    bench.call(request.field("Accept", "application/x-ndjson"))
}

fn parsed(response: &Response) -> Vec<Value> {
    assert_eq!(response.field("Content-Type"), Some("application/x-ndjson"));
    response.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn chunks_are_cut_over_the_ranges() {
    let mut bench = Bench::new();
    let (a, b) = (noise(100_000), noise(777));
    bench.write("a", &a);
    bench.write("b", &b);
    let id = bench.open("b", false);
    let ranges = json!([named("a", 3, 50_000), {"fileId": id, "offset": 0, "length": 777}, named("a", 0, 0), named("a", 0, 9)]);
    let mut all = a[3..50_003].to_vec();
    all.extend_from_slice(&b);
    all.extend_from_slice(&a[..9]);
    for size in [7, 512, 777, 16_384, 50_786, 50_787, u64::MAX] {
        let answer = from_file(&mut bench, &chunked(ranges.clone(), size)).ok().json();
        let cut = usize::try_from(size).unwrap().min(all.len());
        let hexes: Vec<String> = all.chunks(cut).map(sha1).collect();
        let expected = json!({"algorithm": "sha1", "bytes": all.len(), "chunkSize": size, "hexes": hexes});
        assert!(answer == expected, "{size}");
    }
    bench.assert_at_rest();
}

#[test]
fn no_bytes_are_no_chunks() {
    let mut bench = Bench::new();
    let answer = from_file(&mut bench, &chunked(json!([]), 5)).ok().json();
    assert_eq!(answer, json!({"algorithm": "sha1", "bytes": 0, "chunkSize": 5, "hexes": []}));
    let answer = lines(&mut bench, &chunked(json!([]), 5)).ok();
    assert_eq!(answer.text(), "{\"done\":true,\"chunks\":0}\n");
}

#[test]
fn lines_come_as_chunks_end() {
    let mut bench = Bench::new();
    let content = noise(1_000_000);
    bench.write("a", &content);
    let body = chunked(json!([named("a", 0, 1_000_000)]), 3000);
    let all = parsed(&lines(&mut bench, &body).ok());
    let (last, chunks) = all.split_last().unwrap();
    assert_eq!(*last, json!({"done": true, "chunks": 334}));
    let mut seen = vec![false; 334];
    for line in chunks {
        let index = line["chunk"].as_u64().unwrap() as usize;
        assert!(!std::mem::replace(&mut seen[index], true));
        assert_eq!(line["hex"], sha1(content.chunks(3000).nth(index).unwrap()));
    }
    assert_eq!(chunks.len(), 334);
    bench.assert_at_rest();
}

#[test]
fn an_http_1_0_client_gets_lines_until_the_end() {
    let mut bench = Bench::new();
    bench.write("a", "abc");
    let id = bench.connect();
    let body = chunked(json!([named("a", 0, 3)]), 2);
    let request =
        bench.request("POST", "/hash/from-file").json(&body).field("Accept", "application/x-ndjson");
    let bytes = String::from_utf8(request.bytes()).unwrap().replace("HTTP/1.1", "HTTP/1.0");
    bench.send(id, bytes.as_bytes());
    let response = bench.response(id, false).unwrap().ok();
    assert_eq!(response.field("Transfer-Encoding"), None);
    assert_eq!(parsed(&response).len(), 3);
    assert!(bench.has_ended(id));
}

#[test]
fn chunks_that_can_t_be_read_are_errors_of_their_own() {
    let mut bench = Bench::new();
    bench.write("a", "0123456789");
    let ranges = json!([named("a", 0, 5), named("none", 0, 5), named("a", 5, 10)]);
    let mut all = parsed(&lines(&mut bench, &chunked(ranges.clone(), 5)).ok());
    all[..4].sort_by_key(|line| line["chunk"].as_u64());
    let expected = json!([
        {"chunk": 0, "hex": sha1(b"01234")},
        {"chunk": 1, "error": "not_found"},
        {"chunk": 2, "hex": sha1(b"56789")},
        {"chunk": 3, "error": "offset_beyond_end"},
        {"done": true, "chunks": 4},
    ]);
    assert_eq!(json!(all), expected);
    from_file(&mut bench, &chunked(ranges, 5)).refused(404, "not_found");
    from_file(&mut bench, &chunked(json!([named("a", 0, 11)]), 5)).refused(416, "offset_beyond_end");
    let unmeasurable = json!([{"root": "main", "path": "none"}]);
    lines(&mut bench, &chunked(unmeasurable, 5)).refused(404, "not_found");
    bench.assert_at_rest();
    assert_eq!((bench.descriptors(), bench.engine.state.files.len()), (0, 0));
}

#[test]
fn too_many_chunks_for_one_answer() {
    let mut bench = Bench::new();
    std::fs::File::create(bench.at("a")).unwrap().set_len(1 << 40).unwrap();
    let body = chunked(json!([named("a", 0, 1 << 40)]), 1);
    let response = from_file(&mut bench, &body).refused(400, "bad_parameter");
    assert!(response.text().contains("ndjson"));
    from_file(&mut bench, &chunked(json!([]), 0)).refused(400, "bad_parameter");
    bench.assert_at_rest();
}

#[test]
fn a_client_that_does_not_read_stops_the_work() {
    let mut bench = Bench::new();
    std::fs::File::create(bench.at("a")).unwrap().set_len(1 << 30).unwrap();
    let id = bench.connect();
    bench.stall(id, true);
    let body = chunked(json!([named("a", 0, 1 << 30)]), 1000);
    let request =
        bench.request("POST", "/hash/from-file").json(&body).field("Accept", "application/x-ndjson");
    bench.send(id, &request.bytes());
    let jobs = |bench: &Bench| bench.done.iter().filter(|kind| **kind == "HashChunks").count();
    let before = jobs(&bench);
    assert!((1..100).contains(&before), "{before}");
    bench.wait_ms(10_000);
    assert_eq!(jobs(&bench), before);
    bench.reset(id);
    bench.assert_at_rest();
    assert_eq!(bench.descriptors(), 0);
}

#[test]
fn jobs_are_many_and_none_is_lost_whatever_their_order() {
    let mut bench = Bench::new();
    let content = noise(8_000_000);
    bench.write("a", &content);
    bench.hold("HashChunks");
    let id = bench.connect();
    let body = chunked(json!([named("a", 0, 8_000_000)]), 65_536);
    bench.send(id, &bench.request("POST", "/hash/from-file").json(&body).bytes());
    assert!(bench.held() >= 4, "{} jobs for all threads", bench.held());
    while bench.held() > 0 {
        bench.do_last();
    }
    let answer = bench.response(id, false).unwrap().ok().json();
    let hexes: Vec<String> = content.chunks(65_536).map(sha1).collect();
    assert_eq!(answer["hexes"], json!(hexes));
    bench.assert_at_rest();
}

#[test]
fn a_client_that_goes_away_stops_what_is_under_way() {
    let mut bench = Bench::new();
    bench.write("a", noise(8_000_000));
    bench.hold("HashChunks");
    let id = bench.connect();
    let body = chunked(json!([named("a", 0, 8_000_000)]), 65_536);
    bench.send(id, &bench.request("POST", "/hash/from-file").json(&body).bytes());
    let held = bench.held();
    bench.reset(id);
    bench.let_go();
    assert_eq!(
        bench.done.iter().filter(|kind| **kind == "HashChunks").count(),
        held,
        "nothing more is begun"
    );
    bench.assert_at_rest();
    assert_eq!((bench.descriptors(), bench.engine.state.files.len()), (0, 0));
}

#[test]
fn a_failure_answers_at_once_and_the_connection_goes_on() {
    let mut bench = Bench::new();
    let b = noise(300_000);
    bench.write("a", noise(8_000_000));
    bench.write("b", &b);
    bench.hold("HashChunks");
    let id = bench.connect();
    let body = |name: &str, length| chunked(json!([named(name, 0, length)]), 65_536);
    bench.send(id, &bench.request("POST", "/hash/from-file").json(&body("a", 8_000_000)).bytes());
    bench.write("a", "");
    bench.do_one();
    bench.response(id, false).unwrap().refused(416, "offset_beyond_end");
    // What comes home for the failed request is not taken for the next one's.
    bench.send(id, &bench.request("POST", "/hash/from-file").json(&body("b", 300_000)).bytes());
    bench.let_go();
    let hexes: Vec<String> = b.chunks(65_536).map(sha1).collect();
    assert_eq!(bench.response(id, false).unwrap().ok().json()["hexes"], json!(hexes));
    bench.assert_at_rest();
}

#[test]
fn many_digests_wait_for_memory_of_their_own() {
    let limits = Limits { bulk_bytes_max: 1 << 20, transfer: false, ..Limits::default() };
    let mut bench = Bench::with(limits, |_| {});
    let content = noise(20_000);
    bench.write("a", &content);
    let request = |algorithm: &str| json!({"algorithm": algorithm, "fileRanges": [named("a", 0, 20_000)], "chunkSize": 3});
    bench.hold("HashChunks");
    let ids: Vec<_> = (0..6).map(|_| bench.connect()).collect();
    let bytes = bench.request("POST", "/hash/from-file").json(&request("sha256")).bytes();
    for id in &ids {
        bench.send(*id, &bytes);
    }
    bench.let_go();
    let hexes: Vec<String> = content.chunks(3).map(|chunk| hex(Algorithm::Sha256, chunk)).collect();
    for id in ids {
        let answer = bench.response(id, false).unwrap().ok().json();
        assert!(answer["hexes"] == json!(hexes));
    }
    bench.assert_at_rest();
}
