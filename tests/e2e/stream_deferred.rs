//! Streaming what is not there yet (PROTOCOL §5 "Deferred availability", §6.2 RANGE_*): a player on one side, on the
//! other a client that is asked for bytes over `/io` and says when they are there.

use std::fs;
use std::io::{ErrorKind, Read};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::io::{hello, settle};
use crate::support::daemon::Daemon;
use crate::support::http::{Http, Request, Response};
use crate::support::ws::{Op, Ws};

const RANGE_REQUEST: u8 = 0x30;
const RANGE_AVAILABLE: u8 = 0x31;
const RANGE_UNAVAILABLE: u8 = 0x32;
const RANGE_CANCEL: u8 = 0x33;
const WINDOW: u64 = 4 << 20;
const SIZE: u64 = 10 << 20;

fn content() -> Vec<u8> {
    (0..SIZE).map(|at| (at * 13 + at / 251) as u8).collect()
}

/// A daemon with a deferred file of [`SIZE`] bytes, open in session `s`.
struct Scene {
    daemon: Daemon,
    file: u64,
    bytes: Vec<u8>,
}

impl Scene {
    fn new() -> Scene {
        let daemon = Daemon::start(&[]);
        let bytes = content();
        fs::write(daemon.home.root().join("film.mp4"), &bytes).unwrap();
        let body = json!({"root": "main", "path": "film.mp4", "write": true, "deferred": true});
        let request = Request::post("/files/open").token(&daemon.token).session("s").json(&body);
        let file = daemon.http().call(request).expect(200).json()["fileId"].as_u64().unwrap();
        Scene { daemon, file, bytes }
    }

    fn channel(&self) -> Ws {
        let mut ws = Ws::authenticated(self.daemon.port, &self.daemon.token, "s");
        let answer = hello(&mut ws, &json!({"features": ["range"]}));
        assert_eq!(answer["features"], json!(["range"]));
        ws
    }

    /// Sends a request for the stream; takes its head.
    fn play(&self, range: &str) -> Player {
        let mut http = Http::connect(self.daemon.stream_port);
        http.send(&self.request(range));
        let head = http.response_to_head();
        assert_eq!(head.status, 206);
        let (stream, got) = http.into_parts();
        Player { stream, got, head }
    }

    fn request(&self, range: &str) -> Request {
        let request = Request::get(&format!("/stream/{}", self.file)).field("Range", range);
        request.token(&self.daemon.token).session("s")
    }

    fn available(&self, ws: &mut Ws, offset: u64, length: u64) {
        let said = json!({"fileId": self.file, "offset": offset, "length": length});
        ws.send(&Op::new(RANGE_AVAILABLE, 0, said.to_string()));
    }

    fn call(&self, request: Request) -> Response {
        self.daemon.http().call(request.token(&self.daemon.token).session("s"))
    }
}

/// A stream under way.
struct Player {
    stream: TcpStream,
    got: Vec<u8>,
    head: Response,
}

impl Player {
    /// The next bytes of the body.
    fn read(&mut self, n: usize) -> Vec<u8> {
        let from = self.got.len();
        if from < n {
            self.got.resize(n, 0);
            self.stream.read_exact(&mut self.got[from..]).unwrap();
        }
        let rest = self.got.split_off(n);
        std::mem::replace(&mut self.got, rest)
    }

    /// That nothing has come beyond what was read.
    fn is_waiting(&self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let waits = self.stream.peek(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        self.stream.set_nonblocking(false).unwrap();
        waits && self.got.is_empty()
    }

    /// That the connection was cut before the answer was complete.
    fn ends_early(mut self) -> bool {
        let mut rest = Vec::new();
        let error = self.stream.read_to_end(&mut rest).map_err(|error| error.kind());
        assert!(matches!(error, Ok(_) | Err(ErrorKind::ConnectionReset)), "{error:?}");
        let length: usize = self.head.field("Content-Length").unwrap().parse().unwrap();
        rest.len() < length
    }
}

/// The next message, which must be that one.
fn next(ws: &mut Ws, opcode: u8) -> Value {
    let op = ws.op();
    assert_eq!((op.opcode, op.request_id), (opcode, 0), "{:?}", String::from_utf8_lossy(&op.payload));
    op.json()
}

/// The next message, a request for these bytes; its id.
#[track_caller]
fn asked(ws: &mut Ws, file: u64, offset: u64, length: u64) -> u64 {
    let asked = next(ws, RANGE_REQUEST);
    let told = (&asked["fileId"], &asked["offset"], &asked["length"]);
    assert_eq!(told, (&json!(file), &json!(offset), &json!(length)));
    assert!(asked["streamId"].is_u64());
    asked["rangeId"].as_u64().unwrap()
}

#[test]
fn bytes_come_when_they_are_said_to_be_there() {
    let scene = Scene::new();
    let mut ws = scene.channel();
    let mut player = scene.play("bytes=1000-");
    assert_eq!(player.head.field("Content-Range"), Some(&*format!("bytes 1000-{}/{SIZE}", SIZE - 1)));
    asked(&mut ws, scene.file, 1000, WINDOW);
    // Written is not said to be there; nor is what comes behind a gap.
    let write = Request::new("PATCH", &format!("/files/{}/write?offset=1000", scene.file));
    scene.call(write.body(scene.bytes[1000..2000].to_vec())).expect(200);
    scene.available(&mut ws, 1001, 500);
    settle(&mut ws);
    assert!(player.is_waiting());
    scene.available(&mut ws, 1000, 1);
    assert!(player.read(501) == scene.bytes[1000..1501]);
    settle(&mut ws);
    assert!(player.is_waiting());
    scene.available(&mut ws, 0, 1000 + WINDOW);
    asked(&mut ws, scene.file, 1000 + WINDOW, WINDOW);
    scene.available(&mut ws, 1000 + WINDOW, SIZE);
    assert!(player.read(SIZE as usize - 1501) == scene.bytes[1501..]);
    // A file that is all there is a file like any other, and was one for reads all the time.
    assert!(scene.call(Request::get(&format!("/stream/{}", scene.file))).expect(200).body == scene.bytes);
    let info = scene.call(Request::get(&format!("/files/{}", scene.file))).json();
    assert_eq!(info["deferred"], json!(true));
    settle(&mut ws);
}

#[test]
fn availability_binds_streams_and_not_reads() {
    let scene = Scene::new();
    let read = Request::get(&format!("/files/{}/read?offset=5&length=100", scene.file));
    assert_eq!(scene.call(read).expect(200).body, scene.bytes[5..105]);
    let head = scene.call(Request::new("HEAD", &format!("/stream/{}", scene.file))).expect(200);
    assert_eq!(head.field("Content-Length"), Some(&*SIZE.to_string()));
    scene.daemon.http().call(scene.request("bytes=99999999-")).refused(416, "range_not_satisfiable");
}

#[test]
fn several_ranges_are_supplied_one_after_another() {
    let scene = Scene::new();
    let mut ws = scene.channel();
    let mut http = scene.daemon.http();
    http.send(&scene.request("bytes=5000000-5000009,0-9"));
    asked(&mut ws, scene.file, 5_000_000, 10);
    scene.available(&mut ws, 5_000_000, 10);
    asked(&mut ws, scene.file, 0, 10);
    scene.available(&mut ws, 0, 10);
    let response = http.response();
    assert_eq!(response.status, 206);
    let has = |part: &[u8]| response.body.windows(10).any(|window| window == part);
    assert!(has(&scene.bytes[5_000_000..5_000_010]) && has(&scene.bytes[..10]));
    // The connection goes on.
    assert_eq!(http.call(scene.request("bytes=0-9")).expect(206).body, scene.bytes[..10]);
}

#[test]
fn who_hangs_up_cancels_at_once() {
    let scene = Scene::new();
    let mut ws = scene.channel();
    let player = scene.play("bytes=0-");
    let id = asked(&mut ws, scene.file, 0, WINDOW);
    drop(player);
    assert_eq!(next(&mut ws, RANGE_CANCEL), json!({"rangeId": id}));
    // Half a hang-up is one, too: a player needs nothing any more.
    let player = scene.play("bytes=7-");
    let id = asked(&mut ws, scene.file, 7, WINDOW);
    player.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(next(&mut ws, RANGE_CANCEL), json!({"rangeId": id}));
    assert!(player.ends_early());
}

#[test]
fn what_will_never_be_there_cuts_the_connection() {
    let scene = Scene::new();
    let mut ws = scene.channel();
    let player = scene.play("bytes=0-");
    let id = asked(&mut ws, scene.file, 0, WINDOW);
    ws.send(&Op::new(RANGE_UNAVAILABLE, 0, json!({"rangeId": id, "reason": "no peers"}).to_string()));
    assert!(player.ends_early());
    settle(&mut ws);
}

#[test]
fn a_client_that_comes_back_is_asked_anew() {
    let scene = Scene::new();
    let mut ws = scene.channel();
    let mut player = scene.play("bytes=0-");
    let first = asked(&mut ws, scene.file, 0, WINDOW);
    // The newest is asked, even while the old one is there.
    let mut newer = scene.channel();
    let second = asked(&mut newer, scene.file, 0, WINDOW);
    assert_eq!(next(&mut ws, RANGE_CANCEL), json!({"rangeId": first}));
    assert_ne!(first, second);
    drop(newer);
    asked(&mut ws, scene.file, 0, WINDOW);
    drop(ws);
    let mut last = scene.channel();
    asked(&mut last, scene.file, 0, WINDOW);
    scene.available(&mut last, 0, SIZE);
    assert!(player.read(SIZE as usize) == scene.bytes);
}

#[test]
fn a_client_without_the_feature_may_say_what_is_there_but_is_not_asked() {
    let scene = Scene::new();
    let mut able = scene.channel();
    let mut plain = Ws::authenticated(scene.daemon.port, &scene.daemon.token, "s");
    let mut player = scene.play("bytes=0-99");
    asked(&mut able, scene.file, 0, 100);
    scene.available(&mut plain, 0, 100);
    assert!(player.read(100) == scene.bytes[..100]);
    // Another session's client may not.
    let mut stranger = Ws::authenticated(scene.daemon.port, &scene.daemon.token, "other");
    let player = scene.play("bytes=100-199");
    asked(&mut able, scene.file, 100, 100);
    scene.available(&mut stranger, 100, 100);
    settle(&mut stranger);
    assert!(player.is_waiting());
}

#[test]
fn a_client_that_speaks_json_is_asked_in_json() {
    let scene = Scene::new();
    let mut ws = Ws::authenticated(scene.daemon.port, &scene.daemon.token, "s");
    ws.send_json(&json!({"op": "hello", "requestId": 1, "client": "t", "features": ["range"]}));
    assert_eq!(ws.json()["op"], "server_hello");
    let mut player = scene.play("bytes=3-12");
    let asked = ws.json();
    assert_eq!((&asked["op"], &asked["requestId"]), (&json!("range_request"), &json!(0)));
    assert_eq!((&asked["offset"], &asked["length"]), (&json!(3), &json!(10)));
    ws.send_json(&json!({"op": "range_available", "fileId": scene.file, "offset": 3, "length": 10}));
    assert!(player.read(10) == scene.bytes[3..13]);
    let player = scene.play("bytes=20-29");
    let id = ws.json()["rangeId"].clone();
    drop(player);
    assert_eq!(ws.json(), json!({"op": "range_cancel", "requestId": 0, "rangeId": id}));
}

#[test]
fn closing_the_file_cuts_its_streams_and_does_not_wait_for_them() {
    let scene = Scene::new();
    let mut ws = scene.channel();
    let (one, two) = (scene.play("bytes=0-"), scene.play("bytes=5-"));
    let ids = [asked(&mut ws, scene.file, 0, WINDOW), asked(&mut ws, scene.file, 5, WINDOW)];
    scene.call(Request::post(&format!("/files/{}/close", scene.file))).expect(200);
    assert!(one.ends_early() && two.ends_early());
    let cancelled = [next(&mut ws, RANGE_CANCEL), next(&mut ws, RANGE_CANCEL)];
    assert_eq!(cancelled.map(|cancelled| cancelled["rangeId"].as_u64().unwrap()), ids);
}

#[test]
fn the_end_of_the_daemon_does_not_wait_for_streams() {
    let mut scene = Scene::new();
    let player = scene.play("bytes=0-");
    let shutdown = Request::post("/control/shutdown");
    scene.call(shutdown).expect(200);
    assert!(player.ends_early());
    scene.daemon.wait_for(std::time::Duration::from_secs(1));
}

#[test]
fn a_hundred_players_wait_while_others_are_served() {
    let scene = Scene::new();
    let mut ws = scene.channel();
    let players: Vec<Player> = (0..100).map(|at| scene.play(&format!("bytes={at}-"))).collect();
    let asks: Vec<Value> = players.iter().map(|_| next(&mut ws, RANGE_REQUEST)).collect();
    assert!(asks.iter().all(|asked| asked["length"] == json!(WINDOW)));
    let before = scene.daemon.process().descriptors();
    let read = Request::get(&format!("/files/{}/read?offset=0&length=9000000", scene.file));
    assert!(scene.call(read).expect(200).body == scene.bytes[..9_000_000]);
    scene.available(&mut ws, 0, SIZE);
    for (at, mut player) in players.into_iter().enumerate() {
        assert!(player.read(1000) == scene.bytes[at..at + 1000]);
    }
    settle(&mut ws);
    assert!(scene.daemon.process().descriptors() <= before + 1);
}

#[test]
fn ids_that_are_not_there_are_told_to_who_asks() {
    let scene = Scene::new();
    let mut ws = scene.channel();
    for (opcode, said) in [
        (RANGE_AVAILABLE, json!({"fileId": 999, "offset": 0, "length": 1})),
        (RANGE_UNAVAILABLE, json!({"rangeId": 999, "reason": "none"})),
    ] {
        ws.send(&Op::new(opcode, 0, said.to_string()));
        ws.send(&Op::new(opcode, 7, said.to_string()));
        let error = ws.op();
        assert_eq!((error.opcode, error.request_id), (0x7F, 7));
    }
}
