//! Thousands of sockets of `/io` that are idle or nearly so, and what one that takes nothing does to the others and to
//! memory.

use super::relays::listener;
use super::{Ground, Section, noise};
use crate::Result;
use crate::bare::Bare;
use crate::daemon::{BINARY, Daemon};
use crate::frames::{Counter, Wire};
use crate::io_client::{DATA_HEAD_BYTES, IoClient, TCP_RECV, push_tcp_send};
use crate::measure::{Contender, Figure, Load, alternate};
use crate::process::Process;
use crate::stats::{Latencies, median};
use crate::table::cell;
use jstorrent_io_proto::message::{Packet, ServerMessage};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

const SECTION: &str = "Sockets of /io";
const MANY: usize = 5000;
/// After this, memory that was not needed any more has gone back to the system.
const SETTLE: Duration = Duration::from_secs(4);
const KIB: usize = 1 << 10;
/// Between two rounds of peers that send their KiB: 50 rounds a second, of a fiftieth of the peers each.
const TICK: Duration = Duration::from_millis(20);
const TICKS_A_SECOND: usize = 50;
const CROWD: usize = 200;
/// What is sent is repeated from a block of that many bytes.
const BLOCK_BYTES: usize = 1 << 20;
const MESSAGE_BYTES: usize = 16 << 10;
/// Bytes that a client may send to a socket before it is granted more (PROTOCOL §6.3).
const WINDOW_BYTES: usize = 1 << 20;
const SPEED_BYTES: u64 = 512 << 20;
const MESSAGES: Wire = Wire::Messages { opcode: TCP_RECV, head: DATA_HEAD_BYTES };

pub(super) fn run(ground: &Ground<'_>) {
    let mut section = Section::new(ground, SECTION, "| | ours | bare |\n| --- | ---: | ---: |".to_owned());
    section.row("5,000 idle sockets", || idle(ground));
    section.row("5,000 sockets, 1 KiB a second each", || busy(ground));
    section.row("200 peers at full speed, the client takes nothing", || stalled_client(ground));
    section.row("speed towards a peer beside one that takes nothing", || stalled_peer(ground));
}

/// A daemon with a client and so many sockets; the client's connection and the peers' ends.
fn connected(daemon: &Daemon, sockets: usize) -> Result<(TcpStream, Vec<TcpStream>)> {
    let listener = listener()?;
    let mut client = IoClient::open(daemon, "")?;
    let peers = (0..sockets as u32).map(|id| client.connect_to(&listener, id)).collect::<Result<_>>()?;
    Ok((client.into_stream(), peers))
}

/// The bare relay with so many peers.
fn bare(peers: usize) -> Result<(Bare, TcpStream, Vec<TcpStream>)> {
    let bare = Bare::start(peers + 1, &["relay-to-client"])?;
    let client = TcpStream::connect(bare.address)?;
    let peers = (0..peers).map(|_| Ok(TcpStream::connect(bare.address)?)).collect::<Result<_>>()?;
    Ok((bare, client, peers))
}

fn idle(ground: &Ground<'_>) -> Result<String> {
    let daemon = ground.daemon(BINARY.as_ref())?;
    let process = daemon.process();
    // What the first sockets cost, later ones do not.
    let first = connected(&daemon, 10)?;
    sleep(SETTLE);
    let before = process.rss_kib()?;
    let all = connected(&daemon, MANY)?;
    sleep(SETTLE);
    let more = process.rss_kib()? as f64 - before as f64;
    let seconds = if ground.options.quick { 3 } else { 10 };
    let switches = process.switches()?;
    sleep(Duration::from_secs(seconds));
    let switches = process.switches()? - switches;
    drop((first, all));
    Ok(format!(
        "| 5,000 idle sockets, MiB more | {:.1} | |\n| wake-ups in {seconds} s | {switches} | |",
        more / 1024.0
    ))
}

fn busy(ground: &Ground<'_>) -> Result<String> {
    let daemon = ground.daemon(BINARY.as_ref())?;
    let mut ours = connected(&daemon, MANY)?;
    let (relay, client, peers) = bare(MANY)?;
    let mut theirs = (client, peers);
    let seconds = if ground.options.quick { 2 } else { 5 };
    let (mut our_shares, mut their_shares) = (Vec::new(), Vec::new());
    for _ in 0..ground.options.rounds {
        our_shares.push(trickle(&mut ours, daemon.process(), seconds)?);
        their_shares.push(trickle(&mut theirs, relay.process(), seconds)?);
    }
    Ok(format!(
        "| 5,000 sockets, 1 KiB a second each, % of a core | {} | {} |\n| the same, peak MiB | {:.1} | |",
        cell(median(our_shares), 1),
        cell(median(their_shares), 1),
        daemon.process().peak_kib()? as f64 / 1024.0
    ))
}

/// Has each peer send a KiB a second for so many seconds; how much of a core that costs, in per cent.
fn trickle(ends: &mut (TcpStream, Vec<TcpStream>), process: Process, seconds: usize) -> Result<f64> {
    let (client, peers) = ends;
    client.set_nonblocking(true)?;
    let piece = [7; KIB];
    let mut scratch = vec![0; BLOCK_BYTES];
    let share = peers.len() / TICKS_A_SECOND;
    let started = Instant::now();
    let before = process.cpu()?;
    for tick in 0..seconds * TICKS_A_SECOND {
        let first = tick % TICKS_A_SECOND * share;
        for peer in &mut peers[first..first + share] {
            peer.write_all(&piece)?;
        }
        let next = TICK * (tick as u32 + 1);
        sleep(next.saturating_sub(started.elapsed()));
        while let Ok(1..) = client.read(&mut scratch) {}
    }
    let cpu = process.cpu()?.saturating_sub(before);
    Ok(cpu.as_secs_f64() / started.elapsed().as_secs_f64() * 100.0)
}

fn stalled_client(ground: &Ground<'_>) -> Result<String> {
    let daemon = ground.daemon(BINARY.as_ref())?;
    let (client, peers) = connected(&daemon, CROWD)?;
    let seconds = if ground.options.quick { 5 } else { 30 };
    let mut peers: Vec<(TcpStream, usize)> = peers.into_iter().map(|peer| (peer, 0)).collect();
    let block = noise(BLOCK_BYTES, 7);
    daemon.process().reset_peak()?;
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(seconds) {
        for (peer, sent) in &mut peers {
            *sent += push_all(peer, &block, *sent)?;
        }
        sleep(TICK);
    }
    let peak_kib = daemon.process().peak_kib()?;
    let bytes = take_all(client, &block, &peers)?;
    Ok(format!(
        "| 200 peers at full speed, the client takes nothing for {seconds} s: peak MiB | {:.1} | |\n\
         | the same, MiB that then come in order | {:.1} | |",
        peak_kib as f64 / 1024.0,
        bytes as f64 / 1_048_576.0
    ))
}

/// Sends what goes of the block repeated, from place `at` on; how much.
fn push_all(peer: &mut TcpStream, block: &[u8], at: usize) -> Result<usize> {
    peer.set_nonblocking(true)?;
    let mut sent = 0;
    loop {
        let from = (at + sent) % block.len();
        match peer.write(&block[from..]) {
            Ok(n) => sent += n,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(sent),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Takes what the peers have sent, and checks that each one's bytes come in order; how many.
fn take_all(mut client: TcpStream, block: &[u8], peers: &[(TcpStream, usize)]) -> Result<u64> {
    client.set_nonblocking(false)?;
    client.set_read_timeout(Some(Duration::from_secs(30)))?;
    let wanted = peers.iter().map(|(_, sent)| *sent as u64).sum();
    let mut received = vec![0; peers.len()];
    let mut counter = Counter::new(MESSAGES);
    let mut scratch = vec![0; BLOCK_BYTES];
    let mut in_order = true;
    while counter.data < wanted && in_order {
        let n = client.read(&mut scratch)?;
        counter.take(&scratch[..n], |head, data| {
            let socket = usize::from(head[8]) | usize::from(head[9]) << 8;
            for byte in data.chunks(block.len()) {
                let from = received[socket] % block.len();
                let first = byte.len().min(block.len() - from);
                in_order &= byte[..first] == block[from..from + first]
                    && byte[first..] == block[..byte.len() - first];
                received[socket] += byte.len();
            }
        })?;
    }
    if in_order { Ok(counter.data) } else { Err("bytes came out of order".into()) }
}

fn stalled_peer(ground: &Ground<'_>) -> Result<String> {
    let bytes = ground.options.scaled(SPEED_BYTES);
    let daemons = [ground.daemon(BINARY.as_ref())?, ground.daemon(BINARY.as_ref())?];
    let mut contenders = Vec::new();
    for (daemon, stalled) in daemons.iter().zip([true, false]) {
        let mut sender = Sender::new(daemon, stalled)?;
        contenders.push(Contender::new("", daemon.process(), move || sender.run(bytes)));
    }
    let outcomes = alternate(contenders, ground.options.rounds)?;
    let [beside, alone] = &outcomes[..] else { return Err("nothing was measured".into()) };
    Ok(format!(
        "| speed towards a peer beside one that takes nothing, MB/s (alone; share) | {} ({}; {}) | |",
        cell(beside.median(Figure::MbPerS), 0),
        cell(alone.median(Figure::MbPerS), 0),
        cell(beside.ratio(alone, Figure::MbPerS), 2),
    ))
}

/// A client with `credit` that sends to one peer, beside another that may take nothing.
struct Sender {
    client: IoClient,
    peer: TcpStream,
    _other: TcpStream,
    frame: Vec<u8>,
    /// Bytes that may be sent.
    granted: usize,
    scratch: Vec<u8>,
}

impl Sender {
    fn new(daemon: &Daemon, stalled: bool) -> Result<Sender> {
        let listener = listener()?;
        let mut client = IoClient::open(daemon, r#""credit""#)?;
        let other = client.connect_to(&listener, 1)?;
        let peer = client.connect_to(&listener, 2)?;
        peer.set_nonblocking(true)?;
        let data = noise(MESSAGE_BYTES, 8);
        let mut frame = Vec::new();
        push_tcp_send(&mut frame, 1, &data);
        let scratch = vec![0; BLOCK_BYTES];
        let mut sender = Sender { client, peer, _other: other, frame, granted: WINDOW_BYTES, scratch };
        if stalled {
            // Grants for what the kernel's buffers took of this are ignored: it has no more than its window in all.
            (0..WINDOW_BYTES / MESSAGE_BYTES).try_for_each(|_| sender.send())?;
            sender.granted = WINDOW_BYTES;
        }
        sender.frame.clear();
        push_tcp_send(&mut sender.frame, 2, &data);
        Ok(sender)
    }

    fn send(&mut self) -> Result<()> {
        let mut sent = 0;
        while sent < self.frame.len() {
            sent += self.client.offer_raw(&self.frame[sent..])?;
            self.take()?;
        }
        self.granted -= MESSAGE_BYTES;
        Ok(())
    }

    /// Takes grants, and what has come to the peer; how much of that.
    fn take(&mut self) -> Result<u64> {
        while let Some(message) = self.client.try_receive()? {
            match ServerMessage::decode_binary(message) {
                Ok(Packet::Message { message: ServerMessage::TcpCredit { socket_id: 2, bytes }, .. }) => {
                    self.granted += bytes as usize;
                }
                Ok(Packet::Message { message: ServerMessage::TcpCredit { .. }, .. }) => {}
                other => return Err(format!("unexpected: {other:?}").into()),
            }
        }
        match self.peer.read(&mut self.scratch) {
            Ok(n) => Ok(n as u64),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    fn run(&mut self, bytes: u64) -> Result<Load> {
        let bytes = bytes.next_multiple_of(MESSAGE_BYTES as u64);
        let started = Instant::now();
        let (mut sent, mut at, mut taken) = (0, 0, 0);
        while taken < bytes {
            if at > 0 || sent < bytes && self.granted >= MESSAGE_BYTES {
                at += self.client.offer_raw(&self.frame[at..])?;
                if at == self.frame.len() {
                    (sent, at) = (sent + MESSAGE_BYTES as u64, 0);
                    self.granted -= MESSAGE_BYTES;
                }
            }
            taken += self.take()?;
        }
        Ok(Load { bytes, requests: 1, wall: started.elapsed(), latencies: Latencies::default(), cpu: None })
    }
}
