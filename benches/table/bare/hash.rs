//! `read` → hash, and `pread` → hash.

use super::server::{Handler, answer_head};
use super::{HEAD_BYTES, PIECE_BYTES};
use crate::Result;
use sha1::{Digest, Sha1};
use sha2::Sha256;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;

enum Hasher {
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Hasher {
    fn new(algorithm: &str) -> Result<Hasher> {
        match algorithm {
            "sha1" => Ok(Hasher::Sha1(Sha1::new())),
            "sha256" => Ok(Hasher::Sha256(Sha256::new())),
            other => Err(format!("no such hash: {other}").into()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Sha1(hasher) => hasher.update(bytes),
            Hasher::Sha256(hasher) => hasher.update(bytes),
        }
    }

    fn answer(self) -> Vec<u8> {
        let digest = match self {
            Hasher::Sha1(hasher) => hasher.finalize().to_vec(),
            Hasher::Sha256(hasher) => hasher.finalize().to_vec(),
        };
        let mut answer = answer_head(digest.len() as u64);
        answer.extend(digest);
        answer
    }
}

/// Hashes bodies.
pub(super) struct Body {
    algorithm: String,
    body_bytes: usize,
}

impl Body {
    pub(super) fn new(algorithm: &str, body_bytes: &str) -> Result<Body> {
        Ok(Body { algorithm: algorithm.to_owned(), body_bytes: body_bytes.parse()? })
    }
}

impl Handler for Body {
    fn handle(&mut self, stream: &mut TcpStream, piece: &mut [u8], received: usize) -> Result<()> {
        let mut hasher = Hasher::new(&self.algorithm)?;
        hasher.update(&piece[HEAD_BYTES..received]);
        let mut hashed = received - HEAD_BYTES;
        while hashed < self.body_bytes {
            let room = (self.body_bytes - hashed).min(PIECE_BYTES);
            let n = stream.read(&mut piece[..room])?;
            if n == 0 {
                return Ok(());
            }
            hasher.update(&piece[..n]);
            hashed += n;
        }
        Ok(stream.write_all(&hasher.answer())?)
    }
}

/// Hashes a whole file, on one core.
pub(super) struct File {
    algorithm: String,
    file: std::fs::File,
}

impl File {
    pub(super) fn new(algorithm: &str, path: &str) -> Result<File> {
        Ok(File { algorithm: algorithm.to_owned(), file: std::fs::File::open(path)? })
    }
}

impl Handler for File {
    fn handle(&mut self, stream: &mut TcpStream, piece: &mut [u8], _: usize) -> Result<()> {
        let mut hasher = Hasher::new(&self.algorithm)?;
        let mut at = 0;
        loop {
            let n = self.file.read_at(&mut piece[..PIECE_BYTES], at)?;
            if n == 0 {
                return Ok(stream.write_all(&hasher.answer())?);
            }
            hasher.update(&piece[..n]);
            at += n as u64;
        }
    }
}
