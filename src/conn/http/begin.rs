//! From the bytes of a head to a request under way: found, parsed, admitted, routed, begun.

use super::intake::BodyReader;
use super::respond::{self, Respond};
use super::{Http, Phase, Request};
use crate::service::{self, Call, Cx, Task, session};
use crate::state::State;
use jstorrent_io_proto::admission::{Admitted, Gate, admit};
use jstorrent_io_proto::error::Refusal;
use jstorrent_io_proto::request::{BodyFraming, Head, HeadEnd, find_head_end, parse_head};
use jstorrent_io_proto::response::{Context, write_preflight};
use jstorrent_io_proto::route::{self, PortKind};

impl Http {
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
                self.refuse_outright(state, &refusal);
                bytes.len()
            }
            HeadEnd::Found(end) => {
                self.scanned = 0;
                match parse_head(&bytes[..end]) {
                    Ok(head) => self.begin_request(state, &head),
                    Err(refusal) => self.refuse_outright(state, &refusal),
                }
                end
            }
        }
    }

    fn begin_request(&mut self, state: &mut State, head: &Head<'_>) {
        state.metrics.http_requests += 1;
        state.metrics.http_in_flight += 1;
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

    /// The request as it begins: with a task, which may be no more than a refusal.
    fn admit_and_begin(&mut self, state: &mut State, head: &Head<'_>) -> Request {
        match admit(head, &self.gate(state)) {
            Err(rejected) => {
                let mut request = self.refused(head, rejected.origin, rejected.refusal);
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
        let respond = Respond::new(head, admitted.origin());
        if admitted.is_preflight() {
            return self.preflight(head, respond);
        }
        match self.begin_task(state, head, admitted) {
            Ok(task) => {
                // A ticket that holds is as good as the token.
                self.known |= admitted.by_ticket();
                Request::new(respond, head, task)
            }
            Err(refusal) => self.refused(head, admitted.origin(), refusal),
        }
    }

    fn begin_task(
        &mut self,
        state: &mut State,
        head: &Head<'_>,
        admitted: &Admitted<'_>,
    ) -> Result<Task, Refusal> {
        let found = route::find(head.method, head.path, self.port)?;
        let named = admitted.session_for(&found)?.filter(|_| admitted.authenticated());
        let session = named.map(|name| session::used(state, name)).transpose()?;
        let call = Call { head, admitted, found: &found, session };
        service::begin(&mut Cx { state, me: self.id }, &call)
    }

    fn refused(&self, head: &Head<'_>, origin: Option<&str>, refusal: Refusal) -> Request {
        let mut respond = Respond::new(head, origin);
        respond.close |= refusal.close;
        Request::new(respond, head, Task::ready(refusal.into()))
    }

    fn preflight(&mut self, head: &Head<'_>, respond: Respond) -> Request {
        let mut bytes = Vec::new();
        write_preflight(head, &Context { date: None, ..respond.context() }, &mut bytes);
        self.out.push_bytes(bytes);
        let mut request = Request::new(respond, head, Task::Ready(None));
        request.task = None;
        request
    }
}

impl Request {
    fn new(respond: Respond, head: &Head<'_>, task: Task) -> Request {
        Request {
            respond,
            body: BodyReader::new(head.body),
            task: Some(task),
            filling: None,
            owes_continue: false,
        }
    }

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
