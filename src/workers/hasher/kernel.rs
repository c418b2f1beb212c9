//! The compression functions, of several messages at once: the processor's own where it has them and gains by it, else
//! one message after another. Whole blocks only; knows nothing of chunks, files or padding.

use crate::job::Digest;

/// Bytes that one compression takes, of either hash.
pub(super) const BLOCK_BYTES: usize = 64;
/// Whole blocks of one message.
pub(super) type Blocks<'a> = &'a [[u8; BLOCK_BYTES]];

/// One hash function.
pub(super) trait Kernel {
    /// The words of a hash under way.
    type State: Copy;

    /// The words of a hash of nothing as yet.
    const START: Self::State;

    /// Feeds to each state as many blocks as the shortest list has, and returns how many that were.
    fn compress<const N: usize>(states: [&mut Self::State; N], blocks: [Blocks<'_>; N]) -> usize;

    /// The words as bytes.
    fn digest(state: &Self::State) -> Digest;
}

/// SHA-1 (FIPS 180-4, 6.1).
pub(super) struct Sha1;

impl Kernel for Sha1 {
    type State = [u32; 5];

    const START: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

    fn compress<const N: usize>(states: [&mut [u32; 5]; N], blocks: [Blocks<'_>; N]) -> usize {
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        if N > 1 && super::sha1_x86::is_available() {
            return super::sha1_x86::compress(states, blocks);
        }
        one_after_another(states, blocks, sha1::block_api::compress)
    }

    fn digest(state: &[u32; 5]) -> Digest {
        let mut bytes = [0; 20];
        put_words(&mut bytes, state);
        Digest::from(bytes)
    }
}

/// SHA-256 (FIPS 180-4, 6.2).
pub(super) struct Sha256;

impl Kernel for Sha256 {
    type State = [u32; 8];

    const START: [u32; 8] = [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];

    fn compress<const N: usize>(states: [&mut [u32; 8]; N], blocks: [Blocks<'_>; N]) -> usize {
        one_after_another(states, blocks, sha2::block_api::compress256)
    }

    fn digest(state: &[u32; 8]) -> Digest {
        let mut bytes = [0; 32];
        put_words(&mut bytes, state);
        Digest::from(bytes)
    }
}

fn one_after_another<const N: usize, S>(
    states: [&mut S; N],
    blocks: [Blocks<'_>; N],
    compress: impl Fn(&mut S, Blocks<'_>),
) -> usize {
    let count = shortest(&blocks);
    for (state, list) in states.into_iter().zip(blocks) {
        compress(state, &list[..count]);
    }
    count
}

pub(super) fn shortest<const N: usize>(blocks: &[Blocks<'_>; N]) -> usize {
    blocks.iter().map(|list| list.len()).min().unwrap_or(0)
}

fn put_words(bytes: &mut [u8], words: &[u32]) {
    for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_be_bytes());
    }
}
