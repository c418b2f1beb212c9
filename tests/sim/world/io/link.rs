//! One connection of a client of `/io`, from the request that opens its file to the close frame: bytes out in pieces,
//! messages in frames of any size, and what the daemon says, judged as it is sent.

use super::super::dice::Dice;
use super::super::request::Request;
use super::super::response::{Piece, Response, Responses};
use super::super::socket::{Received, SimSocket};
use super::frames::{Frame, Frames};
use super::ledger::{Ledger, OwnFile, Troubles};
use super::net::Net;
use jstorrent_io_daemon::ids::ConnId;
use jstorrent_io_proto::frame::{self, OpCode, push_masked_close, push_masked_frame};
use jstorrent_io_proto::message::{BatchWriter, ClientMessage, Packet, ServerMessage};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

/// The excuse of one whose upgrade was refused.
pub(crate) const NOT_UPGRADED: &str = "not upgraded";

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its file is being opened over HTTP.
    File,
    /// The upgrade was asked for.
    Upgrade,
    Messages,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct IoLink {
    pub(crate) socket: Rc<SimSocket>,
    pub(crate) client: usize,
    /// Once it was accepted.
    pub(crate) id: Option<ConnId>,
    pub(crate) stage: Stage,
    responses: Responses,
    head: Vec<u8>,
    frames: Frames,
    pub(crate) ledger: Ledger,
    /// Of the file that was asked for.
    pub(crate) file: Option<OwnFile>,
    outbox: VecDeque<u8>,
    pushed: u64,
    /// Messages of a batch that is being put together.
    batch: Option<Vec<Vec<u8>>>,
    /// What counts once the daemon has read so far: credit for courses. `u64::MAX`: in the batch.
    marks: VecDeque<(u64, usize, u64)>,
    /// TCP_RECVs that the client has not read, by where they end.
    unread: VecDeque<(u64, usize, u64)>,
    /// Bytes that were sent to the peer of a course, in all, since the last ping; and by which pong the daemon has them.
    unsettled: BTreeMap<usize, u64>,
    settling: VecDeque<(u64, usize, u64)>,
    tapped: u64,
    received: u64,
    requests: u32,
    pings: u64,
    /// Why it may end without a word.
    pub(crate) excuse: Option<&'static str>,
    /// The close code that the client has earned.
    pub(crate) doom: Option<u16>,
    /// The client's close frame is out, or will be.
    pub(crate) closing: bool,
    /// The daemon's came.
    pub(crate) closed: bool,
    /// The client has left.
    pub(crate) left: bool,
    pub(crate) stalled_until: u64,
    pub(crate) ops_left: u64,
    pub(crate) bored: u32,
    pub(crate) moved: bool,
    pub(crate) number: usize,
    /// What it says and is told, for the trace.
    pub(crate) log: Vec<String>,
    /// The trace wants no words.
    mute: bool,
    /// Text has come: the daemon knows that it is wanted.
    was_told_text: bool,
    /// It has sent no message.
    is_fresh: bool,
    /// Its sockets may end.
    pub(crate) is_excused: bool,
    /// When the daemon last read from it, and how much it had read then.
    pub(crate) read_at: (u64, u64),
    /// The upgrade is on its way.
    pub(crate) requests_are_out: bool,
    pub(crate) has_session: bool,
    /// What was sent last was the end of it.
    pub(crate) is_doomed: bool,
    /// It leaves as soon as it has nothing more to ask.
    pub(crate) is_done_early: bool,
    /// The last ping is out.
    pub(crate) has_asked: bool,
    /// Bytes to grant, by course.
    pub(crate) to_grant: BTreeMap<usize, u64>,
    /// Courses that were granted something to begin with.
    pub(crate) generous: BTreeSet<usize>,
}

impl IoLink {
    pub(crate) fn new(socket: Rc<SimSocket>, number: usize, client: usize, ops: u64, mute: bool) -> IoLink {
        IoLink {
            socket,
            client,
            number,
            log: Vec::new(),
            mute,
            is_excused: false,
            read_at: (0, 0),
            is_fresh: true,
            was_told_text: false,
            requests_are_out: false,
            has_session: false,
            is_doomed: false,
            is_done_early: false,
            has_asked: false,
            to_grant: BTreeMap::new(),
            generous: BTreeSet::new(),
            id: None,
            stage: Stage::File,
            responses: Responses::default(),
            head: Vec::new(),
            frames: Frames::default(),
            ledger: Ledger { link: number, ..Ledger::default() },
            file: None,
            outbox: VecDeque::new(),
            pushed: 0,
            batch: None,
            marks: VecDeque::new(),
            unread: VecDeque::new(),
            unsettled: BTreeMap::new(),
            settling: VecDeque::new(),
            tapped: 0,
            received: 0,
            requests: 0,
            pings: 0,
            excuse: None,
            doom: None,
            closing: false,
            closed: false,
            left: false,
            stalled_until: 0,
            ops_left: ops,
            bored: 0,
            moved: false,
        }
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        self.log.push(if self.mute { String::new() } else { what() });
    }

    /// A number for a request that bears one.
    pub(crate) fn request(&mut self) -> u32 {
        self.requests += 1;
        self.requests.wrapping_mul(0x9E37_79B1)
    }

    pub(crate) fn push_request(&mut self, request: Request) {
        if self.stage == Stage::File {
            self.responses.expect(false);
        }
        self.push_bytes(&request.head);
        self.push_bytes(&request.body);
    }

    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) {
        self.outbox.extend(bytes);
        self.pushed += bytes.len() as u64;
    }

    pub(crate) fn has_room(&self) -> bool {
        self.outbox.len() < 100_000
    }

    pub(crate) fn has_sent_all(&self) -> bool {
        self.outbox.is_empty()
    }

    /// Messages from now on go into one batch, which `end_batch` sends.
    pub(crate) fn begin_batch(&mut self) {
        self.batch.get_or_insert_default();
    }

    pub(crate) fn end_batch(&mut self, dice: &mut Dice, fragment: u32) {
        let Some(messages) = self.batch.take().filter(|messages| !messages.is_empty()) else { return };
        let mut bytes = Vec::new();
        let mut writer = BatchWriter::new(0, &mut bytes);
        messages.iter().for_each(|message| writer.push(|out| out.extend_from_slice(message)));
        self.push_frames(dice, fragment, frame::BINARY, &bytes);
        let end = self.pushed;
        self.marks.iter_mut().filter(|mark| mark.0 == u64::MAX).for_each(|mark| mark.0 = end);
    }

    /// Sends a message, as text or not.
    pub(crate) fn push(
        &mut self,
        dice: &mut Dice,
        fragment: u32,
        text: bool,
        request: u32,
        message: &ClientMessage<'_>,
    ) {
        let mut bytes = Vec::new();
        self.note(|| format!("says {request} {}", short(format!("{message:?}"))));
        if let Some(batch) = &mut self.batch {
            message.encode_binary(request, &mut bytes);
            return batch.push(bytes);
        }
        if text {
            message.encode_json(request, &mut bytes);
        } else {
            message.encode_binary(request, &mut bytes);
        }
        self.push_frames(dice, fragment, if text { frame::TEXT } else { frame::BINARY }, &bytes);
    }

    /// Sends a payload in one frame or several, with pings between.
    pub(crate) fn push_frames(&mut self, dice: &mut Dice, fragment: u32, opcode: OpCode, payload: &[u8]) {
        let mut bytes = Vec::with_capacity(payload.len() + 14);
        let (mut opcode, mut rest) = (opcode, payload);
        // Whoever begins with text is answered in text.
        self.ledger.json |= std::mem::take(&mut self.is_fresh) && opcode == frame::TEXT;
        while dice.chance(fragment) && bytes.len() < 4 * payload.len() + 100 {
            let (now, later) = rest.split_at(dice.size(rest.len() as u64) as usize);
            push_masked_frame(&mut bytes, opcode, false, key(dice), now);
            (opcode, rest) = (frame::CONTINUATION, later);
            if dice.chance(100) {
                push_masked_frame(&mut bytes, frame::PING, true, key(dice), &self.next_ping());
            }
        }
        push_masked_frame(&mut bytes, opcode, true, key(dice), rest);
        self.push_bytes(&bytes);
    }

    /// A ping of the client's; its pong tells that everything before was read.
    pub(crate) fn push_ping(&mut self, dice: &mut Dice) -> u64 {
        let payload = self.next_ping();
        if self.batch.is_none() {
            let sent = std::mem::take(&mut self.unsettled);
            self.settling.extend(sent.into_iter().map(|(course, bytes)| (self.pings, course, bytes)));
        }
        self.push_control(dice, frame::PING, &payload);
        self.pings
    }

    /// So many bytes, in all, are for the peer of a course.
    pub(crate) fn sends_to(&mut self, course: usize, bytes: u64) {
        self.unsettled.insert(course, bytes);
    }

    fn pong(&mut self, net: &mut Net, payload: &[u8]) {
        let number = self.ledger.pong(payload);
        while let Some((ping, course, bytes)) = self.settling.front().copied()
            && ping <= number
        {
            self.settling.pop_front();
            net.courses[course].settled = bytes;
        }
    }

    fn next_ping(&mut self) -> [u8; 8] {
        self.pings += 1;
        self.ledger.pings.push_back(self.pings);
        self.pings.to_le_bytes()
    }

    pub(crate) fn push_control(&mut self, dice: &mut Dice, opcode: OpCode, payload: &[u8]) {
        let mut bytes = Vec::new();
        push_masked_frame(&mut bytes, opcode, true, key(dice), payload);
        self.push_bytes(&bytes);
    }

    pub(crate) fn push_close(&mut self, dice: &mut Dice, code: u16) {
        let mut bytes = Vec::new();
        push_masked_close(&mut bytes, key(dice), Some(code), "done");
        self.push_bytes(&bytes);
        self.closing = true;
    }

    /// The client granted a course bytes by the message that was pushed last.
    pub(crate) fn mark_grant(&mut self, course: usize, bytes: u64) {
        let end = if self.batch.is_some() { u64::MAX } else { self.pushed };
        self.marks.push_back((end, course, bytes));
    }

    /// Sends up to `max` bytes; false where the connection is broken.
    pub(crate) fn send(&mut self, max: usize) -> bool {
        let max = max.min(self.outbox.len());
        if max == 0 {
            return true;
        }
        let Some(count) = self.socket.client_send(&self.outbox.make_contiguous()[..max]) else {
            return false;
        };
        self.outbox.drain(..count);
        self.moved |= count > 0;
        true
    }

    /// Reads up to `max` bytes; false where the connection has ended.
    pub(crate) fn receive(&mut self, max: usize) -> bool {
        match self.socket.client_receive(max) {
            Received::Nothing => true,
            Received::Bytes(bytes) => {
                self.received += bytes.len() as u64;
                self.moved = true;
                true
            }
            Received::End | Received::Reset => false,
        }
    }

    /// TCP_RECVs that the client has read since this was asked last: course and bytes.
    pub(crate) fn take_read(&mut self) -> Option<(usize, u64)> {
        let (end, course, bytes) = *self.unread.front()?;
        (end <= self.received).then(|| self.unread.pop_front())?;
        Some((course, bytes))
    }

    /// The daemon has read so far: grants count.
    pub(crate) fn settle_marks(&mut self, net: &mut Net) {
        let consumed = self.socket.consumed();
        while let Some((end, course, bytes)) = self.marks.front().copied()
            && end <= consumed
        {
            self.marks.pop_front();
            if let Some(granted) = &mut net.courses[course].granted_down {
                *granted += bytes;
            }
        }
    }

    /// Everything that was sent is judged.
    pub(crate) fn hear(&mut self, net: &mut Net, troubles: &Troubles, dice: &mut Dice) {
        self.settle_marks(net);
        let mut bytes = self.socket.take_tap();
        self.tapped += bytes.len() as u64;
        match self.stage {
            _ if bytes.is_empty() => return,
            Stage::File => return self.opened(&bytes, troubles),
            Stage::Upgrade => {
                let Some(rest) = self.upgraded(&bytes) else { return };
                bytes = rest;
            }
            Stage::Messages => {}
        }
        for (frame, left) in self.frames.feed(&bytes) {
            self.frame(frame, self.tapped - left as u64, net, troubles, dice);
        }
    }

    fn opened(&mut self, bytes: &[u8], troubles: &Troubles) {
        for piece in self.responses.feed(bytes) {
            let Piece::Final(response) = piece else { continue };
            self.file_answer(&response, troubles);
        }
    }

    fn file_answer(&mut self, response: &Response, troubles: &Troubles) {
        match response.status {
            200 | 201 => {
                let answer: serde_json::Value = serde_json::from_slice(&response.body).expect("JSON");
                let id = answer["fileId"].as_u64().expect("a number") as u32;
                self.ledger.file = self.file.take().map(|file| OwnFile { id, ..file });
            }
            _ => {
                let may = troubles.disk_faults || troubles.roots_changed || troubles.no_session;
                assert!(may, "no file: {response:?}");
                self.file = None;
            }
        }
        if response.closes() {
            self.excuse.get_or_insert("its file was the last thing");
        }
        self.stage = Stage::Upgrade;
    }

    fn upgraded(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.head.extend_from_slice(bytes);
        let end = self.head.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let rest = self.head.split_off(end);
        if self.head.starts_with(b"HTTP/1.1 101 ") {
            self.stage = Stage::Messages;
            return Some(rest);
        }
        self.excuse = Some(NOT_UPGRADED);
        None
    }

    fn frame(&mut self, frame: Frame, end: u64, net: &mut Net, troubles: &Troubles, dice: &mut Dice) {
        match frame {
            Frame::Message { text, mut bytes } => self.packet(text, &mut bytes, end, net, troubles),
            Frame::Ping(payload) => {
                if !self.closing && !self.left {
                    self.push_control(dice, frame::PONG, &payload);
                }
            }
            Frame::Pong(payload) => self.pong(net, &payload),
            Frame::Close(code) => self.was_closed(code),
        }
    }

    fn was_closed(&mut self, code: Option<u16>) {
        let is_answer = self.closing && code == Some(1000);
        let may = is_answer || self.doom == code || self.excuse.is_some();
        assert!(may, "closed with {code:?}, doom {:?}", self.doom);
        self.closed = true;
    }

    fn packet(&mut self, text: bool, bytes: &mut [u8], end: u64, net: &mut Net, troubles: &Troubles) {
        assert!(!text || self.ledger.json, "text for one who speaks binary");
        let packet =
            if text { ServerMessage::decode_json(bytes) } else { ServerMessage::decode_binary(bytes) };
        match packet.unwrap_or_else(|malformed| panic!("the daemon sends what is malformed: {malformed}")) {
            Packet::Message { request_id, message } => {
                let is_data = message.is_always_binary();
                // Sockets that were opened over HTTP may have something to say before the client's first message comes.
                let may_be_early = request_id == 0 && !self.was_told_text;
                let due = if text { !is_data } else { is_data || may_be_early };
                assert!(!self.ledger.json || due, "in the wrong encoding: {message:?}");
                self.was_told_text |= text;
                self.message(net, troubles, request_id, &message, end);
            }
            Packet::Batch(mut batch) => {
                assert!(self.ledger.batches && !text, "a batch for one who wants none");
                while let Some(next) = batch.next_server() {
                    let (request_id, message) = next.expect("a batch of messages");
                    assert!(!self.ledger.json || message.is_always_binary());
                    self.message(net, troubles, request_id, &message, end);
                }
            }
        }
    }

    fn message(
        &mut self,
        net: &mut Net,
        troubles: &Troubles,
        request: u32,
        message: &ServerMessage<'_>,
        end: u64,
    ) {
        self.note(|| format!("is told {request} {}", short(format!("{message:?}"))));
        self.ledger.message(net, troubles, request, message);
        if self.ledger.authenticated && self.doom == Some(1008) && !self.is_doomed {
            self.doom = None;
        }
        for (course, bytes) in self.ledger.fresh.drain(..) {
            self.unread.push_back((end, course, bytes));
        }
    }

    /// The daemon has closed the connection: with reason?
    pub(crate) fn bury(&mut self) {
        let may = self.excuse.is_some() || self.left || self.closed;
        assert!(may, "{:?} was closed without a word, doom {:?}", self.id, self.doom);
        assert!(!self.frames.within() || self.excuse.is_some() || self.left, "closed within a frame");
    }

    /// Its sockets end with it, soon or at any moment.
    pub(crate) fn is_ending(&self) -> bool {
        self.excuse.is_some() || self.closing || self.closed || self.is_doomed
    }

    /// What is of note when things go wrong.
    pub(crate) fn situation(&self, net: &Net) -> String {
        let open: Vec<_> = self
            .ledger
            .live
            .iter()
            .map(|(id, live)| match live {
                super::ledger::Live::Tcp(course) => format!("{id}: {:?}", net.courses[*course]),
                other => format!("{id}: {other:?}"),
            })
            .collect();
        let owed: Vec<_> = self.ledger.owed.iter().map(|owed| short(format!("{owed:?}"))).collect();
        format!(
            "/io {:?} of client {}: {:?}, {} to send, {} unread, closing {}, closed {}, left {}, {:?}, doom {:?}, pings {:?}\n  owed {}\n  {}",
            self.id,
            self.client,
            self.stage,
            self.outbox.len(),
            self.socket.unread(),
            self.closing,
            self.closed,
            self.left,
            self.excuse,
            self.doom,
            self.ledger.pings,
            owed.join("\n       "),
            open.join("\n  ")
        )
    }
}

fn short(text: String) -> String {
    text.chars().take(150).collect()
}

fn key(dice: &mut Dice) -> [u8; 4] {
    (dice.below(1 << 16) as u32).wrapping_mul(0x01F3_5A4D).to_le_bytes()
}
