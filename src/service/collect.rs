//! A small body, collected whole before the endpoint sees it: JSON. Up to [`BODY_SMALL_BYTES_MAX`] it is kept by the
//! connection; what announces more reserves its memory first, so that thousands of connections can't add up.

use super::{Call, Cx, Intake, Step, Task, files, hash_files, paths, sockets, ticket};
use crate::ids::SessionId;
use crate::limits::BODY_SMALL_BYTES_MAX;
use crate::service::answer::Answer;
use crate::state::State;
use crate::state::buffers::Reservation;
use jstorrent_io_proto::error::{Code, Refusal};
use jstorrent_io_proto::object::Object;
use jstorrent_io_proto::route::{BodyRule, Endpoint};

/// What was in the head that the endpoint needs once the body is there.
#[derive(Clone, Copy, Debug)]
pub struct Pending {
    /// What the request is for.
    pub endpoint: Endpoint,
    /// The session that it named.
    pub session: Option<SessionId>,
    /// `Accept: application/x-ndjson`.
    pub wants_ndjson: bool,
}

/// A body on its way.
#[derive(Debug)]
pub struct Collect {
    pending: Pending,
    bytes: Vec<u8>,
    bytes_max: usize,
    /// Bytes that are to be reserved, where any are.
    wanted: Option<u64>,
    reservation: Option<Reservation>,
    complete: bool,
}

/// Begins to collect a JSON body. 413 where it announces too much, 415 where it says that it is something else.
pub fn json(call: &Call<'_>) -> Result<Task, Refusal> {
    let BodyRule::Json { bytes_max } = call.found.route.body else { return Err(Code::Internal.into()) };
    call.check_body()?;
    let announced = call.body_length();
    let endpoint = call.found.endpoint();
    let wanted = match endpoint {
        Endpoint::HashFiles => Some(hash_files::memory_bytes(announced)),
        _ if announced.is_some_and(|length| length <= BODY_SMALL_BYTES_MAX as u64) => None,
        _ => Some(announced.unwrap_or(bytes_max)),
    };
    Ok(Task::Collect(Collect {
        pending: Pending {
            endpoint,
            session: call.session,
            wants_ndjson: call.accepts("application/x-ndjson"),
        },
        bytes: Vec::new(),
        bytes_max: usize::try_from(bytes_max).unwrap_or(usize::MAX),
        wanted,
        reservation: None,
        complete: false,
    }))
}

impl Collect {
    pub(super) fn intake(&mut self) -> Intake<'_> {
        if self.wanted.is_some() && self.reservation.is_none() {
            return Intake::Later;
        }
        Intake::Collect(&mut self.bytes, self.bytes_max)
    }

    pub(super) fn body_ended(&mut self) {
        self.complete = true;
    }

    pub(super) fn advance(&mut self, cx: &mut Cx<'_>) -> Step {
        if let (Some(bytes), None) = (self.wanted, &self.reservation) {
            self.reservation = cx.state.reserve(bytes, cx.me);
        }
        if !self.complete || (self.wanted.is_some() && self.reservation.is_none()) {
            return Step::Wait;
        }
        let task = call(cx, self.pending, &self.bytes, &mut self.reservation);
        self.release(cx.state);
        match task {
            Ok(task) => Step::Become(Box::new(task)),
            Err(refusal) => Step::Reply(Answer::Refused(refusal)),
        }
    }

    pub(super) fn release(&mut self, state: &mut State) {
        self.bytes = Vec::new();
        if let Some(reservation) = self.reservation.take() {
            state.buffers.release(reservation);
        }
    }
}

/// The body is there: begins what the request asks for.
fn call(
    cx: &mut Cx<'_>,
    pending: Pending,
    body: &[u8],
    reservation: &mut Option<Reservation>,
) -> Result<Task, Refusal> {
    match pending.endpoint {
        Endpoint::OpenSocket => sockets::open(cx, pending, body),
        Endpoint::CloseSocket => sockets::close(cx, pending, body),
        Endpoint::FileOpen => files::open(cx, pending, body),
        Endpoint::StreamTicket => ticket::issue(cx, pending, body),
        Endpoint::HashFiles => hash_files::from_file(cx, pending, body, reservation),
        Endpoint::OpsDelete => paths::delete(cx, body),
        Endpoint::OpsTruncate => paths::truncate(cx, body),
        Endpoint::EnsureDir => paths::ensure_dir(cx, body),
        _ => Err(Code::Internal.into()),
    }
}

/// Reads a JSON body; 400 `bad_json` with what is wrong with it.
pub fn parse<'a, T: serde::Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map(|Object(value)| value).map_err(|error| {
        Refusal::because(
            Code::BadJson,
            format!("The body is not the JSON that this endpoint takes: {error}."),
        )
    })
}
