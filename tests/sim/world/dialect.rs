//! The shipping client's dialect, which names files by root and path in every request: what a client asks of it, and
//! what may be answered.

use super::client::{Client, HandleState};
use super::dice::Dice;
use super::disk::SimDisk;
use super::judge::{Court, json_of};
use super::request::{Body, Draft, Request, What, data};
use super::response::Response;
use super::shadow::{Shadow, ShadowFile};
use super::swarm::Swarm;
use sha1::Digest;

/// What is done to a path.
#[derive(Clone, Debug)]
pub(crate) enum PathWork {
    /// All of `length` must be there.
    Read {
        offset: u64,
        length: Option<u64>,
    },
    /// `is_right`: the body has the digest that it is said to have, where one is said.
    Write {
        offset: u64,
        data: Vec<u8>,
        is_right: bool,
    },
    Stat,
    Truncate {
        size: u64,
    },
    Delete,
    Hash {
        sha256: bool,
        offset: u64,
        length: u64,
    },
    /// Chunks of that many bytes, in parallel, as lines or in one.
    HashChunks {
        length: u64,
        chunk: u64,
        lines: bool,
    },
}

impl PathWork {
    pub(crate) fn changes(&self) -> bool {
        matches!(self, PathWork::Write { .. } | PathWork::Truncate { .. } | PathWork::Delete)
    }
}

/// Draws a request about a file of its client's.
pub(crate) fn draw(
    dice: &mut Dice,
    swarm: &Swarm,
    client: &mut Client,
    file: usize,
    shadow: &Shadow,
) -> Request {
    let view = &shadow.files[file];
    let what = |work| What::Path { file, work };
    let (root, path) = (&view.root, &view.path);
    let base64 = format!("X-Path-Base64: {}", data_encoding::BASE64.encode(path.as_bytes()));
    let size = view.size.unwrap_or(1_000);
    match dice.below(12) {
        0..=3 => {
            let offset = dice.size(size + 20);
            let length = (!dice.chance(200)).then(|| dice.size(size + 20));
            let mut draft =
                Draft::new(format!("GET /read/{root}")).field(base64).field(format!("X-Offset: {offset}"));
            if let Some(length) = length {
                draft = draft.field(format!("X-Length: {length}"));
            }
            draft.build(dice, what(PathWork::Read { offset, length }), Body::None)
        }
        4..=6 if view.stripe.is_none_or(|(from, to)| from < to) => {
            let (offset, data) = piece(dice, swarm, view);
            let draft =
                Draft::new(format!("POST /write/{root}")).field(base64).field(format!("X-Offset: {offset}"));
            let (draft, is_right) = checked(dice, draft, &data);
            let body = super::menu::body_of(dice, swarm, data.clone());
            draft.build(dice, what(PathWork::Write { offset, data, is_right }), body)
        }
        7 if view.stripe.is_none() => {
            let size = dice.size(swarm.body_max);
            let text = format!(r#"{{"path":"{path}","root_key":"{root}","length":{size}}}"#);
            let body = Body::Length(text.into_bytes());
            Draft::new("POST /ops/truncate").build(dice, what(PathWork::Truncate { size }), body)
        }
        8 if view.stripe.is_none() => {
            // Its open handles lead nowhere from then on.
            for handle in client.handles.iter_mut().filter(|handle| handle.file == file) {
                handle.state = HandleState::Gone;
            }
            let body = Body::Length(format!(r#"{{"path":"{path}","root_key":"{root}"}}"#).into_bytes());
            Draft::new("POST /ops/delete").build(dice, what(PathWork::Delete), body)
        }
        9 => {
            let (sha256, offset, length) = (dice.chance(500), dice.size(size), dice.size(size));
            let name = if sha256 { "sha256" } else { "sha1" };
            let line = format!("GET /hash/{name}/{path}?root_token={root}&offset={offset}&length={length}");
            Draft::new(line).build(dice, what(PathWork::Hash { sha256, offset, length }), Body::None)
        }
        10 => {
            let (length, lines) = (dice.size(size + 5), dice.chance(500));
            let chunk = 1 + length / dice.between(1, 40);
            let text = format!(
                r#"{{"algorithm":"sha1","chunkSize":{chunk},"fileRanges":[{{"root":"{root}","path":"{path}","offset":0,"length":{length}}}]}}"#
            );
            let accept = if lines { "application/x-ndjson" } else { "application/json" };
            Draft::new("POST /hash/from-file").field(format!("Accept: {accept}")).build(
                dice,
                what(PathWork::HashChunks { length, chunk, lines }),
                Body::Length(text.into_bytes()),
            )
        }
        _ => Draft::new(format!("GET /ops/stat?path={path}&root_key={root}")).build(
            dice,
            what(PathWork::Stat),
            Body::None,
        ),
    }
}

/// Bytes to write, and where its client may write them.
pub(crate) fn piece(dice: &mut Dice, swarm: &Swarm, view: &ShadowFile) -> (u64, Vec<u8>) {
    let (offset, length) = match view.stripe {
        Some((from, to)) => {
            let offset = from + dice.size(to - from);
            (offset, dice.size((to - offset).min(swarm.body_max)))
        }
        None => (dice.size((view.size.unwrap_or(1_000) + 100).min(1 << 19)), dice.size(swarm.body_max)),
    };
    (offset, data(dice, length))
}

/// Perhaps demands a digest, which may be wrong; not of what would need more memory than this run has.
pub(crate) fn checked(dice: &mut Dice, draft: Draft, data: &[u8]) -> (Draft, bool) {
    if !dice.chance(300) || data.len() > 200_000 {
        return (draft, true);
    }
    let is_right = dice.chance(700);
    let mut digest = sha1::Sha1::digest(data).to_vec();
    digest[0] ^= u8::from(!is_right);
    let draft = draft.field(format!("X-Expected-SHA1: {}", data_encoding::HEXLOWER.encode(&digest)));
    (draft, is_right)
}

/// Judges the answer to one.
pub(crate) fn judge(court: &mut Court<'_>, file: usize, work: &PathWork, response: &Response) {
    let view = &mut court.shadow.files[file];
    match (response.status, response.code().as_str()) {
        (200, _) => granted(view, court.disk, work, response),
        (403, "root_unknown") => assert!(court.roots_changed, "{response:?}"),
        (403 | 500 | 507, _) => failed(view, work),
        (404, "not_found") => assert!(
            view.retired || view.exists != Some(true) && !matches!(work, PathWork::Write { .. }),
            "{} was there: {response:?}",
            view.path
        ),
        (409, "hash_mismatch") => {
            assert!(matches!(work, PathWork::Write { is_right: false, .. }), "{work:?}: {response:?}");
        }
        (416, "offset_beyond_end") => beyond_end(view, work, response),
        _ => panic!("{work:?}: {response:?}"),
    }
}

fn failed(view: &mut ShadowFile, work: &PathWork) {
    match work {
        PathWork::Write { offset, data, .. } => {
            if view.exists == Some(false) {
                view.exists = None;
            }
            view.write_failed(*offset, data.len() as u64);
        }
        PathWork::Truncate { size } => view.resize_failed(*size),
        PathWork::Delete => view.retired = true,
        _ => {}
    }
}

fn beyond_end(view: &ShadowFile, work: &PathWork, response: &Response) {
    let end = match work {
        PathWork::Read { offset, length } => offset + length.unwrap_or(0),
        PathWork::Hash { offset, length, .. } => offset + length,
        PathWork::HashChunks { length, .. } => *length,
        _ => panic!("{work:?}: {response:?}"),
    };
    assert!(view.retired || view.size.is_none_or(|size| end > size), "416 within {view:?}");
}

fn granted(view: &mut ShadowFile, disk: &SimDisk, work: &PathWork, response: &Response) {
    let there = |view: &ShadowFile| view.retired || view.exists != Some(false);
    match work {
        PathWork::Read { offset, length } => {
            assert!(there(view), "{} was read and is not there", view.path);
            let count = response.body.len() as u64;
            assert!(length.is_none_or(|length| count == length), "{count} bytes for {length:?}");
            if !view.retired {
                if let (None, Some(size)) = (length, view.size) {
                    assert_eq!(count, size - offset, "all of {} from {offset}", view.path);
                }
                view.check(*offset, &response.body);
            }
        }
        PathWork::Write { offset, data, is_right } => {
            assert!(*is_right, "written though it was found wrong");
            view.exists = Some(true);
            view.wrote(*offset, data);
            let content = disk.content(&view.root, &view.path).expect("a file that was written");
            let end = *offset as usize + data.len();
            assert!(
                view.retired || data.is_empty() || content.get(*offset as usize..end) == Some(&data[..]),
                "200 for bytes of {} that the disk does not have",
                view.path
            );
        }
        PathWork::Stat => {
            assert!(there(view), "{} is not there", view.path);
            let told = json_of(response)["size"].as_u64();
            assert!(view.retired || view.size.is_none() || view.size == told, "{response:?}");
        }
        PathWork::Truncate { size } => {
            assert!(there(view), "{} is not there", view.path);
            view.resized(*size);
        }
        PathWork::Delete => {
            assert!(there(view), "{} is not there", view.path);
            view.deleted();
        }
        PathWork::Hash { .. } => {
            let hex = response.text().trim();
            assert!(
                matches!(hex.len(), 40 | 64) && hex.bytes().all(|byte| byte.is_ascii_hexdigit()),
                "{hex}"
            );
            check_hash(view, work, hex);
        }
        PathWork::HashChunks { length, chunk, lines } => {
            chunks(view, *length, *chunk, *lines, response);
        }
    }
}

fn check_hash(view: &ShadowFile, work: &PathWork, hex: &str) {
    let PathWork::Hash { sha256, offset, length } = work else { return };
    let Some(bytes) = view.certain(*offset, *length) else { return };
    let due = if *sha256 { sha2::Sha256::digest(bytes).to_vec() } else { sha1::Sha1::digest(bytes).to_vec() };
    assert_eq!(hex, data_encoding::HEXLOWER.encode(&due), "hash of {}", view.path);
}

fn chunks(view: &ShadowFile, length: u64, chunk: u64, lines: bool, response: &Response) {
    let count = length.div_ceil(chunk);
    let mut told: Vec<(u64, Option<String>)> = Vec::new();
    if lines {
        let mut done = None;
        for line in response.text().lines() {
            let value: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
            assert!(done.is_none(), "a line behind the last");
            match value["chunk"].as_u64() {
                Some(number) => told.push((number, value["hex"].as_str().map(str::to_owned))),
                None => done = value["chunks"].as_u64(),
            }
        }
        assert_eq!(done, Some(count), "the last line of {length} bytes in chunks of {chunk}");
        told.sort();
    } else {
        let value = json_of(response);
        let hexes = value["hexes"].as_array().expect("hashes");
        told.extend(hexes.iter().zip(0..).map(|(hex, number)| (number, hex.as_str().map(str::to_owned))));
    }
    assert!(told.iter().map(|(number, _)| *number).eq(0..count), "each chunk once: {told:?}");
    for (number, hex) in told {
        let offset = number * chunk;
        let (Some(hex), Some(bytes)) = (hex, view.certain(offset, chunk.min(length - offset))) else {
            continue;
        };
        assert_eq!(hex, data_encoding::HEXLOWER.encode(&sha1::Sha1::digest(bytes)), "chunk {number}");
    }
}
