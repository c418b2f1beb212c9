//! The time limits of an HTTP connection (PROTOCOL §2): which one runs, and what happens when it is broken.

use super::{Http, Phase};
use crate::limits::{LENT_STALL_MS, STALL_LOOK_MS};
use crate::service::Task;
use crate::state::State;
use crate::time::Time;
use jstorrent_io_proto::error::Code;
use jstorrent_io_proto::limits::{BODY_SILENCE_MS_MAX, HEAD_WAIT_MS_MAX};

impl Http {
    /// A limit of time is broken, or the task wanted to be asked again by now.
    pub fn expired(&mut self, state: &mut State) {
        let may_take_its_time = self.may_take_its_time(state);
        let Phase::Request(request) = &mut self.phase else { return self.expired_between(state) };
        if request.task_deadline() <= state.now {
            self.progress(state);
            self.consume_input(state);
        } else if request.is_starved(state) {
            // It is not the client who is silent: its time begins anew.
        } else if may_take_its_time {
            self.deadline = state.now.plus_ms(STALL_LOOK_MS).min(self.send_until);
            return;
        } else if !request.body.is_done() && request.task.is_some() && self.out.is_empty() {
            self.refuse_outright(state, &Code::Timeout.into());
        } else {
            self.finish(true);
        }
        self.after(state);
    }

    /// Whether a client that takes nothing of its answer may go on so: nobody waits for the memory that it holds.
    fn may_take_its_time(&self, state: &State) -> bool {
        let Phase::Request(request) = &self.phase else { return false };
        let holds = self.out.holds_reserved() || request.task.as_ref().is_some_and(Task::holds_reservation);
        !self.out.is_empty() && state.now < self.send_until && !(holds && state.is_wanted(self.id))
    }

    fn expired_between(&mut self, state: &mut State) {
        match self.phase {
            Phase::Head => self.refuse_outright(state, &Code::Timeout.into()),
            _ => self.finish(false),
        }
        self.after(state);
    }

    /// After anything happened within a request: the limit that runs from here.
    pub(super) fn set_deadline(&mut self, state: &State) {
        if let Phase::Request(request) = &self.phase {
            let own = if !self.out.is_empty() {
                let stalls = self.out.holds_memory() && !request.respond.is_stream();
                self.send_until =
                    if stalls { state.now.plus_ms(state.limits.send_stall_ms) } else { Time::NEVER };
                // Others may come to wait for what it holds.
                if stalls { self.send_until.min(state.now.plus_ms(LENT_STALL_MS)) } else { Time::NEVER }
            } else if request.awaits_body() {
                state.now.plus_ms(BODY_SILENCE_MS_MAX)
            } else {
                Time::NEVER
            };
            self.deadline = own.min(request.task_deadline());
        }
    }

    /// A byte of a head has come; if it is the first, the time for the whole begins to run.
    pub(super) fn head_began(&mut self, state: &State) {
        let by = state.now.plus_ms(HEAD_WAIT_MS_MAX);
        match self.phase {
            Phase::Fresh => self.deadline = self.deadline.min(by),
            Phase::Idle => self.deadline = by,
            _ => return,
        }
        self.phase = Phase::Head;
    }
}
