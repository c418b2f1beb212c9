//! Bytes cut into pieces, as a network may: what a stream says must not depend on it.

/// The same bytes as a list of pieces: whole, and in one other way that depends on them.
fn ways(data: &[u8]) -> [Vec<&[u8]>; 2] {
    let other =
        if data.len() <= 600 && coin(data, 0) { data.chunks(1).collect() } else { at_odd_places(data) };
    [vec![data], other]
}

/// Heads or tails, by the bytes: so that one execution tries one way, and many try all.
pub(crate) fn coin(data: &[u8], which: u32) -> bool {
    (checksum(data) >> (7 + which)) & 1 == 0
}

fn checksum(data: &[u8]) -> u32 {
    data.iter().fold(0x9e37_79b9, |sum: u32, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

fn at_odd_places(data: &[u8]) -> Vec<&[u8]> {
    let mut state = checksum(data) | 1;
    let mut rest = data;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let most = if state & 0x300 == 0 { 200 } else { 9 };
        let (piece, after) = rest.split_at(rest.len().min((state >> 16) as usize % most));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// Asserts that both ways give the same result.
pub(crate) fn agree<T: PartialEq + std::fmt::Debug>(data: &[u8], read: impl Fn(&[&[u8]]) -> T) -> T {
    let [whole, cut] = ways(data).map(|pieces| read(&pieces));
    assert_eq!(whole, cut, "it depends on where the bytes are cut");
    whole
}
