//! One GiB of random bytes written in three ways to a file that is new, with the most memory that the daemon held; each
//! time the file must be what was sent.

use super::{Ground, Section, word};
use crate::Result;
use crate::bare::{Bare, pad_head};
use crate::client::Client;
use crate::daemon::BINARY;
use crate::measure::Load;
use crate::table::cell;
use sha2::{Digest, Sha256};
use std::cell::OnceCell;
use std::fs;
use std::io::Read;
use std::path::Path;

const SECTION: &str = "One GiB into a new file";
const BYTES: usize = 1 << 30;
/// Name, connections, bytes of a request.
const WAYS: [(&str, usize, usize); 3] = [
    ("one PATCH", 1, BYTES),
    ("16 KiB over 6 connections", 6, 16 << 10),
    ("64 parallel ranges", 64, BYTES / 64),
];

pub(super) fn run(ground: &Ground<'_>) {
    let head = "| | CPU s/GB | bare | ours/bare | MB/s | bare | peak MiB | SHA-256 |\n\
                | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |";
    let mut section = Section::new(ground, SECTION, head.to_owned());
    let content = OnceCell::new();
    for (name, connections, size) in WAYS {
        section.row(name, || {
            let (content, digest) = content.get_or_init(|| {
                let content = super::noise(BYTES, 3);
                let digest = Sha256::digest(&content);
                (content, digest)
            });
            row(ground, name, content, digest, connections, size)
        });
    }
}

fn row(
    ground: &Ground<'_>,
    name: &str,
    content: &[u8],
    digest: &[u8],
    connections: usize,
    size: usize,
) -> Result<String> {
    let (ours, peak_kib, same) = ours(ground, content, connections, size, digest)?;
    let bare = bare(ground, content, connections, size)?;
    Ok(format!(
        "| {name} | {:.3} | {:.3} | {:.2} | {:.0} | {:.0} | {} | {} |",
        per_gb(&ours),
        per_gb(&bare),
        per_gb(&ours) / per_gb(&bare),
        speed(&ours),
        speed(&bare),
        cell(Some(peak_kib as f64 / 1024.0), 1),
        if same { "same" } else { "DIFFERENT" },
    ))
}

fn per_gb(load: &Load) -> f64 {
    load.cpu.map_or(f64::NAN, |cpu| cpu.as_secs_f64()) / load.bytes as f64 * 1e9
}

fn speed(load: &Load) -> f64 {
    load.bytes as f64 / load.wall.as_secs_f64() / 1e6
}

/// The daemon's run, the most memory that it held in KiB, and whether the file is what was sent.
fn ours(
    ground: &Ground<'_>,
    content: &[u8],
    connections: usize,
    size: usize,
    digest: &[u8],
) -> Result<(Load, u64, bool)> {
    const NAME: &str = "gigabyte.bin";
    let daemon = ground.daemon(BINARY.as_ref())?;
    let id = daemon.open(NAME)?;
    let more = format!("Content-Length: {size}\r\n");
    let before = daemon.process().cpu()?;
    let load = Client::connect(daemon.address, connections)?.run(
        (BYTES / size) as u64,
        None,
        &|n, head: &mut Vec<u8>| {
            let at = n as usize * size;
            daemon.head(head, format_args!("PATCH /files/{id}/write?offset={at}"), &more);
            &content[at..at + size]
        },
    )?;
    let cpu = daemon.process().cpu()?.saturating_sub(before);
    let path = ground.root().join(NAME);
    let same = sha256(&path)?[..] == *digest;
    fs::remove_file(path)?;
    Ok((Load { cpu: Some(cpu), ..load }, daemon.process().peak_kib()?, same))
}

/// The bare loop's run. Its places come in the order of the requests, which is all the same to it.
fn bare(ground: &Ground<'_>, content: &[u8], connections: usize, size: usize) -> Result<Load> {
    let path = ground.root().join("bare.bin");
    fs::File::create(&path)?.set_len(BYTES as u64)?;
    let bare = Bare::start(connections, &["write", word(&path)?, &size.to_string()])?;
    let before = bare.process().cpu()?;
    let load =
        Client::connect(bare.address, connections)?.run((BYTES / size) as u64, None, &|n,
                                                                                        head: &mut Vec<
            u8,
        >| {
            pad_head(head);
            let at = n as usize * size;
            &content[at..at + size]
        })?;
    let cpu = bare.process().cpu()?.saturating_sub(before);
    fs::remove_file(path)?;
    Ok(Load { cpu: Some(cpu), ..load })
}

fn sha256(path: &Path) -> Result<Vec<u8>> {
    let mut file = fs::File::open(path)?;
    let mut hasher = Sha256::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hasher.finalize().to_vec()),
            n => hasher.update(&piece[..n]),
        }
    }
}
