//! `GET /stream/N` of a file that is in memory, next to nginx with `sendfile on`; the first byte of a range; and what
//! players cost that wait for bytes that are not there yet.

use super::{Ground, Section, word};
use crate::Result;
use crate::bare::{Bare, pad_head};
use crate::client::{Client, Requests};
use crate::daemon::{BINARY, Daemon};
use crate::measure::{Contender, Load};
use crate::table::Kind;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

const SECTION: &str = "Streaming";
const RANGE_SECTION: &str = "First byte of a stream";
const WAITING_SECTION: &str = "Waiting streams";
const WHOLE: &str = "1 GiB in one request";
const FIRST_BYTE: &str = "one byte from anywhere, kept-alive connection";
const WAITING: &str = "1,000 streams whose bytes are missing";
const FILE_BYTES: u64 = 1 << 30;
/// Requests for one byte in a round.
const RANGES: u64 = 20_000;
const STREAMS: usize = 1000;

pub(super) fn run(ground: &Ground<'_>) {
    Section::new(ground, SECTION, Kind::Bytes.head()).row(WHOLE, || {
        row(ground, Kind::Bytes, WHOLE, |file_bytes| Case { size: file_bytes, count: 1, file_bytes })
    });
    Section::new(ground, RANGE_SECTION, Kind::Requests.head()).row(FIRST_BYTE, || {
        // The latency of an answer of one byte is that of a range's first byte.
        let count = ground.options.scaled(RANGES);
        row(ground, Kind::Requests, FIRST_BYTE, |file_bytes| Case { size: 1, count, file_bytes })
    });
    let head = "| | RSS more, KiB | wake-ups |\n| --- | ---: | ---: |";
    Section::new(ground, WAITING_SECTION, head.to_owned()).row(WAITING, || waiting(ground));
}

/// What a row streams: the whole file, or parts of it.
#[derive(Clone, Copy)]
struct Case {
    size: u64,
    count: u64,
    file_bytes: u64,
}

impl Case {
    /// The `Range` of request number `n`, its line ended; none for the whole file.
    fn range(self, n: u64) -> String {
        if self.size == self.file_bytes {
            return String::new();
        }
        let first = n * 7919 * 4096 % self.file_bytes;
        format!("Range: bytes={first}-{}\r\n", first + self.size - 1)
    }

    fn run<'r>(self, client: &mut Client, requests: &impl Requests<'r>) -> Result<Load> {
        client.run(self.count, Some(self.size), requests)
    }
}

fn row(ground: &Ground<'_>, kind: Kind, name: &str, case: impl Fn(u64) -> Case) -> Result<String> {
    let (path, file_bytes) = ground.file(ground.options.scaled(FILE_BYTES))?;
    let case = case(file_bytes);
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
    let mut client = Client::connect(daemon.address, 1)?;
    Ok(Contender::new(name, daemon.process(), move || {
        case.run(&mut client, &|n, head: &mut Vec<u8>| {
            daemon.head(head, format_args!("GET /stream/{id}"), &case.range(n));
            &[][..]
        })
    }))
}

fn bare<'a>(case: Case, path: &Path) -> Result<Contender<'a>> {
    let bare = Bare::start(1, &["read", word(path)?, &case.size.to_string()])?;
    let mut client = Client::connect(bare.address, 1)?;
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
    let mut client = Client::connect(nginx.address, 1)?;
    Ok(Some(Contender::new("nginx", nginx.process(), move || {
        let _alive = &nginx;
        case.run(&mut client, &|n, head: &mut Vec<u8>| {
            let (target, range) = (super::FILE, case.range(n));
            // A vector takes all.
            let _ = write!(head, "GET /{target} HTTP/1.1\r\nHost: localhost\r\n{range}\r\n");
            &[][..]
        })
    })))
}

fn waiting(ground: &Ground<'_>) -> Result<String> {
    ground.file(1)?;
    let daemon = ground.daemon(BINARY.as_ref())?;
    let body = format!(r#"{{"root":"dev","path":"{}","deferred":true}}"#, super::FILE);
    let answer = daemon.call(format_args!("POST /files/open"), &body)?;
    let id = answer.split_once("\"fileId\":").ok_or("no fileId")?.1;
    let id: u32 = id.split([',', '}']).next().unwrap_or_default().parse()?;
    // What the first stream costs, later ones do not.
    drop(wait_for_bytes(&daemon, id)?);
    sleep(Duration::from_secs(1));
    let before = daemon.process().rss_kib()?;
    let streams = (0..STREAMS).map(|_| wait_for_bytes(&daemon, id)).collect::<Result<Vec<_>>>()?;
    sleep(Duration::from_secs(1));
    let more = daemon.process().rss_kib()?.cast_signed() - before.cast_signed();
    let seconds = if ground.options.quick { 3 } else { 10 };
    let switches = daemon.process().switches()?;
    sleep(Duration::from_secs(seconds));
    let switches = daemon.process().switches()? - switches;
    drop(streams);
    Ok(format!("| {WAITING} | {more} | {switches} in {seconds} s |"))
}

/// A stream whose head has come, and nothing else.
fn wait_for_bytes(daemon: &Daemon, id: u32) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(daemon.address)?;
    let mut head = Vec::new();
    daemon.head(&mut head, format_args!("GET /stream/{id}"), "Range: bytes=0-\r\n");
    stream.write_all(&head)?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        answer.push(byte[0]);
    }
    Ok(stream)
}
