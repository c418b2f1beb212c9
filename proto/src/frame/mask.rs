//! The masking of client frames (RFC 6455 §5.3). Owns nothing but the arithmetic.

/// Masks or unmasks `bytes` in place with `key`, whose first byte belongs to the first byte of `bytes`.
///
/// Eight bytes a step, in a form that the compiler turns into vector instructions.
pub fn apply(bytes: &mut [u8], key: [u8; 4]) {
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip([a, b, c, d, a, b, c]) {
        *byte ^= key;
    }
}

/// The key for what follows after `taken` bytes were masked with `key`.
pub fn advance(mut key: [u8; 4], taken: usize) -> [u8; 4] {
    key.rotate_left(taken % 4);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_cut_and_alignment_masks_like_the_definition() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let plain: Vec<u8> = (0..67u8).map(|n| n.wrapping_mul(29)).collect();
        let expected: Vec<u8> = plain.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        for cut in 0..=plain.len() {
            let mut masked = plain.clone();
            let (head, tail) = masked.split_at_mut(cut);
            apply(head, key);
            apply(tail, advance(key, cut));
            assert_eq!(masked, expected, "cut at {cut}");
        }
    }
}
