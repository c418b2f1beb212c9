//! The daemon as a child process with a home of its own, killed when the test lets go of it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::DEADLINE;
use super::http::Http;
use super::process::Process;

/// The built binary.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_jstorrent-io-daemon");
/// The install id and extension id that [`Home`] writes.
pub(crate) const INSTALL_ID: &str = "test-install";
pub(crate) const EXTENSION_ID: &str = "dbokmlpefliilbjldladbimlcfgbolhk";

/// A directory that stands for the user's: configuration, logs, and a root `main`. It goes with the last that has it.
#[derive(Clone)]
pub(crate) struct Home {
    dir: Arc<TempDir>,
}

impl Home {
    pub(crate) fn new() -> Home {
        let home = Home { dir: Arc::new(tempfile::tempdir().unwrap()) };
        fs::create_dir(home.root()).unwrap();
        home.write_roots(&[("main", &home.root())]);
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Where the root `main` is.
    pub(crate) fn root(&self) -> PathBuf {
        self.path("root")
    }

    pub(crate) fn rpc_info(&self) -> PathBuf {
        self.path("config/jstorrent-native/rpc-info.json")
    }

    /// The log file, in the platform's place below this home.
    pub(crate) fn log(&self) -> PathBuf {
        self.path("state/jstorrent-native/io-daemon.log")
    }

    /// Writes rpc-info.json with these roots.
    pub(crate) fn write_roots(&self, roots: &[(&str, &Path)]) {
        let roots: Vec<Value> = roots
            .iter()
            .map(|(key, path)| {
                json!({"key": key, "path": path, "display_name": key, "removable": false, "last_stat_ok": true,
                       "last_checked": 0})
            })
            .collect();
        let profile =
            json!({"install_id": INSTALL_ID, "extension_id": EXTENSION_ID, "download_roots": roots});
        fs::create_dir_all(self.rpc_info().parent().unwrap()).unwrap();
        fs::write(self.rpc_info(), json!({"version": 1, "profiles": [profile]}).to_string()).unwrap();
    }

    /// A command that runs the daemon in this home, with nothing of the real environment.
    pub(crate) fn command(&self) -> Command {
        self.prepared(Command::new(BINARY))
    }

    /// The same for a program that starts the daemon.
    pub(crate) fn prepared(&self, mut command: Command) -> Command {
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.dir.path())
            .env("XDG_STATE_HOME", self.path("state"))
            .env("XDG_CONFIG_HOME", self.path("config"));
        command
    }
}

/// A running daemon.
pub(crate) struct Daemon {
    pub(crate) home: Home,
    /// What the ready line told; with `--token` the given token and no stream port.
    pub(crate) port: u16,
    pub(crate) stream_port: u16,
    pub(crate) token: String,
    child: Child,
    process: Process,
    stdout: Receiver<Option<String>>,
    stderr: Arc<Captured>,
}

impl Daemon {
    /// With `--install-id`, a root `main`, and more arguments.
    pub(crate) fn start(args: &[&str]) -> Daemon {
        Daemon::start_in(Home::new(), args)
    }

    pub(crate) fn start_in(home: Home, args: &[&str]) -> Daemon {
        let mut command = home.command();
        command.args(["--install-id", INSTALL_ID]).args(args);
        Daemon::spawn(home, command)
    }

    /// With `--dev` at the home's `root`.
    pub(crate) fn start_dev(args: &[&str]) -> Daemon {
        let home = Home::new();
        let mut command = home.command();
        command.arg("--dev").arg(home.root()).args(args);
        Daemon::spawn(home, command)
    }

    /// Runs a command that is, or at last execs, the daemon, and waits for its ready line.
    pub(crate) fn spawn(home: Home, command: Command) -> Daemon {
        Daemon::try_spawn(home, command).unwrap_or_else(|Unready { status, stderr, .. }| {
            panic!("the daemon ended with {status} before it was ready:\n{stderr}")
        })
    }

    /// The same, for daemons that may end at once.
    pub(crate) fn try_spawn(home: Home, mut command: Command) -> Result<Daemon, Unready> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let given_token = given_token(&command);
        let mut child = command.spawn().unwrap();
        let process = Process::open(child.id());
        let stdout = lines_of(child.stdout.take().unwrap());
        let stderr = Captured::of(child.stderr.take().unwrap());
        match stdout.recv_timeout(DEADLINE).expect("a ready line, or the end") {
            Some(line) => {
                let (port, stream_port, token) = read_ready_line(&line, given_token);
                Ok(Daemon { home, port, stream_port, token, child, process, stdout, stderr })
            }
            None => {
                let status = child.wait().unwrap().into();
                Err(Unready { home, status, stderr: stderr.all() })
            }
        }
    }

    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// A new connection to the main port.
    pub(crate) fn http(&self) -> Http {
        Http::connect(self.port)
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> Ended {
        self.wait_for(DEADLINE)
    }

    /// Waits for its end, which must come within the time.
    pub(crate) fn wait_for(&mut self, wait: Duration) -> Ended {
        assert!(self.process.ends_within(wait), "still running after {wait:?}:\n{}", self.stderr.so_far());
        self.child.wait().unwrap().into()
    }

    /// SIGTERM, and the status that follows.
    pub(crate) fn stop(&mut self) -> Ended {
        self.process.signal(Signal::TERM);
        self.wait()
    }

    /// Waits until stderr has this text.
    pub(crate) fn wait_for_stderr(&self, text: &str) {
        self.stderr.wait_for(text);
    }

    /// What stderr had until now.
    pub(crate) fn stderr_so_far(&self) -> String {
        self.stderr.so_far()
    }

    /// All of stderr, once the daemon has ended.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.all()
    }

    /// What stdout had beside the ready line, once the daemon has ended.
    pub(crate) fn rest_of_stdout(&self) -> Vec<String> {
        std::iter::from_fn(|| self.stdout.recv_timeout(DEADLINE).expect("the end of stdout")).collect()
    }
}

#[allow(clippy::print_stderr, reason = "what a failing test has to say")]
impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- the daemon's stderr ---\n{}", self.stderr.so_far());
        }
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Ended {
    Status(i32),
    Killed(i32),
}

impl From<std::process::ExitStatus> for Ended {
    fn from(status: std::process::ExitStatus) -> Ended {
        match status.code() {
            Some(code) => Ended::Status(code),
            None => Ended::Killed(status.signal().unwrap_or_default()),
        }
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

/// A daemon that ended before it was ready.
pub(crate) struct Unready {
    pub(crate) home: Home,
    pub(crate) status: Ended,
    pub(crate) stderr: String,
}

fn given_token(command: &Command) -> Option<OsString> {
    let mut args = command.get_args().skip_while(|arg| *arg != OsStr::new("--token"));
    args.nth(1).map(OsStr::to_owned)
}

fn read_ready_line(line: &str, given_token: Option<OsString>) -> (u16, u16, String) {
    if let Some(token) = given_token {
        return (line.parse().expect("a bare port"), 0, token.into_string().unwrap());
    }
    let ready: Value = serde_json::from_str(line).expect("JSON");
    let port = |name: &str| u16::try_from(ready[name].as_u64().expect(name)).expect(name);
    (port("port"), port("streamPort"), ready["token"].as_str().expect("a token").to_owned())
}

/// Lines as they come, then `None`.
fn lines_of(stdout: impl Read + Send + 'static) -> Receiver<Option<String>> {
    let (lines, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            let _ = lines.send(Some(line.unwrap()));
        }
        let _ = lines.send(None);
    });
    receiver
}

/// A stream that is read to its end by a thread.
struct Captured {
    state: Mutex<(String, bool)>,
    changed: Condvar,
}

impl Captured {
    fn of(stream: impl Read + Send + 'static) -> Arc<Captured> {
        let captured = Arc::new(Captured { state: Mutex::default(), changed: Condvar::new() });
        let writer = captured.clone();
        thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                let mut state = writer.state.lock().unwrap();
                state.0.push_str(&String::from_utf8_lossy(&line));
                state.0.push('\n');
                writer.changed.notify_all();
            }
            writer.state.lock().unwrap().1 = true;
            writer.changed.notify_all();
        });
        captured
    }

    fn so_far(&self) -> String {
        self.state.lock().unwrap().0.clone()
    }

    fn wait(&self, met: impl Fn(&str, bool) -> bool, what: &str) -> String {
        let state = self.state.lock().unwrap();
        let (state, late) =
            self.changed.wait_timeout_while(state, DEADLINE, |(text, ended)| !met(text, *ended)).unwrap();
        assert!(!late.timed_out(), "no {what} in:\n{}", state.0);
        state.0.clone()
    }

    fn wait_for(&self, wanted: &str) {
        self.wait(|text, _| text.contains(wanted), wanted);
    }

    fn all(&self) -> String {
        self.wait(|_, ended| ended, "end")
    }
}
