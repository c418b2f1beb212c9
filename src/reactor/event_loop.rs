//! The poll thread: waits for events, feeds the engine, carries its effects, gives each connection its turn.

use super::connect;
use super::datagrams::{self, Datagrams};
use super::listeners::Listeners;
use super::moderation::Moderation;
use super::parent::ParentWatch;
use super::servers::Servers;
use super::signals::Signals;
use super::sources::{Sources, own_token};
use super::stdin::StdinWatch;
use super::stream::Stream;
use super::turn::{self, Budget, Edge};
use crate::engine::Engine;
use crate::ids::ConnId;
use crate::job::{Ask, Done, Job, Stage};
use crate::limits::POLL_EVENTS_MAX;
use crate::state::effects::Effect;
use crate::time::Time;
use crate::workers::Workers;
use crate::workers::disk::Disk;
use jstorrent_io_proto::errno::Errno;
use jstorrent_io_proto::route::PortKind;
use mio::event::Event;
use mio::{Events, Poll, Token, Waker};
use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

const WAKER: Token = own_token(0);
/// The token of the parent watch.
pub const PARENT: Token = own_token(1);
/// The token of the signals.
pub const SIGNALS: Token = own_token(2);
const MAIN_LISTENER: Token = own_token(3);
const STREAM_LISTENER: Token = own_token(4);

/// When the engine's time zero was, in milliseconds since 1970, by the clock on the wall as it is `now`: that one jumps, as
/// when a machine was asleep or is told the time at last.
pub fn epoch_ms(now: Time) -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX).saturating_sub(now.millis())
}

/// What ends the daemon from outside.
#[derive(Default)]
pub struct Watches {
    /// The parent, where one is watched.
    pub parent: Option<ParentWatch>,
    /// The system's signals.
    pub signals: Option<Signals>,
    /// End of file on stdin, with `--watch-stdin`.
    pub stdin: Option<StdinWatch>,
}

/// The loop.
pub struct Reactor<D: Disk> {
    poll: Poll,
    engine: Engine,
    workers: Workers<D>,
    sources: Sources,
    datagrams: Datagrams,
    listeners: Listeners,
    servers: Servers,
    moderation: Moderation,
    watches: Watches,
    started: Instant,
}

/// The ground on which the rest is built: the poll and its waker.
pub struct Ground {
    /// Registers sockets and watches.
    pub poll: Poll,
    /// Wakes the loop from other threads.
    pub waker: Arc<Waker>,
}

impl Ground {
    /// Makes it.
    ///
    /// # Errors
    /// The system is short of descriptors.
    pub fn new() -> io::Result<Ground> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        Ok(Ground { poll, waker })
    }
}

impl<D: Disk> Reactor<D> {
    /// Puts the parts together; `started` is the engine's time zero.
    ///
    /// # Errors
    /// The listeners can't be registered.
    pub fn new(
        ground: Ground,
        listeners: [std::net::TcpListener; 2],
        engine: Engine,
        workers: Workers<D>,
        watches: Watches,
        started: Instant,
    ) -> io::Result<Reactor<D>> {
        let listeners = Listeners::new(ground.poll.registry(), listeners, [MAIN_LISTENER, STREAM_LISTENER])?;
        Ok(Reactor {
            poll: ground.poll,
            engine,
            workers,
            sources: Sources::default(),
            datagrams: Datagrams::default(),
            listeners,
            servers: Servers::default(),
            moderation: Moderation::default(),
            watches,
            started,
        })
    }

    /// Runs until the end has come.
    ///
    /// # Errors
    /// The poll itself fails: nothing can go on.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(POLL_EVENTS_MAX);
        while !self.engine.is_over() {
            self.wait(&mut events)?;
            let now = self.now();
            self.engine.state.settings.epoch_ms = epoch_ms(now);
            self.engine.advance(now);
            if self.servers.retry_at() <= now {
                self.servers.may_try_again(&mut self.engine);
            }
            for event in &events {
                self.event(event);
            }
            self.moderation.look(now, &mut self.sources, &mut self.engine);
            self.completions();
            self.carry();
            self.accept();
            self.turns();
        }
        self.workers.shutdown();
        Ok(())
    }

    fn now(&self) -> Time {
        Time(u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let accepting = self.listeners.retry_at().min(self.servers.retry_at());
        let deadline = self.engine.next_deadline().min(self.moderation.look_at()).min(accepting);
        let timeout = if !self.engine.state.turns.is_empty() || self.listeners.may_retry(&self.engine) {
            Some(std::time::Duration::ZERO)
        } else if deadline == Time::NEVER {
            None
        } else {
            // A timeout that is rounded down would wake the loop just before the deadline, for nothing.
            Some(self.now().until(deadline) + std::time::Duration::from_millis(1))
        };
        match self.poll.poll(events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                events.clear();
                Ok(())
            }
            other => other,
        }
    }

    fn event(&mut self, event: &Event) {
        match event.token() {
            WAKER => self.look_at_watches(true),
            PARENT | SIGNALS => self.look_at_watches(false),
            MAIN_LISTENER => self.listeners.edge(PortKind::Main),
            STREAM_LISTENER => self.listeners.edge(PortKind::Stream),
            token => self.source_event(token, event),
        }
    }

    fn source_event(&mut self, token: Token, event: &Event) {
        if let Some(id) = self.datagrams.event(event).or_else(|| self.servers.edge(token)) {
            return self.engine.state.turns.want(id);
        }
        let Some((id, source)) = self.sources.find(token) else { return };
        if source.connecting
            && let Some(outcome) = connect::outcome(&source.stream.0)
        {
            source.connecting = false;
            self.engine.connected(id, outcome);
        }
        let Some((id, source)) = self.sources.find(token) else { return };
        let edge = Edge {
            readable: event.is_readable(),
            writable: event.is_writable(),
            read_closed: event.is_read_closed(),
            write_closed: event.is_write_closed(),
            error: event.is_error(),
        };
        let known = source.ready;
        source.ready.tell(edge);
        if known.held && source.ready == known && !edge.is_hang_up() && !self.engine.minds_arrivals(id) {
            // It will be read when there is a place. Until then, more bytes are no news.
            return source.listen(self.poll.registry(), false);
        }
        if edge.is_hang_up() {
            self.engine.hung_up(id);
        }
        self.engine.state.turns.want(id);
    }

    /// After an event of theirs, or a wake, which mostly means no more than that a job has come home.
    fn look_at_watches(&mut self, woken: bool) {
        let watches = &mut self.watches;
        let parent = watches.parent.as_mut().filter(|parent| !woken || parent.shows_as_wake());
        let parent = parent.is_some_and(ParentWatch::is_dead).then_some("the parent has died");
        let signals = watches.signals.as_mut().filter(|_| !woken || Signals::SHOW_AS_WAKE);
        let signal = signals.and_then(Signals::asked_to_end);
        let stdin = watches.stdin.as_ref().is_some_and(StdinWatch::is_at_end).then_some("stdin has ended");
        if let Some(reason) = parent.or(signal).or(stdin) {
            log::info!("ending: {reason}");
            self.engine.begin_exit();
        }
    }

    fn completions(&mut self) {
        for job in self.workers.take_completions() {
            home(&mut self.engine, &mut self.sources, *job);
        }
    }

    /// Carries effects out until none is left.
    fn carry(&mut self) {
        while let Some(effect) = self.engine.next_effect() {
            match effect {
                Effect::Submit(job) => self.submit(job),
                Effect::Close { id, abort } => {
                    self.sources.close(self.poll.registry(), id, abort);
                    self.datagrams.close(self.poll.registry(), id);
                    self.servers.close(self.poll.registry(), id);
                    self.listeners.may_try_again();
                    self.servers.may_try_again(&mut self.engine);
                }
                Effect::Connect { id, to, from, no_delay } => self.connect(id, to, from, no_delay),
                Effect::BindUdp { .. } | Effect::Membership { .. } => {
                    let shed = || self.workers.shed(1);
                    let registry = self.poll.registry();
                    datagrams::carry(&mut self.datagrams, registry, &mut self.engine, &effect, shed);
                }
                Effect::Listen { id, at, both_families } => {
                    let bound = self.servers.listen(self.poll.registry(), id, at, both_families);
                    self.engine.listening(id, bound);
                }
                Effect::ShutdownWrite(id) => {
                    if let Some(source) = self.sources.get_mut(id) {
                        // Failure means that the peer has gone: the read will tell.
                        let _ = source.stream.0.shutdown(Shutdown::Write);
                    }
                }
                Effect::MeasureWorkers => self.engine.workers_measured(self.workers.measure()),
                Effect::SendBuffer { id, bytes } => self.send_buffer(id, bytes),
                Effect::StopListening => self.listeners.close(self.poll.registry()),
            }
        }
    }

    fn connect(&mut self, id: ConnId, to: SocketAddr, from: Option<IpAddr>, no_delay: bool) {
        let shed = || self.workers.shed(1);
        let begun =
            connect::begin(&self.engine.state.settings, to, from, no_delay, shed).and_then(|stream| {
                let added = self.sources.add_connecting(self.poll.registry(), id, Stream(stream));
                added.map_err(|error| Errno::from_io(&error))
            });
        if let Err(errno) = begun {
            self.engine.connected(id, Err(errno));
        }
    }

    fn send_buffer(&mut self, id: ConnId, bytes: usize) {
        let Some(source) = self.sources.get_mut(id) else { return };
        let socket = socket2::SockRef::from(&source.stream.0);
        if let Err(error) = socket.set_send_buffer_size(bytes) {
            log::debug!("send buffer: {error}");
        }
    }

    fn submit(&mut self, mut job: Box<Job>) {
        if let Stage::Ask(Ask::Transfer { outlet, .. }) = &mut job.stage
            && let Some(source) = self.sources.get_mut(job.owner)
        {
            *outlet = Some(source.stream.clone());
        }
        if self.workers.try_now(&mut job) {
            home(&mut self.engine, &mut self.sources, *job);
        } else {
            self.workers.submit(job);
        }
    }

    fn accept(&mut self) {
        let (engine, sources, workers) = (&mut self.engine, &mut self.sources, &self.workers);
        self.listeners.accept(self.poll.registry(), engine, sources, |n| workers.shed(n));
        self.carry();
    }

    fn accept_peers(&mut self, server: ConnId) {
        let (engine, sources, workers) = (&mut self.engine, &mut self.sources, &self.workers);
        self.servers.accept(self.poll.registry(), engine, sources, server, || workers.shed(1));
        self.carry();
    }

    /// Everyone who stands in line now has one turn.
    fn turns(&mut self) {
        for _ in 0..self.engine.state.turns.len() {
            let Some(id) = self.engine.next_turn() else { return };
            self.turn(id);
        }
        // A turn in which the socket takes and gives nothing is not worth a poll: the next edge brings it anew.
        while let Some(id) = self.engine.state.turns.first()
            && self.sources.get_mut(id).is_some_and(|source| source.ready.is_blocked())
        {
            self.engine.next_turn();
        }
    }

    fn turn(&mut self, id: ConnId) {
        if self.sources.get_mut(id).is_none() {
            self.datagrams.turn(&mut self.engine, id);
            return self.accept_peers(id);
        }
        let mut budget = Budget::new(self.engine.state.limits.turn_bytes_max);
        let mut wanted = false;
        while let Some(source) = self.sources.get_mut(id) {
            let before = budget;
            let more = turn::step(&mut self.engine, id, &*source.stream, &mut source.ready, &mut budget);
            self.carry();
            // What it wanted on the way is had here and now: in line it would cost a poll that finds nothing.
            wanted = self.engine.state.turns.withdraw(id);
            if budget.is_spent() || !(more || wanted && budget != before) {
                break;
            }
        }
        self.moderation.turned(self.poll.registry(), &mut self.sources, &self.engine, id, &budget);
        if (wanted || budget.is_spent()) && self.engine.is_live(id) {
            self.engine.state.turns.want(id);
        }
    }
}

/// A job comes home. Where a worker sent into a socket and did not fill it, it can still be written.
fn home(engine: &mut Engine, sources: &mut Sources, job: Job) {
    if let (Stage::Done(Done::Transfer(Ok(moved))), Some(source)) = (&job.stage, sources.get_mut(job.owner)) {
        source.ready.sent_by_worker(moved.blocked);
    }
    engine.completed(job);
}
