//! One TCP socket as its client sees it: what may come next, and every byte accounted for.

use super::pattern;
use super::peers::{HEADER, Mode};

/// What the daemon grants towards a peer to begin with, and at most, to clients with `credit` (PROTOCOL §6.3).
const WINDOW: u64 = 1 << 20;

/// What a connect may end in, beside 125 where it was cancelled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Outcome {
    Connected,
    Refused,
    Unresolved,
}

/// A socket from its connect to its CLOSE.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) mode: Mode,
    pub(crate) key: u64,
    /// Bytes of the pattern that go one way or both.
    pub(crate) total: u64,
    /// Sent of them, the header left out, and received.
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// What its connect must end in; `None` once it has.
    pub(crate) connecting: Option<Outcome>,
    /// Whether TCP_CLOSE was sent, and whether before everything was exchanged.
    pub(crate) closing: bool,
    pub(crate) abandoned: bool,
    /// What may still be sent, where the client has `credit`.
    window: Option<u64>,
    /// Received and not granted again.
    owed: u64,
}

impl Socket {
    pub(crate) fn new(mode: Mode, key: u64, total: u64, credit: bool, connecting: Option<Outcome>) -> Socket {
        Socket {
            mode,
            key,
            total,
            sent: 0,
            received: 0,
            connecting,
            closing: false,
            abandoned: false,
            window: credit.then_some(WINDOW),
            owed: 0,
        }
    }

    /// How much of its pattern can be sent now.
    pub(crate) fn sendable(&self) -> u64 {
        if self.connecting.is_some() || self.closing || !matches!(self.mode, Mode::Echo | Mode::Sink) {
            return 0;
        }
        (self.total - self.sent).min(self.window.unwrap_or(u64::MAX))
    }

    /// Whether an event of it is sure to come, without anything more being done.
    pub(crate) fn is_awaited(&self) -> bool {
        let echo = self.mode == Mode::Echo && self.received < self.sent;
        let from_peer = matches!(self.mode, Mode::Source | Mode::Reset);
        self.connecting.is_some() || self.closing || from_peer || echo || self.window == Some(0)
    }

    /// Bytes on their way to an echo and back.
    pub(crate) fn in_flight(&self) -> u64 {
        if self.mode == Mode::Echo { self.sent - self.received } else { 0 }
    }

    /// Whether all of its own has been exchanged, so that the client closes.
    pub(crate) fn is_done(&self) -> bool {
        let complete = match self.mode {
            Mode::Echo => self.received == self.total,
            Mode::Sink => self.sent == self.total,
            Mode::Source | Mode::Reset => false,
        };
        complete && self.connecting.is_none() && !self.closing
    }

    pub(crate) fn header_sent(&mut self) {
        self.take_window(HEADER as u64);
    }

    pub(crate) fn sent(&mut self, n: u64) {
        self.sent += n;
        self.take_window(n);
    }

    fn take_window(&mut self, n: u64) {
        self.window = self.window.map(|window| window - n);
    }

    /// Takes a grant of the daemon's.
    pub(crate) fn granted(&mut self, n: u64) {
        let window = self.window.as_mut().expect("TCP_CREDIT to a client without the feature");
        *window += n;
        assert!(*window <= WINDOW, "granted beyond the window: {window}");
    }

    /// Takes bytes that must be the next ones, and returns what to grant for them, if anything yet.
    pub(crate) fn receive(&mut self, bytes: &[u8], recv_window: u64) -> Option<u32> {
        assert!(self.connecting.is_none(), "bytes before TCP_CONNECTED: {self:?}");
        let end = if self.mode == Mode::Echo { self.sent } else { self.total };
        let n = bytes.len() as u64;
        assert!(self.received + n <= end, "{n} bytes too many: {self:?}");
        assert!(pattern::is_at(bytes, self.key, self.received), "wrong bytes: {self:?}");
        self.received += n;
        self.window?;
        self.owed += n;
        assert!(self.owed <= recv_window, "more than was granted: {self:?}");
        let due = self.owed >= recv_window / 2;
        due.then(|| std::mem::take(&mut self.owed) as u32)
    }

    /// Checks that this is how its connect may end; whether it is connected.
    pub(crate) fn connected(&mut self, status: u8, errno: u32) -> bool {
        let outcome = self.connecting.take().expect("one TCP_CONNECTED");
        let expected = match outcome {
            Outcome::Connected => (status, errno) == (0, 0),
            Outcome::Refused => (status, errno) == (1, 111),
            Outcome::Unresolved => status == 1 && errno > 0x1000,
        };
        let cancelled = self.closing && (status, errno) == (1, 125);
        assert!(expected || cancelled, "TCP_CONNECTED {status} {errno:#x}: {self:?}");
        status == 0
    }

    /// Checks that this is how it may close.
    pub(crate) fn closed(&self, had_error: u8, errno: u32) {
        assert!(self.connecting.is_none(), "closed before TCP_CONNECTED: {self:?}");
        if self.abandoned {
            return;
        }
        let expected = if self.mode == Mode::Reset { (1, 104) } else { (0, 0) };
        assert_eq!((had_error, errno), expected, "TCP_CLOSE of {self:?}");
        let complete = match self.mode {
            Mode::Echo | Mode::Source => self.received == self.total,
            Mode::Sink => self.sent == self.total && self.closing,
            Mode::Reset => true,
        };
        assert!(complete, "closed before all of its bytes had come: {self:?}");
    }
}
