//! The sections of the table, in order, and the ground that they share.

mod connections;
mod datagrams;
mod footprint;
mod gigabyte;
mod hashing;
mod latency;
mod reads;
mod relays;
mod sockets;
mod streams;
mod writes;

use crate::Result;
use crate::daemon::{BINARY, Daemon};
use crate::machine;
use crate::measure::{Contender, alternate};
use crate::nginx::Nginx;
use crate::options::Options;
use crate::table::{Kind, Row, best_rounds};
use std::cell::OnceCell;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The file that reads read and writes write; it fits in memory.
const FILE: &str = "file.bin";
/// Random bytes that bodies are cut from; also the largest body of most rows.
const NOISE_BYTES: usize = 16 << 20;

/// Where a run works, and with what.
pub(crate) struct Ground<'a> {
    pub(crate) options: &'a Options,
    dir: TempDir,
    noise: OnceCell<Vec<u8>>,
}

/// Runs what the options ask for, and prints it.
pub(crate) fn run(options: &Options) -> Result<()> {
    println!("{}\n", machine::describe(&options.dir));
    let ground = Ground {
        options,
        dir: tempfile::Builder::new().prefix("jstorrent-bench").tempdir_in(&options.dir)?,
        noise: OnceCell::new(),
    };
    writes::run(&ground);
    reads::run(&ground);
    streams::run(&ground);
    hashing::run(&ground);
    relays::run(&ground);
    datagrams::run(&ground);
    sockets::run(&ground);
    latency::run(&ground);
    connections::run(&ground);
    gigabyte::run(&ground);
    footprint::run(&ground);
    Ok(())
}

impl Ground<'_> {
    /// The folder that daemons serve.
    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn daemon(&self, binary: &Path) -> Result<Daemon> {
        Daemon::start(binary, &self.root())
    }

    /// nginx on the same folder; `None` where it is not installed.
    pub(crate) fn nginx(&self) -> Result<Option<Nginx>> {
        Nginx::start(&self.root(), &self.path("nginx"))
    }

    /// Bytes that look random, the same in every run.
    pub(crate) fn noise(&self) -> &[u8] {
        self.noise.get_or_init(|| noise(NOISE_BYTES, 1))
    }

    /// [`FILE`] with its bytes in memory; `bytes` is a multiple of the noise, or one of it is made.
    pub(crate) fn file(&self, bytes: u64) -> Result<(PathBuf, u64)> {
        let path = self.root().join(FILE);
        let bytes = bytes.next_multiple_of(NOISE_BYTES as u64);
        if fs::metadata(&path).is_ok_and(|metadata| metadata.len() == bytes) {
            return Ok((path, bytes));
        }
        fs::create_dir_all(self.root())?;
        let mut file = fs::File::create(&path)?;
        for _ in 0..bytes / NOISE_BYTES as u64 {
            file.write_all(self.noise())?;
        }
        Ok((path, bytes))
    }

    /// Measures a row; returns its line. `ours` makes the contender that a binary is; the peer gives way to another
    /// build of the daemon where that is asked for.
    pub(crate) fn row<'c>(
        &self,
        kind: Kind,
        name: &str,
        ours: impl Fn(&'static str, &Path) -> Result<Contender<'c>>,
        bare: impl FnOnce() -> Result<Contender<'c>>,
        peer: impl FnOnce() -> Result<Option<Contender<'c>>>,
    ) -> Result<String> {
        let peer = match &self.options.against {
            Some(binary) => Some(ours("other", binary)?),
            None => peer()?,
        };
        let contenders = [Some(ours("ours", BINARY.as_ref())?), Some(bare()?), peer];
        let contenders = contenders.into_iter().flatten().collect();
        let mut outcomes = alternate(contenders, self.options.rounds)?.into_iter();
        let (Some(ours), bare, peer) = (outcomes.next(), outcomes.next(), outcomes.next()) else {
            return Err("nothing was measured".into());
        };
        let row = Row { name: name.to_owned(), ours, bare, peer };
        eprintln!("{}", best_rounds(kind, &row));
        Ok(kind.line(&row))
    }
}

/// Where there is nobody whom a user would pick otherwise.
fn no_peer<'c>() -> Result<Option<Contender<'c>>> {
    Ok(None)
}

/// A table under a title, which is printed with its first row.
struct Section<'a> {
    options: &'a Options,
    title: &'static str,
    /// The first two lines.
    head: Option<String>,
}

impl<'a> Section<'a> {
    fn new(ground: &'a Ground<'_>, title: &'static str, head: String) -> Section<'a> {
        Section { options: ground.options, title, head: Some(head) }
    }

    /// Measures a row, where it is wanted, and prints its line or lines. One that fails says why, and others go on.
    fn row(&mut self, name: &str, measure: impl FnOnce() -> Result<String>) {
        if !self.options.wants(self.title, name) {
            return;
        }
        if let Some(head) = self.head.take() {
            println!("\n### {}\n\n{head}", self.title);
        }
        match measure() {
            Ok(lines) => println!("{lines}"),
            Err(error) => {
                let error = error.to_string();
                println!("| {name} | failed: {} |", error.lines().next().unwrap_or_default());
            }
        }
    }
}

/// A path as a word of a command line.
fn word(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| "the folder's name is not UTF-8".into())
}

/// `1 MiB` and the like.
fn size_name(bytes: usize) -> String {
    if bytes >= 1 << 20 { format!("{} MiB", bytes >> 20) } else { format!("{} KiB", bytes >> 10) }
}

/// Bytes that look random, by splitmix64.
fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let words = std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)).to_le_bytes()
    });
    words.flatten().take(bytes).collect()
}
