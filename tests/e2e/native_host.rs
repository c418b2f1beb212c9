//! The example host does its tour, and the daemon goes when it dies.

use std::process::Command;

use crate::support::daemon::{BINARY, Home};

#[test]
fn the_example_host_does_its_tour_and_the_daemon_follows_it() {
    build_example();
    let host = std::path::Path::new(BINARY).with_file_name("examples").join("native_host");
    let home = Home::new();
    let mut command = home.prepared(Command::new(host));
    let output = command.args(["--check", BINARY]).env("TMPDIR", home.path("")).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{stdout}");
    assert!(stdout.contains("ms after its host"), "{stdout}");
}

/// Cargo builds examples before tests, but not where a single test is asked for.
fn build_example() {
    let profile =
        std::path::Path::new(BINARY).parent().and_then(|dir| dir.file_name()).unwrap().to_str().unwrap();
    let profile = if profile == "debug" { "dev" } else { profile };
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--example", "native_host", "--profile", profile]);
    assert!(cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap().success());
}
