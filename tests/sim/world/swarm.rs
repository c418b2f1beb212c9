//! What kind of run this is: limits, rates of faults and tempers of clients, drawn anew for each, so that some runs are
//! nothing but resets and others a pool of one buffer. A fault that is always there hides what only its absence shows.

use super::dice::Dice;
use super::disk::Faults;
use super::io::swarm::{self as io_swarm, IoSwarm};
use super::workers::Pace;
use jstorrent_io_daemon::limits::Limits;

/// What a run has at most, and at least, that a fuzzer chooses: its few bytes are to decide most of what happens in it. A
/// byte a turn, many clients and long bodies are the simulation's own.
const FUZZED_READ_BYTES_MAX: usize = 16 << 10;
const FUZZED_PIECE_BYTES_MIN: usize = 17;
const FUZZED_BODY_BYTES_MAX: u64 = 6_000;
const FUZZED_CLIENTS_MAX: usize = 4;
const FUZZED_REQUESTS_MAX: u64 = 5;

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// As the dice choose.
    Any,
    Http,
    Io,
    Both,
}

/// One kind of run.
#[derive(Clone, Debug)]
pub(crate) struct Swarm {
    pub(crate) limits: Limits,
    pub(crate) io: IoSwarm,
    pub(crate) session_ms: u64,
    pub(crate) idle_timeout_ms: u64,
    pub(crate) faults: Faults,
    pub(crate) pace: Pace,
    /// In a thousand chances: a root hangs, a file shrinks, the roots change, the end comes.
    pub(crate) hang: u32,
    pub(crate) shrink: u32,
    pub(crate) change_roots: u32,
    pub(crate) exit: u32,
    pub(crate) clients: usize,
    pub(crate) sessions: u64,
    /// Requests about sockets, in a thousand.
    pub(crate) errands: u32,
    /// Of clients that wait for one: they break off.
    pub(crate) gives_up: u32,
    /// Requests of each client.
    pub(crate) requests: u64,
    pub(crate) pipeline: u64,
    pub(crate) body_max: u64,
    /// In a thousand.
    pub(crate) hostile: u32,
    pub(crate) abort: u32,
    pub(crate) stall: u32,
    pub(crate) stall_us_max: u64,
    pub(crate) expect: u32,
    pub(crate) chunked: u32,
    pub(crate) refused: u32,
    /// Bytes that a client moves at a time, and how often, in microseconds.
    pub(crate) piece_max: u64,
    pub(crate) act_us_max: u64,
    /// What the kernel holds each way.
    pub(crate) kernel_bytes_max: u64,
    pub(crate) interrupt_every: u32,
    pub(crate) whole_edges: bool,
    pub(crate) spurious: u32,
}

/// A rate that is nothing in most runs.
fn rate(dice: &mut Dice, max: u64) -> u32 {
    match dice.below(5) {
        0 => dice.below(max + 1) as u32,
        1 => dice.below(max / 10 + 2) as u32,
        _ => 0,
    }
}

impl Swarm {
    /// Draws one.
    pub(crate) fn draw(dice: &mut Dice, kind: Kind) -> Swarm {
        let mut limits = limits(dice);
        let kind = match kind {
            Kind::Any => dice.pick(&[Kind::Http, Kind::Io, Kind::Both]),
            other => other,
        };
        if kind != Kind::Http {
            io_swarm::limits(dice, &mut limits);
        }
        if dice.is_fuzzer() {
            // A large block to read into would cost more than all the rest of a run.
            limits.head_read_bytes =
                limits.head_read_bytes.clamp(FUZZED_PIECE_BYTES_MIN, FUZZED_READ_BYTES_MAX);
            limits.channel_read_bytes = limits.channel_read_bytes.min(FUZZED_READ_BYTES_MAX);
            limits.turn_bytes_max = limits.turn_bytes_max.max(FUZZED_PIECE_BYTES_MIN);
        }
        let mut io = IoSwarm::draw(dice, kind == Kind::Io, &limits);
        if kind == Kind::Http {
            io.clients = 0;
        }
        // A byte a turn is slow work.
        let body_max = match limits.turn_bytes_max.min(limits.head_read_bytes) {
            0..64 => dice.pick(&[40, 400]),
            64..4096 => dice.pick(&[400, 4_000, 20_000]),
            _ if dice.is_fuzzer() => dice.pick(&[400, 4_000, 20_000]),
            _ => dice.pick(&[400, 20_000, 300_000, 700_000]),
        };
        let fine = dice.chance(300);
        let piece_max = if fine { 1 + dice.size(400) } else { dice.pick(&[1_500, 70_000, 1 << 20]) };
        let sessions = dice.between(1, 3);
        let mut swarm = Swarm {
            session_ms: if dice.chance(150) { dice.pick(&[1, 50, 3_000]) } else { 600_000 },
            idle_timeout_ms: if dice.chance(50) { dice.pick(&[1, 500, 20_000]) } else { 0 },
            faults: Faults { io_error: rate(dice, 300), full: rate(dice, 300), short: rate(dice, 900) },
            pace: Pace {
                job_us_max: dice.pick(&[0, 50, 5_000, 400_000]),
                name_us_max: dice.pick(&[0, 5_000, 20_000_000]),
                lane_width: dice.pick(&[1, 2, 4]),
                transfer_bytes_max: dice.pick(&[1_000, 100_000, 2 << 20]),
            },
            hang: rate(dice, 200),
            shrink: rate(dice, 100),
            change_roots: if dice.chance(100) { 100 } else { 0 },
            exit: if dice.chance(100) { 200 } else { 0 },
            clients: if kind == Kind::Io { 0 } else { dice.pick(&[1, 2, 4, 9]) },
            sessions,
            errands: 0,
            gives_up: 0,
            requests: dice.between(1, 12),
            pipeline: dice.pick(&[1, 1, 2, 8]),
            body_max: if fine { body_max.min(20_000) } else { body_max },
            hostile: rate(dice, 600),
            abort: rate(dice, 100),
            stall: rate(dice, 100),
            stall_us_max: dice.pick(&[10_000, 1_000_000, 100_000_000]),
            expect: rate(dice, 500),
            chunked: dice.pick(&[0, 200, 800]),
            refused: dice.pick(&[0, 100, 500]),
            piece_max,
            act_us_max: dice.pick(&[100, 2_000, 20_000]),
            kernel_bytes_max: dice.pick(&[1, 300, 5_000, 65_536, 400_000]).max(if fine { 1 } else { 300 }),
            interrupt_every: dice.pick(&[0, 0, 2, 7]),
            whole_edges: dice.chance(500),
            spurious: rate(dice, 300),
            io,
            limits,
        };
        if dice.is_fuzzer() {
            swarm.shorten();
        } else if kind == Kind::Both {
            swarm.open_over_http(dice);
        }
        swarm
    }

    /// Clients ask for sockets over HTTP, and most have a connection of their session to ask for.
    fn open_over_http(&mut self, dice: &mut Dice) {
        self.errands = dice.pick(&[0, 500, 900]);
        if self.errands > 0 {
            self.sessions = dice.pick(&[1, 1, 2]);
            self.io.named = 960;
            (self.io.pings, self.io.dawdles) = (300, 700);
            self.gives_up = dice.pick(&[0, 30, 150]);
            self.requests += dice.below(8);
        }
    }

    fn shorten(&mut self) {
        self.clients = self.clients.min(FUZZED_CLIENTS_MAX);
        self.requests = self.requests.min(FUZZED_REQUESTS_MAX);
        self.body_max = self.body_max.min(FUZZED_BODY_BYTES_MAX);
        self.piece_max = self.piece_max.max(FUZZED_PIECE_BYTES_MIN as u64);
        self.kernel_bytes_max = self.kernel_bytes_max.max(FUZZED_PIECE_BYTES_MIN as u64);
    }

    /// Whether a session may end under its client. One that had an `/io` connection does soon after the last of them.
    pub(crate) fn sessions_may_end(&self) -> bool {
        self.io.clients > 0 || self.sessions_may_fail()
    }

    /// Whether a session may end early, or not begin.
    pub(crate) fn sessions_may_fail(&self) -> bool {
        self.session_ms < 600_000 || (self.limits.sessions_max as u64) < self.sessions
    }

    /// Whether a client that did not show the token may be sent away. Whoever reconnects has several connections for a
    /// while.
    pub(crate) fn may_shed(&self) -> bool {
        self.limits.connections_max < 100 || self.limits.input_bytes_max < 1 << 20
    }
}

fn limits(dice: &mut Dice) -> Limits {
    let default = Limits::default();
    let mut limits = Limits { transfer: dice.chance(500), ..default.clone() };
    let mut small = |value: &mut usize, choices: &[usize]| {
        if dice.chance(500) {
            *value = dice.pick(choices);
        }
    };
    small(&mut limits.connections_max, &[1, 2, 5]);
    small(&mut limits.buffers_max, &[1, 2, 3, 6]);
    small(&mut limits.buffers_kept_max, &[0, 1]);
    small(&mut limits.body_buffers_max, &[1, 2]);
    small(&mut limits.bulk_bytes_max, &[1, 600_000]);
    small(&mut limits.turn_bytes_max, &[1, 17, 1_000, 20_000]);
    small(&mut limits.head_read_bytes, &[1, 50, 2_000]);
    small(&mut limits.head_read_tight_bytes, &[1, 100]);
    small(&mut limits.input_bytes_max, &[1, 10_000]);
    small(&mut limits.copy_bytes_max, &[1, 5_000]);
    small(&mut limits.sessions_max, &[1, 2]);
    limits.drain_bytes_max = dice.pick(&[0, 100, default.drain_bytes_max]);
    limits.linger_ms = dice.pick(&[0, 100, default.linger_ms, default.linger_ms]);
    limits.send_stall_ms = dice.pick(&[3_000, default.send_stall_ms]);
    limits.exit_ms = dice.pick(&[0, 100, default.exit_ms]);
    limits
}
