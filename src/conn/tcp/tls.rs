//! A socket that is secured: what the client sends is encrypted on its way to the peer, what the peer sends is decrypted
//! before it goes to the client. Owns the course of TCP_SECURE; the records are `crate::tls`'s.

use super::{Phase, Tcp};
use crate::service::io::{self, trust};
use crate::state::State;
use crate::time::Time;
use crate::tls::Session;
use jstorrent_io_proto::errno::Errno;
use jstorrent_io_proto::limits::CONNECT_WAIT_MS_DEFAULT;
use jstorrent_io_proto::message::{ServerMessage, Status};

/// Bytes of records that are read at a time.
const READ_BYTES: usize = 16 << 10;

/// How far a socket is in being secured.
#[derive(Debug, Default)]
pub(super) enum Tls {
    /// It is in the clear.
    #[default]
    None,
    /// The roots are being loaded, or too many sockets are secured already.
    Waiting { until: Time },
    /// Records are exchanged; until the handshake is over the client is owed the outcome.
    Active { session: Box<Session>, owed: Option<u32>, until: Time },
}

impl Tcp {
    /// TCP_SECURE came, or the roots.
    pub(super) fn secure(&mut self, state: &mut State) {
        let until = match &self.tls {
            Tls::None => state.now.plus_ms(CONNECT_WAIT_MS_DEFAULT),
            Tls::Waiting { until } => *until,
            // What is secured, or is being secured, can't be secured: whatever is owed has failed.
            Tls::Active { .. } => return self.close(state, Errno::ECONNABORTED),
        };
        let open = match self.phase {
            Phase::Open { broken } => broken.is_none(),
            // Closed by the client while the roots were being loaded.
            Phase::Closing { .. } => matches!(self.tls, Tls::Waiting { .. }),
            _ => false,
        };
        let securing = state.sockets.get_mut(self.id).and_then(|socket| socket.securing.take());
        let Some(securing) = securing else { return };
        if !open || !securing.fresh {
            return self.fail_secure(state, securing.request_id);
        }
        self.tls = Tls::Waiting { until };
        let name = &securing.hostname;
        let session = match self.take_secured(state).then(|| trust(state, self.id)).flatten() {
            None => {
                if let Some(socket) = state.sockets.get_mut(self.id) {
                    socket.securing = Some(securing);
                }
                return;
            }
            Some(Err(())) => None,
            Some(Ok(trust)) => Session::begin(&trust, name, securing.skip_validation, state.wall_ms()),
        };
        match session {
            Some(session) => {
                let owed = Some(securing.request_id);
                self.tls = Tls::Active { session: Box::new(session), owed, until };
                self.progress_at = state.now;
            }
            None => self.fail_secure(state, securing.request_id),
        }
    }

    /// Takes one of the places for secured sockets, unless it has one; where there is none it is told when there is.
    fn take_secured(&mut self, state: &mut State) -> bool {
        self.has_place = self.has_place || state.take_secured(self.id);
        self.has_place
    }

    /// It is not, or no longer, secured.
    pub(super) fn give_secured(&mut self, state: &mut State) {
        match std::mem::take(&mut self.has_place) {
            true => state.secured.give(),
            false => state.secured.forget(self.id),
        }
    }

    /// TCP_SECURED with status 1, then the end.
    fn fail_secure(&mut self, state: &mut State, request_id: u32) {
        io::secure_failed(state, self.channel, request_id, self.wire);
        match self.phase {
            Phase::Connecting(_) => self.fail_connect(state, Errno::ECANCELED),
            _ => self.close(state, Errno::ECONNABORTED),
        }
    }

    /// It ends: a TCP_SECURE whose outcome is still owed has failed.
    pub(super) fn answer_secure(&mut self, state: &mut State) {
        let waiting = state.sockets.get_mut(self.id).and_then(|socket| socket.securing.take());
        let owed = if let Tls::Active { owed, .. } = &mut self.tls { owed.take() } else { None };
        for request_id in owed.into_iter().chain(waiting.map(|securing| securing.request_id)) {
            io::secure_failed(state, self.channel, request_id, self.wire);
        }
    }

    /// When a handshake is given up.
    pub(super) fn handshake_deadline(&self) -> Time {
        match &self.tls {
            Tls::Waiting { until } | Tls::Active { owed: Some(_), until, .. } => *until,
            Tls::None | Tls::Active { owed: None, .. } => Time::NEVER,
        }
    }

    /// Whether the handshake is under way, or about to be.
    pub(super) fn owes_outcome(&self) -> bool {
        matches!(self.tls, Tls::Waiting { .. } | Tls::Active { owed: Some(_), .. })
    }

    /// Whether it is, or is being, secured.
    pub(super) fn is_secured(&self) -> bool {
        !matches!(self.tls, Tls::None)
    }

    /// Records that wait for the kernel.
    pub(super) fn records(&self) -> &[u8] {
        match &self.tls {
            Tls::Active { session, .. } => session.out(),
            _ => &[],
        }
    }

    /// Room for records; `None` while it does not read: what was decrypted before waits for the client.
    pub(super) fn place_records<'a>(
        &mut self,
        state: &mut State,
        scratch: &'a mut [u8],
    ) -> Option<&'a mut [u8]> {
        self.deliver(state);
        let Tls::Active { session, .. } = &self.tls else { return None };
        let len = scratch.len().min(READ_BYTES);
        (session.plain().is_empty() && self.end.is_none()).then(|| &mut scratch[..len])
    }

    /// Records came.
    pub(super) fn received_records(&mut self, state: &mut State, records: &[u8]) {
        let Tls::Active { session, owed, .. } = &mut self.tls else { return };
        let taken = session.take(records);
        let shaken = !session.is_handshaking();
        if let Err(reason) = taken {
            log::debug!("TLS: {reason}");
            return self.close(state, Errno::ECONNABORTED);
        }
        if let Some(request_id) = owed.take_if(|_| shaken) {
            let message = ServerMessage::TcpSecured { socket_id: self.wire, status: Status::Good };
            state.tell(self.channel, request_id, &message);
        }
        self.encrypt(state);
        self.deliver(state);
        self.after(state);
    }

    /// Gives the client what was decrypted, as far as it takes it.
    pub(super) fn deliver(&mut self, state: &mut State) {
        let Tls::Active { session, .. } = &mut self.tls else { return };
        while !session.plain().is_empty() && !self.in_line {
            let granted = state.sockets.get(self.id).map_or(0, |socket| socket.may_receive());
            let n = session.plain().len().min(granted);
            if n == 0 {
                return;
            }
            if state.channels.way(self.channel, self.id, 0).is_none() {
                self.in_line = true;
                return;
            }
            state.channels.push_received(self.channel, self.wire, &session.plain()[..n]);
            session.give(n);
            state.last_used = state.now;
            state.metrics.bytes_received += n as u64;
            if let Some(socket) = state.sockets.get_mut(self.id) {
                socket.received(n);
            }
            state.turns.want(self.channel);
        }
        if session.is_at_end() && !self.peer_ended {
            self.ended(state);
        }
    }

    /// Encrypts what waits for the peer, as far as there is room for records.
    pub(super) fn encrypt(&mut self, state: &mut State) {
        loop {
            let Tls::Active { session, .. } = &mut self.tls else { return };
            let part = state.sockets.get(self.id).and_then(|socket| socket.parts().next());
            let n = part.map_or(0, |part| session.put(part));
            if n == 0 {
                return;
            }
            let grant = state.sockets.sent(self.id, n);
            self.tell_grant(state, grant);
        }
    }

    /// The kernel took `n` bytes of the records.
    pub(super) fn sent_records(&mut self, state: &mut State, n: usize) {
        if let Tls::Active { session, .. } = &mut self.tls {
            session.sent(n);
        }
        self.encrypt(state);
    }

    /// The roots are there, or the client takes more.
    pub(super) fn look_secured(&mut self, state: &mut State) {
        match self.tls {
            Tls::None => {}
            Tls::Waiting { .. } => self.secure(state),
            Tls::Active { .. } => self.deliver(state),
        }
    }

    /// Our side ends, once all has been encrypted: the peer is told so within TLS before the FIN.
    pub(super) fn say_goodbye(&mut self, state: &State) {
        let all = state.sockets.get(self.id).is_none_or(|socket| socket.is_flushed());
        if let (true, Tls::Active { session, .. }) = (all, &mut self.tls) {
            session.say_goodbye();
        }
    }
}
