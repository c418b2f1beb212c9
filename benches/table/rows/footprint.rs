//! What the daemon costs while nothing happens: memory, wake-ups, the time to be ready, connections that wait.

use super::{Ground, Section};
use crate::Result;
use crate::client::Client;
use crate::daemon::{self, BINARY, first_line};
use crate::nginx::Nginx;
use crate::process::Process;
use crate::stats::Latencies;
use crate::table::cell;
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

const SECTION: &str = "Footprint";
const IDLE_CONNECTIONS: usize = 600;
const SPAWNS: usize = 20;
/// After this, what a start or a close leaves behind has been done.
const SETTLE: Duration = Duration::from_secs(1);

pub(super) fn run(ground: &Ground<'_>) {
    let mut section = Section::new(ground, SECTION, "| | ours | peer |\n| --- | ---: | ---: |".to_owned());
    section.row("ready after spawn", || ready(ground));
    section.row("idle memory and wake-ups", || idle(ground));
    section.row("idle connections", || connections(ground));
    section.row("binary", binary);
}

/// From the spawn to the ready line.
fn ready(ground: &Ground<'_>) -> Result<String> {
    let mut latencies = Latencies::default();
    for _ in 0..SPAWNS {
        let begun = Instant::now();
        let mut child = daemon::command(BINARY.as_ref(), &ground.root()).spawn()?;
        let line = first_line(&mut child);
        latencies.add(begun.elapsed());
        child.kill()?;
        child.wait()?;
        line?;
    }
    let [half, most] = [0.5, 1.0].map(|share| latencies.percentile_us(share).map(|us| us / 1000.0));
    Ok(format!(
        "| ready after spawn, ms (median, worst of {SPAWNS}) | {}, {} | |",
        cell(half, 2),
        cell(most, 2)
    ))
}

fn idle(ground: &Ground<'_>) -> Result<String> {
    let daemon = ground.daemon(BINARY.as_ref())?;
    let nginx = Nginx::start(&ground.root(), &ground.path("nginx"))?;
    sleep(SETTLE);
    let seconds = if ground.options.quick { 3 } else { 10 };
    let before = daemon.process().switches()?;
    sleep(Duration::from_secs(seconds));
    let switches = daemon.process().switches()? - before;
    let nginx = nginx.map(|nginx| nginx.process().rss_kib()).transpose()?;
    Ok([
        format!(
            "| idle RSS, MiB | {:.1} | {} |",
            mib(daemon.process().rss_kib()?),
            nginx.map_or(String::new(), |kib| format!("nginx {:.1}", mib(kib))),
        ),
        format!("| wake-ups in {seconds} s | {switches} | |"),
    ]
    .join("\n"))
}

/// Connections that have had one answer, and wait.
fn connections(ground: &Ground<'_>) -> Result<String> {
    let daemon = ground.daemon(BINARY.as_ref())?;
    let head = |head: &mut Vec<u8>| daemon.head(head, format_args!("GET /health"), "");
    let (ours_open, ours_closed) = cost(daemon.address, daemon.process(), &head)?;
    std::fs::write(ground.root().join("health"), "ok")?;
    let nginx = Nginx::start(&ground.root(), &ground.path("nginx"))?;
    let theirs = nginx.map(|nginx| {
        cost(nginx.address, nginx.process(), &|head| {
            head.extend_from_slice(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
        })
    });
    let theirs = theirs.transpose()?;
    let line = |what: &str, ours: i64, theirs: Option<i64>| {
        let theirs = theirs.map_or(String::new(), |kib| format!("nginx {kib}"));
        format!("| {IDLE_CONNECTIONS} idle connections, KiB {what} | {ours} | {theirs} |")
    };
    Ok([
        line("while open", ours_open, theirs.map(|(open, _)| open)),
        line("after closing", ours_closed, theirs.map(|(_, closed)| closed)),
    ]
    .join("\n"))
}

/// RSS in KiB more than before: with the connections open, and after they were closed.
fn cost(address: SocketAddr, process: Process, head: &dyn Fn(&mut Vec<u8>)) -> Result<(i64, i64)> {
    let request = |_, into: &mut Vec<u8>| {
        head(into);
        &[][..]
    };
    // What the first request costs, later ones do not.
    Client::connect(address, 1)?.run(1, None, &request)?;
    sleep(SETTLE);
    let more_than = |before: u64| Result::Ok(process.rss_kib()?.cast_signed() - before.cast_signed());
    let before = process.rss_kib()?;
    let mut client = Client::connect(address, IDLE_CONNECTIONS)?;
    client.run(IDLE_CONNECTIONS as u64, None, &request)?;
    sleep(SETTLE);
    let open = more_than(before)?;
    drop(client);
    sleep(SETTLE);
    Ok((open, more_than(before)?))
}

fn binary() -> Result<String> {
    let bytes = std::fs::metadata(BINARY)?.len();
    Ok(format!("| binary as built, MiB | {:.2} | |", bytes as f64 / f64::from(1 << 20)))
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}
