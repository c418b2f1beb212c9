//! Unix: a signal handler notes the number and writes a byte to a pipe that mio watches.

use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token, Waker};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

pub(super) struct Signals {
    /// The number of the last signal; 0 = none.
    last: Arc<AtomicUsize>,
    pipe: UnixStream,
}

impl Signals {
    pub(super) fn start(registry: &Registry, token: Token, _waker: &Arc<Waker>) -> io::Result<Signals> {
        let (pipe, handlers_end) = UnixStream::pair()?;
        pipe.set_nonblocking(true)?;
        registry.register(&mut SourceFd(&pipe.as_raw_fd()), token, Interest::READABLE)?;
        let last = Arc::new(AtomicUsize::new(0));
        for signal in [SIGTERM, SIGINT, SIGHUP] {
            if signal == SIGHUP && is_ignored(signal) {
                continue;
            }
            // Actions run in the order of their registration: noted first, then told.
            flag::register_usize(signal, last.clone(), signal.unsigned_abs() as usize)?;
            low_level::pipe::register(signal, handlers_end.try_clone()?)?;
        }
        Ok(Signals { last, pipe })
    }

    pub(super) fn asked_to_end(&mut self) -> Option<&'static str> {
        let mut bytes = [0; 64];
        // Emptied until it would wait, as edge-triggered readiness asks for.
        while matches!(self.pipe.read(&mut bytes), Ok(1..)) {}
        match self.last.swap(0, Ordering::AcqRel) {
            0 => None,
            number => Some(low_level::signal_name(number as i32).unwrap_or("a signal")),
        }
    }
}

/// Whether whoever started us had the signal ignored.
fn is_ignored(signal: i32) -> bool {
    let mut now = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: nothing is changed by a null action, and the old one is written to a place that outlives the call.
    let told = unsafe { libc::sigaction(signal, std::ptr::null(), now.as_mut_ptr()) };
    // SAFETY: zeroed is a valid value of this plain structure, and the call wrote it over.
    told == 0 && unsafe { now.assume_init() }.sa_sigaction == libc::SIG_IGN
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mio::{Events, Poll};

    use super::*;

    #[test]
    fn a_signal_is_an_event_and_has_a_name() {
        let mut poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
        let mut signals = Signals::start(poll.registry(), Token(1), &waker).unwrap();
        assert_eq!(signals.asked_to_end(), None);
        let mut events = Events::with_capacity(4);
        for (signal, name) in [(SIGTERM, "SIGTERM"), (SIGINT, "SIGINT"), (SIGTERM, "SIGTERM")] {
            low_level::raise(signal).unwrap();
            poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
            assert_eq!(events.iter().next().map(mio::event::Event::token), Some(Token(1)));
            assert_eq!(signals.asked_to_end(), Some(name));
            assert_eq!(signals.asked_to_end(), None);
        }
    }
}
