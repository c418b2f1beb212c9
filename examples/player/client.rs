//! The extension's end of `/io`: a WebSocket client by tungstenite, and the few messages that streaming needs, as JSON.

use super::Result;
use super::daemon::{Daemon, SESSION};
use serde_json::{Value, json};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;
use tungstenite::protocol::Role;
use tungstenite::{Message, WebSocket};

/// A connection to `/io` that has the feature `range`.
pub(crate) struct Client {
    socket: WebSocket<TcpStream>,
}

impl Client {
    /// Connects, shows the token and says hello.
    pub(crate) fn connect(daemon: &Daemon) -> Result<Client> {
        let stream = upgraded(daemon)?;
        let mut client = Client { socket: WebSocket::from_raw_socket(stream, Role::Client, None) };
        client.say(&json!({"op": "hello", "requestId": 1, "client": "player", "features": ["range"]}))?;
        client.socket.get_ref().set_read_timeout(Some(Duration::from_secs(5)))?;
        let answer = client.hear()?.ok_or("no answer to hello")?;
        if answer["op"] != "server_hello" {
            return Err(format!("no answer to hello, but {answer}").into());
        }
        Ok(client)
    }

    /// Sends a message.
    pub(crate) fn say(&mut self, message: &Value) -> Result<()> {
        Ok(self.socket.send(Message::text(message.to_string()))?)
    }

    /// How long [`hear`](Client::hear) waits.
    pub(crate) fn set_wait(&self, wait: Duration) -> Result<()> {
        Ok(self.socket.get_ref().set_read_timeout(Some(wait.max(Duration::from_millis(1))))?)
    }

    /// The next message, if one comes in time.
    pub(crate) fn hear(&mut self) -> Result<Option<Value>> {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => return Ok(Some(serde_json::from_str(&text)?)),
                Ok(_) => {}
                Err(tungstenite::Error::Io(error))
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// A connection after the handshake (RFC 6455 §4). The key only has to differ from nothing that a proxy may know, and
/// there is none between a machine and itself.
fn upgraded(daemon: &Daemon) -> Result<TcpStream> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, daemon.port))?;
    stream.set_nodelay(true)?;
    let (port, token) = (daemon.port, &daemon.token);
    write!(
        stream,
        "GET /io HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         X-JST-Auth: {token}\r\nX-JST-Session: {SESSION}\r\n\r\n"
    )?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    if head.starts_with(b"HTTP/1.1 101 ") { Ok(stream) } else { Err("the daemon refused /io".into()) }
}
