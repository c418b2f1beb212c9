//! How the system's allocator keeps what was freed. What is large comes from the system in pieces of its own and goes
//! back at once; threads share few arenas. Without this, glibc learns from the first large block that is freed to keep
//! such blocks, and memory that nobody uses adds up. Changes nothing elsewhere: those allocators give back by themselves.

/// Blocks of this size and more are the system's at once.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const OWN_PIECE_BYTES_MIN: libc::c_int = 128 << 10;
/// Free memory at the end of the heap beyond which it goes back.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT_BYTES_MAX: libc::c_int = 128 << 10;
/// Arenas that all threads share: the poll thread's, and one for the workers.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const ARENAS_MAX: libc::c_int = 2;

/// To be called once, before there is a second thread.
pub fn give_back_early() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    for (name, value) in [
        (libc::M_MMAP_THRESHOLD, OWN_PIECE_BYTES_MIN),
        (libc::M_TRIM_THRESHOLD, KEPT_BYTES_MAX),
        (libc::M_ARENA_MAX, ARENAS_MAX),
    ] {
        // SAFETY: it takes two numbers, and no other thread allocates yet. Refusal leaves things as they were.
        unsafe { libc::mallopt(name, value) };
    }
}
