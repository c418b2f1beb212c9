//! From bytes to messages: frames are read where the kernel put them. The data of a TCP_SEND goes on to its socket
//! piece by piece, however large the message; a message that lies there whole is decoded in place; any other is
//! gathered first, in memory that grows with what has come and never by what was announced (`state::gathering`). Where
//! no more messages may be handled at present, what has come behind the last waits with the connection.

use super::unpack::{Stock, Unpacking};
use super::{Hearing, Phase, WebSocket};
use crate::buffer::Block;
use crate::ids::ConnId;
use crate::limits::MESSAGE_SMALL_BYTES_MAX;
use crate::service::{io, io_files};
use crate::state::State;
use jstorrent_io_proto::envelope::Malformed;
use jstorrent_io_proto::frame::{self, ClosePayload, DataKind, Event, Piece, Violation, close};
use jstorrent_io_proto::limits::WS_MESSAGE_BYTES_MAX;
use jstorrent_io_proto::message::{Batch, ClientMessage, DATA_HEAD_BYTES, DataHead, Packet};
use std::ops::Range;
use std::sync::Arc;

/// The message that is arriving.
#[derive(Debug)]
pub(super) enum Incoming {
    /// None: the next piece begins one.
    Start,
    /// Kept until it is whole.
    Gathered(Gathered),
    /// A TCP_SEND whose data goes on to the socket of that id.
    Send(u32),
    /// Nobody wants the rest.
    Swallow,
}

/// Where a message is kept.
#[derive(Debug)]
pub(super) enum Gathered {
    Small(Vec<u8>),
    Large(Block),
}

/// What a large message in JSON turned out to be.
enum Found {
    /// A FILE_WRITE, whose data lies there.
    Write(u32, io_files::Write, Range<usize>),
    /// A BATCH, whose messages lie there.
    Batch(u32, Range<usize>),
    /// Anything else: it was handled.
    Done,
}

impl WebSocket {
    /// Bytes came.
    pub fn received(&mut self, state: &mut State, bytes: &mut [u8]) {
        self.heard(state);
        self.read(state, bytes);
        self.recount(state);
    }

    fn read(&mut self, state: &mut State, bytes: &mut [u8]) {
        let mut at = 0;
        while self.end.is_none() {
            let (used, event) = match self.reader.next(&mut bytes[at..]) {
                Ok(read) => read,
                Err(violation) => return self.violated(state, &violation),
            };
            let input = &mut bytes[at..at + used];
            at += used;
            match event {
                Event::NeedMore => break,
                Event::Data(piece) => self.piece(state, input, &piece),
                Event::Ping(payload) => self.pong(state, &payload),
                Event::Pong(_) => {}
                Event::Close(payload) => self.closed(state, payload),
            }
            if self.is_unpacking() || self.must_wait(state) {
                self.behind = bytes[at..].to_vec();
                return self.suspend(state);
            }
        }
    }

    /// What has come waits: until its client has taken replies, or until it is told. That must not be left to the next
    /// read, for which nothing may ever come.
    fn suspend(&mut self, state: &mut State) {
        if !self.has_waiting() {
            return;
        }
        if state.channels.may_be_read(self.id) {
            self.hearing = Hearing::Shut;
            self.stand_unread(state);
        } else {
            self.hearing = Hearing::Clogged;
        }
    }

    /// Goes on with what has come and had to wait, as far as that may be.
    pub(super) fn go_on(&mut self, state: &mut State) {
        if !self.has_waiting() {
            return;
        }
        self.unpack(state);
        while !self.behind.is_empty() && !self.is_unpacking() && !self.must_wait(state) && self.end.is_none()
        {
            let mut bytes = std::mem::take(&mut self.behind);
            self.read(state, &mut bytes);
        }
        if self.has_waiting() {
            self.stand_unread(state);
        } else {
            self.hearing = Hearing::Open;
            self.heard(state);
        }
        self.recount(state);
    }

    /// Whether messages that have come wait for their turn: then nothing is read.
    pub(super) fn has_waiting(&self) -> bool {
        self.is_unpacking() || !self.behind.is_empty()
    }

    fn violated(&mut self, state: &mut State, violation: &Violation) {
        log::debug!("/io: {violation}");
        self.close(state, violation.close_code, violation.reason);
    }

    fn pong(&mut self, state: &mut State, payload: &[u8]) {
        state.channels.push_frame(self.id, frame::PONG, payload);
        state.turns.want(self.id);
    }

    /// The client's close frame: the answer to ours, or the beginning of the end.
    fn closed(&mut self, state: &mut State, payload: ClosePayload) {
        if let Phase::Closing { answered, .. } = &mut self.phase {
            *answered = true;
            return self.end_if_done(state);
        }
        state.channels.push_close(self.id, payload.code, "");
        self.begin_closing(state, true);
    }

    fn piece(&mut self, state: &mut State, input: &mut [u8], piece: &Piece) {
        let bytes = &mut input[piece.range.clone()];
        if matches!(self.phase, Phase::Closing { .. }) {
            return;
        }
        match &mut self.incoming {
            Incoming::Start if piece.last => self.message(state, piece.kind, bytes),
            Incoming::Start => {
                self.incoming = Incoming::Gathered(Gathered::Small(Vec::new()));
                self.gather(state, piece.kind, bytes);
            }
            Incoming::Gathered(_) => self.gather(state, piece.kind, bytes),
            Incoming::Send(socket) => {
                let socket = *socket;
                io::send_on(state, self.id, socket, bytes, self.reader.frame_bytes_left());
            }
            Incoming::Swallow => {}
        }
        if piece.last && !matches!(self.phase, Phase::Closing { .. }) {
            self.whole(state, piece.kind);
        }
    }

    /// Keeps a piece, unless it turns out to be the beginning of a TCP_SEND.
    fn gather(&mut self, state: &mut State, kind: DataKind, mut bytes: &[u8]) {
        let open = matches!(self.phase, Phase::Open) && !state.echoes;
        let Incoming::Gathered(gathered) = &mut self.incoming else { return };
        if let Gathered::Small(start) = gathered
            && kind == DataKind::Binary
            && open
            && start.len() < DATA_HEAD_BYTES
        {
            let head_bytes = bytes.len().min(DATA_HEAD_BYTES - start.len());
            start.extend_from_slice(&bytes[..head_bytes]);
            bytes = &bytes[head_bytes..];
            if let DataHead::TcpSend { request_id, socket_id } = DataHead::of(start) {
                let following = self.reader.frame_bytes_left();
                let wanted = io::send(state, self.id, request_id, socket_id, bytes, following);
                self.incoming = if wanted { Incoming::Send(socket_id) } else { Incoming::Swallow };
                return;
            }
        }
        if !gathered.add(state, self.id, bytes) {
            self.close(
                state,
                close::TRY_AGAIN_LATER,
                "no memory for so large a message: send less at once, or try again later",
            );
        }
    }

    /// Bytes that it holds of a message that is not whole.
    pub(super) fn gathered(&self) -> usize {
        match &self.incoming {
            Incoming::Gathered(Gathered::Small(bytes)) => bytes.len(),
            Incoming::Gathered(Gathered::Large(block)) => block.len(),
            _ => 0,
        }
    }

    /// Tells how much it holds in small pieces, and whether others may have a large message.
    fn recount(&mut self, state: &mut State) {
        let gathered = match &self.incoming {
            Incoming::Gathered(Gathered::Small(bytes)) => bytes.len(),
            _ => 0,
        };
        let unpacking = self.unpacking.as_ref().map_or(0, Unpacking::small_bytes);
        let now = gathered + unpacking + self.behind.len();
        if now != self.counted {
            state.gathering.resized(self.id, std::mem::replace(&mut self.counted, now), now);
        }
        if !matches!(self.incoming, Incoming::Gathered(_)) {
            state.gathering.let_pass(self.id);
        }
    }

    /// Forgets what it holds of a message, and what came behind it.
    pub(super) fn drop_gathered(&mut self, state: &mut State) {
        if let Incoming::Gathered(Gathered::Large(block)) =
            std::mem::replace(&mut self.incoming, Incoming::Swallow)
        {
            state.gathering.drop_block(block);
        }
        if let Some(unpacking) = self.unpacking.take() {
            unpacking.release(state);
        }
        self.recount(state);
    }

    /// The message that was arriving is whole.
    fn whole(&mut self, state: &mut State, kind: DataKind) {
        match std::mem::replace(&mut self.incoming, Incoming::Start) {
            Incoming::Gathered(Gathered::Small(mut bytes)) => self.message(state, kind, &mut bytes),
            Incoming::Gathered(Gathered::Large(block)) => {
                state.gathering.let_pass(self.id);
                self.large_message(state, kind, block);
            }
            _ => {}
        }
    }

    /// A message is whole. Returns whether it is still to be handled: what a conformance suite sends goes back as it is.
    fn begin_message(&mut self, state: &mut State, kind: DataKind, bytes: &[u8]) -> bool {
        if std::mem::replace(&mut self.fresh, false)
            && kind == DataKind::Text
            && let Some(channel) = state.channels.get_mut(self.id)
        {
            channel.json = true;
        }
        if state.echoes {
            let opcode = if kind == DataKind::Text { frame::TEXT } else { frame::BINARY };
            state.channels.push_frame(self.id, opcode, bytes);
            state.turns.want(self.id);
        }
        !state.echoes
    }

    fn message(&mut self, state: &mut State, kind: DataKind, bytes: &mut [u8]) {
        if !self.begin_message(state, kind, bytes) {
            return;
        }
        let packet = match kind {
            DataKind::Binary => ClientMessage::decode_binary(bytes),
            DataKind::Text => ClientMessage::decode_json(bytes),
        };
        match packet {
            Ok(Packet::Message { request_id, message }) => self.handle(state, request_id, message, None),
            Ok(Packet::Batch(batch)) if matches!(self.phase, Phase::Opening { .. }) => {
                self.refuse_stranger(state, batch.request_id());
            }
            Ok(Packet::Batch(batch)) => self.batch(state, kind, batch),
            Err(malformed) => self.malformed(state, &malformed),
        }
    }

    /// A large message, which those who need its data after it was handled share.
    fn large_message(&mut self, state: &mut State, kind: DataKind, mut block: Block) {
        if !self.begin_message(state, kind, block.bytes()) {
            return state.gathering.drop_block(block);
        }
        if kind == DataKind::Text {
            let found = self.large_json(state, &mut block);
            return self.found(state, found, Arc::new(block));
        }
        let block = Arc::new(block);
        match ClientMessage::decode_binary(block.bytes()) {
            Ok(Packet::Message { request_id, message }) => {
                self.handle(state, request_id, message, Some(&block));
            }
            Ok(Packet::Batch(batch)) => {
                let range = block.len() - batch.rest().len()..block.len();
                let stock = Stock::Large(block.clone());
                self.unpacking = Some(Unpacking::new(stock, kind, batch.request_id(), range));
            }
            Err(malformed) => self.malformed(state, &malformed),
        }
        state.gathering.release(block);
        self.unpack(state);
    }

    fn large_json(&mut self, state: &mut State, block: &mut Block) -> Found {
        let start = block.bytes().as_ptr().addr();
        let range_of = |part: &[u8]| {
            let at = part.as_ptr().addr() - start;
            at..at + part.len()
        };
        match ClientMessage::decode_json(block.bytes_mut()) {
            Ok(Packet::Message {
                request_id,
                message: ClientMessage::FileWrite { file_id, offset, digest, data },
            }) if matches!(self.phase, Phase::Open) => {
                Found::Write(request_id, io_files::Write { file_id, offset, digest }, range_of(data))
            }
            Ok(Packet::Message { request_id, message }) => {
                self.handle(state, request_id, message, None);
                Found::Done
            }
            Ok(Packet::Batch(batch)) => Found::Batch(batch.request_id(), range_of(batch.rest())),
            Err(malformed) => {
                self.malformed(state, &malformed);
                Found::Done
            }
        }
    }

    fn found(&mut self, state: &mut State, found: Found, block: Arc<Block>) {
        match found {
            Found::Write(request_id, write, range) => {
                state.last_used = state.now;
                let data = &block.bytes()[range];
                io_files::write(state, self.id, request_id, write, data, Some(&block));
                state.gathering.release(block);
            }
            Found::Batch(request_id, range) => {
                let stock = Stock::Large(block);
                self.unpacking = Some(Unpacking::new(stock, DataKind::Text, request_id, range));
                self.unpack(state);
            }
            Found::Done => state.gathering.release(block),
        }
    }

    /// A batch that lies there whole. Where its messages may not be handled now, they are kept.
    fn batch(&mut self, state: &mut State, kind: DataKind, mut batch: Batch<'_>) {
        while !matches!(self.phase, Phase::Closing { .. }) {
            if self.must_wait(state) && !batch.rest().is_empty() {
                let rest = batch.rest().to_vec();
                let range = 0..rest.len();
                let stock = Stock::Small(rest);
                self.unpacking = Some(Unpacking::new(stock, kind, batch.request_id(), range));
                return;
            }
            match batch.next_client() {
                Some(next) => self.element(state, next, None),
                None => return,
            }
        }
    }

    /// One message of a batch.
    pub(super) fn element(
        &mut self,
        state: &mut State,
        next: Result<(u32, ClientMessage<'_>), Malformed>,
        block: Option<&Arc<Block>>,
    ) {
        match next {
            Ok((request_id, message)) => self.handle(state, request_id, message, block),
            Err(malformed) => self.malformed(state, &malformed),
        }
    }

    fn handle(
        &mut self,
        state: &mut State,
        request_id: u32,
        message: ClientMessage<'_>,
        block: Option<&Arc<Block>>,
    ) {
        if !matches!(message, ClientMessage::Keepalive) {
            state.last_used = state.now;
        }
        if let Err(message) = self.open_with(state, request_id, message) {
            io::handle(state, self.id, request_id, message, block);
        }
    }

    /// A message that can't be read is answered; before the token was shown, or in another version, it is the last.
    fn malformed(&mut self, state: &mut State, malformed: &Malformed) {
        self.error(state, malformed.request_id, &malformed.text);
        if malformed.fatal {
            self.close(state, close::PROTOCOL, "a message of another version");
        } else if matches!(self.phase, Phase::Opening { .. }) {
            self.close(state, close::POLICY, "no token");
        }
    }
}

impl Gathered {
    /// Adds a piece; `false` where there is no memory.
    fn add(&mut self, state: &mut State, who: ConnId, bytes: &[u8]) -> bool {
        if let Gathered::Small(small) = self {
            if small.len() + bytes.len() <= MESSAGE_SMALL_BYTES_MAX {
                small.extend_from_slice(bytes);
                return true;
            }
            let Ok(mut block) = Block::new(WS_MESSAGE_BYTES_MAX) else { return false };
            state.gathering.grew(who, block.append(small));
            *self = Gathered::Large(block);
        }
        let Gathered::Large(block) = self else { return false };
        let added = block.append(bytes);
        state.gathering.grew(who, added);
        added == bytes.len()
    }
}
