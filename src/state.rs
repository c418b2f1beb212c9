//! What all connections share: plain data, handed on as one `&mut State`. Never does I/O, reads no clock, and knows
//! no connection: it only names them.

pub mod availability;
pub mod births;
mod budget;
pub mod buffers;
pub mod chain;
pub mod channels;
pub mod connects;
pub mod datagrams;
mod date;
pub mod effects;
pub mod files;
pub mod gathering;
pub mod hash_lanes;
pub mod identities;
pub mod lookups;
pub mod metrics;
pub mod names;
pub mod notes;
pub mod random;
pub mod ranges;
pub mod rereads;
pub mod roots;
pub mod sessions;
pub mod shelf;
pub mod small;
pub mod sockets;
pub mod spaces;
pub mod spare;
pub mod timers;
pub mod trust;
pub mod turns;
pub mod workload;
pub mod works;

use crate::ids::{ConnId, FileId, JobId};
use crate::job::{Ask, Job, Lane, Stage};
use crate::limits::Limits;
use crate::time::Time;
use effects::Effect;
use jstorrent_io_proto::message::ServerMessage;
use std::collections::VecDeque;
use std::sync::Arc;

/// What the command line and the environment settle for the life of the daemon.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The secret that clients show.
    pub token: jstorrent_io_proto::token::Token,
    /// Our own entry in rpc-info.json; `None` with `--dev`.
    pub install_id: Option<String>,
    /// Where rpc-info.json is; `None` with `--dev`.
    pub rpc_info_path: Option<std::path::PathBuf>,
    /// Origins allowed beside the built-in ones.
    pub extra_origins: Vec<String>,
    /// End when idle for that long, in milliseconds; 0 = never.
    pub idle_timeout_ms: u64,
    /// How long a session without `/io` connection lasts, in milliseconds (PROTOCOL §2).
    pub session_ms: u64,
    /// The main port.
    pub port: u16,
    /// The port for streams alone.
    pub stream_port: u16,
    /// Milliseconds since 1970 at [`Time`] zero, which the reactor keeps true when that clock jumps. For what is shown to
    /// people and clients, and for certificates; nothing is measured by it.
    pub epoch_ms: u64,
}

impl Settings {
    /// Whether it is one of the daemon's own two ports.
    pub fn is_own_port(&self, port: u16) -> bool {
        port == self.port || port == self.stream_port
    }
}

/// Everything that connections share.
#[derive(Debug)]
pub struct State {
    /// The time of this step.
    pub now: Time,
    /// The bounds.
    pub limits: Limits,
    /// What does not change.
    pub settings: Settings,
    /// What rpc-info.json says at present.
    pub roots: roots::Roots,
    /// Who waits for it to be read again.
    pub rereads: rereads::Rereads,
    /// What is known of the space below the roots.
    pub spaces: spaces::Spaces,
    /// What the workers have to do.
    pub workloads: workload::Workloads,
    /// Pooled memory.
    pub buffers: buffers::Buffers,
    /// Which connection has which slot.
    pub identities: identities::Identities,
    /// Connections that are to be made.
    pub births: births::Births,
    /// `/io` connections.
    pub channels: channels::Channels,
    /// TCP sockets of theirs.
    pub sockets: sockets::Sockets,
    /// Whom to trust in TLS.
    pub trust: trust::Trusted,
    /// UDP sockets of theirs.
    pub datagrams: datagrams::Datagrams,
    /// For [`State::date`].
    date: date::Date,
    /// Listening sockets: of which channel, and their ids there.
    pub servers: shelf::Shelf<(ConnId, u32)>,
    /// Listening sockets whose peers wait, until more may be accepted.
    pub waiting_servers: Vec<ConnId>,
    /// What names resolved to lately.
    pub names: names::NameCache,
    /// Names that are being looked up.
    pub lookups: lookups::Lookups,
    /// What became of connects that were asked for by others than `/io` clients, for those to take.
    pub openings: shelf::Shelf<Vec<births::Opening>>,
    /// FILE_READs and FILE_WRITEs under way.
    pub works: works::Works,
    /// Messages that arrive in pieces.
    pub gathering: gathering::Gathering,
    /// TCP connects under way.
    pub connects: connects::Connects,
    /// Sockets that are, or are being, secured.
    pub secured: connects::Connects,
    /// `/io` connections that are not read for want of memory, and how much each holds of a message.
    pub unread_channels: Vec<(ConnId, usize)>,
    /// Open files.
    pub files: files::Files,
    /// Sessions and tickets.
    pub sessions: sessions::Sessions,
    /// Requests for missing bytes of deferred files.
    pub ranges: ranges::Ranges,
    /// Reminders.
    pub timers: timers::Timers<ConnId>,
    /// Counters.
    pub metrics: metrics::Metrics,
    /// Messages between connections.
    pub notes: notes::Notes,
    /// Who wants a turn with its socket.
    pub turns: turns::Turns,
    /// Unpredictable bytes.
    pub random: random::Random,
    /// What the world is to do.
    pub effects: VecDeque<Effect>,
    /// Bytes of unfinished heads and waiting requests that connections keep.
    pub input_bytes: usize,
    /// Messages of `/io` are sent back as they came, and no token is asked for: for conformance suites
    /// (`examples/ws_echo.rs`). The daemon never sets it.
    pub echoes: bool,
    /// The end has begun.
    pub exiting: bool,
    /// A client asked for the end.
    pub exit_wanted: bool,
    /// When a request last ended, or a message that counts last came (PROTOCOL §1, "Idle").
    pub last_used: Time,
    /// `/io` connections whose ACTIVITY is above 0.
    pub active_channels: usize,
    jobs_made: u64,
    /// What is hashed in order, by whom.
    pub hash_lanes: hash_lanes::HashLanes,
    /// Jobs that have not come home.
    pub jobs_out: usize,
}

impl State {
    /// The state of a daemon that has done nothing yet.
    pub fn new(limits: Limits, settings: Settings, random: random::Random) -> State {
        State {
            now: Time::default(),
            buffers: buffers::Buffers::new(&limits),
            identities: identities::Identities::default(),
            births: births::Births::default(),
            channels: channels::Channels::new(&limits),
            sockets: sockets::Sockets::new(&limits),
            trust: trust::Trusted::Unasked,
            datagrams: datagrams::Datagrams::default(),
            date: date::Date::default(),
            servers: shelf::Shelf::default(),
            waiting_servers: Vec::new(),
            names: names::NameCache::default(),
            lookups: lookups::Lookups::new(limits.names),
            openings: shelf::Shelf::default(),
            works: works::Works::new(&limits),
            gathering: gathering::Gathering::new(&limits),
            connects: connects::Connects::new(limits.connects_max),
            secured: connects::Connects::new(limits.tls_sessions_max),
            hash_lanes: hash_lanes::HashLanes::new(limits.hash_lanes),
            unread_channels: Vec::new(),
            limits,
            settings,
            roots: roots::Roots::default(),
            rereads: rereads::Rereads::default(),
            spaces: spaces::Spaces::default(),
            workloads: workload::Workloads::default(),
            files: files::Files::default(),
            sessions: sessions::Sessions::default(),
            ranges: ranges::Ranges::default(),
            timers: timers::Timers::default(),
            metrics: metrics::Metrics::default(),
            notes: notes::Notes::default(),
            turns: turns::Turns::default(),
            random,
            effects: VecDeque::new(),
            input_bytes: 0,
            echoes: false,
            exiting: false,
            exit_wanted: false,
            last_used: Time::default(),
            active_channels: 0,
            jobs_made: 0,
            jobs_out: 0,
        }
    }

    /// The last job that was sent out: whatever bears a higher number was sent out later.
    pub fn last_job(&self) -> JobId {
        JobId(self.jobs_made)
    }

    /// Sends a job out; it comes home to `owner`. `uses`: the open file that it is at work on.
    pub fn submit(&mut self, owner: ConnId, lane: Lane, uses: Option<FileId>, ask: Ask) -> JobId {
        self.jobs_made += 1;
        self.jobs_out += 1;
        self.hash_lanes.goes_out(lane);
        if let Some(file) = uses.and_then(|id| self.files.any_mut(id)) {
            file.in_use += 1;
        }
        let id = JobId(self.jobs_made);
        self.effects.push_back(Effect::Submit(Box::new(Job {
            id,
            owner,
            lane,
            uses,
            stage: Stage::Ask(ask),
        })));
        id
    }

    /// Sends a client a message on its `/io` connection, if that is still there.
    pub fn tell(&mut self, channel: ConnId, request_id: u32, message: &ServerMessage<'_>) {
        if self.channels.get(channel).is_some() {
            if !matches!(message, ServerMessage::Keepalive) {
                self.last_used = self.now;
            }
            self.channels.push(channel, request_id, message);
            self.turns.want(channel);
        }
    }

    /// Whether as much waits for peers of an `/io` connection as may. Then it is not read.
    pub fn peers_are_full(&self, channel: ConnId) -> bool {
        self.sockets.is_full(channel, || self.left_for_peers())
    }

    /// Whether so many FILE_READs and FILE_WRITEs are under way that `/io` connections are not read until some have
    /// ended.
    pub fn works_are_full(&self) -> bool {
        self.works.are_full(self.bulk_free_bytes())
    }

    /// How many bytes an `/io` connection that holds `held` of a message may read; 0: none at present.
    pub fn readable(&self, who: ConnId, held: usize) -> usize {
        if self.peers_are_full(who) || self.datagrams.is_full() {
            0
        } else {
            self.gathering.room(who, held, self.bulk_free_bytes())
        }
    }

    /// At the end of a step: whoever waits for something shared that is free now is told to try.
    pub fn wake(&mut self) {
        self.count_bulk();
        self.buffers.wake(&mut self.notes);
        self.channels.wake(&mut self.notes);
        self.connects.wake(&mut self.notes);
        self.wake_secured();
        self.works.wake(self.buffers.lent_bytes(), &mut self.notes);
        self.sockets.keep_within(self.left_for_peers());
        let now = self.now;
        self.spares_mut().into_iter().for_each(|spare| spare.watch(now));
        self.wake_unread();
    }

    /// Those `/io` connections that were not read for want of memory, and may be now.
    fn wake_unread(&mut self) {
        if self.unread_channels.is_empty() || self.works_are_full() {
            return;
        }
        for (channel, held) in std::mem::take(&mut self.unread_channels) {
            let may = self.readable(channel, held) > 0 && self.channels.may_be_read(channel);
            if may || self.is_growth_hopeless(channel, held) {
                self.notes.send(channel, notes::Note::ReadOn);
            } else {
                self.unread_channels.push((channel, held));
            }
        }
    }

    /// Lets free memory go that was not needed for a while.
    pub fn trim(&mut self) {
        let now = self.now;
        self.spares_mut().into_iter().for_each(|spare| spare.trim(now));
    }

    /// When [`trim`](State::trim) is due.
    pub fn next_trim(&self) -> Time {
        let spares = [self.buffers.spare(), self.channels.spare(), self.sockets.spare()];
        spares.map(|spare| spare.next_look()).into_iter().min().unwrap_or(Time::NEVER)
    }

    fn spares_mut(&mut self) -> [&mut spare::Spare; 3] {
        [self.buffers.spare_mut(), self.channels.spare_mut(), self.sockets.spare_mut()]
    }

    /// The same for listening sockets, whose peers may be accepted where `may_accept` says so.
    pub fn wake_servers(&mut self, may_accept: impl Fn(&State, ConnId) -> bool) {
        for server in std::mem::take(&mut self.waiting_servers) {
            if may_accept(self, server) {
                self.notes.send(server, notes::Note::ReadOn);
            } else {
                self.waiting_servers.push(server);
            }
        }
    }

    /// When the daemon has been idle for too long (PROTOCOL §1); never, while something is under way.
    pub fn idle_deadline(&self) -> Time {
        if self.settings.idle_timeout_ms == 0 || self.metrics.http_in_flight > 0 || self.active_channels > 0 {
            return Time::NEVER;
        }
        self.last_used.plus_ms(self.settings.idle_timeout_ms)
    }

    /// Whether memory is short, so that a connection should read no more than it must.
    pub fn is_tight(&self) -> bool {
        self.buffers.is_tight() || self.input_bytes > self.limits.input_bytes_max / 2
    }

    /// The time as an HTTP-date.
    pub fn date(&mut self) -> Arc<str> {
        let wall_ms = self.wall_ms();
        self.date.at(wall_ms)
    }

    /// Milliseconds since 1970.
    pub fn wall_ms(&self) -> u64 {
        self.settings.epoch_ms.saturating_add(self.now.millis())
    }
}
