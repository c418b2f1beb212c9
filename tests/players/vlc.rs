//! VLC without a window, told what to do over its remote control, which answers questions and tells nothing by itself.

use super::scene::{FAR_S, SECONDS, Scene, has, until};
use super::{DEADLINE, WAIT};
use std::fs::Permissions;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// Who VLC runs as where we are root, whom it refuses.
const NOBODY: u32 = 65_534;

struct Vlc {
    child: Child,
    remote: BufReader<TcpStream>,
}

impl Vlc {
    fn start(scene: &Scene) -> Vlc {
        let port = free_port();
        let home = scene.folder().join("home");
        std::fs::create_dir(&home).expect("a home");
        for folder in [scene.folder(), &home] {
            std::fs::set_permissions(folder, Permissions::from_mode(0o777)).expect("permissions");
        }
        let mut command = Command::new("cvlc");
        command
            .args(["--extraintf", "oldrc", "--rc-fake-tty", "--rc-host"])
            .arg(format!("127.0.0.1:{port}"))
            .args(["--vout", "vdummy", "--aout", "adummy", "--play-and-exit", "--no-color"])
            .arg(scene.relay.url())
            .env("HOME", &home)
            .env_remove("DISPLAY")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if rustix::process::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        let child = command.spawn().expect("cvlc");
        let remote = until("VLC's remote control", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok());
        remote.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        Vlc { child, remote: BufReader::new(remote) }
    }

    fn tell(&mut self, command: &str) {
        self.remote.get_mut().write_all(format!("{command}\n").as_bytes()).expect("VLC listens");
    }

    /// Asks for a number; what else it says meanwhile is skipped.
    fn ask(&mut self, question: &str) -> Option<u32> {
        self.tell(question);
        loop {
            let mut line = String::new();
            assert!(self.remote.read_line(&mut line).expect("an answer") > 0, "VLC ended");
            let line = line.trim().trim_start_matches("> ").trim();
            if line.is_empty() || line.chars().all(|c| c.is_ascii_digit()) {
                return line.parse().ok();
            }
        }
    }
}

impl Drop for Vlc {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody listens on: it can't choose one itself and say which.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}

#[test]
fn vlc_starts_seeks_waits_and_finishes() {
    if !(has("ffmpeg") && has("cvlc")) {
        return;
    }
    let scene = Scene::start("vlc", "http://127.0.0.1:1").expect("a scene");
    let mut vlc = Vlc::start(&scene);
    until("playing", || vlc.ask("get_time").filter(|at_s| *at_s >= 1));
    scene.slow_down_far();
    let began = Instant::now();
    vlc.tell(&format!("seek {FAR_S}"));
    scene.demo.shared.wait_for("a request far ahead", |known| known.slow.is_none());
    until("playing far ahead", || {
        vlc.ask("get_time").filter(|at_s| *at_s > FAR_S && began.elapsed() >= WAIT)
    });
    let waited = began.elapsed();
    vlc.tell(&format!("seek {}", SECONDS - 3));
    let status = until("its end", || vlc.child.try_wait().expect("a child"));
    assert!(status.success(), "{status}");
    drop(vlc);
    scene.finish(&format!("started, jumped ahead, waited {waited:.1?}, played on to the end"));
}
