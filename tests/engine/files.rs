//! Open files and their sessions (PROTOCOL §4).

use crate::harness::{Bench, Request, Response};
use serde_json::json;

fn of(bench: &Bench, session: &str, method: &str, target: &str) -> Request {
    bench.request(method, target).session(session)
}

fn call(bench: &mut Bench, method: &str, target: &str) -> Response {
    let request = of(bench, "s", method, target);
    bench.call(request)
}

#[test]
fn the_life_of_a_file() {
    let mut bench = Bench::new();
    let body = json!({"root": "main", "path": "a/f", "write": true, "create": true, "size": 10});
    let request = of(&bench, "s", "POST", "/files/open").json(&body);
    let response = bench.call(request);
    assert_eq!(response.status, 201);
    let id = response.json()["fileId"].as_u64().unwrap();
    assert_eq!(response.json(), json!({"fileId": id, "size": 10, "created": true}));
    let request = of(&bench, "s", "PATCH", &format!("/files/{id}/write?offset=2")).body("hello");
    assert_eq!(bench.call(request).ok().json(), json!({"written": 5}));
    let read = call(&mut bench, "GET", &format!("/files/{id}/read?offset=2&length=100")).ok();
    assert_eq!(read.body, b"hello\0\0\0");
    let info = call(&mut bench, "GET", &format!("/files/{id}")).ok().json();
    assert_eq!(
        (&info["size"], &info["writable"], &info["deferred"]),
        (&10.into(), &true.into(), &false.into())
    );
    assert_eq!(call(&mut bench, "POST", &format!("/files/{id}/flush")).ok().json(), json!({}));
    let size = call(&mut bench, "POST", &format!("/files/{id}/preallocate?size=5")).ok().json();
    assert_eq!(size, json!({"size": 10}), "never shrinks");
    let size = call(&mut bench, "POST", &format!("/files/{id}/truncate?size=3")).ok().json();
    assert_eq!(size, json!({"size": 3}));
    assert_eq!(call(&mut bench, "POST", &format!("/files/{id}/close")).ok().json(), json!({}));
    call(&mut bench, "POST", &format!("/files/{id}/close")).refused(404, "no_such_file");
    bench.assert_at_rest();
    assert_eq!(bench.descriptors(), 0);
}

#[test]
fn sessions_keep_their_files_to_themselves() {
    let mut bench = Bench::new();
    bench.write("f", "x");
    let id = bench.open("f", false);
    let request = of(&bench, "t", "GET", &format!("/files/{id}"));
    bench.call(request).refused(404, "no_such_file");
    bench.get(&format!("/files/{id}")).refused(400, "session_required");
    call(&mut bench, "GET", "/files/4000000000").refused(404, "no_such_file");
}

#[test]
fn files_of_one_request_have_no_number_that_a_client_can_name() {
    let mut bench = Bench::new();
    bench.write("f", vec![0; 1 << 20]);
    let id = bench.connect();
    bench.stall(id, true);
    bench.send(id, &bench.request("GET", "/read/main").path("f").bytes());
    assert_eq!(bench.engine.state.files.len(), 1);
    for number in 0..4 {
        call(&mut bench, "GET", &format!("/files/{number}")).refused(404, "no_such_file");
    }
}

#[test]
fn a_close_waits_for_an_answer_that_is_on_its_way() {
    let mut bench = Bench::new();
    bench.write("f", vec![5; 1 << 20]);
    let file = bench.open("f", false);
    let reader = bench.connect();
    bench.stall(reader, true);
    let request = of(&bench, "s", "GET", &format!("/files/{file}/read"));
    bench.send(reader, &request.bytes());
    let closer = bench.connect();
    let request = of(&bench, "s", "POST", &format!("/files/{file}/close"));
    bench.send(closer, &request.bytes());
    assert!(bench.response(closer, false).is_none(), "the read has not ended");
    call(&mut bench, "GET", &format!("/files/{file}")).refused(404, "no_such_file");
    bench.stall(reader, false);
    assert_eq!(bench.response(reader, false).unwrap().ok().body.len(), 1 << 20);
    bench.response(closer, false).unwrap().ok();
    bench.assert_at_rest();
}

#[test]
fn a_file_that_shrinks_under_a_reader_cuts_the_connection() {
    let mut bench = Bench::new();
    bench.write("f", vec![5; 2 << 20]);
    let id = bench.connect();
    bench.stall(id, true);
    bench.send(id, &bench.request("GET", "/read/main").path("f").bytes());
    bench.write("f", "short");
    bench.stall(id, false);
    assert!(bench.was_reset(id));
    bench.assert_at_rest();
    assert_eq!(bench.descriptors(), 0);
}

#[test]
fn writes_need_a_length_and_a_writable_file() {
    let mut bench = Bench::new();
    bench.write("f", "x");
    let id = bench.open("f", false);
    call(&mut bench, "PATCH", &format!("/files/{id}/write")).refused(411, "length_required");
    call(&mut bench, "PATCH", "/files/999/write").refused(404, "no_such_file");
    let request = of(&bench, "s", "PATCH", &format!("/files/{id}/write")).body("y");
    bench.call(request).refused(403, "read_only");
    call(&mut bench, "POST", &format!("/files/{id}/truncate?size=0")).refused(403, "read_only");
    call(&mut bench, "GET", &format!("/files/{id}/read?offset=2")).refused(416, "offset_beyond_end");
    assert_eq!(call(&mut bench, "GET", &format!("/files/{id}/read?offset=1")).ok().body, b"");
}

#[test]
fn a_body_is_an_object() {
    let mut bench = Bench::new();
    bench.write("f", "x");
    let bodies = [
        ("/files/open", json!(["main", "f", false, false, null, false])),
        ("/ops/delete", json!(["f", "main"])),
        ("/ops/truncate", json!(["f", "main", 0])),
        ("/files/ensure_dir", json!(["d", "main"])),
        ("/hash/from-file", json!(["sha1", [], null])),
        ("/hash/from-file", json!({"algorithm": "sha1", "fileRanges": [[null, "main", "f", 0, null]]})),
        ("/control/stream_ticket", json!([1, null])),
        ("/control/open_socket", json!([null, null, "udp", null])),
        ("/control/close_socket", json!([5])),
    ];
    for (target, body) in bodies {
        let request = of(&bench, "s", "POST", target).json(&body);
        bench.call(request).refused(400, "bad_json");
    }
    bench.assert_at_rest();
}

#[test]
fn no_validator_lies_in_the_future() {
    // By the harness's clock it is 2023; the file system has another one.
    let mut bench = Bench::new();
    bench.write("f", "x");
    let file = bench.open("f", false);
    for _ in 0..2 {
        let request = bench.request("GET", &format!("/stream/{file}")).session("s");
        let answer = bench.call(request).ok();
        assert_eq!(
            answer.field("Last-Modified"),
            Some("Tue, 14 Nov 2023 22:13:20 GMT"),
            "that of the opening"
        );
        bench.wait_ms(5_000);
    }
}
