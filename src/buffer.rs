//! Memory that the kernel reads into and that then travels: to the disk, to the hash, to the wire; and memory for one
//! large message. Anonymous maps, so that what goes back to the system really goes back: an allocator would keep it.
//! Who may hold how many is the business of `state::buffers` and `state::gathering`, not this file's.

use memmap2::MmapMut;
use std::fmt;
use std::io;

/// Size of every buffer in bytes. Measured: 64 KiB and 1 MiB are both a third slower on the disk path.
pub const BUFFER_BYTES: usize = 256 * 1024;

/// A block of [`BUFFER_BYTES`] with a filled part `start..end` inside it.
pub struct Buffer {
    memory: MmapMut,
    start: usize,
    end: usize,
    /// The lane it is accounted to while it is out (see `state::buffers`).
    pub(crate) account: u32,
}

impl Buffer {
    /// A fresh, empty buffer. Fails where the system has no memory left.
    pub fn new() -> io::Result<Buffer> {
        Ok(Buffer { memory: MmapMut::map_anon(BUFFER_BYTES)?, start: 0, end: 0, account: 0 })
    }

    /// The filled part.
    pub fn filled(&self) -> &[u8] {
        &self.memory[self.start..self.end]
    }

    /// Room behind the filled part.
    pub fn room(&mut self) -> &mut [u8] {
        &mut self.memory[self.end..]
    }

    /// Bytes filled.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether nothing is filled.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Bytes of room left behind the filled part.
    pub fn room_len(&self) -> usize {
        BUFFER_BYTES - self.end
    }

    /// `n` bytes of the room have been filled.
    ///
    /// # Panics
    /// Where `n` is more than the room: a bug of the caller's, never the wire's.
    pub fn commit(&mut self, n: usize) {
        assert!(n <= self.room_len(), "committed {n} bytes into {} of room", self.room_len());
        self.end += n;
    }

    /// The first `n` filled bytes are done with.
    ///
    /// # Panics
    /// Where `n` is more than is filled.
    pub fn consume(&mut self, n: usize) {
        assert!(n <= self.len(), "consumed {n} of {} bytes", self.len());
        self.start += n;
        if self.start == self.end {
            self.clear();
        }
    }

    /// Forgets the content.
    pub fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
    }

    /// Copies as much of `bytes` as there is room for; returns how much.
    pub fn append(&mut self, bytes: &[u8]) -> usize {
        let n = bytes.len().min(self.room_len());
        self.room()[..n].copy_from_slice(&bytes[..n]);
        self.commit(n);
        n
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({}..{})", self.start, self.end)
    }
}

/// Room for one large message, in one piece. Filled from the front; the system gives memory only as far as it is.
pub struct Block {
    memory: MmapMut,
    len: usize,
}

impl Block {
    /// An empty block with room for `bytes_max`. Fails where the system has no such room.
    pub fn new(bytes_max: usize) -> io::Result<Block> {
        let memory = MmapMut::map_anon(bytes_max.max(1))?;
        // A huge page would make memory of room that is not filled. Where it can't be had, nothing is lost but that.
        #[cfg(target_os = "linux")]
        let _ = memory.advise(memmap2::Advice::NoHugePage);
        Ok(Block { memory, len: 0 })
    }

    /// Copies as much of `bytes` behind the filled part as there is room for; returns how much.
    pub fn append(&mut self, bytes: &[u8]) -> usize {
        let n = bytes.len().min(self.memory.len() - self.len);
        self.memory[self.len..self.len + n].copy_from_slice(&bytes[..n]);
        self.len += n;
        n
    }

    /// Bytes filled.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is filled.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The filled part.
    pub fn bytes(&self) -> &[u8] {
        &self.memory[..self.len]
    }

    /// The same, to be changed in place.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[..self.len]
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Block({})", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_takes_no_more_than_it_has_room_for() {
        let mut block = Block::new(5).expect("memory");
        assert!(block.is_empty());
        assert_eq!((block.append(b"abc"), block.append(b"def")), (3, 2));
        block.bytes_mut()[0] = b'x';
        assert_eq!(block.append(b"g"), 0);
        assert_eq!((block.bytes(), block.len()), (&b"xbcde"[..], 5));
    }

    #[test]
    fn fills_and_drains() {
        let mut buffer = Buffer::new().expect("memory");
        assert_eq!(buffer.append(b"hello"), 5);
        buffer.consume(2);
        assert_eq!(buffer.filled(), b"llo");
        buffer.consume(3);
        assert!(buffer.is_empty());
        assert_eq!(buffer.room_len(), BUFFER_BYTES);
        assert_eq!(buffer.append(&vec![7; BUFFER_BYTES + 1]), BUFFER_BYTES);
    }
}
