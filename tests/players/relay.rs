//! Between a player and the daemon's stream port: passes bytes and ends on as they come, and notes each request and what
//! became of it. Changes nothing but `Host`, which has the port in it.

use super::Result;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

/// One request.
#[derive(Debug)]
struct Exchange {
    at_s: f64,
    connection: usize,
    method: String,
    /// Fields that matter: ranges and conditions.
    fields: Vec<String>,
    status: u16,
    content_range: String,
    bytes: u64,
    length: u64,
}

/// The relay; its threads end with their connections.
pub(crate) struct Relay {
    url: String,
    exchanges: Arc<Mutex<Vec<Exchange>>>,
}

/// What one connection's two directions share.
#[derive(Clone)]
struct Log {
    exchanges: Arc<Mutex<Vec<Exchange>>>,
    connection: usize,
    began: Instant,
}

const NOTED: &[&str] = &["range", "if-match", "if-range", "if-unmodified-since", "if-none-match"];

impl Relay {
    /// Listens on a port of its own for what `url` serves.
    pub(crate) fn start(url: &str) -> Result<Relay> {
        let rest = url.strip_prefix("http://127.0.0.1:").ok_or("no loopback address")?;
        let (port, path) = rest.split_once('/').ok_or("no path")?;
        let port: u16 = port.parse()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let url = format!("http://{}/{path}", listener.local_addr()?);
        let exchanges = Arc::new(Mutex::default());
        let log = Log { exchanges: Arc::clone(&exchanges), connection: 0, began: Instant::now() };
        thread::spawn(move || {
            for (connection, player) in listener.incoming().flatten().enumerate() {
                if let Ok(daemon) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
                    join(player, daemon, port, &Log { connection, ..log.clone() });
                }
            }
        });
        Ok(Relay { url, exchanges })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Exchange>> {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answers' statuses.
    pub(crate) fn statuses(&self) -> Vec<u16> {
        self.lock().iter().map(|exchange| exchange.status).filter(|status| *status > 0).collect()
    }

    /// A line for each request.
    pub(crate) fn notes(&self) -> String {
        let mut notes = String::new();
        for exchange in self.lock().iter() {
            let Exchange { at_s, connection, method, fields, status, content_range, bytes, length } =
                exchange;
            let fields = fields.join(", ");
            notes += &format!(
                "{at_s:8.3} connection {connection}: {method} [{fields}] -> {status} {content_range} {bytes} of {length} bytes\n"
            );
        }
        notes
    }
}

fn join(player: TcpStream, daemon: TcpStream, port: u16, log: &Log) {
    let _ = (player.set_nodelay(true), daemon.set_nodelay(true));
    let (Ok(from_player), Ok(from_daemon)) = (player.try_clone(), daemon.try_clone()) else { return };
    let (up, down) = (log.clone(), log.clone());
    thread::spawn(move || pass_requests(from_player, daemon, port, &up));
    thread::spawn(move || pass_answers(from_daemon, player, &down));
}

/// Requests have no bodies here: head after head.
fn pass_requests(mut from: TcpStream, mut to: TcpStream, port: u16, log: &Log) {
    let (mut kept, mut chunk) = (Vec::new(), [0; 16 << 10]);
    while let Ok(n @ 1..) = from.read(&mut chunk) {
        kept.extend_from_slice(&chunk[..n]);
        while let Some(end) = head_end(&kept) {
            let head: Vec<u8> = kept.drain(..end).collect();
            let head = String::from_utf8_lossy(&head).into_owned();
            log.request(&head);
            if to.write_all(with_host(&head, port).as_bytes()).is_err() {
                return;
            }
        }
    }
    // The player has gone: the daemon is to notice.
    let _ = to.shutdown(Shutdown::Both);
}

fn pass_answers(mut from: TcpStream, mut to: TcpStream, log: &Log) {
    let (mut head, mut chunk, mut body_left) = (Vec::new(), vec![0; 64 << 10], 0_u64);
    while let Ok(n @ 1..) = from.read(&mut chunk) {
        let mut rest = &chunk[..n];
        while !rest.is_empty() {
            if body_left > 0 {
                let part = rest.len().min(usize::try_from(body_left).unwrap_or(usize::MAX));
                body_left -= part as u64;
                log.body(part as u64);
                rest = &rest[part..];
                continue;
            }
            head.push(rest[0]);
            rest = &rest[1..];
            if head_end(&head).is_some() {
                body_left = log.answer(&String::from_utf8_lossy(&head));
                head.clear();
            }
        }
        if to.write_all(&chunk[..n]).is_err() {
            break;
        }
    }
    let _ = (to.shutdown(Shutdown::Both), from.shutdown(Shutdown::Both));
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

fn with_host(head: &str, port: u16) -> String {
    let is_host = |line: &str| line.to_ascii_lowercase().starts_with("host:");
    let lines = head
        .split("\r\n")
        .map(|line| if is_host(line) { format!("Host: 127.0.0.1:{port}") } else { line.to_owned() });
    lines.collect::<Vec<_>>().join("\r\n")
}

fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (found, value) = line.split_once(':')?;
    found.eq_ignore_ascii_case(name).then_some(value.trim())
}

impl Log {
    fn lock(&self) -> MutexGuard<'_, Vec<Exchange>> {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn request(&self, head: &str) {
        let method = head.split(' ').next().unwrap_or_default().to_owned();
        let noted = |line: &&str| NOTED.iter().any(|name| field(line, name).is_some());
        let fields = head.split("\r\n").filter(noted).map(str::to_owned).collect();
        self.lock().push(Exchange {
            at_s: self.began.elapsed().as_secs_f64(),
            connection: self.connection,
            method,
            fields,
            status: 0,
            content_range: String::new(),
            bytes: 0,
            length: 0,
        });
    }

    /// Notes an answer's head; returns how many bytes follow it.
    fn answer(&self, head: &str) -> u64 {
        let mut exchanges = self.lock();
        let mine = |exchange: &&mut Exchange| exchange.connection == self.connection && exchange.status == 0;
        let Some(exchange) = exchanges.iter_mut().find(mine) else { return 0 };
        let find = |name| head.split("\r\n").find_map(|line| field(line, name));
        exchange.status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        exchange.content_range = find("content-range").unwrap_or_default().to_owned();
        exchange.length = find("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        if exchange.method == "HEAD" { 0 } else { exchange.length }
    }

    fn body(&self, n: u64) {
        let mut exchanges = self.lock();
        let mine = |exchange: &&mut Exchange| exchange.connection == self.connection && exchange.status > 0;
        if let Some(exchange) = exchanges.iter_mut().rev().find(mine) {
            exchange.bytes += n;
        }
    }
}
