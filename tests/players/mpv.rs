//! mpv, told what to do over its socket.

use super::scene::{FAR_S, Scene, has, until};
use super::{DEADLINE, WAIT};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

struct Mpv {
    child: Child,
    socket: BufReader<UnixStream>,
}

impl Mpv {
    fn start(scene: &Scene) -> Mpv {
        let path = scene.folder().join("mpv.sock");
        let child = Command::new("mpv")
            .args(["--no-config", "--no-terminal", "--vo=null", "--ao=null", "--ytdl=no"])
            .arg(format!("--input-ipc-server={}", path.display()))
            .arg(scene.relay.url())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("mpv");
        let socket = until("mpv's socket", || UnixStream::connect(&path).ok());
        socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        Mpv { child, socket: BufReader::new(socket) }
    }

    fn command(&mut self, command: Value) {
        let line = json!({"command": command}).to_string() + "\n";
        self.socket.get_mut().write_all(line.as_bytes()).expect("mpv listens");
    }

    /// The next event of that name.
    fn event(&mut self, name: &str) -> Value {
        loop {
            let mut line = String::new();
            assert!(self.socket.read_line(&mut line).expect("an event") > 0, "mpv ended before {name}");
            let event: Value = serde_json::from_str(&line).expect("JSON");
            if event["event"] == name {
                return event;
            }
        }
    }
}

impl Drop for Mpv {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn mpv_starts_seeks_waits_and_finishes() {
    if !(has("ffmpeg") && has("mpv")) {
        return;
    }
    let scene = Scene::start("mpv", "http://127.0.0.1:1").expect("a scene");
    let mut mpv = Mpv::start(&scene);
    mpv.event("playback-restart");
    scene.slow_down_far();
    let began = Instant::now();
    mpv.command(json!(["seek", FAR_S, "absolute"]));
    mpv.event("seek");
    mpv.event("playback-restart");
    let waited = began.elapsed();
    assert!(waited >= WAIT, "it waited {waited:?}");
    mpv.command(json!(["set_property", "speed", 50]));
    assert_eq!(mpv.event("end-file")["reason"], "eof");
    drop(mpv);
    scene.finish(&format!("started, jumped ahead, waited {waited:.1?}, played on to the end"));
}
