//! The rules of the house, as a test: what no part may name, where `unsafe` may stand, how files begin and how long
//! they get. Reads the sources as text; a rule that fights you twice is to be changed here, with the reason.

use std::fs;
use std::path::{Path, PathBuf};

/// What the pure parts never name: no I/O, no thread, no clock, no hidden sharing.
const IMPURE: &[&str] = &[
    "mio::",
    "std::fs",
    "std::thread",
    "std::net::Tcp",
    "std::net::Udp",
    "Instant::now",
    "SystemTime::now",
    "RefCell",
    "Mutex",
    "RwLock",
    "std::process",
    "std::env",
];
/// The pure parts.
const PURE: &[&str] = &["src/state", "src/service", "src/conn", "src/engine"];
/// What looks like a bound and is none that anyone chose: what formats and systems are like, and what follows from other
/// bounds.
const FACTS: &[&str] = &[
    "ARENAS_MAX",
    "CALL_BYTES_MAX",
    "CONTROL_BYTES_MAX",
    "DEPTH_MAX",
    "FEATURE_NAME_BYTES_MAX",
    "FILE_BYTES_MAX",
    "HEADER_BYTES_MAX",
    "HOSTNAME_BYTES_MAX",
    "KEPT_BYTES_MAX",
    "MASKED_HEADER_BYTES_MAX",
    "NAME_BYTES_MAX",
    "OP_NAME_BYTES_MAX",
    "RECV_HEAD_BYTES_MAX",
    "SLICES_MAX",
    "TEXT_BYTES_MAX",
];
/// Lines of code, comments and tests left out, that a file may have.
const FILE_LINES_MAX: usize = 360;
/// Lines that nine functions in ten stay below.
const FUNCTION_LINES: usize = 30;

struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The part before the unit tests.
    fn code(&self) -> &str {
        self.text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default()
    }

    fn is_pure(&self) -> bool {
        PURE.iter().any(|part| self.path.starts_with(part)) && !self.path.contains("tests")
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn collect(folder: &Path, endings: &[&str], into: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir()
            && !matches!(name.as_str(), "target" | ".git" | "corpus" | "artifacts" | "node_modules")
        {
            collect(&path, endings, into);
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            let shown = path.strip_prefix(root()).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            into.push(Source { path: shown, text: fs::read_to_string(&path).unwrap_or_default() });
        }
    }
}

fn sources(folders: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    for folder in folders {
        collect(&root().join(folder), &[".rs"], &mut found);
    }
    assert!(!found.is_empty(), "the sources are where this test looks");
    found
}

fn complain(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn every_file_says_what_it_owns() {
    let files = sources(&["src", "proto/src", "tests", "proto/tests", "examples", "benches"]);
    let broken: Vec<_> =
        files.iter().filter(|file| !file.text.starts_with("//!")).map(|file| file.path.clone()).collect();
    complain(&broken);
}

#[test]
fn the_pure_parts_name_nothing_impure() {
    let mut broken = Vec::new();
    for file in sources(&["src"]).iter().filter(|file| file.is_pure()) {
        for (number, line) in file.code().lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let dynamic = code.contains("dyn ") && !code.contains("Outlet");
            if dynamic || IMPURE.iter().any(|word| code.contains(word)) {
                broken.push(format!("{}:{}: {}", file.path, number + 1, line.trim()));
            }
        }
    }
    complain(&broken);
}

#[test]
fn the_wire_knows_no_io() {
    let mut broken = Vec::new();
    for file in sources(&["proto/src"]) {
        for word in
            ["std::fs", "std::thread", "std::net::Tcp", "std::net::Udp", "Instant", "SystemTime", "unsafe "]
        {
            if file.code().lines().any(|line| line.split("//").next().unwrap_or_default().contains(word)) {
                broken.push(format!("{}: {word}", file.path));
            }
        }
    }
    complain(&broken);
}

#[test]
fn kinds_of_connection_never_import_each_other() {
    let kinds = ["http", "websocket", "tcp", "udp", "listener", "tls"];
    let mut broken = Vec::new();
    for file in sources(&["src/conn"]) {
        let Some(rest) = file.path.strip_prefix("src/conn/") else { continue };
        let own = rest.split(['/', '.']).next().unwrap_or_default();
        if !kinds.contains(&own) {
            continue;
        }
        for other in kinds.iter().filter(|other| **other != own) {
            let needle = format!("conn::{other}::");
            if file.code().contains(&needle) {
                broken.push(format!("{}: {needle}", file.path));
            }
        }
    }
    complain(&broken);
}

#[test]
fn unsafe_stands_in_few_files_each_with_its_reason() {
    let mut broken = Vec::new();
    let mut files = 0;
    for file in sources(&["src"]) {
        let blocks = file.code().matches("unsafe {").count() + file.code().matches("unsafe impl").count();
        files += usize::from(blocks > 0);
        if blocks > file.code().matches("SAFETY:").count() {
            broken.push(format!("{}: {blocks} unsafe blocks, fewer reasons", file.path));
        }
    }
    assert!(files <= 12, "{files} files hold unsafe code");
    complain(&broken);
}

#[test]
fn bounds_stand_in_the_files_of_limits() {
    let mut broken = Vec::new();
    for file in sources(&["src", "proto/src"]) {
        if file.path.ends_with("/limits.rs") || file.path.contains("/tests") {
            continue;
        }
        for (number, line) in file.code().lines().enumerate() {
            let Some((_, rest)) = line.split_once("const ") else { continue };
            let name = rest.split(':').next().unwrap_or_default();
            if (name.ends_with("_MS") || name.ends_with("_MAX")) && !FACTS.contains(&name) {
                broken.push(format!("{}:{}: {name}", file.path, number + 1));
            }
        }
    }
    complain(&broken);
}

#[test]
fn files_and_functions_are_short() {
    let mut broken = Vec::new();
    let (mut functions, mut long) = (0, 0);
    for file in sources(&["src", "proto/src"]) {
        let is_code = |line: &&str| !matches!(line.trim_start(), "") && !line.trim_start().starts_with("//");
        let lines = file.code().lines().filter(is_code).count();
        if lines > FILE_LINES_MAX {
            broken.push(format!("{}: {lines} lines", file.path));
        }
        for length in function_lengths(file.code()) {
            functions += 1;
            long += usize::from(length > FUNCTION_LINES);
        }
    }
    complain(&broken);
    assert!(long * 10 <= functions, "{long} of {functions} functions have more than {FUNCTION_LINES} lines");
}

/// Lengths of functions, by the indentation that rustfmt gives them.
fn function_lengths(code: &str) -> Vec<usize> {
    let mut lengths = Vec::new();
    let mut open: Option<(usize, usize)> = None;
    for (number, line) in code.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let trimmed = line.trim_start();
        let begins = trimmed.starts_with("fn ") || trimmed.starts_with("pub") && trimmed.contains(" fn ");
        match open {
            None if begins && !line.ends_with(['}', ';']) => open = Some((number, indent)),
            Some((start, at)) if indent == at && trimmed.starts_with('}') => {
                lengths.push(number - start);
                open = None;
            }
            _ => {}
        }
    }
    lengths
}

#[test]
fn no_file_tells_of_the_machine_it_was_written_on() {
    let mut files = Vec::new();
    collect(&root(), &[".rs", ".md", ".toml", ".html", ".js", ".txt", ".yml", ".sh", "run"], &mut files);
    // Put together here, so that this file does not hold them.
    let words = [
        ["/wo", "rk/"].concat(),
        ["/ro", "ot/."].concat(),
        ["docs.", "rs/"].concat(),
        ["crates", ".io/"].concat(),
    ];
    let mut broken = Vec::new();
    for file in &files {
        for word in &words {
            if file.text.contains(word.as_str()) {
                broken.push(format!("{}: {word}", file.path));
            }
        }
    }
    complain(&broken);
}
