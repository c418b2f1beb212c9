//! Interrupt moderation: fewer wake-ups by those who send fast. Whoever is not read at present is not listened to
//! either, since to hear of more bytes would change nothing; and a peer or a client whose bytes come fast but few at a
//! time, and not for the asking, has them gathered by the kernel. Decides only when the loop looks, never what it reads: that
//! goes in turns as ever.

use super::sources::{Source, Sources};
use super::turn::Budget;
use crate::engine::Engine;
use crate::ids::ConnId;
use crate::limits::{
    GATHER_ASKED_MS, GATHER_PACE_BYTES_MIN, GATHER_READ_BYTES, GATHER_RETRY_MS, GATHER_WAIT_MS,
};
use crate::platform::low_water;
use crate::time::Time;
use mio::Registry;

/// How fast the bytes of one peer or client come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    /// Turns that brought bytes, and how many, since then.
    since: Time,
    turns: usize,
    bytes: usize,
    /// While the kernel gathers: when bytes last came, and in how many turns.
    gathering: Option<(Time, usize)>,
    /// Not to be gathered before: it was asked for something, or waited for an answer to what was held back.
    not_before: Time,
}

impl Pace {
    /// A turn brought `n` bytes. Returns whether they are to be gathered from now on.
    fn brought(&mut self, now: Time, n: usize) -> bool {
        if let Some((last, turns)) = &mut self.gathering {
            (*last, *turns) = (now, *turns + 1);
            return false;
        }
        (self.turns, self.bytes) = (self.turns + 1, self.bytes + n);
        if now < self.since.plus_ms(GATHER_WAIT_MS) {
            return false;
        }
        let elapsed_us = now.0 - self.since.0;
        let in_that_time = self.bytes as u64 * GATHER_WAIT_MS * 1000 / elapsed_us;
        let begins = in_that_time >= GATHER_PACE_BYTES_MIN
            && self.bytes / self.turns < GATHER_READ_BYTES
            && self.not_before <= now;
        *self = Pace { since: now, not_before: self.not_before, ..Pace::default() };
        self.gathering = begins.then_some((now, 0));
        begins
    }

    /// It was sent something. Returns whether its bytes were gathered until now.
    fn asked(&mut self, now: Time) -> bool {
        self.not_before = self.not_before.max(now.plus_ms(GATHER_ASKED_MS));
        self.gathering.take().is_some()
    }

    /// When the kernel has gathered long enough.
    fn late_at(&self) -> Time {
        self.gathering.map_or(Time::NEVER, |(last, _)| last.plus_ms(GATHER_WAIT_MS))
    }

    /// It was late; `in_vain` where it did not come in time though nothing kept it from being read.
    fn end(&mut self, now: Time, in_vain: bool) {
        let never_came = self.gathering.take().is_some_and(|(_, turns)| turns == 0);
        if never_came && in_vain {
            self.not_before = now.plus_ms(GATHER_RETRY_MS);
        }
        self.since = now;
    }
}

/// Whose bytes the kernel gathers.
#[derive(Debug)]
pub(super) struct Moderation {
    gathering: Vec<ConnId>,
    look_at: Time,
}

impl Default for Moderation {
    fn default() -> Moderation {
        Moderation { gathering: Vec::new(), look_at: Time::NEVER }
    }
}

impl Moderation {
    /// When [`look`](Moderation::look) must be called at the latest.
    pub(super) fn look_at(&self) -> Time {
        self.look_at
    }

    /// Whose bytes have not come in time is read as it is: there may be a few. To be called after the events of a poll.
    pub(super) fn look(&mut self, now: Time, sources: &mut Sources, engine: &mut Engine) {
        if self.look_at > now {
            return;
        }
        self.look_at = Time::NEVER;
        self.gathering.retain(|id| {
            let Some(source) = sources.get_mut(*id) else { return false };
            let late_at = source.pace.late_at();
            if late_at > now {
                self.look_at = self.look_at.min(late_at);
                return true;
            }
            source.pace.end(now, !source.ready.readable);
            set_low_water(source, 1);
            source.ready.readable = true;
            engine.state.turns.want(*id);
            false
        });
    }

    /// A connection's turn is over, which used that much of its budget.
    pub(super) fn turned(
        &mut self,
        registry: &Registry,
        sources: &mut Sources,
        engine: &Engine,
        id: ConnId,
        used: &Budget,
    ) {
        let Some(source) = sources.get_mut(id) else { return };
        if source.is_deaf && (!source.ready.held || engine.minds_arrivals(id)) {
            source.listen(registry, true);
        }
        let now = engine.state.now;
        if used.sent() > 0 && source.pace.asked(now) {
            self.gathering.retain(|other| *other != id);
            set_low_water(source, 1);
        }
        if used.received() > 0 && engine.is_stream(id) && source.pace.brought(now, used.received()) {
            if !set_low_water(source, GATHER_READ_BYTES) {
                return source.pace.end(now, true);
            }
            self.gathering.push(id);
            self.look_at = self.look_at.min(source.pace.late_at());
        }
    }
}

/// Returns whether it could be set; where not, each read brings what there is, and nobody is to wait for more.
fn set_low_water(source: &Source, bytes: usize) -> bool {
    let set = low_water::set(&source.stream.0, bytes);
    if let Err(error) = &set {
        log::trace!("low-water mark: {error}");
    }
    set.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAST: usize = 16 << 10;

    /// Turns of `n` bytes each, `step_us` apart, for ten times the wait; when the gathering began.
    fn gathers(pace: &mut Pace, from: Time, n: usize, step_us: u64) -> Option<Time> {
        let turns = 10 * GATHER_WAIT_MS * 1000 / step_us;
        (1..=turns).map(|turn| Time(from.0 + turn * step_us)).find(|now| pace.brought(*now, n))
    }

    #[test]
    fn many_small_reads_at_a_high_pace_are_gathered() {
        let mut pace = Pace::default();
        assert!(gathers(&mut pace, Time(0), FAST, 20).is_some());
    }

    #[test]
    fn what_is_slow_or_comes_in_large_reads_is_not() {
        // A ping-pong, a peer on a fast network, one that fills each read.
        for (n, step_us) in [(100, 50), (FAST, 200), (GATHER_READ_BYTES, 20)] {
            assert_eq!(
                gathers(&mut Pace::default(), Time(0), n, step_us),
                None,
                "{n} bytes each {step_us} µs"
            );
        }
    }

    #[test]
    fn who_does_not_send_on_is_left_alone_for_a_while() {
        let mut pace = Pace::default();
        let begun = gathers(&mut pace, Time(0), FAST, 20).unwrap();
        let late = pace.late_at();
        assert_eq!(late, begun.plus_ms(GATHER_WAIT_MS));
        pace.end(late, true);
        assert_eq!(pace.late_at(), Time::NEVER);
        assert_eq!(gathers(&mut pace, late, FAST, 20), None);
        assert!(gathers(&mut pace, late.plus_ms(GATHER_RETRY_MS), FAST, 20).is_some());
    }

    #[test]
    fn who_is_asked_is_read_at_once() {
        let mut pace = Pace::default();
        let begun = gathers(&mut pace, Time(0), FAST, 20).unwrap();
        assert!(pace.asked(begun));
        assert_eq!(pace.late_at(), Time::NEVER);
        assert_eq!(gathers(&mut pace, begun, FAST, 20), None);
        let later = begun.plus_ms(GATHER_ASKED_MS);
        assert!(!pace.asked(begun) && gathers(&mut pace, later, FAST, 20).is_some());
    }

    #[test]
    fn who_sent_on_or_could_not_be_read_may_be_gathered_again() {
        for (turns, in_vain) in [(1, true), (0, false)] {
            let mut pace = Pace::default();
            let begun = gathers(&mut pace, Time(0), FAST, 20).unwrap();
            (0..turns).for_each(|_| assert!(!pace.brought(begun.plus_ms(1), GATHER_READ_BYTES)));
            let late = pace.late_at();
            pace.end(late, in_vain);
            assert!(gathers(&mut pace, late, FAST, 20).is_some());
        }
    }
}
