//! The log: whole lines to stderr and to a file that is rotated by size, each written by a thread of its own.
//!
//! Whoever logs never waits: a line that finds its queue full is dropped and counted. It never holds a token or a
//! ticket: secrets have types that can't be printed, and records of other crates (a WebSocket library traces the
//! heads it reads) are not taken at all.

mod front;
mod queue;
mod rotate;
mod sink;

use std::io::{self, Write};
use std::panic::PanicHookInfo;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use log::LevelFilter;
use simplelog::{FormatItem, format_description};

use crate::limits::{LOG_FILE_BYTES_MAX, LOG_FILES_KEPT, LOG_FLUSH_MS_MAX, LOG_OPEN_MS_MAX};

use front::Front;
use queue::{Output, Queue};
use rotate::RotatingFile;
use sink::LineSink;

/// RFC 3339 in UTC, to the millisecond.
const TIME_LAYOUT: &[FormatItem<'static>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
/// The process's queues, for the panic hook, which can be handed nothing.
static QUEUES: OnceLock<Vec<Queue>> = OnceLock::new();

/// Flushes the log when dropped, for at most half a second.
#[must_use = "the log is flushed when this is dropped"]
pub struct LogGuard(());

impl Drop for LogGuard {
    fn drop(&mut self) {
        flush();
    }
}

/// Starts logging, once a process. The file is opened by its writer, so that a hanging disk holds up little;
/// where it can't be, a warning goes to stderr.
///
/// # Errors
/// A thread could not be started, or logging was started before.
pub fn start(level: LevelFilter, file: Option<PathBuf>) -> io::Result<LogGuard> {
    let mut queues = vec![Queue::start("stderr", Stderr)?];
    if let Some(path) = file {
        queues.push(Queue::start("log file", RotatingFile::new(path, LOG_FILE_BYTES_MAX, LOG_FILES_KEPT))?);
    }
    let front = Front::new(level, LineSink::new(queues.clone()));
    QUEUES.set(queues).map_err(|_| io::Error::other("logging was started before"))?;
    log::set_boxed_logger(Box::new(front)).map_err(io::Error::other)?;
    log::set_max_level(level);
    // So that it is settled, but for a hanging disk, what descriptors a daemon has that says it is ready.
    flush_for(LOG_OPEN_MS_MAX);
    Ok(LogGuard(()))
}

/// Waits, half a second at most, until everything logged so far is written. Does nothing before [`start`].
pub fn flush() {
    flush_for(LOG_FLUSH_MS_MAX);
}

fn flush_for(ms_max: u64) {
    let deadline = Instant::now() + Duration::from_millis(ms_max);
    let asked: Vec<_> = queues().iter().filter_map(|queue| queue.ask_flush(deadline)).collect();
    for done in asked {
        // Given up on at the deadline: the lines are lost, the end is not.
        let _ = done.recv_deadline(deadline);
    }
}

/// Shows text to whoever looks at stderr, behind what was logged so far, and only there. Dropped where stderr is full.
pub fn show(text: &str) {
    if let Some(stderr) = queues().first() {
        stderr.push(text.as_bytes().into());
    }
}

/// Logs every panic with its place, then ends the process with status 1: a thread that is gone is not survived.
pub fn end_on_panic() {
    std::panic::set_hook(Box::new(|info| {
        let text = describe(info);
        if queues().is_empty() {
            // Nothing else has stderr yet.
            let _ = writeln!(io::stderr(), "{}: {text}", crate::config::PROGRAM);
        } else {
            log::error!("{text}");
            flush();
        }
        std::process::exit(crate::exit::ExitStatus::Internal.code().into());
    }));
}

/// `panic in thread NAME at FILE:LINE:COLUMN: TEXT`.
fn describe(info: &PanicHookInfo<'_>) -> String {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("without a name");
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let text = info.payload_as_str().unwrap_or("no text");
    format!("panic in thread {name} at {place}: {text}")
}

fn queues() -> &'static [Queue] {
    QUEUES.get().map_or(&[], Vec::as_slice)
}

/// The unbuffered stderr of the process.
struct Stderr;

impl Output for Stderr {
    fn write_lines(&mut self, lines: &[u8]) -> io::Result<()> {
        io::stderr().write_all(lines)
    }
}

#[cfg(test)]
mod tests;
