//! Entry point: from the command line to an exit status. What happens in between is [`jstorrent_io_daemon::run`].

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use jstorrent_io_daemon::config::{self, Command, Platform, Surroundings};
use jstorrent_io_daemon::exit::ExitStatus;
use jstorrent_io_daemon::logging;
use jstorrent_io_daemon::platform::memory;

fn main() -> ExitCode {
    memory::give_back_early();
    logging::end_on_panic();
    let surroundings = Surroundings {
        lookup: &environment,
        current_dir: std::env::current_dir().unwrap_or_default(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        platform: Platform::HERE,
    };
    match config::parse(std::env::args_os().skip(1), &surroundings) {
        Ok(Command::Run(options)) => jstorrent_io_daemon::run(*options).into(),
        Ok(Command::Help) => print(&config::help()),
        Ok(Command::Version) => print(&config::version()),
        Err(error) => {
            // Nothing is left to tell it to where stderr is closed.
            let _ = writeln!(io::stderr(), "{error}");
            ExitStatus::Usage.into()
        }
    }
}

/// The environment; a home directory that is not in it is looked up in the user database.
fn environment(name: &str) -> Option<OsString> {
    let value = std::env::var_os(name).filter(|value| !value.is_empty());
    value.or_else(|| if name == "HOME" { std::env::home_dir().map(OsString::from) } else { None })
}

/// Prints what was asked for; a reader that went away (`--help | head -1`) has what it wanted.
fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitStatus::Internal.into(),
        _ => ExitStatus::Ended.into(),
    }
}
