//! What kind of run this is for clients of `/io`: how many, how they behave, what their peers are like.

use super::super::dice::Dice;
use jstorrent_io_daemon::limits::Limits;

/// Rates are in a thousand chances.
#[derive(Clone, Debug)]
pub(crate) struct IoSwarm {
    pub(crate) clients: usize,
    /// Connections of each client, and messages on each.
    pub(crate) links: u64,
    pub(crate) ops: u64,
    pub(crate) sockets: usize,
    /// Of connections that show the token at once: those that name their session then.
    pub(crate) named: u32,
    /// Of bytes for a peer: a ping follows, whose pong tells that the daemon has them.
    pub(crate) pings: u32,
    /// Of clients that the daemon has taken its leave of: they do not look yet.
    pub(crate) dawdles: u32,
    /// Bytes that go over a socket, each way.
    pub(crate) course_max: u64,
    pub(crate) credit: u32,
    pub(crate) batch: u32,
    pub(crate) json: u32,
    pub(crate) recv_window: u32,
    pub(crate) hostile: u32,
    pub(crate) abort: u32,
    pub(crate) stall: u32,
    pub(crate) stall_us_max: u64,
    pub(crate) overrun: u32,
    pub(crate) secure: u32,
    pub(crate) fragment: u32,
    /// Of peers.
    pub(crate) stalled: u32,
    pub(crate) slow: u32,
    pub(crate) breaks: u32,
    pub(crate) failing: u32,
    pub(crate) names: u32,
    /// Of binds, and of datagrams.
    pub(crate) taken: u32,
    pub(crate) blocks: u32,
    pub(crate) refuses: u32,
    pub(crate) knocks: u32,
    /// What the kernel holds each way for a peer.
    pub(crate) kernel_bytes_max: u64,
    pub(crate) interrupt_every: u32,
    pub(crate) piece_max: u64,
    pub(crate) act_us_max: u64,
    pub(crate) datagram_max: u64,
}

fn rate(dice: &mut Dice, max: u64) -> u32 {
    match dice.below(4) {
        0 => dice.below(max + 1) as u32,
        1 => dice.below(max / 8 + 2) as u32,
        _ => 0,
    }
}

impl IoSwarm {
    /// One client, little data, everything possible: for a fuzzer, whose bytes are better spent on what happens.
    fn brief(dice: &mut Dice, limits: &Limits) -> IoSwarm {
        let choices = dice.below(256) as u32;
        let flag = |bit: u32, rate: u32| if choices >> bit & 1 == 1 { rate } else { 0 };
        IoSwarm {
            clients: 1,
            links: 1,
            ops: 200,
            sockets: 8,
            named: 800,
            pings: 0,
            dawdles: 0,
            course_max: dice.pick(&[50, 600]),
            credit: flag(0, 1_000),
            batch: flag(1, 1_000),
            json: flag(2, 1_000),
            recv_window: dice.pick(&[0, 1, 100, 1 << 20]),
            hostile: 150,
            abort: flag(3, 30),
            stall: flag(3, 30),
            stall_us_max: 1_000_000,
            overrun: 0,
            secure: 200,
            fragment: flag(4, 300),
            stalled: 200,
            slow: 100,
            breaks: 200,
            failing: 200,
            names: 300,
            taken: flag(5, 200),
            blocks: flag(5, 200),
            refuses: flag(5, 200),
            knocks: 300,
            kernel_bytes_max: dice.pick(&[300, 65_536]),
            interrupt_every: flag(6, 3),
            piece_max: if flag(7, 1) == 1 { 40 } else { 1 << 16 },
            act_us_max: 2_000,
            datagram_max: 20.min(limits.scratch_bytes() as u64),
        }
    }

    /// Draws one; `alone`: nobody else is there.
    pub(crate) fn draw(dice: &mut Dice, alone: bool, limits: &Limits) -> IoSwarm {
        // A byte a turn is slow work.
        if dice.is_fuzzer() {
            return IoSwarm::brief(dice, limits);
        }
        let slow = limits.turn_bytes_max < 64 || limits.channel_read_bytes < 64;
        let overrun = if !slow && dice.chance(60) { 1_000 } else { 0 };
        let fine = dice.chance(200) && overrun == 0;
        let course_max = match (slow, fine) {
            (true, _) => dice.pick(&[30, 300]),
            (_, true) => dice.pick(&[100, 3_000]),
            _ => dice.pick(&[200, 5_000, 60_000, 60_000, 400_000]),
        };
        // A message must have room in the whole of the memory.
        let narrow = limits.bulk_bytes_max < 4 << 20;
        let course_max = if narrow { course_max.min(20_000) } else { course_max };
        let overrun = if narrow { 0 } else { overrun };
        let large = !slow && !fine && !narrow && dice.chance(40);
        IoSwarm {
            clients: if alone { dice.pick(&[1, 1, 2, 4]) } else { dice.pick(&[1, 2]) },
            links: dice.between(1, 3),
            ops: dice.pick(&[6, 20, 60]),
            sockets: dice.pick(&[1, 4, 12]),
            named: 800,
            pings: 0,
            dawdles: 0,
            course_max: if large { 1_300_000 } else { course_max },
            credit: dice.pick(&[0, 500, 1_000, 1_000]),
            batch: dice.pick(&[0, 500, 1_000]),
            json: dice.pick(&[0, 0, 300, 1_000]),
            recv_window: dice.pick(&[0, 1, 100, 5_000, 70_000, 1 << 20]),
            hostile: rate(dice, 300),
            abort: rate(dice, 60),
            stall: rate(dice, 100),
            stall_us_max: dice.pick(&[10_000, 1_000_000, 40_000_000]),
            overrun,
            secure: rate(dice, 100),
            fragment: dice.pick(&[0, 100, 800]),
            stalled: rate(dice, 500),
            slow: rate(dice, 500),
            breaks: rate(dice, 500),
            failing: rate(dice, 500),
            names: dice.pick(&[0, 200, 700]),
            taken: rate(dice, 500),
            blocks: rate(dice, 500),
            refuses: rate(dice, 300),
            knocks: dice.pick(&[100, 600]),
            kernel_bytes_max: dice.pick(&[1, 300, 5_000, 65_536, 400_000]).max(if fine { 1 } else { 300 }),
            interrupt_every: dice.pick(&[0, 0, 2, 7]),
            piece_max: if fine { 1 + dice.size(100) } else { dice.pick(&[1_500, 70_000, 1 << 20]) },
            act_us_max: dice.pick(&[100, 2_000, 20_000]),
            datagram_max: dice.pick(&[20, 1_400, 9_000]).min(limits.scratch_bytes() as u64),
        }
    }
}

/// Shrinks the bounds that matter here.
pub(crate) fn limits(dice: &mut Dice, limits: &mut Limits) {
    let mut small = |value: &mut usize, choices: &[usize]| {
        if dice.chance(350) {
            *value = dice.pick(choices);
        }
    };
    small(&mut limits.sockets_max, &[1, 3, 8]);
    small(&mut limits.channel_out_bytes_max, &[0, 256 << 10, 512 << 10]);
    small(&mut limits.channel_gather_bytes_max, &[1, 1_000, 50_000]);
    small(&mut limits.channel_reply_bytes_max, &[1, 500]);
    small(&mut limits.file_write_bytes_max, &[1, 20_000]);
    small(&mut limits.channel_read_bytes, &[1, 30, 4_000]);
    small(&mut limits.connects_max, &[1, 2]);
    small(&mut limits.bulk_floor_bytes, &[0, 1, 600_000]);
    small(&mut limits.file_works_max, &[1, 3]);
    small(&mut limits.write_floor_bytes, &[1, 100_000]);
}
