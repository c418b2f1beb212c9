//! The loop around the engine, as the reactor has it, in virtual time: wait, advance, events, completions, effects,
//! accepting, turns. Then the life of a run: a time of trouble, a time to recover, and the end of everything.

mod io;
mod over_http;

use super::agenda::Agenda;
use super::client::{self, Client, Handle, HandleState, Wish};
use super::dice::Dice;
use super::disk::SimDisk;
use super::invariants;
use super::io::{Io, IoEvent};
use super::judge::{self, Court};
use super::link::{Issued, Link};
use super::request::{PORT, TOKEN, What, data};
use super::shadow::{Shadow, ShadowFile};
use super::socket::SimSocket;
use super::swarm::{Kind, Swarm};
use super::trace::Trace;
use super::workers::{Stir, Workers};
use jstorrent_io_daemon::engine::Engine;
use jstorrent_io_daemon::ids::ConnId;
use jstorrent_io_daemon::job::{Ask, Done, Job, Stage};
use jstorrent_io_daemon::reactor::turn::{self, Budget, Edge, Ready};
use jstorrent_io_daemon::state::Settings;
use jstorrent_io_daemon::state::effects::Effect;
use jstorrent_io_daemon::state::random::Random;
use jstorrent_io_daemon::state::workload::Workload;
use jstorrent_io_daemon::time::Time;
use jstorrent_io_proto::errno::Errno;
use jstorrent_io_proto::route::PortKind;
use jstorrent_io_proto::rpc_info::{Profile, RootInfo};
use jstorrent_io_proto::token::Token;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::LazyLock;

const SECOND: u64 = 1_000_000;
/// How long trouble lasts at most.
const TROUBLE_US_MAX: u64 = 200 * SECOND;
/// How long what is under way may then take: less than any limit of time that would end it by force.
const RECOVERY_US_MAX: u64 = 8 * SECOND;
/// Sizes of the files that all clients share.
const SHARED_BYTES: &[u64] = &[1_000, 20_000, 150_000];

/// What became of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) hash: u64,
    pub(crate) steps: u64,
    pub(crate) answers: u64,
}

#[derive(Debug)]
enum Event {
    Act(usize),
    Work(Stir),
    Io(IoEvent),
    Trouble,
}

impl From<Stir> for Event {
    fn from(stir: Stir) -> Event {
        Event::Work(stir)
    }
}

#[derive(Debug)]
struct Source {
    id: ConnId,
    socket: Rc<SimSocket>,
    ready: Ready,
    /// Of one that is not connected: what will come of it, should anything.
    connecting: Option<Option<Result<SocketAddr, Errno>>>,
    /// That has come.
    answered: bool,
}

/// A run.
#[derive(Debug)]
pub(crate) struct World {
    dice: Dice,
    swarm: Swarm,
    engine: Engine,
    workers: Workers,
    now: u64,
    agenda: Agenda<Event>,
    sources: BTreeMap<u32, Source>,
    links: BTreeMap<usize, Link>,
    links_made: usize,
    io: Io,
    /// Ports of sockets that must close within the step.
    to_be_closed: Vec<u16>,
    /// Connections that were closed.
    closed: BTreeSet<ConnId>,
    /// Connections that wait to be accepted.
    backlog: VecDeque<usize>,
    listening: bool,
    clients: Vec<Client>,
    shadow: Shadow,
    shared_bytes: u64,
    trace: Trace,
    recovering: bool,
    roots_changed: bool,
    steps: u64,
    idle_steps: u64,
    answers: u64,
}

impl World {
    /// The world that these dice make.
    pub(crate) fn new(mut dice: Dice, kind: Kind) -> World {
        let swarm = Swarm::draw(&mut dice, kind);
        let settings = Settings {
            token: Token::from_text(TOKEN).expect("a token"),
            install_id: Some("sim".to_owned()),
            rpc_info_path: Some("/sim/rpc-info.json".into()),
            extra_origins: Vec::new(),
            idle_timeout_ms: swarm.idle_timeout_ms,
            session_ms: swarm.session_ms,
            port: PORT,
            stream_port: PORT + 1,
            epoch_ms: 1_700_000_000_000,
        };
        let engine = Engine::new(swarm.limits.clone(), settings, Random::Seeded(dice.next()));
        let disk = SimDisk::new(dice.next(), swarm.faults);
        let mut world = World {
            workers: Workers::new(disk, swarm.pace),
            engine,
            now: 0,
            agenda: Agenda::default(),
            sources: BTreeMap::new(),
            links: BTreeMap::new(),
            links_made: 0,
            io: Io::default(),
            to_be_closed: Vec::new(),
            closed: BTreeSet::new(),
            backlog: VecDeque::new(),
            listening: true,
            clients: Vec::new(),
            shadow: Shadow::default(),
            shared_bytes: 0,
            trace: Trace::new(dice.is_fuzzer()),
            recovering: false,
            roots_changed: false,
            steps: 0,
            idle_steps: 0,
            answers: 0,
            dice,
            swarm,
        };
        world.trace.note(0, || format!("{:?}", world.swarm));
        world.engine.configure(Ok(ALL_ROOTS.clone()));
        world.workers.disk.set_config(Ok(ALL_ROOTS.clone()));
        world.people();
        world.io_people();
        world
    }

    /// Shared files, and clients with their views of them.
    fn people(&mut self) {
        let count = self.swarm.clients;
        self.shared_bytes = self.dice.pick(SHARED_BYTES).min(1_000 + 4 * self.swarm.body_max);
        if count == 0 {
            self.shared_bytes = 0;
        } else if self.dice.is_fuzzer() {
            self.shared_bytes = self.shared_bytes.min(SHARED_BYTES[1]);
        }
        let common = data(&mut self.dice, self.shared_bytes);
        let striped = data(&mut self.dice, self.shared_bytes);
        for root in ["r0", "r1"] {
            self.workers.disk.plant(root, "common", common.clone());
            self.workers.disk.plant(root, "striped", striped.clone());
        }
        for index in 0..count {
            let root = self.dice.pick(&["r0", "r1"]);
            let width = self.shared_bytes / count as u64;
            let (from, to) = (width * index as u64, width * (index as u64 + 1));
            let files = self.shadow.files.len();
            let mut reading = ShadowFile::shared(root, "common", &common, 0, self.shared_bytes);
            reading.stripe = Some((0, 0));
            self.shadow.files.push(reading);
            self.shadow.files.push(ShadowFile::shared(root, "striped", &striped, from, to));
            self.clients.push(Client {
                index,
                session: format!("session-{}", self.dice.below(self.swarm.sessions)),
                handles: Vec::new(),
                files: vec![files, files + 1],
                requests_left: self.swarm.requests,
                link: None,
                brisk: false,
            });
            let at = self.dice.size(2 * self.swarm.act_us_max);
            self.agenda.put(at, Event::Act(index));
        }
        self.agenda.put(1_000, Event::Trouble);
    }

    /// Lives it through. Panics where something is wrong.
    pub(crate) fn run(mut self) -> Summary {
        while self.now < TROUBLE_US_MAX && !(self.all_done() && self.io_is_done()) && !self.engine.is_over() {
            if self.dice.is_spent() {
                break;
            }
            assert!(self.step(), "nothing will ever happen again, with clients waiting");
        }
        self.recover();
        if !self.engine.is_over() {
            invariants::check_quiet(&self.engine, &self.workers);
            self.io.desk.check_told(&self.io.net.courses);
            self.check_files();
            self.sunset();
        }
        let answers = self.answers + self.io.messages;
        Summary { hash: self.trace.hash(), steps: self.steps, answers }
    }

    fn all_done(&self) -> bool {
        self.clients.iter().all(|client| client.requests_left == 0 && client.link.is_none())
    }

    /// No more faults: what is under way must come to its end soon, and without the help of time limits.
    fn recover(&mut self) {
        self.trace.note(self.now, || "recovery".to_owned());
        self.recovering = true;
        self.workers.disk.stop_faults();
        self.workers.thaw();
        self.workers.pace.job_us_max = self.workers.pace.job_us_max.min(1_000);
        self.workers.pace.name_us_max = 0;
        for index in 0..self.clients.len() {
            self.clients[index].brisk = true;
            self.clients[index].requests_left = 0;
            self.agenda.put(self.now, Event::Act(index));
        }
        let work = self.agenda.last(|event| matches!(event, Event::Work(_)));
        let linger_us = self.swarm.limits.linger_ms * 1_000;
        let by = self.now.max(work) + RECOVERY_US_MAX + linger_us + self.io_recovers();
        while !(self.engine.is_over() || self.all_done() && self.io_has_left() && self.is_quiet()) {
            self.io_check_calm();
            assert!(self.now < by, "no end after {RECOVERY_US_MAX} µs without faults: {}", self.situation());
            assert!(self.step(), "nothing will ever happen again: {}", self.situation());
        }
    }

    fn is_quiet(&self) -> bool {
        self.engine.connections() == 0 && self.workers.jobs().count() == 0
    }

    fn situation(&self) -> String {
        let links: Vec<String> = self
            .links
            .values()
            .filter(|link| link.id.is_none_or(|id| self.engine.is_live(id)))
            .map(|link| {
                let first = link.docket.front().map(|first| (&first.what, first.head_end, first.end));
                let first = format!("{first:?}").chars().take(120).collect::<String>();
                format!(
                    "{:?} of client {}: {} asked, first {first}, {} read by the daemon, {} unread by the client, left {}, {:?}",
                    link.id,
                    link.client,
                    link.docket.len(),
                    link.socket.consumed(),
                    link.socket.unread(),
                    link.left,
                    link.excuse,
                )
            })
            .collect();
        let state = &self.engine.state;
        format!(
            "{} jobs, {} buffers out, {} B reserved, {} B of input, {} in flight, backlog {}\n{}\n{}",
            state.jobs_out,
            state.buffers.out(),
            state.buffers.bulk_reserved_bytes(),
            state.input_bytes,
            state.metrics.http_in_flight,
            self.backlog.len(),
            links.join("\n"),
            self.io_situation()
        )
    }

    fn check_files(&self) {
        for file in &self.shadow.files {
            let content = self.workers.disk.content(&file.root, &file.path);
            file.check_whole(content.as_deref());
        }
    }

    /// Time goes on until nobody wants to be reminded of anything.
    fn sunset(&mut self) {
        let mut wakes = 0;
        while !self.engine.is_over() && (self.engine.next_deadline() != Time::NEVER || !self.is_quiet()) {
            wakes += 1;
            assert!(wakes < 500, "reminders without end");
            assert!(self.step(), "a deadline that is never reached");
        }
        if !self.engine.is_over() {
            invariants::check_empty(&self.engine, &self.workers);
        }
    }

    /// One round of the loop; false where nothing will ever happen again.
    fn step(&mut self) -> bool {
        let due = self.agenda.next().min(self.engine.next_deadline().0);
        let at_once = self.wants_no_sleep();
        if !at_once && due == u64::MAX {
            return false;
        }
        if !at_once {
            self.now = self.now.max(due);
        }
        self.now += if self.recovering { 1 } else { self.dice.below(20) };
        self.steps += 1;
        assert!(self.steps < 3_000_000, "a run without end: {}", self.situation());
        let before = self.trace.len();
        self.events();
        self.engine.advance(Time(self.now));
        self.edges();
        self.completions();
        self.carry();
        self.accept();
        self.turns();
        self.hear();
        self.hear_io();
        invariants::check(&self.engine, &self.workers, &self.links, &self.io);
        self.watch_for_idleness(at_once && before == self.trace.len());
        true
    }

    fn wants_no_sleep(&self) -> bool {
        !self.engine.state.turns.is_empty()
            || self.workers.anyone_home()
            || self.sources.values().any(|source| source.socket.has_edge())
            || self.io.net.has_edge()
            || self.listening && !self.backlog.is_empty() && self.engine.may_accept()
    }

    /// A loop that runs without anything happening will run for ever.
    fn watch_for_idleness(&mut self, idle: bool) {
        self.idle_steps = if idle { self.idle_steps + 1 } else { 0 };
        // Those who stand in line are told to try one after another, and need not find anything.
        let idle_max = 5 + self.sources.len() as u64;
        assert!(self.idle_steps < idle_max, "the loop runs and nothing happens: {}", self.situation());
    }

    fn events(&mut self) {
        while let Some(event) = self.agenda.take_due(self.now) {
            match event {
                Event::Act(client) => self.act(client),
                Event::Work(stir) => {
                    self.trace.note(self.now, || format!("{stir:?}"));
                    self.workers.stir(stir, self.now, &mut self.dice, &mut self.agenda);
                }
                Event::Io(event) => self.io_event(event),
                Event::Trouble => self.trouble(),
            }
        }
    }

    /// Things that go wrong by themselves.
    fn trouble(&mut self) {
        if self.recovering {
            return;
        }
        let dice = &mut self.dice;
        if dice.chance(self.swarm.hang) {
            let (root, until) = (1 + dice.below(2) as u32, self.now + dice.size(100 * SECOND));
            self.trace.note(self.now, || format!("root {root} hangs until {until}"));
            self.workers.hang(root, until);
        }
        if dice.chance(self.swarm.shrink) {
            let (root, length) = (dice.pick(&["r0", "r1"]), dice.size(self.shared_bytes) as usize);
            self.trace.note(self.now, || format!("common of {root} shrinks to {length}"));
            self.workers.disk.shrink(root, "common", length);
            self.shadow
                .files
                .iter_mut()
                .filter(|file| file.root == root && file.path == "common")
                .for_each(|file| file.retired = true);
        }
        if dice.chance(self.swarm.change_roots) {
            let roots = dice.pick(&[&["r0", "r1"][..], &["r0"], &["r1"], &[]]);
            self.trace.note(self.now, || format!("roots are {roots:?}"));
            self.roots_changed = true;
            match dice.below(4) {
                0 => self.engine.set_profile(profile(roots)),
                1 => self.workers.disk.set_config(Ok(b"{".to_vec())),
                2 => self.workers.disk.set_config(Err("it is not there".to_owned())),
                _ => self.workers.disk.set_config(Ok(rpc_info(roots))),
            }
        }
        if dice.chance(self.swarm.exit) && dice.chance(100) {
            self.trace.note(self.now, || "the end begins".to_owned());
            self.engine.begin_exit();
        }
        let next = 1 + dice.size(10 * self.swarm.act_us_max) + self.now / 20;
        self.agenda.put(self.now + next, Event::Trouble);
    }

    /// A client learns of a file that another of its session has open. Both have it then, and either may close it.
    fn lend(&mut self, index: usize) {
        let other = self.dice.below(self.clients.len() as u64) as usize;
        let (to, from) = (&self.clients[index], &self.clients[other]);
        // Views of the file that all read.
        let (mine, theirs) = (to.files[0], from.files[0]);
        let same =
            to.session == from.session && self.shadow.files[mine].root == self.shadow.files[theirs].root;
        let usable = |handle: &&Handle| handle.file == theirs && handle.state == HandleState::Open;
        let Some(lent) = from.handles.iter().position(|handle| usable(&handle)) else { return };
        if same && other != index {
            self.clients[other].handles[lent].shared = true;
            let handle = Handle { file: mine, shared: true, ..self.clients[other].handles[lent].clone() };
            if !self.clients[index].handles.iter().any(|known| known.id == handle.id) {
                self.clients[index].handles.push(handle);
            }
        }
    }

    fn act(&mut self, index: usize) {
        let Some(number) = self.clients[index].link else { return self.connect(index) };
        if self.dice.chance(30) {
            self.lend(index);
        }
        let client = &mut self.clients[index];
        let link = self.links.get_mut(&number).expect("a link of a client is there");
        let faults = self.workers.disk.fault_count();
        let mut scene = client::Scene {
            now: self.now,
            dice: &mut self.dice,
            swarm: &self.swarm,
            shadow: &mut self.shadow,
            io: &mut self.io,
            faults,
        };
        let wish = client.act(link, &mut scene);
        let moved = (link.docket.len(), link.socket.unread());
        self.trace.note(self.now, || format!("client {index} on {number}: {wish:?} {moved:?}"));
        if self.links[&number].left || self.links[&number].was_aborted() {
            self.retire(number);
        }
        match wish {
            Wish::Again(wait) => self.agenda.put(self.now + wait, Event::Act(index)),
            Wish::Leave => {
                self.clients[index].link = None;
                let link = &self.links[&number];
                if link.id.is_none_or(|id| !self.engine.is_live(id)) && !self.backlog.contains(&number) {
                    self.links.remove(&number);
                }
                self.agenda.put(self.now + 1, Event::Act(index));
            }
        }
    }

    fn connect(&mut self, index: usize) {
        if self.clients[index].requests_left == 0 || self.recovering || !self.listening {
            self.clients[index].requests_left = 0;
            return;
        }
        let (min, max) = (1 + self.swarm.body_max.max(self.shared_bytes) / 300, self.swarm.kernel_bytes_max);
        let (inward, outward) = (min.max(self.dice.size(max)), min.max(self.dice.size(max)));
        let socket = SimSocket::new(inward as usize, outward as usize, self.swarm.interrupt_every);
        let hostile = self.dice.chance(self.swarm.hostile);
        let hasty = self.swarm.limits.linger_ms < 2_000;
        self.links_made += 1;
        let number = self.links_made;
        self.trace.note(self.now, || format!("client {index} connects as {number}, hostile {hostile}"));
        self.links.insert(number, Link::new(Rc::new(socket), index, hostile, hasty, self.now));
        self.backlog.push_back(number);
        self.clients[index].link = Some(number);
        self.agenda.put(self.now, Event::Act(index));
    }

    fn edges(&mut self) {
        let ids: Vec<ConnId> = self.sources.values().map(|source| source.id).collect();
        for id in ids {
            let Some(source) = self.sources.get_mut(&id.slot).filter(|source| source.id == id) else {
                continue;
            };
            if self.dice.chance(self.swarm.spurious) && !self.recovering {
                source.socket.spurious_edge();
            }
            let Some(edge) = source.socket.take_edge(self.swarm.whole_edges) else { continue };
            self.trace.note(self.now, || format!("{id:?} {edge:?}"));
            self.edge(id, edge);
        }
        self.io_edges();
    }

    /// As the reactor takes an event in.
    fn edge(&mut self, id: ConnId, edge: Edge) {
        let Some(source) = self.sources.get_mut(&id.slot) else { return };
        let is_told = !io::outcome(&mut self.engine, source);
        source.ready.tell(edge);
        if is_told {
            self.perhaps_born(id);
        }
        if edge.is_hang_up() {
            self.engine.hung_up(id);
        }
        self.engine.state.turns.want(id);
    }

    fn completions(&mut self) {
        for job in self.workers.take_home(&mut self.dice) {
            self.trace.note(self.now, || format!("job {} of {:?} comes home", job.id.0, job.owner));
            self.home(job);
        }
    }

    /// As the reactor takes a job home.
    fn home(&mut self, job: Job) {
        let source = self.sources.get_mut(&job.owner.slot).filter(|source| source.id == job.owner);
        if let (Stage::Done(Done::Transfer(Ok(moved))), Some(source)) = (&job.stage, source) {
            source.ready.sent_by_worker(moved.blocked);
        }
        self.engine.completed(job);
    }

    fn carry(&mut self) {
        while let Some(effect) = self.engine.next_effect() {
            match effect {
                Effect::Submit(job) => self.submit(job),
                Effect::Close { id, abort } => self.close(id, abort),
                Effect::ShutdownWrite(id) => {
                    self.trace.note(self.now, || format!("{id:?} sends FIN"));
                    if let Some(source) = self.sources.get(&id.slot).filter(|source| source.id == id) {
                        source.socket.engine_end();
                    }
                }
                Effect::SendBuffer { .. } => {}
                Effect::MeasureWorkers => self.engine.workers_measured(Workload::default()),
                Effect::StopListening => self.stop_listening(),
                socket => self.carry_io(socket),
            }
        }
    }

    fn submit(&mut self, job: Box<Job>) {
        self.trace.note(self.now, || format!("job {} of {:?} in {:?}", job.id.0, job.owner, job.lane));
        let source = self.sources.get(&job.owner.slot).filter(|source| source.id == job.owner);
        let is_transfer = matches!(job.stage, Stage::Ask(Ask::Transfer { .. }));
        let outlet = source.filter(|_| is_transfer).map(|source| source.socket.clone());
        self.workers.submit(job, outlet, self.now, &mut self.dice, &mut self.agenda);
    }

    fn stop_listening(&mut self) {
        self.listening = false;
        for number in std::mem::take(&mut self.backlog) {
            if let Some(link) = self.links.get_mut(&number) {
                link.excuse.get_or_insert("never accepted");
                link.socket.engine_close(true);
            }
            if let Some(link) = self.io.links.get_mut(&number) {
                link.excuse.get_or_insert("never accepted");
                link.socket.engine_close(true);
            }
        }
    }

    /// The engine closes a connection: was it owed an answer?
    fn close(&mut self, id: ConnId, abort: bool) {
        self.trace.note(self.now, || format!("{id:?} is closed, abort {abort}"));
        assert!(self.closed.insert(id), "{id:?} was closed twice");
        if self.io.net.close_server(id) || self.io.net.close_udp(id) {
            return;
        }
        // A connect to a name, or to an address before its turn, and work on a file have no socket.
        let Some(source) = self.sources.remove(&id.slot) else { return };
        assert_eq!(source.id, id, "another tenant of the slot was meant");
        if self.close_io(id, &source.socket, abort) {
            return;
        }
        let number = *self
            .links
            .iter()
            .find(|(_, link)| link.id == Some(id))
            .map(|(number, _)| number)
            .expect("the link of a live connection");
        self.hear_one(number);
        source.socket.engine_close(abort);
        self.bury(number);
    }

    fn bury(&mut self, number: usize) {
        let exiting = self.engine.state.exiting;
        let faults = self.workers.disk.fault_count();
        let may_end = self.swarm.sessions_may_end() || self.roots_changed;
        let link = self.links.get_mut(&number).expect("just heard");
        let consumed = link.socket.consumed();
        // What comes behind a last answer is not looked at.
        let looked_at = |one: &Issued| !link.closing && one.token && one.head_end <= consumed;
        let known = link.known || link.docket.front().is_some_and(looked_at);
        if exiting {
            link.excuse.get_or_insert("the end");
        }
        if !known && self.swarm.may_shed() {
            link.excuse.get_or_insert("made room for others");
        }
        if link.judge.within() && link.docket.front().is_some_and(|first| faults > first.faults) {
            link.excuse.get_or_insert("could not be read to its end");
        }
        if let Some(What::Stream { handle, .. }) = link.docket.front().map(|first| &first.what) {
            let handle = &self.clients[link.client].handles[*handle];
            if handle.state != HandleState::Open || handle.shared || may_end {
                link.excuse.get_or_insert("streamed a file that was closed");
            }
        }
        assert!(
            link.docket.is_empty() || link.closing || link.excuse.is_some(),
            "{:?} was closed and owed {} answers, the first to {:?}",
            link.id,
            link.docket.len(),
            link.docket.front()
        );
        assert!(!link.judge.within() || link.excuse.is_some(), "{:?} was closed within an answer", link.id);
        self.check_given_up(number);
        // What the daemon said it would not read, it did not do.
        if !self.links[&number].closing {
            self.retire(number);
        }
        if self.links[&number].left {
            self.links.remove(&number);
        }
    }

    /// What was asked and never answered may have been done, or may yet be.
    fn retire(&mut self, number: usize) {
        let link = &self.links[&number];
        let client = &self.clients[link.client];
        for file in link.docket.iter().filter_map(|one| one.what.changes(&client.handles)) {
            self.shadow.files[file].retired = true;
        }
        for one in &link.docket {
            if let What::Socket { errand } = one.what {
                self.io.abandon(errand);
            }
        }
    }

    fn accept(&mut self) {
        while self.listening && !self.backlog.is_empty() && self.engine.may_accept() {
            let Some(number) = self.backlog.pop_front() else { return };
            let (known, socket) = match (self.links.get_mut(&number), self.io.links.get_mut(&number)) {
                (Some(link), _) => (&mut link.id, link.socket.clone()),
                (_, Some(link)) => (&mut link.id, link.socket.clone()),
                _ => continue,
            };
            let Some(id) = self.engine.accept(PortKind::Main) else { panic!("it said that it may accept") };
            self.trace.note(self.now, || format!("{number} is accepted as {id:?}"));
            *known = Some(id);
            let source = Source { id, socket, ready: Ready::default(), connecting: None, answered: true };
            // Whoever was shed to make room is closed by an effect.
            self.carry();
            self.sources.insert(id.slot, source);
        }
        self.carry();
    }

    fn turns(&mut self) {
        for _ in 0..self.engine.state.turns.len() {
            let Some(id) = self.engine.next_turn() else { return };
            self.turn(id);
        }
    }

    /// As the reactor gives it.
    fn turn(&mut self, id: ConnId) {
        if self.sources.get(&id.slot).is_none_or(|source| source.id != id) {
            return self.io_turn(id);
        }
        let mut budget = Budget::new(self.engine.state.limits.turn_bytes_max);
        let mut wanted = false;
        while let Some(source) = self.sources.get_mut(&id.slot).filter(|source| source.id == id) {
            let before = budget;
            let (socket, mut ready) = (source.socket.clone(), source.ready);
            let seen = (socket.consumed(), socket.carried());
            let more = turn::step(&mut self.engine, id, &*socket, &mut ready, &mut budget);
            source.ready = ready;
            let moved = (socket.consumed() - seen.0, socket.carried() - seen.1);
            if moved != (0, 0) {
                self.trace.note(self.now, || format!("{id:?} reads and writes {moved:?}"));
            }
            self.carry();
            wanted = self.engine.state.turns.withdraw(id);
            if budget.is_spent() || !(more || wanted && budget != before) {
                break;
            }
        }
        if (wanted || budget.is_spent()) && self.engine.is_live(id) {
            self.engine.state.turns.want(id);
        }
    }

    /// Everything that was sent is judged.
    fn hear(&mut self) {
        let numbers: Vec<usize> = self.links.keys().copied().collect();
        for number in numbers {
            self.hear_one(number);
            if let Some(link) = self.links.get_mut(&number)
                && link.id.is_some_and(|id| self.engine.is_live(id))
            {
                link.watch_head(self.now);
            }
            self.check_answered(number);
        }
    }

    fn hear_one(&mut self, number: usize) {
        let Some(link) = self.links.get_mut(&number) else { return };
        let bytes = link.socket.take_tap();
        if bytes.is_empty() {
            return;
        }
        self.trace.note(self.now, || format!("{number} is sent {} bytes", bytes.len()));
        let before = link.judge.complete();
        let bounds = self.bounds();
        let link = self.links.get_mut(&number).expect("it was there");
        let mut court = Court {
            io: &mut self.io,
            bounds,
            shadow: &mut self.shadow,
            disk: &self.workers.disk,
            client: &mut self.clients[link.client],
            sessions_may_end: self.swarm.sessions_may_end(),
            roots_changed: self.roots_changed,
        };
        judge::hear(&mut court, link, &bytes, self.now);
        self.answers += (link.judge.complete() - before) as u64;
    }
}

/// A run that fails tells where.
impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("at step {}, {} µs: {}\n{:?}", self.steps, self.now, self.situation(), self.swarm);
        }
    }
}

fn profile(keys: &[&str]) -> Profile {
    let root = |key: &&str| RootInfo {
        key: (*key).to_owned(),
        path: format!("/sim/{key}"),
        display_name: (*key).to_owned(),
        removable: false,
        last_stat_ok: true,
        last_checked: 0,
    };
    Profile { extension_id: Some("abcdefgh".to_owned()), roots: keys.iter().map(root).collect() }
}

/// rpc-info.json with all roots that there are.
static ALL_ROOTS: LazyLock<Vec<u8>> = LazyLock::new(|| rpc_info(&["r0", "r1"]));

/// rpc-info.json with these roots.
fn rpc_info(keys: &[&str]) -> Vec<u8> {
    let roots: Vec<_> =
        keys.iter().map(|key| serde_json::json!({"key": key, "path": format!("/sim/{key}")})).collect();
    let profile =
        serde_json::json!({"install_id": "sim", "extension_id": "abcdefgh", "download_roots": roots});
    serde_json::json!({"version": 1, "profiles": [profile]}).to_string().into_bytes()
}
