//! An answer on its way out: heads and small bodies in memory, file contents by reference. A file's bytes come through
//! a pooled buffer where they are few, and straight from the disk worker into the socket where they are many.

use crate::buffer::Buffer;
use crate::conn::outgoing::{Outgoing, Slices};
use crate::ids::{ConnId, FileId};
use crate::job::{Ask, DiskError, Done, FileHandle, Lane, TransferError};
use crate::state::State;
use crate::state::buffers::{Account, is_paid};
use std::collections::VecDeque;
use std::sync::Arc;

/// Buffers of one answer that are read ahead of what the socket takes.
const READ_AHEAD_BUFFERS: usize = 2;

/// A part of an answer.
#[derive(Debug)]
pub enum Segment {
    /// Bytes of our own.
    Bytes(Vec<u8>),
    /// Bytes that a worker read.
    Buffer(Buffer),
    /// Bytes of a file that have not been read.
    File(Span),
}

/// How a file's bytes come to the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Through a pooled buffer.
    Copy,
    /// From the disk worker straight into the socket: the connection holds no memory, however long its peer pauses.
    Transfer,
}

/// A part of a file to be sent.
#[derive(Debug)]
pub struct Span {
    /// Which file.
    pub handle: Arc<FileHandle>,
    /// Its number, where it is open under one.
    pub file: Option<FileId>,
    /// The next byte.
    pub offset: u64,
    /// Behind the last byte.
    pub end: u64,
    /// Behind the last byte that may be sent as yet; `end` but for streams of deferred files.
    pub open_until: u64,
    way: Way,
}

impl Span {
    /// The bytes `offset..end` of a file, all of them open.
    pub fn new(state: &State, handle: Arc<FileHandle>, file: Option<FileId>, offset: u64, end: u64) -> Span {
        let long = end.saturating_sub(offset) > state.limits.copy_bytes_max as u64;
        let way = if state.limits.transfer && long { Way::Transfer } else { Way::Copy };
        Span { handle, file, offset, end, open_until: end, way }
    }

    fn open_len(&self) -> u64 {
        self.open_until.min(self.end).saturating_sub(self.offset)
    }
}

/// What is under way with a worker.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Flight {
    Nothing,
    Read,
    Transfer,
}

/// The queue.
#[derive(Debug)]
pub struct Outbound {
    segments: VecDeque<Segment>,
    /// Bytes of the first segment that have been sent.
    sent: usize,
    flight: Flight,
    /// The file became shorter than was promised, or can't be read: the connection must be cut.
    pub broken: bool,
    /// Bytes of files that have been sent since the answer began.
    pub file_bytes_sent: u64,
}

impl Default for Outbound {
    fn default() -> Outbound {
        Outbound {
            segments: VecDeque::new(),
            sent: 0,
            flight: Flight::Nothing,
            broken: false,
            file_bytes_sent: 0,
        }
    }
}

impl Outbound {
    /// Adds a segment at the end.
    pub fn push(&mut self, segment: Segment) {
        self.segments.push_back(segment);
    }

    /// Adds bytes at the end.
    pub fn push_bytes(&mut self, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.segments.push_back(Segment::Bytes(bytes));
        }
    }

    /// Whether all has been sent and nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty() && self.flight == Flight::Nothing
    }

    /// Whether it waits for a worker.
    pub fn in_flight(&self) -> bool {
        self.flight != Flight::Nothing
    }

    /// Bytes in memory that wait to be sent.
    pub fn queued_bytes(&self) -> usize {
        let all: usize = self
            .segments
            .iter()
            .map(|segment| match segment {
                Segment::Bytes(bytes) => bytes.len(),
                Segment::Buffer(buffer) => buffer.len(),
                Segment::File(_) => 0,
            })
            .sum();
        all - self.sent
    }

    /// The first part of a file that has not been sent.
    pub fn first_span_mut(&mut self) -> Option<&mut Span> {
        self.spans_mut().next()
    }

    /// The parts of files that have not been sent, in order.
    pub fn spans_mut(&mut self) -> impl Iterator<Item = &mut Span> {
        self.segments.iter_mut().filter_map(|segment| match segment {
            Segment::File(span) => Some(span),
            _ => None,
        })
    }

    /// Whether it holds memory that the peer should take.
    pub fn holds_memory(&self) -> bool {
        self.segments.iter().any(|segment| !matches!(segment, Segment::File(_)))
    }

    /// Whether it holds memory that was reserved.
    pub fn holds_reserved(&self) -> bool {
        self.segments.iter().any(|segment| matches!(segment, Segment::Buffer(buffer) if is_paid(buffer)))
    }

    /// Reads ahead what goes through buffers. To be called whenever anything changed.
    pub fn pump(&mut self, state: &mut State, me: ConnId) {
        if self.flight != Flight::Nothing {
            return;
        }
        let ready = self.segments.iter().filter(|segment| matches!(segment, Segment::Buffer(_))).count();
        let Some(span) = self.first_span_mut() else { return };
        let length = span.open_len();
        if ready >= READ_AHEAD_BUFFERS || length == 0 || span.way == Way::Transfer {
            return;
        }
        let root = span.handle.root.number;
        let Some(buffer) = state.buffers.take(Account::root(root), me) else { return };
        let length = length.min(buffer.room_len() as u64) as usize;
        let ask = Ask::Read { file: span.handle.clone(), offset: span.offset, length, buffer };
        let uses = span.file;
        state.submit(me, Lane::Disk(root), uses, ask);
        self.flight = Flight::Read;
    }

    /// What is to be written next.
    pub fn outgoing(&self) -> Outgoing<'_> {
        let mut slices = Slices::new();
        for (index, segment) in self.segments.iter().enumerate() {
            let skip = if index == 0 { self.sent } else { 0 };
            let room = match segment {
                Segment::Bytes(bytes) => slices.push(&bytes[skip..]),
                Segment::Buffer(buffer) => slices.push(&buffer.filled()[skip..]),
                Segment::File(span) => {
                    let wanted =
                        self.flight == Flight::Nothing && span.way == Way::Transfer && span.open_len() > 0;
                    slices.more = wanted;
                    if slices.is_empty() && wanted {
                        return Outgoing::Transfer;
                    }
                    false
                }
            };
            if !room {
                break;
            }
        }
        if slices.is_empty() { Outgoing::Nothing } else { Outgoing::Bytes(slices) }
    }

    /// The kernel took `n` bytes.
    pub fn sent(&mut self, state: &mut State, mut n: usize) {
        while n > 0 {
            let Some(first) = self.segments.front() else { return };
            let (len, file_bytes) = match first {
                Segment::Bytes(bytes) => (bytes.len(), 0),
                Segment::Buffer(buffer) => (buffer.len(), n.min(buffer.len() - self.sent)),
                Segment::File(_) => return,
            };
            self.file_bytes_sent += file_bytes as u64;
            let left = len - self.sent;
            if n < left {
                self.sent += n;
                return;
            }
            n -= left;
            self.sent = 0;
            if let Some(Segment::Buffer(buffer)) = self.segments.pop_front() {
                state.buffers.give(buffer);
            }
        }
    }

    /// The socket can be written: lets a worker move the first segment's bytes.
    pub fn start_transfer(&mut self, state: &mut State, me: ConnId) {
        let Some(Segment::File(span)) = self.segments.front() else { return };
        let length = span.open_len();
        if self.flight != Flight::Nothing || length == 0 {
            return;
        }
        let ask = Ask::Transfer { file: span.handle.clone(), offset: span.offset, length, outlet: None };
        let (lane, uses) = (Lane::Disk(span.handle.root.number), span.file);
        state.submit(me, lane, uses, ask);
        self.flight = Flight::Transfer;
    }

    /// A worker is done with what [`pump`](Outbound::pump) or [`start_transfer`](Outbound::start_transfer) sent out.
    pub fn completed(&mut self, state: &mut State, done: Done) {
        self.flight = Flight::Nothing;
        match done {
            Done::Read(buffer, result) => self.read(state, buffer, result),
            Done::Transfer(Ok(moved)) => {
                state.metrics.file_bytes_read += moved.bytes;
                self.file_bytes_sent += moved.bytes;
                self.skip(moved.bytes);
            }
            Done::Transfer(Err(TransferError::Disk(_) | TransferError::Socket)) => self.broken = true,
            _ => self.broken = true,
        }
    }

    fn read(&mut self, state: &mut State, buffer: Buffer, result: Result<u64, DiskError>) {
        let n = buffer.len() as u64;
        if result.is_err() || n == 0 {
            self.broken = true;
            state.buffers.give(buffer);
            return;
        }
        state.metrics.file_bytes_read += n;
        let place = self.segments.iter().position(|segment| matches!(segment, Segment::File(_)));
        self.skip(n);
        self.segments.insert(place.unwrap_or(0).min(self.segments.len()), Segment::Buffer(buffer));
    }

    fn skip(&mut self, n: u64) {
        let Some(index) = self.segments.iter().position(|segment| matches!(segment, Segment::File(_))) else {
            return;
        };
        if let Some(Segment::File(span)) = self.segments.get_mut(index) {
            span.offset = span.end.min(span.offset + n);
            if span.offset == span.end {
                self.segments.remove(index);
            }
        }
    }

    /// Drops all, giving buffers back.
    pub fn release(&mut self, state: &mut State) {
        for segment in self.segments.drain(..) {
            if let Segment::Buffer(buffer) = segment {
                state.buffers.give(buffer);
            }
        }
        self.sent = 0;
    }
}
