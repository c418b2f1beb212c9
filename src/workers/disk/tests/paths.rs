//! Work on names.

use super::*;

#[test]
fn stat_list_truncate_and_delete() {
    let t = Fixture::new();
    t.make("d/b", b"12345");
    t.make("d/a", b"");
    assert_eq!(t.disk.path_list(&t.root, &rel("d")), Ok(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(t.disk.path_list(&t.root, &rel("")), Ok(vec!["d".to_owned()]));
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
