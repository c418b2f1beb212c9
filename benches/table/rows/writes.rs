//! `PATCH /files/N/write`, over bytes that the file has already: the least that a write can cost.

use super::{Ground, Section, no_peer, size_name, word};
use crate::Result;
use crate::bare::{Bare, pad_head};
use crate::client::Client;
use crate::measure::Contender;
use crate::table::Kind;
use data_encoding::HEXLOWER;
use sha1::{Digest, Sha1};
use std::fmt::Write;
use std::path::Path;

const SECTION: &str = "File writes";
const SIZES: [usize; 4] = [16 << 10, 256 << 10, 1 << 20, 16 << 20];
const CONNECTIONS: [usize; 2] = [1, 6];
/// Bytes of a round.
const ROUND_BYTES: u64 = 768 << 20;
const FILE_BYTES: u64 = 768 << 20;

struct Case {
    size: usize,
    connections: usize,
    checked: bool,
}

impl Case {
    fn name(&self) -> String {
        let connections = if self.connections == 1 { "1 connection" } else { "6 connections" };
        let checked = if self.checked { ", checked" } else { "" };
        format!("{}, {connections}{checked}", size_name(self.size))
    }
}

pub(super) fn run(ground: &Ground<'_>) {
    let plain = SIZES
        .into_iter()
        .flat_map(|size| CONNECTIONS.map(|connections| Case { size, connections, checked: false }));
    let checked = SIZES.map(|size| Case { size, connections: 1, checked: true });
    let mut section = Section::new(ground, SECTION, Kind::Bytes.head());
    for case in plain.chain(checked) {
        section.row(&case.name(), || row(ground, &case));
    }
}

fn row(ground: &Ground<'_>, case: &Case) -> Result<String> {
    let (path, file_bytes) = ground.file(FILE_BYTES)?;
    let count = ground.options.scaled(ROUND_BYTES) / case.size as u64;
    ground.row(
        Kind::Bytes,
        &case.name(),
        |name, binary| daemon(ground, name, binary, case, file_bytes, count),
        || bare(ground, case, &path, count),
        no_peer,
    )
}

fn daemon<'a>(
    ground: &'a Ground<'_>,
    name: &str,
    binary: &Path,
    case: &Case,
    file_bytes: u64,
    count: u64,
) -> Result<Contender<'a>> {
    let body = &ground.noise()[..case.size];
    let daemon = ground.daemon(binary)?;
    let id = daemon.open(super::FILE)?;
    let mut more = format!("Content-Length: {}\r\n", case.size);
    if case.checked {
        write!(more, "X-Expected-SHA1: {}\r\n", HEXLOWER.encode(&Sha1::digest(body)))?;
    }
    let mut client = Client::connect(daemon.address, case.connections)?;
    Ok(Contender::new(name, daemon.process(), move || {
        client.run(count, None, &|n, head: &mut Vec<u8>| {
            let offset = n * body.len() as u64 % file_bytes;
            daemon.head(head, format_args!("PATCH /files/{id}/write?offset={offset}"), &more);
            body
        })
    }))
}

fn bare<'a>(ground: &'a Ground<'_>, case: &Case, path: &Path, count: u64) -> Result<Contender<'a>> {
    let body = &ground.noise()[..case.size];
    let bare = Bare::start(case.connections, &["write", word(path)?, &case.size.to_string()])?;
    let mut client = Client::connect(bare.address, case.connections)?;
    Ok(Contender::new("bare", bare.process(), move || {
        let _alive = &bare;
        client.run(count, None, &|_, head: &mut Vec<u8>| {
            pad_head(head);
            body
        })
    }))
}
