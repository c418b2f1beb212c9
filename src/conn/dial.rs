//! A TCP connect to a name: the look-up, then a race between its addresses (RFC 8305), each a connection of its own
//! that reports here. The first that connects takes the socket over; the others are dropped. It has no socket.

use crate::conn::End;
use crate::ids::ConnId;
use crate::limits::{CONNECT_ADDRESSES_MAX, CONNECT_ATTEMPT_DELAY_MS, SOCKET_BYTES, STALL_LOOK_MS};
use crate::service::io;
use crate::service::names::{self, Resolved};
use crate::state::State;
use crate::state::births::{Birth, Connect, Dial as Plan, Opening, Report};
use crate::state::lookups::Asker;
use crate::state::notes::Note;
use crate::time::Time;
use jstorrent_io_proto::errno::Errno;
use jstorrent_io_proto::limits::PEER_STALL_MS_MAX_FULL;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

/// A connect to a name.
#[derive(Debug)]
pub struct Dial {
    id: ConnId,
    channel: ConnId,
    wire: u32,
    plan: Plan,
    until: Time,
    /// When to see whether what waits for it holds up others.
    look_at: Time,
    race: Option<Race>,
    end: Option<End>,
}

#[derive(Debug)]
struct Race {
    /// Not tried yet.
    addresses: VecDeque<IpAddr>,
    /// Under way.
    attempts: Vec<ConnId>,
    /// When the next address joins, whatever the others do.
    next_at: Time,
    /// Why there is no connection, as far as is known.
    errno: Errno,
}

impl Race {
    /// An address failed. What one of them answered says more than that another can't be reached from here at all, as
    /// those of a family that this machine does not have.
    fn failed(&mut self, attempt: ConnId, errno: Errno) {
        self.attempts.retain(|other| *other != attempt);
        if !is_of_this_machine(errno) || is_of_this_machine(self.errno) {
            self.errno = errno;
        }
    }
}

fn is_of_this_machine(errno: Errno) -> bool {
    matches!(errno, Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL | Errno::ENETUNREACH)
}

impl Dial {
    /// A connect that was asked for; its [`Socket`](crate::state::sockets::Socket) is there.
    pub fn new(id: ConnId, plan: Plan, state: &mut State) -> Dial {
        let (channel, wire) =
            state.sockets.get(id).map_or((ConnId::NOBODY, 0), |socket| (socket.channel, socket.wire));
        let until = state.now.plus_ms(plan.wait_ms);
        state.metrics.pending_tcp += 1;
        state.openings.put(id, Vec::new());
        let mut dial = Dial { id, channel, wire, plan, until, look_at: Time::NEVER, race: None, end: None };
        dial.resolve(state);
        dial
    }

    fn resolve(&mut self, state: &mut State) {
        if self.race.is_some() || self.end.is_some() {
            return;
        }
        let asker = Asker { channel: self.channel, datagram: false };
        match names::resolve(state, &self.plan.host, self.id, asker) {
            Resolved::Later => {}
            Resolved::TooMany => self.fail(state, Errno::ENOBUFS),
            Resolved::Known(Err(code)) => self.fail(state, Errno::from_getaddrinfo(code)),
            Resolved::Known(Ok(addresses)) => {
                let (addresses, errno) = self.candidates(state, &addresses);
                self.race = Some(Race { addresses, attempts: Vec::new(), next_at: state.now, errno });
                self.go_on(state);
            }
        }
    }

    /// The addresses to try, in order, and what to say where there is none.
    fn candidates(&self, state: &State, addresses: &[IpAddr]) -> (VecDeque<IpAddr>, Errno) {
        let mut errno = Errno::EADDRNOTAVAIL;
        let fits = |ip: &IpAddr| self.plan.from.is_none_or(|from| from.is_ipv4() == ip.is_ipv4());
        let allowed = addresses.iter().map(IpAddr::to_canonical).filter(fits).filter(|ip| {
            let own = io::is_own(&state.settings, SocketAddr::new(*ip, self.plan.port));
            if own {
                errno = Errno::EACCES;
            }
            !own
        });
        let allowed: Vec<IpAddr> = allowed.collect();
        (interleaved(&allowed), errno)
    }

    /// Starts the next attempt where it is time, and ends where nothing is left to wait for.
    fn go_on(&mut self, state: &mut State) {
        let Some(race) = &mut self.race else { return };
        while race.next_at <= state.now || race.attempts.is_empty() {
            if !race.attempts.is_empty() && !state.entries_fit(SOCKET_BYTES) {
                race.next_at = state.now.plus_ms(CONNECT_ATTEMPT_DELAY_MS);
                break;
            }
            let Some(ip) = race.addresses.pop_front() else { break };
            let plan = Connect {
                to: SocketAddr::new(ip, self.plan.port),
                from: self.plan.from,
                no_delay: self.plan.no_delay,
                wait_ms: self.until.millis().saturating_sub(state.now.millis()),
                report: Report::Conn(self.id),
            };
            let attempt = state.identities.reserve();
            state.births.add(attempt, Birth::Connect(plan));
            race.attempts.push(attempt);
            race.next_at = state.now.plus_ms(CONNECT_ATTEMPT_DELAY_MS);
        }
        if race.attempts.is_empty() {
            let errno = race.errno;
            self.fail(state, errno);
        }
    }

    /// What the attempts have reported since.
    fn take_reports(&mut self, state: &mut State) {
        let openings = state.openings.get_mut(self.id).map(std::mem::take).unwrap_or_default();
        for opening in openings {
            match (opening.outcome, &mut self.race) {
                (Err(errno), Some(race)) => {
                    race.failed(opening.conn, errno);
                    // RFC 8305 §5: a failure does not wait for the delay.
                    race.next_at = state.now;
                }
                (Ok(_), _) if self.end.is_none() => self.win(state, opening),
                _ => {}
            }
        }
        if self.end.is_none() {
            self.go_on(state);
        }
    }

    fn win(&mut self, state: &mut State, opening: Opening) {
        let winner = opening.conn;
        if let Some(race) = &mut self.race {
            race.attempts.retain(|attempt| *attempt != winner);
        }
        self.cut_attempts(state);
        state.sockets.hand_over(self.id, winner);
        if let Some(channel) = state.channels.get_mut(self.channel) {
            channel.ids.insert(self.wire, winner);
        }
        state.notes.send(winner, Note::Won);
        io::report(state, self.plan.report, self.channel, self.wire, opening);
        self.end = Some(End { abort: false });
    }

    fn fail(&mut self, state: &mut State, errno: Errno) {
        if self.end.is_some() {
            return;
        }
        self.cut_attempts(state);
        if let Some(channel) = state.channels.get_mut(self.channel) {
            channel.ids.remove(&self.wire);
        }
        let securing = state.sockets.get_mut(self.id).and_then(|socket| socket.securing.take());
        if let Some(securing) = securing {
            io::secure_failed(state, self.channel, securing.request_id, self.wire);
        }
        let opening = Opening { conn: self.id, outcome: Err(errno) };
        io::report(state, self.plan.report, self.channel, self.wire, opening);
        self.end = Some(End { abort: false });
    }

    fn cut_attempts(&mut self, state: &mut State) {
        for attempt in self.race.iter_mut().flat_map(|race| race.attempts.drain(..)) {
            state.notes.send(attempt, Note::Cut);
        }
    }

    /// When [`expired`](Dial::expired) is due.
    pub fn deadline(&self) -> Time {
        let next = self.race.as_ref().filter(|race| !race.addresses.is_empty()).map(|race| race.next_at);
        next.unwrap_or(Time::NEVER).min(self.until).min(self.look_at)
    }

    /// A limit of time is broken, or the next address's time has come.
    pub fn expired(&mut self, state: &mut State) {
        if self.until <= state.now {
            return self.fail(state, Errno::ETIMEDOUT);
        }
        if self.look_at <= state.now {
            // PROTOCOL §6.3: as with a peer that takes nothing.
            if state.peers_are_full(self.channel) {
                return self.fail(state, Errno::ETIMEDOUT);
            }
            self.look_at = state.now.plus_ms(STALL_LOOK_MS);
        }
        self.go_on(state);
    }

    /// A note came.
    pub fn noted(&mut self, state: &mut State, note: Note) {
        match note {
            Note::Look => {
                self.take_reports(state);
                self.resolve(state);
            }
            Note::Close => self.fail(state, Errno::ECANCELED),
            Note::Overrun => self.fail(state, Errno::ENOBUFS),
            Note::Queued => self.look_at = state.now.plus_ms(PEER_STALL_MS_MAX_FULL),
            // What is not connected can't be secured.
            Note::Secure => self.fail(state, Errno::ECANCELED),
            Note::Cut => {
                self.cut_attempts(state);
                self.end.get_or_insert(End { abort: false });
            }
            _ => {}
        }
    }

    /// Whether, and how, it has ended.
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// Gives back all that it holds.
    pub fn release(&mut self, state: &mut State) {
        self.cut_attempts(state);
        state.lookups.forget(&self.plan.host, self.id);
        state.sockets.close(self.id);
        state.openings.take(self.id);
        state.metrics.pending_tcp -= 1;
    }
}

/// RFC 8305 §4: the families take turns, beginning with the one that the system prefers.
fn interleaved(addresses: &[IpAddr]) -> VecDeque<IpAddr> {
    let first_is_v6 = addresses.first().is_some_and(IpAddr::is_ipv6);
    let (mut first, mut second): (VecDeque<IpAddr>, VecDeque<IpAddr>) =
        addresses.iter().partition(|ip| ip.is_ipv6() == first_is_v6);
    let mut all = VecDeque::new();
    while all.len() < CONNECT_ADDRESSES_MAX && !(first.is_empty() && second.is_empty()) {
        all.extend(first.pop_front());
        all.extend(second.pop_front());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
        let order = interleaved(&parse(&["::1", "::2", "::3", "1.1.1.1", "1.1.1.2"]));
        assert_eq!(order, parse(&["::1", "1.1.1.1", "::2", "1.1.1.2", "::3"]));
        assert_eq!(interleaved(&parse(&["1.1.1.1"])), parse(&["1.1.1.1"]));
        assert!(interleaved(&[]).is_empty());
    }
}
