//! The course of one TCP socket: what is to go over it both ways, how its peer behaves, and how far it has gone as each
//! of the three that take part saw it. It judges what the daemon says and does about the socket.

use super::pattern;
use jstorrent_io_proto::errno::Errno;
use jstorrent_io_proto::limits::SOCKET_WINDOW_BYTES_DEFAULT;

/// What an address does with who connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Connects,
    Refuses(Errno),
    /// Nothing comes back.
    Silent,
    /// The system does not even try.
    AtOnce(Errno),
}

/// How a peer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    All,
    Slowly,
    Never,
}

/// When a peer ends its side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fin {
    WhenDone,
    AfterUs,
    First,
}

/// How a peer behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Temper {
    pub(crate) reads: Reads,
    /// It sends what it gets.
    pub(crate) echo: bool,
    pub(crate) fin: Fin,
    /// It breaks off after so many acts: by a reset, or by closing.
    pub(crate) breaks: Option<(u64, bool)>,
}

/// Why what is wrong elsewhere may be right here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Excuses {
    /// The client's connection has gone, or is about to.
    pub(crate) lost: bool,
    /// Its connect may take longer than it has.
    pub(crate) slow: bool,
    /// The client asked for what can't be: TLS with one who speaks none.
    pub(crate) secured: bool,
    /// Too many sockets may be open.
    pub(crate) crowded: bool,
}

/// One socket.
#[derive(Debug)]
pub(crate) struct Course {
    /// The port that stands for it.
    pub(crate) port: u16,
    /// The connection whose client has it, once that is known.
    pub(crate) link: Option<usize>,
    /// Of each address that is tried.
    pub(crate) fates: Vec<Fate>,
    /// Errors that a connect may end with, beyond the fates'.
    pub(crate) errors: Vec<Errno>,
    pub(crate) by_name: bool,
    /// The request over HTTP that it is to be opened for, by its number on the desk.
    pub(crate) errand: Option<usize>,
    /// The port of the listener that its peer came by.
    pub(crate) server: Option<u16>,
    pub(crate) temper: Temper,
    pub(crate) up_total: u64,
    pub(crate) down_total: u64,
    pub(crate) excuses: Excuses,
    /// The client has: sent, been granted, granted (as far as the daemon has read it), heard; closed it.
    pub(crate) pushed: u64,
    pub(crate) granted_up: u64,
    pub(crate) granted_down: Option<u64>,
    pub(crate) heard: u64,
    pub(crate) closed: bool,
    /// How many asked over HTTP for its end, or went away before they were told of it; and bytes that the daemon had
    /// for the peer before the first did.
    pub(crate) asides: u32,
    pub(crate) had_before: u64,
    /// Bytes that the daemon certainly has, or had.
    pub(crate) settled: u64,
    /// The daemon told the client that it is open, and that it is closed.
    pub(crate) open: bool,
    pub(crate) told: Option<Errno>,
    /// The peer has: taken, sent; ended after so many bytes; broken off.
    pub(crate) carried: u64,
    pub(crate) delivered: u64,
    pub(crate) sent: u64,
    pub(crate) fin_after: Option<u64>,
    pub(crate) broken: bool,
}

impl Course {
    pub(crate) fn new(port: u16, temper: Temper, up_total: u64, down_total: u64) -> Course {
        Course {
            port,
            link: None,
            fates: vec![Fate::Connects],
            errors: Vec::new(),
            by_name: false,
            errand: None,
            server: None,
            temper,
            up_total,
            down_total: if temper.fin == Fin::First { 0 } else { down_total },
            excuses: Excuses::default(),
            pushed: 0,
            granted_up: 0,
            granted_down: None,
            heard: 0,
            closed: false,
            asides: 0,
            had_before: 0,
            settled: 0,
            open: false,
            told: None,
            carried: 0,
            delivered: 0,
            sent: 0,
            fin_after: None,
            broken: false,
        }
    }

    pub(crate) fn up_key(&self) -> u64 {
        2 * u64::from(self.port)
    }

    pub(crate) fn down_key(&self) -> u64 {
        self.up_key() + u64::from(!self.temper.echo)
    }

    /// Its end is asked for over HTTP; when that is heard nobody knows.
    pub(crate) fn ask_aside(&mut self) {
        if self.asides == 0 {
            self.had_before = self.settled;
        }
        self.asides += 1;
    }

    /// The client, or someone over HTTP, asked for its end.
    pub(crate) fn is_given_up(&self) -> bool {
        self.closed || self.asides > 0
    }

    /// It is open, and nobody has done anything to end it but, perhaps, over HTTP.
    pub(crate) fn is_left_alone(&self) -> bool {
        let left = self.fin_after.is_some() || self.broken || self.closed || self.excuses.secured;
        self.open
            && self.told.is_none()
            && !left
            && self.temper.reads == Reads::All
            && !self.may_have_overrun()
    }

    /// Its peer takes what comes and does not break off.
    pub(crate) fn is_healthy(&self) -> bool {
        self.temper.reads != Reads::Never && self.temper.breaks.is_none()
    }

    /// Bytes that the client may send, with the feature `credit`.
    pub(crate) fn window(&self) -> u64 {
        (SOCKET_WINDOW_BYTES_DEFAULT + self.granted_up).saturating_sub(self.pushed)
    }

    /// What is to come from the peer in all.
    pub(crate) fn down_due(&self) -> u64 {
        if self.temper.echo { self.up_total } else { self.down_total }
    }

    /// Everything went both ways.
    pub(crate) fn is_complete(&self) -> bool {
        self.heard >= self.down_due() && (self.delivered >= self.up_total || self.fin_after.is_some())
    }

    /// The client sent more than it had been granted when it did.
    pub(crate) fn may_have_overrun(&self) -> bool {
        self.granted_down.is_some() && self.pushed > SOCKET_WINDOW_BYTES_DEFAULT + self.granted_up
    }

    /// The daemon answers a TCP_CONNECT.
    pub(crate) fn connected(&mut self, errno: Errno) {
        if !errno.is_error() {
            assert!(self.fates.contains(&Fate::Connects), "nobody connected: {self:?}");
            self.open = true;
            return;
        }
        let by_fate = self.fates.iter().any(|fate| match fate {
            Fate::Refuses(due) | Fate::AtOnce(due) => *due == errno,
            Fate::Connects | Fate::Silent => false,
        });
        let silent = self.fates.contains(&Fate::Silent);
        let may = by_fate
            || self.errors.contains(&errno)
            || errno == Errno::ECANCELED && (self.is_given_up() || self.excuses.secured)
            || errno == Errno::ETIMEDOUT && (silent || self.excuses.slow)
            || errno == Errno::EMFILE && self.excuses.crowded
            || errno == Errno::ENOBUFS && self.may_have_overrun();
        assert!(may, "{errno} for no reason: {self:?}");
    }

    /// The daemon gives the client bytes.
    pub(crate) fn hear(&mut self, data: &[u8]) {
        assert!(self.open && self.told.is_none(), "bytes of a socket that is not open: {self:?}");
        assert!(!data.is_empty(), "a TCP_RECV of nothing");
        pattern::check(self.down_key(), self.heard, data, "to the client");
        self.heard += data.len() as u64;
        assert!(self.heard <= self.sent, "more than the peer sent");
        if let Some(granted) = self.granted_down {
            assert!(self.heard <= granted, "{} bytes, {granted} were granted: {self:?}", self.heard);
        }
    }

    /// The daemon grants the client bytes.
    pub(crate) fn grant(&mut self, bytes: u32) {
        assert!(self.granted_down.is_some(), "credit without the feature");
        assert!(self.open && self.told.is_none(), "credit for a socket that is not open");
        self.granted_up += u64::from(bytes);
        assert!(self.granted_up <= self.carried, "credit for bytes that nobody took: {self:?}");
    }

    /// The daemon tells the client of the end.
    pub(crate) fn close(&mut self, had_error: bool, errno: Errno) {
        assert!(self.open && self.told.is_none(), "a second CLOSE, or one of nothing: {self:?}");
        assert_eq!(had_error, errno.is_error());
        self.told = Some(errno);
        let may = match errno {
            Errno::NONE => {
                if let (Some(sent), false) = (self.fin_after, self.is_given_up()) {
                    assert_eq!(self.heard, sent, "bytes before the FIN are missing: {self:?}");
                }
                self.is_given_up() || self.fin_after.is_some()
            }
            Errno::ECONNRESET | Errno::EPIPE => self.broken,
            Errno::ETIMEDOUT => self.is_given_up() || self.temper.reads != Reads::All,
            Errno::ENOBUFS => self.may_have_overrun(),
            Errno::ECONNABORTED => self.excuses.secured,
            _ => false,
        };
        // Accepted late, a peer may have given up before.
        assert!(may || self.excuses.lost, "closed with {errno} for no reason: {self:?}");
    }

    /// The peer got bytes.
    pub(crate) fn deliver(&mut self, bytes: &[u8]) {
        if self.excuses.secured {
            return;
        }
        pattern::check(self.up_key(), self.delivered, bytes, "to the peer");
        self.delivered += bytes.len() as u64;
        assert!(self.delivered <= self.pushed, "more than the client sent");
    }

    /// A peer that got so many bytes was sent FIN.
    pub(crate) fn ended(&self, received: u64) {
        if self.is_beside(received) {
            return;
        }
        assert!(
            self.is_given_up() || self.fin_after.is_some(),
            "the daemon ended what nobody closed: {self:?}"
        );
        if self.fin_after.is_some() || self.may_have_overrun() {
            return;
        }
        let due = if self.asides > 0 { self.had_before } else { self.pushed };
        assert!(self.delivered >= due, "FIN before the last byte: {self:?}");
    }

    /// A peer that got so many bytes was sent RST.
    pub(crate) fn was_reset(&self, received: u64) {
        let may = self.is_beside(received)
            || self.is_given_up()
            || self.told.is_some()
            || self.fin_after.is_some()
            || self.may_have_overrun()
            || self.temper.reads != Reads::All;
        assert!(may, "the daemon reset what nobody closed: {self:?}");
    }

    /// Nothing can be said of it: its client has gone, another address was faster, or nobody was told of it.
    fn is_beside(&self, received: u64) -> bool {
        let untold = !self.open && (self.server.is_some() || self.excuses.slow);
        self.link.is_none()
            || untold
            || self.excuses.lost
            || self.excuses.secured
            || self.by_name && received == 0
    }
}
