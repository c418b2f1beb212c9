//! `/io` connections as all that belongs to them sees them: what waits to go to the client, which ids on the wire mean
//! which connections, what the hello agreed on. Peers' connections write here and never touch the WebSocket; the
//! WebSocket only shows what waits here to the kernel.
//!
//! Bytes towards clients live in buffers of a pool of their own (`limits.channel_out_bytes_max` for all channels).
//! Peers are read only while their channel has gathered less than `limits.channel_gather_bytes_max`: what is read in
//! one round leaves in one write, while it is still in the processor's cache, and a client that stops reading stops
//! its peers. Replies and events must go out whatever waits; what bounds them is that a channel whose client takes no
//! replies is not read (`may_be_read`), and, where many such clients add up, that the worst of them is cut off.

mod batch;
mod fetch;
mod receive;

use crate::buffer::{BUFFER_BYTES, Buffer};
use crate::ids::{ConnId, SessionId};
use crate::limits::{BATCHED_MESSAGE_BYTES_MAX, FILE_DATA_FRAME_BUFFERS_MAX, Limits};
use crate::state::chain::{Chain, Pool};
use crate::state::notes::{Note, Notes};
use crate::state::shelf::Shelf;
use crate::state::spare::Spare;
use batch::Batch;
use jstorrent_io_proto::feature::{Feature, Features};
use jstorrent_io_proto::frame::{self, HEADER_BYTES_MAX, OpCode};
use jstorrent_io_proto::limits::SOCKET_WINDOW_BYTES_DEFAULT;
use jstorrent_io_proto::message::ServerMessage;
pub use receive::Way;
use std::collections::{HashMap, HashSet, VecDeque};

/// The first id that the daemon picks (PROTOCOL §6.2, "Promises").
pub const FIRST_OWN_ID: u32 = 0x8000_0000;
/// A buffer with less room than this is left to small messages, where another can be had.
const READ_ROOM_BYTES_MIN: usize = 32 << 10;
/// What the next peer that is woken to read is taken to bring, in bytes.
const WOKEN_READ_BYTES: usize = 16 << 10;

/// One `/io` connection.
#[derive(Debug)]
pub struct Channel {
    /// Whose files it may name.
    pub session: Option<SessionId>,
    /// The token was shown.
    pub authenticated: bool,
    /// What the hello agreed on.
    pub features: Features,
    /// Its first message was text: it is sent text, but for data.
    pub json: bool,
    /// It said more than an empty hello: it is told of changes of the roots.
    pub told_of_roots: bool,
    /// Bytes that it takes from each socket before it grants more, with `credit`.
    pub recv_window: u32,
    /// What was opened on it, by id on the wire.
    pub ids: HashMap<u32, ConnId>,
    /// Work on files that is under way for it.
    pub works: HashSet<ConnId>,
    /// Requests over HTTP that wait for a socket to open here.
    pub openers: Vec<ConnId>,
    out: Chain,
    /// Small messages that wait for others of their round.
    batch: Batch,
    /// Bytes of replies and events that were added since `out` was empty.
    replies: usize,
    /// No further message may go out: the close frame has.
    closed: bool,
    /// Connections that would read for it and found no room.
    line: VecDeque<ConnId>,
    /// Those that were told to try, and have not yet.
    woken: Vec<ConnId>,
    /// UDP sockets that would read for it while there was enough to send.
    datagram_line: VecDeque<ConnId>,
    /// Work on files that would fetch for it while enough was fetched, and how many bytes each.
    fetch_line: VecDeque<(ConnId, usize)>,
    /// Bytes that such work is fetching.
    fetching: usize,
    /// Buffers of others that wait for its client.
    lent: usize,
    /// Memory of what waits that is no buffer's, as it was counted last.
    heap: usize,
}

impl Channel {
    fn new() -> Channel {
        Channel {
            session: None,
            authenticated: false,
            features: Features::NONE,
            json: false,
            told_of_roots: false,
            recv_window: SOCKET_WINDOW_BYTES_DEFAULT as u32,
            ids: HashMap::new(),
            works: HashSet::new(),
            openers: Vec::new(),
            out: Chain::default(),
            batch: Batch::default(),
            replies: 0,
            closed: false,
            line: VecDeque::new(),
            woken: Vec::new(),
            datagram_line: VecDeque::new(),
            fetch_line: VecDeque::new(),
            fetching: 0,
            lent: 0,
            heap: 0,
        }
    }

    /// Whether the client and the daemon grant each other bytes.
    pub fn has_credit(&self) -> bool {
        self.features.has(Feature::Credit)
    }

    /// Whether it takes its leave: nothing can be opened on it any more.
    pub fn is_closing(&self) -> bool {
        self.closed
    }

    /// What waits for the client, chunk by chunk.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.out.parts()
    }

    /// Bytes that wait for the client.
    pub fn waiting(&self) -> usize {
        self.out.len() + self.batch.len()
    }

    /// Whether anyone stands in line who would read or fetch for it.
    fn is_crowded(&self) -> bool {
        !(self.line.is_empty() && self.datagram_line.is_empty() && self.fetch_line.is_empty())
    }

    /// Whether buffers of others wait for the client.
    pub fn holds_lent(&self) -> bool {
        self.lent > 0
    }

    /// Whether a message of that many bytes goes into a batch.
    fn batches(&self, len: usize) -> bool {
        self.features.has(Feature::Batch) && len <= BATCHED_MESSAGE_BYTES_MAX
    }
}

/// All of them.
#[derive(Debug)]
pub struct Channels {
    shelf: Shelf<Channel>,
    pool: Pool,
    gather_bytes_max: usize,
    reply_bytes_max: usize,
    fetch_bytes_max: usize,
    fetch_small_bytes_max: usize,
    /// Memory of what waits that is no buffer's, over all channels.
    heap: usize,
    heap_bytes_max: usize,
    /// Where messages are encoded before they are copied to their place.
    encoded: Vec<u8>,
    /// Channels with someone in line.
    crowded: Vec<ConnId>,
    /// The last id that was picked for a client.
    last_own_id: u32,
}

impl Channels {
    /// None, under the given bounds.
    pub fn new(limits: &Limits) -> Channels {
        Channels {
            shelf: Shelf::default(),
            pool: Pool::new(
                limits.channel_out_bytes_max / BUFFER_BYTES,
                Spare::new(limits.buffers_kept_max, limits.buffers_idle_ms),
            ),
            gather_bytes_max: limits.channel_gather_bytes_max,
            reply_bytes_max: limits.channel_reply_bytes_max,
            fetch_bytes_max: limits.channel_fetch_bytes_max,
            fetch_small_bytes_max: limits.channel_fetch_small_bytes_max,
            heap: 0,
            heap_bytes_max: limits.channel_heap_bytes_max,
            encoded: Vec::new(),
            crowded: Vec::new(),
            last_own_id: FIRST_OWN_ID - 1,
        }
    }

    /// An id that the daemon picks for a socket of that channel. No other has it as well: over HTTP a socket is named
    /// without its channel, and a session may have several.
    pub fn pick_id(&mut self, id: ConnId) -> Option<u32> {
        let channel = self.shelf.get(id)?;
        loop {
            self.last_own_id = self.last_own_id.checked_add(1).unwrap_or(FIRST_OWN_ID);
            if !channel.ids.contains_key(&self.last_own_id) {
                return Some(self.last_own_id);
            }
        }
    }

    /// The free buffers.
    pub fn spare(&self) -> &Spare {
        self.pool.spare()
    }

    /// The same, to have those go that are not needed.
    pub fn spare_mut(&mut self) -> &mut Spare {
        self.pool.spare_mut()
    }

    /// A WebSocket has opened.
    pub fn open(&mut self, id: ConnId) -> &mut Channel {
        self.shelf.put(id, Channel::new());
        self.shelf.get_mut(id).unwrap_or_else(|| unreachable!("it was put there just now"))
    }

    /// A WebSocket has gone; its channel, for what was opened on it.
    pub fn close(&mut self, id: ConnId, give: impl FnMut(Buffer)) -> Option<Channel> {
        let mut channel = self.shelf.take(id)?;
        channel.out.clear(&mut self.pool, give);
        self.heap -= channel.heap;
        self.crowded.retain(|other| *other != id);
        Some(channel)
    }

    /// A channel.
    pub fn get(&self, id: ConnId) -> Option<&Channel> {
        self.shelf.get(id)
    }

    /// A channel, to change it.
    pub fn get_mut(&mut self, id: ConnId) -> Option<&mut Channel> {
        self.shelf.get_mut(id)
    }

    /// All channels.
    pub fn iter(&self) -> impl Iterator<Item = (ConnId, &Channel)> {
        self.shelf.iter()
    }

    /// Bytes that wait for clients.
    pub fn waiting(&self) -> usize {
        self.shelf.iter().map(|(_, channel)| channel.out.len()).sum()
    }

    /// Memory of what waits that is no buffer's, in bytes.
    pub fn heap_bytes(&self) -> usize {
        self.heap
    }

    /// Counts a channel's memory anew, after what waits there has changed.
    fn count(&mut self, id: ConnId) {
        let Some(channel) = self.shelf.get_mut(id) else { return };
        let heap = channel.out.heap() + channel.batch.len();
        self.heap = self.heap + heap - std::mem::replace(&mut channel.heap, heap);
    }

    /// Pooled buffers in use.
    pub fn buffers_out(&self) -> usize {
        self.pool.out()
    }

    /// Adds raw bytes: an HTTP answer, before the first frame.
    pub fn push_bytes(&mut self, id: ConnId, bytes: &[u8]) {
        if let Some(channel) = self.shelf.get_mut(id) {
            channel.out.append(&mut self.pool, bytes);
        }
        self.count(id);
    }

    /// Adds a frame. What comes after a close frame is dropped.
    pub fn push_frame(&mut self, id: ConnId, opcode: OpCode, payload: &[u8]) {
        self.add_frame(id, opcode, payload, opcode == frame::BINARY);
    }

    fn add_frame(&mut self, id: ConnId, opcode: OpCode, payload: &[u8], may_be_batched: bool) {
        let Some(channel) = self.shelf.get_mut(id).filter(|channel| !channel.closed) else { return };
        let mut header = [0; HEADER_BYTES_MAX];
        let len = frame::write_header(opcode, true, payload.len(), &mut header);
        channel.replies += len + payload.len();
        if may_be_batched && channel.batches(payload.len()) {
            return self.add_to_batch(id, payload, &[]);
        }
        channel.batch.flush(&mut channel.out, &mut self.pool);
        channel.out.append(&mut self.pool, &header[..len]);
        channel.out.append(&mut self.pool, payload);
        self.count(id);
    }

    fn add_to_batch(&mut self, id: ConnId, head: &[u8], data: &[u8]) {
        let Some(channel) = self.shelf.get_mut(id) else { return };
        channel.batch.add(head, data);
        if channel.batch.is_full() {
            channel.batch.flush(&mut channel.out, &mut self.pool);
        }
        self.count(id);
    }

    /// What waits for others waits no longer: its channel has its turn.
    pub fn flush(&mut self, id: ConnId) {
        if let Some(channel) = self.shelf.get_mut(id) {
            channel.batch.flush(&mut channel.out, &mut self.pool);
        }
    }

    /// Adds the close frame; nothing follows it.
    pub fn push_close(&mut self, id: ConnId, code: Option<u16>, reason: &str) {
        let Some(channel) = self.shelf.get_mut(id).filter(|channel| !channel.closed) else { return };
        channel.closed = true;
        channel.batch.flush(&mut channel.out, &mut self.pool);
        let mut bytes = Vec::new();
        frame::push_close(&mut bytes, code, reason);
        channel.out.append(&mut self.pool, &bytes);
        self.count(id);
    }

    /// Adds a message, in the encoding that the client speaks.
    pub fn push(&mut self, id: ConnId, request_id: u32, message: &ServerMessage<'_>) {
        let Some(channel) = self.shelf.get(id) else { return };
        let text = channel.json && !message.is_always_binary();
        let mut encoded = std::mem::take(&mut self.encoded);
        encoded.clear();
        if text {
            message.encode_json(request_id, &mut encoded);
        } else {
            message.encode_binary(request_id, &mut encoded);
        }
        // Before these have come, a client need not know what a BATCH is.
        let opens = matches!(message, ServerMessage::ServerHello(_) | ServerMessage::AuthResult { .. });
        let opcode = if text { frame::TEXT } else { frame::BINARY };
        self.add_frame(id, opcode, &encoded, !text && !opens);
        self.encoded = encoded;
    }

    /// Adds the answer to a FILE_READ: a message of `head` and the buffers' bytes, in several frames where it is large,
    /// since clients bound the size of one.
    pub fn push_lent(
        &mut self,
        id: ConnId,
        head: &[u8],
        mut buffers: Vec<Buffer>,
        mut give: impl FnMut(Buffer),
    ) {
        let Some(channel) = self.shelf.get_mut(id).filter(|channel| !channel.closed) else {
            return buffers.into_iter().for_each(give);
        };
        for empty in buffers.extract_if(.., |buffer| buffer.is_empty()) {
            give(empty);
        }
        channel.batch.flush(&mut channel.out, &mut self.pool);
        let mut head = head;
        let mut opcode = frame::BINARY;
        let mut left = buffers.into_iter().peekable();
        loop {
            let part: Vec<Buffer> = left.by_ref().take(FILE_DATA_FRAME_BUFFERS_MAX).collect();
            let bytes: usize = part.iter().map(Buffer::len).sum();
            let last = left.peek().is_none();
            let mut header = [0; HEADER_BYTES_MAX];
            let len = frame::write_header(opcode, last, head.len() + bytes, &mut header);
            channel.out.append(&mut self.pool, &header[..len]);
            channel.out.append(&mut self.pool, head);
            channel.lent += part.len();
            part.into_iter().for_each(|buffer| channel.out.lend(buffer));
            if last {
                return self.count(id);
            }
            (head, opcode) = (&[], frame::CONTINUATION);
        }
    }

    /// A read found nothing: room that was made for it goes back.
    pub fn trim(&mut self, id: ConnId) {
        if let Some(channel) = self.shelf.get_mut(id) {
            channel.out.trim(&mut self.pool);
        }
    }

    /// The kernel took `n` bytes. Returns whether a buffer of others went with them.
    pub fn sent(&mut self, id: ConnId, n: usize, mut give: impl FnMut(Buffer)) -> bool {
        let Some(channel) = self.shelf.get_mut(id) else { return false };
        let mut given = 0;
        channel.out.consume(&mut self.pool, n, |buffer| {
            given += 1;
            give(buffer);
        });
        channel.lent -= given;
        if channel.out.is_empty() {
            channel.replies = 0;
        }
        self.count(id);
        given > 0
    }

    /// Whether requests may be read: the client takes the replies. Where much waits for all clients together, only of
    /// those for whom nothing does.
    pub fn may_be_read(&self, id: ConnId) -> bool {
        let plenty = self.heap < self.heap_bytes_max / 2;
        self.shelf
            .get(id)
            .is_some_and(|channel| channel.replies == 0 || plenty && channel.replies < self.reply_bytes_max)
    }

    /// Where more waits for clients than may: the one for whom most does.
    fn fattest(&self) -> Option<ConnId> {
        if self.heap <= self.heap_bytes_max {
            return None;
        }
        self.shelf.iter().max_by_key(|(_, channel)| channel.heap).map(|(id, _)| id)
    }

    /// `who` has gone, or reads no more at present.
    pub fn leave(&mut self, id: ConnId, who: ConnId) {
        let Some(channel) = self.shelf.get_mut(id) else { return };
        channel.woken.retain(|other| *other != who);
        channel.line.retain(|other| *other != who);
        channel.datagram_line.retain(|other| *other != who);
        channel.fetch_line.retain(|(other, _)| *other != who);
    }

    /// At the end of a step: where there is room and someone waits for it, the first are told; as many as may fill it.
    pub fn wake(&mut self, notes: &mut Notes) {
        if let Some(fattest) = self.fattest() {
            log::warn!(
                "/io: a client that does not take its replies is cut off: there is no memory for more"
            );
            notes.send(fattest, Note::Cut);
        }
        self.wake_fetching(notes);
        let (shelf, pool, gather_bytes_max) = (&mut self.shelf, &self.pool, self.gather_bytes_max);
        self.crowded.retain(|id| {
            let Some(channel) = shelf.get_mut(*id) else { return false };
            let may_read =
                pool.has_any() || channel.out.room_len() > READ_ROOM_BYTES_MIN || channel.out.is_empty();
            while may_read
                && channel.out.len() + channel.woken.len() * WOKEN_READ_BYTES < gather_bytes_max
                && let Some(first) = channel.line.pop_front()
            {
                channel.woken.push(first);
                notes.send(first, Note::ReadOn);
            }
            if channel.out.len() < gather_bytes_max {
                channel.datagram_line.drain(..).for_each(|first| notes.send(first, Note::ReadOn));
            }
            channel.is_crowded()
        });
    }
}
