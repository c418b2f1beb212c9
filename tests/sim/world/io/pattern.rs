//! Bytes that tell by their place in a stream whether they are the right ones: a block of noise, entered at a place
//! that the stream's key chooses.

use std::sync::LazyLock;

/// A prime, so that no power of two is a multiple of it.
const PERIOD: usize = 65_521;

/// Twice over, so that whatever begins in the first half lies there in one piece.
static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut mixed: u64 = 0x9E37_79B9_7F4A_7C15;
    let once = (0..PERIOD).map(|_| {
        mixed ^= mixed << 13;
        mixed ^= mixed >> 7;
        mixed ^= mixed << 17;
        (mixed >> 24) as u8
    });
    let once: Vec<u8> = once.collect();
    [&once[..], &once[..]].concat()
});

fn place(key: u64, offset: u64) -> usize {
    (key.wrapping_mul(7_919).wrapping_add(offset) % PERIOD as u64) as usize
}

/// The bytes at `offset` of the stream `key`.
pub(crate) fn bytes(key: u64, offset: u64, length: usize) -> Vec<u8> {
    let mut all = Vec::with_capacity(length);
    while all.len() < length {
        let from = place(key, offset + all.len() as u64);
        let count = (length - all.len()).min(PERIOD);
        all.extend_from_slice(&NOISE[from..from + count]);
    }
    all
}

/// These are the bytes at `offset` of the stream `key`, or the run ends.
pub(crate) fn check(key: u64, offset: u64, bytes: &[u8], whose: &str) {
    for (index, part) in bytes.chunks(PERIOD).enumerate() {
        let at = offset + (index * PERIOD) as u64;
        let from = place(key, at);
        if part == &NOISE[from..from + part.len()] {
            continue;
        }
        let wrong = part.iter().zip(&NOISE[from..]).position(|(is, due)| is != due).unwrap_or(0);
        panic!("{whose}: byte {} of stream {key} is not what was sent", at + wrong as u64);
    }
}
