//! One connection of the load: a request out, its answer in. Takes for granted what its servers are known to send: a
//! `Content-Length`, and nothing before it was asked for.

use crate::Result;
use mio::net::TcpStream;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How far a connection came.
pub(crate) enum Progress {
    /// The kernel has to do something first.
    Blocked,
    /// The answer is complete.
    Answered(Answer),
}

/// A complete answer.
pub(crate) struct Answer {
    pub(crate) body_bytes: u64,
    /// From before the first byte of the request to after the last of the answer.
    pub(crate) latency: Duration,
}

#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    head: Vec<u8>,
    sent: usize,
    begun: Instant,
    /// The head of the answer while it is not complete.
    answer_head: Vec<u8>,
    /// Length of the answer's body, once known, and what of it has not come.
    answer: Option<(u64, u64)>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Result<Connection> {
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Connection {
            stream: TcpStream::from_std(stream),
            head: Vec::new(),
            sent: 0,
            begun: Instant::now(),
            answer_head: Vec::new(),
            answer: None,
        })
    }

    pub(crate) fn socket(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Begins a request, whose head `write` puts into a vector; passes on what it returns.
    pub(crate) fn begin<T>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        self.begun = Instant::now();
        self.head.clear();
        self.sent = 0;
        self.answer_head.clear();
        self.answer = None;
        write(&mut self.head)
    }

    /// Sends and receives as far as it goes.
    pub(crate) fn go_on(&mut self, body: &[u8], scratch: &mut [u8]) -> Result<Progress> {
        let all = self.head.len() + body.len();
        while self.sent < all {
            let from_body = self.sent.saturating_sub(self.head.len());
            let head = &self.head[self.sent.min(self.head.len())..];
            let sent = self.stream.write_vectored(&[IoSlice::new(head), IoSlice::new(&body[from_body..])]);
            match sent {
                Ok(n) => self.sent += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        self.receive(scratch)
    }

    fn receive(&mut self, scratch: &mut [u8]) -> Result<Progress> {
        loop {
            match self.stream.read(scratch) {
                Ok(0) => return Err("the server closed the connection".into()),
                Ok(n) => self.received(&scratch[..n])?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Progress::Blocked),
                Err(error) => return Err(error.into()),
            }
            if let Some((body_bytes, 0)) = self.answer {
                return Ok(Progress::Answered(Answer { body_bytes, latency: self.begun.elapsed() }));
            }
        }
    }

    fn received(&mut self, mut bytes: &[u8]) -> Result<()> {
        if self.answer.is_none() {
            let before = self.answer_head.len();
            self.answer_head.extend_from_slice(&bytes[..bytes.len().min(4096)]);
            let Some(end) = self.answer_head.windows(4).position(|four| four == b"\r\n\r\n") else {
                return Ok(());
            };
            let length = content_length(&self.answer_head[..end])?;
            self.answer = Some((length, length));
            bytes = &bytes[end + 4 - before..];
        }
        match &mut self.answer {
            Some((_, left)) if *left >= bytes.len() as u64 => *left -= bytes.len() as u64,
            _ => return Err("more came than was announced".into()),
        }
        Ok(())
    }
}

fn content_length(head: &[u8]) -> Result<u64> {
    let head = std::str::from_utf8(head)?;
    if !head.starts_with("HTTP/1.1 2") {
        return Err(format!("refused: {head}").into());
    }
    let lines = head.split("\r\n").skip(1).filter_map(|line| line.split_once(": "));
    let length =
        lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).map(|(_, value)| value);
    Ok(length.last().ok_or("no Content-Length")?.parse()?)
}
