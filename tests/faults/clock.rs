//! The clock on the wall jumps, by a year either way, as when a machine wakes up or is told the time at last: what lasts a
//! time lasts that time, and what is told of the time of day is right. And the monotonic clock may be anything.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::support::daemon::{BINARY, Daemon, Ended, Home, INSTALL_ID};
use crate::support::http::{Http, Request};
use crate::support::ws::{Op, Ws};
use crate::volume::has;

const YEAR_S: i64 = 366 * 24 * 3600;
const MINUTE_MS: i64 = 60_000;

/// The clock that a daemon sees.
struct Clock {
    off: File,
}

impl Clock {
    /// A daemon whose clock can be set; `None`, and why, where there is no compiler.
    fn start() -> Option<(Daemon, Clock)> {
        if !has("cc") {
            return None;
        }
        let home = Home::new();
        let (source, library) = (home.path("clock.c"), home.path("clock.so"));
        fs::write(&source, include_str!("clock.c")).expect("room");
        let mut compiler = Command::new("cc");
        let status = compiler.args(["-shared", "-fPIC", "-O1", "-o"]).args([&library, &source]).status();
        assert!(status.expect("a compiler").success());
        let off = home.path("off");
        fs::write(&off, 0_i64.to_ne_bytes()).expect("room");
        let mut command = home.command();
        command.args(["--install-id", INSTALL_ID, "--idle-timeout", "600"]);
        command.env("LD_PRELOAD", &library).env("CLOCK", &off);
        let clock = Clock { off: File::options().write(true).open(&off).expect("the offset") };
        Some((Daemon::spawn(home, command), clock))
    }

    fn jump_to(&self, off_s: i64) {
        self.off.write_all_at(&off_s.to_ne_bytes(), 0).expect("a jump");
    }
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64
}

/// A ticket for an hour: its path, and when it ends.
fn ticket(http: &mut Http, daemon: &Daemon, file: &Value) -> (String, i64) {
    let request = Request::post("/control/stream_ticket").token(&daemon.token).session("s");
    let answer = http.call(request.json(&json!({"fileId": file, "ttlSeconds": 3600}))).expect(200).json();
    let url = answer["url"].as_str().expect("a URL");
    let path = url.splitn(4, '/').nth(3).expect("a path");
    (format!("/{path}"), answer["expiresAtMs"].as_i64().expect("a time"))
}

#[test]
fn the_clock_on_the_wall_jumps_and_nothing_ends_early_or_late() {
    let Some((daemon, clock)) = Clock::start() else { return };
    let mut http = daemon.http();
    let open = json!({"root": "main", "path": "film", "write": true, "create": true});
    let open = Request::post("/files/open").token(&daemon.token).session("s").json(&open);
    let file = http.call(open).expect(201).json()["fileId"].clone();
    let mut ws = Ws::authenticated(daemon.port, &daemon.token, "s");
    let (first, _) = ticket(&mut http, &daemon, &file);
    for off_s in [YEAR_S, -YEAR_S, 0, 12 * 3600] {
        clock.jump_to(off_s);
        // Connections, sessions, files and tickets are as old as they are.
        http.call(Request::get(&format!("/files/{file}")).token(&daemon.token).session("s")).expect(200);
        Http::connect(daemon.stream_port).call(Request::get(&first)).expect(200);
        ws.send(&Op::new(0x06, 0, ""));
        ws.send(&Op::new(0x12, 9, 77_u32.to_le_bytes()));
        assert_eq!(ws.op_of(0x7F).request_id, 9);
        let (later, ends_ms) = ticket(&mut http, &daemon, &file);
        Http::connect(daemon.stream_port).call(Request::get(&later)).expect(200);
        let wrong_by_ms = ends_ms - (now_ms() + off_s * 1000 + 3_600_000);
        assert!(wrong_by_ms.abs() < MINUTE_MS, "{wrong_by_ms} ms off after a jump to {off_s} s");
    }
    println!("the clock jumped by a year each way: nothing ended, and times are told as the clock has them");
}

#[test]
fn the_monotonic_clock_may_be_anything() {
    if !has("unshare") {
        return;
    }
    for (years, what) in [(0, "now"), (100, "a century after its start")] {
        let home = Home::new();
        let mut command = home.prepared(Command::new("unshare"));
        command.args([
            "-T",
            "--monotonic",
            &(years * YEAR_S).to_string(),
            BINARY,
            "--install-id",
            INSTALL_ID,
        ]);
        command.args(["--idle-timeout", "1"]);
        match Daemon::try_spawn(home, command) {
            Ok(mut daemon) => {
                daemon.http().call(Request::post("/control/ping").token(&daemon.token)).expect(200);
                assert_eq!(daemon.wait(), Ended::Status(0), "idle for a second, {what}");
            }
            Err(unready) => {
                assert!(unready.stderr.contains("unshare"), "{}", unready.stderr);
                println!("skipped: no namespace of time can be made here");
                return;
            }
        }
    }
}
