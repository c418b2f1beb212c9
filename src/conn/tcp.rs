//! A TCP socket of an `/io` connection: connecting, open, closing. Its peer's bytes are read straight into what goes to
//! the client, and what the client sent is shown to the kernel from where the channel put it (`state::sockets`). It
//! sees to it that exactly one TCP_CLOSE ends it, as the last message with its id, and knows no frame and no opcode's
//! bytes.

mod leave;
mod read;
mod tls;

use crate::conn::End;
use crate::conn::outgoing::{Outgoing, Slices};
use crate::ids::ConnId;
use crate::limits::{GRANT_DELAY_MS, STALL_LOOK_MS};
use crate::service::io;
use crate::state::State;
use crate::state::births::{Connect, Opened, Opening};
use crate::state::effects::Effect;
use crate::state::notes::Note;
use crate::time::Time;
use jstorrent_io_proto::errno::Errno;
use jstorrent_io_proto::limits::{CLOSE_LINGER_MS, PEER_STALL_MS_MAX, PEER_STALL_MS_MAX_FULL};
use jstorrent_io_proto::message::ServerMessage;
use read::Reading;
use std::net::SocketAddr;
use tls::Tls;

/// A socket.
#[derive(Debug)]
pub struct Tcp {
    id: ConnId,
    channel: ConnId,
    wire: u32,
    phase: Phase,
    tls: Tls,
    /// One of the places for secured sockets is its own.
    has_place: bool,
    reading: Reading,
    /// It waits for room in its channel.
    in_line: bool,
    /// Bytes of the last read: the next one is expected to bring as many.
    expected: usize,
    /// The peer has ended its side.
    peer_ended: bool,
    /// When the peer last took bytes, or bytes began to wait for it.
    progress_at: Time,
    deadline: Time,
    end: Option<End>,
}

#[derive(Debug)]
enum Phase {
    /// Not connected yet.
    Connecting(Box<Connecting>),
    /// Connected to one of several addresses; whether this is the one is yet to be said.
    Candidate,
    /// Connected. Once the peer takes nothing any more, it is only read from, and the error is told at the end.
    Open { broken: Option<Errno> },
    /// The client has closed it; what it sent before is still delivered, until then.
    Closing { until: Time },
    /// The client has been told of the end; the socket itself takes its leave of the peer, until then.
    Parting { until: Time },
}

#[derive(Debug)]
struct Connecting {
    plan: Connect,
    until: Time,
    /// It has a place among those under way; else it waits for one.
    under_way: bool,
}

impl Tcp {
    /// A socket that is to connect; its [`Socket`](crate::state::sockets::Socket) is there.
    pub fn connect(id: ConnId, plan: Connect, state: &mut State) -> Tcp {
        let until = state.now.plus_ms(plan.wait_ms);
        let phase = Phase::Connecting(Box::new(Connecting { plan, until, under_way: false }));
        state.metrics.pending_connects += 1;
        let mut tcp = Tcp::new(id, phase, state);
        tcp.start(state);
        tcp
    }

    /// A socket that a peer of a listener opened; its [`Socket`](crate::state::sockets::Socket) is there.
    pub fn accepted(id: ConnId, state: &mut State) -> Tcp {
        state.metrics.tcp_sockets += 1;
        state.turns.want(id);
        Tcp::new(id, Phase::Open { broken: None }, state)
    }

    fn new(id: ConnId, phase: Phase, state: &State) -> Tcp {
        let (channel, wire) =
            state.sockets.get(id).map_or((ConnId::NOBODY, 0), |socket| (socket.channel, socket.wire));
        let mut tcp = Tcp {
            id,
            channel,
            wire,
            phase,
            tls: Tls::None,
            has_place: false,
            reading: Reading::Dropped,
            in_line: false,
            expected: 0,
            peer_ended: false,
            progress_at: state.now,
            deadline: Time::NEVER,
            end: None,
        };
        tcp.set_deadline(state);
        tcp
    }

    /// Begins to connect, if it is its turn.
    fn start(&mut self, state: &mut State) {
        let Phase::Connecting(connecting) = &mut self.phase else { return };
        if connecting.under_way || !state.connects.take(self.id) {
            return;
        }
        connecting.under_way = true;
        let Connect { to, from, no_delay, .. } = connecting.plan;
        state.effects.push_back(Effect::Connect { id: self.id, to, from, no_delay });
    }

    /// The system's word on the connect: our own address, or why not.
    pub fn connected(&mut self, state: &mut State, outcome: Result<SocketAddr, Errno>) {
        let Phase::Connecting(connecting) = &self.phase else { return };
        let Connect { to: remote, report, .. } = connecting.plan;
        let local = match outcome {
            Ok(local) => local,
            Err(errno) => return self.fail_connect(state, errno),
        };
        self.leave_connecting(state);
        self.phase = Phase::Candidate;
        let outcome = Ok(Opened { local, remote: Some(remote) });
        if state.sockets.get(self.id).is_some() {
            self.begin(state);
        }
        io::report(state, report, self.channel, self.wire, Opening { conn: self.id, outcome });
        self.after(state);
    }

    /// The socket is this connection's: bytes may go both ways.
    fn begin(&mut self, state: &mut State) {
        let Some(socket) = state.sockets.get(self.id) else { return };
        (self.channel, self.wire) = (socket.channel, socket.wire);
        self.phase = Phase::Open { broken: None };
        self.progress_at = state.now;
        state.metrics.tcp_sockets += 1;
    }

    fn leave_connecting(&mut self, state: &mut State) {
        let Phase::Connecting(connecting) = &self.phase else { return };
        state.metrics.pending_connects -= 1;
        if connecting.under_way {
            state.connects.give();
        } else {
            state.connects.forget(self.id);
        }
    }

    fn fail_connect(&mut self, state: &mut State, errno: Errno) {
        let Phase::Connecting(connecting) = &self.phase else { return };
        let report = connecting.plan.report;
        self.leave_connecting(state);
        self.free_id(state);
        self.answer_secure(state);
        io::report(state, report, self.channel, self.wire, Opening { conn: self.id, outcome: Err(errno) });
        self.phase = Phase::Parting { until: state.now };
        self.finish(true);
    }

    /// When [`expired`](Tcp::expired) is due.
    pub fn deadline(&self) -> Time {
        self.deadline
    }

    /// Whether, and how, it has ended.
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// A limit of time may be broken.
    pub fn expired(&mut self, state: &mut State) {
        match &self.phase {
            // What waits for it must not hold up the others for as long as its connect may take.
            Phase::Connecting(connecting) if connecting.until <= state.now || self.is_stalled(state) => {
                self.fail_connect(state, Errno::ETIMEDOUT);
            }
            Phase::Closing { until } if *until <= state.now => self.close(state, Errno::ETIMEDOUT),
            Phase::Open { .. } | Phase::Closing { .. } if self.is_stalled(state) => {
                self.close(state, Errno::ETIMEDOUT);
            }
            Phase::Open { .. } if self.handshake_deadline() <= state.now => {
                self.close(state, Errno::ECONNABORTED)
            }
            Phase::Open { .. } if self.grant_at(state) <= state.now => {
                let rest = state.sockets.get_mut(self.id).and_then(|socket| socket.grant_rest());
                self.tell_grant(state, rest);
                self.set_deadline(state);
            }
            Phase::Parting { until } if *until <= state.now => self.finish(!self.is_flushed(state)),
            _ => self.set_deadline(state),
        }
    }

    /// PROTOCOL §6.3: its peer took none of the waiting bytes for so long that it must not hold up the others.
    fn is_stalled(&self, state: &State) -> bool {
        let full = state.peers_are_full(self.channel);
        let patience_ms = if full { PEER_STALL_MS_MAX_FULL } else { PEER_STALL_MS_MAX };
        !self.is_flushed(state) && self.progress_at.plus_ms(patience_ms) <= state.now
    }

    fn is_flushed(&self, state: &State) -> bool {
        self.records().is_empty() && state.sockets.get(self.id).is_none_or(|socket| socket.is_flushed())
    }

    fn set_deadline(&mut self, state: &State) {
        // The limit may be reached at any time: from 5 s on, a socket that waits is looked at every second.
        let first = self.progress_at.plus_ms(PEER_STALL_MS_MAX_FULL);
        let stall = if self.is_flushed(state) {
            Time::NEVER
        } else if first > state.now {
            first
        } else {
            state.now.plus_ms(STALL_LOOK_MS)
        };
        self.deadline = match &self.phase {
            Phase::Connecting(connecting) => stall.min(connecting.until),
            Phase::Candidate => Time::NEVER,
            Phase::Open { .. } => stall.min(self.handshake_deadline()).min(self.grant_at(state)),
            Phase::Closing { until } => stall.min(*until),
            Phase::Parting { until } => *until,
        };
    }

    /// When the client is granted what is left to grant, though it is little.
    fn grant_at(&self, state: &State) -> Time {
        let owes = state.sockets.get(self.id).is_some_and(|socket| socket.owes_grant());
        if owes && self.is_flushed(state) { self.progress_at.plus_ms(GRANT_DELAY_MS) } else { Time::NEVER }
    }

    fn tell_grant(&self, state: &mut State, grant: Option<u32>) {
        if let (Some(bytes), Phase::Open { .. }) = (grant, &self.phase) {
            state.tell(self.channel, 0, &ServerMessage::TcpCredit { socket_id: self.wire, bytes });
        }
    }

    /// The peer has ended its side: all its bytes have come before.
    pub fn ended(&mut self, state: &mut State) {
        self.peer_ended = true;
        match &self.phase {
            Phase::Connecting(_) => self.fail_connect(state, Errno::ECONNRESET),
            Phase::Open { broken: Some(errno) } => self.close(state, *errno),
            // A handshake that can't come to its end any more has failed.
            Phase::Open { .. } | Phase::Closing { .. } if self.owes_outcome() => {
                self.close(state, Errno::ECONNABORTED);
            }
            Phase::Open { broken: None } => {
                self.tell_close(state, Errno::NONE);
                self.part(state, CLOSE_LINGER_MS);
            }
            Phase::Candidate | Phase::Closing { .. } => {}
            Phase::Parting { .. } => self.part(state, CLOSE_LINGER_MS),
        }
    }

    /// Writing failed: the peer takes nothing any more. What it sent before is read all the same.
    pub fn send_failed(&mut self, state: &mut State, errno: Errno) {
        match &mut self.phase {
            Phase::Open { broken } => {
                broken.get_or_insert(errno);
                state.sockets.break_off(self.id);
                self.after(state);
            }
            _ => self.failed(state, errno),
        }
    }

    /// The socket failed.
    pub fn failed(&mut self, state: &mut State, errno: Errno) {
        match self.phase {
            Phase::Connecting(_) => self.fail_connect(state, errno),
            _ => self.close(state, errno),
        }
    }

    /// What is to be written next.
    pub fn outgoing<'a>(&'a self, state: &'a State) -> Outgoing<'a> {
        let connected = !matches!(self.phase, Phase::Connecting(_));
        let Some(socket) = state.sockets.get(self.id).filter(|_| connected) else { return Outgoing::Nothing };
        let mut slices = Slices::new();
        if self.is_secured() {
            slices.push(self.records());
            return if slices.is_empty() { Outgoing::Nothing } else { Outgoing::Bytes(slices) };
        }
        for part in socket.parts() {
            if !slices.push(part) {
                break;
            }
        }
        if slices.is_empty() { Outgoing::Nothing } else { Outgoing::Bytes(slices) }
    }

    /// The kernel took `n` bytes.
    pub fn sent(&mut self, state: &mut State, n: usize) {
        state.metrics.bytes_sent += n as u64;
        self.progress_at = state.now;
        if self.is_secured() {
            self.sent_records(state, n);
        } else {
            let grant = state.sockets.sent(self.id, n);
            self.tell_grant(state, grant);
        }
        if self.is_flushed(state) {
            self.flushed(state);
        }
        self.set_deadline(state);
    }

    /// Nothing waits for the peer any more.
    fn flushed(&mut self, state: &mut State) {
        match self.phase {
            Phase::Closing { .. } => {
                self.tell_close(state, Errno::NONE);
                self.part(state, CLOSE_LINGER_MS);
            }
            Phase::Parting { .. } => self.part(state, CLOSE_LINGER_MS),
            Phase::Open { .. } | Phase::Connecting(_) | Phase::Candidate => {}
        }
    }

    /// A note came.
    pub fn noted(&mut self, state: &mut State, note: Note) {
        match note {
            Note::Look | Note::MemoryFree => {
                self.start(state);
                self.look_secured(state);
            }
            Note::Won => {
                self.begin(state);
                self.secure(state);
            }
            Note::ReadOn => {
                self.in_line = false;
                self.deliver(state);
            }
            Note::Queued => {
                self.progress_at = state.now;
                self.encrypt(state);
            }
            Note::Secure => self.secure(state),
            Note::Close => self.close_by_client(state),
            Note::Overrun => self.failed(state, Errno::ENOBUFS),
            Note::Cut => {
                self.leave_connecting(state);
                self.forget_open(state);
                self.phase = Phase::Parting { until: state.now };
                self.finish(!self.is_flushed(state));
            }
            // For the channel, or of no moment here.
            Note::Exit | Note::RootsChanged | Note::RangeRequest(_) | Note::RangeCancel(_) => {}
        }
        self.after(state);
    }

    fn close_by_client(&mut self, state: &mut State) {
        match self.phase {
            Phase::Connecting(_) => self.fail_connect(state, Errno::ECANCELED),
            Phase::Open { broken: Some(errno) } => self.close(state, errno),
            Phase::Open { broken: None } => {
                self.leave_line(state);
                self.phase = Phase::Closing { until: state.now.plus_ms(CLOSE_LINGER_MS) };
                if self.is_flushed(state) {
                    self.flushed(state);
                }
            }
            Phase::Candidate | Phase::Closing { .. } | Phase::Parting { .. } => {}
        }
    }

    /// Ends it at once, with the reason: what still waits for the peer is lost, and the peer learns of it by a reset.
    fn close(&mut self, state: &mut State, errno: Errno) {
        self.tell_close(state, errno);
        self.phase = Phase::Parting { until: state.now };
        self.finish(true);
    }

    /// The one TCP_CLOSE of this socket; the id is free.
    fn tell_close(&mut self, state: &mut State, errno: Errno) {
        if !self.forget_open(state) {
            return;
        }
        self.leave_line(state);
        self.free_id(state);
        self.answer_secure(state);
        let message = ServerMessage::TcpClose { socket_id: self.wire, had_error: errno.is_error(), errno };
        state.tell(self.channel, 0, &message);
    }

    /// It counts as connected no more. Returns whether it did.
    fn forget_open(&mut self, state: &mut State) -> bool {
        let open = matches!(self.phase, Phase::Open { .. } | Phase::Closing { .. });
        state.metrics.tcp_sockets -= u64::from(open);
        open
    }

    fn after(&mut self, state: &mut State) {
        if self.end.is_none() {
            self.set_deadline(state);
            state.turns.want(self.id);
        }
    }

    fn finish(&mut self, abort: bool) {
        self.end.get_or_insert(End { abort });
    }

    /// Gives back all that it holds.
    pub fn release(&mut self, state: &mut State) {
        self.leave_line(state);
        self.give_secured(state);
        state.sockets.close(self.id);
    }
}
