//! An engine with a disk, a clock that the test moves, and clients that are byte queues.

mod http;
mod jobs;
mod network;

pub(crate) use http::{Request, Response};
pub(crate) use jobs::kind;
pub(crate) use network::{Frame, Network, frame};

use jstorrent_io_daemon::conn::outgoing::Outgoing;
use jstorrent_io_daemon::engine::Engine;
use jstorrent_io_daemon::ids::ConnId;
use jstorrent_io_daemon::job::{Ask, DiskError, Done, Job, Lane, Stage};
use jstorrent_io_daemon::limits::Limits;
use jstorrent_io_daemon::service::config;
use jstorrent_io_daemon::state::Settings;
use jstorrent_io_daemon::state::effects::Effect;
use jstorrent_io_daemon::state::random::Random;
use jstorrent_io_daemon::state::workload::Workload;
use jstorrent_io_daemon::time::Time;
use jstorrent_io_daemon::workers::disk::{Disk, RealDisk};
use jstorrent_io_proto::errno::Errno;
use jstorrent_io_proto::route::PortKind;
use jstorrent_io_proto::rpc_info::{Profile, RootInfo};
use jstorrent_io_proto::token::Token;
use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub(crate) const PORT: u16 = 4000;
pub(crate) const STREAM_PORT: u16 = 4001;
pub(crate) const INSTALL_ID: &str = "mine";
/// Turns in one run, more than any test has work for.
const TURNS_MAX: usize = 1_000_000;

/// A client's end of a connection.
#[derive(Default)]
struct Client {
    received: Vec<u8>,
    /// It takes nothing.
    stalled: bool,
    /// The daemon has ended its side.
    fin: bool,
    /// Closed by the daemon; `true`: by a reset.
    closed: Option<bool>,
}

/// The engine and its surroundings. A root `main` is there.
pub(crate) struct Bench {
    pub(crate) engine: Engine,
    pub(crate) dir: TempDir,
    disk: RealDisk,
    now: Time,
    token: String,
    clients: HashMap<ConnId, Client>,
    /// Kinds of jobs that are kept back until [`Bench::let_go`].
    held_kinds: Vec<&'static str>,
    held: VecDeque<Box<Job>>,
    /// A kind of job that fails from now on, and how.
    failing: Option<(&'static str, DiskError)>,
    /// Every job that was done, by its kind.
    pub(crate) done: Vec<&'static str>,
    /// What is beyond the daemon; `None`: nothing can be reached.
    pub(crate) network: Option<Network>,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        Bench::with(Limits { transfer: false, ..Limits::default() }, |_| {})
    }

    /// With bounds, and settings changed by `change`.
    pub(crate) fn with(limits: Limits, change: impl FnOnce(&mut Settings)) -> Bench {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("main")).unwrap();
        let token = "t".repeat(43);
        let mut settings = Settings {
            token: Token::from_text(&token).unwrap(),
            install_id: Some(INSTALL_ID.into()),
            rpc_info_path: Some(dir.path().join("rpc-info.json")),
            extra_origins: Vec::new(),
            idle_timeout_ms: 0,
            session_ms: 600_000,
            port: PORT,
            stream_port: STREAM_PORT,
            epoch_ms: 1_700_000_000_000,
        };
        change(&mut settings);
        let disk = RealDisk::new(limits.disk);
        let engine = Engine::new(limits, settings, Random::Seeded(7));
        let mut bench = Bench {
            engine,
            dir,
            disk,
            now: Time::default(),
            token,
            clients: HashMap::new(),
            held_kinds: Vec::new(),
            held: VecDeque::new(),
            failing: None,
            done: Vec::new(),
            network: None,
        };
        bench.set_roots(&["main"]);
        bench
    }

    /// Puts roots into force whose folders have the names of their keys.
    pub(crate) fn set_roots(&mut self, keys: &[&str]) {
        let roots = keys.iter().map(|key| root_info(key, &self.dir.path().join(key))).collect();
        config::replace(&mut self.engine.state, Profile { extension_id: None, roots });
    }

    /// A path below the root `main`.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join("main").join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.at(name), content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.at(name)).unwrap()
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// A request that bears the token.
    pub(crate) fn request(&self, method: &str, target: &str) -> Request {
        Request::new(method, target).field("X-JST-Auth", &self.token)
    }

    /// A new connection to the main port.
    pub(crate) fn connect(&mut self) -> ConnId {
        self.connect_to(PortKind::Main)
    }

    pub(crate) fn connect_to(&mut self, port: PortKind) -> ConnId {
        let id = self.engine.accept(port).expect("a connection");
        self.clients.insert(id, Client::default());
        self.run();
        id
    }

    /// A request on a connection of its own, and its answer.
    pub(crate) fn call(&mut self, request: Request) -> Response {
        let id = self.connect();
        let response = self.call_on(id, request);
        self.hang_up(id);
        response
    }

    /// A request on a connection, and its answer.
    pub(crate) fn call_on(&mut self, id: ConnId, request: Request) -> Response {
        let is_head = request.is_head();
        self.send(id, &request.bytes());
        self.response(id, is_head).expect("an answer")
    }

    pub(crate) fn get(&mut self, target: &str) -> Response {
        let request = self.request("GET", target);
        self.call(request)
    }

    pub(crate) fn post(&mut self, target: &str) -> Response {
        let request = self.request("POST", target);
        self.call(request)
    }

    pub(crate) fn post_json(&mut self, target: &str, body: &serde_json::Value) -> Response {
        let request = self.request("POST", target).json(body);
        self.call(request)
    }

    /// Opens a file of the root `main` for session `s`; its id.
    pub(crate) fn open(&mut self, path: &str, write: bool) -> u64 {
        let body = serde_json::json!({"root": "main", "path": path, "write": write, "create": write});
        let request = self.request("POST", "/files/open").session("s").json(&body);
        let response = self.call(request);
        assert!(matches!(response.status, 200 | 201), "{response:?}");
        response.json()["fileId"].as_u64().unwrap()
    }

    /// Bytes from a client, as much as the daemon takes. Returns how many that was.
    pub(crate) fn send(&mut self, id: ConnId, bytes: &[u8]) -> usize {
        let mut sent = 0;
        while sent < bytes.len() {
            let Some(place) = self.engine.place(id) else {
                let before = self.done.len();
                self.run();
                match self.engine.place(id) {
                    Some(_) => continue,
                    None if self.done.len() > before => continue,
                    None => return sent,
                }
            };
            let n = place.len().min(bytes.len() - sent);
            place[..n].copy_from_slice(&bytes[sent..sent + n]);
            sent += n;
            self.engine.received(id, n);
        }
        self.engine.drained(id);
        self.run();
        sent
    }

    /// The client ends its side.
    pub(crate) fn hang_up(&mut self, id: ConnId) {
        if self.clients[&id].closed.is_none() {
            self.engine.ended(id);
            self.run();
        }
    }

    /// The connection is reset by the client.
    pub(crate) fn reset(&mut self, id: ConnId) {
        self.engine.failed(id, Errno::ECONNRESET);
        self.run();
    }

    /// Takes one whole answer that has come, if it has.
    pub(crate) fn response(&mut self, id: ConnId, is_head: bool) -> Option<Response> {
        let client = self.clients.get_mut(&id)?;
        Response::take(&mut client.received, is_head, client.fin || client.closed.is_some())
    }

    /// What has been received and not been taken.
    pub(crate) fn received(&self, id: ConnId) -> &[u8] {
        &self.clients[&id].received
    }

    /// Whether the daemon has closed a connection, or at least its side of it.
    pub(crate) fn has_ended(&self, id: ConnId) -> bool {
        self.clients[&id].fin || self.clients[&id].closed.is_some()
    }

    /// Whether the daemon has reset a connection.
    pub(crate) fn was_reset(&self, id: ConnId) -> bool {
        self.clients[&id].closed == Some(true)
    }

    /// A client stops, or goes on, taking bytes.
    pub(crate) fn stall(&mut self, id: ConnId, stalled: bool) {
        self.clients.get_mut(&id).unwrap().stalled = stalled;
        self.engine.state.turns.want(id);
        self.run();
    }

    /// Time goes on.
    pub(crate) fn wait_ms(&mut self, ms: u64) {
        let end = self.now.plus_ms(ms);
        while self.engine.next_deadline() <= end && self.engine.next_deadline() > self.now {
            self.now = self.engine.next_deadline();
            self.engine.advance(self.now);
            self.run();
        }
        self.now = end;
        self.engine.advance(end);
        self.run();
    }

    /// Keeps jobs of a kind back from now on.
    pub(crate) fn hold(&mut self, kind: &'static str) {
        self.held_kinds.push(kind);
    }

    /// Lets jobs of a kind fail from now on.
    pub(crate) fn fail(&mut self, kind: &'static str, error: DiskError) {
        self.failing = Some((kind, error));
    }

    /// How many jobs are kept back.
    pub(crate) fn held(&self) -> usize {
        self.held.len()
    }

    /// The lanes of the jobs that are kept back.
    pub(crate) fn held_lanes(&self) -> Vec<Lane> {
        self.held.iter().map(|job| job.lane).collect()
    }

    /// Does the oldest job that was kept back.
    pub(crate) fn do_one(&mut self) {
        let job = self.held.pop_front().expect("a job that was kept back");
        self.perform(job);
        self.run();
    }

    /// Does the youngest job that was kept back.
    pub(crate) fn do_last(&mut self) {
        let job = self.held.pop_back().expect("a job that was kept back");
        self.perform(job);
        self.run();
    }

    /// Does all jobs that were kept back, and keeps none back any more.
    pub(crate) fn let_go(&mut self) {
        self.held_kinds.clear();
        while let Some(job) = self.held.pop_front() {
            self.perform(job);
        }
        self.run();
    }

    /// Carries effects and turns out until nothing is left.
    pub(crate) fn run(&mut self) {
        for _ in 0..TURNS_MAX {
            self.engine.advance(self.now);
            while let Some(effect) = self.engine.next_effect() {
                self.carry(effect);
            }
            let Some(id) = self.engine.next_turn() else { return };
            self.turn(id);
        }
        panic!("the engine wants turns without end");
    }

    fn carry(&mut self, effect: Effect) {
        match effect {
            Effect::Submit(job) => match &job.stage {
                Stage::Ask(ask) if self.held_kinds.contains(&kind(ask)) => self.held.push_back(job),
                _ => self.perform(job),
            },
            Effect::MeasureWorkers => {
                let descriptors = self.disk.counters().descriptors;
                self.engine.workers_measured(Workload { descriptors, ..Workload::default() });
            }
            Effect::Close { id, abort } => self.clients.entry(id).or_default().closed = Some(abort),
            Effect::ShutdownWrite(id) => self.clients.entry(id).or_default().fin = true,
            Effect::Connect { .. } | Effect::BindUdp { .. } | Effect::Listen { .. }
                if self.network.is_some() =>
            {
                self.carry_beyond(effect);
            }
            // There is no network here.
            Effect::Connect { id, .. } => self.engine.connected(id, Err(Errno::ENETUNREACH)),
            Effect::BindUdp { id, .. } => self.engine.datagram_bound(id, Err(Errno::ENETUNREACH)),
            Effect::Membership { id, request_id, .. } => {
                self.engine.membership_failed(id, request_id, Errno::ENETUNREACH);
            }
            Effect::Listen { id, .. } => self.engine.listening(id, Err(Errno::EADDRNOTAVAIL)),
            Effect::SendBuffer { .. } | Effect::StopListening => {}
        }
    }

    fn perform(&mut self, mut job: Box<Job>) {
        let Stage::Ask(ask) = std::mem::replace(&mut job.stage, Stage::Taken) else { panic!("{job:?}") };
        self.done.push(kind(&ask));
        let done = match ask {
            Ask::Resolve { host } => {
                let found = self.network.as_ref().and_then(|network| network.names.get(&host).cloned());
                Done::Resolve(found.ok_or(2))
            }
            ask if self.failing.as_ref().is_some_and(|(failing, _)| *failing == kind(&ask)) => {
                let (_, error) = self.failing.clone().expect("it was just there");
                jobs::failed(ask, error)
            }
            Ask::Transfer { file, offset, length, .. } => {
                let client = self.clients.get_mut(&job.owner);
                jobs::transfer(&self.disk, &file, offset, length, client.map(|client| &mut client.received))
            }
            other => jobs::perform(&self.disk, other),
        };
        job.stage = Stage::Done(done);
        self.engine.completed(*job);
    }

    fn turn(&mut self, id: ConnId) {
        self.send_datagrams(id);
        loop {
            let Some(client) = self.clients.get_mut(&id).filter(|client| !client.stalled) else { return };
            let n = match self.engine.outgoing(id) {
                Outgoing::Nothing => break,
                Outgoing::Transfer => {
                    self.engine.start_transfer(id);
                    break;
                }
                Outgoing::Bytes(slices) => {
                    let before = client.received.len();
                    slices.as_slices().iter().for_each(|slice| client.received.extend_from_slice(slice));
                    client.received.len() - before
                }
            };
            self.engine.sent(id, n);
        }
    }

    /// Nothing is held by anyone any more.
    #[track_caller]
    pub(crate) fn assert_at_rest(&self) {
        let state = &self.engine.state;
        assert_eq!(state.buffers.out(), 0, "buffers");
        assert_eq!(state.buffers.bulk_reserved_bytes(), 0, "reserved memory");
        assert_eq!(state.metrics.http_in_flight, 0, "requests");
        assert_eq!(state.metrics.writes_in_flight, 0, "writes");
        assert_eq!(state.jobs_out, self.held.len(), "jobs");
        assert!(!state.buffers.is_tight(), "someone waits for memory");
    }

    /// Descriptors that the disk keeps.
    pub(crate) fn descriptors(&self) -> usize {
        self.disk.counters().descriptors
    }
}

/// What rpc-info.json would say of a root.
pub(crate) fn root_info(key: &str, path: &Path) -> RootInfo {
    RootInfo {
        key: key.into(),
        path: path.to_str().unwrap().into(),
        display_name: key.to_uppercase(),
        removable: false,
        last_stat_ok: true,
        last_checked: 0,
    }
}
