//! A disk that answers nothing: whatever its root's files wait for, other roots' go on.
#![cfg(target_os = "linux")]

use super::*;
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// A root on an ext4 of its own, which can be frozen; thawed and unmounted at the end.
struct Freezer {
    root: Arc<Root>,
    t: Fixture,
}

impl Freezer {
    /// `None`, and a note, where no such thing can be had.
    fn new(t: Fixture) -> Option<Freezer> {
        let (image, mount) = (t.dir.path().join("image"), t.dir.path().join("mount"));
        std::fs::create_dir(&mount).unwrap();
        std::fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
        let root = Arc::new(Root { number: RootNumber(1), key: "frozen".to_owned(), path: mount.clone() });
        let freezer = Freezer { root, t };
        let ready = run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image))
            && run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&mount));
        ready.then_some(freezer)
    }

    fn freeze(&self) -> bool {
        run(Command::new("fsfreeze").arg("-f").arg(&self.root.path))
    }

    fn thaw(&self) {
        run(Command::new("fsfreeze").arg("-u").arg(&self.root.path));
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        let _ = Command::new("fsfreeze").arg("-u").arg(&self.root.path).output();
        self.t.disk.shed(usize::MAX);
        let _ = Command::new("umount").arg("-l").arg(&self.root.path).output();
    }
}

/// Does `work` on another thread and waits for it, but not for long.
fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (done, outcome) = channel();
    thread::spawn(move || done.send(work()));
    outcome.recv_timeout(Duration::from_secs(5)).ok()
}

#[test]
fn a_stuck_write_holds_no_lock_that_others_need() {
    let Some(f) = Freezer::new(Fixture::new()).map(Arc::new) else { return };
    let file = f.t.disk.open(&f.root, &rel("file"), MAKE).unwrap().file;
    if !f.freeze() {
        return;
    }
    let (writing, other) = (f.clone(), f.clone());
    let (started, wait) = channel();
    let stuck = thread::spawn(move || {
        started.send(()).unwrap();
        writing.t.write(&file, 0, b"content")
    });
    wait.recv().unwrap();
    let outcome = in_time(move || {
        let file = other.t.make("file", b"written");
        // Even what sets sizes under its root's lock.
        assert_eq!(other.t.disk.preallocate(&file, 10_000, false), Ok(10_000));
        assert_eq!(other.t.disk.preallocate(&file, 1 << 62, true), Err(DiskError::DiskFull));
        assert_eq!(other.t.disk.path_truncate(&other.t.root, &rel("file"), 7), Ok(()));
        other.t.read(&file, 0, 10)
    });
    f.thaw();
    assert_eq!(outcome, Some(Ok((b"written".to_vec(), 7))), "waited for the frozen one");
    assert_eq!(stuck.join().unwrap(), Ok(7), "it ends well after the thaw");
}
