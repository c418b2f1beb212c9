//! The daemon under test as every thread sees it: where it is, what has been done to it, and what it says of itself.

use std::collections::HashSet;
use std::fmt::{Display, Formatter};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::support::http::{Http, Request, Response};

/// Where the daemon is, and what was done so far.
pub(crate) struct Target {
    pub(crate) port: u16,
    pub(crate) token: String,
    pub(crate) count: Counts,
    /// Datagrams whose echo comes to a socket that has gone, or to another one that got its port.
    pub(crate) strays: Mutex<HashSet<u64>>,
}

/// What the run did, to be told at its end.
#[derive(Default)]
pub(crate) struct Counts {
    connections: AtomicU64,
    sockets: AtomicU64,
    datagrams: AtomicU64,
    bytes: AtomicU64,
    requests: AtomicU64,
}

impl Counts {
    pub(crate) fn connections(&self, n: u64) {
        self.connections.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn sockets(&self, n: u64) {
        self.sockets.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn datagrams(&self, n: u64) {
        self.datagrams.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn bytes(&self, n: u64) {
        self.bytes.fetch_add(n, Ordering::Relaxed);
    }
}

impl Display for Counts {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mib = read(&self.bytes) >> 20;
        let (connections, sockets) = (read(&self.connections), read(&self.sockets));
        let (datagrams, requests) = (read(&self.datagrams), read(&self.requests));
        write!(
            f,
            "{connections} WebSockets, {sockets} TCP sockets, {datagrams} datagrams, {requests} requests, {mib} MiB"
        )
    }
}

impl Target {
    /// A new connection.
    pub(crate) fn http(&self) -> Http {
        Http::connect(self.port)
    }

    /// One request of a session, on a connection of its own.
    pub(crate) fn call(&self, session: &str, request: Request) -> Response {
        self.call_on(&mut self.http(), session, request)
    }

    /// One request of a session.
    pub(crate) fn call_on(&self, http: &mut Http, session: &str, request: Request) -> Response {
        self.count.requests.fetch_add(1, Ordering::Relaxed);
        http.call(request.token(&self.token).session(session))
    }

    /// Opens a file to write to, and makes it; its id.
    pub(crate) fn open_file(&self, root: &str, path: &str, session: &str) -> u32 {
        let body = json!({"root": root, "path": path, "write": true, "create": true});
        let answer = self.call(session, Request::post("/files/open").json(&body));
        let id = answer.json()["fileId"].as_u64().unwrap_or_else(|| panic!("{answer:?}"));
        u32::try_from(id).expect("an id")
    }

    pub(crate) fn close_file(&self, id: u32, session: &str) {
        self.call(session, Request::post(&format!("/files/{id}/close"))).expect(200);
    }

    /// What is open or under way and should not be: names and numbers of `/stats`.
    pub(crate) fn left_over(&self, http: &mut Http) -> Vec<String> {
        let stats = http.call(Request::get("/stats").token(&self.token)).expect(200).json();
        LEVELS
            .iter()
            .filter_map(|(name, expected)| {
                let found = name.split('.').fold(&stats, |value: &Value, part| &value[part]);
                (found != expected).then(|| format!("{name} {found}"))
            })
            .collect()
    }
}

/// Levels of `/stats`, and where they are when all is over but the request that asks.
const LEVELS: &[(&str, u64)] = &[
    ("tcp_sockets", 0),
    ("pending_connects", 0),
    ("pending_tcp", 0),
    ("udp_sockets", 0),
    ("tcp_servers", 0),
    ("ws_connections", 0),
    ("http.connections", 1),
    ("http.in_flight", 1),
    ("http.streams", 0),
    ("files.open", 0),
    ("files.descriptors", 0),
    ("files.writes_in_flight", 0),
    ("memory.to_clients_bytes", 0),
    ("workers.jobs", 0),
];
