//! What a connection has for the kernel.

use std::io::IoSlice;

/// How many slices one write takes at most.
pub const SLICES_MAX: usize = 8;

/// A few slices for one gathered write.
#[derive(Debug)]
pub struct Slices<'a> {
    slices: [IoSlice<'a>; SLICES_MAX],
    len: usize,
    /// More follows at once by another call: the kernel may wait with a packet that is not full.
    pub more: bool,
}

impl<'a> Slices<'a> {
    /// No slice yet.
    pub fn new() -> Slices<'a> {
        Slices { slices: [IoSlice::new(&[]); SLICES_MAX], len: 0, more: false }
    }

    /// Adds a slice; returns whether there is room for another.
    pub fn push(&mut self, bytes: &'a [u8]) -> bool {
        if !bytes.is_empty() && self.len < SLICES_MAX {
            self.slices[self.len] = IoSlice::new(bytes);
            self.len += 1;
        }
        self.len < SLICES_MAX
    }

    /// The slices.
    pub fn as_slices(&self) -> &[IoSlice<'a>] {
        &self.slices[..self.len]
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Default for Slices<'_> {
    fn default() -> Self {
        Slices::new()
    }
}

/// What is to be written next.
#[derive(Debug)]
pub enum Outgoing<'a> {
    /// Nothing at present.
    Nothing,
    /// Bytes in memory.
    Bytes(Slices<'a>),
    /// A part of a file, by a worker, straight into the socket: `Engine::start_transfer` once it can be written.
    Transfer,
}
