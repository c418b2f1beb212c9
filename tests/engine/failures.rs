//! What each failure of the system is called, wherever it comes up, and that nothing is left behind by it.

use crate::harness::{Bench, Request};
use jstorrent_io_daemon::job::DiskError;
use serde_json::json;

fn io_error() -> DiskError {
    DiskError::Io { errno: 5, text: "Input/output error".into() }
}

/// Every failure, with its status and code.
fn failures() -> Vec<(DiskError, u16, &'static str)> {
    vec![
        (DiskError::NotFound, 404, "not_found"),
        (DiskError::IsDirectory, 409, "is_directory"),
        (DiskError::NotADirectory, 409, "not_a_directory"),
        (DiskError::EscapesRoot, 403, "path_escapes_root"),
        (DiskError::NotRegular, 403, "not_a_regular_file"),
        (DiskError::LinkLoop, 400, "path_invalid"),
        (DiskError::BadName, 400, "path_invalid"),
        (DiskError::DiskFull, 507, "disk_full"),
        (DiskError::PermissionDenied, 403, "permission_denied"),
        (DiskError::ReadOnly, 403, "read_only"),
        (DiskError::BeyondEnd { size: 3 }, 416, "offset_beyond_end"),
        (io_error(), 500, "io_error"),
    ]
}

/// Requests, each with a kind of job that it can't do without. `N` in a target is an open file.
fn requests() -> Vec<(&'static str, Request)> {
    let bench = Bench::new();
    let of = |method: &str, target: &str| bench.request(method, target).session("s");
    let on_path = json!({"path": "f", "root_key": "main", "length": 1});
    let range = json!({"root": "main", "path": "f", "offset": 0, "length": 2});
    let whole = json!({"algorithm": "sha1", "fileRanges": [range]});
    let chunked = json!({"algorithm": "sha1", "fileRanges": [range], "chunkSize": 1});
    let sha1_of_x = "11f6ad8ec52a2984abaafd7c3b516503785c2072";
    vec![
        ("Open", of("POST", "/files/open").json(&json!({"root": "main", "path": "f"}))),
        ("Inspect", of("GET", "/files/N")),
        ("Size", of("GET", "/stream/N")),
        ("Read", of("GET", "/files/N/read")),
        ("Write", of("PATCH", "/files/N/write").body("xy")),
        ("Flush", of("POST", "/files/N/flush")),
        ("Preallocate", of("POST", "/files/N/preallocate?size=9")),
        ("Truncate", of("POST", "/files/N/truncate?size=9")),
        ("Open", of("GET", "/read/main").path("f")),
        ("Read", of("GET", "/read/main").path("f")),
        ("Open", of("POST", "/write/main").path("f").body("xy")),
        ("Write", of("POST", "/write/main").path("f").body("xy")),
        ("Open", of("POST", "/write/main").path("f").field("X-Expected-SHA1", sha1_of_x).body("x")),
        ("Write", of("POST", "/write/main").path("f").field("X-Expected-SHA1", sha1_of_x).body("x")),
        ("PathStat", of("GET", "/ops/stat?path=f&root_key=main")),
        ("PathList", of("GET", "/ops/list?path=f&root_key=main")),
        ("PathDelete", of("POST", "/ops/delete").json(&on_path)),
        ("PathTruncate", of("POST", "/ops/truncate").json(&on_path)),
        ("MakeFolder", of("POST", "/files/ensure_dir").json(&on_path)),
        ("Open", of("GET", "/hash/sha1/f?root_token=main")),
        ("HashRange", of("GET", "/hash/sha1/f?root_token=main")),
        ("Open", of("POST", "/hash/from-file").json(&whole)),
        ("HashRange", of("POST", "/hash/from-file").json(&whole)),
        ("HashChunks", of("POST", "/hash/from-file").json(&chunked)),
    ]
}

#[test]
fn each_failure_has_its_answer_everywhere() {
    for (kind, request) in requests() {
        for (error, status, code) in failures() {
            let mut bench = Bench::new();
            bench.write("f", "12345");
            let file = bench.open("f", true);
            bench.fail(kind, error);
            let response = bench.call(request.clone().at(&file.to_string()));
            response.refused(status, code);
            bench.assert_at_rest();
            assert_eq!(bench.engine.state.files.len(), 1, "{kind}: only the session's file is open");
        }
    }
}

#[test]
fn a_write_that_failed_on_the_way_says_how_far_it_came() {
    let mut bench = Bench::new();
    bench.fail("Write", DiskError::DiskFull);
    for checked in [false, true] {
        let mut request = bench.request("POST", "/write/main").path("f").body(vec![b'a'; 100]);
        if checked {
            request = request.field("X-Expected-SHA1", &crate::hash::sha1(&[b'a'; 100]));
        }
        let response = bench.call(request).refused(507, "disk_full");
        assert!(response.text().contains("50 bytes were written"), "{}", response.text());
    }
}

#[test]
fn the_system_s_text_is_told() {
    let mut bench = Bench::new();
    bench.fail("PathStat", io_error());
    let response = bench.get("/ops/stat?path=f&root_key=main").refused(500, "io_error");
    assert!(response.text().contains("Input/output error"));
    bench.fail("ListInterfaces", io_error());
    bench.get("/network/interfaces").refused(500, "io_error");
    bench.fail("ReadConfig", io_error());
    bench.post("/api/read-rpc-info-from-disk").refused(500, "rpc_info_unreadable");
}

#[test]
fn a_failure_after_the_head_cuts_the_connection() {
    let mut bench = Bench::new();
    bench.write("f", vec![1; 1 << 20]);
    let id = bench.connect();
    bench.stall(id, true);
    bench.send(id, &bench.request("GET", "/read/main").path("f").bytes());
    bench.fail("Read", io_error());
    bench.stall(id, false);
    assert!(bench.was_reset(id));
    bench.assert_at_rest();
    assert_eq!(bench.descriptors(), 0);
}
