//! Writes that are checked before a byte of them is written (PROTOCOL §4).

use crate::harness::{Bench, Request};
use jstorrent_io_daemon::buffer::BUFFER_BYTES;
use jstorrent_io_daemon::job::{Algorithm, Hasher};
use jstorrent_io_daemon::limits::Limits;

fn digest(algorithm: Algorithm, bytes: &[u8]) -> String {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    data_encoding::HEXUPPER.encode(hasher.finish().as_bytes())
}

fn sha1(bytes: &[u8]) -> String {
    digest(Algorithm::Sha1, bytes)
}

fn sha256(bytes: &[u8]) -> String {
    digest(Algorithm::Sha256, bytes)
}

fn write(bench: &Bench, path: &str) -> Request {
    bench.request("POST", "/write/main").path(path)
}

fn noise(len: usize) -> Vec<u8> {
    (0..len as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

#[test]
fn right_bodies_are_written() {
    let mut bench = Bench::new();
    for len in [0, 1, 262_144, 5_000_000] {
        let body = noise(len);
        let request = write(&bench, "a/f").field("X-Expected-SHA1", &sha1(&body)).body(body.clone());
        assert_eq!(bench.call(request).ok().body, b"");
        assert!(bench.read("a/f") == body, "{len}");
        let both = write(&bench, "b/f")
            .field("X-Expected-SHA1", &sha1(&body).to_lowercase())
            .field("X-Expected-SHA256", &sha256(&body))
            .chunked(body.clone(), 70_000);
        bench.call(both).ok();
        assert!(bench.read("b/f") == body, "{len}");
        std::fs::remove_dir_all(bench.at("a")).unwrap();
        std::fs::remove_dir_all(bench.at("b")).unwrap();
    }
    bench.assert_at_rest();
    assert_eq!(bench.descriptors(), 0);
}

#[test]
fn wrong_bodies_leave_no_trace() {
    let mut bench = Bench::new();
    let body = noise(600_000);
    let (good1, good256, bad) = (sha1(&body), sha256(&body), sha1(b"x"));
    let request = write(&bench, "a/f").field("X-Expected-SHA1", &bad).body(body.clone());
    bench.call(request).refused(409, "hash_mismatch");
    let request = write(&bench, "a/f")
        .field("X-Expected-SHA1", &bad)
        .field("X-Expected-SHA256", &good256)
        .body(body.clone());
    bench.call(request).refused(409, "hash_mismatch");
    let request = write(&bench, "a/f")
        .field("X-Expected-SHA1", &good1)
        .field("X-Expected-SHA256", &sha256(b"x"))
        .body(body);
    bench.call(request).refused(409, "hash_mismatch");
    assert!(!bench.at("a").exists());
    bench.assert_at_rest();
}

#[test]
fn open_files_too() {
    let mut bench = Bench::new();
    let id = bench.open("f", true);
    let body = noise(1000);
    let patch = |bench: &Bench, digest: &str| {
        bench
            .request("PATCH", &format!("/files/{id}/write?offset=5"))
            .session("s")
            .field("X-Expected-SHA256", digest)
            .body(noise(1000))
    };
    let request = patch(&bench, &sha256(b"x"));
    bench.call(request).refused(409, "hash_mismatch");
    assert_eq!(bench.read("f"), b"");
    let request = patch(&bench, &sha256(&body));
    assert_eq!(bench.call(request).ok().json()["written"], 1000);
    assert!(bench.read("f")[5..] == body);
    bench.assert_at_rest();
}

#[test]
fn malformed_digests_are_refused() {
    let mut bench = Bench::new();
    for bad in ["", "zz", &"a".repeat(39), &"a".repeat(64), &"g".repeat(40)] {
        let request = write(&bench, "f").field("X-Expected-SHA1", bad).body("x");
        bench.call(request).refused(400, "bad_parameter");
    }
    let request = write(&bench, "f")
        .field("X-Expected-SHA1", &sha1(b"x"))
        .field("X-Expected-SHA1", &sha1(b"x"))
        .body("x");
    bench.call(request).refused(400, "bad_parameter");
    assert!(!bench.at("f").exists());
}

#[test]
fn more_than_64_mib_is_refused_as_soon_as_it_is_known() {
    let mut bench = Bench::new();
    let request =
        write(&bench, "f").field("X-Expected-SHA1", &sha1(b"x")).field("Content-Length", "67108865");
    bench.call(request).refused(413, "body_too_large");
    let id = bench.connect();
    let request = write(&bench, "f").field("X-Expected-SHA1", &sha1(b"x"));
    let request = request.chunked(vec![0; (64 << 20) + 300_000], 1 << 20);
    let response = bench.call_on(id, request);
    response.refused(413, "body_too_large");
    assert!(bench.has_ended(id));
    assert!(!bench.at("f").exists());
    bench.hang_up(id);
    bench.assert_at_rest();
}

#[test]
fn bodies_wait_in_line_for_memory_and_nobody_is_blamed() {
    let limits = Limits { bulk_bytes_max: 4 << 20, transfer: false, ..Limits::default() };
    let mut bench = Bench::with(limits, |_| {});
    bench.hold("HashBytes");
    let body = noise(3 << 20);
    let request =
        |bench: &Bench, name| write(bench, name).field("X-Expected-SHA1", &sha1(&body)).body(body.clone());
    let (first, second) = (bench.connect(), bench.connect());
    let bytes = request(&bench, "first").bytes();
    bench.send(first, &bytes);
    let bytes = request(&bench, "second").bytes();
    let sent = bench.send(second, &bytes);
    assert!(sent < 200_000, "{sent} bytes of the second were read");
    bench.wait_ms(300_000);
    assert!(!bench.has_ended(second));
    bench.let_go();
    bench.response(first, false).unwrap().ok();
    bench.send(second, &bytes[sent..]);
    bench.response(second, false).unwrap().ok();
    assert!(bench.read("second") == body);
    bench.assert_at_rest();
}

#[test]
fn a_byte_at_a_time_takes_no_more_memory_than_was_reserved() {
    let mut bench = Bench::new();
    let id = bench.connect();
    let head =
        write(&bench, "f").field("X-Expected-SHA1", &sha1(&[b'a'; 2000])).field("Content-Length", "2000");
    bench.send(id, &head.bytes());
    for _ in 0..2000 {
        bench.send(id, b"a");
    }
    bench.response(id, false).unwrap().ok();
    assert_eq!(
        bench.done.iter().filter(|kind| **kind == "HashBytes").count(),
        1,
        "hashed when full or whole"
    );
    bench.assert_at_rest();
}

#[test]
fn a_client_that_goes_away_gives_its_memory_back() {
    // What a worker has in its hands is still counted.
    for (kind, at_work) in [("HashBytes", 1), ("Open", 0), ("Write", 4)] {
        let mut bench = Bench::new();
        bench.hold(kind);
        let id = bench.connect();
        let body = noise(1 << 20);
        let bytes = write(&bench, "f").field("X-Expected-SHA1", &sha1(&body)).body(body).bytes();
        bench.send(id, &bytes);
        assert_eq!(bench.held(), 1, "{kind}");
        bench.reset(id);
        assert_eq!(bench.engine.state.buffers.bulk_reserved_bytes(), at_work * BUFFER_BYTES, "{kind}");
        bench.let_go();
        bench.assert_at_rest();
        assert_eq!((bench.descriptors(), bench.engine.state.files.len()), (0, 0), "{kind}");
    }
}
