//! The open descriptors of all handles: at most so many, the least recently used closed first. Handles outnumber
//! descriptors; who uses one keeps it open until the operation ends. The lock is never held across a system call.

use crate::ids::RootNumber;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::thread;

/// A handle's file while it is open.
#[derive(Debug)]
pub struct Descriptor {
    file: File,
    root: RootNumber,
    /// Shared by all that write to a file of this root; taken alone by what looks at a size and then sets it.
    pub(super) resizing: Arc<RwLock<()>>,
}

impl Descriptor {
    pub(super) fn new(file: File, root: RootNumber, resizing: Arc<RwLock<()>>) -> Descriptor {
        Descriptor { file, root, resizing }
    }

    /// The file. Its own position is nobody's: read and write by offset only.
    pub fn file(&self) -> &File {
        &self.file
    }
}

/// The cache.
#[derive(Debug)]
pub(super) struct Descriptors {
    max: usize,
    open: Mutex<Lru>,
    closer: Closer,
}

impl Descriptors {
    /// Room for `max` descriptors, at least one.
    pub(super) fn new(max: usize) -> Descriptors {
        Descriptors { max: max.max(1), open: Mutex::default(), closer: Closer::default() }
    }

    /// The descriptor of the handle `key`, now the most recently used.
    pub(super) fn get(&self, key: u64) -> Option<Arc<Descriptor>> {
        self.lock().get(key)
    }

    /// Keeps a descriptor that was opened for `key`. Another that was quicker wins.
    pub(super) fn insert(&self, key: u64, descriptor: Descriptor) -> Arc<Descriptor> {
        let here = descriptor.root;
        let descriptor = Arc::new(descriptor);
        let (kept, evicted) = {
            let mut open = self.lock();
            let kept = open.get(key).unwrap_or_else(|| {
                open.insert(key, Arc::clone(&descriptor));
                descriptor
            });
            (kept, open.evict_down_to(self.max))
        };
        // Closing may wait for the disk. This thread may wait for its own root's, and for no other.
        let elsewhere: Vec<_> = evicted.into_iter().filter(|old| old.root != here).collect();
        self.closer.close_all(elsewhere);
        kept
    }

    /// Lets go of the descriptor of `key`.
    pub(super) fn remove(&self, key: u64) {
        let removed = self.lock().remove(key);
        drop(removed);
    }

    /// Closes the `n` least recently used, on another thread; returns how many there were.
    pub(super) fn shed(&self, n: usize) -> usize {
        let shed = {
            let mut open = self.lock();
            let left = open.len().saturating_sub(n);
            open.evict_down_to(left)
        };
        let count = shed.len();
        self.closer.close_all(shed);
        count
    }

    /// Ends the use of a descriptor on a thread that must not wait for a disk, should it be the last.
    pub(super) fn release(&self, descriptor: Arc<Descriptor>) {
        if let Some(last) = Arc::into_inner(descriptor) {
            self.closer.close_all(vec![Arc::new(last)]);
        }
    }

    /// Descriptors held now.
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, Lru> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who is open, by key and by age of the last use.
#[derive(Debug, Default)]
struct Lru {
    entries: HashMap<u64, (Arc<Descriptor>, u64)>,
    by_age: BTreeMap<u64, u64>,
    now: u64,
}

impl Lru {
    fn len(&self) -> usize {
        self.entries.len()
    }

    fn get(&mut self, key: u64) -> Option<Arc<Descriptor>> {
        let (descriptor, used) = self.entries.get_mut(&key)?;
        if *used != self.now {
            self.by_age.remove(used);
            self.now += 1;
            *used = self.now;
            self.by_age.insert(self.now, key);
        }
        Some(Arc::clone(descriptor))
    }

    fn insert(&mut self, key: u64, descriptor: Arc<Descriptor>) {
        self.now += 1;
        self.entries.insert(key, (descriptor, self.now));
        self.by_age.insert(self.now, key);
    }

    fn remove(&mut self, key: u64) -> Option<Arc<Descriptor>> {
        let (descriptor, used) = self.entries.remove(&key)?;
        self.by_age.remove(&used);
        Some(descriptor)
    }

    fn evict_down_to(&mut self, max: usize) -> Vec<Arc<Descriptor>> {
        let mut evicted = Vec::new();
        while self.entries.len() > max {
            let Some((_, key)) = self.by_age.pop_first() else { break };
            evicted.extend(self.entries.remove(&key).map(|(descriptor, _)| descriptor));
        }
        evicted
    }
}

/// Closes files on a thread of its own, started when first needed: the last close of a deleted file waits for its
/// disk, and must make neither another root's worker nor the poll thread wait.
#[derive(Debug, Default)]
struct Closer {
    queue: OnceLock<Option<Sender<Vec<Arc<Descriptor>>>>>,
}

impl Closer {
    fn close_all(&self, descriptors: Vec<Arc<Descriptor>>) {
        if descriptors.is_empty() {
            return;
        }
        if let Some(queue) = self.queue.get_or_init(start) {
            // Should its thread be gone, they come back and are closed here.
            drop(queue.send(descriptors));
        }
    }
}

fn start() -> Option<Sender<Vec<Arc<Descriptor>>>> {
    let (queue, closing) = channel::<Vec<Arc<Descriptor>>>();
    let thread = thread::Builder::new().name("closer".to_owned());
    thread.spawn(move || closing.into_iter().for_each(drop)).ok().map(|_| queue)
}
