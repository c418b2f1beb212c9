//! How long small requests take, one at a time, with a client that looks for the answer without sleeping.

use super::relays::listener;
use super::{Ground, Section, word};
use crate::Result;
use crate::bare::{Bare, pad_head};
use crate::client::Client;
use crate::io_client::{DATA_HEAD_BYTES, IoClient, push_tcp_send};
use crate::measure::{Contender, Load};
use crate::stats::Latencies;
use crate::table::Kind;
use jstorrent_io_proto::digest::Digest;
use jstorrent_io_proto::message::ClientMessage;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

const SECTION: &str = "Latency";
const COUNT: u64 = 20_000;
const FILE_BYTES: u64 = 16 << 20;
const SMALL: usize = 1 << 10;
/// Bytes of a ping.
const PING: usize = 100;
/// For how long nothing may come.
const STALL: Duration = Duration::from_secs(60);

pub(super) fn run(ground: &Ground<'_>) {
    let mut section = Section::new(ground, SECTION, Kind::Requests.head());
    for (name, verb) in
        [("GET /health", Verb::Health), ("read of 1 KiB", Verb::Read), ("write of 1 KiB", Verb::Write)]
    {
        section.row(name, || {
            let case = Case::new(ground, verb);
            let ours = |name: &'static str, binary: &Path| case.daemon(ground, name, binary);
            ground.row(Kind::Requests, name, ours, || case.bare(ground), || case.nginx(ground))
        });
    }
    for (name, verb) in
        [("FILE_READ of 1 KiB over /io", Verb::Read), ("FILE_WRITE of 1 KiB over /io", Verb::Write)]
    {
        section.row(name, || {
            let case = Case::new(ground, verb);
            let ours = |name: &'static str, binary: &Path| case.over_io(ground, name, binary);
            ground.row(Kind::Requests, name, ours, || case.bare(ground), super::no_peer)
        });
    }
    let name = "ping-pong of 100 B, client ↔ peer";
    section.row(name, || {
        let count = ground.options.scaled(COUNT);
        ground.row(
            Kind::Requests,
            name,
            |name, binary| ping_pong(ground, name, binary, count),
            || bare_ping_pong(count),
            super::no_peer,
        )
    });
}

#[derive(Clone, Copy, Debug)]
enum Verb {
    Health,
    Read,
    Write,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    verb: Verb,
    count: u64,
}

impl Case {
    fn new(ground: &Ground<'_>, verb: Verb) -> Case {
        Case { verb, count: ground.options.scaled(COUNT) }
    }

    fn offset(n: u64) -> u64 {
        n * SMALL as u64 % FILE_BYTES
    }

    fn daemon<'a>(self, ground: &'a Ground<'_>, name: &str, binary: &Path) -> Result<Contender<'a>> {
        ground.file(FILE_BYTES)?;
        let daemon = ground.daemon(binary)?;
        let id = daemon.open(super::FILE)?;
        let mut client = Client::connect(daemon.address, 1)?.spinning();
        let body = &ground.noise()[..SMALL];
        let more = format!("Content-Length: {SMALL}\r\n");
        Ok(Contender::new(name, daemon.process(), move || {
            client.run(self.count, None, &|n, head: &mut Vec<u8>| {
                let at = Case::offset(n);
                match self.verb {
                    Verb::Health => daemon.head(head, format_args!("GET /health"), ""),
                    Verb::Read => {
                        daemon.head(
                            head,
                            format_args!("GET /files/{id}/read?offset={at}&length={SMALL}"),
                            "",
                        );
                    }
                    Verb::Write => {
                        daemon.head(head, format_args!("PATCH /files/{id}/write?offset={at}"), &more);
                        return body;
                    }
                }
                &[][..]
            })
        }))
    }

    fn over_io<'a>(self, ground: &'a Ground<'_>, name: &str, binary: &Path) -> Result<Contender<'a>> {
        ground.file(FILE_BYTES)?;
        let daemon = ground.daemon(binary)?;
        let file_id = daemon.open(super::FILE)?;
        let mut client = IoClient::open(&daemon, "")?;
        let data = &ground.noise()[..SMALL];
        Ok(Contender::new(name, daemon.process(), move || {
            let _alive = &daemon;
            timed(self.count, |n| {
                let offset = Case::offset(n);
                client.send(&match self.verb {
                    Verb::Write => ClientMessage::FileWrite { file_id, offset, digest: Digest::None, data },
                    _ => ClientMessage::FileRead { file_id, offset, length: SMALL as u32 },
                })?;
                client.receive().map(drop)
            })
        }))
    }

    fn bare<'a>(self, ground: &'a Ground<'_>) -> Result<Contender<'a>> {
        let (path, _) = ground.file(FILE_BYTES)?;
        let (path, size) = (word(&path)?, SMALL.to_string());
        let bare = match self.verb {
            Verb::Health => Bare::start(1, &["small"])?,
            Verb::Read => Bare::start(1, &["read", path, &size])?,
            Verb::Write => Bare::start(1, &["write", path, &size])?,
        };
        let mut client = Client::connect(bare.address, 1)?.spinning();
        let body: &[u8] = if let Verb::Write = self.verb { &ground.noise()[..SMALL] } else { &[] };
        Ok(Contender::new("bare", bare.process(), move || {
            let _alive = &bare;
            client.run(self.count, None, &|_, head: &mut Vec<u8>| {
                pad_head(head);
                body
            })
        }))
    }

    fn nginx<'a>(self, ground: &Ground<'_>) -> Result<Option<Contender<'a>>> {
        std::fs::write(ground.root().join("health"), "ok")?;
        let (Some(nginx), Verb::Health | Verb::Read) = (ground.nginx()?, self.verb) else { return Ok(None) };
        let mut client = Client::connect(nginx.address, 1)?.spinning();
        Ok(Some(Contender::new("nginx", nginx.process(), move || {
            let _alive = &nginx;
            client.run(self.count, None, &|n, head: &mut Vec<u8>| {
                let first = Case::offset(n);
                // A vector takes all.
                let _ = if let Verb::Health = self.verb {
                    write!(head, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
                } else {
                    let last = first + SMALL as u64 - 1;
                    let get = format!("GET /{} HTTP/1.1\r\nHost: localhost", super::FILE);
                    write!(head, "{get}\r\nRange: bytes={first}-{last}\r\n\r\n")
                };
                &[][..]
            })
        })))
    }
}

fn ping_pong<'a>(ground: &Ground<'_>, name: &str, binary: &Path, count: u64) -> Result<Contender<'a>> {
    let daemon = ground.daemon(binary)?;
    let mut client = IoClient::open(&daemon, "")?;
    let peer = client.connect_to(&listener()?, 1)?;
    let mut ping = Vec::new();
    push_tcp_send(&mut ping, 1, &[7; PING]);
    let mut echo = Echo::new(client.into_stream(), peer, ping, 2 + DATA_HEAD_BYTES + PING)?;
    Ok(Contender::new(name, daemon.process(), move || {
        let _alive = &daemon;
        timed(count, |_| echo.go())
    }))
}

fn bare_ping_pong<'a>(count: u64) -> Result<Contender<'a>> {
    let bare = Bare::start(2, &["relay-both-ways"])?;
    let client = TcpStream::connect(bare.address)?;
    let peer = TcpStream::connect(bare.address)?;
    let mut echo = Echo::new(client, peer, vec![7; PING], PING)?;
    Ok(Contender::new("bare", bare.process(), move || {
        let _alive = &bare;
        timed(count, |_| echo.go())
    }))
}

/// Both ends of a relay: the peer sends back what the client sent.
struct Echo {
    client: TcpStream,
    peer: TcpStream,
    ping: Vec<u8>,
    /// Bytes in which the echo comes.
    pong_bytes: usize,
}

impl Echo {
    fn new(client: TcpStream, peer: TcpStream, ping: Vec<u8>, pong_bytes: usize) -> Result<Echo> {
        for stream in [&client, &peer] {
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
        }
        Ok(Echo { client, peer, ping, pong_bytes })
    }

    fn go(&mut self) -> Result<()> {
        let mut bytes = [0; 256];
        self.client.write_all(&self.ping)?;
        look_for(&mut self.peer, &mut bytes[..PING])?;
        self.peer.write_all(&bytes[..PING])?;
        look_for(&mut self.client, &mut bytes[..self.pong_bytes])
    }
}

/// Fills `bytes`, without sleeping.
fn look_for(stream: &mut TcpStream, bytes: &mut [u8]) -> Result<()> {
    let since = Instant::now();
    let mut there = 0;
    while there < bytes.len() {
        match stream.read(&mut bytes[there..]) {
            Ok(0) => return Err("a connection was closed".into()),
            Ok(n) => there += n,
            Err(error) if error.kind() == ErrorKind::WouldBlock && since.elapsed() < STALL => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn timed(count: u64, mut act: impl FnMut(u64) -> Result<()>) -> Result<Load> {
    let mut latencies = Latencies::default();
    let started = Instant::now();
    for n in 0..count {
        let begun = Instant::now();
        act(n)?;
        latencies.add(begun.elapsed());
    }
    Ok(Load { bytes: 0, requests: count, wall: started.elapsed(), latencies, cpu: None })
}
