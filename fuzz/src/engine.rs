//! The engine itself under a fuzzer: what a client may send, cut at odd places, and whole courses of events.

use jstorrent_io_daemon::engine::Engine;
use jstorrent_io_daemon::limits::Limits;
use jstorrent_io_daemon::reactor::turn::{self, Budget, Ready, Socket};
use jstorrent_io_daemon::state::Settings;
use jstorrent_io_daemon::state::random::Random;
use jstorrent_io_daemon::time::Time;
use jstorrent_io_proto::route::{BodyRule, PortKind, ROUTES};
use jstorrent_io_proto::token::Token;
use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};

#[path = "../../tests/sim/world/mod.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "it is the simulation's; not all of it is used here"
)]
mod world;

const TOKEN: &str = "fuzz";

/// A course of events: clients, sockets, disk, time and faults as the bytes choose them. The world judges.
pub fn engine_events(data: &[u8]) {
    world::run_bytes(data);
}

/// The same of `/io` alone: what a client says, what its peers, names and datagrams do, and what becomes of the
/// connection. The ledger of the world judges.
pub fn engine_io(data: &[u8]) {
    world::run_io_bytes(data);
}

/// A socket over memory, which gives what it has in pieces of one size.
struct Wire {
    incoming: Vec<u8>,
    taken: Cell<usize>,
    piece: usize,
    outgoing: RefCell<Vec<u8>>,
}

impl Socket for Wire {
    fn receive(&self, place: &mut [u8]) -> io::Result<usize> {
        let left = &self.incoming[self.taken.get()..];
        let n = left.len().min(place.len()).min(self.piece);
        if n == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        place[..n].copy_from_slice(&left[..n]);
        self.taken.update(|taken| taken + n);
        Ok(n)
    }

    fn is_at_end(&self) -> io::Result<bool> {
        Ok(false)
    }

    fn send(&self, slices: &[IoSlice<'_>], _more: bool) -> io::Result<usize> {
        let mut outgoing = self.outgoing.borrow_mut();
        slices.iter().for_each(|slice| outgoing.extend_from_slice(slice));
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }
}

fn engine() -> Engine {
    let token = Token::from_text(TOKEN).unwrap_or_else(|| Token::from_random(&[0; 32]));
    let settings = Settings {
        token,
        install_id: None,
        rpc_info_path: None,
        extra_origins: Vec::new(),
        idle_timeout_ms: 0,
        session_ms: 600_000,
        port: 80,
        stream_port: 81,
        epoch_ms: 0,
    };
    // Inputs are shorter than that: a larger block to read into would cost more than all the rest of a run.
    let limits = Limits { head_read_bytes: 8 << 10, channel_read_bytes: 8 << 10, ..Limits::default() };
    Engine::new(limits, settings, Random::Seeded(1))
}

/// Feeds one connection; jobs are not done. Returns what it answered.
fn feed(bytes: Vec<u8>, piece: usize) -> Vec<u8> {
    let mut engine = engine();
    let Some(id) = engine.accept(PortKind::Main) else { return Vec::new() };
    let wire =
        Wire { incoming: bytes, taken: Cell::new(0), piece: piece.max(1), outgoing: RefCell::default() };
    loop {
        let before = wire.taken.get();
        let mut ready = Ready { readable: true, writable: true, ending: true, ..Ready::default() };
        engine.state.turns.want(id);
        while let Some(next) = engine.next_turn() {
            while turn::step(&mut engine, next, &wire, &mut ready, &mut Budget::new(1 << 20)) {}
            while engine.next_effect().is_some() {}
        }
        engine.advance(Time(1));
        if !engine.is_live(id) || wire.taken.get() == before {
            break;
        }
    }
    let buffered = engine.state.limits.buffered_bytes_max();
    assert!(engine.state.input_bytes <= buffered);
    wire.outgoing.into_inner()
}

/// Any bytes as an HTTP connection: whatever is answered is HTTP.
pub fn engine_http(data: &[u8]) {
    let Some((piece, bytes)) = data.split_first() else { return };
    let answer = feed(bytes.to_vec(), usize::from(*piece));
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 "), "{answer:?}");
}

/// Any bytes as the JSON body of an endpoint that takes one, from a client with the token.
pub fn json_bodies(data: &[u8]) {
    let Some((choice, body)) = data.split_first() else { return };
    let takers: Vec<_> = ROUTES.iter().filter(|route| matches!(route.body, BodyRule::Json { .. })).collect();
    let route = takers[usize::from(*choice) % takers.len()];
    let mut bytes = format!(
        "POST {} HTTP/1.1\r\nHost: localhost\r\nX-JST-Auth: {TOKEN}\r\nX-JST-Session: s\r\nContent-Length: {}\r\n\r\n",
        route.pattern,
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    let answer = feed(bytes, usize::MAX);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 "), "{answer:?}");
    assert!(!answer.starts_with(b"HTTP/1.1 401") && !answer.starts_with(b"HTTP/1.1 5"), "{answer:?}");
}
