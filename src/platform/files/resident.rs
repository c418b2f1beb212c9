//! Whether a part of a file is in memory, so that sending it can't wait for a disk. Only Linux can tell, by
//! `cachestat(2)` (6.5 and later) for where the pages are and by reads that don't wait for whether their content is; an
//! answer of `false` means no more than that nobody promises.

use std::fs::File;

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod linux {
    use std::fs::File;
    use std::os::fd::{AsFd, AsRawFd};

    /// `cachestat`: the libc crate has no name for it. The same number on all architectures that have it but one.
    const SYS_CACHESTAT: libc::c_long = 451;

    #[repr(C)]
    struct Range {
        offset: u64,
        length: u64,
    }

    #[repr(C)]
    #[derive(Default)]
    struct Pages {
        cached: u64,
        dirty: u64,
        writeback: u64,
        evicted: u64,
        recently_evicted: u64,
    }

    /// Pages of a part of a file that are in the page cache; `None` where the kernel does not say: it is older, or the
    /// file is somebody else's.
    pub(super) fn cached_pages(file: &File, offset: u64, length: u64) -> Option<u64> {
        let range = Range { offset, length };
        let mut pages = Pages::default();
        let descriptor = file.as_fd().as_raw_fd();
        // SAFETY: both structures have the kernel's layout and outlive the call, which keeps no pointer.
        let failed = unsafe {
            libc::syscall(SYS_CACHESTAT, descriptor, &raw const range, &raw mut pages, 0 as libc::c_uint)
        };
        (failed == 0).then_some(pages.cached)
    }
}

/// Whether all of `offset..offset + length`, at least one byte, is in memory now.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) fn is_resident(file: &File, offset: u64, length: u64) -> bool {
    let page = rustix::param::page_size() as u64;
    let Some(last) = length.checked_sub(1).and_then(|rest| offset.checked_add(rest)) else { return false };
    let pages = last / page - offset / page + 1;
    linux::cached_pages(file, offset, length) == Some(pages) && is_filled(file, offset, last)
}

/// Whether pages that are there have their content already: what the kernel reads ahead is listed before it has come.
/// Looks at the first and the last byte and at some between; the disk brings them in runs. Also false on file systems,
/// those of networks above all, that can't read without waiting.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
fn is_filled(file: &File, first: u64, last: u64) -> bool {
    use rustix::io::{ReadWriteFlags, preadv2};
    /// Bytes between two looks.
    const STRIDE: usize = 128 << 10;
    let mut byte = [0];
    let mut is_there = |at| {
        let into = &mut [std::io::IoSliceMut::new(&mut byte)];
        preadv2(file, into, at, ReadWriteFlags::NOWAIT) == Ok(1)
    };
    is_there(last) && (first..last).step_by(STRIDE).all(is_there)
}

/// Nobody can tell.
#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
pub(crate) fn is_resident(_: &File, _: u64, _: u64) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn what_was_just_written_is_in_memory_and_a_hole_is_not() {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&vec![7; 1 << 20]).expect("space");
        file.set_len(8 << 20).expect("a hole");
        if linux::cached_pages(&file, 0, 1).is_none() {
            return; // An older kernel.
        }
        assert!(is_resident(&file, 0, 1 << 20));
        assert!(is_resident(&file, 5, 1));
        assert!(is_resident(&file, 4095, 2));
        assert!(!is_resident(&file, (1 << 20) - 1, 2 << 20));
        assert!(!is_resident(&file, 4 << 20, 1));
        assert!(!is_resident(&file, 8 << 20, 1));
        assert!(!is_resident(&file, 0, 0));
        assert!(!is_resident(&file, u64::MAX, 2));
    }
}
