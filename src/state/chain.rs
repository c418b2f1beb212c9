//! Bytes that wait for a socket, as a chain of chunks: small ones for a few bytes, pooled buffers for many. What is
//! added is copied to the end, or was read there by the kernel; what is sent goes off the front. Nothing is ever
//! shifted. It counts the memory that it holds, not only the bytes that are in it; the limits are its owners'.

use super::spare::Spare;
use crate::buffer::{BUFFER_BYTES, Buffer};
use crate::limits::SMALL_BLOCK_BYTES_MAX;
use std::collections::VecDeque;

#[derive(Debug)]
enum Chunk {
    Small {
        bytes: Vec<u8>,
        sent: usize,
    },
    Pooled(Buffer),
    /// Somebody else's: given back when it is sent.
    Lent(Buffer),
}

impl Chunk {
    fn unsent(&self) -> &[u8] {
        match self {
            Chunk::Small { bytes, sent } => &bytes[*sent..],
            Chunk::Pooled(buffer) | Chunk::Lent(buffer) => buffer.filled(),
        }
    }

    /// Memory, in bytes; lent buffers are on their lender's account.
    fn held(&self) -> usize {
        match self {
            Chunk::Small { bytes, .. } => bytes.capacity(),
            Chunk::Pooled(_) => BUFFER_BYTES,
            Chunk::Lent(_) => 0,
        }
    }

    /// Memory of it that is no buffer's, in bytes.
    fn heap(&self) -> usize {
        if let Chunk::Small { bytes, .. } = self { bytes.capacity() } else { 0 }
    }

    /// Copies what there is room for; returns how much.
    fn append(&mut self, more: &[u8]) -> usize {
        match self {
            Chunk::Small { bytes, .. } => {
                let n = more.len().min(bytes.capacity() - bytes.len());
                bytes.extend_from_slice(&more[..n]);
                n
            }
            Chunk::Pooled(buffer) => buffer.append(more),
            Chunk::Lent(_) => 0,
        }
    }

    fn consume(&mut self, n: usize) {
        match self {
            Chunk::Small { sent, .. } => *sent += n,
            Chunk::Pooled(buffer) | Chunk::Lent(buffer) => buffer.consume(n),
        }
    }
}

/// Buffers for chains.
#[derive(Debug)]
pub struct Pool {
    spare: Spare,
    out: usize,
    max: usize,
}

impl Pool {
    /// A pool that lends out at most `max` buffers, and keeps free ones in `spare`.
    pub fn new(max: usize, spare: Spare) -> Pool {
        Pool { spare, out: 0, max }
    }

    /// The free buffers.
    pub fn spare(&self) -> &Spare {
        &self.spare
    }

    /// The same, to have those go that are not needed.
    pub fn spare_mut(&mut self) -> &mut Spare {
        &mut self.spare
    }

    fn take(&mut self) -> Option<Buffer> {
        if self.out >= self.max {
            return None;
        }
        let buffer = self.spare.take()?;
        self.out += 1;
        Some(buffer)
    }

    fn give(&mut self, buffer: Buffer) {
        self.out -= 1;
        self.spare.give(buffer);
    }

    /// Whether a buffer may be had.
    pub fn has_any(&self) -> bool {
        self.out < self.max && !self.spare.is_refused()
    }

    /// Buffers that are out.
    pub fn out(&self) -> usize {
        self.out
    }
}

/// A queue of bytes.
#[derive(Debug, Default)]
pub struct Chain {
    chunks: VecDeque<Chunk>,
    bytes: usize,
    held: usize,
    heap: usize,
}

impl Chain {
    /// Bytes that wait.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Memory held, in bytes, room that is not filled included.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Memory of it that is no buffer's, in bytes.
    pub fn heap(&self) -> usize {
        self.heap
    }

    /// Copies bytes to the end, compactly: many go into buffers of `pool`, few into small chunks. Never fails: where
    /// the pool has nothing, small chunks stand in.
    pub fn append(&mut self, pool: &mut Pool, mut bytes: &[u8]) {
        self.bytes += bytes.len();
        if let Some(last) = self.chunks.back_mut() {
            let n = last.append(bytes);
            bytes = &bytes[n..];
        }
        while !bytes.is_empty() {
            let mut chunk = self.fresh(pool, bytes.len());
            let n = chunk.append(bytes);
            bytes = &bytes[n..];
            self.push(chunk);
        }
    }

    /// A chunk for `len` bytes behind what waits already.
    fn fresh(&self, pool: &mut Pool, len: usize) -> Chunk {
        if (self.bytes > SMALL_BLOCK_BYTES_MAX || len > SMALL_BLOCK_BYTES_MAX)
            && let Some(buffer) = pool.take()
        {
            return Chunk::Pooled(buffer);
        }
        Chunk::Small { bytes: pool.spare.small.take(len), sent: 0 }
    }

    /// Makes sure that the end is a pooled buffer with at least `room_min` bytes of room. `false` where the pool has
    /// none.
    pub fn make_room(&mut self, pool: &mut Pool, room_min: usize) -> bool {
        if self.room_len() >= room_min {
            return true;
        }
        let Some(buffer) = pool.take() else { return false };
        self.push(Chunk::Pooled(buffer));
        true
    }

    /// Room in the buffer at the end.
    pub fn room_len(&self) -> usize {
        match self.chunks.back() {
            Some(Chunk::Pooled(buffer)) => buffer.room_len(),
            _ => 0,
        }
    }

    /// The room in the buffer at the end; empty where it is none.
    pub fn room(&mut self) -> &mut [u8] {
        match self.chunks.back_mut() {
            Some(Chunk::Pooled(buffer)) => buffer.room(),
            _ => &mut [],
        }
    }

    /// `n` bytes of the room have been filled.
    pub fn commit(&mut self, n: usize) {
        if let Some(Chunk::Pooled(buffer)) = self.chunks.back_mut() {
            buffer.commit(n);
            self.bytes += n;
        }
    }

    /// Adds a buffer that is lent; it is handed to `give` of [`consume`](Chain::consume) when it has been sent.
    pub fn lend(&mut self, buffer: Buffer) {
        self.bytes += buffer.len();
        self.push(Chunk::Lent(buffer));
    }

    fn push(&mut self, chunk: Chunk) {
        self.held += chunk.held();
        self.heap += chunk.heap();
        self.chunks.push_back(chunk);
    }

    /// What waits, chunk by chunk, for a gathered write.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.chunks.iter().map(Chunk::unsent)
    }

    /// The first `n` bytes have been sent.
    pub fn consume(&mut self, pool: &mut Pool, mut n: usize, mut give: impl FnMut(Buffer)) {
        self.bytes -= n;
        while let Some(first) = self.chunks.front_mut() {
            let taken = n.min(first.unsent().len());
            first.consume(taken);
            n -= taken;
            if !first.unsent().is_empty() {
                return;
            }
            self.drop_first(pool, &mut give);
        }
    }

    fn drop_first(&mut self, pool: &mut Pool, give: &mut impl FnMut(Buffer)) {
        let Some(chunk) = self.chunks.pop_front() else { return };
        self.held -= chunk.held();
        self.heap -= chunk.heap();
        match chunk {
            Chunk::Pooled(buffer) => pool.give(buffer),
            Chunk::Lent(buffer) => give(buffer),
            Chunk::Small { bytes, .. } => pool.spare.small.give(bytes),
        }
        if self.chunks.is_empty() {
            // Thousands of sockets are idle at most times: none keeps the memory of its queue.
            self.chunks = VecDeque::new();
        }
    }

    /// Gives back room that was made and not used, where nothing waits.
    pub fn trim(&mut self, pool: &mut Pool) {
        if self.bytes == 0 {
            self.clear(pool, |_| {});
        }
    }

    /// Drops all, giving buffers back.
    pub fn clear(&mut self, pool: &mut Pool, mut give: impl FnMut(Buffer)) {
        while !self.chunks.is_empty() {
            self.drop_first(pool, &mut give);
        }
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(chain: &mut Chain, pool: &mut Pool, step: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while !chain.is_empty() {
            let joined = chain.parts().collect::<Vec<_>>().concat();
            let n = step.min(joined.len());
            all.extend_from_slice(&joined[..n]);
            chain.consume(pool, n, |_| panic!("nothing was lent"));
        }
        all
    }

    #[test]
    fn what_goes_in_comes_out_in_order_whatever_the_sizes() {
        for (sizes, step) in [
            (&[1, 100, 511, 512, 513][..], 7),
            (&[40_000, 3, 300_000, 1, 600_000], 65_537),
            (&[31 << 10, 31 << 10, 31 << 10, 5], 1 << 20),
        ] {
            let (mut chain, mut pool) = (Chain::default(), Pool::new(8, Spare::new(1, 1000)));
            let mut expected = Vec::new();
            for (index, size) in sizes.iter().enumerate() {
                let bytes: Vec<u8> = (0..*size).map(|n| (n * 31 + index) as u8).collect();
                chain.append(&mut pool, &bytes);
                expected.extend(bytes);
            }
            assert_eq!(chain.len(), expected.len());
            assert!(drain(&mut chain, &mut pool, step) == expected, "{sizes:?}");
            assert_eq!((chain.held(), pool.out()), (0, 0));
        }
    }

    #[test]
    fn small_messages_pin_little() {
        let (mut chain, mut pool) = (Chain::default(), Pool::new(8, Spare::new(1, 1000)));
        for _ in 0..4 {
            chain.append(&mut pool, &[7; 100]);
        }
        assert!(chain.held() <= 1024, "{}", chain.held());
        assert_eq!(pool.out(), 0);
    }

    #[test]
    fn an_exhausted_pool_is_stood_in_for() {
        let (mut chain, mut pool) = (Chain::default(), Pool::new(0, Spare::new(0, 1000)));
        let bytes = vec![3; 100_000];
        chain.append(&mut pool, &bytes);
        assert!(!chain.make_room(&mut pool, 1));
        assert!(drain(&mut chain, &mut pool, 1000) == bytes);
    }

    #[test]
    fn lent_buffers_go_back_to_their_lender() {
        let (mut chain, mut pool) = (Chain::default(), Pool::new(1, Spare::new(0, 1000)));
        let mut lent = Buffer::new().expect("memory");
        lent.append(b"abc");
        chain.append(&mut pool, b"x");
        chain.lend(lent);
        chain.append(&mut pool, b"y");
        assert_eq!(chain.len(), 5);
        let mut back = 0;
        chain.consume(&mut pool, 3, |_| back += 1);
        assert_eq!(back, 0);
        chain.consume(&mut pool, 1, |_| back += 1);
        assert_eq!((back, chain.len()), (1, 1));
    }
}
