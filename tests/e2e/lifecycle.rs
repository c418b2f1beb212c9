//! Starting and ending (PROTOCOL §1).

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, set_child_subreaper, waitid, waitpid,
};
use serde_json::{Value, json};

use crate::support::DEADLINE;
use crate::support::daemon::{BINARY, Daemon, Ended, Home, INSTALL_ID, Unready};
use crate::support::http::{Http, Request};
use crate::support::process::Process;
use crate::support::ws::{Op, Ws};

/// The contract's time for noticing a parent's death.
const PARENT_NOTICED: Duration = Duration::from_secs(1);

/// Starts a daemon that is expected to end by itself before it is ready.
fn unready(home: Home, command: Command) -> Unready {
    match Daemon::try_spawn(home, command) {
        Err(unready) => unready,
        Ok(daemon) => panic!("it is ready on port {}", daemon.port),
    }
}

#[test]
fn the_ready_line_has_all_of_the_contract() {
    let home = Home::new();
    let mut child = home.command().args(["--install-id", INSTALL_ID]).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut bytes = [0; 1024];
    // One write, so that one read of a pipe has it whole.
    let read = stdout.read(&mut bytes).unwrap();
    let line = std::str::from_utf8(&bytes[..read]).unwrap().strip_suffix('\n').expect("a whole line");
    let ready: Value = serde_json::from_str(line).unwrap();
    assert_eq!(ready["pid"], child.id());
    assert_eq!((&ready["version"], &ready["protocol"]), (&json!(env!("CARGO_PKG_VERSION")), &json!(1)));
    let token = ready["token"].as_str().unwrap();
    assert!(
        token.len() == 43 && token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)),
        "{token}"
    );
    let ports = [&ready["port"], &ready["streamPort"]].map(|port| port.as_u64().unwrap() as u16);
    assert_ne!(ports[0], ports[1]);
    for port in ports {
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn tokens_differ_from_start_to_start() {
    assert_ne!(Daemon::start(&[]).token, Daemon::start(&[]).token);
}

#[test]
fn nothing_follows_the_ready_line_on_stdout() {
    let mut daemon = Daemon::start(&["--log-level", "trace"]);
    daemon.http().call(Request::get("/health")).expect(200);
    assert_eq!(daemon.stop(), Ended::Status(0));
    assert_eq!(daemon.rest_of_stdout(), [""; 0]);
}

#[test]
fn only_loopback_is_bound() {
    let daemon = Daemon::start(&[]);
    let tcp = std::fs::read_to_string(format!("/proc/{}/net/tcp", daemon.process().id())).unwrap();
    let tcp6 =
        std::fs::read_to_string(format!("/proc/{}/net/tcp6", daemon.process().id())).unwrap_or_default();
    for port in [daemon.port, daemon.stream_port] {
        let listeners = |table: &str| {
            let end = format!(":{port:04X}");
            let local = |line: &str| line.split_whitespace().nth(1).unwrap_or_default().to_owned();
            let listening = |line: &str| line.split_whitespace().nth(3) == Some("0A");
            table
                .lines()
                .filter(|l| listening(l))
                .map(local)
                .filter(|l| l.ends_with(&end))
                .collect::<Vec<_>>()
        };
        assert_eq!(listeners(&tcp), [format!("0100007F:{port:04X}")]);
        assert_eq!(listeners(&tcp6), [""; 0]);
    }
}

#[test]
fn a_given_token_is_used_warned_about_and_the_line_is_the_port() {
    let mut daemon = Daemon::start(&["--token", "token-of-the-host"]);
    daemon.wait_for_stderr("a token on a command line can be read by other local users");
    daemon.http().call(Request::post("/control/ping").token("token-of-the-host")).expect(200);
    assert_eq!(daemon.stop(), Ended::Status(0));
    assert!(!daemon.stderr().contains("token-of-the-host"), "{}", daemon.stderr());
    assert_eq!(daemon.rest_of_stdout(), [""; 0]);
}

#[test]
fn a_port_in_use_is_status_69() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let home = Home::new();
    let mut command = home.command();
    command.args(["--install-id", INSTALL_ID, "--port", &port]);
    let Unready { status, stderr, .. } = unready(home, command);
    assert_eq!(status, Ended::Status(69));
    assert!(stderr.contains(&port), "{stderr}");
}

#[test]
fn a_given_port_is_bound_and_can_be_bound_again_at_once() {
    let mut first = Daemon::start(&[]);
    let port = first.port.to_string();
    // A connection that the daemon closes stays in TIME_WAIT on its side.
    let mut http = first.http();
    http.call(Request::get("/health").field("Connection", "close")).expect(200);
    assert!(http.is_closed());
    assert_eq!(first.stop(), Ended::Status(0));
    let second = Daemon::start(&["--port", &port]);
    assert_eq!(second.port.to_string(), port);
}

#[test]
fn sigterm_sigint_and_sighup_end_it_in_order() {
    // Whoever runs the tests under nohup has them, and so the daemon, ignore it.
    let hup = (!is_sighup_ignored()).then_some(Signal::HUP);
    for signal in [Signal::TERM, Signal::INT].into_iter().chain(hup) {
        let mut daemon = Daemon::start(&[]);
        daemon.process().signal(signal);
        assert_eq!(daemon.wait(), Ended::Status(0), "{signal:?}");
    }
}

/// Whether this process ignores SIGHUP: the first bit of the mask in proc_pid_status(5).
fn is_sighup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 != 0)
}

#[test]
fn an_ignored_sighup_stays_ignored() {
    let home = Home::new();
    let mut command = home.prepared(Command::new("sh"));
    command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\"", BINARY, "--install-id", INSTALL_ID]);
    let mut daemon = Daemon::spawn(home, command);
    daemon.process().signal(Signal::HUP);
    daemon.http().call(Request::get("/health")).expect(200);
    assert_eq!(daemon.stop(), Ended::Status(0));
}

#[test]
fn a_shutdown_request_is_answered_and_then_obeyed() {
    let mut daemon = Daemon::start(&[]);
    let response = daemon.http().call(Request::post("/control/shutdown").token(&daemon.token)).expect(200);
    assert_eq!(response.json(), json!({}));
    assert_eq!(daemon.wait(), Ended::Status(0));
}

/// A request is in flight from the moment its head has come.
#[test]
fn a_write_that_has_begun_may_end_after_the_end_has_begun() {
    let mut daemon = Daemon::start(&[]);
    let mut writer = daemon.http();
    let open = json!({"root": "main", "path": "f", "write": true, "create": true});
    let request = Request::post("/files/open").token(&daemon.token).session("s").json(&open);
    let id = writer.call(request).expect(201).json()["fileId"].as_u64().unwrap();
    let target = format!("/files/{id}/write?offset=0");
    let write = Request::new("PATCH", &target).token(&daemon.token).session("s").body(vec![7; 100_000]);
    let bytes = write.bytes(writer.port());
    writer.send_bytes(&bytes[..bytes.len() - 50_000]);
    let path = daemon.home.root().join("f");
    while std::fs::metadata(&path).unwrap().len() == 0 {}
    daemon.process().signal(Signal::TERM);
    daemon.wait_for_stderr("ending");
    writer.send_bytes(&bytes[bytes.len() - 50_000..]);
    assert_eq!(writer.response().expect(200).json(), json!({"written": 100_000}));
    assert_eq!(std::fs::read(path).unwrap(), vec![7; 100_000]);
    assert_eq!(daemon.wait(), Ended::Status(0));
}

#[test]
fn silent_and_half_sent_connections_do_not_hold_up_the_end() {
    let mut daemon = Daemon::start(&[]);
    let _silent = daemon.http();
    let mut half = daemon.http();
    half.send_bytes(b"GET /health HT");
    let mut kept = daemon.http();
    kept.call(Request::get("/health")).expect(200);
    daemon.process().signal(Signal::TERM);
    // Well below the 2 s that writes in flight may take.
    assert_eq!(daemon.wait_for(Duration::from_millis(1500)), Ended::Status(0));
}

#[test]
fn the_death_of_the_starter_ends_it() {
    // Orphans come to this process, so that their exit status can be had.
    set_child_subreaper(Some(rustix::process::getpid())).unwrap();
    let home = Home::new();
    let mut command = home.prepared(Command::new("sh"));
    command.args(["-c", "\"$0\" \"$@\" & wait", BINARY, "--install-id", INSTALL_ID]);
    let mut starter = command.stdout(Stdio::piped()).spawn().unwrap();
    let pid = daemon_pid(starter.stdout.as_mut().unwrap());
    let daemon = Process::open(pid);
    starter.kill().unwrap();
    starter.wait().unwrap();
    assert_ends_in_order_after_parents_death(&daemon);
}

#[test]
fn the_death_of_a_named_parent_ends_it_before_it_is_reaped() {
    let mut parent = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let mut daemon = Daemon::start(&["--parent-pid", &parent.id().to_string()]);
    let pid = Pid::from_child(&parent);
    parent.kill().unwrap();
    waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
    assert_eq!(daemon.wait_for(PARENT_NOTICED), Ended::Status(0));
    parent.wait().unwrap();
}

#[test]
fn a_parent_that_is_dead_or_a_zombie_at_the_start_is_dead() {
    let mut parent = Command::new("true").spawn().unwrap();
    let pid = Pid::from_child(&parent);
    waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
    let id = parent.id().to_string();
    assert_ends_at_once(&id);
    parent.wait().unwrap();
    assert_ends_at_once(&id);
}

/// A daemon whose named parent is dead ends in order, and is never ready.
fn assert_ends_at_once(parent_pid: &str) {
    let home = Home::new();
    let mut command = home.command();
    command.args(["--install-id", INSTALL_ID, "--parent-pid", parent_pid]);
    assert_eq!(unready(home, command).status, Ended::Status(0));
}

#[test]
fn a_starter_that_died_before_anyone_looked_is_dead() {
    set_child_subreaper(Some(rustix::process::getpid())).unwrap();
    let home = Home::new();
    let mut command = home.prepared(Command::new("setsid"));
    // The new process begins its life as an orphan: it waits for that before it becomes the daemon.
    let orphan = "while kill -0 $1 2>/dev/null; do :; done; shift; exec \"$@\"";
    let starter = format!("sh -c '{orphan}' sh $$ \"$0\" \"$@\" & echo $!");
    command.args(["sh", "-c", &starter, BINARY, "--install-id", INSTALL_ID]);
    let mut starter = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(starter.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let orphan = Process::open(line.trim_end().parse().unwrap());
    starter.wait().unwrap();
    assert_ends_in_order_after_parents_death(&orphan);
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
}

/// A process that was given to us as an orphan.
fn assert_ends_in_order_after_parents_death(daemon: &Process) {
    assert!(daemon.ends_within(PARENT_NOTICED), "still running");
    let pid = Pid::from_raw(daemon.id() as i32).unwrap();
    let (_, status) = waitpid(Some(pid), WaitOptions::empty()).unwrap().unwrap();
    assert_eq!(status.exit_status(), Some(0), "{status:?}");
}

/// The process id in the ready line.
fn daemon_pid(stdout: &mut impl Read) -> u32 {
    let mut bytes = [0; 1024];
    let read = stdout.read(&mut bytes).unwrap();
    let ready: Value = serde_json::from_slice(&bytes[..read]).unwrap();
    ready["pid"].as_u64().unwrap() as u32
}

#[test]
fn the_end_of_stdin_ends_it_only_where_it_is_watched() {
    for (watched, args) in [(true, &["--watch-stdin"][..]), (false, &[])] {
        let home = Home::new();
        let mut command = home.command();
        command.args(["--install-id", INSTALL_ID]).args(args).stdin(Stdio::piped());
        let mut daemon = Daemon::spawn(home, command);
        let mut stdin = daemon.child().stdin.take().unwrap();
        stdin.write_all(b"something that nobody reads").unwrap();
        daemon.http().call(Request::get("/health")).expect(200);
        drop(stdin);
        if watched {
            assert_eq!(daemon.wait_for(PARENT_NOTICED), Ended::Status(0));
        } else {
            daemon.http().call(Request::get("/health")).expect(200);
        }
    }
}

#[test]
fn an_unwatched_stdin_is_not_read() {
    let home = Home::new();
    let (mut ours, theirs) = std::io::pipe().map(|(read, write)| (write, read)).unwrap();
    let mut kept = theirs.try_clone().unwrap();
    let mut command = home.command();
    command.args(["--install-id", INSTALL_ID]).stdin(theirs);
    let mut daemon = Daemon::spawn(home, command);
    ours.write_all(b"message").unwrap();
    daemon.http().call(Request::get("/health")).expect(200);
    assert_eq!(daemon.stop(), Ended::Status(0));
    let mut bytes = [0; 7];
    kept.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"message");
}

#[test]
fn a_watched_stdin_may_be_anything() {
    let file = tempfile::tempfile().unwrap();
    for stdin in [Stdio::null(), file.into()] {
        let home = Home::new();
        let mut command = home.command();
        command.args(["--install-id", INSTALL_ID, "--watch-stdin"]).stdin(stdin);
        // Both are at their end from the start; whether it gets ready before it notices is its own affair.
        let status = match Daemon::try_spawn(home, command) {
            Ok(mut daemon) => daemon.wait(),
            Err(unready) => unready.status,
        };
        assert_eq!(status, Ended::Status(0));
    }
}

#[test]
fn it_ends_when_idle_for_long_enough() {
    let began = Instant::now();
    let mut daemon = Daemon::start(&["--idle-timeout", "1"]);
    assert_eq!(daemon.wait(), Ended::Status(0));
    assert!(began.elapsed() >= Duration::from_secs(1));
}

#[test]
fn a_closed_or_full_stdout_does_not_end_it() {
    for redirect in [">&-", ">/dev/full"] {
        let home = Home::new();
        let port = free_port().to_string();
        let mut command = home.prepared(Command::new("sh"));
        let script = format!("exec \"$0\" \"$@\" {redirect}");
        command.args(["-c", &script, BINARY, "--install-id", INSTALL_ID, "--port", &port, "--token", "t"]);
        let mut child = command.spawn().unwrap();
        let mut http = connect_when_bound(port.parse().unwrap());
        http.call(Request::post("/control/ping").token("t")).expect(200);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Without a ready line, trying is the only way to know.
fn connect_when_bound(port: u16) -> Http {
    let deadline = Instant::now() + DEADLINE;
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(Instant::now() < deadline, "nobody listens on {port}");
        std::thread::yield_now();
    }
    Http::connect(port)
}

#[test]
fn a_closed_stderr_does_not_end_it_and_sigpipe_is_ignored() {
    let home = Home::new();
    let mut child = home
        .command()
        .args(["--install-id", INSTALL_ID, "--log-level", "trace"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    let mut bytes = [0; 1024];
    let read = child.stdout.take().unwrap().read(&mut bytes).unwrap();
    let ready: Value = serde_json::from_slice(&bytes[..read]).unwrap();
    let mut http = Http::connect(ready["port"].as_u64().unwrap() as u16);
    http.call(Request::get("/health")).expect(200);
    let ignored = u64::from_str_radix(&Process::open(child.id()).status_text("SigIgn"), 16).unwrap();
    assert_ne!(ignored & 1 << (Signal::PIPE.as_raw() - 1), 0);
    http.call(Request::get("/health")).expect(200);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn dev_makes_its_root_and_says_how_to_try_it() {
    let home = Home::new();
    let dir = home.path("new/downloads");
    let mut command = home.command();
    command.arg("--dev").arg(&dir);
    let daemon = Daemon::spawn(home, command);
    let roots = daemon.http().call(Request::get("/roots").token(&daemon.token)).expect(200).json();
    assert_eq!(roots[0]["key"], "dev");
    assert!(dir.is_dir());
    daemon.wait_for_stderr("/control/shutdown");
    daemon.wait_for_stderr(&format!("http://127.0.0.1:{}/", daemon.port));
    daemon.wait_for_stderr("$TOKEN");
}

#[test]
fn without_any_configuration_it_starts_with_no_roots() {
    let home = Home::new();
    std::fs::remove_file(home.rpc_info()).unwrap();
    let daemon = Daemon::start_in(home, &[]);
    daemon.wait_for_stderr("WARN");
    let roots = daemon.http().call(Request::get("/roots").token(&daemon.token)).expect(200);
    assert_eq!(roots.json(), json!([]));
}

#[test]
fn active_torrents_keep_it_from_being_idle() {
    let mut daemon = Daemon::start(&["--idle-timeout", "1"]);
    let mut ws = Ws::authenticated(daemon.port, &daemon.token, "s1");
    // ACTIVITY: 3 torrents, which no answer follows.
    ws.send(&Op::new(0x05, 0, 3u32.to_le_bytes()));
    // A connection that is busy with nothing for longer than the time: the daemon's own end would close it.
    assert!(!daemon.process().ends_within(Duration::from_millis(2500)));
    ws.send(&Op::new(0x05, 0, 0u32.to_le_bytes()));
    assert_eq!(daemon.wait(), Ended::Status(0));
}

#[test]
fn what_peers_send_keeps_it_from_being_idle() {
    let mut daemon = Daemon::start(&["--idle-timeout", "1"]);
    let mut ws = Ws::authenticated(daemon.port, &daemon.token, "s1");
    let mut peer = crate::io::connect(&mut ws, 1);
    for _ in 0..5 {
        assert!(!daemon.process().ends_within(Duration::from_millis(500)));
        peer.write_all(b"x").unwrap();
        assert_eq!(crate::io::receive(&mut ws, 1, 1), b"x");
    }
    assert_eq!(daemon.wait(), Ended::Status(0));
}

#[test]
fn an_end_closes_websockets_with_1001_and_takes_no_new_connections() {
    let mut daemon = Daemon::start(&[]);
    let mut ws = Ws::authenticated(daemon.port, &daemon.token, "s1");
    daemon.process().signal(Signal::TERM);
    assert_eq!(ws.closed(), 1001);
    assert_eq!(daemon.wait(), Ended::Status(0));
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, daemon.port)).is_err());
}

#[test]
fn an_end_for_idleness_or_by_request_closes_websockets_with_1001() {
    let mut idle = Daemon::start(&["--idle-timeout", "1"]);
    let mut ws = Ws::authenticated(idle.port, &idle.token, "s1");
    let mut asked = Daemon::start(&[]);
    let mut other = Ws::authenticated(asked.port, &asked.token, "s1");
    asked.http().call(Request::post("/control/shutdown").token(&asked.token)).expect(200);
    for (ws, daemon, reason) in
        [(&mut other, &mut asked, "/control/shutdown was called"), (&mut ws, &mut idle, "idle for too long")]
    {
        daemon.wait_for_stderr(&format!("ending: {reason}"));
        assert_eq!(ws.closed(), 1001);
        assert_eq!(daemon.wait(), Ended::Status(0));
    }
}

#[test]
fn the_lines_that_dev_shows_work_as_they_are() {
    let mut daemon = Daemon::start_dev(&[]);
    daemon.wait_for_stderr("/control/shutdown");
    daemon.http().call(Request::get("/health")).expect(200);
    let shown = daemon.stderr_so_far();
    let script: String =
        shown.lines().filter(|l| l.starts_with("  curl ")).map(|l| format!("{l} -fsS\n")).collect();
    let output = Command::new("sh").args(["-ec", &script]).env("TOKEN", &daemon.token).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{script}\n{stdout}\n{}", String::from_utf8_lossy(&output.stderr));
    // SHA-1 of "hello".
    assert!(
        stdout.contains("hello") && stdout.contains("aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"),
        "{stdout}"
    );
    assert_eq!(daemon.wait(), Ended::Status(0));
}
