//! Sizes and blocks; full, small and read-only file systems.

use super::*;

#[test]
fn preallocation_grows_and_never_shrinks() {
    let t = Fixture::new();
    let file = t.make("file", b"content");
    for full in [true, false] {
        assert_eq!(t.disk.preallocate(&file, 0, full), Ok(7));
        assert_eq!(t.disk.preallocate(&file, 3, full), Ok(7));
    }
    assert_eq!(t.disk.preallocate(&file, 10_000_000, false), Ok(10_000_000));
    assert!(!cfg!(target_os = "linux") || t.disk.inspect(&file).unwrap().allocated < 1_000_000);
    assert_eq!(t.disk.preallocate(&file, 20_000_000, true), Ok(20_000_000));
    let stat = t.disk.inspect(&file).unwrap();
    assert_eq!(stat.size, 20_000_000);
    if cfg!(target_os = "linux") {
        assert!(stat.allocated >= 20_000_000, "holes are filled, too: {}", stat.allocated);
    }
    assert_eq!(t.read(&file, 0, 9), Ok((b"content\0\0".to_vec(), 20_000_000)));
    assert_eq!(t.disk.truncate(&file, 2), Ok(()));
    assert_eq!(t.read(&file, 0, 9), Ok((b"co".to_vec(), 2)));
    assert_eq!(t.disk.flush(&file), Ok(()));
}

#[test]
fn what_others_append_meanwhile_stays() {
    let t = Fixture::new();
    let file = t.make("file", b"");
    let end = 10_000;
    let grow = || {
        let size = t.disk.inspect(&file).unwrap().size;
        assert!(t.disk.preallocate(&file, size + 1, false).unwrap() > size);
    };
    meanwhile(grow, || {
        for n in 0..end {
            let size = t.disk.inspect(&file).unwrap().size.max(n * 8);
            assert_eq!(t.write(&file, size, &n.to_le_bytes()), Ok(8));
            assert!(t.disk.inspect(&file).unwrap().size >= size + 8, "an appended number was cut off");
        }
    });
    let bytes = std::fs::read(t.at("file")).unwrap();
    assert!(bytes.len() as u64 >= end * 8);
}

#[cfg(target_os = "linux")]
#[test]
fn a_limit_on_the_size_of_files_is_an_error() {
    in_a_process("sizes::writes_up_to_the_limit_of_its_process");
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "sets a limit of the process: run by the test above"]
fn writes_up_to_the_limit_of_its_process() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let t = Fixture::new();
    let file = t.make("file", b"");
    setrlimit(Resource::Fsize, Rlimit { current: Some(100_000), maximum: Some(100_000) }).unwrap();
    let failed = t.write(&file, 0, &vec![1; 150_000]).unwrap_err();
    assert!(matches!(failed.error, DiskError::Io { errno: 27, .. }), "{failed:?}");
    assert_eq!(failed.written, 100_000);
    for outcome in [t.disk.truncate(&file, 200_000), t.disk.preallocate(&file, 200_000, true).map(|_| ())] {
        assert!(matches!(outcome, Err(DiskError::Io { errno: 27, .. })), "{outcome:?}");
    }
    assert_eq!(t.disk.inspect(&file).unwrap().size, 100_000);
}

/// A root on a file system of its own, unmounted at the end; `None`, and a note, where none can be mounted.
#[cfg(target_os = "linux")]
struct Mounted {
    root: Arc<Root>,
    t: Fixture,
}

#[cfg(target_os = "linux")]
impl Mounted {
    fn tmpfs(options: &str) -> Option<Mounted> {
        let t = Fixture::new();
        std::fs::create_dir(t.at("mount")).unwrap();
        let root = root_at(t.at("mount"));
        let mounted = Mounted { root, t };
        mounted.mount(&["-t", "tmpfs", "-o", options, "tmpfs"]).then_some(mounted)
    }

    fn ext4(size: u64) -> Option<Mounted> {
        let t = Fixture::new();
        std::fs::create_dir(t.at("mount")).unwrap();
        let image = t.at("image");
        std::fs::File::create(&image).unwrap().set_len(size).unwrap();
        let root = root_at(t.at("mount"));
        let mounted = Mounted { root, t };
        let made = run(std::process::Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image));
        (made && mounted.mount(&["-o", "loop", &image.to_string_lossy()])).then_some(mounted)
    }

    fn mount(&self, args: &[&str]) -> bool {
        run(std::process::Command::new("mount").args(args).arg(&self.root.path))
    }

    fn make(&self, name: &str) -> Arc<FileHandle> {
        self.t.disk.open(&self.root, &rel(name), MAKE).unwrap().file
    }

    fn free(&self) -> u64 {
        self.t.disk.root_space(&self.root).unwrap().free_bytes
    }
}

#[cfg(target_os = "linux")]
impl Drop for Mounted {
    fn drop(&mut self) {
        self.t.disk.shed(usize::MAX);
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.root.path).output();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_says_how_much_it_took() {
    let Some(m) = Mounted::tmpfs("size=1m") else { return };
    let file = m.make("file");
    let content = vec![7; 3 << 20];
    let failed = m.t.write(&file, 0, &content).unwrap_err();
    assert_eq!(failed.error, DiskError::DiskFull);
    assert_eq!(failed.written, m.t.disk.inspect(&file).unwrap().size);
    assert!(failed.written > 0);
    assert_eq!(m.t.write(&file, failed.written, b"x").unwrap_err().written, 0);
    assert_eq!(m.t.read(&file, 0, 100).unwrap().0, [7; 100]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_reservation_that_fails_leaves_the_file_as_it_was() {
    let Some(m) = Mounted::tmpfs("size=1m") else { return };
    let file = m.make("file");
    assert_eq!(m.t.write(&file, 0, b"content"), Ok(7));
    let before = (m.t.disk.inspect(&file).unwrap().size, m.free());
    assert_eq!(m.t.disk.preallocate(&file, 2 << 20, true), Err(DiskError::DiskFull));
    assert_eq!((m.t.disk.inspect(&file).unwrap().size, m.free()), before);
    assert_eq!(m.t.disk.preallocate(&file, 512 << 10, true), Ok(512 << 10));
    assert!(m.t.disk.inspect(&file).unwrap().allocated >= 512 << 10);
}

#[cfg(target_os = "linux")]
#[test]
fn holes_that_can_not_be_filled_are_left_alone() {
    let Some(m) = Mounted::ext4(16 << 20) else { return };
    let sparse = m.make("sparse");
    let size = 64 << 20;
    assert_eq!(m.t.disk.preallocate(&sparse, size, false), Ok(size));
    assert_eq!(m.t.write(&sparse, size / 2, b"in the middle"), Ok(13));
    assert_eq!(m.t.disk.flush(&sparse), Ok(()));
    let before = (m.t.disk.inspect(&sparse).unwrap(), m.free());
    assert_eq!(m.t.disk.preallocate(&sparse, size, true), Err(DiskError::DiskFull));
    assert_eq!((m.t.disk.inspect(&sparse).unwrap(), m.free()), before);
    // What is reserved already is not counted again.
    let half = m.make("half");
    assert_eq!(m.t.disk.preallocate(&half, 8 << 20, true), Ok(8 << 20));
    assert_eq!(m.t.disk.preallocate(&half, 9 << 20, true), Ok(9 << 20));
}

#[cfg(target_os = "linux")]
#[test]
fn a_reservation_that_fails_half_way_gives_back_its_blocks() {
    let Some(m) = Mounted::ext4(16 << 20) else { return };
    // Free space in many pieces needs blocks to list them, which nobody can count beforehand.
    for n in 0..64 {
        let file = m.make(&n.to_string());
        assert_eq!(m.t.write(&file, 0, &[n; 32 << 10]), Ok(32 << 10));
        assert_eq!(m.t.disk.flush(&file), Ok(()));
        m.t.disk.forget(&file);
    }
    for n in (0..64).step_by(2) {
        assert_eq!(m.t.disk.path_delete(&m.root, &rel(&n.to_string())), Ok(()));
    }
    let file = m.make("file");
    assert_eq!(m.t.write(&file, 0, b"content"), Ok(7));
    assert_eq!(m.t.disk.flush(&file), Ok(()));
    let descriptor = m.t.disk.descriptor(&file).unwrap();
    let unused = || {
        rustix::fs::syncfs(descriptor.file()).unwrap();
        crate::platform::files::unused_bytes(descriptor.file()).unwrap()
    };
    let before = unused();
    assert_eq!(m.t.disk.preallocate(&file, before, true), Err(DiskError::DiskFull));
    assert_eq!(m.t.disk.inspect(&file).unwrap().size, 7);
    assert!(unused() + 4096 >= before, "{before} bytes were free, {} are", unused());
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_without_inodes_is_full() {
    let Some(m) = Mounted::tmpfs("size=1m,nr_inodes=4") else { return };
    let outcomes: Vec<_> = (0..4)
        .map(|n| m.t.disk.open(&m.root, &rel(&n.to_string()), MAKE).map(|opened| opened.created))
        .collect();
    assert_eq!(outcomes[0], Ok(true));
    assert_eq!(outcomes[3], Err(DiskError::DiskFull));
    assert_eq!(m.t.disk.make_folder(&m.root, &rel("a/b")), Err(DiskError::DiskFull));
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_system_for_reading_only_says_so() {
    let Some(m) = Mounted::tmpfs("size=1m") else { return };
    let file = m.make("file");
    assert_eq!(m.t.write(&file, 0, b"content"), Ok(7));
    assert!(m.t.disk.root_space(&m.root).unwrap().writable);
    m.t.disk.forget(&file);
    if !m.mount(&["-o", "remount,ro"]) {
        return;
    }
    let open = |name, how| m.t.disk.open(&m.root, &rel(name), how);
    let space = m.t.disk.root_space(&m.root).unwrap();
    assert!(!space.writable && space.total_bytes == 1 << 20);
    assert_eq!(open("file", WRITE).unwrap_err(), DiskError::ReadOnly);
    assert_eq!(open("new", MAKE).unwrap_err(), DiskError::ReadOnly);
    assert_eq!(open("a/new", MAKE).unwrap_err(), DiskError::ReadOnly);
    assert_eq!(m.t.disk.make_folder(&m.root, &rel("a")), Err(DiskError::ReadOnly));
    assert_eq!(m.t.disk.path_delete(&m.root, &rel("file")), Err(DiskError::ReadOnly));
    assert_eq!(m.t.disk.path_truncate(&m.root, &rel("file"), 0), Err(DiskError::ReadOnly));
    assert_eq!(m.t.read(&open("file", READ).unwrap().file, 0, 10), Ok((b"content".to_vec(), 7)));
}

#[cfg(target_os = "linux")]
#[test]
fn a_root_that_is_mounted_later_is_the_mounted_one() {
    let Some(m) = Mounted::tmpfs("size=1m") else { return };
    let below = m.make("file");
    if !m.mount(&["-t", "tmpfs", "tmpfs"]) {
        return;
    }
    assert_eq!(m.t.disk.open(&m.root, &rel("file"), READ).unwrap_err(), DiskError::NotFound);
    assert!(m.t.disk.open(&m.root, &rel("file"), MAKE).unwrap().created);
    m.t.disk.shed(usize::MAX);
    assert_eq!(m.t.read(&below, 0, 1), Err(DiskError::NotFound), "another file has its name");
    let _ = std::process::Command::new("umount").arg("-l").arg(&m.root.path).output();
}
