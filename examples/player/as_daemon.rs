//! This program in the daemon's part, so that one command is enough: nothing but what the daemon's own `main` does.

use super::Result;
use super::daemon::Program;
use jstorrent_io_daemon::config::{self, Command, Platform, Surroundings};
use std::process::ExitCode;

/// The first argument that asks for this part.
pub(crate) const ROLE: &str = "as-daemon";

/// Runs the daemon.
pub(crate) fn run(args: &[String]) -> ExitCode {
    let surroundings = Surroundings {
        lookup: &|name| std::env::var_os(name),
        current_dir: std::env::current_dir().unwrap_or_default(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        platform: Platform::HERE,
    };
    match config::parse(args.iter().map(Into::into), &surroundings) {
        Ok(Command::Run(options)) => jstorrent_io_daemon::run(*options).into(),
        _ => ExitCode::FAILURE,
    }
}

/// This program, to be started in that part.
pub(crate) fn program() -> Result<Program> {
    Ok(Program { path: std::env::current_exe()?, args: vec![ROLE.into()] })
}
