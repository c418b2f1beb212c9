//! Names to addresses, off the loop: one look-up a name at a time, whoever waits for it, and remembered for a while.

use crate::ids::{ConnId, JobId};
use crate::job::{Ask, Lane};
use crate::state::State;
use crate::state::names::{Lookup, Outcome};
use crate::state::notes::Note;

/// What a name resolves to, where that is known. Else it is looked up, and `who` is noted to ask again.
pub fn resolve(state: &mut State, host: &str, who: ConnId) -> Option<Outcome> {
    if let Some(outcome) = state.names.get(host, state.now) {
        return Some(outcome.clone());
    }
    if let Some(lookup) = state.lookups.values_mut().find(|lookup| lookup.host.eq_ignore_ascii_case(host)) {
        if !lookup.waiting.contains(&who) {
            lookup.waiting.push(who);
        }
        return None;
    }
    let job = state.submit(ConnId::NOBODY, Lane::Names, None, Ask::Resolve { host: host.to_owned() });
    state.lookups.insert(job, Lookup { host: host.to_owned(), waiting: vec![who] });
    None
}

/// A look-up has ended.
pub fn resolved(state: &mut State, job: JobId, outcome: Outcome) {
    let Some(lookup) = state.lookups.remove(&job) else { return };
    state.names.put(&lookup.host, outcome, state.now);
    for who in lookup.waiting {
        state.notes.send(who, Note::Look);
    }
}
