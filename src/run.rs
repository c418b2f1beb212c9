//! One run of the daemon, from checked options to an exit status: the log around it, and what it says at its start.
//! It owns no socket and no state.

use std::io::{self, Write};

use crate::config::Options;
use crate::exit::ExitStatus;
use crate::logging;

/// Runs the daemon until it ends.
pub fn run(options: Options) -> ExitStatus {
    let _log = match logging::start(options.log_level, options.log_file) {
        Ok(guard) => Some(guard),
        Err(error) => {
            // A daemon without a log still serves.
            let _ = writeln!(io::stderr(), "no log: {error}");
            None
        }
    };
    log::info!("{} {} started", crate::config::PROGRAM, env!("CARGO_PKG_VERSION"));
    for warning in &options.warnings {
        log::warn!("{warning}");
    }
    ExitStatus::Ended
}
