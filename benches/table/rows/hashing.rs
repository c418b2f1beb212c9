//! Hashing: bodies as they arrive, files whole and in chunks, next to openssl.

use super::{Ground, Section, word};
use crate::Result;
use crate::bare::{Bare, pad_head};
use crate::client::Client;
use crate::machine;
use crate::measure::{Contender, Load};
use crate::openssl;
use crate::table::Kind;

const SECTION: &str = "Hashing";
const BODY_BYTES: usize = 64 << 20;
const BODIES: u64 = 12;
const FILE_BYTES: u64 = 1 << 30;
const ALGORITHMS: [&str; 2] = ["sha1", "sha256"];
const CHUNK_BYTES: usize = 256 << 10;

pub(super) fn run(ground: &Ground<'_>) {
    let mut section = Section::new(ground, SECTION, Kind::Bytes.head());
    for algorithm in ALGORITHMS {
        let name = format!("{algorithm} of a body of 64 MiB");
        section.row(&name, || body(ground, algorithm, &name));
        let name = format!("{algorithm} of a file");
        section.row(&name, || whole_file(ground, algorithm, &name));
        let name = format!("{algorithm} of a file in chunks of 256 KiB, {} cores", machine::cores());
        section.row(&name, || chunks(ground, algorithm, &name));
    }
}

/// `openssl speed`, which is nobody's process that lasts.
fn speed(algorithm: &str, cores: usize) -> Option<Contender<'_>> {
    openssl::is_installed().then(|| Contender {
        name: "openssl speed".to_owned(),
        process: None,
        run: Box::new(move || openssl::speed(algorithm, cores)),
    })
}

fn body(ground: &Ground<'_>, algorithm: &str, name: &str) -> Result<String> {
    let noise = super::noise(BODY_BYTES, 2);
    let noise = noise.as_slice();
    let count = ground.options.scaled(BODIES);
    let daemon = ground.daemon()?;
    let mut our_client = Client::connect(daemon.address, 1)?;
    let more = format!("Content-Length: {BODY_BYTES}\r\n");
    let ours = Contender::new("ours", daemon.process(), || {
        our_client.run(count, None, &|_, head: &mut Vec<u8>| {
            daemon.head(head, format_args!("POST /hash/{algorithm}"), &more);
            noise
        })
    });
    let bare = Bare::start(1, &["hash", algorithm, &BODY_BYTES.to_string()])?;
    let mut bare_client = Client::connect(bare.address, 1)?;
    let bare = Contender::new("bare", bare.process(), || {
        bare_client.run(count, None, &|_, head: &mut Vec<u8>| {
            pad_head(head);
            noise
        })
    });
    ground.row(Kind::Bytes, name, ours, Some(bare), speed(algorithm, 1))
}

fn whole_file(ground: &Ground<'_>, algorithm: &str, name: &str) -> Result<String> {
    let (path, _) = ground.file(ground.options.scaled(FILE_BYTES))?;
    let peer_path = path.clone();
    let peer = openssl::is_installed().then(|| Contender {
        name: "openssl dgst".to_owned(),
        process: None,
        run: Box::new(move || openssl::dgst(algorithm, &peer_path)),
    });
    from_file(ground, algorithm, name, "", peer)
}

fn chunks(ground: &Ground<'_>, algorithm: &str, name: &str) -> Result<String> {
    let chunk_size = format!(r#","chunkSize":{CHUNK_BYTES}"#);
    from_file(ground, algorithm, name, &chunk_size, speed(algorithm, machine::cores()))
}

/// `POST /hash/from-file` over all of the file, next to one core that reads and hashes it.
fn from_file(
    ground: &Ground<'_>,
    algorithm: &str,
    name: &str,
    options: &str,
    peer: Option<Contender<'_>>,
) -> Result<String> {
    let (path, file_bytes) = ground.file(ground.options.scaled(FILE_BYTES))?;
    let daemon = ground.daemon()?;
    let id = daemon.open(super::FILE)?;
    let range = format!(r#"{{"fileId":{id},"offset":0,"length":{file_bytes}}}"#);
    let body = format!(r#"{{"algorithm":"{algorithm}","fileRanges":[{range}]{options}}}"#);
    let more = format!("Content-Length: {}\r\n", body.len());
    let mut our_client = Client::connect(daemon.address, 1)?;
    let hashed = |load: Load| Load { bytes: file_bytes, ..load };
    let ours = Contender::new("ours", daemon.process(), || {
        let load = our_client.run(1, None, &|_, head: &mut Vec<u8>| {
            daemon.head(head, format_args!("POST /hash/from-file"), &more);
            body.as_bytes()
        });
        load.map(hashed)
    });
    let bare = Bare::start(1, &["hash-file", algorithm, word(&path)?])?;
    let mut bare_client = Client::connect(bare.address, 1)?;
    let bare = Contender::new("bare", bare.process(), || {
        let load = bare_client.run(1, None, &|_, head: &mut Vec<u8>| {
            pad_head(head);
            &[][..]
        });
        load.map(hashed)
    });
    ground.row(Kind::Bytes, name, ours, Some(bare), peer)
}
