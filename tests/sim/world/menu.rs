//! What a client asks next: something it may ask, by what it has open and what it was told, or something that must be
//! refused.

use super::client::{Client, HandleState};
use super::dialect;
use super::dice::Dice;
use super::request::{Body, Draft, PORT, Part, Request, What, data};
use super::shadow::{Shadow, ShadowFile};
use super::swarm::Swarm;

/// The largest file that a client makes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Draws a request.
pub(crate) fn draw(dice: &mut Dice, swarm: &Swarm, client: &mut Client, shadow: &mut Shadow) -> Request {
    if dice.chance(swarm.refused) {
        return refused(dice, swarm, client);
    }
    let usable: Vec<usize> = (0..client.handles.len())
        .filter(|index| {
            let handle = &client.handles[*index];
            handle.state == HandleState::Open && !shadow.files[handle.file].retired
        })
        .collect();
    match dice.below(13) {
        0 => small(dice),
        1 => hash(dice, swarm),
        2 => open(dice, swarm, client, shadow),
        3 => about(dice),
        4 | 5 => {
            let file = dice.pick(&client.files);
            if shadow.files[file].retired {
                small(dice)
            } else {
                dialect::draw(dice, swarm, client, file, shadow)
            }
        }
        _ if usable.is_empty() => open(dice, swarm, client, shadow),
        _ => {
            let handle = dice.pick(&usable);
            on_file(dice, swarm, client, handle, shadow)
        }
    }
}

fn small(dice: &mut Dice) -> Request {
    let (line, text) =
        dice.pick(&[("GET /health", "ok"), ("HEAD /health", ""), ("POST /control/ping", "pong")]);
    let mut draft = Draft::new(line);
    draft.closes = dice.chance(30);
    let body = match dice.below(8) {
        0 => Body::Length(data(dice, 30)),
        1 => Body::Chunked(data(dice, 30)),
        _ => Body::None,
    };
    // A body that nobody asked for ends the connection where it is long, or has no length.
    draft.build(dice, What::Text(text), body)
}

/// Questions about the daemon as a whole.
fn about(dice: &mut Dice) -> Request {
    match dice.below(4) {
        0 => {
            let body = Body::Length(b"{}".to_vec());
            Draft::new("POST /api/read-rpc-info-from-disk").build(dice, What::Refresh, body)
        }
        choice => {
            let line = ["GET /roots", "GET /network/interfaces", "GET /stats"][choice as usize - 1];
            Draft::new(line).build(dice, What::Json, Body::None)
        }
    }
}

pub(crate) fn body_of(dice: &mut Dice, swarm: &Swarm, data: Vec<u8>) -> Body {
    if dice.chance(swarm.chunked) { Body::Chunked(data) } else { Body::Length(data) }
}

fn hash(dice: &mut Dice, swarm: &Swarm) -> Request {
    let (sha256, json) = (dice.chance(500), dice.chance(500));
    let length = dice.size(swarm.body_max);
    let data = data(dice, length);
    let mut draft = Draft::new(format!("POST /hash/{}", if sha256 { "sha256" } else { "sha1" }));
    if json {
        draft = draft.field("Accept: application/json");
    }
    draft.waits = dice.chance(swarm.expect);
    let body = body_of(dice, swarm, data.clone());
    draft.build(dice, What::Hash { sha256, json, data }, body)
}

fn open(dice: &mut Dice, swarm: &Swarm, client: &mut Client, shadow: &mut Shadow) -> Request {
    let known: Vec<usize> =
        client.files.iter().copied().filter(|index| !shadow.files[*index].retired).collect();
    let file = if known.is_empty() || dice.chance(200) {
        let root = dice.pick(&["r0", "r1"]);
        shadow.files.push(ShadowFile::absent(root, format!("c{}/f{}", client.index, shadow.files.len())));
        client.files.push(shadow.files.len() - 1);
        shadow.files.len() - 1
    } else {
        dice.pick(&known)
    };
    let view = &shadow.files[file];
    let write = dice.chance(800);
    let create = view.stripe.is_none() && dice.chance(900);
    let size = (write && view.stripe.is_none() && dice.chance(200)).then(|| dice.size(swarm.body_max));
    let mut text =
        format!(r#"{{"root":"{}","path":"{}","write":{write},"create":{create}"#, view.root, view.path);
    if let Some(size) = size {
        text.push_str(&format!(r#","size":{size}"#));
    }
    // More than a kilobyte has to reserve its memory.
    text.push_str(&" ".repeat(if dice.chance(100) { dice.size(3_000) as usize } else { 0 }));
    text.push('}');
    let mut draft = Draft::new("POST /files/open").session(&client.session);
    draft.waits = dice.chance(swarm.expect);
    let body = body_of(dice, swarm, text.into_bytes());
    draft.build(dice, What::Open { file, write, create, size }, body)
}

fn on_file(dice: &mut Dice, swarm: &Swarm, client: &mut Client, handle: usize, shadow: &Shadow) -> Request {
    let (id, writable) = (client.handles[handle].id, client.handles[handle].writable);
    let view = &shadow.files[client.handles[handle].file];
    let size = view.size.unwrap_or(1_000);
    let draft = |method: &str, tail: String| {
        Draft::new(format!("{method} /files/{id}{tail}")).session(&client.session)
    };
    match dice.below(20) {
        0 => draft("GET", String::new()).build(dice, What::Info { handle }, Body::None),
        1 => draft("POST", "/flush".to_owned()).build(dice, What::Flush { handle }, Body::None),
        2 | 3 if view.stripe.is_none() => {
            let size = dice.size(size.max(swarm.body_max).min(FILE_BYTES_MAX));
            let (name, what) = match dice.below(2) {
                0 => ("preallocate", What::Preallocate { handle, size }),
                _ => ("truncate", What::Truncate { handle, size }),
            };
            draft("POST", format!("/{name}?size={size}")).build(dice, what, Body::None)
        }
        4 => {
            let request = draft("POST", "/close".to_owned()).build(dice, What::Close { handle }, Body::None);
            client.handles[handle].state = HandleState::Closing;
            request
        }
        5..=12 if writable || dice.chance(100) => {
            let (offset, data) = dialect::piece(dice, swarm, view);
            let draft = draft("PATCH", format!("/write?offset={offset}"));
            let (mut draft, is_right) = dialect::checked(dice, draft, &data);
            draft.waits = dice.chance(swarm.expect);
            let body = body_of(dice, swarm, data.clone());
            draft.build(dice, What::Write { handle, offset, data, is_right }, body)
        }
        18 | 19 => stream(dice, client, handle, size),
        _ => {
            let offset = dice.size(size + 20);
            let length = (!dice.chance(200)).then(|| dice.size(size + 100));
            let tail = match length {
                Some(length) => format!("/read?offset={offset}&length={length}"),
                None => format!("/read?offset={offset}"),
            };
            draft("GET", tail).build(dice, What::Read { handle, offset, length }, Body::None)
        }
    }
}

/// A part of a file, as a player asks for it.
fn stream(dice: &mut Dice, client: &Client, handle: usize, size: u64) -> Request {
    let first = dice.size(size + 20);
    let part = match dice.below(4) {
        0 => Part::Whole,
        1 => Part::From(first),
        2 => Part::Between(first, first + dice.size(size + 20)),
        _ => Part::Last(first),
    };
    let is_head = dice.chance(100);
    let method = if is_head { "HEAD" } else { "GET" };
    let mut draft =
        Draft::new(format!("{method} /stream/{}", client.handles[handle].id)).session(&client.session);
    if let Some(field) = part.field() {
        draft = draft.field(field);
    }
    // Ranges are defined for GET alone.
    let part = if is_head { Part::Whole } else { part };
    draft.build(dice, What::Stream { handle, part }, Body::None)
}

/// Requests that must be refused, whatever they bring along.
fn refused(dice: &mut Dice, swarm: &Swarm, client: &Client) -> Request {
    let session = &client.session;
    let open = |text: &str| (Draft::new("POST /files/open").session(session), Some(text.to_owned()));
    let none = |draft: Draft| (draft, None);
    let (choice, statuses): (_, &'static [u16]) = match dice.below(17) {
        0 => (none(Draft::new("GET /health").without_host()), &[400]),
        1 => (none(Draft::new("GET /health").without_host().field("Host: evil.example")), &[421]),
        2 => (none(Draft::new("GET /health").field("Origin: https://evil.example")), &[403]),
        3 => (none(Draft::new("GET /files/1").without_token()), &[401]),
        4 => (none(Draft::new("GET /nothing/here")), &[404]),
        5 => (none(Draft::new("GET /files/open").session(session)), &[405]),
        6 => (open("{\"root\":"), &[400]),
        7 => (open(r#"{"root":"nobody","path":"x"}"#), &[403]),
        8 => (open(r#"{"root":"r0","path":"a/../b"}"#), &[400, 403]),
        9 => (open(r#"{"root":"r0","path":"x","size":5}"#), &[400]),
        10 => (none(Draft::new("PATCH /files/999999/write?offset=0").session(session)), &[404]),
        11 => (none(Draft::new("PATCH /files/1/write?offset=0")), &[400]),
        12 => (none(Draft::new("HEAD /files/999999").session(session)), &[404]),
        13 => (none(Draft::new(format!("GET /{}", "y".repeat(9_000)))), &[414]),
        14 => (none(Draft::new("POST /hash/sha1").field("Transfer-Encoding: gzip")), &[501]),
        15 => (none(Draft::new("POST /hash/sha1").field("Expect: miracles")), &[417]),
        _ => {
            let preflight = Draft::new("OPTIONS /files/open")
                .field(format!("Origin: http://localhost:{PORT}"))
                .field("Access-Control-Request-Method: POST")
                .without_token();
            return preflight.build(dice, What::Preflight, Body::None);
        }
    };
    let (mut draft, text) = choice;
    let framed = statuses == [501];
    draft.waits = dice.chance(swarm.expect) && statuses != [417];
    let body = match text {
        Some(text) => body_of(dice, swarm, text.into_bytes()),
        None if framed || dice.chance(500) => Body::None,
        None => {
            let length = dice.size(swarm.body_max);
            let data = data(dice, length);
            body_of(dice, swarm, data)
        }
    };
    draft.build(dice, What::Refused(statuses), body)
}

/// Bytes that no honest client sends: garbage, or a request that was tampered with.
pub(crate) fn hostile(dice: &mut Dice, swarm: &Swarm, client: &Client) -> Vec<u8> {
    if dice.chance(300) {
        let length = dice.size(2_000);
        return data(dice, length);
    }
    let mut request = match dice.below(3) {
        0 => small(dice),
        1 => hash(dice, swarm),
        _ => refused(dice, swarm, client),
    };
    if request.is_head {
        // Whether an answer has a body could not be told where nobody knows what was asked.
        return request.body;
    }
    let mut bytes = std::mem::take(&mut request.head);
    bytes.append(&mut request.body);
    for _ in 0..dice.between(1, 4) {
        if bytes.is_empty() {
            break;
        }
        let at = dice.below(bytes.len() as u64) as usize;
        match dice.below(4) {
            0 => bytes[at] = dice.below(256) as u8,
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, dice.pick(b"\r\n\0 :;,%/\xFF0")),
            _ => bytes.truncate(at),
        }
    }
    bytes
}
