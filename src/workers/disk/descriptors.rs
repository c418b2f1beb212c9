//! The open descriptors of all handles: at most so many, the least recently used closed first. Handles outnumber
//! descriptors; who uses one keeps it open until the operation ends. The lock is never held across a system call.

use crate::ids::RootNumber;
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::fs::File;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

/// Stack of the thread that closes, in bytes.
const STACK_BYTES: usize = 64 << 10;

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

    /// As [`Descriptors::remove`], but closed on another thread.
    pub(super) fn discard(&self, key: u64) {
        let removed = self.lock().remove(key);
        self.closer.close_all(removed.into_iter().collect());
    }

    /// Closes the `n` least recently used, on another thread; returns how many there were.
    pub(super) fn shed(&self, n: usize) -> usize {
        let shed = self.evict(n);
        let count = shed.len();
        self.closer.close_all(shed);
        count
    }

    /// As [`Descriptors::shed`], and waits until they are closed, or for `wait_max` where one's disk hangs or there
    /// was none.
    pub(super) fn shed_and_wait(&self, n: usize, wait_max: Duration) {
        let shed = self.evict(n);
        if shed.is_empty() {
            thread::sleep(wait_max);
        } else {
            let _ = self.closer.close_all(shed).recv_timeout(wait_max);
        }
    }

    fn evict(&self, n: usize) -> Vec<Arc<Descriptor>> {
        let mut open = self.lock();
        let left = open.len().saturating_sub(n);
        open.evict_down_to(left)
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
    queue: OnceLock<Option<Sender<Closing>>>,
}

/// What is to be closed. The fields are dropped in this order.
#[derive(Debug)]
struct Closing {
    _descriptors: Vec<Arc<Descriptor>>,
    _done: Sender<Infallible>,
}

impl Closer {
    /// Hands them over. What is returned is disconnected once they are closed.
    fn close_all(&self, descriptors: Vec<Arc<Descriptor>>) -> Receiver<Infallible> {
        let (done, closed) = channel();
        if descriptors.is_empty() {
            return closed;
        }
        let closing = Closing { _descriptors: descriptors, _done: done };
        match self.queue.get_or_init(start) {
            // Should its thread be gone, they come back and are closed here.
            Some(queue) => drop(queue.send(closing)),
            None => drop(closing),
        }
        closed
    }
}

fn start() -> Option<Sender<Closing>> {
    let (queue, closing) = channel::<Closing>();
    let thread = thread::Builder::new().name("closer".to_owned()).stack_size(STACK_BYTES);
    thread.spawn(move || closing.into_iter().for_each(drop)).ok().map(|_| queue)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn descriptor(root: u32, file: File) -> Descriptor {
        Descriptor::new(file, RootNumber(root), Arc::default())
    }

    fn any_file() -> File {
        File::open(std::env::current_exe().unwrap()).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Against a list of keys, oldest use first.
        #[test]
        fn keeps_what_was_used_last(
            max in 1_usize..6,
            steps in proptest::collection::vec((0_u8..4, 0_u64..10), 1..60),
        ) {
            let cache = Descriptors::new(max);
            let mut model: Vec<u64> = Vec::new();
            for (what, key) in steps {
                let known = model.iter().position(|old| *old == key);
                match what {
                    0 => {
                        cache.insert(key, descriptor(0, any_file()));
                        known.map(|index| model.remove(index));
                        model.push(key);
                        model.drain(..model.len().saturating_sub(max));
                    }
                    1 => {
                        prop_assert_eq!(cache.get(key).is_some(), known.is_some());
                        if let Some(index) = known {
                            model.remove(index);
                            model.push(key);
                        }
                    }
                    2 => {
                        cache.remove(key);
                        known.map(|index| model.remove(index));
                    }
                    _ => {
                        let n = (key as usize).min(model.len());
                        prop_assert_eq!(cache.shed(key as usize), n);
                        model.drain(..n);
                    }
                }
                prop_assert_eq!(cache.len(), model.len());
                let ages: Vec<u64> = cache.lock().by_age.values().copied().collect();
                prop_assert_eq!(&ages, &model);
            }
        }
    }

    #[test]
    fn the_quicker_of_two_wins() {
        let cache = Descriptors::new(4);
        let first = cache.insert(1, descriptor(0, any_file()));
        let second = cache.insert(1, descriptor(0, any_file()));
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(cache.len(), 1);
    }

    /// A file whose closing takes 20 s: a socket that waits for its peer to take what was sent.
    #[cfg(unix)]
    fn slow_to_close() -> (File, std::net::TcpStream) {
        use std::io::Write as _;
        use std::os::fd::OwnedFd;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut ours = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (theirs, _) = listener.accept().unwrap();
        socket2::SockRef::from(&ours).set_linger(Some(Duration::from_secs(20))).unwrap();
        ours.set_nonblocking(true).unwrap();
        while ours.write(&[0; 65536]).is_ok() {}
        (File::from(OwnedFd::from(ours)), theirs)
    }

    #[cfg(unix)]
    #[test]
    fn nobody_waits_for_another_roots_file_to_close() {
        let (done, outcome) = channel();
        let (slow, peer) = slow_to_close();
        thread::spawn(move || {
            let cache = Descriptors::new(1);
            cache.insert(1, descriptor(1, slow));
            cache.insert(2, descriptor(2, any_file()));
            let (slow, _peer) = slow_to_close();
            cache.insert(3, descriptor(1, slow));
            cache.shed(1);
            // A last use on the poll thread.
            let (slow, _peer) = slow_to_close();
            cache.release(Arc::new(descriptor(1, slow)));
            done.send(cache.len())
        });
        assert_eq!(outcome.recv_timeout(Duration::from_secs(10)), Ok(0), "waited");
        drop(peer);
    }
}
