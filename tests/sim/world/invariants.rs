//! What must hold after every step, and what must be left at the end: nothing.

use super::io::Io;
use super::io::link::Stage;
use super::link::Link;
use super::request::What;
use super::workers::{Workers, buffers_of, is_transfer};
use jstorrent_io_daemon::buffer::BUFFER_BYTES;
use jstorrent_io_daemon::engine::Engine;
use jstorrent_io_daemon::ids::ConnId;
use std::collections::BTreeMap;

/// After each step.
pub(crate) fn check(engine: &Engine, workers: &Workers, links: &BTreeMap<usize, Link>, io: &Io) {
    let state = &engine.state;
    assert_eq!(state.jobs_out, workers.jobs().count(), "jobs that are out are with the workers");
    let out = state.buffers.out();
    assert!(out <= state.limits.buffers_max.max(1), "{out} buffers are out");
    let bulk_max = state.limits.bulk_bytes_max.max(BUFFER_BYTES);
    assert!(state.buffers.bulk_reserved_bytes() <= bulk_max, "more was reserved than there is");
    // One read beyond it, before anyone looks.
    let held = state.bulk_held_bytes();
    assert!(
        held <= bulk_max + state.limits.channel_read_bytes + 2 * BUFFER_BYTES,
        "{held} bytes of the budget"
    );
    let with_workers: usize = workers.jobs().map(|job| buffers_of(job).len()).sum();
    let paid = state.buffers.bulk_reserved_bytes() / BUFFER_BYTES;
    assert!(with_workers <= out + paid, "workers have buffers that nobody took");
    let buffered = out * BUFFER_BYTES + state.buffers.bulk_reserved_bytes() + state.input_bytes;
    assert!(buffered <= state.limits.buffered_bytes_max(), "{buffered} bytes are buffered");
    clients(engine, links, io);
    sockets(engine, io);
    for job in workers.jobs() {
        let in_use = job.uses.map(|id| state.files.any(id).map_or(0, |file| file.in_use));
        assert!(in_use != Some(0), "a job works on a file that is not held open");
    }
    requests(engine, workers, links, io);
}

/// Clients that count as connected are those that are.
fn clients(engine: &Engine, links: &BTreeMap<usize, Link>, io: &Io) {
    let metrics = &engine.state.metrics;
    let ids = links.values().map(|link| link.id).chain(io.links.values().map(|link| link.id));
    let live = ids.flatten().filter(|id| engine.is_live(*id)).count();
    assert_eq!((metrics.http_connections + metrics.ws_connections) as usize, live, "clients are counted");
}

/// Sockets of `/io` clients are counted, and what they hold is bounded.
fn sockets(engine: &Engine, io: &Io) {
    let (state, metrics) = (&engine.state, &engine.state.metrics);
    assert_eq!(metrics.tcp_servers as usize, io.net.servers.len(), "listeners are counted");
    assert_eq!(metrics.udp_sockets as usize, io.net.udps.len(), "UDP sockets are counted");
    assert!(metrics.tcp_sockets as usize <= io.peers.len(), "TCP sockets are counted");
    assert!(state.connects.under_way() <= state.limits.connects_max, "connects are bounded");
    let open = state.sockets.len() + state.datagrams.len() + state.servers.len();
    assert!(open <= state.limits.sockets_max, "{open} sockets");
    // One read beyond what may wait.
    let read = state.limits.channel_read_bytes + 2 * BUFFER_BYTES;
    let may = state.limits.bulk_bytes_max.max(state.limits.bulk_floor_bytes) + read;
    assert!(state.sockets.held() <= may, "{} B wait for peers", state.sockets.held());
    let buffers = state.channels.buffers_out();
    assert!(buffers * BUFFER_BYTES <= state.limits.channel_out_bytes_max, "{buffers} buffers for clients");
    if state.turns.is_empty() && state.channels.waiting() == 0 {
        assert_eq!(buffers, 0, "nothing waits for clients, and yet there are buffers for it");
    }
}

/// The requests that count as in flight are those that are.
fn requests(engine: &Engine, workers: &Workers, links: &BTreeMap<usize, Link>, io: &Io) {
    let transfers = workers.jobs().filter(|job| is_transfer(job)).count();
    let is_http = |id: Option<ConnId>| id.is_some_and(|id| engine.is_live(id));
    let opening = io.links.values().filter(|link| link.stage != Stage::Messages && is_http(link.id)).count();
    let (mut certain, mut perhaps) = (0, transfers + opening);
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
    sockets_quiet(engine);
}

/// The same of sockets of `/io` clients.
fn sockets_quiet(engine: &Engine) {
    let (state, metrics) = (&engine.state, &engine.state.metrics);
    assert_eq!(state.channels.iter().count(), 0, "a channel of nobody");
    assert_eq!((state.channels.buffers_out(), state.channels.waiting()), (0, 0), "bytes for nobody");
    assert_eq!((state.sockets.len(), state.sockets.held()), (0, 0), "a TCP socket of nobody");
    assert_eq!((state.datagrams.len(), state.servers.len()), (0, 0), "a UDP socket or listener of nobody");
    let gathered = (state.gathering.small_bytes(), state.gathering.block_bytes());
    assert_eq!((state.works.count(), gathered), (0, (0, 0)), "messages of nobody");
    assert_eq!((state.lookups.len(), state.connects.under_way()), (0, 0), "look-ups or connects of nobody");
    assert!(state.unread_channels.is_empty() && state.waiting_servers.is_empty(), "someone stands in line");
    assert_eq!(state.active_channels, 0);
    assert!(state.openings.is_empty(), "what became of a connect, for nobody");
    let counts = [
        metrics.http_connections,
        metrics.ws_connections,
        metrics.tcp_sockets,
        metrics.pending_connects,
        metrics.pending_tcp,
        metrics.udp_sockets,
        metrics.tcp_servers,
    ];
    assert_eq!(counts, [0; 7], "counters of what is there now: {metrics:?}");
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
