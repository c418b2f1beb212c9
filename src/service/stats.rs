//! `GET /stats`: counters, and what is under way now. The first names are the shipping daemon's (PROTOCOL §4).

use super::answer::Answer;
use super::{Cx, Step, Task};
use crate::ids::ConnId;
use crate::state::State;
use crate::state::effects::Effect;
use crate::state::workload::{Queue, Workload};
use serde::Serialize;

/// Waits for a look at the workers.
#[derive(Debug)]
pub struct Stats {
    me: ConnId,
}

/// What is answered. A number is a total since the start, unless its name says what there is now.
#[derive(Serialize)]
struct StatsAnswer {
    tcp_sockets: u64,
    pending_connects: u64,
    pending_tcp: u64,
    udp_sockets: u64,
    tcp_servers: u64,
    ws_connections: u64,
    bytes_sent: u64,
    bytes_received: u64,
    uptime_secs: u64,
    udp_dropped: u64,
    messages_dropped: u64,
    http: HttpAnswer,
    files: FilesAnswer,
    memory: MemoryAnswer,
    workers: WorkersAnswer,
}

#[derive(Serialize)]
struct HttpAnswer {
    connections: u64,
    requests: u64,
    in_flight: u64,
    refused: u64,
    sessions: usize,
    streams: u64,
    stream_bytes_sent: u64,
    stale_events: u64,
}

#[derive(Serialize)]
struct FilesAnswer {
    open: usize,
    descriptors: usize,
    descriptors_reopened: u64,
    bytes_read: u64,
    bytes_written: u64,
    bytes_hashed: u64,
    writes_in_flight: u64,
}

#[derive(Serialize)]
struct MemoryAnswer {
    /// Pooled buffers with bodies of files and hashes.
    buffers_bytes: usize,
    /// Reserved for checked writes and large requests.
    reserved_bytes: usize,
    /// Unfinished heads and requests that wait.
    input_bytes: usize,
    /// Waiting to go to `/io` clients.
    to_clients_bytes: usize,
}

#[derive(Serialize)]
struct WorkersAnswer {
    jobs: usize,
    disk: QueueAnswer,
    disk_hash: QueueAnswer,
    hash: QueueAnswer,
    names: QueueAnswer,
    local: QueueAnswer,
}

#[derive(Serialize)]
struct QueueAnswer {
    threads: usize,
    jobs: usize,
}

impl From<Queue> for QueueAnswer {
    fn from(queue: Queue) -> QueueAnswer {
        QueueAnswer { threads: queue.threads, jobs: queue.jobs }
    }
}

/// Begins `GET /stats`.
pub fn begin(cx: &mut Cx<'_>) -> Task {
    if cx.state.workloads.want(cx.me) {
        cx.state.effects.push_back(Effect::MeasureWorkers);
    }
    Task::Stats(Stats { me: cx.me })
}

impl Stats {
    pub(super) fn advance(&self, cx: &Cx<'_>) -> Step {
        match cx.state.workloads.latest(self.me) {
            Some(workload) => Step::Reply(Answer::json(&answer(cx.state, workload))),
            None => Step::Wait,
        }
    }
}

fn answer(state: &State, workload: &Workload) -> StatsAnswer {
    let metrics = &state.metrics;
    StatsAnswer {
        tcp_sockets: metrics.tcp_sockets,
        pending_connects: metrics.pending_connects,
        pending_tcp: metrics.pending_tcp,
        udp_sockets: metrics.udp_sockets,
        tcp_servers: metrics.tcp_servers,
        ws_connections: metrics.ws_connections,
        bytes_sent: metrics.bytes_sent,
        bytes_received: metrics.bytes_received,
        uptime_secs: state.now.millis() / 1000,
        udp_dropped: metrics.udp_dropped,
        messages_dropped: metrics.messages_dropped,
        http: http(state),
        files: files(state, workload),
        memory: MemoryAnswer {
            buffers_bytes: state.buffers.out() * crate::buffer::BUFFER_BYTES,
            reserved_bytes: state.buffers.bulk_reserved_bytes(),
            input_bytes: state.input_bytes,
            to_clients_bytes: state.channels.waiting(),
        },
        workers: workers(state, workload),
    }
}

fn http(state: &State) -> HttpAnswer {
    let metrics = &state.metrics;
    HttpAnswer {
        connections: metrics.http_connections,
        requests: metrics.http_requests,
        in_flight: metrics.http_in_flight,
        refused: metrics.http_refused,
        sessions: state.sessions.len(),
        streams: metrics.streams,
        stream_bytes_sent: metrics.stream_bytes_sent,
        stale_events: metrics.stale,
    }
}

fn files(state: &State, workload: &Workload) -> FilesAnswer {
    let metrics = &state.metrics;
    FilesAnswer {
        open: state.files.len(),
        descriptors: workload.descriptors,
        descriptors_reopened: workload.reopened,
        bytes_read: metrics.file_bytes_read,
        bytes_written: metrics.file_bytes_written,
        bytes_hashed: metrics.bytes_hashed,
        writes_in_flight: metrics.writes_in_flight,
    }
}

fn workers(state: &State, workload: &Workload) -> WorkersAnswer {
    WorkersAnswer {
        jobs: state.jobs_out,
        disk: workload.disk.into(),
        disk_hash: workload.disk_hash.into(),
        hash: workload.hash.into(),
        names: workload.names.into(),
        local: workload.local.into(),
    }
}
