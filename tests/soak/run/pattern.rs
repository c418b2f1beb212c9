//! Bytes that tell where they belong: any piece of any stream can be made and checked by its key and offset alone.

use std::sync::LazyLock;

use super::random::Random;

/// A prime, so that no size of a piece hides a shift.
const PERIOD: usize = 1_048_573;
/// The longest piece.
pub(crate) const PIECE_MAX: usize = 256 << 10;

static TABLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut random = Random::new(7, 7);
    let once: Vec<u8> = (0..PERIOD).map(|_| random.next() as u8).collect();
    [&once[..], &once[..PIECE_MAX]].concat()
});

/// The bytes of a stream from an offset on; `len` is at most [`PIECE_MAX`].
pub(crate) fn piece(key: u64, offset: u64, len: usize) -> &'static [u8] {
    let at = ((key % PERIOD as u64 + offset) % PERIOD as u64) as usize;
    &TABLE[at..at + len]
}

/// All of a stream.
pub(crate) fn whole(key: u64, len: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len as usize);
    while (bytes.len() as u64) < len {
        let n = (len as usize - bytes.len()).min(PIECE_MAX);
        bytes.extend_from_slice(piece(key, bytes.len() as u64, n));
    }
    bytes
}

/// Whether these are the stream's bytes at the offset.
pub(crate) fn is_at(bytes: &[u8], key: u64, mut offset: u64) -> bool {
    bytes.chunks(PIECE_MAX).all(|chunk| {
        let right = chunk == piece(key, offset, chunk.len());
        offset += chunk.len() as u64;
        right
    })
}
