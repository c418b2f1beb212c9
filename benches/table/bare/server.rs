//! One thread, blocking: it asks which connection has something only where there are several.

use super::{HEAD_BYTES, PIECE_BYTES};
use crate::Result;
use rustix::event::{PollFd, PollFlags, poll};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

/// Does what a loop is for.
pub(super) trait Handler {
    /// Handles one request, of which the first `received` bytes (at least the head) are in `piece`, and answers it.
    fn handle(&mut self, stream: &mut TcpStream, piece: &mut [u8], received: usize) -> Result<()>;
}

/// Serves until it is killed: takes so many connections, serves them until all have closed, and begins anew.
pub(super) fn serve(listener: &TcpListener, connections: usize, mut handler: impl Handler) -> Result<()> {
    let mut piece = vec![0; PIECE_BYTES + HEAD_BYTES];
    loop {
        let mut streams = Vec::new();
        while streams.len() < connections {
            let (stream, _) = listener.accept()?;
            stream.set_nodelay(true)?;
            streams.push(stream);
        }
        while !streams.is_empty() {
            for index in ready(&streams)? {
                if !request(&mut streams[index], &mut piece, &mut handler)? {
                    streams.swap_remove(index);
                }
            }
        }
    }
}

/// Which have something, the last first. One alone is simply read from.
fn ready(streams: &[TcpStream]) -> Result<Vec<usize>> {
    if streams.len() == 1 {
        return Ok(vec![0]);
    }
    let mut all: Vec<PollFd<'_>> = streams.iter().map(|stream| PollFd::new(stream, PollFlags::IN)).collect();
    poll(&mut all, None)?;
    let ready = all.iter().enumerate().rev().filter(|(_, fd)| !fd.revents().is_empty());
    Ok(ready.map(|(index, _)| index).collect())
}

/// One request; `false` at the end of the connection.
fn request(stream: &mut TcpStream, piece: &mut [u8], handler: &mut impl Handler) -> Result<bool> {
    let mut received = 0;
    while received < HEAD_BYTES {
        match stream.read(&mut piece[received..]) {
            Ok(0) | Err(_) => return Ok(false),
            Ok(n) => received += n,
        }
    }
    handler.handle(stream, piece, received)?;
    Ok(true)
}

/// The head of an answer, about as long as the daemon's.
pub(super) fn answer_head(body_bytes: u64) -> Vec<u8> {
    let padding = "p".repeat(160);
    format!("HTTP/1.1 200 OK\r\nX-Padding: {padding}\r\nContent-Length: {body_bytes}\r\n\r\n").into_bytes()
}

/// Answers and does nothing else.
pub(super) struct Small;

impl Handler for Small {
    fn handle(&mut self, stream: &mut TcpStream, _: &mut [u8], _: usize) -> Result<()> {
        Ok(stream.write_all(&answer_head(0))?)
    }
}
