//! Work on names.

use super::*;

/// Room for 20 short names, not for 30.
const LIST_BYTES_MAX: usize = 1000;

#[test]
fn stat_list_truncate_and_delete() {
    let t = Fixture::new();
    t.make("d/b", b"12345");
    t.make("d/a", b"");
    assert_eq!(
        t.disk.path_list(&t.root, &rel("d"), LIST_BYTES_MAX),
        Ok(vec!["a".to_owned(), "b".to_owned()])
    );
    assert_eq!(t.disk.path_list(&t.root, &rel(""), LIST_BYTES_MAX), Ok(vec!["d".to_owned()]));
    let stat = t.disk.path_stat(&t.root, &rel("d/b")).unwrap();
    assert!(stat.is_file && !stat.is_directory && stat.size == 5 && stat.mtime_ms > 1_600_000_000_000);
    assert!(t.disk.path_stat(&t.root, &rel("")).unwrap().is_directory);
    assert_eq!(t.disk.path_stat(&t.root, &rel("d/c")), Err(DiskError::NotFound));
    assert_eq!(t.disk.path_stat(&t.root, &rel("d/b/c")), Err(DiskError::NotADirectory));
    assert_eq!(t.disk.path_truncate(&t.root, &rel("d/b"), 2), Ok(()));
    assert_eq!(std::fs::read(t.at("d/b")).unwrap(), b"12");
    assert_eq!(t.disk.path_truncate(&t.root, &rel("d/b"), 10), Ok(()));
    assert_eq!(std::fs::read(t.at("d/b")).unwrap(), b"12\0\0\0\0\0\0\0\0");
    assert_eq!(t.disk.path_truncate(&t.root, &rel("d/c"), 1), Err(DiskError::NotFound));
    assert_eq!(t.disk.path_delete(&t.root, &rel("d/b")), Ok(()));
    assert_eq!(t.disk.path_delete(&t.root, &rel("d/b")), Err(DiskError::NotFound));
    assert_eq!(t.disk.path_delete(&t.root, &rel("d")), Ok(()));
    assert!(!t.at("d").exists());
    assert_eq!(t.disk.path_delete(&t.root, &rel("")), Err(DiskError::BadName));
    assert!(t.at("").exists());
}

#[test]
fn folders_are_made_once() {
    let t = Fixture::new();
    assert_eq!(t.disk.make_folder(&t.root, &rel("a/b/c")), Ok(()));
    assert_eq!(t.disk.make_folder(&t.root, &rel("a/b/c")), Ok(()));
    assert_eq!(t.disk.make_folder(&t.root, &rel("a/b/d/e")), Ok(()));
    assert_eq!(t.disk.path_list(&t.root, &rel("a/b"), LIST_BYTES_MAX).unwrap(), ["c", "d"]);
}

#[cfg(unix)]
#[test]
fn the_deepest_path_fits_the_smallest_stack() {
    let stack_bytes = crate::limits::WorkerLimits::default().stack_bytes;
    let work = || {
        let t = Fixture::new();
        let long = "x/".repeat(1000);
        assert_eq!(t.disk.make_folder(&t.root, &rel(&long)), Ok(()));
        assert!(t.disk.path_stat(&t.root, &rel(&long)).unwrap().is_directory);
        t.make(&format!("{long}file"), b"deep");
        assert_eq!(t.disk.path_delete(&t.root, &rel("x")), Ok(()));
        assert_eq!(t.disk.path_list(&t.root, &rel(""), LIST_BYTES_MAX).unwrap(), [""; 0]);
    };
    std::thread::Builder::new().stack_size(stack_bytes).spawn(work).unwrap().join().unwrap();
}

#[test]
fn a_listing_has_a_bound() {
    let t = Fixture::new();
    for n in 10..30 {
        t.make(&format!("d/{n}"), b"");
    }
    assert_eq!(t.disk.path_list(&t.root, &rel("d"), LIST_BYTES_MAX).unwrap().len(), 20);
    for n in 30..40 {
        t.make(&format!("d/{n}"), b"");
    }
    let error = t.disk.path_list(&t.root, &rel("d"), LIST_BYTES_MAX).unwrap_err();
    assert!(matches!(error, DiskError::Io { errno: 75, .. }), "{error:?}");
    assert_eq!(t.disk.path_list(&t.root, &rel("d/10"), LIST_BYTES_MAX), Err(DiskError::NotADirectory));
    assert_eq!(t.disk.path_list(&t.root, &rel("e"), LIST_BYTES_MAX), Err(DiskError::NotFound));
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_not_unicode_are_listed_and_deleted() {
    use std::os::unix::ffi::OsStrExt as _;
    let t = Fixture::new();
    std::fs::create_dir(t.at("d")).unwrap();
    std::fs::write(t.at("d").join(std::ffi::OsStr::from_bytes(b"a\xff")), b"").unwrap();
    std::fs::create_dir(t.at("d").join(std::ffi::OsStr::from_bytes(b"b\xff"))).unwrap();
    assert_eq!(t.disk.path_list(&t.root, &rel("d"), LIST_BYTES_MAX).unwrap(), ["a\u{fffd}", "b\u{fffd}"]);
    assert_eq!(t.disk.path_delete(&t.root, &rel("d")), Ok(()));
}

/// Makes a folder with files and folders in it, and in those, and so on; returns how many things that was.
fn make_tree(path: &Path, depth: usize, folders: usize, files: usize) -> u64 {
    std::fs::create_dir(path).unwrap();
    (0..files).for_each(|n| std::fs::write(path.join(format!("file {n}")), b"").unwrap());
    let below = (0..if depth > 0 { folders } else { 0 })
        .map(|n| make_tree(&path.join(n.to_string()), depth - 1, folders, files));
    1 + files as u64 + below.sum::<u64>()
}

#[test]
fn trees_are_removed_whatever_their_shape() {
    for (depth, folders, files) in [(0, 0, 0), (0, 0, 300), (1, 100, 1), (2, 7, 2), (40, 1, 1)] {
        let t = Fixture::new();
        make_tree(&t.at("tree"), depth, folders, files);
        assert_eq!(t.disk.path_delete(&t.root, &rel("tree")), Ok(()), "{depth}, {folders}, {files}");
        assert_eq!(t.disk.path_list(&t.root, &rel(""), LIST_BYTES_MAX).unwrap(), [""; 0]);
    }
}

#[test]
fn a_deep_tree_with_branches_at_every_depth_is_removed() {
    let t = Fixture::new();
    let mut path = String::from("tree");
    for n in 0..100 {
        t.make(&format!("{path}/a/b/file {n}"), b"");
        t.make(&format!("{path}/z/b/file {n}"), b"");
        path.push_str("/m");
    }
    assert_eq!(t.disk.path_delete(&t.root, &rel("tree")), Ok(()));
    assert_eq!(t.disk.path_list(&t.root, &rel(""), LIST_BYTES_MAX).unwrap(), [""; 0]);
}

#[test]
fn a_deletion_has_bounds() {
    let t =
        Fixture::with(DiskLimits { delete_entries_max: 20, delete_depth_max: 5, ..DiskLimits::default() });
    let delete = |name| t.disk.path_delete(&t.root, &rel(name));
    let made = make_tree(&t.at("wide"), 0, 0, 20);
    assert_eq!(made, 21);
    assert!(matches!(delete("wide"), Err(DiskError::Io { errno: 75, .. })));
    assert_eq!(delete("wide"), Ok(()), "the rest");
    assert_eq!(make_tree(&t.at("just right"), 0, 0, 19), 20);
    assert_eq!(delete("just right"), Ok(()));
    std::fs::create_dir_all(t.at("1/2/3/4/5/6")).unwrap();
    assert!(matches!(delete("1"), Err(DiskError::Io { errno: 75, .. })));
    assert_eq!(delete("1/2"), Ok(()));
}
