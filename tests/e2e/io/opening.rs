//! The opening (PROTOCOL §6.1) and the rules of messages (§6.2).

use super::*;
use crate::support::http::{Http, Request};

fn stranger(daemon: &Daemon) -> Ws {
    Ws::open(Http::connect(daemon.port), Ws::upgrade()).unwrap_or_else(|response| panic!("{response:?}"))
}

fn auth(token: &str) -> Op {
    Op::new(AUTH, 7, [&[1], token.as_bytes()].concat())
}

#[test]
fn a_wrong_token_is_refused_before_the_upgrade_and_none_after_it() {
    let daemon = Daemon::start(&[]);
    let wrong = Ws::open(daemon.http(), Ws::upgrade().token("wrong")).err().expect("refused");
    wrong.refused(401, "token_invalid");
    let foreign = Ws::open(daemon.http(), Ws::upgrade().field("Origin", "https://evil.example"));
    foreign.err().expect("refused").refused(403, "origin_forbidden");
    let no_key = daemon.http().call(Request::get("/io").token(&daemon.token));
    no_key.refused(426, "upgrade_required");
    let mut ws = stranger(&daemon);
    ws.send(&auth("wrong"));
    let result = ws.op();
    assert_eq!((result.opcode, result.request_id, result.payload[0]), (AUTH_RESULT, 7, 1));
    assert_eq!(ws.closed(), 1008);
}

#[test]
fn token_by_message_with_and_without_hello() {
    let daemon = Daemon::start(&[]);
    let mut ws = stranger(&daemon);
    ws.send(&auth(&daemon.token));
    assert_eq!(ws.op().payload, [0]);
    ws.send(&tcp_close(5));
    ws.send(&Op::new(TCP_CLOSE, 9, 5_u32.to_le_bytes()));
    assert_eq!((ws.op().opcode, 9), (ERROR, 9));
    ws.close();

    let mut ws = stranger(&daemon);
    let answer =
        hello(&mut ws, &json!({"client": "test", "features": ["credit", "novel"], "sessionId": "s"}));
    assert_eq!(answer["authenticated"], false);
    assert_eq!((&answer["protocol"], &answer["features"]), (&json!(1), &json!(["credit"])));
    assert_eq!(answer["limits"]["socketWindow"], 1 << 20);
    let payload = [&[0], daemon.token.as_bytes(), b"\0ext\0inst\0s"].concat();
    ws.send(&Op::new(AUTH, 2, payload));
    assert_eq!(ws.op().payload, [0]);
}

#[test]
fn an_empty_hello_gets_an_empty_answer() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    ws.send(&Op::new(CLIENT_HELLO, 3, []));
    assert_eq!(ws.op(), Op::new(SERVER_HELLO, 3, []));
}

#[test]
fn anything_before_the_token_is_answered_and_ends_the_connection() {
    let daemon = Daemon::start(&[]);
    for first in [tcp_connect(4, 1, "127.0.0.1", 9), Op::new(0x05, 4, [0; 4]), Op::new(0x99, 4, [])] {
        let mut ws = stranger(&daemon);
        ws.send(&first);
        let error = ws.op();
        assert_eq!((error.opcode, error.request_id), (ERROR, 4), "{first:?}");
        assert_eq!(ws.closed(), 1008);
    }
    let mut ws = stranger(&daemon);
    ws.send(&Op::new(AUTH, 1, vec![1; 5000]));
    assert_eq!(ws.closed(), 1009);
}

#[test]
fn no_token_within_five_seconds_ends_it() {
    let daemon = Daemon::start(&[]);
    let started = std::time::Instant::now();
    assert_eq!(stranger(&daemon).closed(), 1008);
    assert!(started.elapsed().as_millis() >= 4900);
}

#[test]
fn malformed_messages_are_answered_and_the_connection_goes_on() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    for (bytes, request_id) in [
        (&[1, 5, 0][..], 0),
        (&[1, 0x99, 0, 0, 6, 0, 0, 0], 6),
        (&[1, 5, 1, 0, 6, 0, 0, 0, 0, 0, 0, 0], 6),
        (&[1, 0x10, 0, 0, 6, 0, 0, 0, 1], 6),
        (&[1, 0x10, 0, 0, 6, 0, 0, 0, 1, 0, 0, 0, 80, 0, 0xFF], 6),
    ] {
        ws.send_message(Message::binary(bytes.to_vec()));
        let error = ws.op();
        assert_eq!((error.opcode, error.request_id), (ERROR, request_id), "{bytes:?}");
        assert!(std::str::from_utf8(&error.payload).is_ok_and(|text| !text.is_empty()));
    }
    ws.send_message(Message::binary(vec![2, 5, 0, 0, 8, 0, 0, 0]));
    assert_eq!((ws.op().request_id, ws.closed()), (8, 1002));
}

#[test]
fn json_is_spoken_to_who_speaks_it() {
    let daemon = Daemon::start(&[]);
    let mut ws = stranger(&daemon);
    ws.send_json(&json!({"op": "hello", "requestId": 1, "client": "t", "features": ["keepalive"]}));
    let answer = ws.json();
    assert_eq!((&answer["op"], &answer["authenticated"]), (&json!("server_hello"), &json!(false)));
    ws.send_json(&json!({"op": "auth", "requestId": 2, "token": daemon.token}));
    assert_eq!(ws.json(), json!({"op": "auth_result", "requestId": 2, "status": 0, "message": ""}));
    ws.send_json(&json!({"op": "nonsense", "requestId": 3}));
    let error = ws.json();
    assert_eq!((&error["op"], &error["requestId"]), (&json!("error"), &json!(3)));
}

#[test]
fn pings_are_answered_and_a_close_too() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    ws.send_message(Message::Ping(b"abc".to_vec().into()));
    assert_eq!(ws.pong(), b"abc");
    ws.close();
}

#[test]
fn the_end_of_the_daemon_closes_with_1001() {
    let mut daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    daemon.http().call(Request::post("/control/shutdown").token(&daemon.token)).expect(200);
    assert_eq!(ws.closed(), 1001);
    assert_eq!(daemon.wait(), crate::support::daemon::Ended::Status(0));
}

#[test]
fn a_batch_before_the_token_is_answered_as_a_whole() {
    let daemon = Daemon::start(&[]);
    let shown = auth(&daemon.token).bytes();
    for inside in [&[][..], &[&(shown.len() as u32).to_le_bytes()[..], &shown].concat()] {
        let mut ws = stranger(&daemon);
        ws.send(&Op::new(BATCH, 4, inside));
        let error = ws.op();
        assert_eq!((error.opcode, error.request_id), (ERROR, 4));
        assert_eq!(ws.closed(), 1008);
    }
}

#[test]
fn a_session_named_with_the_upgrade_counts_once_the_token_is_shown() {
    let daemon = Daemon::start(&[]);
    let udp = || Request::post("/control/open_socket").token(&daemon.token).session("named");
    let mut ws =
        Ws::open(daemon.http(), Ws::upgrade().session("named")).unwrap_or_else(|no| panic!("{no:?}"));
    daemon.http().call(udp().json(&json!({"protocol": "udp"}))).refused(409, "no_io_channel");
    hello(&mut ws, &json!({"client": "names no session"}));
    ws.send(&auth(&daemon.token));
    assert_eq!(ws.op().payload, [0]);
    daemon.http().call(udp().json(&json!({"protocol": "udp"}))).expect(200);
}

#[test]
fn the_answers_of_the_opening_come_in_no_batch() {
    let daemon = Daemon::start(&[]);
    let said = json!({"features": ["batch"]}).to_string();
    // All at once behind the request, so that they are answered in one go.
    let mut ws = stranger(&daemon);
    ws.send_all(&[
        Op::new(CLIENT_HELLO, 1, said.clone()),
        auth(&daemon.token),
        Op::new(CLIENT_HELLO, 2, said),
        Op::new(TCP_CLOSE, 3, 5_u32.to_le_bytes()),
    ]);
    let answers: Vec<_> = (0..4).map(|_| ws.op()).map(|op| (op.opcode, op.request_id)).collect();
    assert_eq!(answers, [(SERVER_HELLO, 1), (AUTH_RESULT, 7), (SERVER_HELLO, 2), (ERROR, 3)]);
}
