//! A WebSocket client for `/io`: tungstenite's frames behind a handshake of our own, and the daemon's binary messages.

use std::io::{Cursor, Read, Write};
use std::net::TcpStream;

use serde_json::Value;
use tungstenite::protocol::{CloseFrame, Role};
use tungstenite::{Message, WebSocket};

use super::http::{Http, Request, Response};

/// The key of RFC 6455 §1.3 and what a server answers to it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A connection to `/io`.
pub(crate) struct Ws {
    socket: WebSocket<AlreadyRead>,
}

/// A binary message of PROTOCOL §6.2.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Op {
    pub(crate) opcode: u8,
    pub(crate) request_id: u32,
    pub(crate) payload: Vec<u8>,
}

impl Op {
    pub(crate) fn new(opcode: u8, request_id: u32, payload: impl Into<Vec<u8>>) -> Op {
        Op { opcode, request_id, payload: payload.into() }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![1, self.opcode, 0, 0];
        bytes.extend(self.request_id.to_le_bytes());
        bytes.extend(&self.payload);
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Op {
        assert!(bytes.len() >= 8 && bytes[0] == 1 && bytes[2..4] == [0, 0], "{bytes:?}");
        let request_id = u32::from_le_bytes(bytes[4..8].try_into().unwrap());
        Op { opcode: bytes[1], request_id, payload: bytes[8..].to_vec() }
    }

    /// The four bytes at an offset of the payload, as a number.
    pub(crate) fn u32_at(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.payload[at..at + 4].try_into().unwrap())
    }

    /// The payload as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).unwrap()
    }
}

impl Ws {
    /// The request that upgrades a connection, to which a test may add.
    pub(crate) fn upgrade() -> Request {
        Request::get("/io")
            .field("Connection", "Upgrade")
            .field("Upgrade", "websocket")
            .field("Sec-WebSocket-Version", "13")
            .field("Sec-WebSocket-Key", KEY)
    }

    /// Sends an upgrade; the response where it is refused.
    pub(crate) fn open(mut http: Http, request: Request) -> Result<Ws, Response> {
        let response = http.call(request);
        if response.status == 101 { Ok(Ws::after(http, &response)) } else { Err(response) }
    }

    /// The connection after the response that granted the upgrade.
    pub(crate) fn after(http: Http, response: &Response) -> Ws {
        assert_eq!((response.status, response.field("Sec-WebSocket-Accept")), (101, Some(ACCEPT)));
        let (stream, read) = http.into_parts();
        let stream = AlreadyRead { read: Cursor::new(read), stream };
        Ws { socket: WebSocket::from_raw_socket(stream, Role::Client, None) }
    }

    /// Opens with the token and session in the upgrade.
    pub(crate) fn authenticated(port: u16, token: &str, session: &str) -> Ws {
        let request = Ws::upgrade().token(token).session(session);
        Ws::open(Http::connect(port), request).unwrap_or_else(|response| panic!("refused: {response:?}"))
    }

    /// The connection itself.
    pub(crate) fn stream(&self) -> &TcpStream {
        &self.socket.get_ref().stream
    }

    pub(crate) fn send(&mut self, op: &Op) {
        self.send_message(Message::binary(op.bytes()));
    }

    /// Sends several in one write.
    pub(crate) fn send_all(&mut self, ops: &[Op]) {
        for op in ops {
            self.socket.write(Message::binary(op.bytes())).unwrap();
        }
        self.socket.flush().unwrap();
    }

    pub(crate) fn send_json(&mut self, value: &Value) {
        self.send_message(Message::text(value.to_string()));
    }

    pub(crate) fn send_message(&mut self, message: Message) {
        self.socket.send(message).unwrap();
    }

    /// The next message that is no ping or pong.
    pub(crate) fn message(&mut self) -> Message {
        loop {
            match self.socket.read().unwrap() {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return message,
            }
        }
    }

    /// The payload of the pong that must come next.
    pub(crate) fn pong(&mut self) -> Vec<u8> {
        match self.socket.read().unwrap() {
            Message::Pong(payload) => payload.to_vec(),
            other => panic!("not a pong: {other:?}"),
        }
    }

    /// The next binary message.
    pub(crate) fn op(&mut self) -> Op {
        match self.message() {
            Message::Binary(bytes) => Op::from_bytes(&bytes),
            other => panic!("not binary: {other:?}"),
        }
    }

    /// The next binary message; `None` where the connection has ended.
    pub(crate) fn try_op(&mut self) -> Option<Op> {
        loop {
            match self.socket.read() {
                Ok(Message::Binary(bytes)) => return Some(Op::from_bytes(&bytes)),
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(other) => panic!("not binary: {other:?}"),
            }
        }
    }

    /// Sends to a daemon that may have gone; whether it went out.
    pub(crate) fn try_send(&mut self, op: &Op) -> bool {
        self.socket.send(Message::binary(op.bytes())).is_ok()
    }

    /// The next message with this opcode; others are skipped.
    pub(crate) fn op_of(&mut self, opcode: u8) -> Op {
        std::iter::from_fn(|| Some(self.op())).find(|op| op.opcode == opcode).unwrap()
    }

    /// The next text message, as JSON.
    pub(crate) fn json(&mut self) -> Value {
        match self.message() {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("not text: {other:?}"),
        }
    }

    /// The code of the close frame that must come next, and that the daemon then ends the connection.
    pub(crate) fn closed(&mut self) -> u16 {
        let code = match self.message() {
            Message::Close(Some(CloseFrame { code, .. })) => code.into(),
            other => panic!("not a close with a code: {other:?}"),
        };
        while self.socket.read().is_ok() {}
        code
    }

    /// Ends the connection in order.
    pub(crate) fn close(&mut self) {
        self.socket.close(None).unwrap();
        while self.socket.read().is_ok() {}
    }
}

/// A stream whose first bytes were read together with the handshake's response.
struct AlreadyRead {
    read: Cursor<Vec<u8>>,
    stream: TcpStream,
}

impl Read for AlreadyRead {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        match self.read.read(bytes)? {
            0 => self.stream.read(bytes),
            n => Ok(n),
        }
    }
}

impl Write for AlreadyRead {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stream.flush()
    }
}
