//! The daemon under measurement: the release binary with `--dev` on a folder of its own.

use crate::Result;
use crate::process::Process;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The binary that cargo built with the benchmarks.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_jstorrent-io-daemon");
const SESSION: &str = "bench";

/// A running daemon, killed when it is let go of.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Field lines that every request needs.
    fields: String,
}

impl Daemon {
    /// Starts one on the folder `root`, which is made, and waits until it is ready.
    pub(crate) fn start(binary: &Path, root: &Path) -> Result<Daemon> {
        let mut child = command(binary, root).spawn()?;
        let line = first_line(&mut child)?;
        let text = |name: &str| -> Result<&str> {
            let value = line.split_once(&format!("\"{name}\":")).ok_or("no ready line")?.1;
            Ok(value.trim_start_matches('"').split(['"', ',', '}']).next().unwrap_or_default())
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, text("port")?.parse()?));
        let fields =
            format!("Host: {address}\r\nX-JST-Auth: {}\r\nX-JST-Session: {SESSION}\r\n", text("token")?);
        Ok(Daemon { child, address, fields })
    }

    pub(crate) fn process(&self) -> Process {
        Process::new(self.child.id())
    }

    /// Field lines that every request needs, each ended.
    pub(crate) fn fields(&self) -> &str {
        &self.fields
    }

    /// Writes a request's head, with these further field lines, each ended.
    pub(crate) fn head(&self, into: &mut Vec<u8>, request: std::fmt::Arguments<'_>, more: &str) {
        // A vector takes all.
        let _ = write!(into, "{request} HTTP/1.1\r\n{}{more}\r\n", self.fields);
    }

    /// Opens, or makes, a file; returns its number.
    pub(crate) fn open(&self, path: &str) -> Result<u32> {
        let body = format!(r#"{{"root":"dev","path":"{path}","write":true,"create":true}}"#);
        let answer = self.call(format_args!("POST /files/open"), &body)?;
        let id = answer.split_once("\"fileId\":").ok_or("no fileId")?.1;
        Ok(id.split([',', '}']).next().unwrap_or_default().parse()?)
    }

    /// One request on a connection of its own; the body of its answer.
    pub(crate) fn call(&self, request: std::fmt::Arguments<'_>, body: &str) -> Result<String> {
        let mut bytes = Vec::new();
        self.head(&mut bytes, request, &format!("Connection: close\r\nContent-Length: {}\r\n", body.len()));
        bytes.extend_from_slice(body.as_bytes());
        let mut stream = TcpStream::connect(self.address)?;
        stream.write_all(&bytes)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        match answer.split_once("\r\n\r\n") {
            Some((head, body)) if head.starts_with("HTTP/1.1 2") => Ok(body.to_owned()),
            _ => Err(format!("refused: {answer}").into()),
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command that runs the daemon with its files in `root` and its log beside them.
pub(crate) fn command(binary: &Path, root: &Path) -> Command {
    let mut command = Command::new(binary);
    command.arg("--dev").arg(root).arg("--log-file").arg(root.with_extension("log"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

/// The first line that a process prints; after that its stdout is closed.
pub(crate) fn first_line(child: &mut Child) -> Result<String> {
    let stdout = child.stdout.take().ok_or("no stdout")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}
