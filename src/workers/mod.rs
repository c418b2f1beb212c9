//! What may block, on threads of its own: the disk, hashing, names.

pub mod disk;
