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
fn speed<'a>(algorithm: &'static str, cores: usize) -> Option<Contender<'a>> {
    openssl::is_installed().then(|| Contender {
        name: "openssl speed".to_owned(),
        process: None,
        run: Box::new(move || openssl::speed(algorithm, cores)),
    })
}

fn body(ground: &Ground<'_>, algorithm: &'static str, name: &str) -> Result<String> {
    let noise = super::noise(BODY_BYTES, 2);
    let noise = noise.as_slice();
    let count = ground.options.scaled(BODIES);
    ground.row(
        Kind::Bytes,
        name,
        |name, binary| {
            let daemon = ground.daemon(binary)?;
            let mut client = Client::connect(daemon.address, 1)?;
            let more = format!("Content-Length: {BODY_BYTES}\r\n");
            Ok(Contender::new(name, daemon.process(), move || {
                client.run(count, None, &|_, head: &mut Vec<u8>| {
                    daemon.head(head, format_args!("POST /hash/{algorithm}"), &more);
                    noise
                })
            }))
        },
        || {
            let bare = Bare::start(1, &["hash", algorithm, &BODY_BYTES.to_string()])?;
            let mut client = Client::connect(bare.address, 1)?;
            Ok(Contender::new("bare", bare.process(), move || {
                let _alive = &bare;
                client.run(count, None, &|_, head: &mut Vec<u8>| {
                    pad_head(head);
                    noise
                })
            }))
        },
        || Ok(speed(algorithm, 1)),
    )
}

fn whole_file(ground: &Ground<'_>, algorithm: &'static str, name: &str) -> Result<String> {
    let (path, _) = ground.file(ground.options.scaled(FILE_BYTES))?;
    let peer = openssl::is_installed().then(|| Contender {
        name: "openssl dgst".to_owned(),
        process: None,
        run: Box::new(move || openssl::dgst(algorithm, &path)),
    });
    from_file(ground, algorithm, name, "", peer)
}

fn chunks(ground: &Ground<'_>, algorithm: &'static str, name: &str) -> Result<String> {
    let chunk_size = format!(r#","chunkSize":{CHUNK_BYTES}"#);
    from_file(ground, algorithm, name, &chunk_size, speed(algorithm, machine::cores()))
}

/// `POST /hash/from-file` over all of the file, next to one core that reads and hashes it.
fn from_file<'a>(
    ground: &Ground<'_>,
    algorithm: &'static str,
    name: &str,
    options: &str,
    peer: Option<Contender<'a>>,
) -> Result<String> {
    let (path, file_bytes) = ground.file(ground.options.scaled(FILE_BYTES))?;
    let whole = move |load: Load| Load { bytes: file_bytes, ..load };
    ground.row(
        Kind::Bytes,
        name,
        |name, binary| {
            let daemon = ground.daemon(binary)?;
            let id = daemon.open(super::FILE)?;
            let range = format!(r#"{{"fileId":{id},"offset":0,"length":{file_bytes}}}"#);
            let body = format!(r#"{{"algorithm":"{algorithm}","fileRanges":[{range}]{options}}}"#);
            let more = format!("Content-Length: {}\r\n", body.len());
            let mut client = Client::connect(daemon.address, 1)?;
            Ok(Contender::new(name, daemon.process(), move || {
                let load = client.run(1, None, &|_, head: &mut Vec<u8>| {
                    daemon.head(head, format_args!("POST /hash/from-file"), &more);
                    head.extend_from_slice(body.as_bytes());
                    &[][..]
                });
                load.map(whole)
            }))
        },
        || {
            let bare = Bare::start(1, &["hash-file", algorithm, word(&path)?])?;
            let mut client = Client::connect(bare.address, 1)?;
            Ok(Contender::new("bare", bare.process(), move || {
                let _alive = &bare;
                let load = client.run(1, None, &|_, head: &mut Vec<u8>| {
                    pad_head(head);
                    &[][..]
                });
                load.map(whole)
            }))
        },
        || Ok(peer),
    )
}
