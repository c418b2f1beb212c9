//! What may be opened, what is made, and who made it.

use super::*;
use std::sync::Barrier;
use std::thread;

#[test]
fn makes_files_and_their_folders() {
    let t = Fixture::new();
    let how = OpenHow { write: true, create: false };
    assert_eq!(t.open("a/b/c", how).unwrap_err(), DiskError::NotFound);
    assert!(!t.at("a").exists());
    let made = t.open("a/b/c", MAKE).unwrap();
    assert!(made.created && made.size == 0 && made.file.writable);
    let again = t.open("a/b/c", MAKE).unwrap();
    assert!(!again.created);
    assert!(again.file.key != made.file.key && again.file.identity == made.file.identity);
    t.make("a/b/d", b"1234");
    let found = t.open("a/b/d", READ).unwrap();
    assert!(!found.created && found.size == 4 && !found.file.writable);
    assert!(found.mtime_ms > 1_600_000_000_000);
}

#[test]
fn what_is_no_file_is_not_opened() {
    let t = Fixture::new();
    t.make("folder/file", b"");
    for how in [READ, WRITE, MAKE] {
        assert_eq!(t.open("", how).unwrap_err(), DiskError::IsDirectory);
        assert_eq!(t.open("folder", how).unwrap_err(), DiskError::IsDirectory);
        assert_eq!(t.open("folder/file/x", how).unwrap_err(), DiskError::NotADirectory);
        assert_eq!(t.open("folder/file/x/y", how).unwrap_err(), DiskError::NotADirectory);
    }
    assert_eq!(t.disk.make_folder(&t.root, &rel("folder/file")), Err(DiskError::NotADirectory));
    assert_eq!(t.disk.make_folder(&t.root, &rel("folder/file/x")), Err(DiskError::NotADirectory));
    assert_eq!(t.disk.make_folder(&t.root, &rel("")), Ok(()));
}

#[test]
fn a_root_that_is_not_there_is_not_found() {
    let t = Fixture::new();
    let nowhere = root_at(t.at("nowhere"));
    assert_eq!(t.disk.open(&nowhere, &rel("a"), MAKE).unwrap_err(), DiskError::NotFound);
    assert_eq!(t.disk.root_space(&nowhere), Err(DiskError::NotFound));
    assert!(!nowhere.path.exists());
    t.make("file", b"");
    let file = root_at(t.at("file"));
    assert_eq!(t.disk.open(&file, &rel("a"), MAKE).unwrap_err(), DiskError::NotADirectory);
    assert_eq!(t.disk.root_space(&file), Err(DiskError::NotADirectory));
}

#[test]
fn a_root_that_was_replaced_is_the_new_one() {
    let t = Fixture::new();
    t.make("file", b"old");
    std::fs::rename(&t.root.path, t.dir.path().join("moved")).unwrap();
    assert_eq!(t.open("file", READ).unwrap_err(), DiskError::NotFound);
    std::fs::create_dir(&t.root.path).unwrap();
    assert!(t.open("file", MAKE).unwrap().created);
    assert_eq!(std::fs::read(t.dir.path().join("moved/file")).unwrap(), b"old");
}

#[test]
fn one_of_many_that_race_has_made_the_file() {
    const RACERS: usize = 4;
    let t = Fixture::new();
    let start = Barrier::new(RACERS);
    for round in 0..100 {
        let made = thread::scope(|scope| {
            let racers: Vec<_> = (0..RACERS)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        t.open(&format!("{round}/new/file"), MAKE).expect("a file").created
                    })
                })
                .collect();
            racers.into_iter().map(|racer| racer.join().expect("no panic")).filter(|made| *made).count()
        });
        assert_eq!(made, 1);
    }
}

/// On Linux one call takes one byte less than that.
#[cfg(target_os = "linux")]
#[test]
fn a_path_may_be_as_long_as_the_contract_says() {
    let t = Fixture::new();
    let name = format!("{}{}", format!("{}/", "x".repeat(100)).repeat(40), "y".repeat(56));
    assert_eq!(name.len(), 4096);
    let path = rel(&name);
    assert_eq!(t.open(&name, WRITE).unwrap_err(), DiskError::NotFound);
    assert_eq!(t.disk.path_stat(&t.root, &path).unwrap_err(), DiskError::NotFound);
    assert!(!t.at(&"x".repeat(100)).exists());
    t.make(&name, b"content");
    assert_eq!(t.disk.path_truncate(&t.root, &path, 3), Ok(()));
    assert_eq!(t.disk.path_stat(&t.root, &path).unwrap().size, 3);
    assert_eq!(t.disk.path_list(&t.root, &path, 1000).unwrap_err(), DiskError::NotADirectory);
    assert_eq!(t.disk.path_delete(&t.root, &path), Ok(()));
    assert_eq!(t.disk.make_folder(&t.root, &path), Ok(()));
    assert!(t.disk.path_stat(&t.root, &path).unwrap().is_directory);
}

#[test]
fn a_size_is_reserved_on_opening() {
    let t = Fixture::new();
    let open = |name: &str, size| {
        let ask = Ask::Open { root: Arc::clone(&t.root), path: rel(name), write: true, create: true, size };
        match perform(&t.disk, ask) {
            Performed::Done(Done::Open(outcome)) => outcome,
            other => panic!("{other:?}"),
        }
    };
    let opened = open("file", Some(100_000)).unwrap();
    assert!(opened.created && opened.size == 100_000);
    assert_eq!(open("file", Some(1)).unwrap().size, 100_000);
    assert_eq!(open("file", None).unwrap().size, 100_000);
    let descriptors = t.disk.counters().descriptors;
    let error = open("other", Some(1 << 62)).unwrap_err();
    assert!(!cfg!(target_os = "linux") || error == DiskError::DiskFull, "{error:?}");
    assert_eq!(t.disk.counters().descriptors, descriptors);
}

#[cfg(unix)]
mod special {
    use super::*;
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    fn node(t: &Fixture, name: &str, kind: FileType, device: u64) -> bool {
        mknodat(CWD, t.at(name), kind, Mode::RUSR | Mode::WUSR, device).is_ok()
    }

    #[test]
    fn special_files_are_refused_and_never_waited_for() {
        let t = Fixture::new();
        assert!(node(&t, "fifo", FileType::Fifo, 0));
        let _listening = std::os::unix::net::UnixListener::bind(t.at("socket")).unwrap();
        std::os::unix::fs::symlink("fifo", t.at("link")).unwrap();
        let mut names = vec!["fifo", "socket", "link"];
        if node(&t, "device", FileType::CharacterDevice, rustix::fs::makedev(1, 3)) {
            names.push("device");
        } else {
            not_tested("device nodes can't be made here");
        }
        for name in &names {
            for how in [READ, WRITE, MAKE] {
                assert_eq!(t.open(name, how).unwrap_err(), DiskError::NotRegular, "{name}");
            }
            assert_eq!(t.disk.path_truncate(&t.root, &rel(name), 0), Err(DiskError::NotRegular));
            let stat = t.disk.path_stat(&t.root, &rel(name)).unwrap();
            assert!(!stat.is_file && !stat.is_directory);
        }
        for name in names {
            assert_eq!(t.disk.path_delete(&t.root, &rel(name)), Ok(()), "{name}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_special_file_never_notices() {
        use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
        let t = Fixture::new();
        assert!(node(&t, "fifo", FileType::Fifo, 0));
        let events = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
        add_watch(&events, t.at("fifo"), WatchFlags::OPEN).unwrap();
        for how in [READ, WRITE, MAKE] {
            assert_eq!(t.open("fifo", how).unwrap_err(), DiskError::NotRegular);
        }
        assert_eq!(rustix::io::read(&events, &mut [0; 256]), Err(rustix::io::Errno::AGAIN), "it was opened");
    }

    #[test]
    fn a_fifo_under_a_handle_is_not_what_was_opened() {
        let t = Fixture::with(DiskLimits { descriptors_max: 1, ..DiskLimits::default() });
        let file = t.make("file", b"content");
        t.make("other", b"");
        std::fs::remove_file(t.at("file")).unwrap();
        assert!(node(&t, "file", FileType::Fifo, 0));
        assert_eq!(t.read(&file, 0, 10), Err(DiskError::NotFound));
        assert!(file.is_gone());
    }

    #[test]
    fn the_daemons_own_files_are_small_and_regular() {
        let t = Fixture::new();
        assert!(node(&t, "fifo", FileType::Fifo, 0));
        let read = |name: &str| t.disk.read_config(&t.at(name), 10);
        assert!(read("fifo").unwrap_err().ends_with("is not a regular file."));
        assert!(read("none").unwrap_err().ends_with("can't be read: No such file or directory."));
        assert!(read("").unwrap_err().ends_with("is not a regular file."));
        t.make("ten", b"0123456789");
        assert_eq!(read("ten").unwrap(), b"0123456789");
        t.make("eleven", b"0123456789a");
        assert!(read("eleven").unwrap_err().ends_with("has more than 10 bytes."));
    }
}
