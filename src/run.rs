//! One run of the daemon, from checked options to an exit status: puts the parts together and says when it is ready.
//! It owns no socket of its own and no state.

use crate::config::{Mode, Options, Parent};
use crate::engine::Engine;
use crate::exit::ExitStatus;
use crate::limits::{Limits, WorkerLimits};
use crate::logging;
use crate::reactor::event_loop::{Ground, PARENT, Reactor, SIGNALS, Watches, epoch_ms};
use crate::reactor::parent::{ParentWatch, Start};
use crate::reactor::signals::Signals;
use crate::reactor::stdin::StdinWatch;
use crate::ready::{self, Ready};
use crate::state::Settings;
use crate::state::random::Random;
use crate::time::Time;
use crate::workers::Workers;
use crate::workers::disk::{Disk, RealDisk};
use jstorrent_io_proto::limits::{CONNECTIONS_MAX, RPC_INFO_BYTES_MAX, SESSION_IDLE_MS};
use jstorrent_io_proto::rpc_info::{Profile, RootInfo};
use jstorrent_io_proto::token::Token;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Why there is no daemon.
enum Failure {
    /// The port is taken, or the system refuses it.
    Bind(u16, io::Error),
    /// Anything else.
    System(&'static str, io::Error),
}

/// Runs the daemon until it ends.
pub fn run(mut options: Options) -> ExitStatus {
    let _log = match logging::start(options.log_level, options.log_file.take()) {
        Ok(guard) => Some(guard),
        Err(error) => {
            // A daemon without a log still serves.
            let _ = writeln!(io::stderr(), "no log: {error}");
            None
        }
    };
    log::info!("{} {} started", crate::config::PROGRAM, env!("CARGO_PKG_VERSION"));
    for warning in &options.warnings {
        log::warn!("{warning}");
    }
    match serve(&options) {
        Ok(()) => {
            log::info!("ended");
            ExitStatus::Ended
        }
        Err(Failure::Bind(port, error)) => {
            log::error!(
                "127.0.0.1:{port} can't be bound ({error}): choose another --port, or 0 for any free one"
            );
            ExitStatus::Unavailable
        }
        Err(Failure::System(what, error)) => {
            log::error!("{what}: {error}");
            ExitStatus::Internal
        }
    }
}

fn serve(options: &Options) -> Result<(), Failure> {
    let started = Instant::now();
    let listeners = [bind(options.port)?, bind(0)?];
    let [port, stream_port] = [port_of(&listeners[0])?, port_of(&listeners[1])?];
    let ground = Ground::new().map_err(|error| Failure::System("the event loop can't start", error))?;
    let Some(watches) = watch(options, &ground)? else {
        log::info!("ending: the parent has died already");
        return Ok(());
    };
    let token = match &options.token {
        Some(token) => token.clone(),
        None => {
            ready::new_token().map_err(|error| Failure::System("no random bytes are to be had", error))?
        }
    };
    let disk = Arc::new(RealDisk::new(Limits::default().disk));
    let limits =
        Limits { hash_lanes: u16::try_from(options.hash_threads).unwrap_or(u16::MAX), ..Limits::default() };
    let mut engine = Engine::new(limits, settings(options, &token, port, stream_port), Random::System(fill));
    configure(&mut engine, &*disk, options)?;
    let waker = ground.waker.clone();
    let threads = WorkerLimits {
        file_threads: options.file_threads,
        hash_threads: options.hash_threads,
        ..WorkerLimits::default()
    };
    let workers = Workers::start(threads, disk, move || {
        // A loop that can't be woken has ended.
        let _ = waker.wake();
    });
    let reactor = Reactor::new(ground, listeners, engine, workers, watches, started)
        .map_err(|error| Failure::System("the listeners can't be watched", error))?;
    announce(options, &token, port, stream_port);
    reactor.run().map_err(|error| Failure::System("the event loop failed", error))
}

fn bind(port: u16) -> Result<TcpListener, Failure> {
    listen(port).map_err(|error| Failure::Bind(port, error))
}

/// As the standard library does it, but with a longer queue: its 128 overflow when a client opens hundreds of connections
/// at a time, and each that is dropped comes again after a second.
fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    // On Windows this would let two processes have one port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    socket.listen(i32::try_from(CONNECTIONS_MAX).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

fn port_of(listener: &TcpListener) -> Result<u16, Failure> {
    match listener.local_addr() {
        Ok(address) => Ok(address.port()),
        Err(error) => Err(Failure::System("the port is not known", error)),
    }
}

/// What ends the daemon from outside; `None` where the parent has died already.
fn watch(options: &Options, ground: &Ground) -> Result<Option<Watches>, Failure> {
    let registry = ground.poll.registry();
    let parent = match ParentWatch::start(options.parent, registry, PARENT, &ground.waker) {
        Ok(Start::Watching(watch)) => Some(watch),
        Ok(Start::AlreadyDead) => return Ok(None),
        Ok(Start::Nobody) => {
            if options.parent != Parent::Nobody {
                log::warn!("the parent can't be seen from here: its death will not be noticed");
            }
            None
        }
        Err(error) => return Err(Failure::System("the parent can't be watched", error)),
    };
    let signals = Signals::start(registry, SIGNALS, &ground.waker)
        .map_err(|error| Failure::System("signals can't be watched", error))?;
    let stdin = options.watch_stdin.then(|| StdinWatch::start(&ground.waker)).transpose();
    let stdin = stdin.map_err(|error| Failure::System("stdin can't be watched", error))?;
    Ok(Some(Watches { parent, signals: Some(signals), stdin }))
}

fn settings(options: &Options, token: &Token, port: u16, stream_port: u16) -> Settings {
    let idle_timeout_ms = u64::from(options.idle_timeout_s) * 1000;
    let (install_id, rpc_info_path) = match &options.mode {
        Mode::Installed { install_id, rpc_info } => (Some(install_id.clone()), Some(rpc_info.clone())),
        Mode::Dev { .. } => (None, None),
    };
    Settings {
        token: token.clone(),
        install_id,
        rpc_info_path,
        extra_origins: options.allow_origins.clone(),
        idle_timeout_ms,
        session_ms: if idle_timeout_ms == 0 { SESSION_IDLE_MS } else { idle_timeout_ms },
        port,
        stream_port,
        epoch_ms: epoch_ms(Time::default()),
    }
}

/// The roots to begin with: those of rpc-info.json, or none yet; with `--dev` its folder, which is made.
fn configure(engine: &mut Engine, disk: &impl Disk, options: &Options) -> Result<(), Failure> {
    match &options.mode {
        Mode::Installed { rpc_info, .. } => engine.configure(disk.read_config(rpc_info, RPC_INFO_BYTES_MAX)),
        Mode::Dev { dir } => {
            std::fs::create_dir_all(dir)
                .map_err(|error| Failure::System("the folder of --dev can't be made", error))?;
            engine.set_profile(dev_profile(dir));
        }
    }
    Ok(())
}

fn dev_profile(dir: &Path) -> Profile {
    let root = RootInfo {
        key: "dev".to_owned(),
        path: dir.to_string_lossy().into_owned(),
        display_name: "dev".to_owned(),
        removable: false,
        last_stat_ok: true,
        last_checked: 0,
    };
    Profile { extension_id: None, roots: vec![root] }
}

fn announce(options: &Options, token: &Token, port: u16, stream_port: u16) {
    // Whoever reads the ready line finds what the start had to say written.
    logging::flush();
    let shown = options.token.is_none().then_some(token);
    if let Err(error) = (Ready { port, stream_port, token: shown }).announce(&mut io::stdout()) {
        log::warn!("the ready line could not be written: {error}");
    }
    log::info!("listening on 127.0.0.1:{port}, streams on 127.0.0.1:{stream_port}");
    if matches!(options.mode, Mode::Dev { .. }) {
        logging::show(&ready::dev_help(port));
    }
}

/// # Panics
/// Where the system's random source fails: then no ticket may be given out.
fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the system's random source answered at the start");
}
