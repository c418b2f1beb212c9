//! Connection set-up: connect, one small request, close.

use super::{Ground, Section};
use crate::Result;
use crate::bare::{Bare, pad_head};
use crate::client::one_each;
use crate::measure::Contender;
use crate::table::Kind;
use std::fs;
use std::path::Path;

const SECTION: &str = "Connection set-up";
const ROW: &str = "connect, small request, close";
/// So few that the ports of closed connections do not run out.
const COUNT: u64 = 2000;

pub(super) fn run(ground: &Ground<'_>) {
    Section::new(ground, SECTION, Kind::Requests.head()).row(ROW, || row(ground));
}

fn row(ground: &Ground<'_>) -> Result<String> {
    let count = ground.options.scaled(COUNT);
    ground.row(
        Kind::Requests,
        ROW,
        |name, binary| daemon(ground, name, binary, count),
        || bare(count),
        || nginx(ground, count),
    )
}

fn daemon<'a>(ground: &Ground<'_>, name: &str, binary: &Path, count: u64) -> Result<Contender<'a>> {
    let daemon = ground.daemon(binary)?;
    Ok(Contender::new(name, daemon.process(), move || {
        one_each(daemon.address, count, &|_, head: &mut Vec<u8>| {
            daemon.head(head, format_args!("GET /health"), "");
            &[][..]
        })
    }))
}

fn bare<'a>(count: u64) -> Result<Contender<'a>> {
    let bare = Bare::start(1, &["small"])?;
    Ok(Contender::new("bare", bare.process(), move || {
        let _alive = &bare;
        one_each(bare.address, count, &|_, head: &mut Vec<u8>| {
            pad_head(head);
            &[][..]
        })
    }))
}

fn nginx<'a>(ground: &Ground<'_>, count: u64) -> Result<Option<Contender<'a>>> {
    fs::write(ground.root().join("health"), "ok")?;
    let Some(nginx) = ground.nginx()? else { return Ok(None) };
    Ok(Some(Contender::new("nginx", nginx.process(), move || {
        let _alive = &nginx;
        one_each(nginx.address, count, &|_, head: &mut Vec<u8>| {
            head.extend_from_slice(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
            &[][..]
        })
    })))
}
