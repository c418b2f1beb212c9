//! What is done to a path below a root without opening a file: stat, list, delete, truncate, make a folder
//! (PROTOCOL §4, "The shipping client's dialect").

use super::answer::Answer;
use super::await_job::{Await, Then};
use super::collect::parse;
use super::list::List;
use super::{Call, Cx, Task, files, refusals, salvage};
use crate::job::{Ask, Done, Lane, Root};
use crate::state::State;
use jstorrent_io_proto::error::{Code, Refusal};
use jstorrent_io_proto::path::RelPath;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Deserialize)]
struct PathBody {
    path: String,
    root_key: String,
}

#[derive(Deserialize)]
struct TruncateBody {
    path: String,
    root_key: String,
    length: u64,
}

#[derive(Serialize)]
struct StatAnswer {
    size: u64,
    /// Milliseconds since 1970.
    mtime: u64,
    is_directory: bool,
    is_file: bool,
}

/// `GET /ops/stat?path&root_key`.
pub fn stat(cx: &mut Cx<'_>, call: &Call<'_>) -> Result<Task, Refusal> {
    let (root, path) = queried(cx.state, call)?;
    Ok(submit(cx, root.number, Ask::PathStat(root, path)))
}

/// `GET /ops/list?path&root_key`.
pub fn list(cx: &mut Cx<'_>, call: &Call<'_>) -> Result<Task, Refusal> {
    let (root, path) = queried(cx.state, call)?;
    Ok(Task::List(List::new(root, path)))
}

/// The root and path of a query; an empty path is the root itself.
fn queried(state: &State, call: &Call<'_>) -> Result<(Arc<Root>, RelPath), Refusal> {
    let query = call.query();
    let path = query.required("path")?;
    let root = files::root(state, &query.required("root_key")?)?;
    Ok((root, RelPath::parse(&path, true)?))
}

/// `POST /ops/delete`.
pub fn delete(cx: &mut Cx<'_>, body: &[u8]) -> Result<Task, Refusal> {
    let body: PathBody = parse(body)?;
    let root = files::root(cx.state, &body.root_key)?;
    let path = RelPath::parse(&body.path, false)?;
    Ok(submit(cx, root.number, Ask::PathDelete(root, path)))
}

/// `POST /ops/truncate`.
pub fn truncate(cx: &mut Cx<'_>, body: &[u8]) -> Result<Task, Refusal> {
    let body: TruncateBody = parse(body)?;
    let root = files::root(cx.state, &body.root_key)?;
    let path = RelPath::parse(&body.path, false)?;
    let length = files::within_file(body.length, "length")?;
    Ok(submit(cx, root.number, Ask::PathTruncate(root, path, length)))
}

/// `POST /files/ensure_dir`.
pub fn ensure_dir(cx: &mut Cx<'_>, body: &[u8]) -> Result<Task, Refusal> {
    let body: PathBody = parse(body)?;
    let root = files::root(cx.state, &body.root_key)?;
    let path = RelPath::parse(&body.path, true)?;
    Ok(submit(cx, root.number, Ask::MakeFolder(root, path)))
}

fn submit(cx: &mut Cx<'_>, root: crate::ids::RootNumber, ask: Ask) -> Task {
    cx.state.submit(cx.me, Lane::Disk(root), None, ask);
    Task::Await(Await::new(Then::Path))
}

/// Turns the outcome of a job on a path into the answer.
pub(super) fn answer(cx: &mut Cx<'_>, done: Done) -> Answer {
    let result = match done {
        Done::PathStat(result) => result.map(|stat| {
            Answer::json(&StatAnswer {
                size: stat.size,
                mtime: stat.mtime_ms,
                is_directory: stat.is_directory,
                is_file: stat.is_file,
            })
        }),
        Done::PathDelete(result) | Done::PathTruncate(result) | Done::MakeFolder(result) => {
            result.map(|()| Answer::empty())
        }
        other => {
            salvage::salvage(cx.state, other);
            return Answer::Refused(Code::Internal.into());
        }
    };
    result.unwrap_or_else(|error| Answer::Refused(refusals::disk(&error)))
}
