//! Judges every answer at the moment it leaves the daemon: whether it was due, whether it may be this one, and whether
//! what it claims is so on the disk. What it grants goes into the shadow.

use super::client::{Client, Handle, HandleState};
use super::dialect::{self, PathWork};
use super::disk::SimDisk;
use super::io::Io;
use super::io::over_http::{self, Bounds};
use super::link::{Issued, Link};
use super::request::{Part, What};
use super::response::{Piece, Response};
use super::shadow::Shadow;
use serde_json::Value;
use sha1::Digest;

/// What the judge knows beside the request.
pub(crate) struct Court<'a> {
    pub(crate) shadow: &'a mut Shadow,
    pub(crate) disk: &'a SimDisk,
    pub(crate) client: &'a mut Client,
    pub(crate) io: &'a mut Io,
    pub(crate) bounds: Bounds,
    /// A session may have ended under its client.
    pub(crate) sessions_may_end: bool,
    /// The roots have changed meanwhile.
    pub(crate) roots_changed: bool,
}

/// Takes what a connection has sent.
pub(crate) fn hear(court: &mut Court<'_>, link: &mut Link, bytes: &[u8], now: u64) {
    link.emitted_at = now;
    for piece in link.judge.feed(bytes) {
        match piece {
            Piece::Interim => interim(link),
            Piece::Final(response) => answered(court, link, &response),
        }
    }
}

fn interim(link: &mut Link) {
    if link.hostile {
        return;
    }
    let first = link.docket.front().expect("100 without a request");
    assert!(first.waits && !link.continued, "100 for a client that does not wait");
    assert!(link.socket.consumed() >= first.head_end, "100 before the head has come");
    link.continued = true;
}

fn answered(court: &mut Court<'_>, link: &mut Link, response: &Response) {
    assert!(!link.closing, "an answer behind the last one");
    link.closing = response.closes();
    link.continued = false;
    if link.hostile {
        assert!(response.status != 500 && response.status < 600, "hostile bytes got {response:?}");
        return;
    }
    if response.status == 408 {
        assert!(link.excuse.is_some(), "408 for a client that was in time");
        return;
    }
    let Some(issued) = link.docket.pop_front() else {
        panic!("an answer that nobody asked for: {response:?}")
    };
    let consumed = link.socket.consumed();
    let refused_early = matches!(response.status, 414 | 431);
    assert!(consumed >= issued.head_end || refused_early, "an answer before the request: {response:?}");
    assert!(
        consumed >= issued.end || response.status >= 400 || !issued.what.is_change(),
        "done before it was asked whole"
    );
    assert!(!issued.closes || link.closing, "the client asked for the end: {response:?}");
    link.answered_end = issued.end;
    link.known |= issued.token;
    let fault = court.disk.fault_count() > issued.faults
        || response.status == 502 && matches!(issued.what, What::Socket { .. });
    assert!(
        response.status < 500 || matches!(response.status, 501 | 503) || fault || court.roots_changed,
        "an error without a fault: {response:?}"
    );
    verdict(court, &issued, response);
}

fn verdict(court: &mut Court<'_>, issued: &Issued, response: &Response) {
    if response.status == 503 {
        return no_session(court, &issued.what, response);
    }
    match &issued.what {
        What::Text(text) => assert_eq!((response.status, response.text()), (200, *text)),
        What::Preflight => assert_eq!(response.status, 204),
        What::Refused(statuses) => assert!(
            statuses.contains(&response.status) || court.roots_changed && response.status == 403,
            "{statuses:?} was due: {response:?}"
        ),
        What::Hash { sha256, json, data } => hashed(*sha256, *json, data, response),
        What::Path { file, work } => path_work(court, *file, work, response),
        What::Json => drop(json_of(response)),
        What::Socket { errand } => over_http::judge(court.io, *errand, court.bounds, response),
        What::Refresh => assert!(response.status == 200 || court.roots_changed, "{response:?}"),
        What::Open { file, write, create, size } => opened(court, *file, *write, *create, *size, response),
        on_handle => on_file(court, on_handle, response),
    }
}

/// All sessions are in use, or this one ended while its request was under way.
fn no_session(court: &mut Court<'_>, what: &What, response: &Response) {
    assert!(court.sessions_may_end, "{response:?}");
    if let What::Open { file, .. } = what {
        court.shadow.files[*file].retired = true;
    }
    if let What::Close { handle } = what {
        court.client.handles[*handle].state = HandleState::Gone;
    }
}

fn hashed(sha256: bool, json: bool, data: &[u8], response: &Response) {
    assert_eq!(response.status, 200, "{response:?}");
    let digest = if sha256 { sha2::Sha256::digest(data).to_vec() } else { sha1::Sha1::digest(data).to_vec() };
    if json {
        assert_eq!(json_of(response)["hex"], data_encoding::HEXLOWER.encode(&digest));
        assert_eq!(json_of(response)["bytes"], data.len());
    } else {
        assert_eq!(response.body, digest, "hash of {} bytes", data.len());
    }
}

fn path_work(court: &mut Court<'_>, file: usize, work: &PathWork, response: &Response) {
    dialect::judge(court, file, work, response);
    if let (PathWork::Delete, 200 | 500) = (work, response.status) {
        for handle in court.client.handles.iter_mut().filter(|handle| handle.file == file) {
            handle.state = HandleState::Gone;
        }
    }
}

pub(crate) fn json_of(response: &Response) -> Value {
    serde_json::from_slice(&response.body).unwrap_or_else(|_| panic!("JSON was due: {response:?}"))
}

fn opened(
    court: &mut Court<'_>,
    file: usize,
    write: bool,
    create: bool,
    size: Option<u64>,
    response: &Response,
) {
    let view = &mut court.shadow.files[file];
    match response.status {
        status @ (200 | 201) => {
            let answer = json_of(response);
            let told = answer["size"].as_u64().expect("a size");
            let created = answer["created"] == true;
            assert_eq!(created, status == 201);
            if let (Some(exists), false) = (view.exists, view.retired) {
                assert_eq!(created, !exists, "created {}", view.path);
                assert!(exists || create, "a file was made that was not to be made");
            }
            if let (Some(before), false) = (view.size, view.retired) {
                assert_eq!(told, before.max(size.unwrap_or(0)), "size of {}", view.path);
            }
            if size.is_some() && view.size.is_some() {
                view.exists = Some(true);
                view.resized(told);
            }
            view.opened(told);
            let id = u32::try_from(answer["fileId"].as_u64().expect("a number")).expect("32 bits");
            let taken = |handle: &&Handle| handle.id == id && handle.state == HandleState::Open;
            assert!(
                id > 0 && !court.client.handles.iter().any(|handle| taken(&handle)),
                "file id {id} is taken"
            );
            court.client.handles.push(Handle {
                id,
                file,
                writable: write,
                state: HandleState::Open,
                shared: false,
            });
        }
        404 if response.code() == "not_found" => {
            assert!(view.retired || view.exists != Some(true) && !create, "{} was there", view.path);
        }
        403 | 500 | 507 => {
            assert!(response.status != 403 || court.roots_changed, "{response:?}");
            // It may have been made all the same.
            if view.exists == Some(false) && create {
                view.exists = None;
            }
            if let Some(size) = size.filter(|size| view.size.is_none_or(|before| before < *size)) {
                view.resize_failed(size);
            }
        }
        _ => panic!("{response:?}"),
    }
}

fn on_file(court: &mut Court<'_>, what: &What, response: &Response) {
    let handle = what.handle().expect("all others have theirs");
    let known = court.client.handles[handle].clone();
    let view = &mut court.shadow.files[known.file];
    match (response.status, response.code().as_str()) {
        // An answer to HEAD does not say which of the two it is.
        (404, "no_such_file" | "") => {
            let may_be = court.sessions_may_end || known.shared || known.state != HandleState::Open;
            assert!(may_be, "{what:?} lost its file");
            court.client.handles[handle].state = HandleState::Gone;
            return;
        }
        (404, "not_found") => {
            return assert!(known.state == HandleState::Gone, "{what:?} of {} found nothing", view.path);
        }
        (409, "hash_mismatch") => {
            let is_wrong = matches!(what, What::Write { is_right: false, .. });
            return assert!(is_wrong, "{what:?}: {response:?}");
        }
        (403, "root_unknown" | "") => {
            assert!(court.roots_changed, "{response:?}");
            court.client.handles[handle].state = HandleState::Gone;
            return;
        }
        (403, "read_only") => {
            let changes = what.is_change();
            return assert!(changes && !known.writable, "{what:?}: {response:?}");
        }
        (500 | 507, _) => match what {
            What::Write { offset, data, .. } => return view.write_failed(*offset, data.len() as u64),
            What::Preallocate { size, .. } if view.size.is_some_and(|before| before >= *size) => return,
            What::Preallocate { size, .. } | What::Truncate { size, .. } => return view.resize_failed(*size),
            _ => return,
        },
        _ => {}
    }
    if known.writable || !what.is_change() {
        done(court, what, known.file, response);
    } else {
        panic!("a handle for reading changed its file: {response:?}");
    }
    if let What::Close { .. } = what {
        court.client.handles[handle].state = HandleState::Gone;
    }
}

fn done(court: &mut Court<'_>, what: &What, file: usize, response: &Response) {
    let view = &mut court.shadow.files[file];
    if let What::Read { offset, length, .. } = what {
        return read(court, file, *offset, *length, response);
    }
    if let What::Stream { part, .. } = what {
        return streamed(court, file, *part, response);
    }
    assert_eq!(response.status, 200, "{what:?}: {response:?}");
    let answer = json_of(response);
    match what {
        What::Write { offset, data, is_right, .. } => {
            assert!(is_right, "written though it was found wrong");
            assert_eq!(answer["written"], data.len());
            view.wrote(*offset, data);
            let content = court.disk.content(&view.root, &view.path).expect("a file that was written");
            let end = *offset as usize + data.len();
            assert!(
                view.retired || data.is_empty() || content.get(*offset as usize..end) == Some(&data[..]),
                "200 for {} bytes at {offset} of {} that the disk does not have",
                data.len(),
                view.path
            );
        }
        What::Truncate { size, .. } => {
            assert_eq!(answer["size"], *size);
            view.resized(*size);
        }
        What::Preallocate { size, .. } => {
            let told = answer["size"].as_u64().expect("a size");
            assert!(view.retired || view.size.is_none_or(|before| told == before.max(*size)), "{response:?}");
            view.resized(told);
        }
        What::Info { .. } => {
            let told = answer["size"].as_u64();
            assert!(view.retired || view.size.is_none() || view.size == told, "{response:?}");
        }
        _ => {}
    }
}

fn streamed(court: &mut Court<'_>, file: usize, part: Part, response: &Response) {
    let view = &court.shadow.files[file];
    let there = view.size.filter(|_| !view.retired);
    let told = response.field("content-range").map(content_range);
    let size = match told {
        Some((_, size)) => size,
        None => response.field("content-length").and_then(|text| text.parse().ok()).expect("a length"),
    };
    assert!(there.is_none_or(|there| there == size), "{size} is not the size: {response:?}");
    let due = part.of(size);
    match (response.status, told) {
        (416, Some((None, _))) => return assert_eq!(due, None, "{part:?} of {size} is there"),
        (206, Some((Some((first, last)), _))) => {
            assert_eq!(due, Some((first, last + 1 - first)), "{part:?} of {size}");
        }
        // The last bytes of nothing are all of it, and no Content-Range can say so.
        (200, None) if size == 0 => assert!(matches!(part, Part::Whole | Part::Last(1..)), "{response:?}"),
        (200, None) => assert_eq!(part, Part::Whole, "a part was asked for: {response:?}"),
        _ => panic!("{response:?}"),
    }
    let (first, count) = due.unwrap_or_default();
    if response.body.is_empty() {
        // To HEAD, or of an empty file: the length was told.
        return;
    }
    assert_eq!(response.body.len() as u64, count);
    if !view.retired {
        view.check(first, &response.body);
    }
}

/// `Content-Range`: first and last byte, and the size of the whole.
fn content_range(field: &str) -> (Option<(u64, u64)>, u64) {
    let number = |text: &str| text.parse::<u64>().expect("a number");
    let (part, size) = field.strip_prefix("bytes ").and_then(|rest| rest.split_once('/')).expect("bytes");
    let part = part.split_once('-').map(|(first, last)| (number(first), number(last)));
    (part, number(size))
}

fn read(court: &mut Court<'_>, file: usize, offset: u64, length: Option<u64>, response: &Response) {
    let view = &court.shadow.files[file];
    let there = view.size.filter(|_| !view.retired);
    match response.status {
        200 => {
            let count = response.body.len() as u64;
            if let Some(size) = there {
                assert!(offset <= size, "200 behind the end");
                let due = length.unwrap_or(u64::MAX).min(size - offset);
                assert_eq!(count, due, "bytes from {offset} of {size} in {}", view.path);
            }
            assert!(length.is_none_or(|length| count <= length), "more than was asked");
            if !view.retired {
                view.check(offset, &response.body);
            }
        }
        416 => assert!(there.is_none_or(|size| offset > size), "416 within the file: {response:?}"),
        _ => panic!("{response:?}"),
    }
}
