//! Handles whose files go away, and handles that outnumber descriptors.

use super::*;
use crate::job::TransferError;

fn with_descriptors(descriptors_max: usize) -> Fixture {
    Fixture::with(DiskLimits { descriptors_max, ..DiskLimits::default() })
}

/// Every call on a handle whose file is gone.
fn is_not_found(t: &Fixture, file: &Arc<FileHandle>) {
    assert_eq!(t.read(file, 0, 10), Err(DiskError::NotFound));
    assert_eq!(t.write(file, 0, b"x").unwrap_err().error, DiskError::NotFound);
    assert_eq!(t.disk.inspect(file), Err(DiskError::NotFound));
    assert_eq!(t.disk.flush(file), Err(DiskError::NotFound));
    assert_eq!(t.disk.truncate(file, 0), Err(DiskError::NotFound));
    assert_eq!(t.disk.preallocate(file, 10, true), Err(DiskError::NotFound));
    assert_eq!(t.disk.descriptor(file).unwrap_err(), DiskError::NotFound);
    assert_eq!(t.disk.read_at(file, 0, &mut [0]), Err(DiskError::NotFound));
    assert!(matches!(t.disk.read_now(file, 0, &mut [0]), Some(Err(DiskError::NotFound))));
    assert_eq!(t.disk.transfer(file, &NoOutlet, 0, 1), Err(TransferError::Disk(DiskError::NotFound)));
    assert!(file.is_gone());
}

#[derive(Debug)]
struct NoOutlet;

impl Outlet for NoOutlet {
    fn send_file(&self, _: &std::fs::File, _: u64, _: usize) -> std::io::Result<usize> {
        panic!("nothing was to be sent")
    }
}

#[test]
fn a_deleted_file_is_gone_for_its_open_handle() {
    let t = Fixture::new();
    let file = t.make("file", b"content");
    assert_eq!(t.disk.path_delete(&t.root, &rel("file")), Ok(()));
    is_not_found(&t, &file);
    assert_eq!(t.disk.counters().descriptors, 0, "nothing keeps its space");
}

// On Windows the system keeps others from replacing it.
#[cfg(unix)]
#[test]
fn a_replaced_file_is_gone_and_its_successor_untouched() {
    let t = Fixture::new();
    let file = t.make("file", b"content");
    std::fs::write(t.at("new"), b"successor").unwrap();
    std::fs::rename(t.at("new"), t.at("file")).unwrap();
    is_not_found(&t, &file);
    assert_eq!(std::fs::read(t.at("file")).unwrap(), b"successor");
}

/// Its inode is free again once its descriptor is closed, and ext4 gives it to the next file at once.
#[cfg(target_os = "linux")]
#[test]
fn what_took_a_deleted_files_place_is_not_touched_though_it_has_its_inode() {
    let t = with_descriptors(1);
    let mut reused = 0;
    for round in 0..8 {
        let name = format!("file {round}");
        let file = t.make(&name, b"content");
        t.make(&format!("another {round}"), b"content");
        // Not in the same tick of the file system's clock.
        let born = std::time::Instant::now();
        while born.elapsed().as_millis() < 20 {}
        std::fs::remove_file(t.at(&name)).unwrap();
        std::fs::write(t.at(&name), b"successor").unwrap();
        let successor = std::fs::metadata(t.at(&name)).unwrap();
        reused += u32::from(std::os::unix::fs::MetadataExt::ino(&successor) == file.identity.inode);
        is_not_found(&t, &file);
        assert_eq!(std::fs::read(t.at(&name)).unwrap(), b"successor");
    }
    if reused == 0 {
        not_tested("this file system does not use inodes again");
    }
}

#[test]
fn a_file_that_was_moved_and_replaced_is_gone_when_reopened() {
    let t = with_descriptors(1);
    let file = t.make("file", b"content");
    std::fs::rename(t.at("file"), t.at("moved")).unwrap();
    std::fs::write(t.at("file"), b"another").unwrap();
    assert_eq!(t.read(&file, 0, 3), Ok((b"con".to_vec(), 7)), "its descriptor is still open");
    t.make("other", b"takes the only descriptor");
    is_not_found(&t, &file);
    assert_eq!(std::fs::read(t.at("file")).unwrap(), b"another");
    assert_eq!(std::fs::read(t.at("moved")).unwrap(), b"content");
}

#[cfg(unix)]
#[test]
fn a_file_replaced_by_a_link_is_gone_when_reopened() {
    for target in ["../secret", "/etc/passwd", "file", "moved/x"] {
        let t = with_descriptors(1);
        let file = t.make("file", b"content");
        std::fs::rename(t.at("file"), t.at("moved")).unwrap();
        std::os::unix::fs::symlink(target, t.at("file")).unwrap();
        t.make("other", b"");
        is_not_found(&t, &file);
        t.secret_is_untouched();
    }
}

#[cfg(unix)]
#[test]
fn a_link_to_the_same_file_is_the_same_file() {
    let t = with_descriptors(1);
    let file = t.make("file", b"content");
    std::fs::rename(t.at("file"), t.at("moved")).unwrap();
    std::os::unix::fs::symlink("moved", t.at("file")).unwrap();
    t.make("other", b"");
    assert_eq!(t.read(&file, 0, 3), Ok((b"con".to_vec(), 7)));
}

#[test]
fn a_thousand_handles_share_eight_descriptors() {
    let t = with_descriptors(8);
    let files: Vec<_> =
        (0..1000).map(|n| t.make(&format!("{}/{n}", n % 10), n.to_string().as_bytes())).collect();
    for step in [1, 7, 501] {
        for n in (0..1000).map(|n| n * step % 1000) {
            assert_eq!(t.read(&files[n], 0, 10).unwrap().0, n.to_string().as_bytes());
            assert!(t.disk.counters().descriptors <= 8);
        }
    }
    assert!(t.disk.counters().reopened > 2000);
    for (n, file) in files.iter().enumerate() {
        assert_eq!(t.write(file, 10, b"more"), Ok(4), "{n}");
        t.disk.forget(file);
    }
    assert_eq!(t.disk.counters().descriptors, 0);
    assert_eq!(std::fs::read(t.at("7/997")).unwrap(), b"997\0\0\0\0\0\0\0more");
}

#[test]
fn the_least_recently_used_goes_first() {
    let t = with_descriptors(2);
    let (a, b) = (t.make("a", b"a"), t.make("b", b"b"));
    let reopened = |file| {
        let before = t.disk.counters().reopened;
        assert!(t.read(file, 0, 1).is_ok());
        t.disk.counters().reopened - before
    };
    assert_eq!(reopened(&a), 0);
    let c = t.make("c", b"c");
    assert_eq!((reopened(&a), reopened(&c)), (0, 0));
    assert_eq!((reopened(&b), reopened(&c)), (1, 0));
    assert_eq!(reopened(&a), 1);
}

#[test]
fn shedding_closes_and_everything_still_works() {
    let t = Fixture::new();
    let files: Vec<_> = (0..10).map(|n| t.make(&n.to_string(), b"content")).collect();
    assert_eq!(t.disk.shed(4), 4);
    assert_eq!(t.disk.counters().descriptors, 6);
    assert_eq!(t.disk.shed(100), 6);
    assert_eq!(t.disk.shed(1), 0);
    for file in &files {
        assert_eq!(t.read(file, 0, 10), Ok((b"content".to_vec(), 7)));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_process_short_of_descriptors_serves_all_the_same() {
    in_a_process("handles::serves_with_no_descriptor_to_spare");
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "changes a limit of the process: run by the test above"]
fn serves_with_no_descriptor_to_spare() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let t = with_descriptors(1000);
    let files: Vec<_> = (0..40).map(|n| t.make(&format!("d/{n}"), b"content")).collect();
    setrlimit(Resource::Nofile, Rlimit { current: Some(40), maximum: Some(20_000) }).unwrap();
    let mut hoard = Vec::new();
    let mut take_all = || hoard.extend(std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()));
    take_all();
    t.make("d/new/file", b"made all the same");
    take_all();
    assert_eq!(t.disk.path_list(&t.root, &rel("d/new"), 1000).unwrap(), ["file"]);
    take_all();
    for file in files.iter().rev() {
        assert_eq!(t.read(file, 0, 10), Ok((b"content".to_vec(), 7)));
    }
    take_all();
    assert_eq!(t.disk.read_config(&t.at("d/7"), 10).as_deref(), Ok(&b"content"[..]));
    take_all();
    assert_eq!(t.disk.path_delete(&t.root, &rel("d")), Ok(()));
}
