//! `/control/open_socket` and `/control/close_socket`.

use super::*;
use crate::support::http::{Request, Response};
use std::io::{Read, Write};
use std::net::UdpSocket;

fn control(daemon: &Daemon, what: &str, session: &str, body: &Value) -> Response {
    let request = Request::post(&format!("/control/{what}_socket"));
    daemon.http().call(request.token(&daemon.token).session(session).json(body))
}

#[test]
fn a_socket_opened_over_http_is_the_newest_connections() {
    let daemon = Daemon::start(&[]);
    let (listener, port) = peer();
    let tcp = json!({"host": "localhost", "port": port, "protocol": "tcp"});
    control(&daemon, "open", "s", &tcp).refused(409, "no_io_channel");
    let _older = open(&daemon);
    let mut ws = open(&daemon);
    let opened = control(&daemon, "open", "s", &tcp).expect(200).json();
    let id = u32::try_from(opened["socketId"].as_u64().unwrap()).unwrap();
    assert!(id >= 0x8000_0000);
    assert_eq!(opened["remoteAddress"], "127.0.0.1");
    let mut peer = listener.accept().unwrap().0;
    assert_eq!(opened["localPort"], peer.peer_addr().unwrap().port());
    ws.send(&tcp_send(id, b"sent"));
    let mut bytes = [0; 4];
    peer.read_exact(&mut bytes).unwrap();
    peer.write_all(b"received").unwrap();
    assert_eq!(receive(&mut ws, id, 8), b"received");
    control(&daemon, "close", "another", &json!({"socketId": id})).refused(404, "no_such_socket");
    control(&daemon, "close", "s", &json!({"socketId": id})).expect(200);
    assert_eq!(closed(&ws.op(), id), (0, 0));
    control(&daemon, "close", "s", &json!({"socketId": id})).refused(404, "no_such_socket");
}

#[test]
fn failures_have_their_number_and_its_name() {
    let daemon = Daemon::start(&[]);
    let _ws = open(&daemon);
    let (listener, port) = peer();
    drop(listener);
    let refused =
        control(&daemon, "open", "s", &json!({"host": "127.0.0.1", "port": port, "protocol": "tcp"}));
    let problem = refused.refused(502, "connect_failed").json();
    assert_eq!((&problem["errno"], &problem["errnoName"]), (&json!(111), &json!("ECONNREFUSED")));
    let own = control(&daemon, "open", "s", &json!({"host": "::1", "port": daemon.port, "protocol": "tcp"}));
    assert_eq!(own.refused(502, "connect_failed").json()["errno"], 13);
    let nobody = json!({"host": "nobody.invalid", "port": 80, "protocol": "tcp"});
    let unknown = control(&daemon, "open", "s", &nobody).refused(502, "connect_failed").json();
    assert!(unknown["errno"].as_u64().is_some_and(|errno| errno > 0x1000), "{unknown}");
    assert!(unknown["errnoName"].as_str().is_some_and(|name| name.starts_with("EAI_")), "{unknown}");
    control(&daemon, "open", "s", &json!({"protocol": "tcp"})).refused(400, "bad_parameter");
    control(&daemon, "open", "s", &json!({"host": "::1", "protocol": "udp"})).refused(400, "bad_parameter");
    control(&daemon, "open", "s", &json!({"protocol": "icmp"})).refused(400, "bad_json");
}

#[test]
fn a_udp_socket_has_a_default_destination() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(crate::support::DEADLINE)).unwrap();
    let port = peer.local_addr().unwrap().port();
    let body = json!({"host": "127.0.0.1", "port": port, "protocol": "udp"});
    let opened = control(&daemon, "open", "s", &body).expect(200).json();
    let id = u32::try_from(opened["socketId"].as_u64().unwrap()).unwrap();
    // Neither port nor address: [port:2][addrLen:2].
    ws.send(&Op::new(0x22, 0, with_id(id, &[&[0; 4][..], b"datagram"].concat())));
    let mut bytes = [0; 100];
    let (n, from) = peer.recv_from(&mut bytes).unwrap();
    assert_eq!(&bytes[..n], b"datagram");
    assert_eq!(opened["localPort"], from.port());
    let without = control(&daemon, "open", "s", &json!({"protocol": "udp"})).expect(200).json();
    assert!(without["localPort"].as_u64().is_some_and(|port| port > 0));
    control(&daemon, "close", "s", &json!({"socketId": id})).expect(200);
    assert_eq!(ws.op_of(0x24).u32_at(0), id);
}

#[test]
fn a_socket_is_closed_on_the_connection_that_has_it() {
    let daemon = Daemon::start(&[]);
    let open_udp = || control(&daemon, "open", "s", &json!({"protocol": "udp"})).expect(200).json();
    let mut older = open(&daemon);
    let first = open_udp()["socketId"].clone();
    let mut newer = open(&daemon);
    let second = open_udp()["socketId"].clone();
    assert_ne!(first, second);
    control(&daemon, "close", "s", &json!({"socketId": first})).expect(200);
    assert_eq!(older.op_of(0x24).u32_at(0), first);
    control(&daemon, "close", "s", &json!({"socketId": second})).expect(200);
    assert_eq!(newer.op_of(0x24).u32_at(0), second);
}

#[test]
fn a_request_whose_channel_goes_is_answered() {
    let daemon = Daemon::start(&[]);
    let ws = open(&daemon);
    // An address that is reserved for documentation: nobody answers, or there is no route.
    let body = json!({"host": "2001:db8::1", "port": 9, "protocol": "tcp", "timeoutMs": 600_000});
    let request = Request::post("/control/open_socket").token(&daemon.token).session("s").json(&body);
    let mut http = daemon.http();
    let asked = std::thread::spawn(move || http.call(request));
    let pending = || daemon.http().call(Request::get("/stats").token(&daemon.token)).json();
    while !asked.is_finished() && pending()["pending_connects"] == 0 {}
    drop(ws);
    let answer = asked.join().unwrap();
    let errno = answer.refused(502, "connect_failed").json()["errno"].clone();
    assert!([json!(125), json!(101), json!(99)].contains(&errno), "{errno}");
}
