//! The way home: a queue that many workers push to and the poll thread empties. No lock and no condition variable: a
//! push is one compare-and-swap, and it tells its caller whether the queue was empty, so that only that push need
//! wake the poll thread. Never wakes anyone itself, and never drops a value that was pushed.
//!
//! The memory that links a value into the queue is allocated by whoever makes the [`Slot`], before the value goes
//! out: coming home allocates nothing and can't fail.

#[cfg(loom)]
use loom::sync::atomic::{AtomicPtr, Ordering};
use std::fmt;
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr;
#[cfg(not(loom))]
use std::sync::atomic::{AtomicPtr, Ordering};

/// A value together with its link. Owns the value: a slot that is dropped drops it.
pub struct Slot<T>(Box<Node<T>>);

struct Node<T> {
    /// What was pushed before; only meaningful while the node is in the queue, and then never changed.
    next: *mut Node<T>,
    value: T,
}

// SAFETY: a slot is the only owner of its node, and `next` is null or dangling data that is never followed while the
// node is in a slot; so sending the slot sends a `T` and nothing else.
unsafe impl<T: Send> Send for Slot<T> {}

impl<T> Slot<T> {
    /// Makes room for `value` to come home in.
    pub fn new(value: T) -> Slot<T> {
        Slot(Box::new(Node { next: ptr::null_mut(), value }))
    }

    /// The value alone.
    pub fn into_inner(self) -> T {
        self.0.value
    }
}

impl<T> Deref for Slot<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T> DerefMut for Slot<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.value.fmt(f)
    }
}

/// The queue: a stack of nodes that is taken as a whole and turned round. Taking all at once is what makes it free of
/// the ABA problem: no node leaves while another stays.
pub struct Completions<T> {
    head: AtomicPtr<Node<T>>,
    /// Takes away the `Send` and `Sync` that an atomic pointer has for any `T`.
    owns: PhantomData<Box<Node<T>>>,
}

// SAFETY: the queue only moves values from the thread that pushes to the one that takes; it never lends one to two
// threads. So `T: Send` is enough for both.
unsafe impl<T: Send> Send for Completions<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Completions<T> {}

impl<T> Completions<T> {
    /// An empty queue.
    pub fn new() -> Completions<T> {
        Completions { head: AtomicPtr::new(ptr::null_mut()), owns: PhantomData }
    }

    /// Adds a value. `true`: the queue was empty, and the caller is the one who must wake the taker. All that was
    /// pushed before the taker's next [`Completions::take_all`] is covered by that one wake.
    #[must_use = "the push that found the queue empty must wake the taker"]
    pub fn push(&self, slot: Slot<T>) -> bool {
        let node = Box::into_raw(slot.0);
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            // SAFETY: `node` came from a box just now and is not published yet: nobody else can reach it.
            unsafe { (*node).next = head };
            // Release publishes the value and the link. What was pushed before stays published: a taker that sees
            // our node synchronises with every push in the chain, because each swap continues its release sequence.
            match self.head.compare_exchange_weak(head, node, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return head.is_null(),
                Err(seen) => head = seen,
            }
        }
    }

    /// Takes all that is there, in the order in which it was pushed.
    pub fn take_all(&self) -> Taken<T> {
        let newest = self.head.swap(ptr::null_mut(), Ordering::Acquire);
        Taken { next: reversed(newest) }
    }
}

impl<T> Default for Completions<T> {
    fn default() -> Completions<T> {
        Completions::new()
    }
}

impl<T> Drop for Completions<T> {
    fn drop(&mut self) {
        drop(self.take_all());
    }
}

impl<T> fmt::Debug for Completions<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Completions")
    }
}

/// Turns a chain of nodes round. The chain must be owned by the caller.
fn reversed<T>(mut node: *mut Node<T>) -> *mut Node<T> {
    let mut done = ptr::null_mut();
    while !node.is_null() {
        // SAFETY: the caller swapped the chain out of the queue and owns all of it; each node came from a box, and
        // the acquiring swap made its link visible.
        let next = unsafe { ptr::replace(&raw mut (*node).next, done) };
        done = node;
        node = next;
    }
    done
}

/// What was taken; drops what is not asked for.
pub struct Taken<T> {
    next: *mut Node<T>,
}

// SAFETY: it owns its chain alone, as a list of boxes would.
unsafe impl<T: Send> Send for Taken<T> {}

impl<T> Iterator for Taken<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if self.next.is_null() {
            return None;
        }
        // SAFETY: the chain is owned by `self`, its nodes came from boxes, and `self.next` moves on at once: each is
        // turned back into its box exactly once.
        let node = unsafe { Box::from_raw(self.next) };
        self.next = node.next;
        Some(node.value)
    }
}

impl<T> FusedIterator for Taken<T> {}

impl<T> Drop for Taken<T> {
    fn drop(&mut self) {
        self.by_ref().for_each(drop);
    }
}

impl<T> fmt::Debug for Taken<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Taken")
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc;
    use std::thread;

    #[test]
    fn comes_home_in_order_and_asks_for_one_wake() {
        let queue = Completions::new();
        assert!(queue.push(Slot::new(1)));
        assert!(!queue.push(Slot::new(2)));
        assert!(!queue.push(Slot::new(3)));
        assert_eq!(queue.take_all().collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(queue.take_all().count(), 0);
        assert!(queue.push(Slot::new(4)));
    }

    #[test]
    fn drops_what_nobody_took() {
        let counted = Arc::new(());
        let queue = Completions::new();
        for _ in 0..3 {
            let _ = queue.push(Slot::new(counted.clone()));
        }
        let mut taken = queue.take_all();
        assert!(taken.next().is_some());
        assert_eq!(Arc::strong_count(&counted), 3);
        drop(taken);
        let _ = queue.push(Slot::new(counted.clone()));
        drop(queue);
        drop(Slot::new(counted.clone()));
        assert_eq!(Arc::strong_count(&counted), 1);
    }

    #[test]
    fn a_slot_gives_its_value_back() {
        let mut slot = Slot::new(5);
        *slot += 1;
        assert_eq!(slot.into_inner(), 6);
    }

    /// Four threads push as fast as they can at a taker that sleeps until it is woken: nothing may be lost, doubled
    /// or, within one thread, overtaken, and no wake may be missing (the test would hang).
    #[test]
    fn loses_nothing_under_load() {
        const THREADS: usize = 4;
        const EACH: usize = 20_000;
        let queue = Arc::new(Completions::new());
        let wakes = Arc::new(AtomicUsize::new(0));
        let (wake, woken) = mpsc::channel();
        for thread in 0..THREADS {
            let (queue, wakes, wake) = (queue.clone(), wakes.clone(), wake.clone());
            thread::spawn(move || {
                for i in 0..EACH {
                    if queue.push(Slot::new((thread, i))) {
                        wakes.fetch_add(1, Ordering::Relaxed);
                        wake.send(()).expect("the taker outlives its pushers");
                    }
                }
            });
        }
        let mut next = [0; THREADS];
        while next.iter().sum::<usize>() < THREADS * EACH {
            woken.recv().expect("a push that found the queue empty wakes");
            for (thread, i) in queue.take_all() {
                assert_eq!(i, next[thread], "overtaken in thread {thread}");
                next[thread] += 1;
            }
        }
        assert!(wakes.load(Ordering::Relaxed) <= THREADS * EACH);
    }
}
