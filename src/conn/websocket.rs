//! A client's `/io` connection: frames in, messages to the services, what its channel gathered out. Owns the opening
//! (hello, token, five seconds), pings, and the close handshake; what a message does is the services' (`service::io`),
//! what waits to go out is the channel's (`state::channels`).

mod inbound;
mod lent;
mod opening;
mod room;
mod unpack;

use crate::conn::End;
use crate::conn::outgoing::{Outgoing, Slices};
use crate::ids::{ConnId, SessionId};
use crate::limits::LARGE_SILENCE_MS;
use crate::service::{session, stream};
use crate::state::State;
use crate::state::effects::Effect;
use crate::state::notes::Note;
use crate::state::ranges::RangeId;
use crate::time::Time;
use inbound::Incoming;
use jstorrent_io_proto::errno::Errno;
use jstorrent_io_proto::feature::Feature;
use jstorrent_io_proto::frame::{self, FrameReader, Peer, close};
use jstorrent_io_proto::limits::{
    WS_AUTH_WAIT_MS_MAX, WS_KEEPALIVE_INTERVAL_MS, WS_MESSAGE_BYTES_MAX,
    WS_MESSAGE_BYTES_MAX_UNAUTHENTICATED, WS_PING_INTERVAL_MS, WS_PINGS_UNANSWERED_MAX,
};
use jstorrent_io_proto::message::ServerMessage;
use jstorrent_io_proto::rpc_info::roots_changed_json;
use unpack::Unpacking;

/// An `/io` connection.
#[derive(Debug)]
pub struct WebSocket {
    id: ConnId,
    opened_at: Time,
    reader: FrameReader,
    phase: Phase,
    incoming: Incoming,
    /// A batch whose messages wait for their turn.
    unpacking: Option<Unpacking>,
    /// What came behind messages that wait, as it came.
    behind: Vec<u8>,
    /// Bytes of those that are counted in `State::gathering`.
    counted: usize,
    /// No message has come yet.
    fresh: bool,
    /// The session that the upgrade or a hello named before the token was shown.
    named_session: Option<Box<str>>,
    /// Torrents that are active, by its last ACTIVITY.
    activity: u32,
    /// When bytes last came, as far as it was listened to.
    heard_at: Time,
    hearing: Hearing,
    /// Pings since then.
    pings: u32,
    /// The rest of its message was looked for, in vain, since then.
    large_was_late: bool,
    /// It is not read because of work on files that makes no progress; but then it is, so that it holds up no others.
    unread_until: Time,
    /// When the next KEEPALIVE is due.
    keepalive_at: Time,
    /// When to see whether others wait for the buffers that were lent to its client; never, where none are.
    lent_look_at: Time,
    end: Option<End>,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// The token is awaited, until then.
    Opening { until: Time },
    /// Messages go both ways.
    Open,
    /// Our close frame is on its way, or out; the client's own is awaited, until then.
    Closing { until: Time, answered: bool, fin: bool },
}

/// Whether a silence is the client's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hearing {
    /// It is read from.
    Open,
    /// It is not, as it takes no replies: what it takes of them is a sign of life.
    Clogged,
    /// It is not, for want of memory, which is no fault of its own.
    Shut,
}

impl WebSocket {
    /// A connection that was just upgraded.
    /// `answer` goes before its first frame; it is `authenticated` where the token came with the request, and belongs
    /// to `session` where that named one.
    pub fn new(
        id: ConnId,
        answer: &[u8],
        authenticated: bool,
        session: Option<SessionId>,
        state: &mut State,
    ) -> WebSocket {
        state.metrics.ws_connections += 1;
        state.channels.open(id);
        state.channels.push_bytes(id, answer);
        let mut websocket = WebSocket {
            id,
            opened_at: state.now,
            reader: FrameReader::new(Peer::Client, WS_MESSAGE_BYTES_MAX_UNAUTHENTICATED as u64),
            phase: Phase::Opening { until: state.now.plus_ms(WS_AUTH_WAIT_MS_MAX) },
            incoming: Incoming::Start,
            unpacking: None,
            behind: Vec::new(),
            counted: 0,
            hearing: Hearing::Open,
            fresh: true,
            named_session: None,
            activity: 0,
            heard_at: state.now,
            pings: 0,
            large_was_late: false,
            unread_until: Time::NEVER,
            keepalive_at: Time::NEVER,
            lent_look_at: Time::NEVER,
            end: None,
        };
        if authenticated || state.echoes {
            websocket.authenticated(state);
        }
        if let Some(session) = session {
            websocket.join(state, session);
        }
        if state.exiting {
            websocket.close(state, close::GOING_AWAY, "the daemon is ending");
        }
        state.turns.want(id);
        websocket
    }

    /// The token was shown.
    fn authenticated(&mut self, state: &mut State) {
        self.reader.set_message_bytes_max(WS_MESSAGE_BYTES_MAX as u64);
        self.phase = Phase::Open;
        if let Some(channel) = state.channels.get_mut(self.id) {
            channel.authenticated = true;
        }
    }

    /// It belongs to that session, unless it belongs to one.
    fn join(&mut self, state: &mut State, id: SessionId) {
        let Some(channel) = state.channels.get_mut(self.id).filter(|channel| channel.session.is_none())
        else {
            return;
        };
        channel.session = Some(id);
        session::channel_opened(state, id, self.id);
        self.offers_ranges(state);
    }

    /// Once it belongs to a session and has the feature, it is asked for what streams lack.
    fn offers_ranges(&mut self, state: &mut State) {
        let Some(channel) = state.channels.get(self.id) else { return };
        if let (Some(session), true) = (channel.session, channel.features.has(Feature::Range)) {
            stream::channel_opened(state, session, self.id);
        }
    }

    fn is_authenticated(&self, state: &State) -> bool {
        state.channels.get(self.id).is_some_and(|channel| channel.authenticated)
    }

    /// Since when it is there, where the token was never shown.
    pub fn stranger_since(&self) -> Option<Time> {
        matches!(self.phase, Phase::Opening { .. }).then_some(self.opened_at)
    }

    /// When [`expired`](WebSocket::expired) is due.
    pub fn deadline(&self) -> Time {
        let phase = match self.phase {
            Phase::Opening { until } | Phase::Closing { until, .. } => until,
            Phase::Open => Time::NEVER,
        };
        let large = if self.gathered() > 0 { self.heard_at.plus_ms(LARGE_SILENCE_MS) } else { Time::NEVER };
        let large = if self.hearing == Hearing::Open && !self.large_was_late { large } else { Time::NEVER };
        let beat = self.ping_at().min(self.keepalive_at);
        phase.min(self.unread_until).min(beat).min(self.lent_look_at).min(large)
    }

    /// When its silence is worth a ping, or the end.
    fn ping_at(&self) -> Time {
        if self.hearing == Hearing::Shut {
            return Time::NEVER;
        }
        self.heard_at.plus_ms(WS_PING_INTERVAL_MS * u64::from(self.pings + 1))
    }

    /// Whether, and how, it has ended.
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// A limit of time is broken, or something is due.
    pub fn expired(&mut self, state: &mut State) {
        match self.phase {
            Phase::Opening { until } if until <= state.now => {
                self.close(state, close::POLICY, "no token within 5 seconds");
            }
            Phase::Closing { until, .. } if until <= state.now => self.finish(!self.is_flushed(state)),
            _ => {}
        }
        if self.unread_until <= state.now {
            self.unread_until = Time::NEVER;
        }
        if self.ping_at() <= state.now {
            if self.pings >= WS_PINGS_UNANSWERED_MAX {
                return self.finish(true);
            }
            self.pings += 1;
            state.channels.push_frame(self.id, frame::PING, &[]);
        }
        self.check_large(state);
        self.check_lent(state);
        if self.keepalive_at <= state.now {
            self.keepalive_at = state.now.plus_ms(WS_KEEPALIVE_INTERVAL_MS);
            state.tell(self.id, 0, &ServerMessage::Keepalive);
        }
        self.go_on(state);
        state.turns.want(self.id);
    }

    /// Whoever has the turn of large messages, and does not use it, loses it.
    fn check_large(&mut self, state: &mut State) {
        let silent = self.heard_at.plus_ms(LARGE_SILENCE_MS) <= state.now;
        self.large_was_late = silent;
        if silent && self.hearing == Hearing::Open && state.gathering.is_large(self.id) {
            self.close(state, close::POLICY, "the rest of a large message did not come");
        }
    }

    fn is_flushed(&self, state: &State) -> bool {
        state.channels.get(self.id).is_none_or(|channel| channel.waiting() == 0)
    }

    /// A sign of life.
    fn heard(&mut self, state: &State) {
        self.heard_at = state.now;
        self.pings = 0;
        self.large_was_late = false;
    }

    /// The client has ended its side.
    pub fn ended(&mut self, state: &mut State) {
        // Without its close frame, what it may have been about to send is lost: nothing is owed to it either.
        let in_order = matches!(self.phase, Phase::Closing { .. });
        self.finish(!in_order && !self.is_flushed(state));
    }

    /// The socket failed.
    pub fn failed(&mut self, _errno: Errno) {
        self.finish(true);
    }

    /// What is to be written next.
    pub fn outgoing<'a>(&self, state: &'a State) -> Outgoing<'a> {
        let mut slices = Slices::new();
        for part in state.channels.get(self.id).into_iter().flat_map(|channel| channel.parts()) {
            if !slices.push(part) {
                break;
            }
        }
        if slices.is_empty() { Outgoing::Nothing } else { Outgoing::Bytes(slices) }
    }

    /// The kernel took `n` bytes.
    pub fn sent(&mut self, state: &mut State, n: usize) {
        let (channels, buffers) = (&mut state.channels, &mut state.buffers);
        if channels.sent(self.id, n, |buffer| buffers.give(buffer)) {
            self.took_lent(state);
        }
        if self.hearing == Hearing::Clogged {
            self.heard(state);
        }
        self.go_on(state);
        self.end_if_done(state);
    }

    /// Once our close frame is out, our side ends: at once where the client's own has come, else by a FIN, which tells
    /// it to hurry (RFC 6455 §7.1.7), and what it still sends is dropped.
    fn end_if_done(&mut self, state: &mut State) {
        let flushed = self.is_flushed(state);
        match &mut self.phase {
            Phase::Closing { answered: true, .. } if flushed => self.finish(false),
            Phase::Closing { fin, .. } if flushed && !*fin => {
                *fin = true;
                state.effects.push_back(Effect::ShutdownWrite(self.id));
            }
            _ => {}
        }
    }

    /// A note came.
    pub fn noted(&mut self, state: &mut State, note: Note) {
        match note {
            Note::Exit => self.close(state, close::GOING_AWAY, "the daemon is ending"),
            Note::Cut => self.finish(true),
            Note::RootsChanged => self.tell_roots(state),
            Note::Queued if self.lent_look_at == Time::NEVER => self.took_lent(state),
            Note::RangeRequest(range) => self.tell_range(state, range),
            Note::RangeCancel(range) => {
                state.tell(self.id, 0, &ServerMessage::RangeCancel { range_id: range.0 });
            }
            // A turn is all that they ask for, if they concern it at all.
            _ => {}
        }
        self.go_on(state);
        state.turns.want(self.id);
    }

    fn tell_roots(&mut self, state: &mut State) {
        if !state.channels.get(self.id).is_some_and(|channel| channel.told_of_roots && channel.authenticated)
        {
            return;
        }
        let infos: Vec<_> = state.roots.all.iter().map(|configured| configured.info.clone()).collect();
        let json = String::from_utf8(roots_changed_json(&infos)).unwrap_or_default();
        state.tell(self.id, 0, &ServerMessage::RootsChanged { roots: json.into() });
    }

    fn tell_range(&mut self, state: &mut State, id: RangeId) {
        let Some(range) = stream::told(state, self.id, id) else { return };
        let message = ServerMessage::RangeRequest {
            range_id: id.0,
            stream_id: range.stream_id,
            file_id: range.file.0,
            offset: range.offset,
            length: range.length,
        };
        state.tell(self.id, 0, &message);
    }

    /// Begins the close handshake; what was opened here closes at once.
    fn close(&mut self, state: &mut State, code: u16, reason: &str) {
        if matches!(self.phase, Phase::Closing { .. }) {
            return;
        }
        state.channels.push_close(self.id, Some(code), reason);
        self.begin_closing(state, false);
    }

    fn begin_closing(&mut self, state: &mut State, answered: bool) {
        self.phase =
            Phase::Closing { until: state.now.plus_ms(state.limits.linger_ms), answered, fin: false };
        self.drop_gathered(state);
        self.keepalive_at = Time::NEVER;
        self.set_activity(state, 0);
        self.close_sockets(state);
        state.turns.want(self.id);
    }

    fn close_sockets(&mut self, state: &mut State) {
        let Some(channel) = state.channels.get_mut(self.id) else { return };
        let openers = std::mem::take(&mut channel.openers);
        let ids = std::mem::take(&mut channel.ids).into_values();
        let mut all: Vec<ConnId> = ids.chain(std::mem::take(&mut channel.works)).collect();
        // The tables have an order of their own in each run; a seed must determine everything.
        all.sort_unstable();
        for one in all {
            state.notes.send(one, Note::Cut);
        }
        for opener in openers {
            state.notes.send(opener, Note::Look);
        }
    }

    fn set_activity(&mut self, state: &mut State, count: u32) {
        state.active_channels += usize::from(count > 0);
        state.active_channels -= usize::from(self.activity > 0);
        self.activity = count;
    }

    /// From now on, as long as the client's last hello asks for it.
    fn starts_keepalive(&mut self, state: &State) {
        let wanted =
            state.channels.get(self.id).is_some_and(|channel| channel.features.has(Feature::Keepalive));
        self.keepalive_at = if wanted { state.now.plus_ms(WS_KEEPALIVE_INTERVAL_MS) } else { Time::NEVER };
    }

    fn finish(&mut self, abort: bool) {
        self.end.get_or_insert(End { abort });
    }

    /// Gives back all that it holds; what was opened on it closes.
    pub fn release(&mut self, state: &mut State) {
        self.set_activity(state, 0);
        self.behind = Vec::new();
        self.drop_gathered(state);
        self.close_sockets(state);
        let (channels, buffers) = (&mut state.channels, &mut state.buffers);
        let channel = channels.close(self.id, |buffer| buffers.give(buffer));
        if let Some(id) = channel.and_then(|channel| channel.session) {
            session::channel_closed(state, id, self.id);
            stream::channel_closed(state, id, self.id);
        }
        state.unread_channels.retain(|(other, _)| *other != self.id);
        state.metrics.ws_connections -= 1;
        state.last_used = state.now;
    }
}
