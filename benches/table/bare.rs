//! The bare system-call loops that rows are held against: this program again, with a hidden first argument, in a
//! process of its own. One thread, blocking calls, nothing parsed: a request is a head of a known length, then a body
//! of a known length, and what is not the work itself is left out.

mod files;
mod hash;
mod relay;
mod server;

use crate::Result;
use crate::daemon::first_line;
use crate::process::Process;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

/// The hidden argument.
pub(crate) const ROLE: &str = "--bare-loop";
/// Length of every request's head: the client pads it.
pub(crate) const HEAD_BYTES: usize = 256;
/// What is read, written and hashed at a time at most.
const PIECE_BYTES: usize = 256 << 10;

/// A running bare loop, killed when it is let go of.
#[derive(Debug)]
pub(crate) struct Bare {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Bare {
    /// Starts the loop that these words name, for that many connections at a time.
    pub(crate) fn start(connections: usize, words: &[&str]) -> Result<Bare> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg(ROLE)
            .arg(connections.to_string())
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let address = first_line(&mut child)?.parse()?;
        Ok(Bare { child, address })
    }

    pub(crate) fn process(&self) -> Process {
        Process::new(self.child.id())
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes a request's head as bare loops want it.
pub(crate) fn pad_head(head: &mut Vec<u8>) {
    head.resize(HEAD_BYTES, b' ');
}

/// Runs as the loop that the words name.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    let (connections, words) = words.split_first().ok_or("how many connections?")?;
    let connections = connections.parse()?;
    match words[..] {
        ["write", path, body_bytes] => {
            server::serve(&listener, connections, files::Writer::new(path, body_bytes)?)
        }
        ["read", path, body_bytes] => {
            server::serve(&listener, connections, files::Reader::new(path, body_bytes)?)
        }
        ["hash", algorithm, body_bytes] => {
            server::serve(&listener, connections, hash::Body::new(algorithm, body_bytes)?)
        }
        ["hash-file", algorithm, path] => {
            server::serve(&listener, connections, hash::File::new(algorithm, path)?)
        }
        ["relay-to-client"] => relay::to_client(&listener, connections),
        ["relay-to-peers", message_bytes] => relay::to_peers(&listener, connections, message_bytes.parse()?),
        ["relay-both-ways"] => relay::both_ways(&listener),
        ["datagrams-to-client"] => relay::datagrams_to_client(&listener),
        ["datagrams-to-peer", peer, bytes] => {
            relay::datagrams_to_peer(&listener, peer.parse()?, bytes.parse()?)
        }
        ["small"] => server::serve(&listener, connections, server::Small),
        _ => Err(format!("no such loop: {words:?}").into()),
    }
}
