//! What may block, on threads of its own: the disk, hashing, names. This file says which lane is made up how and who
//! does which job; the threads themselves are `pool`'s.

pub mod completions;
pub mod disk;
pub mod gauge;
mod hasher;
pub mod pool;
mod resolver;
#[cfg(all(test, not(loom)))]
mod tests;

use crate::job::{Ask, Done, Job, Lane, Stage};
use crate::limits::WorkerLimits;
use crate::platform::{interfaces, names};
use crate::state::workload::Workload;
use crate::tls::Trust;
use disk::{Disk, Performed};
use hasher::{Places, Scratch};
use pool::{LaneShape, Pool, Work};
use std::sync::Arc;

/// The threads, the way to them and the way home. Belongs to the poll thread.
pub struct Workers<D: Disk> {
    disk: Arc<D>,
    pool: Pool<Crew<D>>,
    limits: WorkerLimits,
}

impl<D: Disk> Workers<D> {
    /// Workers without any thread: those are started as jobs come. `wake` is called, by any thread, when a job has
    /// come home and none was there.
    pub fn start(limits: WorkerLimits, disk: Arc<D>, wake: impl Fn() + Send + Sync + 'static) -> Workers<D> {
        let places = Places::new(limits.hash_places_max);
        let crew = Arc::new(Crew { disk: disk.clone(), limits: limits.clone(), places });
        let pool = Pool::new(crew, limits.threads_max, limits.idle_max, wake);
        Workers { disk, pool, limits }
    }

    /// Sends a job out.
    pub fn submit(&mut self, job: Box<Job>) {
        self.pool.submit(job.lane, job);
    }

    /// The jobs that have come home, oldest first. After a wake, all of them must be taken.
    pub fn take_completions(&self) -> impl Iterator<Item = Box<Job>> + use<D> {
        self.pool.take_completions()
    }

    /// Tells a size, does a short read or a share of a transfer, here and now if it can't block, which saves the hand-off:
    /// half the cost of 16 KiB from the cache. Returns whether the job is done.
    pub fn try_now(&self, job: &mut Job) -> bool {
        match &job.stage {
            Stage::Ask(Ask::Read { .. }) => self.read_now(job),
            Stage::Ask(Ask::Transfer { file, offset, length, outlet: Some(outlet) }) => {
                let share = (*length).min(self.limits.transfer_now_bytes_max);
                let Some(moved) = self.disk.transfer_now(file, &**outlet, *offset, share) else {
                    return false;
                };
                job.stage = Stage::Done(Done::Transfer(moved));
                true
            }
            Stage::Ask(Ask::Size(file)) => {
                let Some(size) = self.disk.read_now(file, 0, &mut []) else { return false };
                job.stage = Stage::Done(Done::Size(size.map(|read| read.size)));
                true
            }
            _ => false,
        }
    }

    fn read_now(&self, job: &mut Job) -> bool {
        let Stage::Ask(Ask::Read { file, offset, length, buffer }) = &mut job.stage else { return false };
        let length = (*length).min(buffer.room_len());
        if length > self.limits.read_now_bytes_max {
            return false;
        }
        let Some(result) = self.disk.read_now(file, *offset, &mut buffer.room()[..length]) else {
            return false;
        };
        let Stage::Ask(Ask::Read { mut buffer, .. }) = std::mem::replace(&mut job.stage, Stage::Taken) else {
            return false;
        };
        let size = result.map(|read| {
            buffer.commit(read.count);
            read.size
        });
        job.stage = Stage::Done(Done::Read(buffer, size));
        true
    }

    /// Closes up to `n` descriptors that were not used for longest; returns how many. Never waits.
    pub fn shed(&self, n: usize) -> usize {
        self.disk.shed(n)
    }

    /// What there is to do now, and what the disk keeps.
    pub fn measure(&self) -> Workload {
        let counters = self.disk.counters();
        let mut all = Workload {
            descriptors: counters.descriptors,
            reopened: counters.reopened,
            ..Workload::default()
        };
        for (lane, load) in self.pool.loads() {
            let queue = match lane {
                Lane::Disk(_) => &mut all.disk,
                Lane::DiskHash(_) | Lane::MixedHash => &mut all.disk_hash,
                Lane::Hash | Lane::HashInOrder(_) => &mut all.hash,
                Lane::Names => &mut all.names,
                Lane::Local => &mut all.local,
            };
            queue.threads += load.threads;
            queue.jobs += load.jobs;
        }
        all
    }

    /// Ends the threads: what is being done is finished, for a moment, and what waits is dropped. `false`: a thread is
    /// still at work, and ends with the process.
    pub fn shutdown(&mut self) -> bool {
        self.pool.shutdown(self.limits.shutdown_max)
    }
}

/// What the threads do.
struct Crew<D> {
    disk: Arc<D>,
    limits: WorkerLimits,
    /// Memory for hashing threads.
    places: Arc<Places>,
}

impl<D: Disk> Work for Crew<D> {
    type Lane = Lane;
    type Job = Box<Job>;
    type Scratch = Scratch;

    fn lane_shape(&self, lane: Lane) -> LaneShape {
        let limits = &self.limits;
        let (threads_max, name) = match lane {
            Lane::Disk(root) => (limits.file_threads, format!("disk-{}", root.0)),
            Lane::DiskHash(root) => (limits.hash_threads, format!("hash-{}", root.0)),
            Lane::MixedHash => (limits.hash_threads, "hash-mixed".to_owned()),
            Lane::Hash => (limits.hash_threads, "hash".to_owned()),
            Lane::HashInOrder(number) => (1, format!("hash-body-{number}")),
            Lane::Names => (limits.name_threads, "names".to_owned()),
            Lane::Local => (1, "local".to_owned()),
        };
        LaneShape { threads_max, stack_bytes: limits.stack_bytes, name, apart: lane == Lane::Names }
    }

    /// A resolver would hold up the caller for seconds: rather no address for now.
    fn give_up(&self, job: &mut Box<Job>) -> bool {
        let gives_up = matches!(job.stage, Stage::Ask(Ask::Resolve { .. }));
        if gives_up {
            job.stage = Stage::Done(Done::Resolve(Err(names::TRY_AGAIN)));
        }
        gives_up
    }

    fn perform(&self, job: &mut Box<Job>, scratch: &mut Scratch) {
        job.stage = match std::mem::replace(&mut job.stage, Stage::Taken) {
            Stage::Ask(ask) => Stage::Done(self.answer(ask, scratch)),
            other => other,
        };
        scratch.rest();
    }
}

impl<D: Disk> Crew<D> {
    fn answer(&self, ask: Ask, scratch: &mut Scratch) -> Done {
        let disk = &*self.disk;
        match ask {
            Ask::HashBytes { hasher, buffers } => hasher::hash_bytes(hasher, buffers),
            Ask::HashInOrder { hasher, buffers } => hasher::hash_in_order(&hasher, buffers),
            Ask::HashRange { hasher, range } => {
                hasher::hash_range(disk, hasher, range, scratch.place(&self.places))
            }
            Ask::HashChunks { algorithm, chunks, stop } => {
                hasher::hash_chunks(disk, algorithm, chunks, &stop, scratch.place(&self.places))
            }
            Ask::Resolve { host } => Done::Resolve(resolver::resolve(&host)),
            Ask::LoadTrust => Done::LoadTrust(Trust::load()),
            Ask::ListInterfaces => {
                Done::ListInterfaces(interfaces::ipv4_interfaces().map_err(|error| error.to_string()))
            }
            file_job => match disk::perform(disk, file_job) {
                Performed::Done(done) => done,
                Performed::NotMine(ask) => unreachable!("a job that nobody does: {ask:?}"),
            },
        }
    }
}
