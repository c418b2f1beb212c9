//! TCP sockets as their channel and their peer's connection share them: whose they are, and what waits to go to the
//! peer. The channel's side adds bytes here, the connection shows them to the kernel; neither touches the other.
//!
//! Memory towards peers is counted over all sockets, room that is not filled included, because a limit on payload
//! alone would not bound what is held. See [`Sockets::is_full`] for what happens at the limit.

use crate::buffer::BUFFER_BYTES;
use crate::ids::ConnId;
use crate::limits::Limits;
use crate::state::chain::{Chain, Pool};
use crate::state::shelf::Shelf;
use crate::state::spare::Spare;
use jstorrent_io_proto::limits::SOCKET_WINDOW_BYTES_DEFAULT;
use std::collections::BTreeMap;

/// Bytes that the kernel took are granted anew once they are that many, a quarter of the window; fewer once nothing
/// follows them for a while ([`Socket::grant_rest`]).
const GRANT_BYTES_MIN: u64 = SOCKET_WINDOW_BYTES_DEFAULT / 4;

/// What the two sides granted each other (PROTOCOL §6.3).
#[derive(Clone, Copy, Debug)]
pub struct Credit {
    /// Bytes that the client may still send.
    send_left: u64,
    /// Bytes that the kernel took since the last grant.
    taken: u64,
    /// Bytes that the client still takes.
    recv_left: u64,
}

impl Credit {
    /// The windows to begin with.
    pub fn new(recv_window: u32) -> Credit {
        Credit { send_left: SOCKET_WINDOW_BYTES_DEFAULT, taken: 0, recv_left: recv_window.into() }
    }
}

/// A TCP_SECURE that its socket has not looked at.
#[derive(Debug)]
pub struct Securing {
    /// The request that the outcome answers.
    pub request_id: u32,
    /// Who the peer is to be.
    pub hostname: Box<str>,
    /// It may be anyone.
    pub skip_validation: bool,
    /// No byte went either way before.
    pub fresh: bool,
}

/// One socket.
#[derive(Debug)]
pub struct Socket {
    /// On which channel it was opened.
    pub channel: ConnId,
    /// Its id there.
    pub wire: u32,
    /// `None` without the feature: no windows.
    pub credit: Option<Credit>,
    /// Bytes went one way or the other.
    pub used: bool,
    /// It is to be secured.
    pub securing: Option<Box<Securing>>,
    /// What waits for the peer.
    queue: Chain,
    /// The client closed it, or broke its window: nothing more is taken from it.
    pub deaf: bool,
}

impl Socket {
    /// A socket with nothing in it.
    pub fn new(channel: ConnId, wire: u32, credit: Option<Credit>) -> Socket {
        Socket { channel, wire, credit, used: false, securing: None, queue: Chain::default(), deaf: false }
    }

    /// What waits for the peer, chunk by chunk.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.queue.parts()
    }

    /// Whether nothing waits for the peer.
    pub fn is_flushed(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many bytes the client takes at present.
    pub fn may_receive(&self) -> usize {
        self.credit.map_or(usize::MAX, |credit| usize::try_from(credit.recv_left).unwrap_or(usize::MAX))
    }

    /// `n` bytes from the peer went to the client.
    pub fn received(&mut self, n: usize) {
        self.used = true;
        if let Some(credit) = &mut self.credit {
            credit.recv_left = credit.recv_left.saturating_sub(n as u64);
        }
    }

    /// The client takes `bytes` more. Returns whether it took none before.
    pub fn granted(&mut self, bytes: u32) -> bool {
        let Some(credit) = &mut self.credit else { return false };
        let was_empty = credit.recv_left == 0;
        credit.recv_left = credit.recv_left.saturating_add(bytes.into());
        was_empty && bytes > 0
    }

    /// What the client is to be granted for the bytes that the kernel took: nothing, or enough for a message to pay.
    fn grant(&mut self, taken: usize) -> Option<u32> {
        let credit = self.credit.as_mut().filter(|_| !self.deaf)?;
        credit.taken += taken as u64;
        if credit.taken < GRANT_BYTES_MIN { None } else { self.grant_rest() }
    }

    /// Whether the kernel took bytes that the client was not granted anew.
    pub fn owes_grant(&self) -> bool {
        !self.deaf && self.credit.is_some_and(|credit| credit.taken > 0)
    }

    /// What the client is to be granted for all that the kernel took.
    pub fn grant_rest(&mut self) -> Option<u32> {
        let credit = self.credit.as_mut().filter(|credit| !self.deaf && credit.taken > 0)?;
        let bytes = std::mem::take(&mut credit.taken);
        credit.send_left += bytes;
        u32::try_from(bytes).ok()
    }
}

/// What became of bytes for a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// They wait.
    Queued {
        /// Nothing waited before.
        first: bool,
    },
    /// They were dropped: the socket takes nothing any more.
    Dropped,
    /// They were dropped: more than was granted. The socket takes nothing any more.
    Overrun,
}

/// All of them.
#[derive(Debug)]
pub struct Sockets {
    shelf: Shelf<Socket>,
    pool: Pool,
    held: usize,
    /// Of which channel's sockets, where any.
    by_channel: BTreeMap<ConnId, usize>,
    floor_bytes: usize,
}

impl Sockets {
    /// None, under the given bounds.
    pub fn new(limits: &Limits) -> Sockets {
        Sockets {
            shelf: Shelf::default(),
            // Bounded by bytes, not by buffers.
            pool: Pool::new(
                usize::MAX,
                Spare::new(limits.bulk_bytes_max / BUFFER_BYTES, limits.buffers_idle_ms),
            ),
            held: 0,
            by_channel: BTreeMap::new(),
            floor_bytes: limits.bulk_floor_bytes,
        }
    }

    /// Keeps as many free buffers as the rest of the bulk budget has room for: a client that is faster than its peers
    /// fills and empties many.
    pub fn keep_within(&mut self, bulk_left: usize) {
        let room = bulk_left.saturating_sub(self.held) / BUFFER_BYTES;
        self.pool.spare_mut().set_max(room);
    }

    /// The free buffers.
    pub fn spare(&self) -> &Spare {
        self.pool.spare()
    }

    /// The same, to have those go that are not needed.
    pub fn spare_mut(&mut self) -> &mut Spare {
        self.pool.spare_mut()
    }

    /// A socket begins.
    pub fn open(&mut self, id: ConnId, socket: Socket) {
        self.shelf.put(id, socket);
    }

    /// A socket ends; what waits is dropped.
    pub fn close(&mut self, id: ConnId) -> Option<Socket> {
        let mut socket = self.shelf.take(id)?;
        let before = socket.queue.held();
        socket.queue.clear(&mut self.pool, |_| {});
        self.count(socket.channel, before, 0);
        Some(socket)
    }

    /// A socket goes on as another connection's.
    pub fn hand_over(&mut self, from: ConnId, to: ConnId) {
        if let Some(socket) = self.shelf.take(from) {
            self.shelf.put(to, socket);
        }
    }

    /// A socket.
    pub fn get(&self, id: ConnId) -> Option<&Socket> {
        self.shelf.get(id)
    }

    /// A socket, to change it.
    pub fn get_mut(&mut self, id: ConnId) -> Option<&mut Socket> {
        self.shelf.get_mut(id)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.shelf.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.shelf.is_empty()
    }

    /// Adds bytes for the peer. `following` more were announced with them: what was sent in one piece must have been
    /// granted before it began, whatever the kernel takes meanwhile.
    pub fn push(&mut self, id: ConnId, bytes: &[u8], following: u64) -> Pushed {
        let Some(socket) = self.shelf.get_mut(id).filter(|socket| !socket.deaf) else {
            return Pushed::Dropped;
        };
        if let Some(credit) = &mut socket.credit {
            let bytes = bytes.len() as u64;
            if credit.send_left < bytes.saturating_add(following) {
                socket.deaf = true;
                return Pushed::Overrun;
            }
            credit.send_left -= bytes;
        }
        socket.used = true;
        let (first, before) = (socket.queue.is_empty(), socket.queue.held());
        socket.queue.append(&mut self.pool, bytes);
        let (channel, after) = (socket.channel, socket.queue.held());
        self.count(channel, before, after);
        Pushed::Queued { first }
    }

    /// The kernel took `n` bytes for the peer; what the client is to be granted for it.
    pub fn sent(&mut self, id: ConnId, n: usize) -> Option<u32> {
        let socket = self.shelf.get_mut(id)?;
        let before = socket.queue.held();
        socket.queue.consume(&mut self.pool, n, |_| {});
        let (channel, after, grant) = (socket.channel, socket.queue.held(), socket.grant(n));
        self.count(channel, before, after);
        grant
    }

    /// A queue of that channel's holds `after` bytes where it held `before`.
    fn count(&mut self, channel: ConnId, before: usize, after: usize) {
        if before == after {
            return;
        }
        self.held = self.held + after - before;
        let mine = self.by_channel.entry(channel).or_default();
        *mine = *mine + after - before;
        if *mine == 0 {
            self.by_channel.remove(&channel);
        }
    }

    /// The peer takes nothing any more: what waits is dropped, and nothing more is taken.
    pub fn break_off(&mut self, id: ConnId) {
        let Some(socket) = self.shelf.get_mut(id) else { return };
        let (channel, before) = (socket.channel, socket.queue.held());
        socket.queue.clear(&mut self.pool, |_| {});
        socket.deaf = true;
        self.count(channel, before, 0);
    }

    /// Memory that holds bytes towards peers.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Whether a channel's client is not read, because as much waits for peers as may: what checked writes leave of the
    /// bulk budget, and at any rate the floor (PROTOCOL §6.3). Half of the floor is kept on top for those of whose bytes
    /// next to none wait, so that a client whose peers take nothing does not hold them up. It never lasts: a peer that
    /// takes nothing for 5 s meanwhile is closed.
    pub fn is_full(&self, channel: ConnId, bulk_left: impl FnOnce() -> usize) -> bool {
        if self.held <= self.floor_bytes {
            return false;
        }
        let mine = self.by_channel.get(&channel).copied().unwrap_or(0);
        let kept = if mine <= self.floor_bytes / 4 { self.floor_bytes / 2 } else { 0 };
        self.held > bulk_left() + kept
    }
}
