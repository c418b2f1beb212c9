//! Waits for the end of stdin, for `--watch-stdin`: the only thing that ever reads it, and only with that option (a
//! host's stdin may be inherited, and then holds a browser's messages). What it reads is thrown away.
//!
//! It is a thread because mio can't watch a regular file, and no other way works for pipes, terminals and files alike.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use mio::Waker;

/// A watched stdin.
pub struct StdinWatch(Arc<AtomicBool>);

impl StdinWatch {
    /// Starts to read stdin; its end shows as a wake by `waker`.
    ///
    /// # Errors
    /// No thread is to be had.
    pub fn start(waker: &Arc<Waker>) -> io::Result<StdinWatch> {
        StdinWatch::of(io::stdin(), waker.clone())
    }

    fn of(input: impl Read + Send + 'static, waker: Arc<Waker>) -> io::Result<StdinWatch> {
        let ended = Arc::new(AtomicBool::new(false));
        let seen = ended.clone();
        let wait = move || {
            read_to_end(input);
            seen.store(true, Ordering::Release);
            // A loop that can't be woken has ended.
            let _ = waker.wake();
        };
        thread::Builder::new().name("stdin watch".to_owned()).stack_size(128 << 10).spawn(wait)?;
        Ok(StdinWatch(ended))
    }

    /// Whether stdin has ended.
    pub fn is_at_end(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Until end of file, or an error that is as final (a terminal that hung up).
fn read_to_end(mut input: impl Read) {
    let mut bytes = [0; 4096];
    loop {
        match input.read(&mut bytes) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait_until_readable(),
            Err(_) => return,
        }
    }
}

/// Whoever shares stdin with us may have made it non-blocking.
#[cfg(unix)]
fn wait_until_readable() {
    use rustix::event::{PollFd, PollFlags, poll};
    // An error leads to another read, which tells.
    let _ = poll(&mut [PollFd::new(&io::stdin(), PollFlags::IN)], None);
}

/// Windows has no such state for what can be a stdin.
#[cfg(not(unix))]
fn wait_until_readable() {
    thread::yield_now();
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::Duration;

    use mio::{Events, Poll, Token};

    use super::*;

    #[test]
    fn only_the_end_is_told() {
        let mut poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
        let (input, mut output) = io::pipe().unwrap();
        let watch = StdinWatch::of(input, waker.clone()).unwrap();
        output.write_all(&[b'x'; 100_000]).unwrap();
        assert!(!watch.is_at_end());
        drop(output);
        let mut events = Events::with_capacity(1);
        poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
        assert_eq!(events.iter().count(), 1);
        assert!(watch.is_at_end());
    }
}
