//! `/io` (PROTOCOL §6) over real sockets: the opening, TCP both ways.

mod churn;
mod files;
mod flow;
mod listen;
mod moderation;
mod mute_names;
mod opening;
mod over_http;
mod tcp;
mod tls;

use crate::support::daemon::Daemon;
use crate::support::ws::{Op, Ws};
use serde_json::{Value, json};
use std::net::{TcpListener, TcpStream};
use tungstenite::Message;

pub(crate) const CLIENT_HELLO: u8 = 0x01;
pub(crate) const SERVER_HELLO: u8 = 0x02;
pub(crate) const AUTH: u8 = 0x03;
pub(crate) const AUTH_RESULT: u8 = 0x04;
pub(crate) const TCP_CONNECT: u8 = 0x10;
pub(crate) const TCP_CONNECTED: u8 = 0x11;
pub(crate) const TCP_SEND: u8 = 0x12;
pub(crate) const TCP_RECV: u8 = 0x13;
pub(crate) const TCP_CLOSE: u8 = 0x14;
pub(crate) const TCP_LISTEN: u8 = 0x15;
pub(crate) const TCP_LISTEN_RESULT: u8 = 0x16;
pub(crate) const TCP_ACCEPT: u8 = 0x17;
pub(crate) const TCP_STOP_LISTEN: u8 = 0x18;
pub(crate) const TCP_CREDIT: u8 = 0x1B;
pub(crate) const FILE_READ: u8 = 0x40;
pub(crate) const FILE_DATA: u8 = 0x41;
pub(crate) const FILE_WRITE: u8 = 0x42;
pub(crate) const FILE_WRITTEN: u8 = 0x43;
pub(crate) const BATCH: u8 = 0x50;
pub(crate) const ERROR: u8 = 0x7F;

/// Opens `/io` with the token, as the session `s`.
pub(crate) fn open(daemon: &Daemon) -> Ws {
    Ws::authenticated(daemon.port, &daemon.token, "s")
}

/// Says hello with these features, and returns the answer.
pub(crate) fn hello(ws: &mut Ws, said: &Value) -> Value {
    ws.send(&Op::new(CLIENT_HELLO, 1, said.to_string()));
    let answer = ws.op();
    assert_eq!((answer.opcode, answer.request_id), (SERVER_HELLO, 1));
    answer.json()
}

/// Says hello with `credit` and a window for each socket.
pub(crate) fn hello_with_credit(ws: &mut Ws, recv_window: u32) {
    let answer = hello(ws, &json!({"features": ["credit"], "recvWindow": recv_window}));
    assert_eq!(answer["features"], json!(["credit"]));
}

/// A peer to connect to.
pub(crate) fn peer() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Connects socket `id`, and gives the peer's end.
pub(crate) fn connect(ws: &mut Ws, id: u32) -> TcpStream {
    let (listener, port) = peer();
    ws.send(&tcp_connect(77, id, "127.0.0.1", port));
    let answer = ws.op();
    assert_eq!((answer.request_id, connected(&answer, id)), (77, (0, 0)));
    listener.accept().unwrap().0
}

/// Bytes that tell a wrong place or order.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 7 + n / 251) as u8).collect()
}

/// Waits until the daemon has read all that was sent to it so far.
pub(crate) fn settle(ws: &mut Ws) {
    ws.send_message(Message::Ping(b"settle"[..].into()));
    assert_eq!(ws.pong(), b"settle");
}

/// A payload that begins with an id.
pub(crate) fn with_id(id: u32, rest: &[u8]) -> Vec<u8> {
    [&id.to_le_bytes()[..], rest].concat()
}

/// TCP_CONNECT to a host and port.
pub(crate) fn tcp_connect(request_id: u32, id: u32, host: &str, port: u16) -> Op {
    Op::new(TCP_CONNECT, request_id, with_id(id, &[&port.to_le_bytes()[..], host.as_bytes()].concat()))
}

/// TCP_CREDIT.
pub(crate) fn tcp_credit(id: u32, bytes: u32) -> Op {
    Op::new(TCP_CREDIT, 0, with_id(id, &bytes.to_le_bytes()))
}

/// TCP_SEND.
pub(crate) fn tcp_send(id: u32, data: &[u8]) -> Op {
    Op::new(TCP_SEND, 0, with_id(id, data))
}

/// TCP_CLOSE.
pub(crate) fn tcp_close(id: u32) -> Op {
    Op::new(TCP_CLOSE, 0, with_id(id, &[]))
}

/// Status and errno of a TCP_CONNECTED for that id.
pub(crate) fn connected(op: &Op, id: u32) -> (u8, u32) {
    assert_eq!((op.opcode, op.u32_at(0), op.payload.len()), (TCP_CONNECTED, id, 9), "{op:?}");
    (op.payload[4], op.u32_at(5))
}

/// `hadError` and errno of a TCP_CLOSE for that id.
pub(crate) fn closed(op: &Op, id: u32) -> (u8, u32) {
    assert_eq!((op.opcode, op.request_id, op.u32_at(0), op.payload.len()), (TCP_CLOSE, 0, id, 9), "{op:?}");
    (op.payload[4], op.u32_at(5))
}

/// Takes TCP_RECVs of that id until it has `len` bytes.
pub(crate) fn receive(ws: &mut Ws, id: u32, len: usize) -> Vec<u8> {
    let mut data = Vec::new();
    while data.len() < len {
        let op = ws.op();
        assert_eq!((op.opcode, op.u32_at(0)), (TCP_RECV, id), "{op:?}");
        data.extend(&op.payload[4..]);
    }
    assert_eq!(data.len(), len);
    data
}
