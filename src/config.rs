//! What the command line and the environment say, checked once and turned into [`Options`] (PROTOCOL §1, §7).
//! It owns every default and every bound of an option. It never touches the file system, a socket or a global:
//! [`parse`] is a pure function, so that each rule is a unit test.

mod dirs;
mod options;
mod origin;
mod table;

use std::ffi::OsString;
use std::fmt;

pub use dirs::{Platform, Surroundings};
pub use options::{Mode, Options, Parent};

use crate::oneline::one_line;
use options::Given;
use table::{ROWS, Row, Take};

/// The program's name, as in usage errors and `--version`.
pub const PROGRAM: &str = "jstorrent-io-daemon";

/// What a command line asks for.
#[derive(Debug)]
pub enum Command {
    /// Serve, with these options.
    Run(Box<Options>),
    /// Print [`help`] and end with status 0.
    Help,
    /// Print [`version`] and end with status 0.
    Version,
}

/// Why a command line can't be served: one line, which says what would be right. Ends with status 2.
#[derive(Debug, PartialEq)]
pub struct UsageError(String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PROGRAM}: {} (see --help)", one_line(&self.0))
    }
}

impl std::error::Error for UsageError {}

/// Reads a command line (without the program's name) against its surroundings.
///
/// # Errors
/// An unknown, repeated, malformed or contradictory option, or one that is missing.
pub fn parse(
    args: impl IntoIterator<Item = OsString>,
    surroundings: &Surroundings<'_>,
) -> Result<Command, UsageError> {
    let mut parser = lexopt::Parser::from_args(args);
    let mut given = Given::default();
    let mut seen = [false; ROWS.len()];
    while let Some(arg) = parser.next().map_err(|e| UsageError(e.to_string()))? {
        let index = row_of(arg)?;
        let row = &ROWS[index];
        if std::mem::replace(&mut seen[index], true) && !row.repeats {
            return Err(UsageError(format!("--{} is given twice; give it once", row.name)));
        }
        match row.take {
            Take::Help => return Ok(Command::Help),
            Take::Version => return Ok(Command::Version),
            Take::Flag(set) => set(&mut given),
            Take::Value(set) => {
                let value = parser.value().map_err(|_| missing_value(row))?;
                set(&mut given, value).map_err(|why| UsageError(format!("--{} {why}", row.name)))?;
            }
        }
    }
    given.finish(surroundings).map(|options| Command::Run(Box::new(options))).map_err(UsageError)
}

/// The index of the table's row for what lexopt found.
fn row_of(arg: lexopt::Arg<'_>) -> Result<usize, UsageError> {
    let found = match &arg {
        lexopt::Arg::Long(name) => ROWS.iter().position(|row| row.name == *name),
        lexopt::Arg::Short(letter) => ROWS.iter().position(|row| row.short == Some(*letter)),
        lexopt::Arg::Value(value) => {
            let value = value.to_string_lossy();
            return Err(UsageError(format!("what is {value:?} for? every argument is an option")));
        }
    };
    found.ok_or_else(|| UsageError(arg.unexpected().to_string()))
}

fn missing_value(row: &Row) -> UsageError {
    UsageError(format!("--{} needs a value: --{} {}", row.name, row.name, row.metavar))
}

/// The text of `--help`.
pub fn help() -> String {
    let mut text = format!(
        "{} {}\n{}\n\nUsage: {PROGRAM} --install-id ID [OPTION]...\n       {PROGRAM} --dev DIR [OPTION]...\n\nOptions:\n",
        PROGRAM,
        env!("CARGO_PKG_VERSION"),
        env!("CARGO_PKG_DESCRIPTION"),
    );
    for row in &ROWS {
        let default = if row.default.is_empty() { String::new() } else { format!(" [{}]", row.default) };
        text.push_str(&format!("  {:<25} {}{default}\n", row.left_column(), row.help));
    }
    text.push_str(AFTER_OPTIONS);
    text
}

/// What `--help` says below the options.
const AFTER_OPTIONS: &str = "
Environment:
  JSTORRENT_CONFIG_DIR      Config directory where --config-dir is not given
  JSTORRENT_DEV_ORIGINS     More allowed origins, separated by commas

Exit status: 0 ended in order, 1 internal failure, 2 bad command line, 69 could not bind.
";

/// The text of `--version`.
pub fn version() -> String {
    format!("{PROGRAM} {}\n", env!("CARGO_PKG_VERSION"))
}

/// The names of all options, without the dashes, in the order of `--help`. For tests of the documents.
pub fn option_names() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|row| row.name)
}

#[cfg(test)]
mod tests;
