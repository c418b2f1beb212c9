//! Where the platform keeps configuration and logs, as rules over environment variables (PROTOCOL §1).
//! It never looks at the disk: whether a directory is there is found out by whoever opens a file in it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The product's own directory inside the platform's directories.
const PRODUCT_DIR: &str = "jstorrent-native";

/// The family of rules for directories.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Platform {
    /// Linux and the BSDs: the XDG base directories.
    Xdg,
    /// `~/Library`.
    MacOs,
    /// Known folders by their environment variables.
    Windows,
}

impl Platform {
    /// What this program was built for.
    pub const HERE: Platform = if cfg!(windows) {
        Platform::Windows
    } else if cfg!(target_vendor = "apple") {
        Platform::MacOs
    } else {
        Platform::Xdg
    };
}

/// What the defaults of options depend on, handed in so that parsing stays a pure function.
pub struct Surroundings<'a> {
    /// Looks up an environment variable.
    pub lookup: &'a dyn Fn(&str) -> Option<OsString>,
    /// What relative paths are relative to.
    pub current_dir: PathBuf,
    /// Cores that this process may use.
    pub cores: usize,
    /// Whose directories.
    pub platform: Platform,
}

impl Surroundings<'_> {
    /// An environment variable; one that is empty counts as not set.
    pub(super) fn var(&self, name: &str) -> Option<OsString> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    /// A directory named by a variable. The XDG specification has relative ones ignored; the others never are.
    fn dir(&self, name: &str) -> Option<PathBuf> {
        self.var(name).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    fn below_home(&self, rest: &[&str]) -> Option<PathBuf> {
        self.dir("HOME").map(|home| joined(&home, rest))
    }
}

fn joined(base: &Path, rest: &[&str]) -> PathBuf {
    let mut path = base.to_path_buf();
    path.extend(rest);
    path
}

/// Absolute path of rpc-info.json: `--config-dir`, else `JSTORRENT_CONFIG_DIR`, else the platform's config directory.
pub(super) fn rpc_info(config_dir: Option<PathBuf>, around: &Surroundings<'_>) -> Option<PathBuf> {
    let named = config_dir.or_else(|| around.var("JSTORRENT_CONFIG_DIR").map(PathBuf::from));
    let dir = named.map(|dir| around.current_dir.join(dir)).or_else(|| platform_config_dir(around))?;
    Some(joined(&dir, &[PRODUCT_DIR, "rpc-info.json"]))
}

fn platform_config_dir(around: &Surroundings<'_>) -> Option<PathBuf> {
    match around.platform {
        Platform::Xdg => around.dir("XDG_CONFIG_HOME").or_else(|| around.below_home(&[".config"])),
        Platform::MacOs => around.below_home(&["Library", "Application Support"]),
        Platform::Windows => around.dir("APPDATA"),
    }
}

/// Absolute path of the log where `--log-file` is silent.
pub(super) fn log_file(around: &Surroundings<'_>) -> Option<PathBuf> {
    const FILE: &str = "io-daemon.log";
    match around.platform {
        Platform::Xdg => around
            .dir("XDG_STATE_HOME")
            .or_else(|| around.below_home(&[".local", "state"]))
            .map(|dir| joined(&dir, &[PRODUCT_DIR, FILE])),
        Platform::MacOs => around.below_home(&["Library", "Logs", PRODUCT_DIR, FILE]),
        Platform::Windows => around.dir("LOCALAPPDATA").map(|dir| joined(&dir, &[PRODUCT_DIR, "logs", FILE])),
    }
}
