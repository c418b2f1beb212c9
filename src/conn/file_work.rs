//! A FILE_READ or FILE_WRITE under way: no socket, only jobs, one at a time, through pooled buffers. What is read is
//! held whole before a byte of it goes out, because a message that was begun must be finished before the next, and a
//! disk that hangs must not hold up the connection; the memory for it is reserved first. What is to be written was
//! counted when it came (`state::works`), and nothing is written before its digest was found right.

use crate::buffer::{BUFFER_BYTES, Buffer};
use crate::conn::End;
use crate::ids::ConnId;
use crate::job::{Algorithm, Ask, DiskError, Done, Hasher, Lane};
use crate::service::{files, io_files, salvage};
use crate::state::State;
use crate::state::births::{FileTask, FileWork as Plan, Payload};
use crate::state::buffers::{Account, Reservation};
use crate::state::notes::Note;
use jstorrent_io_proto::digest::Digest;
use jstorrent_io_proto::errno::Errno;
use jstorrent_io_proto::message::{ServerMessage, Status};

/// Work under way.
#[derive(Debug)]
pub struct FileWork {
    id: ConnId,
    plan: Plan,
    /// Bytes read, hashed or written so far.
    done: usize,
    /// A job is out.
    busy: bool,
    phase: Phase,
    end: Option<End>,
}

#[derive(Debug)]
enum Phase {
    Reading {
        buffers: Vec<Buffer>,
        /// For reads of more than one buffer.
        reservation: Option<Reservation>,
        /// Bytes that it fetches, of those that its client may have on their way.
        fetching: usize,
        /// Bytes that it may reserve, of those for large reads.
        share: usize,
    },
    /// `None` while a worker has the hash.
    Hashing(Option<Hasher>),
    Writing,
}

impl Phase {
    fn reading() -> Phase {
        Phase::Reading { buffers: Vec::new(), reservation: None, fetching: 0, share: 0 }
    }
}

impl FileWork {
    /// Work that was asked for; the file is held for it.
    pub fn new(id: ConnId, plan: Plan, state: &mut State) -> FileWork {
        let phase = match &plan.task {
            FileTask::Read(_) => Phase::reading(),
            FileTask::Write(_, Digest::None) => Phase::Writing,
            FileTask::Write(_, Digest::Sha1(_)) => Phase::Hashing(Some(Hasher::new(Algorithm::Sha1))),
            FileTask::Write(_, Digest::Sha256(_)) => Phase::Hashing(Some(Hasher::new(Algorithm::Sha256))),
        };
        let mut work = FileWork { id, plan, done: 0, busy: false, phase, end: None };
        work.step(state);
        work
    }

    /// Sends out the next job, or ends.
    fn step(&mut self, state: &mut State) {
        if self.busy || self.end.is_some() {
            return;
        }
        match &self.phase {
            Phase::Reading { .. } => self.read(state),
            Phase::Hashing(_) => self.hash(state),
            Phase::Writing => self.write(state),
        }
    }

    fn account(&self) -> Account {
        Account::root(self.plan.handle.root.number)
    }

    fn submit(&mut self, state: &mut State, lane: Lane, ask: Ask) {
        state.submit(self.id, lane, Some(self.plan.file), ask);
        self.busy = true;
    }

    fn read(&mut self, state: &mut State) {
        let FileTask::Read(length) = self.plan.task else { return };
        if self.done >= length {
            return self.answer_read(state);
        }
        if !self.may_fetch(state, length) {
            return;
        }
        let Some(buffer) = self.room(state, length) else { return };
        let (file, offset) = (self.plan.handle.clone(), self.plan.offset + self.done as u64);
        let lane = Lane::Disk(file.root.number);
        let length = (length - self.done).min(BUFFER_BYTES);
        self.submit(state, lane, Ask::Read { file, offset, length, buffer });
    }

    /// Whether its client may have so many bytes more on their way; once they may be, they may.
    fn may_fetch(&mut self, state: &mut State, length: usize) -> bool {
        let Phase::Reading { fetching, .. } = &mut self.phase else { return false };
        if *fetching == 0 && state.channels.may_fetch(self.plan.channel, self.id, length) {
            *fetching = length;
        }
        *fetching > 0
    }

    /// A buffer for the next part of a read of `length` bytes. A large one has all of its memory, or none.
    fn room(&mut self, state: &mut State, length: usize) -> Option<Buffer> {
        let (account, root, me) = (self.account(), self.plan.handle.root.number, self.id);
        let Phase::Reading { reservation, share, .. } = &mut self.phase else { return None };
        if length <= BUFFER_BYTES {
            return if state.buffers.may_lend(me) { state.buffers.take(account, me) } else { None };
        }
        if *share == 0 {
            if !state.works.may_read(root, length, me) {
                return None;
            }
            *share = length;
        }
        if reservation.is_none() {
            *reservation = state.reserve(length as u64, me);
        }
        state.buffers.take_reserved(reservation.as_mut()?, me)
    }

    fn answer_read(&mut self, state: &mut State) {
        self.end_share(state);
        let Phase::Reading { buffers, reservation, .. } = &mut self.phase else { return };
        if let Some(reservation) = reservation.take() {
            state.buffers.release(reservation);
        }
        buffers.iter_mut().for_each(|buffer| state.buffers.lend(buffer));
        let head = ServerMessage::FileData {
            file_id: self.plan.file.0,
            status: Status::Good,
            errno: Errno::NONE,
            data: &[],
        };
        let mut bytes = Vec::new();
        head.encode_binary(self.plan.request_id, &mut bytes);
        let buffers = std::mem::take(buffers);
        let (channels, pool) = (&mut state.channels, &mut state.buffers);
        channels.push_lent(self.plan.channel, &bytes, buffers, |buffer| pool.give(buffer));
        if state.channels.get(self.plan.channel).is_some() {
            state.notes.send(self.plan.channel, Note::Queued);
            state.turns.want(self.plan.channel);
        }
        state.metrics.file_bytes_read += self.done as u64;
        self.finish();
    }

    /// What it held of the memory for large reads is others', and so is its part of what its client may have.
    fn end_share(&mut self, state: &mut State) {
        let root = self.plan.handle.root.number;
        let Phase::Reading { share, fetching, .. } = &mut self.phase else { return };
        state.channels.fetched(self.plan.channel, std::mem::take(fetching));
        if *share > 0 {
            state.works.read_ended(root, std::mem::take(share));
        }
    }

    /// The next part of what is to be written, in a buffer.
    fn part(&mut self, state: &mut State, account: Account) -> Option<Buffer> {
        let FileTask::Write(data, _) = &self.plan.task else { return None };
        let mut buffer = state.buffers.take(account, self.id)?;
        buffer.append(&data.bytes()[self.done..]);
        Some(buffer)
    }

    fn hash(&mut self, state: &mut State) {
        let FileTask::Write(data, digest) = &self.plan.task else { return };
        if self.done < data.bytes().len() {
            let Some(buffer) = self.part(state, Account::HASH) else { return };
            let Phase::Hashing(hasher) = &mut self.phase else { return };
            let Some(hasher) = hasher.take() else { return state.buffers.give(buffer) };
            return self.submit(state, Lane::Hash, Ask::HashBytes { hasher, buffers: vec![buffer] });
        }
        let Phase::Hashing(hasher) = &mut self.phase else { return };
        let right = hasher.take().is_some_and(|hasher| hasher.finish().as_bytes() == digest.as_bytes());
        if !right {
            return self.answer_write(state, Status::HashMismatch, Errno::NONE);
        }
        self.done = 0;
        self.phase = Phase::Writing;
        self.write(state);
    }

    fn write(&mut self, state: &mut State) {
        let FileTask::Write(data, _) = &self.plan.task else { return };
        if self.done >= data.bytes().len() {
            return self.answer_write(state, Status::Good, Errno::NONE);
        }
        let account = self.account();
        let Some(buffer) = self.part(state, account) else { return };
        let (file, offset) = (self.plan.handle.clone(), self.plan.offset + self.done as u64);
        let lane = Lane::Disk(file.root.number);
        self.submit(state, lane, Ask::Write { file, offset, buffers: vec![buffer] });
    }

    fn answer_write(&mut self, state: &mut State, status: Status, errno: Errno) {
        let written = if matches!(self.phase, Phase::Writing) { self.done as u32 } else { 0 };
        state.metrics.file_bytes_written += u64::from(written);
        let message = ServerMessage::FileWritten { file_id: self.plan.file.0, status, errno, written };
        state.tell(self.plan.channel, self.plan.request_id, &message);
        self.finish();
    }

    fn fail(&mut self, state: &mut State, error: &DiskError) {
        let errno = io_files::errno(error);
        if let FileTask::Write(..) = self.plan.task {
            return self.answer_write(state, Status::Failed, errno);
        }
        let file_id = self.plan.file.0;
        let message = ServerMessage::FileData { file_id, status: Status::Failed, errno, data: &[] };
        state.tell(self.plan.channel, self.plan.request_id, &message);
        self.finish();
    }

    /// A job has come home.
    pub fn completed(&mut self, state: &mut State, done: Done) {
        self.busy = false;
        state.works.progressed(state.now);
        match done {
            Done::Read(buffer, result) => self.was_read(state, buffer, result),
            Done::HashBytes(hasher, buffers) => {
                self.done += buffers.iter().map(Buffer::len).sum::<usize>();
                salvage::give_all(state, buffers);
                self.phase = Phase::Hashing(Some(hasher));
            }
            Done::Write(buffers, result) => {
                salvage::give_all(state, buffers);
                match result {
                    Ok(written) => self.done += written as usize,
                    Err(failure) => {
                        self.done += failure.written as usize;
                        self.fail(state, &failure.error);
                    }
                }
            }
            other => salvage::salvage(state, other),
        }
        self.step(state);
    }

    fn was_read(&mut self, state: &mut State, buffer: Buffer, result: Result<u64, DiskError>) {
        let (Phase::Reading { buffers, .. }, FileTask::Read(length)) = (&mut self.phase, &mut self.plan.task)
        else {
            return state.buffers.give(buffer);
        };
        // Behind the end there is nothing to read, and that is no failure.
        if let Err(error) = result
            && !matches!(error, DiskError::BeyondEnd { .. })
        {
            state.buffers.give(buffer);
            return self.fail(state, &error);
        }
        self.done += buffer.len();
        if buffer.len() < (*length - (self.done - buffer.len())).min(BUFFER_BYTES) {
            *length = self.done;
        }
        buffers.push(buffer);
    }

    /// A note came.
    pub fn noted(&mut self, state: &mut State, note: Note) {
        match note {
            Note::Cut => self.finish(),
            Note::MemoryFree | Note::ReadOn => self.step(state),
            _ => {}
        }
    }

    fn finish(&mut self) {
        self.end.get_or_insert(End { abort: false });
    }

    /// Whether, and how, it has ended.
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// Gives back all that it holds.
    pub fn release(&mut self, state: &mut State) {
        self.end_share(state);
        let (bytes, copied) = match std::mem::replace(&mut self.plan.task, FileTask::Read(0)) {
            FileTask::Read(_) => (0, 0),
            FileTask::Write(payload, _) => {
                let counted = (payload.bytes().len(), payload.copied());
                if let Payload::Shared(block, _) = payload {
                    state.gathering.release(block);
                }
                counted
            }
        };
        state.works.end(bytes, copied);
        state.works.forget(self.plan.handle.root.number, self.id);
        if let Phase::Reading { buffers, reservation, .. } = &mut self.phase {
            salvage::give_all(state, std::mem::take(buffers));
            if let Some(reservation) = reservation.take() {
                state.buffers.release(reservation);
            }
        }
        if let Some(channel) = state.channels.get_mut(self.plan.channel) {
            channel.works.remove(&self.id);
        }
        state.channels.leave(self.plan.channel, self.id);
        files::unuse(state, self.plan.file);
    }
}
