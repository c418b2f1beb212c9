//! `PATCH /files/N/write`, over bytes that the file has already: the least that a write can cost.

use super::{Ground, Section, size_name, word};
use crate::Result;
use crate::bare::{Bare, pad_head};
use crate::client::Client;
use crate::measure::Contender;
use crate::table::Kind;
use sha1::{Digest, Sha1};
use std::fmt::Write;

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
    let body = &ground.noise()[..case.size];
    let count = ground.options.scaled(ROUND_BYTES) / case.size as u64;

    let daemon = ground.daemon()?;
    let id = daemon.open(super::FILE)?;
    let mut more = format!("Content-Length: {}\r\n", case.size);
    if case.checked {
        write!(more, "X-Expected-SHA1: {}\r\n", hex(&Sha1::digest(body)))?;
    }
    let mut our_client = Client::connect(daemon.address, case.connections)?;
    let ours = Contender::new("ours", daemon.process(), || {
        our_client.run(count, None, &|n, head: &mut Vec<u8>| {
            let offset = n * case.size as u64 % file_bytes;
            daemon.head(head, format_args!("PATCH /files/{id}/write?offset={offset}"), &more);
            body
        })
    });

    let bare = Bare::start(case.connections, &["write", word(&path)?, &case.size.to_string()])?;
    let mut bare_client = Client::connect(bare.address, case.connections)?;
    let bare = Contender::new("bare", bare.process(), || {
        bare_client.run(count, None, &|_, head: &mut Vec<u8>| {
            pad_head(head);
            body
        })
    });
    ground.row(Kind::Bytes, &case.name(), ours, Some(bare), None)
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}
