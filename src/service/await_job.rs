//! A task that waits for one job and turns its outcome into the answer.

use super::answer::Answer;
use super::{Cx, Step, files, interfaces, paths};
use crate::ids::{FileId, SessionId};
use crate::job::Done;

/// What to do with the outcome.
#[derive(Debug)]
pub enum Then {
    /// A file was opened for a session.
    Opened {
        /// Whose it will be.
        session: SessionId,
        /// `"deferred":true`.
        deferred: bool,
    },
    /// Tell what the system says of an open file.
    Info(FileId, SessionId),
    /// 200 `{}`.
    Flushed,
    /// 200 with the size.
    Preallocated(u64),
    /// 200 with the size.
    Truncated(u64),
    /// Whatever a job on a path says.
    Path,
    /// The machine's interfaces.
    Interfaces,
    /// Nothing is under way: the file closes when the last request on it has ended.
    Closed(FileId),
}

/// A job under way.
#[derive(Debug)]
pub struct Await {
    then: Option<Then>,
    done: Option<Done>,
}

impl Await {
    /// Waits for the job that was just submitted.
    pub fn new(then: Then) -> Await {
        Await { then: Some(then), done: None }
    }

    pub(super) fn completed(&mut self, done: Done) {
        self.done = Some(done);
    }

    pub(super) fn advance(&mut self, cx: &mut Cx<'_>) -> Step {
        if let Some(Then::Closed(id)) = self.then {
            return files::closed(cx, id);
        }
        match (self.done.take(), self.then.take()) {
            (Some(done), Some(then)) => Step::Reply(answer(cx, then, done)),
            (None, then) => {
                self.then = then;
                Step::Wait
            }
            (Some(_), None) => Step::Cut,
        }
    }
}

fn answer(cx: &mut Cx<'_>, then: Then, done: Done) -> Answer {
    match (then, done) {
        (Then::Path, done) => paths::answer(cx, done),
        (Then::Interfaces, Done::ListInterfaces(result)) => interfaces::answer(result),
        (then, done) => files::answer(cx, then, done),
    }
}
