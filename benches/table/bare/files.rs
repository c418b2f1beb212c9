//! `read` → `pwrite`, and `pread` → `write`.

use super::server::{Handler, answer_head};
use super::{HEAD_BYTES, PIECE_BYTES};
use crate::Result;
use std::fs::{File, OpenOptions};
use std::io::{IoSlice, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;

/// A file, one body after another, from the start again at its end.
struct Places {
    file: File,
    size: u64,
    next: u64,
    body_bytes: usize,
}

impl Places {
    fn new(path: &str, body_bytes: &str) -> Result<Places> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let size = file.metadata()?.len();
        Ok(Places { file, size, next: 0, body_bytes: body_bytes.parse()? })
    }

    /// Where the next body begins.
    fn take(&mut self) -> u64 {
        let bytes = self.body_bytes as u64;
        let at = if self.next + bytes > self.size { 0 } else { self.next };
        self.next = at + bytes;
        at
    }
}

/// Writes bodies to a file.
pub(super) struct Writer {
    places: Places,
    answer: Vec<u8>,
}

impl Writer {
    pub(super) fn new(path: &str, body_bytes: &str) -> Result<Writer> {
        let mut answer = answer_head(2);
        answer.extend_from_slice(b"{}");
        Ok(Writer { places: Places::new(path, body_bytes)?, answer })
    }
}

impl Handler for Writer {
    fn handle(&mut self, stream: &mut TcpStream, piece: &mut [u8], received: usize) -> Result<()> {
        let at = self.places.take();
        let body = &piece[HEAD_BYTES..received];
        self.places.file.write_all_at(body, at)?;
        let mut written = body.len();
        while written < self.places.body_bytes {
            let room = (self.places.body_bytes - written).min(PIECE_BYTES);
            let n = stream.read(&mut piece[..room])?;
            if n == 0 {
                return Ok(());
            }
            self.places.file.write_all_at(&piece[..n], at + written as u64)?;
            written += n;
        }
        Ok(stream.write_all(&self.answer)?)
    }
}

/// Sends parts of a file.
pub(super) struct Reader {
    places: Places,
    answer: Vec<u8>,
}

impl Reader {
    pub(super) fn new(path: &str, body_bytes: &str) -> Result<Reader> {
        let places = Places::new(path, body_bytes)?;
        let answer = answer_head(places.body_bytes as u64);
        Ok(Reader { places, answer })
    }
}

impl Handler for Reader {
    fn handle(&mut self, stream: &mut TcpStream, piece: &mut [u8], _: usize) -> Result<()> {
        let at = self.places.take();
        let mut sent = 0;
        while sent < self.places.body_bytes {
            let room = (self.places.body_bytes - sent).min(PIECE_BYTES);
            self.places.file.read_exact_at(&mut piece[..room], at + sent as u64)?;
            let head: &[u8] = if sent == 0 { &self.answer } else { &[] };
            let mut slices = [IoSlice::new(head), IoSlice::new(&piece[..room])];
            let mut rest = &mut slices[..];
            IoSlice::advance_slices(&mut rest, 0);
            while !rest.is_empty() {
                let n = stream.write_vectored(rest)?;
                IoSlice::advance_slices(&mut rest, n);
            }
            sent += room;
        }
        Ok(())
    }
}
