//! `GET /files/N/read` of bytes that are in memory, next to nginx with ranges of the same file.

use super::{Ground, Section, size_name, word};
use crate::Result;
use crate::bare::{Bare, pad_head};
use crate::client::Client;
use crate::measure::Contender;
use crate::nginx::Nginx;
use crate::table::Kind;
use std::io::Write;

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
    let wanted = Some(size as u64);
    let offset = |n: u64| n * size as u64 % file_bytes;
    let connect = |address| {
        let client = Client::connect(address, connections)?;
        Result::Ok(if spins { client.spinning() } else { client })
    };

    let daemon = ground.daemon()?;
    let id = daemon.open(super::FILE)?;
    let mut our_client = connect(daemon.address)?;
    let ours = Contender::new("ours", daemon.process(), || {
        our_client.run(count, wanted, &|n, head: &mut Vec<u8>| {
            let offset = offset(n);
            daemon.head(head, format_args!("GET /files/{id}/read?offset={offset}&length={size}"), "");
            &[][..]
        })
    });

    let bare = Bare::start(connections, &["read", word(&path)?, &size.to_string()])?;
    let mut bare_client = connect(bare.address)?;
    let bare = Contender::new("bare", bare.process(), || {
        bare_client.run(count, wanted, &|_, head: &mut Vec<u8>| {
            pad_head(head);
            &[][..]
        })
    });

    let nginx = Nginx::start(&ground.root(), &ground.path("nginx"))?;
    let mut nginx_client = nginx.as_ref().map(|nginx| connect(nginx.address)).transpose()?;
    let nginx = nginx.as_ref().zip(nginx_client.as_mut()).map(|(nginx, client)| {
        Contender::new("nginx", nginx.process(), || {
            client.run(count, wanted, &|n, head: &mut Vec<u8>| {
                let (first, last) = (offset(n), offset(n) + size as u64 - 1);
                // A vector takes all.
                let _ = write!(
                    head,
                    "GET /{} HTTP/1.1\r\nHost: localhost\r\nRange: bytes={first}-{last}\r\n\r\n",
                    super::FILE
                );
                &[][..]
            })
        })
    });
    ground.row(kind, name, ours, Some(bare), nginx)
}
