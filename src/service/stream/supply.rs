//! What a stream of a deferred file gets, and asks for (PROTOCOL §5, §7 "Streams"): it is let go as far as its bytes are
//! available, and the first one that is missing is asked for a window ahead, so that playing need not pause between two
//! requests. While it waits it is an entry in the file's list and nothing else: no thread, no buffer, no timer.

use super::ranges;
use crate::conn::http::outbound::Outbound;
use crate::ids::{ConnId, FileId, SessionId};
use crate::limits::{STREAM_SETTLE_MS, STREAM_UNSETTLED_MS};
use crate::service::Step;
use crate::state::State;
use crate::state::availability::Availability;
use crate::state::ranges::{OpenRange, RangeId};
use crate::time::Time;
use jstorrent_io_proto::limits::{STREAM_ORPHAN_MS_MAX, STREAM_WINDOW_BYTES};

/// The supply of one stream.
#[derive(Debug)]
pub(super) struct Supply {
    me: ConnId,
    session: SessionId,
    file: FileId,
    stream_id: u64,
    /// The request that is open.
    open: Option<RangeId>,
    /// Nothing is asked before.
    ask_at: Time,
    /// Since when something is to be asked and there is nobody to ask.
    alone_since: Option<Time>,
    deadline: Time,
}

/// The first byte that a stream lacks.
struct Missing {
    offset: u64,
    /// Behind the last byte of the range that it is in.
    range_end: u64,
    /// Bytes that the player has to take before it comes to that byte.
    ahead: u64,
}

/// What is known of a request.
enum Asked {
    /// None is open.
    Nothing,
    /// One is open, of whom it should be.
    Pending,
    /// It will never be answered.
    Refused,
}

impl Supply {
    /// For a stream that is about to begin.
    pub(super) fn new(state: &mut State, me: ConnId, session: SessionId, file: FileId) -> Supply {
        let deferred = state.files.any(file).and_then(|file| file.deferred.as_ref());
        let unsettled = deferred.is_some_and(|deferred| state.now < deferred.unsettled_until);
        Supply {
            me,
            session,
            file,
            stream_id: state.ranges.new_stream(),
            open: None,
            ask_at: if unsettled { state.now.plus_ms(STREAM_SETTLE_MS) } else { state.now },
            alone_since: None,
            deadline: Time::NEVER,
        }
    }

    pub(super) fn deadline(&self) -> Time {
        self.deadline
    }

    /// Lets the answer go as far as it may, and asks for what is missing.
    pub(super) fn advance(&mut self, state: &mut State, out: &mut Outbound) -> Step {
        self.deadline = Time::NEVER;
        let Some(file) = state.files.any_mut(self.file) else { return Step::Cut };
        let Some(deferred) = &mut file.deferred else { return Step::Cut };
        let missing = open_spans(out, &deferred.available);
        file.streams.insert(self.me, missing.as_ref().map_or(u64::MAX, |missing| missing.offset));
        match self.asked(state, missing.as_ref()) {
            Asked::Refused => Step::Cut,
            Asked::Pending => Step::Wait,
            Asked::Nothing => match missing {
                Some(missing) if missing.ahead <= STREAM_WINDOW_BYTES => self.ask(state, &missing),
                _ => Step::Wait,
            },
        }
    }

    /// Looks after the open request: one that has been answered in full, is of no use any more, or was made of somebody
    /// else than should be asked, is ended.
    fn asked(&mut self, state: &mut State, missing: Option<&Missing>) -> Asked {
        let Some(id) = self.open else { return Asked::Nothing };
        let Some(range) = state.ranges.get(id).copied() else { return Asked::Refused };
        let end = range.offset + range.length;
        let file = state.files.any(self.file);
        let deferred = file.and_then(|file| file.deferred.as_ref());
        if deferred.is_some_and(|deferred| deferred.available.available_end(range.offset) >= end) {
            state.ranges.remove(id);
        } else {
            let is_wanted = missing.is_some_and(|missing| (range.offset..end).contains(&missing.offset));
            if is_wanted && self.newest_channel(state) == Some(range.channel) {
                return Asked::Pending;
            }
            ranges::cancel(state, id);
        }
        self.open = None;
        Asked::Nothing
    }

    fn newest_channel(&self, state: &State) -> Option<ConnId> {
        state.sessions.get(self.session)?.range_channels.last().copied()
    }

    fn ask(&mut self, state: &mut State, missing: &Missing) -> Step {
        let Some(channel) = self.newest_channel(state) else { return self.wait_for_channel(state) };
        self.alone_since = None;
        if state.now < self.ask_at {
            self.deadline = self.ask_at;
            return Step::Wait;
        }
        let until = missing.offset.saturating_add(STREAM_WINDOW_BYTES).min(missing.range_end);
        let Some(deferred) = state.files.any(self.file).and_then(|file| file.deferred.as_ref()) else {
            return Step::Cut;
        };
        let end = deferred.available.missing_end(missing.offset, until);
        self.open = Some(ranges::ask(
            state,
            OpenRange {
                session: self.session,
                stream: self.me,
                stream_id: self.stream_id,
                file: self.file,
                offset: missing.offset,
                length: end - missing.offset,
                channel,
                told: false,
            },
        ));
        Step::Wait
    }

    /// Nobody can be asked: a client that reconnects in time finds its players waiting.
    fn wait_for_channel(&mut self, state: &State) -> Step {
        let Some(session) = state.sessions.get(self.session) else { return Step::Cut };
        if !session.channels.is_empty() {
            // It may say what is available without being asked; its close is told.
            self.alone_since = None;
            return Step::Wait;
        }
        let since = *self.alone_since.get_or_insert(state.now);
        let until = since.max(session.alone_since).plus_ms(STREAM_ORPHAN_MS_MAX);
        if until <= state.now {
            return Step::Cut;
        }
        self.deadline = until;
        Step::Wait
    }

    /// The stream has ended, whoever ended it.
    pub(super) fn release(&mut self, state: &mut State) {
        let waits_to_ask = self.deadline == self.ask_at;
        let asks = self.open.take().inspect(|id| ranges::cancel(state, *id)).is_some();
        let unsettled_until = state.now.plus_ms(STREAM_UNSETTLED_MS);
        if let Some(deferred) = state.files.any_mut(self.file).and_then(|file| file.deferred.as_mut())
            && (asks || waits_to_ask)
        {
            deferred.unsettled_until = unsettled_until;
        }
    }
}

/// Opens what is available of the parts that are still to be sent; returns the first byte that is not.
fn open_spans(out: &mut Outbound, available: &Availability) -> Option<Missing> {
    let mut ahead = 0;
    for span in out.spans_mut() {
        let there = available.available_end(span.offset).min(span.end);
        span.open_until = there;
        ahead += there - span.offset;
        if there < span.end {
            return Some(Missing { offset: there, range_end: span.end, ahead });
        }
    }
    None
}
