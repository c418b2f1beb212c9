//! The log of the real binary: where it is, that it is bounded, and what is never in it.

use std::fs;

use crate::support::daemon::{Daemon, Ended, Home};
use crate::support::http::{Http, Request};
use crate::support::ws::{Op, Ws};

#[test]
fn the_log_is_in_the_platforms_place_and_private() {
    use std::os::unix::fs::PermissionsExt;
    let mut daemon = Daemon::start(&[]);
    assert_eq!(daemon.stop(), Ended::Status(0));
    let log = fs::read_to_string(daemon.home.log()).unwrap();
    assert!(log.lines().all(|line| line.as_bytes()[23] == b'Z' && line.contains('[')), "{log}");
    assert_eq!(log, daemon.stderr());
    assert_eq!(fs::metadata(daemon.home.log()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn the_log_is_open_before_the_daemon_is_ready() {
    let daemon = Daemon::start(&[]);
    let descriptors = fs::read_dir(format!("/proc/{}/fd", daemon.process().id())).unwrap();
    let mut targets = descriptors.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    assert!(targets.any(|target| target == daemon.home.log()));
}

#[test]
fn what_the_start_has_to_say_is_written_before_the_daemon_is_ready() {
    let home = Home::new();
    fs::write(home.rpc_info(), "{").unwrap();
    let daemon = Daemon::start_in(home, &[]);
    let log = fs::read_to_string(daemon.home.log()).unwrap();
    assert!(log.contains("WARN") && log.contains("rpc-info.json"), "{log}");
}

#[test]
fn a_log_that_cannot_be_opened_is_a_warning_on_stderr() {
    let daemon = Daemon::start(&["--log-file", "/proc/nobody/can/make/this"]);
    daemon.wait_for_stderr("the log file can't be written");
    daemon.http().call(Request::get("/health")).expect(200);
}

#[test]
fn a_log_whose_disk_is_full_is_a_warning_on_stderr() {
    let daemon = Daemon::start(&["--log-file", "/dev/full"]);
    daemon.wait_for_stderr("the log file can't be written");
    daemon.http().call(Request::get("/health")).expect(200);
}

#[test]
fn a_full_log_is_rotated() {
    let home = Home::new();
    let log = home.path("own.log");
    fs::write(&log, "x".repeat(4 << 20)).unwrap();
    let mut daemon = Daemon::start_in(home, &["--log-file", log.to_str().unwrap()]);
    assert_eq!(daemon.stop(), Ended::Status(0));
    assert_eq!(fs::metadata(daemon.home.path("own.log.1")).unwrap().len(), 4 << 20);
    assert_eq!(fs::read_to_string(&log).unwrap(), daemon.stderr());
}

#[test]
fn a_stderr_that_nobody_reads_holds_up_nothing() {
    use std::io::Read;
    use std::process::Stdio;

    use crate::support::daemon::INSTALL_ID;

    let home = Home::new();
    // A pipe of 64 KiB that stays full.
    let (_unread, stderr) = std::io::pipe().unwrap();
    let mut command = home.command();
    command.args(["--install-id", INSTALL_ID, "--log-level", "trace"]).stdout(Stdio::piped()).stderr(stderr);
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut bytes = [0; 1024];
    let read = child.stdout.take().unwrap().read(&mut bytes).unwrap();
    let ready: serde_json::Value = serde_json::from_slice(&bytes[..read]).unwrap();
    let mut http = Http::connect(ready["port"].as_u64().unwrap() as u16);
    for _ in 0..2000 {
        http.call(Request::get("/no/such/endpoint").token(ready["token"].as_str().unwrap())).expect(404);
    }
    http.call(Request::post("/control/shutdown").token(ready["token"].as_str().unwrap())).expect(200);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// Calls with secrets in all places where they may be, and some where they may not.
fn call_with_secrets(daemon: &Daemon) {
    let token = &daemon.token;
    let call = |request| daemon.http().call(request);
    call(Request::post("/control/ping").field("Authorization", &format!("Bearer {token}"))).expect(200);
    call(Request::post("/control/ping").token("a-wrong-token")).expect(401);
    call(Request::get(&format!("/roots?token={token}")).token(token));
    call(Request::get("/stream/1/a.mp4?ticket=a-wrong-ticket")).expect(401);
    let open = serde_json::json!({"root": "main", "path": "a", "write": true, "create": true});
    call(Request::post("/files/open").token(token).session("s").json(&open)).expect(201);
}

/// The log, which has no secret in it.
fn log_without_secrets(daemon: &mut Daemon, more: &[&str]) -> String {
    assert_eq!(daemon.stop(), Ended::Status(0));
    let log = fs::read_to_string(daemon.home.log()).unwrap() + &daemon.stderr();
    for secret in [daemon.token.as_str(), "a-wrong-token", "a-wrong-ticket"].iter().chain(more) {
        assert!(!log.contains(secret), "{secret} in:\n{log}");
    }
    log
}

#[test]
fn neither_tokens_nor_tickets_are_logged() {
    let mut daemon = Daemon::start(&["--log-level", "trace"]);
    call_with_secrets(&daemon);
    let ticket = daemon.http().call(
        Request::post("/control/stream_ticket")
            .token(&daemon.token)
            .session("s")
            .json(&serde_json::json!({"fileId": 1})),
    );
    let url = ticket.expect(200).json()["url"].as_str().unwrap().to_owned();
    let ticket = url.split_once("ticket=").unwrap().1;
    let target = url.split_once(&daemon.stream_port.to_string()).unwrap().1;
    Http::connect(daemon.stream_port).call(Request::get(target)).expect(200);
    assert!(!log_without_secrets(&mut daemon, &[ticket]).is_empty());
}

#[test]
fn tokens_that_come_by_the_websocket_are_not_logged() {
    let mut daemon = Daemon::start(&["--log-level", "trace"]);
    let mut ws = Ws::open(daemon.http(), Ws::upgrade()).map_err(|r| r.status).unwrap();
    ws.send(&Op::new(0x01, 1, ""));
    ws.send(&Op::new(0x03, 2, [b"\x01", daemon.token.as_bytes()].concat()));
    assert_eq!(ws.op_of(0x04).payload[0], 0);
    let mut ws = Ws::open(daemon.http(), Ws::upgrade()).map_err(|r| r.status).unwrap();
    ws.send(&Op::new(0x03, 2, b"\x01a-wrong-token"));
    assert_eq!(ws.op_of(0x04).payload[0], 1);
    log_without_secrets(&mut daemon, &[]);
}
