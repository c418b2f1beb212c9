//! A client: what it has open, and how it behaves on its connection: pieces of any size at any pace, bodies held back
//! until they are called for, walking away in the middle.

use super::dice::Dice;
use super::io::Io;
use super::io::over_http::{self, View};
use super::link::{Link, Outcome};
use super::menu;
use super::request::Request;
use super::shadow::Shadow;
use super::swarm::Swarm;

/// A file that a client has open, or had.
#[derive(Debug, Clone)]
pub(crate) struct Handle {
    pub(crate) id: u32,
    pub(crate) file: usize,
    pub(crate) writable: bool,
    pub(crate) state: HandleState,
    /// Others have it too, and may close it.
    pub(crate) shared: bool,
}

/// What a client believes of a handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HandleState {
    Open,
    /// A close was asked, and may not have been done.
    Closing,
    Gone,
}

/// One client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) index: usize,
    pub(crate) session: String,
    pub(crate) handles: Vec<Handle>,
    /// Its views of files.
    pub(crate) files: Vec<usize>,
    pub(crate) requests_left: u64,
    /// Its connection.
    pub(crate) link: Option<usize>,
    /// It does what it can at once, and nothing bad any more.
    pub(crate) brisk: bool,
}

/// What a client acts upon.
pub(crate) struct Scene<'a> {
    pub(crate) now: u64,
    pub(crate) dice: &'a mut Dice,
    pub(crate) swarm: &'a Swarm,
    pub(crate) shadow: &'a mut Shadow,
    pub(crate) io: &'a mut Io,
    /// Faults of the disk so far.
    pub(crate) faults: u64,
}

/// What a client wants after it acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// To act again, after that many microseconds.
    Again(u64),
    /// To leave its connection, and perhaps make another.
    Leave,
}

impl Client {
    /// One act on its connection.
    pub(crate) fn act(&mut self, link: &mut Link, scene: &mut Scene<'_>) -> Wish {
        let (now, swarm) = (scene.now, scene.swarm);
        if self.brisk {
            link.wake_up();
        }
        if let Some(until) = link.stalled_until(now) {
            return Wish::Again(until - now);
        }
        link.watch_the_clock(now, swarm);
        let (piece, pace) = if self.brisk {
            (1 << 16, 300)
        } else {
            (1 + scene.dice.size(swarm.piece_max), 1 + scene.dice.size(swarm.act_us_max))
        };
        if link.receive(now, piece as usize) == Outcome::Over {
            return Wish::Leave;
        }
        if !self.brisk && self.misbehave(link, now, scene.dice, swarm) {
            return Wish::Again(pace);
        }
        self.issue(link, scene);
        let piece = if self.brisk { 1 << 16 } else { 1 + scene.dice.size(swarm.piece_max) };
        if link.send(piece as usize) == Outcome::Over {
            return Wish::Leave;
        }
        let most = if self.brisk { 10_000 } else { 500_000 };
        let wait = (pace * link.patience()).min(most).max(pace);
        self.perhaps_end(link, scene.dice).unwrap_or(Wish::Again(wait))
    }

    /// Asks the next thing, if it is time.
    fn issue(&mut self, link: &mut Link, scene: &mut Scene<'_>) {
        let swarm = scene.swarm;
        while self.requests_left > 0 && link.may_issue(swarm.pipeline) {
            let about_sockets = !link.hostile && scene.dice.chance(swarm.errands);
            let waits = about_sockets && !scene.io.is_time_for_sockets(&self.session, scene.now);
            if waits && scene.dice.chance(980) {
                return;
            }
            self.requests_left -= 1;
            if link.hostile {
                let bytes = menu::hostile(scene.dice, swarm, self);
                link.push_garbage(bytes);
                continue;
            }
            let request = if about_sockets {
                self.ask_for_socket(scene)
            } else {
                menu::draw(scene.dice, swarm, self, scene.shadow)
            };
            let patience = scene.dice.pick(&[0, 1_000, 1_000_000]);
            link.push(request, scene.faults, scene.now + patience);
        }
    }

    fn ask_for_socket(&self, scene: &mut Scene<'_>) -> Request {
        let limits = &scene.swarm.limits;
        let view = View {
            session: &self.session,
            now: scene.now,
            slow_connects: limits.connects_max < 1_000,
            slow_names: scene.swarm.pace.name_us_max > 100_000,
            short_memory: limits.bulk_bytes_max < 60 << 20,
        };
        over_http::draw(scene.io, scene.dice, &scene.swarm.io, view)
    }

    /// Stalls, breaks off or walks away; returns whether it did.
    fn misbehave(&mut self, link: &mut Link, now: u64, dice: &mut Dice, swarm: &Swarm) -> bool {
        if dice.chance(swarm.stall) {
            link.stall(now, now + dice.size(swarm.stall_us_max));
            return true;
        }
        if link.waits_for_socket() && dice.chance(swarm.gives_up) {
            link.abort(|socket| socket.client_reset());
            return true;
        }
        if !dice.chance(swarm.abort) {
            return false;
        }
        match dice.below(3) {
            0 => link.abort(|socket| socket.client_reset()),
            1 => link.abort(|socket| socket.client_close()),
            _ => link.abort(|socket| socket.client_end()),
        }
        true
    }

    /// Closes when it has what it wanted; sometimes it says early that nothing more will come, and still listens.
    fn perhaps_end(&mut self, link: &mut Link, dice: &mut Dice) -> Option<Wish> {
        let last = self.requests_left == 0;
        if link.has_all_answers() && (last || dice.chance(20)) || link.hostile && last && self.brisk {
            link.close();
            return Some(Wish::Leave);
        }
        if last && link.has_sent_all() && dice.chance(300) {
            link.half_close();
        }
        None
    }
}
