//! What the options mean together: defaults, contradictions, and the finished [`Options`].
//! It never reads a command line (`table.rs`) and never the environment but through [`Surroundings`].

use crate::limits::HASH_THREADS_MAX;
use std::path::PathBuf;

use jstorrent_io_proto::token::Token;
use log::LevelFilter;

use super::dirs::{self, Surroundings};
use super::origin;

/// Disk threads where `--file-threads` is silent.
const FILE_THREADS_DEFAULT: usize = 4;
/// `--idle-timeout` where no parent is watched, seconds.
const IDLE_TIMEOUT_DEFAULT_S: u32 = 600;

/// Where roots come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Mode {
    /// `--install-id`: from our entry in rpc-info.json.
    Installed {
        /// Which entry is ours.
        install_id: String,
        /// Absolute path of rpc-info.json.
        rpc_info: PathBuf,
    },
    /// `--dev`: one root in memory, no rpc-info.json.
    Dev {
        /// Absolute path of the root's directory, which may not be there yet.
        dir: PathBuf,
    },
}

/// Whose death ends the daemon.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Parent {
    /// Nobody's.
    Nobody,
    /// That of the process which started us.
    Starter,
    /// That of the process with this id (`--parent-pid`).
    Pid(u32),
}

/// A checked command line.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where roots come from.
    pub mode: Mode,
    /// Port to bind on 127.0.0.1; 0 = any free one.
    pub port: u16,
    /// Whose death ends the daemon.
    pub parent: Parent,
    /// Seconds without use after which the daemon ends; 0 = never.
    pub idle_timeout_s: u32,
    /// Origins allowed beside the built-in ones, normalised: `scheme://host[:port]`, lower case, each once.
    pub allow_origins: Vec<String>,
    /// Threads for files, 1 to 64.
    pub file_threads: usize,
    /// Threads for hashing, 1 to 256.
    pub hash_threads: usize,
    /// What is logged.
    pub log_level: LevelFilter,
    /// Where it is logged, absolute; `None` where the platform names no log place.
    pub log_file: Option<PathBuf>,
    /// The token, where the command line brought one.
    pub token: Option<Token>,
    /// Whether end of file on stdin ends the daemon.
    pub watch_stdin: bool,
    /// What is to be logged as warnings once there is a log.
    pub warnings: Vec<String>,
}

/// The options as they were given, each checked by itself.
#[derive(Default)]
pub(super) struct Given {
    pub(super) install_id: Option<String>,
    pub(super) dev: Option<PathBuf>,
    pub(super) port: u16,
    pub(super) parent_pid: Option<u32>,
    pub(super) config_dir: Option<PathBuf>,
    pub(super) idle_timeout_s: Option<u32>,
    pub(super) allow_origins: Vec<String>,
    pub(super) file_threads: Option<usize>,
    pub(super) hash_threads: Option<usize>,
    pub(super) log_level: Option<LevelFilter>,
    pub(super) log_file: Option<PathBuf>,
    pub(super) token: Option<Token>,
    pub(super) watch_stdin: bool,
}

impl Given {
    /// Fills in defaults and refuses contradictions.
    pub(super) fn finish(mut self, around: &Surroundings<'_>) -> Result<Options, String> {
        let mut warnings = Vec::new();
        self.add_origins_of_environment(around, &mut warnings);
        if self.token.is_some() {
            warnings.push("a token on a command line can be read by other local users".to_owned());
        }
        let mode = self.mode(around)?;
        let parent = match (self.parent_pid, &mode) {
            (Some(pid), _) => Parent::Pid(pid),
            (None, Mode::Installed { .. }) => Parent::Starter,
            (None, Mode::Dev { .. }) => Parent::Nobody,
        };
        let idle_default = if parent == Parent::Nobody { IDLE_TIMEOUT_DEFAULT_S } else { 0 };
        Ok(Options {
            mode,
            port: self.port,
            parent,
            idle_timeout_s: self.idle_timeout_s.unwrap_or(idle_default),
            allow_origins: self.allow_origins,
            file_threads: self.file_threads.unwrap_or(FILE_THREADS_DEFAULT),
            hash_threads: self.hash_threads.unwrap_or_else(|| around.cores.clamp(1, HASH_THREADS_MAX)),
            log_level: self.log_level.unwrap_or(LevelFilter::Info),
            log_file: self.log_file.map(|p| around.current_dir.join(p)).or_else(|| dirs::log_file(around)),
            token: self.token,
            watch_stdin: self.watch_stdin,
            warnings,
        })
    }

    /// Exactly one of `--install-id` and `--dev` says where roots come from.
    fn mode(&mut self, around: &Surroundings<'_>) -> Result<Mode, String> {
        match (self.install_id.take(), self.dev.take()) {
            (Some(install_id), None) => {
                let rpc_info = dirs::rpc_info(self.config_dir.take(), around).ok_or(
                    "the platform names no config directory; give --config-dir DIR or JSTORRENT_CONFIG_DIR",
                )?;
                Ok(Mode::Installed { install_id, rpc_info })
            }
            (None, Some(dir)) => Ok(Mode::Dev { dir: around.current_dir.join(dir) }),
            (Some(_), Some(_)) => Err("--dev and --install-id exclude each other; give one".to_owned()),
            (None, None) => Err("give --install-id ID, or --dev DIR to try it out".to_owned()),
        }
    }

    /// A bad origin in the environment is a warning: unlike the command line, whoever starts us may not have set it.
    fn add_origins_of_environment(&mut self, around: &Surroundings<'_>, warnings: &mut Vec<String>) {
        let listed = around.var("JSTORRENT_DEV_ORIGINS").unwrap_or_default();
        for entry in listed.to_string_lossy().split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            match origin::normalize(entry) {
                Ok(origin) => self.allow_origins.push(origin),
                Err(why) => warnings.push(format!("JSTORRENT_DEV_ORIGINS: {entry:?} is left out: {why}")),
            }
        }
        let mut once = Vec::with_capacity(self.allow_origins.len());
        for origin in self.allow_origins.drain(..) {
            if !once.contains(&origin) {
                once.push(origin);
            }
        }
        self.allow_origins = once;
    }
}
