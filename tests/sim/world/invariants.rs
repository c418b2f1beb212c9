//! What must hold after every step, and what must be left at the end: nothing.

use super::link::Link;
use super::request::What;
use super::workers::{Workers, buffers_of, is_transfer};
use jstorrent_io_daemon::buffer::BUFFER_BYTES;
use jstorrent_io_daemon::engine::Engine;
use std::collections::BTreeMap;

/// After each step.
pub(crate) fn check(engine: &Engine, workers: &Workers, links: &BTreeMap<usize, Link>) {
    let state = &engine.state;
    assert_eq!(state.jobs_out, workers.jobs().count(), "jobs that are out are with the workers");
    let out = state.buffers.out();
    assert!(out <= state.limits.buffers_max.max(1), "{out} buffers are out");
    let bulk_max = state.limits.bulk_bytes_max.max(BUFFER_BYTES);
    assert!(state.buffers.bulk_reserved_bytes() <= bulk_max, "more was reserved than there is");
    let with_workers: usize = workers.jobs().map(|job| buffers_of(job).len()).sum();
    let paid = state.buffers.bulk_reserved_bytes() / BUFFER_BYTES;
    assert!(with_workers <= out + paid, "workers have buffers that nobody took");
    let buffered = out * BUFFER_BYTES + state.buffers.bulk_reserved_bytes() + state.input_bytes;
    assert!(buffered <= state.limits.buffered_bytes_max(), "{buffered} bytes are buffered");
    assert!(state.metrics.http_connections as usize == engine.connections(), "connections are counted");
    for job in workers.jobs() {
        let in_use = job.uses.map(|id| state.files.any(id).map_or(0, |file| file.in_use));
        assert!(in_use != Some(0), "a job works on a file that is not held open");
    }
    requests(engine, workers, links);
}

/// The requests that count as in flight are those that are.
fn requests(engine: &Engine, workers: &Workers, links: &BTreeMap<usize, Link>) {
    let transfers = workers.jobs().filter(|job| is_transfer(job)).count();
    let (mut certain, mut perhaps) = (0, transfers);
    for link in links.values().filter(|link| link.id.is_some_and(|id| engine.is_live(id))) {
        let consumed = link.socket.consumed();
        // What is no request at all is answered and does not count.
        let malformed = link.docket.front().is_some_and(|first| matches!(first.what, What::Refused(_)));
        if link.excuse.is_some() || link.closing || malformed {
            perhaps += 1;
        } else if link.docket.front().is_some_and(|first| first.head_end <= consumed) {
            certain += 1;
        } else if link.answered_end > consumed || link.judge.within() {
            perhaps += 1;
        }
    }
    let counted = engine.state.metrics.http_in_flight as usize;
    assert!(
        (certain..=certain + perhaps).contains(&counted),
        "{counted} requests are in flight, {certain} (and perhaps {perhaps}) by what was sent"
    );
}

/// When everyone has gone and nothing is under way.
pub(crate) fn check_quiet(engine: &Engine, workers: &Workers) {
    let state = &engine.state;
    assert_eq!(engine.connections(), 0);
    assert_eq!(workers.jobs().count(), 0);
    assert_eq!(state.jobs_out, 0);
    assert_eq!(state.buffers.out(), 0, "a buffer did not come home");
    assert_eq!(state.buffers.bulk_reserved_bytes(), 0, "a reservation was not given back");
    assert!(!state.buffers.is_tight(), "someone who has gone still stands in line");
    assert_eq!(state.input_bytes, 0, "input of nobody");
    assert_eq!(state.metrics.http_in_flight, 0);
    assert_eq!(state.metrics.writes_in_flight, 0);
    assert!(state.effects.is_empty());
}

/// When all sessions have ended, too.
pub(crate) fn check_empty(engine: &Engine, workers: &Workers) {
    check_quiet(engine, workers);
    let state = &engine.state;
    assert!(state.sessions.is_empty(), "a session lives on");
    assert!(state.files.is_empty(), "a file of no session is open");
    assert!(state.timers.is_empty() && state.sessions.timers.is_empty(), "reminders of nobody");
    assert_eq!(workers.disk.handles_open(), 0, "a handle was never closed");
}
