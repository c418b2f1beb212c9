//! A client of `/io`: one message at a time, for what is done before and beside a load.

use crate::Result;
use crate::daemon::Daemon;
use crate::frames::{push_frame, upgrade};
use jstorrent_io_proto::message::Packet;
use jstorrent_io_proto::message::{ClientMessage, ConnectOptions, ServerMessage, Status};
use std::borrow::Cow;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// For how long nothing may come.
const STALL: Duration = Duration::from_secs(60);
/// Envelope and socket id: what comes before the data of TCP_SEND and TCP_RECV.
pub(crate) const DATA_HEAD_BYTES: usize = 12;
/// The opcode of TCP_RECV.
pub(crate) const TCP_RECV: u8 = 0x13;
/// The opcode of UDP_RECV.
pub(crate) const UDP_RECV: u8 = 0x23;

/// A connection. It never sleeps: what it waits for, it looks for.
#[derive(Debug)]
pub(crate) struct IoClient {
    stream: TcpStream,
    input: Vec<u8>,
    at: usize,
    output: Vec<u8>,
}

impl IoClient {
    /// Opens one and says hello, with these features.
    pub(crate) fn open(daemon: &Daemon, features: &str) -> Result<IoClient> {
        let mut stream = TcpStream::connect(daemon.address)?;
        stream.set_nodelay(true)?;
        upgrade(&mut stream, "/io", daemon.fields())?;
        stream.set_nonblocking(true)?;
        let mut client = IoClient { stream, input: Vec::new(), at: 0, output: Vec::new() };
        let hello = format!(r#"{{"client":"bench","features":[{features}]}}"#);
        let mut message = vec![1, 1, 0, 0, 1, 0, 0, 0];
        message.extend_from_slice(hello.as_bytes());
        client.send_payload(&[&message])?;
        client.receive()?;
        Ok(client)
    }

    /// Sends a message.
    pub(crate) fn send(&mut self, message: &ClientMessage<'_>) -> Result<()> {
        let mut bytes = Vec::new();
        message.encode_binary(1, &mut bytes);
        self.send_payload(&[&bytes])
    }

    fn send_payload(&mut self, payload: &[&[u8]]) -> Result<()> {
        self.output.clear();
        push_frame(&mut self.output, payload);
        let mut sent = 0;
        while sent < self.output.len() {
            sent += self.offer(sent)?;
        }
        Ok(())
    }

    fn offer(&mut self, from: usize) -> Result<usize> {
        match self.stream.write(&self.output[from..]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            other => Ok(other?),
        }
    }

    /// The payload of the next frame.
    pub(crate) fn receive(&mut self) -> Result<&[u8]> {
        let since = Instant::now();
        loop {
            if let Some((from, to)) = self.whole_frame()? {
                self.at = to;
                return Ok(&self.input[from..to]);
            }
            if !self.fill()? && since.elapsed() > STALL {
                return Err("no message came for a minute".into());
            }
        }
    }

    /// The payload of the next frame, if it is there.
    pub(crate) fn try_receive(&mut self) -> Result<Option<&[u8]>> {
        if self.whole_frame()?.is_none() && !self.fill()? {
            return Ok(None);
        }
        let Some((from, to)) = self.whole_frame()? else { return Ok(None) };
        self.at = to;
        Ok(Some(&self.input[from..to]))
    }

    fn whole_frame(&self) -> Result<Option<(usize, usize)>> {
        let bytes = &self.input[self.at..];
        let (header, len) = match bytes {
            [_, 126, a, b, ..] => (4, usize::from(u16::from_be_bytes([*a, *b]))),
            [_, 127, a, b, c, d, e, f, g, h, ..] => {
                (10, usize::try_from(u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]))?)
            }
            [_, len, ..] if *len < 126 => (2, usize::from(*len)),
            _ => return Ok(None),
        };
        let (from, to) = (self.at + header, self.at + header + len);
        Ok((to <= self.input.len()).then_some((from, to)))
    }

    /// Reads what is there; whether anything was.
    fn fill(&mut self) -> Result<bool> {
        self.input.drain(..self.at);
        self.at = 0;
        let before = self.input.len();
        self.input.resize(before + (64 << 10), 0);
        let read = self.stream.read(&mut self.input[before..]);
        self.input.truncate(before + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => Err("the daemon closed /io".into()),
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Has the daemon connect to a listener; the peer's end.
    pub(crate) fn connect_to(&mut self, listener: &TcpListener, socket_id: u32) -> Result<TcpStream> {
        let address = listener.local_addr()?;
        let host = Cow::Owned(address.ip().to_string());
        let options = ConnectOptions::default();
        self.send(&ClientMessage::TcpConnect { socket_id, port: address.port(), host, options })?;
        let (peer, _) = listener.accept()?;
        let payload = self.receive()?;
        match ServerMessage::decode_binary(payload) {
            Ok(Packet::Message {
                message: ServerMessage::TcpConnected { status: Status::Good, .. }, ..
            }) => {}
            other => return Err(format!("not connected: {other:?}").into()),
        }
        peer.set_nodelay(true)?;
        Ok(peer)
    }

    /// Binds a UDP socket of the daemon's; its port.
    pub(crate) fn bind(&mut self, socket_id: u32) -> Result<u16> {
        self.send(&ClientMessage::UdpBind { socket_id, port: 0, bind_addr: "127.0.0.1".into() })?;
        match ServerMessage::decode_binary(self.receive()?) {
            Ok(Packet::Message { message: ServerMessage::UdpBound { bound_port, .. }, .. }) => Ok(bound_port),
            other => Err(format!("not bound: {other:?}").into()),
        }
    }

    /// The bare connection, where no message is under way.
    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Sends as much of `bytes` as goes; how much.
    pub(crate) fn offer_raw(&mut self, bytes: &[u8]) -> Result<usize> {
        match self.stream.write(bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            other => Ok(other?),
        }
    }
}

/// A TCP_SEND in its frame.
pub(crate) fn push_tcp_send(into: &mut Vec<u8>, socket_id: u32, data: &[u8]) {
    let [a, b, c, d] = socket_id.to_le_bytes();
    push_frame(into, &[&[1, 0x12, 0, 0, 0, 0, 0, 0, a, b, c, d], data]);
}
