//! How long sessions, connections and the daemon last (PROTOCOL §1, §2), under a clock that the test moves.

use crate::harness::{Bench, Request};
use jstorrent_io_daemon::ids::ConnId;
use jstorrent_io_daemon::limits::Limits;
use jstorrent_io_daemon::service::session;

const MINUTE_MS: u64 = 60_000;

fn of(bench: &Bench, session: &str, method: &str, target: &str) -> Request {
    bench.request(method, target).session(session)
}

fn sessions(bench: &Bench) -> usize {
    bench.engine.state.sessions.len()
}

#[test]
fn a_page_that_may_call_can_read_that_its_body_was_too_slow() {
    let mut bench = Bench::new();
    let id = bench.connect();
    let request =
        bench.request("POST", "/hash/sha1").field("Origin", "https://jstorrent.com").body("all of it");
    let bytes = request.bytes();
    bench.send(id, &bytes[..bytes.len() - 1]);
    bench.wait_ms(MINUTE_MS + 1);
    let answer = bench.response(id, false).unwrap().refused(408, "timeout");
    assert_eq!(answer.field("Access-Control-Allow-Origin"), Some("https://jstorrent.com"));
}

#[test]
fn a_session_without_io_ends_after_its_last_request() {
    let mut bench = Bench::new();
    bench.write("f", "x");
    let file = bench.open("f", false);
    bench.wait_ms(9 * MINUTE_MS);
    let request = of(&bench, "s", "GET", &format!("/files/{file}"));
    bench.call(request).ok();
    bench.wait_ms(9 * MINUTE_MS);
    assert_eq!((sessions(&bench), bench.engine.state.files.len()), (1, 1));
    bench.wait_ms(MINUTE_MS + 1);
    assert_eq!((sessions(&bench), bench.engine.state.files.len(), bench.descriptors()), (0, 0, 0));
    let request = of(&bench, "s", "GET", &format!("/files/{file}"));
    bench.call(request).refused(404, "no_such_file");
    bench.assert_at_rest();
}

#[test]
fn the_idle_timeout_is_a_session_s_too() {
    let mut bench = Bench::with(Limits::default(), |settings| settings.session_ms = 5_000);
    let request = of(&bench, "s", "GET", "/health");
    bench.call(request).ok();
    bench.wait_ms(4_999);
    // A request that only names the session, without what it owns, uses it all the same; `/health` asks for no token,
    // so that what it names is not believed.
    assert_eq!(sessions(&bench), 0);
    let request = of(&bench, "s", "POST", "/control/ping");
    bench.call(request).ok();
    bench.wait_ms(4_999);
    assert_eq!(sessions(&bench), 1);
    bench.wait_ms(2);
    assert_eq!(sessions(&bench), 0);
}

#[test]
fn a_session_does_not_end_under_a_request() {
    let mut bench = Bench::with(Limits::default(), |settings| settings.session_ms = 5_000);
    let file = bench.open("f", true);
    bench.hold("Write");
    let id = bench.connect();
    bench.send(id, &of(&bench, "s", "PATCH", &format!("/files/{file}/write")).body("late").bytes());
    bench.wait_ms(MINUTE_MS);
    assert_eq!(sessions(&bench), 1);
    bench.let_go();
    bench.response(id, false).unwrap().ok();
    assert_eq!(bench.read("f"), b"late");
    bench.wait_ms(4_999);
    assert_eq!(sessions(&bench), 1, "from the request's end on");
    bench.wait_ms(2);
    assert_eq!(sessions(&bench), 0);
    bench.assert_at_rest();
}

#[test]
fn a_session_with_io_lingers_for_30_seconds() {
    let mut bench = Bench::new();
    let file = bench.open("f", true);
    let state = &mut bench.engine.state;
    let id = state.sessions.find("s").unwrap();
    let channels = [ConnId { slot: 900, serial: 1 }, ConnId { slot: 901, serial: 1 }];
    session::channel_opened(state, id, channels[0]);
    session::channel_opened(state, id, channels[1]);
    bench.wait_ms(60 * MINUTE_MS);
    assert_eq!(sessions(&bench), 1);
    session::channel_closed(&mut bench.engine.state, id, channels[0]);
    bench.wait_ms(60 * MINUTE_MS);
    assert_eq!(sessions(&bench), 1, "one is left");
    session::channel_closed(&mut bench.engine.state, id, channels[1]);
    bench.wait_ms(20_000);
    session::channel_opened(&mut bench.engine.state, id, channels[0]);
    bench.wait_ms(20_000);
    assert_eq!(sessions(&bench), 1, "it came back in time");
    session::channel_closed(&mut bench.engine.state, id, channels[0]);
    bench.wait_ms(29_000);
    let request = of(&bench, "s", "GET", &format!("/files/{file}"));
    bench.call(request).ok();
    bench.wait_ms(999);
    assert_eq!(sessions(&bench), 1);
    bench.wait_ms(2);
    assert_eq!((sessions(&bench), bench.engine.state.files.len()), (0, 0), "requests don't prolong it");
}

#[test]
fn a_stream_under_way_keeps_its_session_for_60_seconds() {
    for ends_before in [true, false] {
        let mut bench = Bench::new();
        bench.open("f", true);
        let state = &mut bench.engine.state;
        let id = state.sessions.find("s").unwrap();
        let channel = ConnId { slot: 900, serial: 1 };
        session::channel_opened(state, id, channel);
        session::hold(state, id);
        session::channel_closed(state, id, channel);
        bench.wait_ms(59_000);
        assert_eq!(sessions(&bench), 1);
        if ends_before {
            session::rest(&mut bench.engine.state, id);
            bench.wait_ms(1);
        } else {
            bench.wait_ms(1_001);
        }
        assert_eq!(sessions(&bench), 0);
    }
}

#[test]
fn the_session_that_would_end_first_makes_room() {
    let mut bench = Bench::with(Limits { sessions_max: 2, ..Limits::default() }, |_| {});
    let use_it = |bench: &mut Bench, name: &str| {
        let request = of(bench, name, "POST", "/control/ping");
        bench.call(request).ok();
        bench.wait_ms(1);
    };
    for name in ["a", "b", "a", "c"] {
        use_it(&mut bench, name);
    }
    let sessions = &bench.engine.state.sessions;
    assert!(sessions.find("a").is_some() && sessions.find("b").is_none() && sessions.find("c").is_some());
    // Sessions that are in use don't go.
    bench.hold("PathStat");
    let ids = [bench.connect(), bench.connect()];
    for (id, name) in ids.iter().zip(["a", "c"]) {
        bench.send(*id, &of(&bench, name, "GET", "/ops/stat?path=&root_key=main").bytes());
    }
    let request = of(&bench, "d", "POST", "/control/ping");
    bench.call(request).refused(503, "overloaded");
    bench.let_go();
    use_it(&mut bench, "d");
    bench.assert_at_rest();
}

#[test]
fn a_session_with_open_files_makes_room_for_nobody() {
    let mut bench = Bench::with(Limits { sessions_max: 2, ..Limits::default() }, |_| {});
    let file = bench.open("f", true);
    for name in ["a", "b", "c"] {
        bench.wait_ms(1);
        let request = of(&bench, name, "POST", "/control/ping");
        bench.call(request).ok();
    }
    let request = of(&bench, "s", "GET", &format!("/files/{file}"));
    bench.call(request).ok();
}

#[test]
fn a_full_session_opens_no_more_files() {
    let mut bench = Bench::new();
    bench.write("f", "x");
    bench.open("f", false);
    let id = bench.engine.state.sessions.find("s").unwrap();
    bench.engine.state.sessions.get_mut(id).unwrap().files = 4096;
    let body = serde_json::json!({"root": "main", "path": "f"});
    let request = of(&bench, "s", "POST", "/files/open").json(&body);
    bench.call(request).refused(429, "too_many_files");
    let request = of(&bench, "t", "POST", "/files/open").json(&body);
    bench.call(request).ok();
}

/// An engine that ends when idle for ten seconds.
fn idling() -> Bench {
    let limits = Limits { transfer: false, ..Limits::default() };
    Bench::with(limits, |settings| settings.idle_timeout_ms = 10_000)
}

#[test]
fn the_daemon_ends_when_idle() {
    let mut bench = idling();
    bench.wait_ms(9_999);
    bench.get("/health").ok();
    bench.wait_ms(9_999);
    assert!(!bench.engine.state.exiting);
    bench.wait_ms(2);
    assert!(bench.engine.is_over());
}

#[test]
fn a_request_in_flight_keeps_the_daemon_from_idling() {
    let mut bench = idling();
    bench.hold("PathStat");
    let id = bench.connect();
    bench.send(id, &bench.request("GET", "/ops/stat?path=&root_key=main").bytes());
    bench.wait_ms(MINUTE_MS);
    assert!(!bench.engine.state.exiting);
    bench.let_go();
    bench.wait_ms(9_999);
    assert!(!bench.engine.state.exiting);
    bench.wait_ms(2);
    assert!(bench.engine.state.exiting);
}

/// A request's way to its end.
type Way = (&'static str, fn(&mut Bench));

#[test]
fn every_way_out_of_a_request_is_counted() {
    let mut bench = idling();
    bench.write("f", vec![1; 1 << 20]);
    let ways: [Way; 8] = [
        ("answered", |bench| drop(bench.get("/health").ok())),
        ("refused", |bench| drop(bench.get("/nothing").refused(404, "no_such_endpoint"))),
        ("turned away", |bench| {
            drop(bench.call(Request::new("GET", "/stats")).refused(401, "token_invalid"))
        }),
        ("reset while a job is out", |bench| {
            bench.hold("Open");
            let id = bench.connect();
            bench.send(id, &bench.request("GET", "/read/main").path("f").bytes());
            bench.reset(id);
            bench.let_go();
        }),
        ("reset within the answer", |bench| {
            let id = bench.connect();
            bench.stall(id, true);
            bench.send(id, &bench.request("GET", "/read/main").path("f").bytes());
            bench.reset(id);
        }),
        ("ended within the body", |bench| {
            let id = bench.connect();
            let bytes = bench.request("POST", "/hash/sha1").body("12345").bytes();
            bench.send(id, &bytes[..bytes.len() - 1]);
            bench.hang_up(id);
        }),
        ("silent within the body", |bench| {
            let id = bench.connect();
            let bytes = bench.request("POST", "/hash/sha1").body("12345").bytes();
            bench.send(id, &bytes[..bytes.len() - 1]);
            bench.wait_ms(60_000);
            bench.response(id, false).unwrap().refused(408, "timeout");
        }),
        ("malformed within the body", |bench| {
            let id = bench.connect();
            let head = bench.request("POST", "/hash/sha1").field("Transfer-Encoding", "chunked").bytes();
            bench.send(id, &head);
            bench.send(id, b"zz\r\n");
            bench.response(id, false).unwrap().refused(400, "bad_request");
        }),
    ];
    for (name, way) in ways {
        bench.wait_ms(5_000);
        way(&mut bench);
        assert_eq!(bench.engine.state.metrics.http_in_flight, 0, "{name}");
        let rest = bench.engine.state.last_used.until(bench.engine.state.now);
        assert!(rest.as_millis() < 100, "{name}: used now");
        bench.assert_at_rest();
    }
    assert!(!bench.engine.state.exiting);
}

#[test]
fn a_shutdown_is_answered_and_begins_at_once() {
    let mut bench = Bench::new();
    let id = bench.connect();
    bench.send(id, &bench.request("POST", "/control/shutdown").bytes());
    assert_eq!(bench.response(id, false).unwrap().ok().json(), serde_json::json!({}));
    assert!(bench.engine.state.exiting);
    assert!(bench.has_ended(id));
    bench.wait_ms(2_001);
    assert!(bench.engine.is_over());
}

#[test]
fn a_shutdown_waits_for_no_further_event() {
    let mut bench = Bench::new();
    let id = bench.connect();
    let bytes = bench.request("POST", "/control/shutdown").bytes();
    let place = bench.engine.place(id).unwrap();
    place[..bytes.len()].copy_from_slice(&bytes);
    bench.engine.received(id, bytes.len());
    assert!(bench.engine.next_deadline() <= bench.engine.state.now, "the loop must not sleep now");
}

#[test]
fn an_end_for_idleness_or_by_request_tells_all_connections_at_once() {
    let mut bench = idling();
    let silent = bench.connect();
    bench.wait_ms(10_001);
    assert!(bench.has_ended(silent) && bench.engine.is_over());
    let mut bench = Bench::new();
    let silent = bench.connect();
    bench.post("/control/shutdown").ok();
    assert!(bench.has_ended(silent) && bench.engine.is_over());
}

#[test]
fn writes_in_flight_are_finished_before_the_end() {
    let mut bench = Bench::new();
    bench.hold("Write");
    let (writer, idle) = (bench.connect(), bench.connect());
    bench.send(writer, &bench.request("POST", "/write/main").path("f").body("last words").bytes());
    bench.engine.begin_exit();
    bench.run();
    assert!(bench.has_ended(idle) && !bench.has_ended(writer));
    bench.wait_ms(1_000);
    bench.let_go();
    bench.response(writer, false).unwrap().ok();
    assert_eq!(bench.read("f"), b"last words");
    assert!(bench.engine.is_over());
}

#[test]
fn writes_whose_heads_have_come_are_finished_before_the_end() {
    let mut bench = Bench::new();
    let file = bench.open("f", true);
    let (writer, stuck) = (bench.connect(), bench.connect());
    let write = bench.request("PATCH", &format!("/files/{file}/write")).session("s").body("last words");
    let bytes = write.bytes();
    let (first, rest) = bytes.split_at(bytes.len() - 5);
    bench.send(writer, first);
    bench.send(stuck, first);
    bench.engine.begin_exit();
    bench.run();
    bench.wait_ms(1_900);
    assert!(!bench.engine.is_over());
    bench.send(writer, rest);
    assert_eq!(bench.response(writer, false).unwrap().ok().json()["written"], 10);
    assert_eq!(bench.read("f"), b"last words");
    bench.wait_ms(100);
    assert!(bench.engine.is_over(), "nobody is waited for any longer");
}

/// A client that reads the answer only when it has sent everything, however slowly, gets to read it.
#[test]
fn an_early_answer_is_not_lost_while_the_body_still_comes() {
    let mut bench = Bench::new();
    let id = bench.connect();
    let nobody = Request::new("POST", "/hash/sha1").at("127.0.0.1:4000").body(vec![7; 20 << 10 << 10]);
    let bytes = nobody.bytes();
    let step = bytes.len() / 20 + 1;
    for part in bytes.chunks(step) {
        assert_eq!(bench.send(id, part), part.len());
        bench.wait_ms(1_400);
        assert!(!bench.was_reset(id));
    }
    bench.response(id, false).unwrap().refused(401, "token_invalid");
    bench.wait_ms(2_001);
    assert!(!bench.was_reset(id) && bench.has_ended(id));
    // It does not last for ever.
    let id = bench.connect();
    bench.send(id, &bytes[..step]);
    for _ in 0..31 {
        bench.send(id, b"more");
        bench.wait_ms(1_000);
    }
    bench.assert_at_rest();
}

#[test]
fn a_connection_that_waits_is_not_timed_out_for_what_is_not_its_fault() {
    let mut bench = Bench::new();
    bench.hold("HashInOrder");
    let id = bench.connect();
    let bytes = bench.request("POST", "/hash/sha1").body(vec![7; 4 << 20]).bytes();
    let sent = bench.send(id, &bytes);
    assert!(sent < bytes.len());
    bench.wait_ms(10 * MINUTE_MS);
    assert!(!bench.has_ended(id));
    bench.let_go();
    bench.send(id, &bytes[sent..]);
    bench.response(id, false).unwrap().ok();
}

#[test]
fn a_client_that_pauses_holds_no_buffer() {
    let mut bench = Bench::new();
    let id = bench.connect();
    let bytes = bench.request("POST", "/hash/sha1").body("123456").bytes();
    let (head, body) = bytes.split_at(bytes.len() - 6);
    bench.send(id, head);
    bench.hold("HashInOrder");
    bench.send(id, &body[..2]);
    bench.send(id, &body[2..4]);
    assert_eq!((bench.held(), bench.engine.state.buffers.out()), (1, 2), "one is out, one is being filled");
    bench.let_go();
    assert_eq!(bench.engine.state.buffers.out(), 0, "what had come has gone on its way");
    bench.send(id, &body[4..]);
    bench.response(id, false).unwrap().ok();
    bench.assert_at_rest();
}
