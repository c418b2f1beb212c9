//! websockify: what a user would pick to reach TCP from a browser. It starts a process for each connection.

use crate::Result;
use crate::frames::upgrade;
use crate::process::Process;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const START_WAIT: Duration = Duration::from_secs(20);

/// A running websockify, killed when it is let go of; its processes end with their connections.
#[derive(Debug)]
pub(crate) struct Websockify {
    child: Child,
    address: SocketAddr,
}

impl Websockify {
    /// Starts one that connects to `target`; `None` where it is not installed.
    pub(crate) fn start(target: SocketAddr) -> Result<Option<Websockify>> {
        // Whoever takes the port meanwhile makes the start fail: then it is said.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut command = Command::new("websockify");
        command.arg(address.to_string()).arg(target.to_string());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = match child {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        Ok(Some(Websockify { child, address }))
    }

    /// It, and the processes of its connections.
    pub(crate) fn process(&self) -> Process {
        Process::with_children(self.child.id())
    }

    /// A connection through it to the listener that is its target: the client's end and the peer's.
    pub(crate) fn connect(&mut self, listener: &TcpListener) -> Result<(TcpStream, TcpStream)> {
        let since = Instant::now();
        let mut client = loop {
            match TcpStream::connect(self.address) {
                Ok(client) => break client,
                Err(_) if self.child.try_wait()?.is_none() && since.elapsed() < START_WAIT => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(_) => return Err("websockify does not start".into()),
            }
        };
        client.set_nodelay(true)?;
        let fields = format!("Host: {}\r\nSec-WebSocket-Protocol: binary\r\n", self.address);
        upgrade(&mut client, "/", &fields)?;
        let (peer, _) = listener.accept()?;
        peer.set_nodelay(true)?;
        Ok((client, peer))
    }
}

impl Drop for Websockify {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
