//! Streaming (PROTOCOL §5): an open file for players, with ranges and validators that stay the same however much is
//! written meanwhile. The head goes out at once; then the task only watches over the answer, which the connection sends
//! on its own, and lets it have what becomes available (`supply`).

mod answer;
mod ranges;
mod supply;
#[cfg(test)]
mod tests;

pub use ranges::{available, channel_closed, channel_opened, new_deferred, told, unavailable};

use super::{Call, Cx, Step, Task, files, salvage, session, ticket};
use crate::conn::http::outbound::Outbound;
use crate::ids::{ConnId, FileId, SessionId};
use crate::job::{Ask, DiskError, Done, FileHandle, Lane};
use crate::state::State;
use crate::state::effects::Effect;
use crate::time::Time;
use answer::{Made, Plan};
use jstorrent_io_proto::error::Refusal;
use std::sync::Arc;
use supply::Supply;

/// A stream under way.
#[derive(Debug)]
pub struct Stream {
    me: ConnId,
    file: FileId,
    session: SessionId,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    /// The file's size is asked for.
    Sizing { plan: Box<Plan>, handle: Arc<FileHandle>, size: Option<Result<u64, DiskError>> },
    /// The answer is on its way.
    Sending {
        progress: Progress,
        /// Where the file is deferred.
        supply: Option<Box<Supply>>,
    },
}

/// Begins `GET` or `HEAD /stream/N`.
pub fn begin(cx: &mut Cx<'_>, call: &Call<'_>) -> Result<Task, Refusal> {
    let id = FileId(call.found.file_id);
    let session = if call.admitted.by_ticket() { ticket::redeem(cx.state, call, id)? } else { call.owner()? };
    let file = files::find(cx.state, session, id)?;
    let handle = file.handle.clone();
    let plan = Box::new(Plan::new(call.head, call.found.rest, file));
    if let Some(file) = cx.state.files.get_mut(id, session) {
        file.streams.insert(cx.me, u64::MAX);
    }
    session::hold(cx.state, session);
    cx.state.metrics.streams += 1;
    let bytes = cx.state.limits.stream_buffer_bytes;
    cx.state.effects.push_back(Effect::SendBuffer { id: cx.me, bytes });
    cx.state.submit(cx.me, Lane::Disk(handle.root.number), Some(id), Ask::Size(handle.clone()));
    let phase = Phase::Sizing { plan, handle, size: None };
    Ok(Task::Stream(Stream { me: cx.me, file: id, session, phase }))
}

/// How far an answer has come.
#[derive(Debug)]
struct Progress {
    /// Of the connection's bytes of files, those that were counted.
    counted: u64,
    /// Bytes of this answer.
    sent: u64,
}

impl Progress {
    fn note(&mut self, cx: &mut Cx<'_>, file_bytes_sent: u64) {
        let (more, before) = (file_bytes_sent - self.counted, self.sent);
        self.counted = file_bytes_sent;
        self.sent += more;
        cx.state.metrics.stream_bytes_sent += more;
        let settled = cx.state.limits.stream_settled_bytes;
        if before < settled && self.sent >= settled {
            let bytes = cx.state.limits.stream_settled_buffer_bytes;
            cx.state.effects.push_back(Effect::SendBuffer { id: cx.me, bytes });
        }
    }
}

impl Stream {
    pub(super) fn completed(&mut self, cx: &mut Cx<'_>, done: Done) {
        match (&mut self.phase, done) {
            (Phase::Sizing { size, .. }, Done::Size(result)) => *size = Some(result),
            (_, done) => salvage::salvage(cx.state, done),
        }
    }

    pub(super) fn advance(&mut self, cx: &mut Cx<'_>, out: &mut Outbound) -> Step {
        match &mut self.phase {
            Phase::Sizing { size: None, .. } => Step::Wait,
            Phase::Sizing { plan, handle, size: Some(size) } => {
                let made = plan.answer(cx.state, self.file, handle, size);
                let is_deferred = plan.is_deferred();
                match made {
                    Made::Whole(answer) => Step::Reply(answer),
                    Made::Begun(answer) => {
                        let supply = is_deferred
                            .then(|| Box::new(Supply::new(cx.state, self.me, self.session, self.file)));
                        let progress = Progress { counted: out.file_bytes_sent, sent: 0 };
                        self.phase = Phase::Sending { progress, supply };
                        Step::Begin(answer)
                    }
                }
            }
            Phase::Sending { progress, supply } => {
                progress.note(cx, out.file_bytes_sent);
                if out.first_span_mut().is_none() {
                    return Step::End;
                }
                match supply {
                    Some(supply) => supply.advance(cx.state, out),
                    None => Step::Wait,
                }
            }
        }
    }

    /// When it must be asked again.
    pub(super) fn deadline(&self) -> Time {
        match &self.phase {
            Phase::Sending { supply: Some(supply), .. } => supply.deadline(),
            _ => Time::NEVER,
        }
    }

    /// A player that has gone needs no more bytes, and nobody should be asked for them. Where all are there, the
    /// next write will tell: someone may half-close and still want the answer.
    pub(super) fn minds_hang_up(&self) -> bool {
        matches!(self.phase, Phase::Sending { supply: Some(_), .. })
    }

    pub(super) fn release(&mut self, state: &mut State) {
        state.metrics.streams -= 1;
        session::rest(state, self.session);
        if let Some(file) = state.files.any_mut(self.file) {
            file.streams.remove(&self.me);
        }
        if let Phase::Sending { supply: Some(supply), .. } = &mut self.phase {
            supply.release(state);
        }
    }
}
