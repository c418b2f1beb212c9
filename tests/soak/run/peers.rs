//! The peers that the daemon's sockets talk to: each does what the first bytes of its connection ask for, checks what
//! it gets, and tells how it ended. They know nothing of the daemon.

use std::collections::{BTreeMap, HashMap};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use super::pattern;
use super::support::DEADLINE;

/// A called connection that was silent for so long is asked whether it has another end.
const PROBE_AFTER: Duration = Duration::from_secs(1);

/// What a peer is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mode {
    /// Sends back all that comes, and closes after the other side.
    Echo,
    /// Counts and checks what comes, to its end.
    Sink,
    /// Sends so many bytes of the pattern, then closes.
    Source,
    /// Sends so many bytes, then ends in a reset.
    Reset,
}

/// Mode, key and length: what a connection begins with.
pub(crate) const HEADER: usize = 17;

/// The first bytes for a peer.
pub(crate) fn header(mode: Mode, key: u64, len: u64) -> Vec<u8> {
    [&[mode as u8][..], &key.to_le_bytes(), &len.to_le_bytes()].concat()
}

/// All peers of a run.
pub(crate) struct Peers {
    pub(crate) tcp_port: u16,
    pub(crate) udp_port: u16,
    /// Where nobody listens.
    pub(crate) closed_port: u16,
    /// Where the daemon listens: an address of loopback that no other program on this machine has a port of, so that a
    /// call that comes late to a listener never reaches a stranger.
    pub(crate) called: Ipv4Addr,
    shared: Arc<Shared>,
    /// Holds the closed port: bound, so that nobody gets it, and not listening.
    _closed: socket2::Socket,
}

#[derive(Default)]
struct Shared {
    /// What sinks got, by key; taken by those who ask.
    sunk: Mutex<HashMap<u64, u64>>,
    changed: Condvar,
    /// What a peer found wrong.
    wrong: Mutex<Option<String>>,
    /// Connections that have not ended, by a number of their own: both addresses.
    open: Mutex<BTreeMap<u64, String>>,
    opened: AtomicU64,
}

impl Peers {
    pub(crate) fn start() -> Peers {
        let shared = Arc::<Shared>::default();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let tcp_port = listener.local_addr().unwrap().port();
        let accepting = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                accepting.serve(stream.unwrap());
            }
        });
        let (closed, closed_port) = closed_port();
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let called = Ipv4Addr::new(127, 83, high, low);
        Peers { tcp_port, udp_port: start_udp_echo(), closed_port, called, shared, _closed: closed }
    }

    /// Connects to a port, and is a peer there as if it had been called.
    pub(crate) fn call(&self, port: u16) {
        let (shared, called) = (self.shared.clone(), self.called);
        thread::spawn(move || {
            // The listener may be gone with its client.
            let Ok(stream) = TcpStream::connect((called, port)) else { return };
            // One that got this very port for its own end, once free again, is connected to itself.
            if stream.local_addr().ok() != stream.peer_addr().ok() {
                // Linux loses a call in its last step where the listener closes at that moment: the caller is connected
                // to nobody, and only a probe tells it.
                let probing = socket2::TcpKeepalive::new().with_time(PROBE_AFTER);
                socket2::SockRef::from(&stream).set_tcp_keepalive(&probing).unwrap();
                shared.serve(stream);
            }
        });
    }

    /// Waits until the sink with this key has come to its end; what it got.
    pub(crate) fn sunk(&self, key: u64) -> Option<u64> {
        let sunk = self.shared.sunk.lock().unwrap();
        let wait = self.shared.changed.wait_timeout_while(sunk, DEADLINE, |sunk| !sunk.contains_key(&key));
        wait.unwrap().0.remove(&key)
    }

    /// Forgets what sinks got whose clients were lost.
    pub(crate) fn forget(&self) {
        self.shared.sunk.lock().unwrap().clear();
    }

    /// Connections that have not ended: their addresses.
    pub(crate) fn open(&self) -> Vec<String> {
        self.shared.open.lock().unwrap().values().cloned().collect()
    }

    /// What a peer found wrong, if any did.
    pub(crate) fn wrong(&self) -> Option<String> {
        self.shared.wrong.lock().unwrap().clone()
    }
}

impl Shared {
    /// Serves a connection in a thread of its own.
    fn serve(self: &Arc<Shared>, stream: TcpStream) {
        let shared = self.clone();
        let number = shared.opened.fetch_add(1, Ordering::Relaxed);
        let addresses = format!("{:?} to {:?}", stream.local_addr().ok(), stream.peer_addr().ok());
        shared.open.lock().unwrap().insert(number, addresses);
        thread::spawn(move || {
            // Connections break as clients are lost; what was broken wrongly is seen by those who wait for it.
            let _ = shared.talk(stream);
            shared.open.lock().unwrap().remove(&number);
        });
    }

    fn talk(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut header = [0; HEADER];
        stream.read_exact(&mut header)?;
        let number = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().unwrap());
        let (key, len) = (number(1), number(9));
        match header[0] {
            mode if mode == Mode::Echo as u8 => self.receive(&mut stream, key, true).map(drop),
            mode if mode == Mode::Sink as u8 => {
                let got = self.receive(&mut stream, key, false);
                // One that ended in an error has lost bytes, or told so wrongly.
                self.sunk.lock().unwrap().insert(key, got.unwrap_or(u64::MAX));
                self.changed.notify_all();
                Ok(())
            }
            mode if mode == Mode::Source as u8 => send(&mut stream, key, len),
            _ => {
                send(&mut stream, key, len)?;
                socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))
            }
        }
    }

    /// Takes bytes to their end, and sends them back if asked to.
    fn receive(&self, stream: &mut TcpStream, key: u64, echo: bool) -> std::io::Result<u64> {
        let mut bytes = vec![0; 32 << 10];
        let mut got = 0;
        loop {
            let n = match stream.read(&mut bytes) {
                Ok(0) => return Ok(got),
                Ok(n) => n,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if !pattern::is_at(&bytes[..n], key, got) {
                let text = format!("a peer got other bytes than were sent, from {got} on");
                self.wrong.lock().unwrap().get_or_insert(text);
            }
            got += n as u64;
            if echo {
                stream.write_all(&bytes[..n])?;
            }
        }
    }
}

fn send(stream: &mut TcpStream, key: u64, len: u64) -> std::io::Result<()> {
    let mut sent = 0;
    while sent < len {
        let n = (len - sent).min(60_000) as usize;
        stream.write_all(pattern::piece(key, sent, n))?;
        sent += n as u64;
    }
    Ok(())
}

fn closed_port() -> (socket2::Socket, u16) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let port = socket.local_addr().unwrap().as_socket().unwrap().port();
    (socket, port)
}

fn start_udp_echo() -> u16 {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = socket.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut bytes = [0; 65_536];
        loop {
            // An error tells of a socket that closed before its echo came.
            if let Ok((n, from)) = socket.recv_from(&mut bytes) {
                let _ = socket.send_to(&bytes[..n], from);
            }
        }
    });
    port
}
