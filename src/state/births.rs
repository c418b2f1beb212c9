//! Connections that are to be made: whoever wants one writes down what it is to be, and the engine makes it before
//! anything else happens.

use crate::buffer::Block;
use crate::ids::{ConnId, FileId};
use crate::job::FileHandle;
use jstorrent_io_proto::digest::Digest;
use jstorrent_io_proto::errno::Errno;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;

/// What a connection is to be.
#[derive(Debug)]
pub enum Birth {
    /// A socket that connects to an address. Its [`Socket`](super::sockets::Socket) is there already.
    Connect(Connect),
    /// A UDP socket. Its [`UdpSocket`](super::datagrams::UdpSocket) is there already.
    Bind(Bind),
    /// A socket that connects to a name: to whichever of its addresses answers first. Its
    /// [`Socket`](super::sockets::Socket) is there already.
    Dial(Dial),
    /// A socket that a peer of a listener opened. Its [`Socket`](super::sockets::Socket) is there already.
    Accepted,
    /// A listening socket.
    Listen(Listen),
    /// Work on an open file.
    File(FileWork),
}

/// A UDP socket that is to be bound.
#[derive(Clone, Copy, Debug)]
pub struct Bind {
    /// Where; port 0: any.
    pub at: SocketAddr,
    /// Who is told the outcome.
    pub report: Report,
}

/// Work on an open file, for a client of `/io`.
#[derive(Debug)]
pub struct FileWork {
    /// For whom.
    pub channel: ConnId,
    /// The request that the outcome answers.
    pub request_id: u32,
    /// The file's number; the request holds it.
    pub file: FileId,
    /// The file.
    pub handle: Arc<FileHandle>,
    /// First byte.
    pub offset: u64,
    /// What to do.
    pub task: FileTask,
}

/// What to do with a file.
#[derive(Debug)]
pub enum FileTask {
    /// Read that many bytes, fewer at the end of the file.
    Read(usize),
    /// Write these bytes, where they have the digest.
    Write(Payload, Digest),
}

/// Bytes that a message brought.
#[derive(Debug)]
pub enum Payload {
    /// Copied out of it.
    Copied(Vec<u8>),
    /// Where they lie in it.
    Shared(Arc<Block>, Range<usize>),
}

impl Payload {
    /// `data`, which lies in `block` where there is one.
    pub fn of(data: &[u8], block: Option<&Arc<Block>>) -> Payload {
        let shared = block.and_then(|block| {
            let start = data.as_ptr().addr().checked_sub(block.bytes().as_ptr().addr())?;
            let range = start..start + data.len();
            (range.end <= block.len()).then(|| Payload::Shared(block.clone(), range))
        });
        shared.unwrap_or_else(|| Payload::Copied(data.to_vec()))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Payload::Copied(bytes) => bytes,
            Payload::Shared(block, range) => &block.bytes()[range.clone()],
        }
    }

    /// How many of them were copied.
    pub fn copied(&self) -> usize {
        if let Payload::Copied(bytes) = self { bytes.len() } else { 0 }
    }
}

/// A socket that is to listen.
#[derive(Debug)]
pub struct Listen {
    /// On which channel it was asked for.
    pub channel: ConnId,
    /// Its id there.
    pub wire: u32,
    /// Where; port 0: any that is free.
    pub at: SocketAddr,
    /// An IPv6 socket takes IPv4 peers as well.
    pub both_families: bool,
    /// The request that the outcome answers.
    pub request_id: u32,
}

/// A socket that connects.
#[derive(Debug)]
pub struct Connect {
    /// Where to.
    pub to: SocketAddr,
    /// From which address, where that matters.
    pub from: Option<IpAddr>,
    /// `TCP_NODELAY`.
    pub no_delay: bool,
    /// How long it may take, in milliseconds.
    pub wait_ms: u64,
    /// Who is told the outcome.
    pub report: Report,
}

/// A socket that connects to a name.
#[derive(Debug)]
pub struct Dial {
    /// The name.
    pub host: Box<str>,
    /// The port.
    pub port: u16,
    /// From which address, where that matters.
    pub from: Option<IpAddr>,
    /// `TCP_NODELAY`.
    pub no_delay: bool,
    /// How long it may take, in milliseconds.
    pub wait_ms: u64,
    /// Who is told the outcome.
    pub report: Report,
}

/// Who is told what became of a connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// The client, by the answer to this request.
    Client(u32),
    /// Another connection: it finds the outcome in `State::openings`.
    Conn(ConnId),
}

/// What became of a connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The connection that connected, or did not.
    pub conn: ConnId,
    /// The two ends, or why not.
    pub outcome: Result<Opened, Errno>,
}

/// A connect that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Our end.
    pub local: SocketAddr,
    /// The peer's end, where there is one.
    pub remote: Option<SocketAddr>,
}

/// Those that wait to be made.
#[derive(Debug, Default)]
pub struct Births {
    queue: VecDeque<(ConnId, Birth)>,
}

impl Births {
    /// `id` is to be made.
    pub fn add(&mut self, id: ConnId, birth: Birth) {
        self.queue.push_back((id, birth));
    }

    /// How many there are to be made.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Takes the oldest.
    pub fn take(&mut self) -> Option<(ConnId, Birth)> {
        self.queue.pop_front()
    }
}
