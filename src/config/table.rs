//! The one table of command-line options: parser, `--help` and the documents' test walk the same rows.
//! It says what one value may be, never how options go together (that is `options.rs`).

use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use jstorrent_io_proto::token::Token;
use log::LevelFilter;

use super::options::Given;
use super::origin;
use crate::limits::{FILE_THREADS_MAX, HASH_THREADS_MAX, INSTALL_ID_BYTES_MAX, TOKEN_BYTES_MAX};

/// What to do with an option once its name was read.
pub(super) enum Take {
    /// Hand the value to a setter; its error continues the sentence that begins with the option's name.
    Value(fn(&mut Given, OsString) -> Result<(), String>),
    Flag(fn(&mut Given)),
    Help,
    Version,
}

/// One option.
pub(super) struct Row {
    /// Long name, without the dashes.
    pub(super) name: &'static str,
    pub(super) short: Option<char>,
    /// What its value is called in `--help`; empty for a flag.
    pub(super) metavar: &'static str,
    /// The default in words; empty where there is none.
    pub(super) default: &'static str,
    /// One sentence, without a full stop.
    pub(super) help: &'static str,
    /// Whether it may be given more than once.
    pub(super) repeats: bool,
    pub(super) take: Take,
}

impl Row {
    const fn value(
        name: &'static str,
        metavar: &'static str,
        default: &'static str,
        help: &'static str,
        set: fn(&mut Given, OsString) -> Result<(), String>,
    ) -> Row {
        Row { name, short: None, metavar, default, help, repeats: false, take: Take::Value(set) }
    }

    const fn flag(name: &'static str, short: Option<char>, help: &'static str, take: Take) -> Row {
        Row { name, short, metavar: "", default: "", help, repeats: false, take }
    }

    const fn repeated(self) -> Row {
        Row { repeats: true, ..self }
    }

    /// `-h, --help` or `--port PORT`.
    pub(super) fn left_column(&self) -> String {
        let short = self.short.map(|letter| format!("-{letter}, ")).unwrap_or_default();
        format!("{short}--{} {}", self.name, self.metavar).trim_end().to_owned()
    }
}

/// Every option, in the order of `--help`.
pub(super) const ROWS: [Row; 15] = [
    Row::value("install-id", "ID", "", "Serve the profile with this id in rpc-info.json", install_id),
    Row::value("dev", "DIR", "", "Development: one root \"dev\" at DIR, no rpc-info.json", dev),
    Row::value("port", "PORT", "0: any free one", "Port on 127.0.0.1", port),
    Row::value(
        "parent-pid",
        "PID",
        "the starter, with --install-id",
        "End when this process dies",
        parent_pid,
    ),
    Row::value("config-dir", "DIR", "the platform's", "Where jstorrent-native/rpc-info.json is", config_dir),
    Row::value(
        "idle-timeout",
        "SECONDS",
        "0 where a parent is watched, else 600",
        "End after so long without use, 0 = never",
        idle_timeout,
    ),
    Row::value("allow-origin", "ORIGIN", "", "Allow calls from this origin too (repeatable)", allow_origin)
        .repeated(),
    Row::value("file-threads", "N", "4", "Threads for the files of each root", file_threads),
    Row::value("hash-threads", "N", "one a core", "Threads that hash", hash_threads),
    Row::value("log-level", "LEVEL", "info", "error, warn, info, debug or trace", log_level),
    Row::value("log-file", "PATH", "the platform's log place", "File to log to", log_file),
    Row::value("token", "TOKEN", "", "Use this token, and print the bare port as ready line", token),
    Row::flag(
        "watch-stdin",
        None,
        "End on end of file on stdin too",
        Take::Flag(|given| given.watch_stdin = true),
    ),
    Row::flag("help", Some('h'), "Print this text", Take::Help),
    Row::flag("version", Some('V'), "Print the version", Take::Version),
];

fn install_id(given: &mut Given, value: OsString) -> Result<(), String> {
    let id = text(value)?;
    if id.is_empty() || id.len() > INSTALL_ID_BYTES_MAX || id.chars().any(char::is_control) {
        return Err(format!("takes an id of 1 to {INSTALL_ID_BYTES_MAX} bytes without control characters"));
    }
    given.install_id = Some(id);
    Ok(())
}

fn dev(given: &mut Given, value: OsString) -> Result<(), String> {
    given.dev = Some(path(value, "a directory")?);
    Ok(())
}

fn port(given: &mut Given, value: OsString) -> Result<(), String> {
    given.port = number(value, 0..=u16::MAX, "a port")?;
    Ok(())
}

fn parent_pid(given: &mut Given, value: OsString) -> Result<(), String> {
    // Process ids are positive i32 on every Unix, and u32 on Windows, where none comes near the upper half.
    given.parent_pid = Some(number(value, 1..=i32::MAX as u32, "a process id")?);
    Ok(())
}

fn config_dir(given: &mut Given, value: OsString) -> Result<(), String> {
    given.config_dir = Some(path(value, "a directory")?);
    Ok(())
}

fn idle_timeout(given: &mut Given, value: OsString) -> Result<(), String> {
    given.idle_timeout_s = Some(number(value, 0..=u32::MAX, "whole seconds")?);
    Ok(())
}

fn allow_origin(given: &mut Given, value: OsString) -> Result<(), String> {
    let value = text(value)?;
    let origin = origin::normalize(&value).map_err(|why| format!("can't be {value:?}: {why}"))?;
    given.allow_origins.push(origin);
    Ok(())
}

fn file_threads(given: &mut Given, value: OsString) -> Result<(), String> {
    given.file_threads = Some(number(value, 1..=FILE_THREADS_MAX, "a number of threads")?);
    Ok(())
}

fn hash_threads(given: &mut Given, value: OsString) -> Result<(), String> {
    given.hash_threads = Some(number(value, 1..=HASH_THREADS_MAX, "a number of threads")?);
    Ok(())
}

fn log_level(given: &mut Given, value: OsString) -> Result<(), String> {
    let value = text(value)?;
    given.log_level = Some(match value.as_str() {
        "error" => LevelFilter::Error,
        "warn" => LevelFilter::Warn,
        "info" => LevelFilter::Info,
        "debug" => LevelFilter::Debug,
        "trace" => LevelFilter::Trace,
        _ => return Err(format!("takes error, warn, info, debug or trace, not {value:?}")),
    });
    Ok(())
}

fn log_file(given: &mut Given, value: OsString) -> Result<(), String> {
    given.log_file = Some(path(value, "a file's path")?);
    Ok(())
}

/// A token must be able to travel in `X-JST-Auth`; the message never repeats it.
fn token(given: &mut Given, value: OsString) -> Result<(), String> {
    let wrong = || format!("takes 1 to {TOKEN_BYTES_MAX} visible ASCII characters");
    let token = value.into_string().map_err(|_| wrong())?;
    let token = Some(token).filter(|token| token.len() <= TOKEN_BYTES_MAX);
    given.token = Some(token.and_then(|token| Token::from_text(&token)).ok_or_else(wrong)?);
    Ok(())
}

fn text(value: OsString) -> Result<String, String> {
    value.into_string().map_err(|value| format!("takes UTF-8 text, not {value:?}"))
}

fn path(value: OsString, what: &str) -> Result<PathBuf, String> {
    if value.is_empty() { Err(format!("takes {what}, not an empty text")) } else { Ok(value.into()) }
}

/// A plain decimal number in a range: no sign, no blank, no fraction.
fn number<N>(value: OsString, range: RangeInclusive<N>, what: &str) -> Result<N, String>
where
    N: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    let wrong = |value: &dyn std::fmt::Debug| {
        format!("takes {what} from {} to {}, not {value:?}", range.start(), range.end())
    };
    let value = value.into_string().map_err(|value| wrong(&value))?;
    let digits = value.bytes().all(|b| b.is_ascii_digit());
    match value.parse::<N>() {
        Ok(n) if digits && range.contains(&n) => Ok(n),
        _ => Err(wrong(&value)),
    }
}
