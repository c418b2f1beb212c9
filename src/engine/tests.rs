//! The engine by hand: bytes in, bytes out, time as told.

use super::*;
use crate::reactor::turn::{self, Budget, Ready, Socket};
use jstorrent_io_proto::limits::{FIRST_REQUEST_WAIT_MS_MAX, HEAD_WAIT_MS_MAX};
use jstorrent_io_proto::token::Token;
use std::cell::RefCell;
use std::io::{self, IoSlice};

/// A socket over memory, with edges as the kernel gives them.
#[derive(Default)]
struct Wire {
    incoming: RefCell<Vec<u8>>,
    fin: bool,
    outgoing: RefCell<Vec<u8>>,
}

impl Socket for Wire {
    fn receive(&self, place: &mut [u8]) -> io::Result<usize> {
        let mut incoming = self.incoming.borrow_mut();
        let n = incoming.len().min(place.len());
        if n == 0 && !self.fin {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        place[..n].copy_from_slice(&incoming[..n]);
        incoming.drain(..n);
        Ok(n)
    }

    fn is_at_end(&self) -> io::Result<bool> {
        Ok(self.fin && self.incoming.borrow().is_empty())
    }

    fn send(&self, slices: &[IoSlice<'_>], _more: bool) -> io::Result<usize> {
        let mut outgoing = self.outgoing.borrow_mut();
        slices.iter().for_each(|slice| outgoing.extend_from_slice(slice));
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }
}

fn engine() -> Engine {
    let settings = Settings {
        token: Token::from_random(&[7; 32]),
        install_id: None,
        rpc_info_path: None,
        extra_origins: Vec::new(),
        idle_timeout_ms: 0,
        session_ms: 600_000,
        port: 1234,
        stream_port: 1235,
        epoch_ms: 0,
    };
    Engine::new(Limits::default(), settings, Random::Seeded(1))
}

/// Gives the connection turns until nobody wants one; returns whether it is still there.
fn turns(engine: &mut Engine, id: ConnId, wire: &Wire, ready: &mut Ready) -> bool {
    engine.state.turns.want(id);
    while let Some(next) = engine.next_turn() {
        let mut budget = Budget::new(1 << 20);
        while turn::step(engine, next, wire, ready, &mut budget) {}
    }
    engine.is_live(id)
}

fn text(wire: &Wire) -> String {
    String::from_utf8_lossy(&wire.outgoing.borrow()).into_owned()
}

const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1:1234\r\n\r\n";

#[test]
fn a_client_that_half_closes_is_answered_and_then_closed() {
    let mut engine = engine();
    let id = engine.accept(PortKind::Main).expect("room");
    let wire = Wire { incoming: RefCell::new(HEALTH.to_vec()), fin: true, ..Wire::default() };
    // Data and FIN come with one edge: the short read must not be taken for the last.
    let live = turns(
        &mut engine,
        id,
        &wire,
        &mut Ready { readable: true, writable: true, ending: true, ..Ready::default() },
    );
    assert!(text(&wire).ends_with("\r\n\r\nok"));
    assert!(!live);
}

#[test]
fn a_head_that_does_not_end_is_told_so_in_time() {
    let mut engine = engine();
    let id = engine.accept(PortKind::Main).expect("room");
    let wire = Wire { incoming: RefCell::new(b"G".to_vec()), ..Wire::default() };
    let mut ready = Ready { readable: true, writable: true, ending: false, ..Ready::default() };
    assert!(turns(&mut engine, id, &wire, &mut ready));
    engine.advance(Time::default().plus_ms(HEAD_WAIT_MS_MAX - 1));
    turns(&mut engine, id, &wire, &mut ready);
    assert_eq!(text(&wire), "");
    engine.advance(Time::default().plus_ms(HEAD_WAIT_MS_MAX));
    turns(&mut engine, id, &wire, &mut ready);
    assert!(text(&wire).starts_with("HTTP/1.1 408 "), "{}", text(&wire));
}

#[test]
fn a_connection_without_a_request_is_closed_however_late_its_first_byte() {
    let mut engine = engine();
    let id = engine.accept(PortKind::Main).expect("room");
    let wire = Wire { incoming: RefCell::new(b"G".to_vec()), ..Wire::default() };
    let mut ready = Ready { readable: true, writable: true, ending: false, ..Ready::default() };
    engine.advance(Time::default().plus_ms(FIRST_REQUEST_WAIT_MS_MAX - 5));
    assert!(turns(&mut engine, id, &wire, &mut ready));
    engine.advance(Time::default().plus_ms(FIRST_REQUEST_WAIT_MS_MAX));
    turns(&mut engine, id, &wire, &mut ready);
    assert!(text(&wire).starts_with("HTTP/1.1 408 "));
}

#[test]
fn the_end_comes_as_soon_as_nothing_is_under_way() {
    let mut engine = engine();
    let id = engine.accept(PortKind::Main).expect("room");
    let wire = Wire::default();
    turns(
        &mut engine,
        id,
        &wire,
        &mut Ready { readable: true, writable: true, ending: false, ..Ready::default() },
    );
    engine.begin_exit();
    assert!(engine.is_over());
}

#[test]
fn an_idle_engine_wants_nothing() {
    let mut engine = engine();
    let id = engine.accept(PortKind::Main).expect("room");
    let wire = Wire { incoming: RefCell::new([HEALTH, HEALTH].concat()), ..Wire::default() };
    assert!(turns(
        &mut engine,
        id,
        &wire,
        &mut Ready { readable: true, writable: true, ending: false, ..Ready::default() }
    ));
    assert_eq!(text(&wire).matches("200 OK").count(), 2);
    while engine.next_effect().is_some() {}
    engine.advance(Time(1));
    assert!(engine.next_turn().is_none() && engine.next_effect().is_none());
}

/// Lets the connection read `bytes`, and the kernel take nothing.
fn feed(engine: &mut Engine, id: ConnId, bytes: &[u8]) {
    let place = engine.place(id).expect("it reads");
    place[..bytes.len()].copy_from_slice(bytes);
    engine.received(id, bytes.len());
}

/// The kernel takes at most `max` bytes.
fn take(engine: &mut Engine, id: ConnId, max: usize) -> String {
    let Outgoing::Bytes(slices) = engine.outgoing(id) else { return String::new() };
    let all: Vec<u8> = slices.as_slices().iter().flat_map(|slice| slice.iter().copied()).take(max).collect();
    engine.sent(id, all.len());
    String::from_utf8_lossy(&all).into_owned()
}

#[test]
fn no_second_answer_breaks_into_one_that_is_on_its_way() {
    let mut engine = engine();
    let id = engine.accept(PortKind::Main).expect("room");
    let head = b"POST /nothing HTTP/1.1\r\nHost: 127.0.0.1:1234\r\nTransfer-Encoding: chunked\r\n\r\n";
    feed(&mut engine, id, head);
    let mut sent = take(&mut engine, id, 20);
    feed(&mut engine, id, b"no chunk at all");
    for _ in 0..9 {
        sent += &take(&mut engine, id, usize::MAX);
    }
    assert!(sent.starts_with("HTTP/1.1 401 "), "{sent}");
    assert_eq!(sent.matches("HTTP/1.1").count(), 1, "{sent}");
    assert!(sent.ends_with('}'), "{sent}");
}
