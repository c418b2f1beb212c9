//! The workers in virtual time: lanes of jobs, a few at once in each, that take as long as the dice say, come home in
//! any order, and stop altogether while a root hangs. What a file job finds is the disk's business.

use super::agenda::Agenda;
use super::dice::Dice;
use super::disk::SimDisk;
use super::io::net::resolve;
use super::socket::{SimSocket, Taken};
use jstorrent_io_daemon::buffer::Buffer;
use jstorrent_io_daemon::job::{
    Ask, Chunk, Digest, DiskError, Done, FileRange, Hasher, Interface, Job, Lane, Stage, TransferError,
    Transferred,
};
use jstorrent_io_daemon::workers::disk::{Disk, Performed, perform};
use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::rc::Rc;

/// How the workers work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// The longest that a job takes, in microseconds.
    pub(crate) job_us_max: u64,
    /// The same of a look-up, beyond that.
    pub(crate) name_us_max: u64,
    /// Jobs of one lane at a time.
    pub(crate) lane_width: usize,
    /// Bytes that one transfer moves at most.
    pub(crate) transfer_bytes_max: u64,
}

/// What becomes of a job on the agenda.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stir {
    /// It has its effect.
    Perform(u64),
    /// It comes home.
    Home(u64),
}

/// All workers.
#[derive(Debug)]
pub(crate) struct Workers {
    pub(crate) disk: SimDisk,
    pub(crate) pace: Pace,
    lanes: Vec<Queue>,
    at_work: BTreeMap<u64, Task>,
    started: u64,
    /// Until when each root hangs.
    hung: BTreeMap<u32, u64>,
    home: Vec<Job>,
}

#[derive(Debug)]
struct Queue {
    lane: Lane,
    waiting: VecDeque<Task>,
    at_work: usize,
}

#[derive(Debug)]
struct Task {
    job: Box<Job>,
    /// The socket of the job's owner, as the reactor puts it in.
    outlet: Option<Rc<SimSocket>>,
}

impl Workers {
    pub(crate) fn new(disk: SimDisk, pace: Pace) -> Workers {
        Workers {
            disk,
            pace,
            lanes: Vec::new(),
            at_work: BTreeMap::new(),
            started: 0,
            hung: BTreeMap::new(),
            home: Vec::new(),
        }
    }

    /// A job comes in.
    pub(crate) fn submit<E: From<Stir>>(
        &mut self,
        job: Box<Job>,
        outlet: Option<Rc<SimSocket>>,
        now: u64,
        dice: &mut Dice,
        agenda: &mut Agenda<E>,
    ) {
        let lane = job.lane;
        let index = self.lanes.iter().position(|queue| queue.lane == lane).unwrap_or_else(|| {
            self.lanes.push(Queue { lane, waiting: VecDeque::new(), at_work: 0 });
            self.lanes.len() - 1
        });
        self.lanes[index].waiting.push_back(Task { job, outlet });
        self.start(index, now, dice, agenda);
    }

    fn start<E: From<Stir>>(&mut self, index: usize, now: u64, dice: &mut Dice, agenda: &mut Agenda<E>) {
        let width = match self.lanes[index].lane {
            Lane::HashInOrder(_) => 1,
            _ => self.pace.lane_width,
        };
        while self.lanes[index].at_work < width {
            let Some(task) = self.lanes[index].waiting.pop_front() else { return };
            self.lanes[index].at_work += 1;
            self.started += 1;
            let hung_until = match task.job.lane {
                Lane::Disk(root) | Lane::DiskHash(root) => self.hung.get(&root.0).copied().unwrap_or(0),
                _ => 0,
            };
            let name_us = if task.job.lane == Lane::Names { dice.size(self.pace.name_us_max) } else { 0 };
            let at = hung_until.max(now) + dice.size(self.pace.job_us_max) + name_us;
            self.at_work.insert(self.started, task);
            agenda.put(at, Stir::Perform(self.started).into());
        }
    }

    /// Something becomes of a job.
    pub(crate) fn stir<E: From<Stir>>(
        &mut self,
        stir: Stir,
        now: u64,
        dice: &mut Dice,
        agenda: &mut Agenda<E>,
    ) {
        match stir {
            Stir::Perform(number) => {
                let task = self.at_work.get_mut(&number).expect("a job at work");
                let Stage::Ask(ask) = std::mem::replace(&mut task.job.stage, Stage::Taken) else {
                    unreachable!("jobs go out with a question");
                };
                task.job.stage =
                    Stage::Done(work(&self.disk, ask, task.outlet.as_deref(), self.pace.transfer_bytes_max));
                agenda.put(now + dice.size(self.pace.job_us_max / 2), Stir::Home(number).into());
            }
            Stir::Home(number) => {
                let task = self.at_work.remove(&number).expect("a job at work");
                let index = self.lanes.iter().position(|queue| queue.lane == task.job.lane);
                let index = index.expect("the lane that it came by");
                self.lanes[index].at_work -= 1;
                self.home.push(*task.job);
                self.start(index, now, dice, agenda);
            }
        }
    }

    /// A root answers nothing until then.
    pub(crate) fn hang(&mut self, root: u32, until: u64) {
        self.hung.insert(root, until);
    }

    /// No root hangs any more, but for what it has begun.
    pub(crate) fn thaw(&mut self) {
        self.hung.clear();
    }

    /// Jobs that have come home, in any order.
    pub(crate) fn take_home(&mut self, dice: &mut Dice) -> Vec<Job> {
        let mut home = std::mem::take(&mut self.home);
        for index in (1..home.len()).rev() {
            home.swap(index, dice.below(index as u64 + 1) as usize);
        }
        home
    }

    pub(crate) fn anyone_home(&self) -> bool {
        !self.home.is_empty()
    }

    /// Jobs that have not been taken home.
    pub(crate) fn jobs(&self) -> impl Iterator<Item = &Job> {
        let waiting = self.lanes.iter().flat_map(|queue| queue.waiting.iter());
        waiting.chain(self.at_work.values()).map(|task| &*task.job).chain(self.home.iter())
    }
}

/// Does a job.
fn work(disk: &SimDisk, ask: Ask, outlet: Option<&SimSocket>, transfer_bytes_max: u64) -> Done {
    if let Ask::Transfer { file, offset, length, .. } = ask {
        assert!(length > 0, "a transfer of nothing");
        let Some(outlet) = outlet else { return Done::Transfer(Err(TransferError::Socket)) };
        let length = length.min(transfer_bytes_max);
        return Done::Transfer(match disk.read_for_transfer(&file, offset, length) {
            Err(error) => Err(TransferError::Disk(error)),
            Ok(bytes) => transfer(outlet, &bytes, length),
        });
    }
    match perform(disk, ask) {
        Performed::Done(done) => done,
        Performed::NotMine(ask) => hash(disk, ask),
    }
}

/// As a real worker: until the socket is full, the share is used up or the file ends, which is an error.
fn transfer(outlet: &SimSocket, bytes: &[u8], wanted: u64) -> Result<Transferred, TransferError> {
    match outlet.transfer(bytes) {
        Taken::Gone => Err(TransferError::Socket),
        Taken::Bytes { count, blocked: false } if (count as u64) < wanted => {
            Err(TransferError::Disk(DiskError::BeyondEnd { size: 0 }))
        }
        Taken::Bytes { count, blocked } => Ok(Transferred { bytes: count as u64, blocked }),
    }
}

fn hash(disk: &SimDisk, ask: Ask) -> Done {
    match ask {
        Ask::HashBytes { mut hasher, buffers } => {
            buffers.iter().for_each(|buffer| hasher.update(buffer.filled()));
            Done::HashBytes(hasher, buffers)
        }
        Ask::HashInOrder { hasher, buffers } => {
            hasher.update(&buffers);
            Done::HashInOrder(buffers)
        }
        Ask::HashRange { mut hasher, range } => {
            let outcome = hash_range(disk, &mut hasher, &range);
            Done::HashRange(hasher, outcome)
        }
        Ask::HashChunks { algorithm, chunks, .. } => Done::HashChunks(
            chunks
                .into_iter()
                .map(|chunk| (chunk.index, hash_chunk(disk, Hasher::new(algorithm), chunk)))
                .collect(),
        ),
        Ask::ListInterfaces => Done::ListInterfaces(Ok(vec![Interface {
            name: "lo".to_owned(),
            address: Ipv4Addr::LOCALHOST,
            prefix_length: 8,
        }])),
        Ask::Resolve { host } => Done::Resolve(resolve(&host)),
        Ask::LoadTrust => Done::LoadTrust(Err("there are no roots here".to_owned())),
        other => unreachable!("no worker takes {other:?}"),
    }
}

fn hash_chunk(disk: &SimDisk, mut hasher: Hasher, chunk: Chunk) -> Result<Digest, DiskError> {
    for part in &chunk.parts? {
        hash_range(disk, &mut hasher, part)?;
    }
    Ok(hasher.finish())
}

fn hash_range(disk: &SimDisk, hasher: &mut Hasher, range: &FileRange) -> Result<(), DiskError> {
    let mut bytes = vec![0; range.length as usize];
    let mut count = 0;
    while count < bytes.len() {
        match disk.read_at(&range.file, range.offset + count as u64, &mut bytes[count..])? {
            0 => return Err(DiskError::BeyondEnd { size: range.offset + count as u64 }),
            more => count += more,
        }
    }
    hasher.update(&bytes);
    Ok(())
}

/// Pooled buffers that a job carries, those that a reservation paid for included.
pub(crate) fn buffers_of(job: &Job) -> &[Buffer] {
    match &job.stage {
        Stage::Ask(Ask::Read { buffer, .. }) | Stage::Done(Done::Read(buffer, _)) => {
            std::slice::from_ref(buffer)
        }
        Stage::Ask(
            Ask::Write { buffers, .. } | Ask::HashBytes { buffers, .. } | Ask::HashInOrder { buffers, .. },
        )
        | Stage::Done(Done::Write(buffers, _) | Done::HashBytes(_, buffers) | Done::HashInOrder(buffers)) => {
            buffers
        }
        _ => &[],
    }
}

/// Whether a job moves a file's bytes into a socket.
pub(crate) fn is_transfer(job: &Job) -> bool {
    matches!(&job.stage, Stage::Ask(Ask::Transfer { .. }) | Stage::Done(Done::Transfer(_)))
}
