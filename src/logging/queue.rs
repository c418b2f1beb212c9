//! A bounded queue of lines and the thread that writes them to one output.
//! The thread sleeps without wake-ups while there is nothing to write. Lines are written in order; what is lost,
//! by a full queue or a failing output, is counted, and the count is written as a line once writing works again.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use crossbeam::channel::{Receiver, Sender, bounded};

use super::TIME_LAYOUT;
use crate::limits::LOG_QUEUE_LINES_MAX;

/// Bytes gathered for one write.
const BATCH_BYTES: usize = 64 << 10;
/// The writers call little, and nothing deep.
const STACK_BYTES: usize = 256 << 10;

/// Where a writer thread writes to.
pub(super) trait Output: Send + 'static {
    /// Writes whole lines, or none; an error loses them, and the output must be fit for the next ones.
    fn write_lines(&mut self, lines: &[u8]) -> io::Result<()>;
}

enum Item {
    Line(Arc<[u8]>),
    /// Answered once everything before it was written, or lost.
    Flush(Sender<()>),
}

/// The way to one writer. Clones lead to the same one.
#[derive(Clone)]
pub(super) struct Queue {
    items: Sender<Item>,
    lost: Arc<AtomicU64>,
}

impl Queue {
    /// Starts the writer of `output`, which messages call `name`.
    ///
    /// # Errors
    /// No thread is to be had.
    pub(super) fn start(name: &'static str, output: impl Output) -> io::Result<Queue> {
        let (items, incoming) = bounded(LOG_QUEUE_LINES_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let writer = Writer { name, output, incoming, lost: lost.clone(), lines: Vec::new(), failing: false };
        thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES).spawn(move || writer.run())?;
        Ok(Queue { items, lost })
    }

    /// Hands over a line; drops and counts it where the queue is full.
    pub(super) fn push(&self, line: Arc<[u8]>) {
        if self.items.try_send(Item::Line(line)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Asks for word of when all lines so far are written; `None` where the queue stays full until the deadline.
    pub(super) fn ask_flush(&self, deadline: Instant) -> Option<Receiver<()>> {
        let (done, told) = bounded(1);
        self.items.send_deadline(Item::Flush(done), deadline).ok().map(|()| told)
    }
}

/// The thread's state.
struct Writer<O> {
    name: &'static str,
    output: O,
    incoming: Receiver<Item>,
    lost: Arc<AtomicU64>,
    /// Gathered for the next write.
    lines: Vec<u8>,
    /// Whether the last write failed: told once, when it begins.
    failing: bool,
}

impl<O: Output> Writer<O> {
    /// Until every [`Queue`] to it is gone, which in the daemon is never.
    fn run(mut self) {
        while let Ok(first) = self.incoming.recv() {
            let mut flushed = Vec::new();
            let mut count = self.gather(first, &mut flushed);
            while self.lines.len() < BATCH_BYTES {
                let Ok(item) = self.incoming.try_recv() else { break };
                count += self.gather(item, &mut flushed);
            }
            self.write(count);
            for done in flushed {
                // Whoever asked may have given up.
                let _ = done.send(());
            }
        }
    }

    fn gather(&mut self, item: Item, flushed: &mut Vec<Sender<()>>) -> u64 {
        match item {
            Item::Line(line) => {
                self.lines.extend_from_slice(&line);
                1
            }
            Item::Flush(done) => {
                flushed.push(done);
                0
            }
        }
    }

    fn write(&mut self, count: u64) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let note =
                format!("{} [WARN ] {lost} lines could not be written to the {}\n", utc_now(), self.name);
            self.lines.extend_from_slice(note.as_bytes());
        }
        // None at all where only a flush was asked for: then the output is opened.
        let result = self.output.write_lines(&self.lines);
        self.lines.clear();
        self.lines.shrink_to(BATCH_BYTES);
        match result {
            Ok(()) => self.failing = false,
            Err(error) => {
                self.lost.fetch_add(lost + count, Ordering::Relaxed);
                // For the other output's readers; here it would only be lost again.
                if !std::mem::replace(&mut self.failing, true) {
                    log::warn!("the {} can't be written: {error}", self.name);
                }
            }
        }
    }
}

/// The time in the log's own layout.
fn utc_now() -> String {
    time::OffsetDateTime::now_utc().format(TIME_LAYOUT).unwrap_or_default()
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::{Condvar, Mutex};
    use std::time::Duration;

    use super::*;

    /// An output that keeps what is written, and can be made to wait or to fail.
    #[derive(Clone, Default)]
    pub(in super::super) struct Collected(Arc<(Mutex<State>, Condvar)>);

    #[derive(Default)]
    struct State {
        text: String,
        stuck: bool,
        failing: bool,
        /// Writes that have begun.
        begun: usize,
    }

    impl Collected {
        pub(in super::super) fn text(&self) -> String {
            self.0.0.lock().unwrap().text.clone()
        }

        fn change(&self, change: impl FnOnce(&mut State)) {
            change(&mut self.0.0.lock().unwrap());
            self.0.1.notify_all();
        }

        fn wait_until(&self, met: impl Fn(&State) -> bool) {
            let state = self.0.0.lock().unwrap();
            let (_state, late) =
                self.0.1.wait_timeout_while(state, Duration::from_secs(10), |state| !met(state)).unwrap();
            assert!(!late.timed_out());
        }
    }

    impl Output for Collected {
        fn write_lines(&mut self, lines: &[u8]) -> io::Result<()> {
            self.change(|state| state.begun += 1);
            let state = self.0.0.lock().unwrap();
            let mut state = self.0.1.wait_while(state, |state| state.stuck).unwrap();
            if state.failing {
                return Err(io::Error::other("full"));
            }
            state.text.push_str(std::str::from_utf8(lines).unwrap());
            Ok(())
        }
    }

    impl Queue {
        pub(in super::super) fn wait_until_written(&self) {
            let deadline = Instant::now() + Duration::from_secs(10);
            self.ask_flush(deadline).expect("room").recv_deadline(deadline).expect("written");
        }
    }

    fn push(queue: &Queue, line: &str) {
        queue.push(format!("{line}\n").as_bytes().into());
    }

    #[test]
    fn lines_are_written_in_order() {
        let output = Collected::default();
        let queue = Queue::start("test", output.clone()).unwrap();
        let lines: Vec<String> = (0..200).map(|n| n.to_string()).collect();
        lines.iter().for_each(|line| push(&queue, line));
        queue.wait_until_written();
        assert_eq!(output.text().lines().collect::<Vec<_>>(), lines);
    }

    #[test]
    fn a_stuck_output_drops_and_counts_and_holds_up_nobody() {
        let output = Collected::default();
        output.change(|state| state.stuck = true);
        let queue = Queue::start("test", output.clone()).unwrap();
        push(&queue, "first");
        output.wait_until(|state| state.begun == 1);
        (0..LOG_QUEUE_LINES_MAX).for_each(|_| push(&queue, "kept"));
        (0..7).for_each(|_| push(&queue, "dropped"));
        assert!(queue.ask_flush(Instant::now() + Duration::from_millis(1)).is_none());
        output.change(|state| state.stuck = false);
        queue.wait_until_written();
        let text = output.text();
        assert_eq!(text.matches("kept").count(), LOG_QUEUE_LINES_MAX);
        assert!(!text.contains("dropped"));
        assert!(text.ends_with("7 lines could not be written to the test\n"), "{text}");
    }

    #[test]
    fn a_failing_output_is_gone_on_with_and_tells_what_it_lost() {
        let output = Collected::default();
        output.change(|state| state.failing = true);
        let queue = Queue::start("test", output.clone()).unwrap();
        push(&queue, "a");
        queue.wait_until_written();
        push(&queue, "b");
        queue.wait_until_written();
        output.change(|state| state.failing = false);
        push(&queue, "c");
        queue.wait_until_written();
        let text = output.text();
        assert!(
            text.starts_with("c\n") && text.ends_with("Z [WARN ] 2 lines could not be written to the test\n"),
            "{text}"
        );
        push(&queue, "d");
        queue.wait_until_written();
        assert!(output.text().ends_with("test\nd\n"));
    }
}
