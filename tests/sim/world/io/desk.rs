//! The books of sockets that are opened and closed over HTTP (PROTOCOL §6.2, "Promises"): which connection of a session
//! could be meant, what came of each request, and who was told of which id.

use super::course::Course;
use super::ledger::{Due, FIRST_OWN_ID, Live};
use super::link::{IoLink, Stage};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// When a connection of `/io` is one of a session's, as far as that can be told from outside.
#[derive(Debug)]
struct Presence {
    session: String,
    /// From when it may be.
    asked_at: u64,
    /// By when it was.
    sure_at: Option<u64>,
    /// It is about to go.
    is_ending: bool,
    /// The daemon took its leave of it.
    gone_at: Option<u64>,
}

impl Presence {
    /// It may own what was asked for at a time.
    fn may_own(&self, session: &str, at: u64) -> bool {
        self.session == session && self.gone_at.is_none_or(|gone| gone >= at)
    }

    /// Whoever asks from then on must find it.
    fn is_there(&self, session: &str, at: u64) -> bool {
        self.session == session && !self.is_ending && self.sure_at.is_some_and(|sure| sure <= at)
    }
}

/// What a request over HTTP is about.
#[derive(Debug, Clone)]
pub(crate) enum Task {
    OpenTcp {
        course: usize,
    },
    /// `to`: where its datagrams go that name no destination.
    OpenUdp {
        to: Option<SocketAddr>,
        /// It has a host that is none, or does not resolve.
        strange: bool,
    },
    Close {
        wire: u64,
        target: Target,
    },
}

/// Whose socket is to be closed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    /// None that this session may close.
    Nobodys,
    /// One of a connection that is the session's: `sure`, or perhaps.
    Ours { link: usize, live: Live, sure: bool },
}

/// A request about a socket.
#[derive(Debug)]
pub(crate) struct Errand {
    pub(crate) session: String,
    /// When it was put down.
    pub(crate) at: u64,
    /// When the daemon was first seen to have read all of it.
    read_at: Option<u64>,
    /// Its client does not wait for the answer any more.
    pub(crate) is_abandoned: bool,
    pub(crate) task: Task,
}

/// A socket that was opened over HTTP.
#[derive(Debug)]
struct Birth {
    link: usize,
    live: Live,
    /// An answer named it.
    told: bool,
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    presences: BTreeMap<usize, Presence>,
    pub(crate) errands: Vec<Errand>,
    /// By id on the wire.
    births: BTreeMap<u32, Birth>,
}

impl Desk {
    /// Puts a request down; returns its number.
    pub(crate) fn add(&mut self, session: &str, at: u64, task: Task) -> usize {
        let session = session.to_owned();
        self.errands.push(Errand { session, at, read_at: None, is_abandoned: false, task });
        self.errands.len() - 1
    }

    /// What can be seen of a connection now.
    pub(crate) fn look(&mut self, link: &IoLink, session: &str, now: u64) {
        if !link.has_session {
            return;
        }
        let presence = self.presences.entry(link.number).or_insert_with(|| Presence {
            session: session.to_owned(),
            asked_at: now,
            sure_at: None,
            is_ending: false,
            gone_at: None,
        });
        let introduces = |due: &Due| matches!(due, Due::Hello { .. } | Due::Auth { .. });
        if presence.sure_at.is_none()
            && link.stage == Stage::Messages
            && link.ledger.authenticated
            && !link.ledger.owed.iter().any(|owed| introduces(&owed.due))
        {
            presence.sure_at = Some(now);
        }
        presence.is_ending |= link.is_ending() || link.left;
        if link.closed {
            presence.gone_at.get_or_insert(now);
        }
    }

    /// The daemon has closed a connection.
    pub(crate) fn gone(&mut self, link: usize, now: u64) {
        if let Some(presence) = self.presences.get_mut(&link) {
            presence.is_ending = true;
            presence.gone_at.get_or_insert(now);
        }
    }

    /// Whether a session has a connection for certain.
    pub(crate) fn has_channel(&self, session: &str, now: u64) -> bool {
        self.presences.values().any(|presence| presence.is_there(session, now))
    }

    /// Whether a connection is one of that session's: for certain, or perhaps; `None` where it is not.
    pub(crate) fn is_ours(&self, link: usize, session: &str) -> Option<bool> {
        let presence = self.presences.get(&link).filter(|presence| presence.session == session)?;
        Some(presence.sure_at.is_some())
    }

    /// Whether one was there for that request that nothing has happened to since.
    pub(super) fn must_find(&self, errand: &Errand) -> bool {
        self.presences.values().any(|presence| presence.is_there(&errand.session, errand.at))
    }

    /// Whether one could be meant by that request.
    pub(super) fn may_find(&self, errand: &Errand) -> bool {
        self.presences.values().any(|presence| presence.may_own(&errand.session, errand.at))
    }

    /// Whether one that could be meant has gone meanwhile, or is about to.
    pub(super) fn may_have_lost(&self, errand: &Errand) -> bool {
        let mut all = self.presences.values();
        all.any(|presence| presence.is_ending && presence.may_own(&errand.session, errand.at))
    }

    /// Since when there is no connection any more that could be meant by a request that the daemon has read, where there
    /// was.
    pub(crate) fn lost_since(&mut self, number: usize, now: u64) -> Option<u64> {
        let errand = &mut self.errands[number];
        let read_at = *errand.read_at.get_or_insert(now);
        let errand = &*errand;
        let of = |presence: &&Presence| presence.session == errand.session;
        let gone = self.presences.values().filter(of).map(|presence| presence.gone_at);
        let last = gone.reduce(|last, gone| last.zip(gone).map(|(last, gone)| last.max(gone)))??;
        Some(last.max(read_at))
    }

    /// A connection owns what that request opened: was it the session's newest?
    pub(super) fn check_owner(&self, errand: &Errand, link: usize) {
        let owner =
            self.presences.get(&link).unwrap_or_else(|| panic!("{link} is of no session: {errand:?}"));
        assert!(owner.may_own(&errand.session, errand.at), "{owner:?} is not to own it: {errand:?}");
        let newer = |other: &&Presence| {
            other.is_there(&errand.session, errand.at)
                && owner.sure_at.is_some_and(|sure| sure < other.asked_at)
        };
        let newer = self.presences.values().find(newer);
        assert!(newer.is_none(), "{owner:?} owns it, and not {newer:?}: {errand:?}");
    }

    /// A socket was opened, on that connection.
    pub(super) fn born(&mut self, wire: u32, link: usize, live: Live) {
        assert!(wire >= FIRST_OWN_ID, "{wire} is the client's to pick");
        self.births.insert(wire, Birth { link, live, told: false });
    }

    /// An answer names a socket; on which connection it is, and what.
    pub(super) fn tell(&mut self, wire: u32) -> (usize, Live) {
        let birth = self.births.get_mut(&wire).unwrap_or_else(|| panic!("{wire} was never opened"));
        assert!(!std::mem::replace(&mut birth.told, true), "{wire} is told of twice");
        (birth.link, birth.live)
    }

    /// UDP sockets of which nobody was told, with their connections.
    pub(super) fn untold_udp(&self, session: &str) -> Vec<(u32, usize)> {
        let is = |birth: &Birth| !birth.told && matches!(birth.live, Live::Udp { .. });
        let untold = self.births.iter().filter(|(_, birth)| is(birth));
        untold
            .filter(|(_, birth)| self.is_ours(birth.link, session).is_some())
            .map(|(wire, birth)| (*wire, birth.link))
            .collect()
    }

    /// Whether a client of that session went away while a UDP socket was being opened for it.
    pub(super) fn has_abandoned_udp(&self, link: usize) -> bool {
        self.errands.iter().any(|errand| {
            errand.is_abandoned
                && matches!(errand.task, Task::OpenUdp { .. })
                && self.is_ours(link, &errand.session).is_some()
        })
    }

    /// An id that was opened over HTTP, chosen by `number`.
    pub(super) fn any_id(&self, number: u64) -> Option<u32> {
        self.births.keys().nth((number as usize) % self.births.len().max(1)).copied()
    }

    /// Whether a socket was opened over HTTP.
    pub(super) fn is_birth(&self, wire: u32) -> bool {
        self.births.contains_key(&wire)
    }

    /// When all is over: everyone who waited was told.
    pub(crate) fn check_told(&self, courses: &[Course]) {
        for (wire, birth) in self.births.iter().filter(|(_, birth)| !birth.told) {
            let abandoned = match birth.live {
                Live::Tcp(course) => courses[course].asides > 0,
                _ => self.has_abandoned_udp(birth.link),
            };
            assert!(abandoned, "nobody was told of {wire}: {birth:?}");
        }
    }
}
