//! What a client wants hashed: read, checked and counted, before anything is opened.

use super::sources::Sources;
use super::{HashFiles, Want};
use crate::job::Algorithm;
use crate::limits::{
    BODY_SMALL_BYTES_MAX, HASH_BASE_BYTES, HASH_DIGEST_BYTES_MAX, HASH_FEW_DIGEST_BYTES,
    HASH_REMEMBERED_PER_BYTE, Limits,
};
use crate::service::collect::{Pending, parse};
use crate::service::{Call, Cx, Task, files};
use crate::state::State;
use crate::state::buffers::Reservation;
use jstorrent_io_proto::error::{Code, Refusal};
use jstorrent_io_proto::limits::JSON_BODY_BYTES_MAX;
use jstorrent_io_proto::object::Object;
use jstorrent_io_proto::path::RelPath;
use jstorrent_io_proto::route::Endpoint;
use serde::Deserialize;
use std::borrow::Cow;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    algorithm: Cow<'a, str>,
    #[serde(borrow)]
    file_ranges: Vec<Object<RangeBody<'a>>>,
    chunk_size: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RangeBody<'a> {
    file_id: Option<u64>,
    #[serde(borrow)]
    root: Option<Cow<'a, str>>,
    #[serde(borrow)]
    path: Option<Cow<'a, str>>,
    #[serde(default)]
    offset: u64,
    length: Option<u64>,
}

/// Memory that is reserved for a request whose body has that many bytes, or an unknown number.
pub fn memory_bytes(announced: Option<u64>) -> u64 {
    match announced.unwrap_or(JSON_BODY_BYTES_MAX) {
        small if small <= BODY_SMALL_BYTES_MAX as u64 => HASH_BASE_BYTES,
        large => large * HASH_REMEMBERED_PER_BYTE + HASH_DIGEST_BYTES_MAX,
    }
}

/// How much of a reservation is for digests.
pub(super) fn digest_bytes_in(reserved: u64) -> u64 {
    if reserved > HASH_DIGEST_BYTES_MAX { HASH_DIGEST_BYTES_MAX } else { HASH_FEW_DIGEST_BYTES }
}

/// `POST /hash/from-file`: the body is there. `reservation`: what [`memory_bytes`] asked for.
pub fn from_file(
    cx: &mut Cx<'_>,
    pending: Pending,
    body: &[u8],
    reservation: &mut Option<Reservation>,
) -> Result<Task, Refusal> {
    let body: Body<'_> = parse(body)?;
    let algorithm = match &*body.algorithm {
        "sha1" => Algorithm::Sha1,
        "sha256" => Algorithm::Sha256,
        _ => return Err(Refusal::because(Code::BadParameter, "algorithm must be sha1 or sha256.")),
    };
    let want = match body.chunk_size {
        None => Want::Whole { as_text: false },
        Some(0) => return Err(Refusal::because(Code::BadParameter, "chunkSize must be at least 1.")),
        Some(bytes) => Want::Chunks { bytes, as_lines: pending.wants_ndjson },
    };
    let mut sources = Sources::default();
    let added =
        body.file_ranges.iter().try_for_each(|Object(range)| add(cx.state, &pending, range, &mut sources));
    let task = HashFiles::new(algorithm, want, sources, reservation.take());
    finish(cx, task, added)
}

/// What was added before a refusal is given back.
fn finish(cx: &mut Cx<'_>, mut task: HashFiles, added: Result<(), Refusal>) -> Result<Task, Refusal> {
    if let Err(refusal) = added {
        task.release(cx.state);
        return Err(refusal);
    }
    Ok(Task::HashFiles(Box::new(task)))
}

fn add(
    state: &mut State,
    pending: &Pending,
    range: &RangeBody<'_>,
    sources: &mut Sources,
) -> Result<(), Refusal> {
    match (range.file_id, &range.root, &range.path) {
        (Some(id), None, None) => {
            let session = pending.session.ok_or(Code::SessionRequired)?;
            let id = files::id_of(id)?;
            let handle = files::find(state, session, id)?.handle.clone();
            sources.add_open(state, id, handle, range.offset, range.length)
        }
        (None, Some(root), Some(path)) => {
            let root = files::root(state, root)?;
            sources.add_named(root, RelPath::parse(path, false)?, range.offset, range.length)
        }
        _ => Err(Refusal::because(Code::BadJson, "A range has either fileId, or root and path.")),
    }
}

/// `GET /hash/sha1/PATH` and `GET /hash/sha256/PATH`.
pub fn by_path(cx: &mut Cx<'_>, call: &Call<'_>) -> Result<Task, Refusal> {
    let algorithm = match call.found.endpoint() {
        Endpoint::HashPathSha256 => Algorithm::Sha256,
        _ => Algorithm::Sha1,
    };
    let query = call.query();
    let root = files::root(cx.state, &query.required("root_token")?)?;
    let path = RelPath::parse_encoded(call.found.rest, false)?;
    let offset = query.number("offset")?.unwrap_or(0);
    let mut sources = Sources::default();
    let added = sources.add_named(root, path, offset, query.number("length")?);
    let task = HashFiles::new(algorithm, Want::Whole { as_text: true }, sources, None);
    finish(cx, task, added)
}

/// Chunks that one job hashes: enough that the processor hashes several side by side and that a job is worth its way,
/// few enough that all threads have some.
pub(super) fn chunks_per_job(limits: &Limits, chunk_bytes: u64, chunks: u64) -> u64 {
    let worth = limits.hash_job_bytes.div_ceil(chunk_bytes).clamp(4, limits.hash_job_chunks_max);
    let share = if chunk_bytes < 1 << 10 { worth } else { chunks / 8 };
    worth.min(share).max(1)
}
