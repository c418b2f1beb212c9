//! `/control/…` that concerns the daemon as a whole.

use super::answer::Answer;
use super::{Cx, Task};

/// `POST /control/shutdown`: 200, then the orderly end.
pub fn shutdown(cx: &mut Cx<'_>) -> Task {
    cx.state.exit_wanted = true;
    Task::ready(Answer::done())
}
