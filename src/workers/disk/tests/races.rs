//! Links that appear while the daemon works. Whatever the moment, what is outside stays as it is and is never read.
#![cfg(target_os = "linux")]

use super::*;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::os::unix::fs::symlink;

const ROUNDS: usize = 10_000;

/// A root with a folder `d` and a link `out` of what the folder has, which another thread keeps swapping while
/// `work` is done.
fn while_swapped(t: &Fixture, work: impl FnOnce()) {
    let outside = t.dir.path().join("outside");
    std::fs::create_dir_all(outside.join("sub")).unwrap();
    std::fs::write(outside.join("file"), SECRET).unwrap();
    t.make("d/file", b"inside");
    std::fs::create_dir(t.at("d/sub")).unwrap();
    symlink("../outside", t.at("out")).unwrap();
    let swap = || {
        let _ = renameat_with(CWD, t.at("d"), CWD, t.at("out"), RenameFlags::EXCHANGE);
    };
    meanwhile(swap, work);
    assert_eq!(std::fs::read(outside.join("file")).unwrap(), SECRET);
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 2);
    assert_eq!(std::fs::read_dir(outside.join("sub")).unwrap().count(), 0);
}

/// Fine, or what a link that leads out is told.
fn inside<T>(outcome: Result<T, DiskError>) -> Option<T> {
    match outcome {
        Err(DiskError::EscapesRoot | DiskError::NotFound) => None,
        outcome => Some(outcome.expect("nothing else")),
    }
}

#[test]
fn opening_never_leaves_the_root() {
    let t = Fixture::with(DiskLimits { descriptors_max: 4, ..DiskLimits::default() });
    while_swapped(&t, || {
        let (mut opened, mut refused) = (0, 0);
        for _ in 0..ROUNDS {
            let Some(found) = inside(t.open("d/file", READ)) else {
                refused += 1;
                continue;
            };
            opened += 1;
            // Its descriptor may have to be opened again, with the link in place or not.
            t.disk.shed(4);
            if let Some((bytes, _)) = inside(t.read(&found.file, 0, 100)) {
                assert_eq!(bytes, b"inside");
            }
        }
        assert!(opened > 0 && refused > 0, "{opened} opened, {refused} refused: no race");
    });
}

#[test]
fn making_and_changing_never_leaves_the_root() {
    let t = Fixture::new();
    while_swapped(&t, || {
        for n in 0..ROUNDS / 10 {
            if let Some(made) = inside(t.open(&format!("d/sub/{n}/new"), MAKE)) {
                assert_eq!(t.write(&made.file, 0, b"written"), Ok(7));
            }
            inside(t.disk.make_folder(&t.root, &rel(&format!("d/folder {n}/deep"))));
            inside(t.disk.path_truncate(&t.root, &rel("d/file"), 3));
            inside(t.disk.path_delete(&t.root, &rel("d/file")));
            inside(t.open("d/file", MAKE));
            if let Some(names) = inside(t.disk.path_list(&t.root, &rel("d"), 1 << 20)) {
                assert!(names.contains(&"sub".to_owned()));
            }
            if let Some(stat) = inside(t.disk.path_stat(&t.root, &rel("d/file"))) {
                assert!(stat.size < SECRET.len() as u64);
            }
        }
    });
}

#[test]
fn deleting_never_leaves_the_tree() {
    let t = Fixture::new();
    let outside = t.dir.path().join("outside");
    std::fs::create_dir_all(outside.join("sub/sub")).unwrap();
    std::fs::write(outside.join("sub/sub/file"), SECRET).unwrap();
    // The link takes the folder's place somewhere in the tree, and what is left of the folder comes back.
    let swap = || {
        let _ = renameat_with(CWD, t.at("tree/sub"), CWD, t.at("link"), RenameFlags::EXCHANGE);
    };
    meanwhile(swap, || {
        for _ in 0..100 {
            let _ = std::fs::remove_file(t.at("link"));
            for n in 0..4 {
                inside(t.open(&format!("tree/sub/sub/{n}"), MAKE));
            }
            let _ = symlink(outside.join("sub"), t.at("link"));
            match t.disk.path_delete(&t.root, &rel("tree")) {
                Ok(()) | Err(DiskError::NotFound) => {}
                other => panic!("{other:?}"),
            }
        }
    });
    assert_eq!(std::fs::read(outside.join("sub/sub/file")).unwrap(), SECRET);
    t.secret_is_untouched();
}
