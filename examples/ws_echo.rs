//! A WebSocket echo server made of the daemon's own event loop and WebSocket connections, for the Autobahn test suite
//! (`tests/autobahn.md`) and for trying out clients. It asks for no token: loopback only, and not for use.
//!
//!     cargo run --release --example ws_echo -- 9001      # then ws://127.0.0.1:9001/io
#![allow(clippy::print_stdout, reason = "it says where it listens")]

use std::error::Error;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::Instant;

use jstorrent_io_daemon::engine::Engine;
use jstorrent_io_daemon::limits::Limits;
use jstorrent_io_daemon::reactor::event_loop::{Ground, Reactor, Watches};
use jstorrent_io_daemon::state::Settings;
use jstorrent_io_daemon::state::random::Random;
use jstorrent_io_daemon::workers::Workers;
use jstorrent_io_daemon::workers::disk::RealDisk;
use jstorrent_io_proto::token::Token;

fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::args().nth(1).map_or(Ok(9001), |port| port.parse())?;
    let started = Instant::now();
    let bind = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let listeners = [bind(port)?, bind(0)?];
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)?;
    let settings = Settings {
        token: Token::from_random(&secret),
        install_id: None,
        rpc_info_path: None,
        extra_origins: Vec::new(),
        idle_timeout_ms: 0,
        session_ms: 600_000,
        port: listeners[0].local_addr()?.port(),
        stream_port: listeners[1].local_addr()?.port(),
        epoch_ms: 0,
    };
    println!("ws://127.0.0.1:{}/io", settings.port);
    // Whole messages go back at once, whatever their size.
    let limits = Limits { channel_heap_bytes_max: 256 << 20, ..Limits::default() };
    let disk = Arc::new(RealDisk::new(limits.disk));
    let mut engine = Engine::new(limits, settings, Random::Seeded(1));
    engine.state.echoes = true;
    let ground = Ground::new()?;
    let waker = ground.waker.clone();
    let workers = Workers::start(Default::default(), disk, move || drop(waker.wake()));
    Reactor::new(ground, listeners, engine, workers, Watches::default(), started)?.run()?;
    Ok(())
}
