//! `/io` at full speed: peers to client and client to peers, over one socket and many, next to a bare relay of 64 KiB
//! buffers and to websockify, which has one WebSocket for each peer.

use super::{Ground, Section, noise, size_name};
use crate::Result;
use crate::bare::Bare;
use crate::flow::{Flow, Sink, Source};
use crate::frames::{Counter, Wire, push_frame};
use crate::io_client::{DATA_HEAD_BYTES, IoClient, TCP_RECV, push_tcp_send};
use crate::measure::{Contender, Load};
use crate::table::Kind;
use crate::websockify::Websockify;
use mio::net::TcpStream as MioStream;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;

const SECTION: &str = "Peers and client over /io";
/// Data of a round.
const ROUND_BYTES: u64 = 512 << 20;
/// Data of a round in messages of 100 bytes.
const ROUND_BYTES_TINY: u64 = 48 << 20;
/// websockify is slow enough to be measured with less.
const PEER_SHARE: u64 = 8;
/// The largest number of sockets that websockify, with a process for each, is asked for.
const PEER_SOCKETS_MAX: usize = 50;
/// What is sent is repeated from a block of about that many bytes.
const BLOCK_BYTES: usize = 256 << 10;
/// Bytes of one write of a client.
const CLIENT_WRITE_BYTES: usize = 256 << 10;
const TINY: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    ToClient,
    ToPeers,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    way: Way,
    sockets: usize,
    message_bytes: usize,
    round_bytes: u64,
}

pub(super) fn run(ground: &Ground<'_>) {
    let mut section = Section::new(ground, SECTION, Kind::Bytes.head());
    for way in [Way::ToClient, Way::ToPeers] {
        for (sockets, message_bytes) in
            [(1, TINY), (1, 16 << 10), (1, 128 << 10), (50, 16 << 10), (50, 128 << 10), (500, 16 << 10)]
        {
            let case = Case::new(ground, way, sockets, message_bytes);
            let name = case.name();
            section.row(&name, || {
                let bare = || bare(case);
                ground.row(
                    Kind::Bytes,
                    &name,
                    |name, binary| ours(ground, name, binary, case),
                    bare,
                    || websockify(case),
                )
            });
        }
    }
}

impl Case {
    fn new(ground: &Ground<'_>, way: Way, sockets: usize, message_bytes: usize) -> Case {
        let bytes = if message_bytes == TINY { ROUND_BYTES_TINY } else { ROUND_BYTES };
        let case = Case { way, sockets, message_bytes, round_bytes: 0 };
        case.of_about(ground.options.scaled(bytes))
    }

    /// The same with that much data, in whole blocks.
    fn of_about(self, bytes: u64) -> Case {
        let block = (self.messages_in_block() * self.message_bytes) as u64;
        Case { round_bytes: bytes.next_multiple_of(block), ..self }
    }

    fn name(self) -> String {
        let way = if self.way == Way::ToClient { "peer → client" } else { "client → peer" };
        let plural = if self.sockets == 1 { "" } else { "s" };
        let size =
            if self.message_bytes == TINY { "100 B".to_owned() } else { size_name(self.message_bytes) };
        format!("{way}, {} socket{plural}, {size}", self.sockets)
    }

    fn bytes_a_socket(self) -> u64 {
        self.round_bytes / self.sockets as u64
    }

    /// Peers' ends and the client's of a relay with one connection to the client.
    fn flow(self, client: TcpStream, peers: Vec<TcpStream>, wire: Wire, block: Vec<u8>) -> Result<Flow> {
        match self.way {
            Way::ToClient => {
                let sink = Sink::new(unblocked(client)?, Counter::new(wire));
                Flow::new(self.peers_as_sources(peers)?, vec![sink])
            }
            Way::ToPeers => {
                let cycles = self.round_bytes / (self.messages_in_block() * self.message_bytes) as u64;
                let run_bytes = block.len() as u64 * cycles;
                let source = Source::new(unblocked(client)?, block.into(), CLIENT_WRITE_BYTES, run_bytes);
                Flow::new(vec![source], peers_as_sinks(peers)?)
            }
        }
    }

    fn peers_as_sources(self, peers: Vec<TcpStream>) -> Result<Vec<Source>> {
        let block: Arc<[u8]> = noise(BLOCK_BYTES / self.message_bytes * self.message_bytes, 4).into();
        let source = |peer| -> Result<Source> {
            Ok(Source::new(unblocked(peer)?, block.clone(), self.message_bytes, self.bytes_a_socket()))
        };
        peers.into_iter().map(source).collect()
    }

    /// About as many messages as make a block, the same number for every socket.
    fn messages_in_block(self) -> usize {
        (BLOCK_BYTES / self.message_bytes / self.sockets).max(1) * self.sockets
    }

    /// A block of messages to all sockets in turns, each as `push` adds it.
    fn block(self, mut push: impl FnMut(&mut Vec<u8>, u32, &[u8])) -> Vec<u8> {
        let data = noise(self.message_bytes, 5);
        let mut block = Vec::new();
        for message in 0..self.messages_in_block() {
            push(&mut block, (message % self.sockets) as u32, &data);
        }
        block
    }
}

fn ours<'a>(ground: &Ground<'_>, name: &str, binary: &Path, case: Case) -> Result<Contender<'a>> {
    let daemon = ground.daemon(binary)?;
    let listener = listener()?;
    let mut client = IoClient::open(&daemon, "")?;
    let peers = (0..case.sockets as u32).map(|id| client.connect_to(&listener, id)).collect::<Result<_>>()?;
    let wire = Wire::Messages { opcode: TCP_RECV, head: DATA_HEAD_BYTES };
    let block = case.block(push_tcp_send);
    let mut flow = case.flow(client.into_stream(), peers, wire, block)?;
    Ok(Contender::new(name, daemon.process(), move || {
        let _alive = &daemon;
        flow.run(case.round_bytes)
    }))
}

fn bare<'a>(case: Case) -> Result<Contender<'a>> {
    let size = case.message_bytes.to_string();
    let words: &[&str] =
        if case.way == Way::ToClient { &["relay-to-client"] } else { &["relay-to-peers", &size] };
    let bare = Bare::start(case.sockets + 1, words)?;
    let client = TcpStream::connect(bare.address)?;
    let peers = (0..case.sockets).map(|_| Ok(TcpStream::connect(bare.address)?)).collect::<Result<_>>()?;
    let block = case.block(|block, _, data| block.extend_from_slice(data));
    let mut flow = case.flow(client, peers, Wire::Plain, block)?;
    Ok(Contender::new("bare", bare.process(), move || {
        let _alive = &bare;
        flow.run(case.round_bytes)
    }))
}

fn websockify<'a>(case: Case) -> Result<Option<Contender<'a>>> {
    if case.sockets > PEER_SOCKETS_MAX {
        return Ok(None);
    }
    let case = case.of_about(case.round_bytes / PEER_SHARE);
    let listener = listener()?;
    let Some(mut server) = Websockify::start(listener.local_addr()?)? else { return Ok(None) };
    let mut ends = Vec::new();
    for _ in 0..case.sockets {
        ends.push(server.connect(&listener)?);
    }
    let (clients, peers): (Vec<_>, Vec<_>) = ends.into_iter().unzip();
    let mut flow = match case.way {
        Way::ToClient => {
            let sink = |client| Ok(Sink::new(unblocked(client)?, Counter::new(Wire::Frames)));
            Flow::new(case.peers_as_sources(peers)?, clients.into_iter().map(sink).collect::<Result<_>>()?)?
        }
        Way::ToPeers => {
            let (mut block, data) = (Vec::new(), noise(case.message_bytes, 5));
            let messages = case.messages_in_block() / case.sockets;
            (0..messages).for_each(|_| push_frame(&mut block, &[&data]));
            let run_bytes =
                block.len() as u64 * (case.bytes_a_socket() / (messages * case.message_bytes) as u64);
            let block: Arc<[u8]> = block.into();
            let source =
                |client| Ok(Source::new(unblocked(client)?, block.clone(), CLIENT_WRITE_BYTES, run_bytes));
            Flow::new(clients.into_iter().map(source).collect::<Result<_>>()?, peers_as_sinks(peers)?)?
        }
    };
    Ok(Some(Contender::new("websockify", server.process(), move || -> Result<Load> {
        let _alive = &server;
        flow.run(case.round_bytes)
    })))
}

fn peers_as_sinks(peers: Vec<TcpStream>) -> Result<Vec<Sink>> {
    peers.into_iter().map(|peer| Ok(Sink::new(unblocked(peer)?, Counter::new(Wire::Plain)))).collect()
}

/// Where peers wait to be connected to.
pub(super) fn listener() -> Result<TcpListener> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?)
}

pub(super) fn unblocked(stream: TcpStream) -> Result<MioStream> {
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok(MioStream::from_std(stream))
}
