//! From the bytes of a head to a request under way: found, parsed, admitted, routed, begun.

use super::intake::BodyReader;
use super::respond::{self, Respond};
use super::{About, Http, Phase, Request};
use crate::ids::SessionId;
use crate::service::{self, Call, Cx, Task, session};
use crate::state::State;
use jstorrent_io_proto::admission::{Admitted, Gate, admit, origin_in};
use jstorrent_io_proto::error::Refusal;
use jstorrent_io_proto::request::{BodyFraming, Head, HeadEnd, find_head_end, parse_head};
use jstorrent_io_proto::response::{Context, write_preflight};
use jstorrent_io_proto::route::{self, Endpoint, PortKind};
use jstorrent_io_proto::upgrade;

/// An `/io` request that was granted: the connection goes on as a WebSocket.
#[derive(Debug)]
pub struct Upgrade {
    /// The 101 answer.
    pub answer: Vec<u8>,
    /// The token was shown with it.
    pub authenticated: bool,
    /// The session that was named with the token.
    pub session: Option<SessionId>,
    /// The session that was named without it: it counts once the token is shown.
    pub named: Option<Box<str>>,
}

impl Http {
    /// What it is to go on as, with the bytes that came behind the request.
    pub fn take_upgrade(&mut self) -> Option<(Upgrade, Vec<u8>)> {
        let upgrade = self.upgrade.take()?;
        Some((upgrade, std::mem::take(&mut self.input)))
    }

    /// Looks for a head in what is there; returns how many bytes it took.
    pub(super) fn consume_head(&mut self, state: &mut State, bytes: &[u8]) -> usize {
        if bytes.is_empty() || self.out.in_flight() {
            return 0;
        }
        self.head_began(state);
        match find_head_end(bytes, self.scanned.min(bytes.len())) {
            HeadEnd::Partial { scanned } => {
                self.scanned = scanned;
                0
            }
            HeadEnd::Refused(refusal) => {
                self.refuse_head(state, bytes, &refusal);
                bytes.len()
            }
            HeadEnd::Found(end) => {
                self.scanned = 0;
                match parse_head(&bytes[..end]) {
                    Ok(head) => self.begin_request(state, &head),
                    Err(refusal) => self.refuse_head(state, &bytes[..end], &refusal),
                }
                end
            }
        }
    }

    /// Bytes that are no request. A page that may call can read what is wrong with them.
    fn refuse_head(&mut self, state: &mut State, bytes: &[u8], refusal: &Refusal) {
        let respond = Respond::to_no_request(origin_in(bytes, &self.gate(state)));
        self.refuse_with(state, &respond, refusal);
    }

    fn begin_request(&mut self, state: &mut State, head: &Head<'_>) {
        state.metrics.http_requests += 1;
        state.metrics.http_in_flight += 1;
        if let Some(upgrade) = self.try_upgrade(state, head) {
            state.metrics.http_in_flight -= 1;
            state.last_used = state.now;
            self.upgrade = Some(upgrade);
            return;
        }
        let mut request = self.admit_and_begin(state, head);
        request.respond.counted = true;
        request.decide_on_body(state, head);
        if request.owes_continue && request.task.is_some() && !request.respond.close {
            request.owes_continue = false;
            respond::send_continue(&mut self.out);
        }
        self.phase = Phase::Request(Box::new(request));
        self.progress(state);
    }

    /// Whether this is a request for `/io` that is granted; one that is not goes the way of all refusals.
    fn try_upgrade(&mut self, state: &mut State, head: &Head<'_>) -> Option<Upgrade> {
        if !head.has_token("upgrade", "websocket") {
            return None;
        }
        let admitted = admit(head, &self.gate(state)).ok().filter(|admitted| !admitted.is_preflight())?;
        let found = route::find(head.method, head.path, self.port).ok()?;
        if found.endpoint() != Endpoint::Io {
            return None;
        }
        let handshake = upgrade::check(head).ok()?;
        let authenticated = admitted.authenticated();
        let name = admitted.session_for(&found).ok()?;
        let session =
            name.filter(|_| authenticated).map(|name| session::used(state, name)).transpose().ok()?;
        let named = name.filter(|_| !authenticated).map(Box::from);
        let mut answer = Vec::new();
        handshake.write(&Context { origin: admitted.origin(), ..Context::default() }, &mut answer);
        Some(Upgrade { answer, authenticated, session, named })
    }

    /// The request as it begins: with a task, which may be no more than a refusal.
    fn admit_and_begin(&mut self, state: &mut State, head: &Head<'_>) -> Request {
        match admit(head, &self.gate(state)) {
            Err(rejected) => {
                let mut request = refused(state, head, rejected.origin, rejected.refusal);
                // A page that was turned away can tell this policy apart by what its fetch does.
                request.respond.is_stream = false;
                request
            }
            Ok(admitted) => self.admitted(state, head, &admitted),
        }
    }

    fn gate<'a>(&self, state: &'a State) -> Gate<'a> {
        let settings = &state.settings;
        Gate {
            port: if self.port == PortKind::Main { settings.port } else { settings.stream_port },
            port_kind: self.port,
            token: &settings.token,
            extension_id: state.roots.extension_id.as_deref(),
            extra_origins: &settings.extra_origins,
        }
    }

    fn admitted(&mut self, state: &mut State, head: &Head<'_>, admitted: &Admitted<'_>) -> Request {
        if admitted.authenticated() {
            self.known = true;
        }
        if admitted.is_preflight() {
            return self.preflight(state, head, admitted.origin());
        }
        let since = state.last_job();
        let mut about = About::default();
        let mut request = match self.begin_task(state, head, admitted, &mut about) {
            Ok(task) => {
                // A ticket that holds is as good as the token.
                self.known |= admitted.by_ticket();
                let respond = Respond::new(head, admitted.origin());
                Request::new(respond, BodyReader::new(head.body), Some(task), since)
            }
            Err(refusal) => refused(state, head, admitted.origin(), refusal),
        };
        request.about = about;
        request
    }

    fn begin_task(
        &mut self,
        state: &mut State,
        head: &Head<'_>,
        admitted: &Admitted<'_>,
        about: &mut About,
    ) -> Result<Task, Refusal> {
        let found = route::find(head.method, head.path, self.port)?;
        about.route = Some(found.route);
        let named = admitted.session_for(&found)?.filter(|_| admitted.authenticated());
        about.session = named.map(|name| session::used(state, name)).transpose()?;
        if let Some(session) = about.session {
            session::hold(state, session);
        }
        let call = Call { head, admitted, found: &found, session: about.session };
        service::begin(&mut Cx { state, me: self.id }, &call)
    }

    fn preflight(&mut self, state: &mut State, head: &Head<'_>, origin: Option<&str>) -> Request {
        let respond = Respond::new(head, origin);
        let mut bytes = Vec::new();
        write_preflight(head, &respond.context(&state.date()), &mut bytes);
        self.out.push_bytes(bytes);
        Request::new(respond, BodyReader::new(head.body), None, state.last_job())
    }
}

fn refused(state: &State, head: &Head<'_>, origin: Option<&str>, refusal: Refusal) -> Request {
    let mut respond = Respond::new(head, origin);
    respond.close |= refusal.close;
    let task = Task::ready(refusal.into());
    Request::new(respond, BodyReader::new(head.body), Some(task), state.last_job())
}

impl Request {
    /// A body that nobody will want is dropped where it is short; where it is long, or the client still asks whether
    /// to send it, the connection ends with the answer.
    fn decide_on_body(&mut self, state: &State, head: &Head<'_>) {
        if self.body.is_done() {
            if let Some(task) = &mut self.task {
                task.body_ended();
            }
            return;
        }
        let unwanted = match &mut self.task {
            Some(task) => matches!(task.intake(state), service::Intake::Drop),
            None => true,
        };
        let long = match head.body {
            BodyFraming::Length(length) => length > state.limits.drain_bytes_max,
            _ => true,
        };
        self.owes_continue = head.expects_continue;
        if unwanted && (long || head.expects_continue) {
            self.respond.close = true;
        }
    }
}
