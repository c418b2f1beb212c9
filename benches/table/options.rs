//! What the command line asks of a run.

use crate::Result;
use std::path::PathBuf;

/// How much to run.
#[derive(Debug)]
pub(crate) struct Options {
    /// Only rows whose section or name has one of these words; all where there is none.
    words: Vec<String>,
    /// Fewer bytes, fewer rounds.
    pub(crate) quick: bool,
    /// Rounds of each row.
    pub(crate) rounds: usize,
    /// Where files are made.
    pub(crate) dir: PathBuf,
    /// Another build of the daemon, measured in the peer's place.
    pub(crate) against: Option<PathBuf>,
}

impl Options {
    pub(crate) fn parse(args: &[String]) -> Result<Options> {
        let dir = std::env::temp_dir();
        let mut options = Options { words: vec![], quick: false, rounds: 0, dir, against: None };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                // Cargo adds it.
                "--bench" => {}
                "--quick" => options.quick = true,
                "--rounds" => options.rounds = args.next().ok_or("--rounds needs a number")?.parse()?,
                "--against" => options.against = Some(args.next().ok_or("--against needs a binary")?.into()),
                "--dir" => options.dir = args.next().ok_or("--dir needs a folder")?.into(),
                word if word.starts_with('-') => return Err(format!("unknown option {word}").into()),
                word => options.words.push(word.to_lowercase()),
            }
        }
        if options.rounds == 0 {
            options.rounds = if options.quick { 3 } else { 5 };
        }
        Ok(options)
    }

    /// Whether a row is wanted.
    pub(crate) fn wants(&self, section: &str, row: &str) -> bool {
        let name = format!("{section} {row}").to_lowercase();
        self.words.is_empty() || self.words.iter().any(|word| name.contains(word))
    }

    /// `full` bytes or requests, or a sixth of them in a quick run.
    pub(crate) fn scaled(&self, full: u64) -> u64 {
        if self.quick { full / 6 } else { full }
    }
}
