//! UDP over `/io`: datagrams to the client and to a peer, with so few under way at a time that none is lost, next to a
//! bare loop that knows neither frame nor address.

use super::relays::unblocked;
use super::{Ground, Section, no_peer, noise};
use crate::Result;
use crate::bare::Bare;
use crate::flow::Sink;
use crate::frames::{Counter, Wire, push_frame};
use crate::io_client::{DATA_HEAD_BYTES, IoClient, UDP_RECV};
use crate::measure::{Contender, Load};
use crate::stats::Latencies;
use crate::table::Kind;
use jstorrent_io_proto::message::ClientMessage;
use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

const SECTION: &str = "Datagrams over /io";
const COUNT: u64 = 300_000;
const BYTES: usize = 1400;
/// Datagrams under way: as many as fit into any receive buffer.
const WINDOW: u64 = 64;
/// Port, length of the address, `127.0.0.1`.
const ADDRESS_BYTES: usize = 2 + 2 + 9;
const SCRATCH_BYTES: usize = 256 << 10;
/// For how long nothing may come.
const STALL: Duration = Duration::from_secs(10);

pub(super) fn run(ground: &Ground<'_>) {
    let mut section = Section::new(ground, SECTION, Kind::Requests.head());
    let count = ground.options.scaled(COUNT);
    let name = format!("to the client, {BYTES} B");
    section.row(&name, || {
        let ours = |name: &'static str, binary: &Path| to_client(ground, name, binary, count);
        ground.row(Kind::Requests, &name, ours, || bare_to_client(count), no_peer)
    });
    let name = format!("to a peer, {BYTES} B");
    section.row(&name, || {
        let ours = |name: &'static str, binary: &Path| to_peer(ground, name, binary, count);
        ground.row(Kind::Requests, &name, ours, || bare_to_peer(count), no_peer)
    });
}

fn to_client<'a>(ground: &Ground<'_>, name: &str, binary: &Path, count: u64) -> Result<Contender<'a>> {
    let daemon = ground.daemon(binary)?;
    let mut client = IoClient::open(&daemon, "")?;
    let port = client.bind(1)?;
    let wire = Wire::Messages { opcode: UDP_RECV, head: DATA_HEAD_BYTES + ADDRESS_BYTES };
    let mut towards = ToClient::new(port, client.into_stream(), wire)?;
    Ok(Contender::new(name, daemon.process(), move || {
        let _alive = &daemon;
        towards.run(count)
    }))
}

fn bare_to_client<'a>(count: u64) -> Result<Contender<'a>> {
    let bare = Bare::start(1, &["datagrams-to-client"])?;
    let client = TcpStream::connect(bare.address)?;
    let mut towards = ToClient::new(bare.address.port(), client, Wire::Plain)?;
    Ok(Contender::new("bare", bare.process(), move || {
        let _alive = &bare;
        towards.run(count)
    }))
}

fn to_peer<'a>(ground: &Ground<'_>, name: &str, binary: &Path, count: u64) -> Result<Contender<'a>> {
    let daemon = ground.daemon(binary)?;
    let mut client = IoClient::open(&daemon, "")?;
    client.bind(1)?;
    let (peer, address) = peer()?;
    let mut message = Vec::new();
    let data = &noise(BYTES, 6);
    ClientMessage::UdpSend { socket_id: 1, port: address.port(), addr: "127.0.0.1".into(), data }
        .encode_binary(0, &mut message);
    let mut frame = Vec::new();
    push_frame(&mut frame, &[&message]);
    let mut towards = ToPeer::new(client.into_stream(), peer, &frame)?;
    Ok(Contender::new(name, daemon.process(), move || {
        let _alive = &daemon;
        towards.run(count)
    }))
}

fn bare_to_peer<'a>(count: u64) -> Result<Contender<'a>> {
    let (peer, address) = peer()?;
    let bare = Bare::start(1, &["datagrams-to-peer", &address.to_string(), &BYTES.to_string()])?;
    let client = TcpStream::connect(bare.address)?;
    let mut towards = ToPeer::new(client, peer, &noise(BYTES, 6))?;
    Ok(Contender::new("bare", bare.process(), move || {
        let _alive = &bare;
        towards.run(count)
    }))
}

/// A peer's socket.
fn peer() -> Result<(UdpSocket, SocketAddr)> {
    let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    peer.set_nonblocking(true)?;
    let address = peer.local_addr()?;
    Ok((peer, address))
}

struct ToClient {
    peer: UdpSocket,
    sink: Sink,
    scratch: Vec<u8>,
    datagram: Vec<u8>,
}

impl ToClient {
    fn new(port: u16, client: TcpStream, wire: Wire) -> Result<ToClient> {
        let (peer, _) = peer()?;
        peer.connect((Ipv4Addr::LOCALHOST, port))?;
        let sink = Sink::new(unblocked(client)?, Counter::new(wire));
        Ok(ToClient { peer, sink, scratch: vec![0; SCRATCH_BYTES], datagram: noise(BYTES, 6) })
    }

    fn run(&mut self, count: u64) -> Result<Load> {
        let before = self.sink.counter.data;
        paced(count, |may_send| {
            for _ in 0..may_send {
                self.peer.send(&self.datagram)?;
            }
            self.sink.step(&mut self.scratch)?;
            Ok((self.sink.counter.data - before) / BYTES as u64)
        })
    }
}

struct ToPeer {
    client: TcpStream,
    peer: UdpSocket,
    /// As many as may be under way.
    frames: Vec<u8>,
    frame_bytes: usize,
}

impl ToPeer {
    fn new(client: TcpStream, peer: UdpSocket, frame: &[u8]) -> Result<ToPeer> {
        client.set_nodelay(true)?;
        client.set_nonblocking(false)?;
        Ok(ToPeer { client, peer, frames: frame.repeat(WINDOW as usize), frame_bytes: frame.len() })
    }

    fn run(&mut self, count: u64) -> Result<Load> {
        let mut received = 0;
        let mut datagram = [0; BYTES];
        paced(count, |may_send| {
            self.client.write_all(&self.frames[..may_send as usize * self.frame_bytes])?;
            loop {
                match self.peer.recv(&mut datagram) {
                    Ok(_) => received += 1,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(received),
                    Err(error) => return Err(error.into()),
                }
            }
        })
    }
}

/// Calls `step` with how many datagrams it may send, until `count` have come; it returns how many have in all.
fn paced(count: u64, mut step: impl FnMut(u64) -> Result<u64>) -> Result<Load> {
    let started = Instant::now();
    let mut progress_at = started;
    let (mut sent, mut received) = (0, 0);
    while received < count {
        let may_send = (WINDOW - (sent - received)).min(count - sent);
        sent += may_send;
        let now = step(may_send)?;
        if now > received {
            (received, progress_at) = (now, Instant::now());
        } else if progress_at.elapsed() > STALL {
            return Err(format!("{} datagrams were lost", sent - received).into());
        }
    }
    let (bytes, wall) = (count * BYTES as u64, started.elapsed());
    Ok(Load { bytes, requests: count, wall, latencies: Latencies::default(), cpu: None })
}
