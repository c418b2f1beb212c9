//! Open files (PROTOCOL §4): open, inspect, flush, preallocate, truncate, close. Reading and writing their bytes are
//! `read` and `write`.

use super::answer::Answer;
use super::await_job::{Await, Then};
use super::collect::{Pending, parse};
use super::{Call, Cx, Step, Task, refusals, salvage, stream};
use crate::ids::{ConnId, FileId, SessionId};
use crate::job::{Ask, Done, FileHandle, Lane, Opened, Root};
use crate::limits::{ENTRY_MARGIN_BYTES, FILE_BYTES};
use crate::state::State;
use crate::state::files::{Closing, OpenFile};
use crate::state::notes::Note;
use jstorrent_io_proto::error::{Code, Refusal};
use jstorrent_io_proto::limits::FILES_PER_SESSION_MAX;
use jstorrent_io_proto::path::RelPath;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The largest size or offset of a file that systems take.
pub const FILE_BYTES_MAX: u64 = i64::MAX as u64;

#[derive(Deserialize)]
struct OpenBody {
    root: String,
    path: String,
    #[serde(default)]
    write: bool,
    #[serde(default)]
    create: bool,
    size: Option<u64>,
    #[serde(default)]
    deferred: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OpenAnswer {
    file_id: u32,
    size: u64,
    created: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InfoAnswer {
    file_id: u32,
    size: u64,
    allocated: u64,
    mtime_ms: u64,
    writable: bool,
    deferred: bool,
}

#[derive(Serialize)]
struct SizeAnswer {
    size: u64,
}

/// The root of that key, or 403.
pub fn root(state: &State, key: &str) -> Result<Arc<Root>, Refusal> {
    state.roots.get(key).cloned().ok_or_else(|| Code::RootUnknown.into())
}

/// The file that a body names by number. A number that none can have is that of no file.
pub fn id_of(number: u64) -> Result<FileId, Refusal> {
    u32::try_from(number).map(FileId).map_err(|_| Code::NoSuchFile.into())
}

/// An open file of a session: 404 where it has none of that number, 403 where its root is no longer permitted.
pub fn find(state: &State, session: SessionId, id: FileId) -> Result<&OpenFile, Refusal> {
    let file = state.files.get(id, session).ok_or(Code::NoSuchFile)?;
    if state.roots.permits(&file.handle.root) { Ok(file) } else { Err(Code::RootUnknown.into()) }
}

/// The file that a request names by number, with that number.
pub fn named(cx: &Cx<'_>, call: &Call<'_>) -> Result<(FileId, Arc<FileHandle>), Refusal> {
    let id = FileId(call.found.file_id);
    Ok((id, find(cx.state, call.owner()?, id)?.handle.clone()))
}

/// Notes that a request is at work on a file until [`unuse`].
pub fn hold(state: &mut State, id: FileId) {
    if let Some(file) = state.files.any_mut(id) {
        file.in_use += 1;
    }
}

/// A request or job has ended its work on a file; where it was the last, and someone waits to close it, they go on.
pub fn unuse(state: &mut State, id: FileId) {
    let Some(file) = state.files.any_mut(id) else { return };
    file.in_use -= 1;
    if let (0, Some(closing)) = (file.in_use, file.closing) {
        finish_closing(state, id, closing);
    }
}

fn finish_closing(state: &mut State, id: FileId, closing: Closing) {
    let Some(file) = state.files.remove(id) else { return };
    if let Some(session) = state.sessions.get_mut(file.session) {
        session.files -= 1;
    }
    if let Some(deferred) = file.deferred {
        state.ranges.runs -= deferred.available.len();
    }
    salvage::forget(state, file.handle);
    if closing.asked_by != ConnId::NOBODY {
        state.notes.send(closing.asked_by, Note::Look);
    }
}

/// Closes a file for `asked_by`, who is told by [`Note::Look`] when it has gone; streams of it are cut at once.
pub fn start_closing(state: &mut State, id: FileId, asked_by: ConnId) {
    let Some(file) = state.files.any_mut(id) else { return };
    let closing = Closing { asked_by };
    file.closing = Some(closing);
    let idle = file.in_use == 0;
    for stream in std::mem::take(&mut file.streams).into_keys() {
        state.notes.send(stream, Note::Cut);
    }
    for ticket in std::mem::take(&mut file.tickets) {
        state.sessions.tickets.remove(&ticket);
    }
    if idle {
        finish_closing(state, id, closing);
    }
}

/// `POST /files/open`.
pub fn open(cx: &mut Cx<'_>, pending: Pending, body: &[u8]) -> Result<Task, Refusal> {
    let session = pending.session.ok_or(Code::SessionRequired)?;
    let body: OpenBody = parse(body)?;
    if body.size.is_some() && !body.write {
        return Err(Refusal::because(
            Code::BadParameter,
            "size reserves space, for which write must be true.",
        ));
    }
    let size = body.size.map(|size| within_file(size, "size")).transpose()?;
    let root = root(cx.state, &body.root)?;
    let path = RelPath::parse(&body.path, false)?;
    let too_many = cx.state.files.len() >= cx.state.limits.files_max;
    if !cx.state.entries_fit(FILE_BYTES + ENTRY_MARGIN_BYTES) {
        return Err(no_memory());
    }
    if too_many
        || cx.state.sessions.get(session).is_some_and(|session| session.files >= FILES_PER_SESSION_MAX)
    {
        return Err(Code::TooManyFiles.into());
    }
    let lane = Lane::Disk(root.number);
    let ask = Ask::Open { root, path, write: body.write, create: body.create, size };
    cx.state.submit(cx.me, lane, None, ask);
    Ok(Task::Await(Await::new(Then::Opened { session, deferred: body.deferred })))
}

/// A size or offset that systems take, or 400.
pub fn within_file(value: u64, name: &str) -> Result<u64, Refusal> {
    if value <= FILE_BYTES_MAX {
        return Ok(value);
    }
    Err(Refusal::because(Code::BadParameter, format!("{name} must be at most {FILE_BYTES_MAX}.")))
}

/// `GET /files/N`.
pub fn info(cx: &mut Cx<'_>, call: &Call<'_>) -> Result<Task, Refusal> {
    let session = call.owner()?;
    let (id, file) = named(cx, call)?;
    submit(cx, id, file.root.number, Ask::Inspect(file));
    Ok(Task::Await(Await::new(Then::Info(id, session))))
}

/// `POST /files/N/flush`.
pub fn flush(cx: &mut Cx<'_>, call: &Call<'_>) -> Result<Task, Refusal> {
    let (id, file) = named(cx, call)?;
    submit(cx, id, file.root.number, Ask::Flush(file));
    Ok(Task::Await(Await::new(Then::Flushed)))
}

/// `POST /files/N/preallocate`.
pub fn preallocate(cx: &mut Cx<'_>, call: &Call<'_>) -> Result<Task, Refusal> {
    let (id, file) = named(cx, call)?;
    let query = call.query();
    let size = within_file(query.required_number("size")?, "size")?;
    let full = match query.get("mode")?.as_deref() {
        None | Some("full") => true,
        Some("sparse") => false,
        Some(_) => return Err(Refusal::because(Code::BadParameter, "mode must be full or sparse.")),
    };
    writable(&file)?;
    submit(cx, id, file.root.number, Ask::Preallocate { file, size, full });
    Ok(Task::Await(Await::new(Then::Preallocated(size))))
}

/// `POST /files/N/truncate`.
pub fn truncate(cx: &mut Cx<'_>, call: &Call<'_>) -> Result<Task, Refusal> {
    let (id, file) = named(cx, call)?;
    let size = within_file(call.query().required_number("size")?, "size")?;
    writable(&file)?;
    submit(cx, id, file.root.number, Ask::Truncate { file, size });
    Ok(Task::Await(Await::new(Then::Truncated(size))))
}

/// `POST /files/N/close`.
pub fn close(cx: &mut Cx<'_>, call: &Call<'_>) -> Result<Task, Refusal> {
    let id = FileId(call.found.file_id);
    // A root that has gone is no reason to keep a file open.
    cx.state.files.get(id, call.owner()?).ok_or(Code::NoSuchFile)?;
    start_closing(cx.state, id, cx.me);
    Ok(Task::Await(Await::new(Then::Closed(id))))
}

/// 403 where a handle is for reading only.
pub fn writable(file: &FileHandle) -> Result<(), Refusal> {
    if file.writable { Ok(()) } else { Err(Code::ReadOnly.into()) }
}

fn submit(cx: &mut Cx<'_>, id: FileId, root: crate::ids::RootNumber, ask: Ask) {
    cx.state.submit(cx.me, Lane::Disk(root), Some(id), ask);
}

/// Whether a file that is closing has gone.
pub(super) fn closed(cx: &Cx<'_>, id: FileId) -> Step {
    if cx.state.files.any(id).is_some() { Step::Wait } else { Step::Reply(Answer::done()) }
}

/// Turns the outcome of a job into the answer.
pub(super) fn answer(cx: &mut Cx<'_>, then: Then, done: Done) -> Answer {
    match (then, done) {
        (Then::Opened { session, deferred }, Done::Open(Ok(opened))) => {
            opened_answer(cx, session, deferred, opened)
        }
        (Then::Info(id, session), Done::Inspect(Ok(stat))) => match cx.state.files.any(id) {
            Some(file) if file.session == session => Answer::json(&InfoAnswer {
                file_id: id.0,
                size: stat.size,
                allocated: stat.allocated,
                mtime_ms: stat.mtime_ms,
                writable: file.handle.writable,
                deferred: file.deferred.is_some(),
            }),
            _ => Answer::Refused(Code::NoSuchFile.into()),
        },
        (Then::Flushed, Done::Flush(Ok(()))) => Answer::done(),
        (Then::Preallocated(_), Done::Preallocate(Ok(size)))
        | (Then::Truncated(size), Done::Truncate(Ok(()))) => Answer::json(&SizeAnswer { size }),
        (
            _,
            Done::Open(Err(error))
            | Done::Inspect(Err(error))
            | Done::Flush(Err(error))
            | Done::Truncate(Err(error)),
        )
        | (_, Done::Preallocate(Err(error))) => Answer::Refused(refusals::disk(&error)),
        (_, done) => {
            salvage::salvage(cx.state, done);
            Answer::Refused(Code::Internal.into())
        }
    }
}

fn no_memory() -> Refusal {
    Refusal::because(Code::Overloaded, "There is no memory for another open file: close some.")
}

/// Whether what permitted the opening still holds, now that the file is open.
fn still_may_open(state: &State, session: SessionId, file: &FileHandle) -> Result<(), Refusal> {
    let ended = || Refusal::because(Code::Overloaded, "The session ended meanwhile: open the file again.");
    let session = state.sessions.get(session).ok_or_else(ended)?;
    if session.files >= FILES_PER_SESSION_MAX || state.files.owned() >= state.limits.files_max {
        return Err(Code::TooManyFiles.into());
    }
    if !state.entries_fit(FILE_BYTES) {
        return Err(no_memory());
    }
    if state.roots.permits(&file.root) { Ok(()) } else { Err(Code::RootUnknown.into()) }
}

fn opened_answer(cx: &mut Cx<'_>, session: SessionId, deferred: bool, opened: Opened) -> Answer {
    let state = &mut *cx.state;
    if let Err(refusal) = still_may_open(state, session, &opened.file) {
        salvage::forget(state, opened.file);
        return Answer::Refused(refusal);
    }
    if let Some(session) = state.sessions.get_mut(session) {
        session.files += 1;
    }
    let tag = u64::from_le_bytes(state.random.bytes());
    let file = OpenFile {
        session,
        handle: opened.file,
        deferred: deferred.then(|| stream::new_deferred(state)),
        // RFC 9110 §8.8.2.1: no validator lies in the future.
        mtime_ms: opened.mtime_ms.min(state.wall_ms()),
        tag,
        in_use: 0,
        closing: None,
        streams: BTreeMap::new(),
        tickets: Vec::new(),
    };
    let file_id = state.files.add(file).0;
    let status = if opened.created { 201 } else { 200 };
    Answer::json_with(status, &OpenAnswer { file_id, size: opened.size, created: opened.created })
}
