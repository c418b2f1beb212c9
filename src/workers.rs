//! What may block, on threads of its own: the disk, hashing, names.

pub mod completions;
pub mod disk;

use crate::job::{Ask, Digest, Done, Hasher, Job, Stage};
use crossbeam::channel::{Receiver, Sender, unbounded};
use crossbeam::queue::SegQueue;
use disk::{Disk, Performed};
use sha1::Digest as _;
use std::sync::Arc;
use std::thread;

/// A read up to this many bytes is tried on the poll thread.
const NOW_BYTES_MAX: usize = 64 << 10;

/// The threads, and the way to them and home.
#[derive(Debug)]
pub struct Workers<D: Disk> {
    disk: Arc<D>,
    jobs: Sender<Box<Job>>,
    home: Arc<SegQueue<Box<Job>>>,
}

impl<D: Disk> Workers<D> {
    /// Starts the threads; `wake` is called when a job has come home.
    pub fn start(
        file_threads: usize,
        _hash_threads: usize,
        disk: Arc<D>,
        wake: impl Fn() + Send + Clone + 'static,
    ) -> Workers<D> {
        let (jobs, asked) = unbounded();
        let home = Arc::new(SegQueue::new());
        for _ in 0..file_threads {
            let (disk, asked, home, wake) = (disk.clone(), asked.clone(), home.clone(), wake.clone());
            thread::spawn(move || work(&*disk, &asked, &home, &wake));
        }
        Workers { disk, jobs, home }
    }

    /// Sends a job out.
    pub fn submit(&self, job: Box<Job>) {
        // The threads live as long as this does.
        let _ = self.jobs.send(job);
    }

    /// The jobs that have come home.
    pub fn take_completions(&self) -> Vec<Box<Job>> {
        std::iter::from_fn(|| self.home.pop()).collect()
    }

    /// Does a short cached read here and now; returns whether it was one.
    pub fn try_now(&self, job: &mut Job) -> bool {
        let Stage::Ask(Ask::Read { file, offset, length, buffer }) = &mut job.stage else { return false };
        let length = (*length).min(buffer.room_len());
        if length > NOW_BYTES_MAX {
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

    /// Closes up to `n` cached descriptors; returns how many.
    pub fn shed(&self, _n: usize) -> usize {
        0
    }

    /// Nothing more will be submitted.
    pub fn shutdown(&self) {}
}

fn work(disk: &impl Disk, asked: &Receiver<Box<Job>>, home: &SegQueue<Box<Job>>, wake: &impl Fn()) {
    for mut job in asked {
        if let Stage::Ask(ask) = std::mem::replace(&mut job.stage, Stage::Taken) {
            job.stage = match disk::perform(disk, ask) {
                Performed::Done(done) => Stage::Done(done),
                Performed::NotMine(Ask::HashBytes { mut hasher, buffers }) => {
                    buffers.iter().for_each(|buffer| hasher.update(buffer.filled()));
                    Stage::Done(Done::HashBytes(hasher, buffers))
                }
                Performed::NotMine(ask) => Stage::Ask(ask),
            };
        }
        home.push(job);
        wake();
    }
}

impl Hasher {
    /// Feeds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Sha1(sha1) => sha1.update(bytes),
            Hasher::Sha256(sha256) => sha256.update(bytes),
        }
    }

    /// The hash of all that was fed.
    pub fn finish(self) -> Digest {
        let mut bytes = [0; 32];
        let length = match self {
            Hasher::Sha1(sha1) => {
                bytes[..20].copy_from_slice(&sha1.finalize());
                20
            }
            Hasher::Sha256(sha256) => {
                bytes.copy_from_slice(&sha256.finalize());
                32
            }
        };
        Digest::new(&bytes[..length]).unwrap_or_else(|| unreachable!("both lengths are digests'"))
    }
}
