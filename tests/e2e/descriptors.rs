//! Open files outnumber descriptors (PROTOCOL §4): what could be served is served, however few the process may have.

use std::process::Command;

use serde_json::json;

use crate::support::daemon::{BINARY, Daemon, Home, INSTALL_ID};
use crate::support::http::{Http, Request};

/// The contract's most for a session.
const FILES: u64 = 4096;
/// What the process may have.
const DESCRIPTORS: u32 = 256;

fn daemon_with_few_descriptors() -> Daemon {
    let home = Home::new();
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -n {DESCRIPTORS}; exec \"$0\" --install-id {INSTALL_ID}"), BINARY]);
    let command = home.prepared(shell);
    Daemon::spawn(home, command)
}

fn open(http: &mut Http, daemon: &Daemon, index: u64) -> crate::support::http::Response {
    let body = json!({"root": "main", "path": format!("d/{index}"), "write": true, "create": true});
    http.call(Request::post("/files/open").token(&daemon.token).session("s").json(&body))
}

#[test]
fn a_session_has_4096_files_with_256_descriptors() {
    let daemon = daemon_with_few_descriptors();
    let mut http = daemon.http();
    let ids: Vec<u64> = (0..FILES)
        .map(|index| open(&mut http, &daemon, index).expect(201).json()["fileId"].as_u64().expect("a number"))
        .collect();
    open(&mut http, &daemon, FILES).refused(429, "too_many_files");
    for (index, id) in ids.iter().enumerate() {
        let write = Request::new("PATCH", &format!("/files/{id}/write?offset=0"));
        let body = format!("content of {index}");
        http.call(write.token(&daemon.token).session("s").body(body)).expect(200);
    }
    for (index, id) in ids.iter().enumerate().rev() {
        let read = Request::get(&format!("/files/{id}/read")).token(&daemon.token).session("s");
        assert_eq!(http.call(read).expect(200).text(), format!("content of {index}"));
    }
    assert!(daemon.process().descriptors() <= DESCRIPTORS as usize);
}

#[test]
fn connections_beyond_the_descriptors_wait_and_those_that_authenticated_are_kept() {
    let daemon = daemon_with_few_descriptors();
    let mut http = daemon.http();
    open(&mut http, &daemon, 0).expect(201);
    let strangers: Vec<Http> = (0..DESCRIPTORS + 50).map(|_| daemon.http()).collect();
    let mut late = daemon.http();
    late.call(Request::get("/health")).expect(200);
    let read = Request::get("/files/1").token(&daemon.token).session("s");
    http.call(read).expect(200);
    drop(strangers);
}
