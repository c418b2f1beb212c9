//! Command lines that start nothing (PROTOCOL §1, §7): statuses, and what goes where.

use std::process::{Command, Output};

use crate::support::daemon::{BINARY, Ended, Home};

fn run(args: &[&str]) -> (Ended, String, String) {
    let Output { status, stdout, stderr } = Home::new().command().args(args).output().unwrap();
    (status.into(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn a_bad_command_line_is_status_2_and_one_line_on_stderr() {
    for args in [
        &[][..],
        &["--nonsense"],
        &["--dev", "/tmp", "--install-id", "i"],
        &["--dev", "/tmp", "--idle-timeout", "-1"],
        &["--dev", "/tmp", "--parent-pid", "0"],
        &["--dev", "/tmp", "--allow-origin", "null"],
        &["--dev", "/tmp", "--port", "70000"],
        &["--install-id"],
    ] {
        let (status, stdout, stderr) = run(args);
        assert_eq!(status, Ended::Status(2), "{args:?}");
        assert_eq!((stdout.as_str(), stderr.lines().count()), ("", 1), "{args:?}: {stderr}");
        assert!(stderr.starts_with("jstorrent-io-daemon: "), "{stderr}");
    }
}

#[test]
fn help_and_version_go_to_stdout() {
    let (status, stdout, stderr) = run(&["--help"]);
    assert_eq!((status, stderr.as_str()), (Ended::Status(0), ""));
    assert!(stdout.contains("--install-id ID") && stdout.contains("--dev DIR"), "{stdout}");
    let (status, stdout, stderr) = run(&["--version"]);
    assert_eq!((status, stderr.as_str()), (Ended::Status(0), ""));
    assert_eq!(stdout, concat!("jstorrent-io-daemon ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn a_reader_of_help_that_goes_away_is_no_failure() {
    let script = "\"$0\" --help 2>&1 >/dev/full; echo $?; \"$0\" --help | true; \"$0\" --help >&-; echo $?";
    let output = Command::new("sh").args(["-c", script, BINARY]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!((text.as_str(), output.stderr.as_slice()), ("1\n0\n", &b""[..]));
}
