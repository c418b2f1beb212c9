//! `GET /ops/list`: the names in a folder. A folder may have many: the memory for them, and for the answer, is reserved
//! before the disk is asked, and the answer's is kept until it has been sent.

use super::answer::{Answer, Content, Length};
use super::{Cx, Step, refusals, salvage};
use crate::buffer::Buffer;
use crate::conn::http::outbound::Segment;
use crate::ids::ConnId;
use crate::job::{Ask, DiskError, Done, Lane, Root};
use crate::state::State;
use crate::state::buffers::{Account, Buffers, Reservation};
use jstorrent_io_proto::errno::Errno;
use jstorrent_io_proto::error::Code;
use jstorrent_io_proto::path::RelPath;
use jstorrent_io_proto::response::JSON;
use std::io::{self, Write};
use std::sync::Arc;

/// Names, and their JSON, up to so many bytes need no more than one buffer of the pool.
const FEW_BYTES: usize = 64 << 10;

/// A folder being listed.
#[derive(Debug)]
pub struct List {
    root: Arc<Root>,
    path: RelPath,
    memory: Memory,
    asked: bool,
    done: Option<Result<Vec<String>, DiskError>>,
}

/// What the answer is written to.
#[derive(Debug)]
enum Memory {
    /// A buffer, for a few names.
    Few(Option<Buffer>),
    /// For many.
    Many(Option<Reservation>),
}

impl List {
    pub(super) fn new(root: Arc<Root>, path: RelPath) -> List {
        List { root, path, memory: Memory::Few(None), asked: false, done: None }
    }

    pub(super) fn completed(&mut self, cx: &mut Cx<'_>, done: Done) {
        match done {
            Done::PathList(result) => self.done = Some(result),
            other => salvage::salvage(cx.state, other),
        }
    }

    pub(super) fn advance(&mut self, cx: &mut Cx<'_>) -> Step {
        if matches!((&self.memory, &self.done), (Memory::Few(_), Some(Err(error))) if is_too_many(error)) {
            self.release(cx.state);
            (self.memory, self.asked, self.done) = (Memory::Many(None), false, None);
        }
        if !self.asked {
            self.ask(cx);
        }
        match self.done.take() {
            None => Step::Wait,
            Some(Err(error)) => Step::Reply(Answer::Refused(refusals::disk(&error))),
            Some(Ok(names)) => Step::Reply(self.answer(cx, &names)),
        }
    }

    /// Asks the disk, once there is memory for what it says.
    fn ask(&mut self, cx: &mut Cx<'_>) {
        let bytes_max = match &mut self.memory {
            Memory::Few(buffer) => {
                *buffer = cx.state.buffers.take(Account::root(self.root.number), cx.me);
                buffer.as_ref().map(|_| FEW_BYTES)
            }
            Memory::Many(reservation) => {
                let bytes_max = cx.state.limits.disk.list_bytes_max;
                *reservation = cx.state.reserve(2 * bytes_max as u64, cx.me);
                reservation.as_ref().map(|_| bytes_max)
            }
        };
        let Some(bytes_max) = bytes_max else { return };
        let ask = Ask::PathList(self.root.clone(), self.path.clone(), bytes_max);
        cx.state.submit(cx.me, Lane::Disk(self.root.number), None, ask);
        self.asked = true;
    }

    fn answer(&mut self, cx: &mut Cx<'_>, names: &[String]) -> Answer {
        let state = &mut *cx.state;
        let (few, mut reservation) = match &mut self.memory {
            Memory::Few(buffer) => (buffer.take(), None),
            Memory::Many(reservation) => (None, reservation.take()),
        };
        let mut pages = Pages {
            me: cx.me,
            pool: &mut state.buffers,
            reservation: reservation.as_mut(),
            buffers: few.into_iter().collect(),
            bytes: 0,
        };
        let written = serde_json::to_writer(&mut pages, names);
        let (buffers, bytes) = (pages.buffers, pages.bytes);
        if let Some(reservation) = reservation {
            state.buffers.release(reservation);
        }
        if written.is_err() {
            salvage::give_all(state, buffers);
            return Answer::Refused(Code::Internal.into());
        }
        Answer::Content(Content {
            status: 200,
            content_type: Some(JSON.into()),
            length: Length::Bytes(bytes),
            fields: Vec::new(),
            body: buffers.into_iter().map(Segment::Buffer).collect(),
            lease: None,
        })
    }

    pub(super) fn release(&mut self, state: &mut State) {
        match &mut self.memory {
            Memory::Few(buffer) => buffer.take().into_iter().for_each(|buffer| state.buffers.give(buffer)),
            Memory::Many(reservation) => {
                reservation.take().into_iter().for_each(|reservation| state.buffers.release(reservation));
            }
        }
    }
}

fn is_too_many(error: &DiskError) -> bool {
    matches!(error, DiskError::Io { errno, .. } if *errno == Errno::EOVERFLOW.0)
}

/// Text that is written into buffers: those that are there, then those of a reservation.
struct Pages<'a> {
    me: ConnId,
    pool: &'a mut Buffers,
    reservation: Option<&'a mut Reservation>,
    buffers: Vec<Buffer>,
    bytes: u64,
}

impl Write for Pages<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffers.last().is_none_or(|last| last.room_len() == 0) {
            let fresh =
                self.reservation.as_deref_mut().and_then(|paid| self.pool.take_reserved(paid, self.me));
            self.buffers.push(fresh.ok_or(io::ErrorKind::OutOfMemory)?);
        }
        let n = self.buffers.last_mut().map_or(0, |last| last.append(bytes));
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
