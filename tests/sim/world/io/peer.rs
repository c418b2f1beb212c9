//! A peer at the other end of a TCP socket of the daemon's: it echoes, sends, swallows, stalls, dawdles, ends early or
//! breaks off, as its course says.

use super::super::dice::Dice;
use super::super::socket::{Received, SimSocket};
use super::course::{Course, Fin, Reads};
use super::pattern;
use std::rc::Rc;

/// One peer.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Its course's place among all.
    pub(crate) course: usize,
    pub(crate) socket: Rc<SimSocket>,
    /// The handshake is done.
    pub(crate) established: bool,
    /// Nothing more comes of it.
    pub(crate) over: bool,
    received: u64,
    sent: u64,
    daemon_ended: bool,
    fin_sent: bool,
    acts: u64,
    bored: u32,
}

impl Peer {
    pub(crate) fn new(course: usize, socket: Rc<SimSocket>) -> Peer {
        Peer {
            course,
            socket,
            established: false,
            over: false,
            received: 0,
            sent: 0,
            daemon_ended: false,
            fin_sent: false,
            acts: 0,
            bored: 0,
        }
    }

    /// One act; returns how long, in multiples of its usual pace, it waits for the next.
    pub(crate) fn act(&mut self, course: &mut Course, dice: &mut Dice, brisk: bool, piece_max: u64) -> u64 {
        let before = (self.received, self.sent, self.fin_sent, self.daemon_ended);
        self.acts += 1;
        if let Some((acts, by_reset)) = course.temper.breaks
            && self.acts > acts
        {
            self.over = true;
            return self.leave(course, by_reset);
        }
        self.receive(course, dice, brisk);
        if !self.over {
            self.send(course, if brisk { 1 << 16 } else { 1 + dice.size(piece_max) });
        }
        if !self.over {
            self.end(course);
        }
        let moved = before != (self.received, self.sent, self.fin_sent, self.daemon_ended);
        self.bored = if moved { 0 } else { self.bored + 1 };
        1 << self.bored.min(14)
    }

    /// Breaks off. Who closes with nothing unread sends FIN, and answers what comes after with a reset.
    fn leave(&self, course: &mut Course, by_reset: bool) -> u64 {
        course.broken = true;
        if by_reset {
            self.socket.client_reset();
        } else {
            course.fin_after.get_or_insert(self.sent);
            self.socket.client_close();
        }
        1
    }

    fn receive(&mut self, course: &mut Course, dice: &mut Dice, brisk: bool) {
        let max = match course.temper.reads {
            Reads::Never => return self.over |= self.socket.is_left_by_engine(),
            Reads::Slowly if !brisk => 1 + dice.below(100) as usize,
            Reads::Slowly | Reads::All => 1 << 16,
        };
        match self.socket.client_receive(max) {
            Received::Nothing => {}
            Received::Bytes(bytes) => {
                self.received += bytes.len() as u64;
                course.deliver(&bytes);
                assert!(course.excuses.secured || course.delivered == self.received, "two peers got bytes");
            }
            Received::End if !self.daemon_ended => {
                self.daemon_ended = true;
                course.ended(self.received);
            }
            Received::End => {}
            Received::Reset => self.was_reset(course),
        }
    }

    fn was_reset(&mut self, course: &Course) {
        self.over = true;
        course.was_reset(self.received);
    }

    fn send(&mut self, course: &mut Course, piece: u64) {
        let due = if course.temper.echo { self.received } else { course.down_total };
        let count = (due - self.sent).min(piece);
        if count == 0 || self.fin_sent {
            return;
        }
        let bytes = pattern::bytes(course.down_key(), self.sent, count as usize);
        match self.socket.client_send(&bytes) {
            None => self.was_reset(course),
            Some(count) => {
                self.sent += count as u64;
                course.sent = course.sent.max(self.sent);
            }
        }
    }

    /// Ends its side where it is time, and leaves when both have.
    fn end(&mut self, course: &mut Course) {
        let done = !course.temper.echo && self.sent == course.down_total;
        let now = match course.temper.fin {
            Fin::First => true,
            Fin::WhenDone => done || self.daemon_ended,
            Fin::AfterUs => self.daemon_ended,
        };
        if now && !self.fin_sent {
            self.fin_sent = true;
            if !self.daemon_ended {
                course.fin_after = Some(self.sent);
            }
            self.socket.client_end();
        }
        if self.fin_sent && self.daemon_ended {
            self.over = true;
            self.socket.client_close();
        }
    }
}
