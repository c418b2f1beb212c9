//! Names to addresses, off the loop: one look-up a name at a time, whoever waits for it, and remembered for a while.

use crate::ids::{ConnId, JobId};
use crate::job::{Ask, Lane};
use crate::limits::{ENTRY_MARGIN_BYTES, LOOKUP_BYTES, THREAD_BYTES};
use crate::state::State;
use crate::state::lookups::Asker;
use crate::state::names::Outcome;
use crate::state::notes::Note;

/// What is known of a name.
#[derive(Debug)]
pub enum Resolved {
    /// What it resolves to, or why it does not.
    Known(Outcome),
    /// It is looked up; whoever asked is noted to ask again.
    Later,
    /// So many are looked up that this one is not.
    TooMany,
}

/// What a name resolves to, where that is known. Else it is looked up, and `who` is noted to ask again.
pub fn resolve(state: &mut State, host: &str, who: ConnId, asker: Asker) -> Resolved {
    if let Some(outcome) = state.names.get(host, state.now) {
        return Resolved::Known(outcome.clone());
    }
    let fits = !asker.datagram || state.entries_fit(LOOKUP_BYTES + ENTRY_MARGIN_BYTES);
    if !fits || !state.lookups.ask(host, who, asker) {
        return Resolved::TooMany;
    }
    hand_out(state);
    Resolved::Later
}

/// Hands names to the workers, as many as may be.
pub fn hand_out(state: &mut State) {
    while let Some(host) = state.lookups.next(state.now, state.entries_fit(THREAD_BYTES)) {
        let job = state.submit(ConnId::NOBODY, Lane::Names, None, Ask::Resolve { host: host.clone() });
        state.lookups.handed_out(job, &host);
    }
}

/// A look-up has ended.
pub fn resolved(state: &mut State, job: JobId, outcome: Outcome) {
    let Some((host, waiting)) = state.lookups.ended(job) else { return };
    state.names.put(&host, outcome, state.now);
    for who in waiting {
        state.notes.send(who, Note::Look);
    }
    hand_out(state);
}
