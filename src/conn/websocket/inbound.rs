//! From bytes to messages: frames are read where the kernel put them. The data of a TCP_SEND goes on to its socket
//! piece by piece, however large the message; a message that lies there whole is decoded in place; any other is
//! gathered first, in memory that grows with what has come and never by what was announced.

use super::{Phase, WebSocket};
use crate::ids::ConnId;
use crate::service::io;
use crate::state::State;
use jstorrent_io_proto::envelope::Malformed;
use jstorrent_io_proto::frame::{self, ClosePayload, DataKind, Event, Piece, Violation, close};
use jstorrent_io_proto::message::{Batch, ClientMessage, DATA_HEAD_BYTES, DataHead, Packet};

/// RFC 6455's registry: the client may come again later.
const TRY_AGAIN_LATER: u16 = 1013;

/// The message that is arriving.
#[derive(Debug)]
pub(super) enum Incoming {
    /// None: the next piece begins one.
    Start,
    /// Kept until it is whole.
    Gathered(Vec<u8>),
    /// A TCP_SEND whose data goes on to that socket.
    Send(ConnId),
    /// Nobody wants the rest.
    Swallow,
}

impl WebSocket {
    /// Bytes came.
    pub fn received(&mut self, state: &mut State, bytes: &mut [u8]) {
        self.heard_at = state.now;
        self.pings = 0;
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
        }
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
                self.incoming = Incoming::Gathered(Vec::new());
                self.gather(state, piece.kind, bytes);
            }
            Incoming::Gathered(_) => self.gather(state, piece.kind, bytes),
            Incoming::Send(socket) => {
                let socket = *socket;
                io::send_on(state, socket, bytes, self.reader.frame_bytes_left());
            }
            Incoming::Swallow => {}
        }
        if piece.last && !matches!(self.phase, Phase::Closing { .. }) {
            self.whole(state, piece.kind);
        }
    }

    /// Keeps a piece, unless it turns out to be the beginning of a TCP_SEND.
    fn gather(&mut self, state: &mut State, kind: DataKind, mut bytes: &[u8]) {
        let Incoming::Gathered(gathered) = &mut self.incoming else { return };
        let mut head_bytes = 0;
        if kind == DataKind::Binary
            && !state.echoes
            && gathered.len() < DATA_HEAD_BYTES
            && matches!(self.phase, Phase::Open)
        {
            head_bytes = bytes.len().min(DATA_HEAD_BYTES - gathered.len());
            gathered.extend_from_slice(&bytes[..head_bytes]);
            bytes = &bytes[head_bytes..];
            if let DataHead::TcpSend { request_id, socket_id } = DataHead::of(gathered) {
                let following = self.reader.frame_bytes_left();
                let socket = io::send(state, self.id, request_id, socket_id, bytes, following);
                state.gathering.resized(self.id, gathered.len() - head_bytes, 0);
                self.incoming = socket.map_or(Incoming::Swallow, Incoming::Send);
                return;
            }
        }
        let before = gathered.len();
        gathered.extend_from_slice(bytes);
        if !state.gathering.resized(self.id, before - head_bytes, before + bytes.len()) {
            self.close(state, TRY_AGAIN_LATER, "too many large messages at once");
        }
    }

    /// Bytes that it holds of a message that is not whole.
    pub(super) fn gathered(&self) -> usize {
        if let Incoming::Gathered(bytes) = &self.incoming { bytes.len() } else { 0 }
    }

    /// Forgets what it holds of a message that is not whole.
    pub(super) fn drop_gathered(&mut self, state: &mut State) {
        state.gathering.resized(self.id, self.gathered(), 0);
        if let Incoming::Gathered(bytes) = &mut self.incoming {
            *bytes = Vec::new();
        }
    }

    /// The message that was arriving is whole.
    fn whole(&mut self, state: &mut State, kind: DataKind) {
        if let Incoming::Gathered(mut bytes) = std::mem::replace(&mut self.incoming, Incoming::Start) {
            state.gathering.resized(self.id, bytes.len(), 0);
            self.message(state, kind, &mut bytes);
        }
    }

    fn message(&mut self, state: &mut State, kind: DataKind, bytes: &mut [u8]) {
        if std::mem::replace(&mut self.fresh, false)
            && kind == DataKind::Text
            && let Some(channel) = state.channels.get_mut(self.id)
        {
            channel.json = true;
        }
        if state.echoes {
            let opcode = if kind == DataKind::Text { frame::TEXT } else { frame::BINARY };
            state.channels.push_frame(self.id, opcode, bytes);
            return state.turns.want(self.id);
        }
        let packet = match kind {
            DataKind::Binary => ClientMessage::decode_binary(bytes),
            DataKind::Text => ClientMessage::decode_json(bytes),
        };
        match packet {
            Ok(Packet::Message { request_id, message }) => self.handle(state, request_id, message),
            Ok(Packet::Batch(batch)) if matches!(self.phase, Phase::Opening { .. }) => {
                self.refuse_stranger(state, batch.request_id());
            }
            Ok(Packet::Batch(batch)) => self.batch(state, batch),
            Err(malformed) => self.malformed(state, &malformed),
        }
    }

    fn batch(&mut self, state: &mut State, mut batch: Batch<'_>) {
        while let Some(next) = batch.next_client() {
            match next {
                Ok((request_id, message)) => self.handle(state, request_id, message),
                Err(malformed) => self.malformed(state, &malformed),
            }
            if matches!(self.phase, Phase::Closing { .. }) {
                return;
            }
        }
    }

    fn handle(&mut self, state: &mut State, request_id: u32, message: ClientMessage<'_>) {
        if !matches!(message, ClientMessage::Keepalive) {
            state.last_used = state.now;
        }
        if let Err(message) = self.open_with(state, request_id, message) {
            io::handle(state, self.id, request_id, message);
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
