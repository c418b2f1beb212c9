//! Cuts the concatenation of ranges into chunks, one at a time: whatever a client asks for, no more of them exist than
//! are being hashed.

use super::sources::Sources;
use crate::ids::FileId;
use crate::job::Chunk;

/// A place in the concatenation.
#[derive(Debug)]
pub(super) struct Cutter {
    chunk_bytes: u64,
    /// Bytes that have not been cut.
    left: u64,
    index: u64,
    range: usize,
    /// Bytes of that range that have been cut.
    done: u64,
}

impl Cutter {
    /// Before the first of `total` bytes.
    pub(super) fn new(total: u64, chunk_bytes: u64) -> Cutter {
        Cutter { chunk_bytes, left: total, index: 0, range: 0, done: 0 }
    }

    /// The next chunk, and a file that it uses; `None` after the last.
    pub(super) fn next(&mut self, sources: &Sources) -> Option<(Chunk, Option<FileId>)> {
        let mut missing = self.chunk_bytes.min(self.left);
        if missing == 0 {
            return None;
        }
        self.left -= missing;
        let mut chunk = Chunk { index: self.index, parts: Ok(Vec::new()) };
        let mut uses = None;
        self.index += 1;
        while missing > 0 {
            let Some(range) = sources.range(self.range) else { break };
            let length = missing.min(range.length - self.done);
            if length > 0 {
                match (sources.part(range, self.done, length), &mut chunk.parts) {
                    (Ok((part, id)), Ok(parts)) => {
                        uses = uses.or(Some(id));
                        parts.push(part);
                    }
                    (Err(error), parts @ Ok(_)) => *parts = Err(error),
                    (_, Err(_)) => {}
                }
            }
            missing -= length;
            self.done += length;
            if self.done == range.length {
                self.range += 1;
                self.done = 0;
            }
        }
        Some((chunk, uses))
    }
}
