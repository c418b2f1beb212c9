//! One connection as its client and the judge see it: what was asked and how far that has gone, what came back, and
//! whether there is an excuse where nothing did.

use super::request::{Request, What};
use super::response::{Piece, Responses};
use super::socket::{Received, SimSocket};
use super::swarm::Swarm;
use jstorrent_io_daemon::ids::ConnId;
use std::collections::VecDeque;
use std::rc::Rc;

const SECOND: u64 = 1_000_000;
const ABORTED: &str = "aborted";

/// A request that was issued and whose answer the judge has not seen.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) what: What,
    /// It proves that its client has the token.
    pub(crate) token: bool,
    /// Where in the bytes of the connection it begins, its head ends, and it ends.
    pub(crate) start: u64,
    pub(crate) head_end: u64,
    pub(crate) end: u64,
    pub(crate) waits: bool,
    pub(crate) closes: bool,
    /// Faults of the disk before.
    pub(crate) faults: u64,
}

/// Whether a connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Fine,
    Over,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) socket: Rc<SimSocket>,
    pub(crate) client: usize,
    /// Once it was accepted.
    pub(crate) id: Option<ConnId>,
    /// Its client has left.
    pub(crate) left: bool,
    pub(crate) hostile: bool,
    /// Requests that were not answered, oldest first.
    pub(crate) docket: VecDeque<Issued>,
    /// What the daemon sends, as it sends it.
    pub(crate) judge: Responses,
    /// `100 Continue` was sent for the first on the docket.
    pub(crate) continued: bool,
    /// An answer said that it is the last.
    pub(crate) closing: bool,
    /// Why answers may be missing.
    pub(crate) excuse: Option<&'static str>,
    /// A request of its that bore the token was answered.
    pub(crate) known: bool,
    /// The end of the last request that was answered.
    pub(crate) answered_end: u64,
    pub(crate) emitted_at: u64,
    /// What arrives at the client.
    seen: Responses,
    seen_count: usize,
    seen_closing: bool,
    issued_count: usize,
    issued_bytes: u64,
    outbox: VecDeque<u8>,
    sent: u64,
    /// The daemon hardly lingers: a reset may overtake what it sent.
    hasty: bool,
    /// A body that is held back until it is called for, or patience ends.
    held: Option<(Vec<u8>, u64)>,
    stalled: u64,
    ended: bool,
    /// Acts in a row that found nothing to do.
    bored: u32,
    moved: bool,
    connected_at: u64,
    acted_at: u64,
    within_head_since: Option<u64>,
    /// Since when the daemon has a part of a head.
    part_since: Option<u64>,
    backlog_since: Option<u64>,
}

impl Link {
    pub(crate) fn new(socket: Rc<SimSocket>, client: usize, hostile: bool, hasty: bool, now: u64) -> Link {
        Link {
            socket,
            client,
            id: None,
            left: false,
            hostile,
            docket: VecDeque::new(),
            judge: Responses::default(),
            continued: false,
            closing: false,
            excuse: hostile.then_some("hostile"),
            known: false,
            answered_end: 0,
            emitted_at: now,
            seen: Responses::default(),
            seen_count: 0,
            seen_closing: false,
            issued_count: 0,
            issued_bytes: 0,
            outbox: VecDeque::new(),
            sent: 0,
            hasty,
            held: None,
            stalled: 0,
            ended: false,
            bored: 0,
            moved: false,
            connected_at: now,
            acted_at: now,
            within_head_since: None,
            part_since: None,
            backlog_since: None,
        }
    }

    /// Puts a request into the line of what is to be sent.
    pub(crate) fn push(&mut self, request: Request, faults: u64, patient_until: u64) {
        let start = self.issued_bytes;
        let head_end = start + request.head.len() as u64;
        let end = head_end + request.body.len() as u64;
        self.issued_bytes = end;
        self.issued_count += 1;
        self.judge.expect(request.is_head);
        self.seen.expect(request.is_head);
        self.outbox.extend(&request.head);
        if request.waits {
            self.held = Some((request.body, patient_until));
        } else {
            self.outbox.extend(&request.body);
        }
        // Where the token is not asked for, it is not looked at.
        let unproven = matches!(request.what, What::Refused(_) | What::Text("ok" | ""));
        let (waits, token, closes) = (request.waits, request.token && !unproven, request.closes);
        self.docket.push_back(Issued {
            what: request.what,
            start,
            head_end,
            end,
            waits,
            token,
            closes,
            faults,
        });
    }

    pub(crate) fn push_garbage(&mut self, bytes: Vec<u8>) {
        self.issued_count += 1;
        self.outbox.extend(bytes);
    }

    /// Whether the client may ask for more, with that many requests under way at most.
    pub(crate) fn may_issue(&self, pipeline: u64) -> bool {
        let under_way = (self.issued_count - self.seen_count.min(self.issued_count)) as u64;
        self.held.is_none() && !self.ended && !self.seen_closing && under_way < pipeline
    }

    pub(crate) fn has_all_answers(&self) -> bool {
        self.seen_count >= self.issued_count && self.outbox.is_empty() && !self.hostile
    }

    pub(crate) fn has_sent_all(&self) -> bool {
        self.outbox.is_empty() && self.held.is_none() && !self.hostile
    }

    /// How much longer than usual to wait, after acts that found nothing to do.
    pub(crate) fn patience(&mut self) -> u64 {
        self.bored = if std::mem::take(&mut self.moved) { 0 } else { self.bored + 1 };
        1 << self.bored.min(20)
    }

    /// Reads up to `max` bytes.
    pub(crate) fn receive(&mut self, now: u64, max: usize) -> Outcome {
        match self.socket.client_receive(max) {
            Received::Nothing => {}
            Received::Bytes(bytes) => {
                self.moved = true;
                for piece in self.seen.feed(&bytes) {
                    self.see(piece);
                }
            }
            Received::End => {
                assert!(
                    self.excuse.is_some() || !self.seen.within(),
                    "an answer that breaks off without a reset"
                );
                self.close();
                return Outcome::Over;
            }
            Received::Reset => {
                self.excuse_or_complain();
                self.left = true;
                return Outcome::Over;
            }
        }
        if self.held.as_ref().is_some_and(|(_, until)| *until <= now) {
            self.release();
        }
        Outcome::Fine
    }

    fn see(&mut self, piece: Piece) {
        match piece {
            Piece::Interim => self.release(),
            Piece::Final(response) => {
                self.seen_count += 1;
                self.seen_closing |= response.closes();
                if self.seen_count == self.issued_count && !self.seen_closing {
                    self.release();
                }
            }
        }
    }

    fn release(&mut self) {
        if let Some((body, _)) = self.held.take() {
            self.outbox.extend(body);
        }
    }

    /// A reset that the client did not cause must not cost it an answer that it would have read in time.
    fn excuse_or_complain(&self) {
        let lost = self.judge.complete() - self.seen.complete();
        assert!(
            lost == 0 || self.hasty || self.excuse.is_some(),
            "{lost} answers were sent and then lost to a reset"
        );
    }

    /// Sends up to `max` bytes.
    pub(crate) fn send(&mut self, max: usize) -> Outcome {
        if self.seen_closing {
            // Whoever reads that nothing more is wanted sends no more.
            self.outbox.clear();
            self.held = None;
        }
        if self.ended || self.outbox.is_empty() {
            return Outcome::Fine;
        }
        let max = max.min(self.outbox.len());
        let Some(count) = self.socket.client_send(&self.outbox.make_contiguous()[..max]) else {
            self.excuse_or_complain();
            self.left = true;
            return Outcome::Over;
        };
        self.outbox.drain(..count);
        self.sent += count as u64;
        self.moved |= count > 0;
        Outcome::Fine
    }

    /// Notes whether the client breaks a limit of time, which is an excuse for the daemon.
    pub(crate) fn watch_the_clock(&mut self, now: u64, swarm: &Swarm) {
        let within_head = self.docket.iter().any(|one| one.start < self.sent && self.sent < one.head_end);
        let since = |was: Option<u64>, is: bool| is.then(|| was.unwrap_or(now));
        self.within_head_since = since(self.within_head_since, within_head);
        self.backlog_since = since(self.backlog_since, self.socket.unread() > 0);
        let longer = |since: Option<u64>, limit: u64| since.is_some_and(|since| now - since > limit);
        let first_is_out =
            self.docket.front().is_none_or(|first| first.start > 0 || self.sent >= first.head_end);
        let linger_us = swarm.limits.linger_ms * 1_000;
        let slow = now - self.acted_at > 5 * SECOND
            || longer(self.within_head_since, 8 * SECOND)
            || longer(self.backlog_since, swarm.limits.send_stall_ms * 1_000 / 2)
            || longer(self.backlog_since, linger_us / 2)
            || self.outbox.len() > 1
                && now - self.emitted_at.max(self.connected_at) > linger_us / 2
                && self.closing
            || !first_is_out && now - self.connected_at > 25 * SECOND;
        self.acted_at = now;
        if slow {
            self.excuse.get_or_insert("slow");
        }
    }

    /// Whoever sends the rest of a head too late must be cut.
    pub(crate) fn watch_head(&mut self, now: u64) {
        let consumed = self.socket.consumed();
        let answered = self.closing || self.judge.within();
        let is_part = |first: &Issued| first.start < consumed && consumed < first.head_end && !answered;
        self.part_since = self.docket.front().is_some_and(is_part).then(|| self.part_since.unwrap_or(now));
        let late = self.part_since.is_some_and(|since| now - since > 11 * SECOND);
        assert!(!late, "{:?} has held a part of a head for too long", self.id);
    }

    pub(crate) fn stalled_until(&self, now: u64) -> Option<u64> {
        (self.stalled > now).then_some(self.stalled)
    }

    pub(crate) fn stall(&mut self, now: u64, until: u64) {
        self.stalled = until;
        if until - now > SECOND {
            self.excuse.get_or_insert("slow");
        }
    }

    pub(crate) fn wake_up(&mut self) {
        self.stalled = 0;
        self.socket.widen();
    }

    /// The daemon has its request about a socket, and has not answered.
    pub(crate) fn waits_for_socket(&self) -> bool {
        let is_read = |first: &Issued| first.end <= self.socket.consumed();
        let first = self.docket.front().filter(|first| is_read(first));
        first.is_some_and(|first| matches!(first.what, What::Socket { .. }))
    }

    /// Breaks off in a way that may cost answers.
    pub(crate) fn abort(&mut self, how: impl FnOnce(&SimSocket)) {
        how(&self.socket);
        self.excuse = Some(ABORTED);
        self.ended = true;
        self.outbox.clear();
        self.held = None;
    }

    pub(crate) fn was_aborted(&self) -> bool {
        self.excuse == Some(ABORTED)
    }

    /// Nothing more will be sent; answers are still read.
    pub(crate) fn half_close(&mut self) {
        self.socket.client_end();
        self.ended = true;
    }

    pub(crate) fn close(&mut self) {
        self.socket.client_close();
        self.left = true;
    }
}
