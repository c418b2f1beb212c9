//! The engine owns every connection and all state; it passes events on, settles notes until none is left, and sees to
//! the orderly exit. It does no I/O and reads no clock: the reactor, or the simulation, feeds it and carries its
//! effects.

mod dispatch;
mod exit;
mod slots;
#[cfg(test)]
mod tests;

pub use dispatch::Conn;

use crate::conn::http::Http;
use crate::conn::outgoing::Outgoing;
use crate::conn::udp::Udp;
use crate::ids::ConnId;
use crate::job::{Done, Job, Stage};
use crate::limits::{CONNECTION_BYTES, Limits};
use crate::service::{common, config, io, names, salvage, session};
use crate::state::effects::Effect;
use crate::state::random::Random;
use crate::state::workload::Workload;
use crate::state::{Settings, State};
use crate::time::Time;
use jstorrent_io_proto::errno::Errno;
use jstorrent_io_proto::route::PortKind;
use jstorrent_io_proto::rpc_info::Profile;
use slots::Slots;
use std::net::SocketAddr;

/// The whole daemon, less its system calls.
#[derive(Debug)]
pub struct Engine {
    slots: Slots,
    /// What connections share; public for the reactor's few questions and for tests.
    pub state: State,
    scratch: Box<[u8]>,
    exit: exit::Exit,
}

impl Engine {
    /// An engine with no connection.
    pub fn new(limits: Limits, settings: Settings, random: Random) -> Engine {
        let scratch = vec![0; limits.scratch_bytes()].into_boxed_slice();
        Engine {
            slots: Slots::default(),
            state: State::new(limits, settings, random),
            scratch,
            exit: exit::Exit::default(),
        }
    }

    /// Puts the content of rpc-info.json, or the reason why there is none, into force, as a refresh does.
    pub fn configure(&mut self, content: Result<Vec<u8>, String>) {
        // What is wrong has been logged; the daemon starts without roots, and a refresh mends it.
        let _ = config::apply(&mut self.state, content);
    }

    /// Puts roots into force that come from no file.
    pub fn set_profile(&mut self, profile: Profile) {
        config::replace(&mut self.state, profile);
    }

    /// Time goes on: reminders that are due are delivered.
    pub fn advance(&mut self, now: Time) {
        self.state.now = now;
        while let Some(id) = self.state.timers.take_due(now) {
            self.slots.reminder_came(id);
            self.with(id, |conn, state, _| {
                if conn.deadline() <= state.now {
                    conn.expired(state);
                }
            });
        }
        session::expire(&mut self.state);
        self.state.trim();
        names::hand_out(&mut self.state);
        self.settle();
        if self.exit.advance(&self.slots, &mut self.state) {
            self.settle();
        }
    }

    /// When [`advance`](Engine::advance) must be called at the latest.
    pub fn next_deadline(&self) -> Time {
        let state = &self.state;
        let timers = state.timers.next().min(state.sessions.timers.next()).min(state.next_trim());
        let timers = timers.min(state.lookups.next_due());
        timers.min(self.exit.next_deadline(state))
    }

    /// Whether a connection may be accepted; it stays in the kernel's queue otherwise.
    pub fn may_accept(&self) -> bool {
        !self.state.exiting && (self.has_place() || self.slots.oldest_unauthenticated().is_some())
    }

    /// Whether there is a place for another client's connection, and memory.
    fn has_place(&self) -> bool {
        self.slots.http_len() < self.state.limits.connections_max && self.state.entries_fit(CONNECTION_BYTES)
    }

    /// A client's connection was accepted on one of our ports. Where there are too many, the oldest that never
    /// authenticated makes room; `None` where nobody can, or the end has begun.
    pub fn accept(&mut self, port: PortKind) -> Option<ConnId> {
        if !self.may_accept() {
            return None;
        }
        if !self.has_place() {
            self.shed();
        }
        let id = self.state.identities.reserve();
        let http = Http::new(id, port, &mut self.state);
        self.slots.fill(id, Conn::Http(http));
        self.state.metrics.http_connections += 1;
        self.after(id);
        Some(id)
    }

    /// Descriptors run short: closes the oldest connection that never authenticated. Returns whether there was one.
    pub fn shed(&mut self) -> bool {
        let Some(id) = self.slots.oldest_unauthenticated() else { return false };
        self.close(id, true);
        true
    }

    /// A place for incoming bytes, or `None` while this connection does not read.
    pub fn place(&mut self, id: ConnId) -> Option<&mut [u8]> {
        let conn = self.slots.get_mut(id)?;
        conn.place(&mut self.state, &mut self.scratch)
    }

    /// Whether this connection, which does not read at present, is to be told of the peer's end where nothing lies
    /// before it.
    pub fn awaits_end(&self, id: ConnId) -> bool {
        self.slots.get(id).is_some_and(|conn| conn.awaits_end(&self.state))
    }

    /// Whether this connection, which does not read at present, is to be told all the same of what comes: its other side
    /// may hang up.
    pub fn minds_arrivals(&self, id: ConnId) -> bool {
        self.slots.get(id).is_some_and(|conn| conn.minds_arrivals(&self.state))
    }

    /// Whether this is an `/io` connection or a TCP socket of one: what comes there need not be a request that is waited
    /// for.
    pub fn is_stream(&self, id: ConnId) -> bool {
        matches!(self.slots.get(id), Some(Conn::Tcp(_) | Conn::WebSocket(_)))
    }

    /// The kernel put `n` bytes (at least one) into the place it was last given.
    pub fn received(&mut self, id: ConnId, n: usize) {
        self.with(id, |conn, state, scratch| conn.received(state, scratch, n));
        self.settle();
    }

    /// The kernel has nothing more at present: what was gathered may go on its way.
    pub fn drained(&mut self, id: ConnId) {
        self.with(id, |conn, state, _| conn.drained(state));
        self.settle();
    }

    /// The peer has ended its side.
    pub fn ended(&mut self, id: ConnId) {
        self.with(id, |conn, state, _| conn.ended(state));
        self.settle();
    }

    /// The peer's end was noticed, though there may be bytes before it that were not read.
    pub fn hung_up(&mut self, id: ConnId) {
        self.with(id, |conn, state, _| conn.hung_up(state));
        self.settle();
    }

    /// The socket of a connection that does not read at present failed, which no read will tell it.
    pub fn reset(&mut self, id: ConnId) {
        self.with(id, |conn, _, _| conn.reset());
        self.settle();
    }

    /// The socket failed, with a Linux error number.
    pub fn failed(&mut self, id: ConnId, errno: Errno) {
        self.with(id, |conn, state, _| conn.failed(state, errno));
        self.settle();
    }

    /// Writing to the socket failed, with a Linux error number. What the other side sent before may yet be read.
    pub fn send_failed(&mut self, id: ConnId, errno: Errno) {
        self.with(id, |conn, state, _| conn.send_failed(state, errno));
        self.settle();
    }

    /// What became of [`Effect::Connect`]: our own address, or why not.
    pub fn connected(&mut self, id: ConnId, outcome: Result<SocketAddr, Errno>) {
        self.with(id, |conn, state, _| conn.connected(state, outcome));
        self.settle();
    }

    /// What became of [`Effect::BindUdp`]: the port, or a Linux error number.
    pub fn datagram_bound(&mut self, id: ConnId, outcome: Result<u16, Errno>) {
        self.with_udp(id, |udp, state, _| udp.bound(state, outcome));
    }

    /// [`Effect::Membership`] failed.
    pub fn membership_failed(&mut self, id: ConnId, request_id: u32, errno: Errno) {
        self.with_udp(id, |udp, state, _| udp.group_failed(state, request_id, errno));
    }

    /// A datagram of `n` bytes is in the place that was last given out.
    pub fn datagram_received(&mut self, id: ConnId, n: usize, from: SocketAddr) {
        self.with_udp(id, |udp, state, scratch| udp.received(state, from, &scratch[..n]));
    }

    /// The datagram to be sent next, and where to.
    pub fn outgoing_datagram(&mut self, id: ConnId) -> Option<(SocketAddr, &[u8])> {
        self.slots.get_mut(id)?.as_udp()?.outgoing(&self.state)
    }

    /// The datagram that [`outgoing_datagram`](Engine::outgoing_datagram) showed was sent, or never will be.
    pub fn datagram_sent(&mut self, id: ConnId, outcome: Result<usize, Errno>) {
        self.with_udp(id, |udp, state, _| udp.sent(state, outcome));
    }

    fn with_udp(&mut self, id: ConnId, act: impl FnOnce(&mut Udp, &mut State, &mut [u8])) {
        self.with(id, |conn, state, scratch| {
            if let Some(udp) = conn.as_udp() {
                act(udp, state, scratch);
            }
        });
        self.settle();
    }

    /// What became of [`Effect::Listen`]: the port, or why not.
    pub fn listening(&mut self, id: ConnId, outcome: Result<u16, Errno>) {
        self.with(id, |conn, state, _| conn.listening(state, outcome));
        self.settle();
    }

    /// Whether a peer of a listening socket may be accepted. Where not, the socket wants a turn once it is different.
    pub fn may_accept_peer(&mut self, server: ConnId) -> bool {
        let may = !self.state.exiting && io::may_accept(&self.state, server);
        if !may && self.is_live(server) && !self.state.waiting_servers.contains(&server) {
            self.state.waiting_servers.push(server);
        }
        may
    }

    /// A peer of a listening socket was accepted; `None` where the socket has gone.
    pub fn accept_peer(&mut self, server: ConnId, remote: SocketAddr) -> Option<ConnId> {
        let id = io::accept(&mut self.state, server, remote)?;
        self.settle();
        Some(id)
    }

    /// What is to be written next.
    pub fn outgoing(&mut self, id: ConnId) -> Outgoing<'_> {
        self.state.channels.flush(id);
        self.slots.get(id).map_or(Outgoing::Nothing, |conn| conn.outgoing(&self.state))
    }

    /// The kernel took `n` bytes of what [`outgoing`](Engine::outgoing) showed.
    pub fn sent(&mut self, id: ConnId, n: usize) {
        self.with(id, |conn, state, _| conn.sent(state, n));
        self.settle();
    }

    /// The socket can be written, and [`outgoing`](Engine::outgoing) asked for a transfer: sends the job out.
    pub fn start_transfer(&mut self, id: ConnId) {
        self.with(id, |conn, state, _| conn.start_transfer(state));
    }

    /// A job has come home.
    pub fn completed(&mut self, job: Job) {
        self.state.jobs_out -= 1;
        let Job { id, owner, lane, uses, stage } = job;
        self.state.hash_lanes.came_home(lane);
        let done = match stage {
            Stage::Done(Done::Resolve(outcome)) => {
                names::resolved(&mut self.state, id, outcome);
                return self.settle();
            }
            Stage::Done(done) => done,
            Stage::Ask(_) | Stage::Taken => return,
        };
        if let Some(file) = uses {
            crate::service::files::unuse(&mut self.state, file);
        }
        if let Some(done) = common::completed(&mut self.state, lane, done) {
            match self.slots.get_mut(owner) {
                Some(conn) => {
                    conn.completed(&mut self.state, id, done);
                    self.after(owner);
                }
                None => self.bury(owner, done),
            }
        }
        self.settle();
    }

    /// The world has looked at the workers, as [`Effect::MeasureWorkers`] asked.
    pub fn workers_measured(&mut self, workload: Workload) {
        self.state.workloads.measured(workload, &mut self.state.notes);
        self.settle();
    }

    /// The end is to begin: a signal, or the parent died.
    pub fn begin_exit(&mut self) {
        self.exit.begin(&self.slots, &mut self.state);
        self.settle();
    }

    /// Whether the end has come.
    pub fn is_over(&self) -> bool {
        self.exit.is_over(&self.slots)
    }

    /// The next connection that wants a turn with its socket.
    pub fn next_turn(&mut self) -> Option<ConnId> {
        self.state.turns.take()
    }

    /// What the world is to do next.
    pub fn next_effect(&mut self) -> Option<Effect> {
        self.state.effects.pop_front()
    }

    /// Whether a connection is there.
    pub fn is_live(&self, id: ConnId) -> bool {
        self.slots.get(id).is_some()
    }

    /// Connections of all kinds.
    pub fn connections(&self) -> usize {
        self.slots.len()
    }

    fn bury(&mut self, owner: ConnId, done: Done) {
        if owner != ConnId::NOBODY {
            self.state.metrics.stale += 1;
        }
        salvage::salvage(&mut self.state, done);
    }

    fn with(&mut self, id: ConnId, act: impl FnOnce(&mut Conn, &mut State, &mut [u8])) {
        match self.slots.get_mut(id) {
            Some(conn) => {
                act(conn, &mut self.state, &mut self.scratch);
                self.after(id);
            }
            None => self.state.metrics.stale += 1,
        }
    }

    /// Bookkeeping after a connection was touched: has it ended, when does it want to be reminded?
    fn after(&mut self, id: ConnId) {
        self.upgrade(id);
        let Some(conn) = self.slots.get_mut(id) else { return };
        if let Some(end) = conn.end() {
            self.close(id, end.abort);
            return;
        }
        let deadline = conn.deadline();
        if self.slots.needs_reminder(id, deadline) {
            self.state.timers.remind(id, deadline);
        }
    }

    /// An HTTP connection whose `/io` request was granted goes on as a WebSocket, in the same slot, with what came
    /// behind the request.
    fn upgrade(&mut self, id: ConnId) {
        let Some(conn) = self.slots.get_mut(id) else { return };
        let Some((websocket, input)) = conn.upgraded(id, &mut self.state) else { return };
        self.slots.replace(id, websocket);
        for piece in input.chunks(self.scratch.len()) {
            self.scratch[..piece.len()].copy_from_slice(piece);
            if let Some(conn) = self.slots.get_mut(id) {
                conn.received(&mut self.state, &mut self.scratch, piece.len());
            }
        }
    }

    fn close(&mut self, id: ConnId, abort: bool) {
        let Some(mut conn) = self.slots.remove(id) else { return };
        conn.release(&mut self.state);
        self.state.turns.forget(id);
        self.state.buffers.forget(id);
        self.state.identities.free(id);
        self.state.effects.push_back(Effect::Close { id, abort });
    }

    /// Delivers notes until none is left; then, once, tells those who wait for memory that there is some.
    fn settle(&mut self) {
        self.deliver();
        self.state.wake();
        self.state.wake_servers(io::may_accept);
        self.deliver();
        while self.state.input_bytes > self.state.limits.input_bytes_max && self.shed() {}
    }

    /// What ends goes before what begins, so that a port that was given up can be had at once.
    fn deliver(&mut self) {
        loop {
            let addressee = self.state.notes.addressee();
            if addressee.is_none_or(|to| !self.is_live(to))
                && let Some((id, birth)) = self.state.births.take()
            {
                let conn = Conn::born(id, birth, &mut self.state);
                self.slots.fill(id, conn);
                self.after(id);
            } else if let Some((to, note)) = self.state.notes.take() {
                self.with(to, |conn, state, _| conn.noted(state, note));
            } else {
                return;
            }
        }
    }
}
