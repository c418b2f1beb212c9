//! Connection set-up: connect, one small request, close.

use super::{Ground, Section};
use crate::Result;
use crate::bare::{Bare, pad_head};
use crate::client::one_each;
use crate::measure::Contender;
use crate::nginx::Nginx;
use crate::table::Kind;
use std::fs;

const SECTION: &str = "Connection set-up";
const ROW: &str = "connect, small request, close";
/// So few that the ports of closed connections do not run out.
const COUNT: u64 = 2000;

pub(super) fn run(ground: &Ground<'_>) {
    Section::new(ground, SECTION, Kind::Requests.head()).row(ROW, || row(ground));
}

fn row(ground: &Ground<'_>) -> Result<String> {
    let count = ground.options.scaled(COUNT);
    let daemon = ground.daemon()?;
    let ours = Contender::new("ours", daemon.process(), || {
        one_each(daemon.address, count, &|_, head: &mut Vec<u8>| {
            daemon.head(head, format_args!("GET /health"), "");
            &[][..]
        })
    });
    let bare = Bare::start(1, &["small"])?;
    let bare = Contender::new("bare", bare.process(), || {
        one_each(bare.address, count, &|_, head: &mut Vec<u8>| {
            pad_head(head);
            &[][..]
        })
    });
    fs::write(ground.root().join("health"), "ok")?;
    let nginx = Nginx::start(&ground.root(), &ground.path("nginx"))?;
    let nginx = nginx.as_ref().map(|nginx| {
        Contender::new("nginx", nginx.process(), || {
            one_each(nginx.address, count, &|_, head: &mut Vec<u8>| {
                head.extend_from_slice(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
                &[][..]
            })
        })
    });
    ground.row(Kind::Requests, ROW, ours, Some(bare), nginx)
}
