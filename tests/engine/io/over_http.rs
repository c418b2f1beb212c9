//! `/control/open_socket` where one of those who take part goes away.

use super::*;
use serde_json::{Value, json};

const CLOSE: [u8; 2] = 1000_u16.to_be_bytes();

/// Asks for a socket; the connection that waits for the answer.
fn ask(bench: &mut Bench, body: &Value) -> ConnId {
    let request = bench.request("POST", "/control/open_socket").session("s").json(body);
    let http = bench.connect();
    bench.send(http, &request.bytes());
    http
}

fn tcp() -> Value {
    json!({"host": "192.0.2.1", "port": 80, "protocol": "tcp"})
}

#[test]
fn what_becomes_of_a_connect_is_kept_for_nobody_who_has_gone() {
    let mut bench = bench(Limits::default());
    let io = bench.io_with(&[]);
    for _ in 0..3 {
        let http = ask(&mut bench, &tcp());
        assert_eq!(bench.engine.state.metrics.pending_connects, 1);
        bench.reset(http);
        assert_eq!(bench.engine.state.metrics.pending_connects, 0, "it closes");
        bench.network().connecting.clear();
    }
    assert!(bench.engine.state.openings.is_empty());
    assert!(bench.frames(io).is_empty(), "nobody was told of it");
}

#[test]
fn a_socket_closes_whose_id_can_not_be_told() {
    let mut bench = bench(Limits::default());
    let io = bench.io_with(&[]);
    let http = ask(&mut bench, &tcp());
    bench.stall(http, true);
    let peer = bench.answer_connect(None);
    bench.reset(http);
    assert!(matches!(&bench.frames(io)[..], [Frame::Op(TCP_CLOSE, 0, _)]));
    bench.hang_up(peer);
    assert_eq!(bench.engine.state.sockets.len(), 0);
}

#[test]
fn a_connection_that_closes_opens_no_sockets() {
    let mut bench = bench(Limits::default());
    let older = bench.io_with(&[]);
    let newer = bench.io_with(&[]);
    bench.stall(newer, true);
    bench.frame(newer, 0x88, &CLOSE);
    assert!(!bench.has_ended(newer), "its own close frame has not gone out");
    let http = ask(&mut bench, &tcp());
    let peer = bench.answer_connect(None);
    let answer = bench.response(http, false).unwrap().ok().json();
    let id = answer["socketId"].as_u64().unwrap() as u32;
    bench.hang_up(peer);
    assert!(
        matches!(&bench.frames(older)[..], [Frame::Op(TCP_CLOSE, 0, payload)] if payload[..4] == id.to_le_bytes())
    );
    bench.frame(older, 0x88, &CLOSE);
    let http = ask(&mut bench, &tcp());
    bench.response(http, false).unwrap().refused(409, "no_io_channel");
}

#[test]
fn a_request_is_answered_when_its_connection_closes_while_a_name_is_looked_up() {
    let mut bench = bench(Limits::default()).with_names(&[("slow.test", &["192.0.2.7"])]);
    let io = bench.io_with(&[]);
    bench.hold("Resolve");
    let http = ask(&mut bench, &json!({"host": "slow.test", "port": 80, "protocol": "udp"}));
    assert!(bench.response(http, false).is_none());
    bench.frame(io, 0x88, &CLOSE);
    let answer = bench.response(http, false).unwrap().refused(502, "connect_failed").json();
    assert_eq!(answer["errno"], 125);
    bench.let_go();
    let state = &bench.engine.state;
    assert_eq!((state.lookups.len(), state.metrics.udp_sockets), (0, 0));
}
