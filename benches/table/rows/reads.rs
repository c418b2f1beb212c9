//! `GET /files/N/read` of bytes that are in memory, next to nginx with ranges of the same file.

use super::{Ground, Section, size_name, word};
use crate::Result;
use crate::bare::{Bare, pad_head};
use crate::client::{Client, Requests};
use crate::measure::{Contender, Load};
use crate::table::Kind;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;

const SECTION: &str = "File reads";
const SPEED_SECTION: &str = "Small reads";
const SIZES: [usize; 4] = [16 << 10, 256 << 10, 1 << 20, 16 << 20];
/// Bytes of a round.
const ROUND_BYTES: u64 = 768 << 20;
const FILE_BYTES: u64 = 768 << 20;
/// Size of the reads whose number a second is of interest.
const SMALL: usize = 16 << 10;

pub(super) fn run(ground: &Ground<'_>) {
    let mut section = Section::new(ground, SECTION, Kind::Bytes.head());
    for (size, connections) in SIZES.into_iter().flat_map(|size| [(size, 1), (size, 6)]) {
        let name = name(size, connections);
        section.row(&name, || row(ground, Kind::Bytes, &name, size, connections, false));
    }
    let mut section = Section::new(ground, SPEED_SECTION, Kind::Requests.head());
    for connections in [1, 2] {
        let name = format!("{}, spinning client", name(SMALL, connections));
        section.row(&name, || row(ground, Kind::Requests, &name, SMALL, connections, true));
    }
}

/// What a row reads, and how.
#[derive(Clone, Copy)]
struct Case {
    size: usize,
    connections: usize,
    spins: bool,
    count: u64,
    file_bytes: u64,
}

impl Case {
    fn offset(self, n: u64) -> u64 {
        n * self.size as u64 % self.file_bytes
    }

    fn client(self, address: SocketAddr) -> Result<Client> {
        let client = Client::connect(address, self.connections)?;
        Ok(if self.spins { client.spinning() } else { client })
    }

    fn run<'r>(self, client: &mut Client, requests: &impl Requests<'r>) -> Result<Load> {
        client.run(self.count, Some(self.size as u64), requests)
    }
}

fn name(size: usize, connections: usize) -> String {
    let plural = if connections == 1 { "" } else { "s" };
    format!("{}, {connections} connection{plural}", size_name(size))
}

fn row(
    ground: &Ground<'_>,
    kind: Kind,
    name: &str,
    size: usize,
    connections: usize,
    spins: bool,
) -> Result<String> {
    let (path, file_bytes) = ground.file(FILE_BYTES)?;
    let count = ground.options.scaled(ROUND_BYTES) / size as u64;
    let case = Case { size, connections, spins, count, file_bytes };
    ground.row(
        kind,
        name,
        |name, binary| daemon(ground, name, binary, case),
        || bare(case, &path),
        || nginx(ground, case),
    )
}

fn daemon<'a>(ground: &Ground<'_>, name: &str, binary: &Path, case: Case) -> Result<Contender<'a>> {
    let daemon = ground.daemon(binary)?;
    let id = daemon.open(super::FILE)?;
    let mut client = case.client(daemon.address)?;
    Ok(Contender::new(name, daemon.process(), move || {
        case.run(&mut client, &|n, head: &mut Vec<u8>| {
            let (offset, size) = (case.offset(n), case.size);
            daemon.head(head, format_args!("GET /files/{id}/read?offset={offset}&length={size}"), "");
            &[][..]
        })
    }))
}

fn bare<'a>(case: Case, path: &Path) -> Result<Contender<'a>> {
    let bare = Bare::start(case.connections, &["read", word(path)?, &case.size.to_string()])?;
    let mut client = case.client(bare.address)?;
    Ok(Contender::new("bare", bare.process(), move || {
        let _alive = &bare;
        case.run(&mut client, &|_, head: &mut Vec<u8>| {
            pad_head(head);
            &[][..]
        })
    }))
}

fn nginx<'a>(ground: &Ground<'_>, case: Case) -> Result<Option<Contender<'a>>> {
    let Some(nginx) = ground.nginx()? else { return Ok(None) };
    let mut client = case.client(nginx.address)?;
    Ok(Some(Contender::new("nginx", nginx.process(), move || {
        let _alive = &nginx;
        case.run(&mut client, &|n, head: &mut Vec<u8>| {
            let (first, last) = (case.offset(n), case.offset(n) + case.size as u64 - 1);
            let get = format!("GET /{} HTTP/1.1\r\nHost: localhost", super::FILE);
            // A vector takes all.
            let _ = write!(head, "{get}\r\nRange: bytes={first}-{last}\r\n\r\n");
            &[][..]
        })
    })))
}
