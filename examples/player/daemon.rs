//! The daemon as a child process: this very program again, or a binary that was built elsewhere.

use super::Result;
use super::http::Http;
use serde_json::Value;
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The session that owns what is opened here.
pub(crate) const SESSION: &str = "player";

/// A running daemon; it ends with this value.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) port: u16,
    pub(crate) token: String,
}

/// A command, and the arguments that make it the daemon.
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) args: Vec<OsString>,
}

impl Daemon {
    /// Starts it with one root, `dev`, for pages of that origin.
    pub(crate) fn start(program: Program, root: &Path, origin: &str) -> Result<Daemon> {
        let mut command = Command::new(&program.path);
        command.args(&program.args).arg("--dev").arg(root).args(["--allow-origin", origin]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().ok_or("no stdout")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let ready: Value = serde_json::from_str(&line)?;
        let port = u16::try_from(ready["port"].as_u64().unwrap_or(0))?;
        let token = ready["token"].as_str().unwrap_or_default().to_owned();
        Ok(Daemon { child, port, token })
    }

    /// A connection that has the token and the session.
    pub(crate) fn http(&self) -> Result<Http> {
        Http::connect(self.port, &format!("X-JST-Auth: {}\r\nX-JST-Session: {SESSION}\r\n", self.token))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
