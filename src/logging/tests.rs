//! What concerns a whole process is tested in one: this test binary starts itself again, for one ignored test.

use std::fs;
use std::process::{Command, Output};

use super::*;

const LOG_PATH: &str = "LOG_PATH_OF_TEST";

/// Runs one of the ignored tests below in a process of its own.
fn run_alone(test: &str, log: &std::path::Path) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "--nocapture", &format!("logging::tests::{test}")]);
    command.env(LOG_PATH, log).env_remove("RUST_BACKTRACE").output().unwrap()
}

fn log_path() -> PathBuf {
    std::env::var_os(LOG_PATH).expect("run by another test").into()
}

#[test]
fn a_panic_of_any_thread_is_logged_with_its_place_and_ends_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let output = run_alone("panics_in_a_thread", &log);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let file = fs::read_to_string(log).unwrap();
    assert!(file.contains("[ERROR] panic in thread worker at src/logging/tests.rs:"), "{file}");
    assert!(file.ends_with(": no bytes left\n"), "{file}");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.ends_with(&file), "{stderr}");
}

#[test]
#[ignore = "ends the process"]
fn panics_in_a_thread() {
    end_on_panic();
    let _log = start(LevelFilter::Info, Some(log_path())).unwrap();
    let worker = std::thread::Builder::new().name("worker".to_owned()).spawn(|| panic!("no bytes left"));
    let _ = worker.unwrap().join();
}

#[test]
fn a_panic_before_there_is_a_log_is_told_on_stderr() {
    let output = run_alone("panics_without_a_log", std::path::Path::new(""));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("jstorrent-io-daemon: panic in thread ") && stderr.contains("too early"),
        "{stderr}"
    );
}

#[test]
#[ignore = "ends the process"]
fn panics_without_a_log() {
    end_on_panic();
    panic!("too early");
}

#[test]
fn everything_is_written_when_the_guard_goes() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let output = run_alone("logs_and_returns", &log);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let file = fs::read_to_string(log).unwrap();
    assert_eq!(file.lines().count(), 100);
    assert!(file.lines().last().is_some_and(|line| line.ends_with("line 99")), "{file}");
}

#[test]
#[ignore = "starts the log of a whole process"]
fn logs_and_returns() {
    let _log = start(LevelFilter::Info, Some(log_path())).unwrap();
    (0..100).for_each(|n| log::info!("line {n}"));
    log::debug!("below the level");
}
