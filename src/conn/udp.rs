//! A UDP socket of an `/io` connection. Datagrams come in through the loop's scratch, one UDP_RECV each, while the
//! channel has room; else the kernel keeps them, and then drops them, as UDP may. It sees to it that exactly one
//! UDP_CLOSE ends it, as the last message with its id.

use crate::conn::End;
use crate::ids::ConnId;
use crate::limits::UDP_CLOSE_WAIT_MS;
use crate::service::io;
use crate::state::State;
use crate::state::births::{Bind, Opened, Opening};
use crate::state::effects::Effect;
use crate::state::notes::Note;
use crate::time::Time;
use jstorrent_io_proto::errno::Errno;
use jstorrent_io_proto::message::ServerMessage;
use std::net::SocketAddr;

/// A socket.
#[derive(Debug)]
pub struct Udp {
    id: ConnId,
    channel: ConnId,
    wire: u32,
    phase: Phase,
    /// It waits for room in its channel.
    in_line: bool,
    end: Option<End>,
}

#[derive(Debug)]
enum Phase {
    /// The system has not said whether it has the port.
    Binding(Bind),
    /// Bound.
    Open,
    /// The client has closed it; what waits is still sent, until then.
    Closing { until: Time },
    /// The client has been told, or has gone.
    Over,
}

impl Udp {
    /// A socket that is to be bound; its [`UdpSocket`](crate::state::datagrams::UdpSocket) is there.
    pub fn bind(id: ConnId, plan: Bind, state: &mut State) -> Udp {
        let (channel, wire) =
            state.datagrams.get(id).map_or((ConnId::NOBODY, 0), |socket| (socket.channel, socket.wire));
        state.effects.push_back(Effect::BindUdp { id, at: plan.at });
        Udp { id, channel, wire, phase: Phase::Binding(plan), in_line: false, end: None }
    }

    /// The system's word on the port.
    pub fn bound(&mut self, state: &mut State, outcome: Result<u16, Errno>) {
        let Phase::Binding(Bind { at, report }) = self.phase else { return };
        match outcome {
            Ok(_) => {
                self.phase = Phase::Open;
                state.metrics.udp_sockets += 1;
                state.turns.want(self.id);
            }
            Err(_) => self.part(state),
        }
        let outcome = outcome.map(|port| Opened { local: SocketAddr::new(at.ip(), port), remote: None });
        let opening = Opening { conn: self.id, outcome };
        io::report_bound(state, report, self.channel, self.wire, opening);
    }

    /// A group could not be joined or left.
    pub fn group_failed(&self, state: &mut State, request_id: u32, errno: Errno) {
        if request_id != 0 {
            let message = format!("udp multicast: the system refuses the group ({errno})");
            state.tell(self.channel, request_id, &ServerMessage::Error { message: message.into() });
        }
    }

    /// When [`expired`](Udp::expired) is due.
    pub fn deadline(&self) -> Time {
        match self.phase {
            Phase::Closing { until } => until,
            _ => Time::NEVER,
        }
    }

    /// What the kernel did not take in time is dropped.
    pub fn expired(&mut self, state: &mut State) {
        self.close(state, Errno::NONE);
    }

    /// Whether, and how, it has ended.
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// Room for one datagram; `None` while the channel has none.
    pub fn place<'a>(&mut self, state: &mut State, scratch: &'a mut [u8]) -> Option<&'a mut [u8]> {
        if self.in_line || !matches!(self.phase, Phase::Open) {
            return None;
        }
        // Datagrams are copied: room in the channel's buffer would be held for nothing.
        self.in_line = !state.channels.may_gather(self.channel, self.id);
        (!self.in_line).then_some(scratch)
    }

    /// A datagram came.
    pub fn received(&mut self, state: &mut State, from: SocketAddr, data: &[u8]) {
        state.metrics.bytes_received += data.len() as u64;
        let addr = from.ip().to_canonical().to_string();
        let message =
            ServerMessage::UdpRecv { socket_id: self.wire, port: from.port(), addr: addr.into(), data };
        state.tell(self.channel, 0, &message);
    }

    /// The datagram to be sent next.
    pub fn outgoing<'a>(&self, state: &'a State) -> Option<(SocketAddr, &'a [u8])> {
        let bound = matches!(self.phase, Phase::Open | Phase::Closing { .. });
        state.datagrams.get(self.id).filter(|_| bound)?.first()
    }

    /// The first datagram was taken by the kernel (`Ok`, with its length), or never will be.
    pub fn sent(&mut self, state: &mut State, outcome: Result<usize, Errno>) {
        state.datagrams.pop(self.id);
        match outcome {
            Ok(n) => state.metrics.bytes_sent += n as u64,
            Err(_) => state.metrics.udp_dropped += 1,
        }
        if matches!(self.phase, Phase::Closing { .. }) {
            self.close_if_flushed(state);
        }
    }

    /// The socket failed for good.
    pub fn failed(&mut self, state: &mut State, errno: Errno) {
        match self.phase {
            Phase::Binding { .. } => self.bound(state, Err(errno)),
            _ => self.close(state, errno),
        }
    }

    /// A note came.
    pub fn noted(&mut self, state: &mut State, note: Note) {
        match note {
            Note::Close => match self.phase {
                Phase::Binding { .. } => self.bound(state, Err(Errno::ECANCELED)),
                _ => {
                    self.phase = Phase::Closing { until: state.now.plus_ms(UDP_CLOSE_WAIT_MS) };
                    self.close_if_flushed(state);
                }
            },
            Note::Cut => {
                self.forget_open(state);
                self.end.get_or_insert(End { abort: false });
            }
            Note::Look => {
                io::names_came(state, self.id);
                state.turns.want(self.id);
            }
            Note::ReadOn => {
                self.in_line = false;
                state.turns.want(self.id);
            }
            _ => state.turns.want(self.id),
        }
    }

    fn close_if_flushed(&mut self, state: &mut State) {
        if state.datagrams.get(self.id).is_none_or(|socket| socket.is_flushed()) {
            self.close(state, Errno::NONE);
        }
    }

    /// The one UDP_CLOSE of this socket; the id is free.
    fn close(&mut self, state: &mut State, errno: Errno) {
        if !self.forget_open(state) {
            return;
        }
        self.part(state);
        let message = ServerMessage::UdpClose { socket_id: self.wire, had_error: errno.is_error(), errno };
        state.tell(self.channel, 0, &message);
    }

    /// It counts as open no more. Returns whether it did.
    fn forget_open(&mut self, state: &mut State) -> bool {
        let open = matches!(self.phase, Phase::Open | Phase::Closing { .. });
        state.metrics.udp_sockets -= u64::from(open);
        self.phase = Phase::Over;
        open
    }

    fn part(&mut self, state: &mut State) {
        self.phase = Phase::Over;
        if let Some(channel) = state.channels.get_mut(self.channel) {
            channel.ids.remove(&self.wire);
        }
        self.end.get_or_insert(End { abort: false });
    }

    /// Gives back all that it holds.
    pub fn release(&mut self, state: &mut State) {
        self.forget_open(state);
        state.channels.leave(self.channel, self.id);
        io::forget_names(state, self.id);
        state.datagrams.close(self.id);
    }
}
