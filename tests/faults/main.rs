//! What goes wrong around the daemon, done to the real binary: it is killed, the power fails, calls fail, disks fill up
//! and go away, clients misbehave. Each time nothing that was acknowledged is lost, nothing hangs, the client is told, and
//! memory and descriptors come back.
//!
//! What needs root rights or a tool says so and is left out where they are missing; a missing tool is a failure where
//! `CI` is set.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, reason = "what was done or left out, for whoever reads the run")]

#[path = "../../examples/player/http.rs"]
#[allow(dead_code, reason = "shared with an example; only the browser's driver is called by it")]
mod http;
#[path = "../soak/run/pattern.rs"]
#[allow(dead_code, reason = "shared with the soak test")]
mod pattern;
#[path = "../soak/run/random.rs"]
#[allow(dead_code, reason = "shared with the soak test")]
mod random;
#[path = "../e2e/support/mod.rs"]
#[allow(dead_code, reason = "shared with the end-to-end tests")]
mod support;
#[path = "../players/webdriver.rs"]
#[allow(dead_code, reason = "shared with the tests of players")]
mod webdriver;

mod calls;
mod clock;
mod crash;
mod disks;
mod disturbed;
mod each_call;
mod floods;
mod frames;
mod hostile_page;
mod kernel;
mod load;
mod memory;
mod rebound;
mod resets;
mod scenario;
mod shadow;
mod sizes;
mod sockets;
mod volume;

use std::time::Instant;

use serde_json::Value;

use support::DEADLINE;
use support::http::Request;

/// As the browser's driver tells.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Waits until nothing is open or under way in the daemon, and it has no more descriptors than that; how many it has.
fn quiet(daemon: &support::daemon::Daemon, descriptors_max: usize) -> usize {
    let deadline = Instant::now() + DEADLINE;
    let mut http = daemon.http();
    loop {
        let stats = http.call(Request::get("/stats").token(&daemon.token)).expect(200).json();
        let found = |name: &str| name.split('.').fold(&stats, |value: &Value, part| &value[part]).clone();
        let over: Vec<_> = LEVELS.iter().filter(|(name, level)| found(name) != *level).collect();
        let descriptors = daemon.process().descriptors();
        if over.is_empty() && descriptors <= descriptors_max {
            return descriptors;
        }
        let late = Instant::now() > deadline;
        assert!(!late, "not reached: {over:?}; {descriptors} descriptors, {descriptors_max} before; {stats}");
    }
}

/// Levels of `/stats`, and where they are when all is over but the request that asks.
const LEVELS: &[(&str, u64)] = &[
    ("tcp_sockets", 0),
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
    ("memory.buffers_bytes", 0),
    ("workers.jobs", 0),
];

/// A number that the environment may set, such as how often to do something.
fn number(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")),
        Err(_) => default,
    }
}
