//! Unit tests of the command line: every rule of PROTOCOL §1 and §7 that concerns it.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use log::LevelFilter;

use super::*;

/// Parses words against an environment given as pairs, on the XDG platform unless a test says otherwise.
fn parse_on(platform: Platform, words: &[&str], vars: &[(&str, &str)]) -> Result<Command, UsageError> {
    let vars: HashMap<String, OsString> = vars.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    let lookup = |name: &str| vars.get(name).cloned();
    let around = Surroundings { lookup: &lookup, current_dir: PathBuf::from("/cwd"), cores: 3, platform };
    parse(words.iter().map(OsString::from), &around)
}

fn options(words: &[&str], vars: &[(&str, &str)]) -> Options {
    match parse_on(Platform::Xdg, words, vars) {
        Ok(Command::Run(options)) => *options,
        other => panic!("{words:?}: {other:?}"),
    }
}

fn refused(words: &[&str]) -> String {
    match parse_on(Platform::Xdg, words, &[("HOME", "/home/u")]) {
        Err(error) => error.to_string(),
        other => panic!("{words:?} should be refused: {other:?}"),
    }
}

fn rpc_info_of(platform: Platform, words: &[&str], vars: &[(&str, &str)]) -> PathBuf {
    match parse_on(platform, words, vars) {
        Ok(Command::Run(options)) => match options.mode {
            Mode::Installed { rpc_info, .. } => rpc_info,
            mode => panic!("{mode:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn defaults_of_an_installed_daemon() {
    let got = options(&["--install-id", "i1"], &[("HOME", "/home/u")]);
    let rpc_info = "/home/u/.config/jstorrent-native/rpc-info.json".into();
    let expected = Options {
        mode: Mode::Installed { install_id: "i1".into(), rpc_info },
        port: 0,
        parent: Parent::Starter,
        idle_timeout_s: 0,
        allow_origins: vec![],
        file_threads: 4,
        hash_threads: 3,
        log_level: LevelFilter::Info,
        log_file: Some("/home/u/.local/state/jstorrent-native/io-daemon.log".into()),
        token: None,
        watch_stdin: false,
        warnings: vec![],
    };
    assert_eq!(format!("{got:?}"), format!("{expected:?}"));
}

#[test]
fn a_dev_daemon_watches_nobody_and_ends_when_idle() {
    let got = options(&["--dev", "files"], &[]);
    assert_eq!(got.mode, Mode::Dev { dir: "/cwd/files".into() });
    assert_eq!((got.parent, got.idle_timeout_s, got.log_file), (Parent::Nobody, 600, None));
}

#[test]
fn a_dev_daemon_watches_the_parent_that_it_is_told() {
    let got = options(&["--dev", "/d", "--parent-pid", "77"], &[]);
    assert_eq!((got.parent, got.idle_timeout_s), (Parent::Pid(77), 0));
}

#[test]
fn every_option_is_taken() {
    let words = "--install-id=i --port 8080 --parent-pid 12 --config-dir /c --idle-timeout 5 --file-threads 2 \
        --hash-threads 9 --log-level trace --log-file l.log --token -t0 --watch-stdin --allow-origin https://a \
        --allow-origin http://B:1";
    let got = options(&words.split_whitespace().collect::<Vec<_>>(), &[]);
    let rpc_info = "/c/jstorrent-native/rpc-info.json".into();
    assert_eq!(got.mode, Mode::Installed { install_id: "i".into(), rpc_info });
    assert_eq!((got.port, got.parent, got.idle_timeout_s), (8080, Parent::Pid(12), 5));
    assert_eq!((got.file_threads, got.hash_threads, got.log_level), (2, 9, LevelFilter::Trace));
    assert_eq!(got.log_file.as_deref(), Some(Path::new("/cwd/l.log")));
    assert_eq!(got.token.as_ref().map(|t| t.reveal()), Some("-t0"));
    assert!(got.watch_stdin);
    assert_eq!(got.allow_origins, ["https://a", "http://b:1"]);
    assert_eq!(got.warnings.len(), 1);
}

#[test]
fn help_and_version_win_over_what_follows() {
    for words in [&["--help"][..], &["-h"], &["--port", "1", "--help", "--nonsense"]] {
        assert!(matches!(parse_on(Platform::Xdg, words, &[]), Ok(Command::Help)));
    }
    assert!(matches!(parse_on(Platform::Xdg, &["-V"], &[]), Ok(Command::Version)));
    assert!(matches!(parse_on(Platform::Xdg, &["--version"], &[]), Ok(Command::Version)));
}

#[test]
fn help_shows_every_option_within_a_terminal() {
    let text = help();
    for row in &ROWS {
        assert!(text.contains(&format!("--{}", row.name)), "{}", row.name);
        assert!(!row.help.ends_with('.'), "{}", row.name);
    }
    for line in text.lines() {
        assert!(line.len() <= 110, "{line}");
    }
}

#[test]
fn bad_command_lines_are_refused_in_one_line() {
    for words in [
        "",
        "--dev /d --install-id i",
        "--install-id",
        "--dev",
        "--dev /d extra",
        "--dev /d --nonsense",
        "--dev /d -x",
        "--dev /d --watch-stdin=yes",
        "--dev /d --port 65536",
        "--dev /d --port -1",
        "--dev /d --port +1",
        "--dev /d --port x",
        "--dev /d --port 1 --port 1",
        "--dev /d --parent-pid 0",
        "--dev /d --parent-pid -5",
        "--dev /d --parent-pid 2147483648",
        "--dev /d --idle-timeout -1",
        "--dev /d --idle-timeout 1.5",
        "--dev /d --idle-timeout 4294967296",
        "--dev /d --file-threads 0",
        "--dev /d --file-threads 65",
        "--dev /d --hash-threads 0",
        "--dev /d --hash-threads 257",
        "--dev /d --log-level loud",
        "--dev /d --log-level off",
        "--dev /d --allow-origin null",
        "--dev /d --allow-origin https://a/",
        "--dev=",
        "--install-id=",
        "--dev /d --log-file=",
        "--install-id i --config-dir=",
        "--dev /d --token=",
    ] {
        let text = refused(&words.split_whitespace().collect::<Vec<_>>());
        assert_eq!(text.lines().count(), 1, "{words}: {text}");
        assert!(text.starts_with("jstorrent-io-daemon: "), "{text}");
    }
}

#[test]
fn a_refusal_says_what_would_be_right() {
    assert_eq!(
        refused(&["--dev", "/d", "--port", "http"]),
        "jstorrent-io-daemon: --port takes a port from 0 to 65535, not \"http\" (see --help)"
    );
    assert_eq!(
        refused(&["--dev", "/d", "--parent-pid"]),
        "jstorrent-io-daemon: --parent-pid needs a value: --parent-pid PID (see --help)"
    );
}

#[test]
fn a_control_character_cannot_break_the_line() {
    let text = refused(&["--dev", "/d", "--log-level", "a\nb"]);
    assert_eq!(text.lines().count(), 1);
    let text = refused(&["--dev", "/d", "--a\nb"]);
    assert_eq!(text.lines().count(), 1);
}

#[test]
fn a_bad_token_is_not_repeated() {
    let text = refused(&["--dev", "/d", "--token", "se cret"]);
    assert!(!text.contains("se cret"), "{text}");
}

#[test]
fn a_token_is_not_shown_by_the_options() {
    let got = options(&["--dev", "/d", "--token", "hunter2"], &[]);
    assert!(!format!("{got:?}").contains("hunter2"));
}

#[test]
fn a_token_warns() {
    let got = options(&["--dev", "/d", "--token", "x"], &[]);
    assert_eq!(got.warnings, ["a token on a command line can be read by other local users"]);
}

#[test]
fn config_dir_is_the_option_then_the_variable_then_the_platforms() {
    let vars = [("JSTORRENT_CONFIG_DIR", "/env"), ("XDG_CONFIG_HOME", "/xdg"), ("HOME", "/home/u")];
    let id = ["--install-id", "i"];
    let with_dir = ["--install-id", "i", "--config-dir", "sub"];
    let end = "jstorrent-native/rpc-info.json";
    assert_eq!(rpc_info_of(Platform::Xdg, &with_dir, &vars), Path::new("/cwd/sub").join(end));
    assert_eq!(rpc_info_of(Platform::Xdg, &id, &vars), Path::new("/env").join(end));
    assert_eq!(rpc_info_of(Platform::Xdg, &id, &vars[1..]), Path::new("/xdg").join(end));
    assert_eq!(rpc_info_of(Platform::Xdg, &id, &vars[2..]), Path::new("/home/u/.config").join(end));
}

#[test]
fn relative_and_empty_variables_do_not_name_platform_directories() {
    let vars = [("JSTORRENT_CONFIG_DIR", ""), ("XDG_CONFIG_HOME", "xdg"), ("HOME", "/home/u")];
    let path = rpc_info_of(Platform::Xdg, &["--install-id", "i"], &vars);
    assert_eq!(path, Path::new("/home/u/.config/jstorrent-native/rpc-info.json"));
}

#[test]
fn other_platforms_have_their_own_places() {
    let id = ["--install-id", "i"];
    let vars = [("HOME", "/Users/u"), ("APPDATA", "/roaming"), ("LOCALAPPDATA", "/local")];
    assert_eq!(
        rpc_info_of(Platform::MacOs, &id, &vars),
        Path::new("/Users/u/Library/Application Support/jstorrent-native/rpc-info.json")
    );
    assert_eq!(
        rpc_info_of(Platform::Windows, &id, &vars),
        Path::new("/roaming/jstorrent-native/rpc-info.json")
    );
    let log_of = |platform| match parse_on(platform, &id, &vars) {
        Ok(Command::Run(options)) => options.log_file,
        other => panic!("{other:?}"),
    };
    assert_eq!(log_of(Platform::MacOs), Some("/Users/u/Library/Logs/jstorrent-native/io-daemon.log".into()));
    assert_eq!(log_of(Platform::Windows), Some("/local/jstorrent-native/logs/io-daemon.log".into()));
}

#[test]
fn without_any_config_directory_an_installed_daemon_is_refused() {
    let result = parse_on(Platform::Xdg, &["--install-id", "i"], &[]);
    assert!(result.is_err_and(|e| e.to_string().contains("--config-dir")));
}

#[test]
fn origins_come_from_both_places_each_once() {
    let vars = [("JSTORRENT_DEV_ORIGINS", " http://localhost:5173 ,, https://A,null, http://x/ ")];
    let got = options(&["--dev", "/d", "--allow-origin", "https://a"], &vars);
    assert_eq!(got.allow_origins, ["https://a", "http://localhost:5173"]);
    assert_eq!(got.warnings.len(), 2, "{:?}", got.warnings);
    assert!(got.warnings[0].contains("null"), "{:?}", got.warnings);
}
