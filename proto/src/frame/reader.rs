//! The frame reader: a state machine that takes bytes cut anywhere and gives events. Owns the rules of RFC 6455 §5 and
//! the size limit; never keeps payload, except the at most 125 bytes of a control frame under way.

use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;

use super::{
    CONTROL_BYTES_MAX, ClosePayload, Control, ControlPayload, Data, DataKind, Event, OpCode, Piece,
    Violation, mask,
};
use crate::utf8::Utf8Check;

/// Longest header: 2 bytes, 8 of length, 4 of mask.
const MASKED_HEADER_BYTES_MAX: usize = 14;

/// Who sends the frames that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A client: every frame must be masked.
    Client,
    /// A server: no frame may be masked. For tests, examples and benches.
    Server,
}

/// Reads the frames of one side of one connection.
#[derive(Debug)]
pub struct FrameReader {
    peer: Peer,
    message_bytes_max: u64,
    message: Option<OpenMessage>,
    utf8: Utf8Check,
    phase: Phase,
}

/// A data message whose last frame has not ended.
#[derive(Debug, Clone, Copy)]
struct OpenMessage {
    kind: DataKind,
    /// Announced by its frame headers so far.
    bytes: u64,
    /// A piece of it was given out.
    begun: bool,
}

#[derive(Debug)]
enum Phase {
    Header { bytes: [u8; MASKED_HEADER_BYTES_MAX], have: usize },
    Data { left: u64, key: [u8; 4], fin: bool },
    Control { kind: Control, left: usize, key: [u8; 4], payload: ControlPayload },
    Over,
}

const AT_HEADER: Phase = Phase::Header { bytes: [0; MASKED_HEADER_BYTES_MAX], have: 0 };

impl FrameReader {
    /// A reader of what `peer` sends from its first frame on, with a limit for the bytes of one message (all its
    /// frames together).
    pub const fn new(peer: Peer, message_bytes_max: u64) -> Self {
        Self { peer, message_bytes_max, message: None, utf8: Utf8Check::new(), phase: AT_HEADER }
    }

    /// Changes the limit. It counts from the next frame header on: a frame that was let in is not thrown out.
    pub fn set_message_bytes_max(&mut self, message_bytes_max: u64) {
        self.message_bytes_max = message_bytes_max;
    }

    /// Payload bytes of the data frame under way that have not come yet: a hint where to read them to, and no promise
    /// that they will come.
    pub fn frame_bytes_left(&self) -> u64 {
        if let Phase::Data { left, .. } = self.phase { left } else { 0 }
    }

    /// Whether the reader stands inside a data message: it has pieces, or frames, to come.
    pub fn in_message(&self) -> bool {
        self.message.is_some()
    }

    /// Reads on in `input` up to the next event, and says how many bytes of it are used up. Data is unmasked in place;
    /// the bytes behind the used ones are untouched and belong to the next call. `NeedMore` uses up all of them.
    ///
    /// # Errors
    /// A [`Violation`], at the earliest byte that shows it; from then on all input is swallowed.
    pub fn next(&mut self, input: &mut [u8]) -> Result<(usize, Event), Violation> {
        let result = self.advance(input);
        if result.is_err() {
            self.phase = Phase::Over;
        }
        result
    }

    fn advance(&mut self, input: &mut [u8]) -> Result<(usize, Event), Violation> {
        let mut at = 0;
        loop {
            let step = match self.phase {
                Phase::Header { .. } => self.read_header(&input[at..]).map(|used| (used, None)),
                Phase::Data { .. } => self.read_data(&mut input[at..]),
                Phase::Control { .. } => self.read_control(&mut input[at..]),
                Phase::Over => return Ok((input.len(), Event::NeedMore)),
            };
            let (used, event) = step?;
            if let Some(mut event) = event {
                if let Event::Data(piece) = &mut event {
                    piece.range = at..at + used;
                }
                return Ok((at + used, event));
            }
            at += used;
            if at == input.len() && !self.has_event_without_input() {
                return Ok((at, Event::NeedMore));
            }
        }
    }

    /// A frame whose payload is empty, or all there, ends without another byte.
    fn has_event_without_input(&self) -> bool {
        matches!(self.phase, Phase::Data { left: 0, .. } | Phase::Control { left: 0, .. })
    }

    fn read_header(&mut self, input: &[u8]) -> Result<usize, Violation> {
        let Phase::Header { bytes, have } = &mut self.phase else { return Ok(0) };
        let taken = input.len().min(MASKED_HEADER_BYTES_MAX - *have);
        let filled = *have + taken;
        bytes[*have..filled].copy_from_slice(&input[..taken]);
        if let &[first, second, ..] = &bytes[..filled] {
            check_start(first, second, self.peer)?;
        }
        let mut cursor = Cursor::new(&bytes[..filled]);
        let parsed = FrameHeader::parse(&mut cursor).map_err(|_| Violation::protocol("a reserved opcode"))?;
        let Some((header, length)) = parsed else {
            *have = filled;
            return Ok(taken);
        };
        check_length(bytes[1] & 0x7F, length)?;
        let used = cursor.position() as usize - *have;
        self.begin_frame(&header, length)?;
        Ok(used)
    }

    fn begin_frame(&mut self, header: &FrameHeader, length: u64) -> Result<(), Violation> {
        let key = header.mask.unwrap_or_default();
        self.phase = match header.opcode {
            OpCode::Control(kind) => {
                // check_start saw to it that the length fits a byte.
                Phase::Control { kind, left: length as usize, key, payload: ControlPayload::empty() }
            }
            OpCode::Data(opcode) => {
                self.begin_data(opcode, length)?;
                Phase::Data { left: length, key, fin: header.is_final }
            }
        };
        Ok(())
    }

    fn begin_data(&mut self, opcode: Data, length: u64) -> Result<(), Violation> {
        let mut message = match (opcode, self.message) {
            (Data::Continue, Some(message)) => message,
            (Data::Continue, None) => return Err(Violation::protocol("a continuation of no message")),
            (_, Some(_)) => return Err(Violation::protocol("a new message inside a fragmented one")),
            (Data::Text, None) => OpenMessage { kind: DataKind::Text, bytes: 0, begun: false },
            (_, None) => OpenMessage { kind: DataKind::Binary, bytes: 0, begun: false },
        };
        message.bytes = message.bytes.saturating_add(length);
        if message.bytes > self.message_bytes_max {
            return Err(Violation::too_large());
        }
        self.message = Some(message);
        Ok(())
    }

    fn read_data(&mut self, input: &mut [u8]) -> Result<(usize, Option<Event>), Violation> {
        let (Phase::Data { left, key, fin }, Some(message)) = (&mut self.phase, &mut self.message) else {
            return Ok((0, None));
        };
        let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
        let bytes = &mut input[..taken];
        if *key != [0; 4] {
            mask::apply(bytes, *key);
            *key = mask::advance(*key, taken);
        }
        *left -= taken as u64;
        let (kind, first, frame_ended) = (message.kind, !message.begun, *left == 0);
        let last = frame_ended && *fin;
        check_text(&mut self.utf8, kind, bytes, last)?;
        if frame_ended {
            self.phase = AT_HEADER;
        }
        if taken == 0 && !last {
            return Ok((0, None));
        }
        message.begun = true;
        if last {
            self.message = None;
        }
        Ok((taken, Some(Event::Data(Piece { kind, range: 0..taken, first, last }))))
    }

    fn read_control(&mut self, input: &mut [u8]) -> Result<(usize, Option<Event>), Violation> {
        let Phase::Control { kind, left, key, payload } = &mut self.phase else { return Ok((0, None)) };
        let taken = input.len().min(*left);
        mask::apply(&mut input[..taken], *key);
        *key = mask::advance(*key, taken);
        payload.extend(&input[..taken]);
        *left -= taken;
        if *left > 0 {
            return Ok((taken, None));
        }
        let (kind, payload) = (*kind, *payload);
        self.phase = if kind == Control::Close { Phase::Over } else { AT_HEADER };
        let event = match kind {
            Control::Close => Event::Close(ClosePayload::parse(&payload)?),
            Control::Ping => Event::Ping(payload),
            _ => Event::Pong(payload),
        };
        Ok((taken, Some(event)))
    }
}

/// The rules that a frame's first two bytes show.
fn check_start(first: u8, second: u8, peer: Peer) -> Result<(), Violation> {
    if first & 0x70 != 0 {
        return Err(Violation::protocol("a reserved bit is set and no extension was agreed on"));
    }
    let masked = second & 0x80 != 0;
    match (peer, masked) {
        (Peer::Client, false) => return Err(Violation::protocol("a client's frame must be masked")),
        (Peer::Server, true) => return Err(Violation::protocol("a server's frame must not be masked")),
        _ => {}
    }
    match OpCode::from(first & 0x0F) {
        OpCode::Data(Data::Reserved(_)) | OpCode::Control(Control::Reserved(_)) => {
            Err(Violation::protocol("a reserved opcode"))
        }
        OpCode::Control(_) if first & 0x80 == 0 => Err(Violation::protocol("a fragmented control frame")),
        OpCode::Control(_) if usize::from(second & 0x7F) > CONTROL_BYTES_MAX => {
            Err(Violation::protocol("a control frame over 125 bytes"))
        }
        _ => Ok(()),
    }
}

/// RFC 6455 §5.2: the shortest form of a length must be used, and its highest bit is 0.
fn check_length(form: u8, length: u64) -> Result<(), Violation> {
    let shortest = match form {
        126 => length > 125,
        127 => length > 0xFFFF,
        _ => true,
    };
    if !shortest {
        return Err(Violation::protocol("a length that is not in its shortest form"));
    }
    if length >> 63 != 0 { Err(Violation::protocol("a length with its highest bit set")) } else { Ok(()) }
}

fn check_text(utf8: &mut Utf8Check, kind: DataKind, bytes: &[u8], last: bool) -> Result<(), Violation> {
    if kind == DataKind::Binary {
        return Ok(());
    }
    utf8.push(bytes).map_err(|_| Violation::invalid_text())?;
    if last { utf8.finish().map_err(|_| Violation::invalid_text()) } else { Ok(()) }
}
