//! Bytes in and out of open files.

use super::*;
use crate::buffer::BUFFER_BYTES;
use crate::job::WriteFailure;

#[test]
fn what_was_written_is_read() {
    let t = Fixture::new();
    let content: Vec<u8> = (0..BUFFER_BYTES + 1000).map(|n| (n % 251) as u8).collect();
    let file = t.make("a/b/file", &content);
    assert_eq!(std::fs::read(t.at("a/b/file")).unwrap(), content);
    let (bytes, size) = t.read(&file, 5, BUFFER_BYTES).unwrap();
    assert!(bytes == content[5..BUFFER_BYTES + 5]);
    assert_eq!(size, content.len() as u64);
}

#[test]
fn a_read_ends_where_the_file_does() {
    let t = Fixture::new();
    let file = t.make("file", b"0123456789");
    assert_eq!(t.read(&file, 7, 100), Ok((b"789".to_vec(), 10)));
    assert_eq!(t.read(&file, 10, 100), Ok((vec![], 10)));
    assert_eq!(t.read(&file, 11, 0), Err(DiskError::BeyondEnd { size: 10 }));
    assert_eq!(t.read(&file, u64::MAX, 100), Err(DiskError::BeyondEnd { size: 10 }));
}

#[test]
fn spans_that_no_file_can_have_are_refused() {
    let t = Fixture::new();
    let file = t.make("file", b"x");
    let failed = t.write(&file, i64::MAX as u64, b"abc").unwrap_err();
    assert!(
        matches!(failed, WriteFailure { written: 0, error: DiskError::Io { errno: 27, .. } }),
        "{failed:?}"
    );
    let failed = t.write(&file, u64::MAX, b"abc").unwrap_err();
    assert!(
        matches!(failed, WriteFailure { written: 0, error: DiskError::Io { errno: 27, .. } }),
        "{failed:?}"
    );
    for ask in [
        Ask::Truncate { file: Arc::clone(&file), size: 1 << 63 },
        Ask::Preallocate { file: Arc::clone(&file), size: 1 << 63, full: false },
        Ask::PathTruncate(Arc::clone(&t.root), rel("file"), 1 << 63),
    ] {
        let error = match perform(&t.disk, ask) {
            Performed::Done(Done::Truncate(outcome) | Done::PathTruncate(outcome)) => outcome.unwrap_err(),
            Performed::Done(Done::Preallocate(outcome)) => outcome.unwrap_err(),
            other => panic!("{other:?}"),
        };
        assert!(matches!(error, DiskError::Io { errno: 27, .. }), "{error:?}");
    }
    assert_eq!(std::fs::read(t.at("file")).unwrap(), b"x");
}

#[test]
fn a_handle_for_reading_changes_nothing() {
    let t = Fixture::new();
    t.make("file", b"content");
    for how in [READ, OpenHow { write: false, create: true }] {
        let file = t.open("file", how).unwrap().file;
        assert_eq!(t.write(&file, 0, b"x").unwrap_err().error, DiskError::ReadOnly);
        assert_eq!(t.write(&file, 0, b"").unwrap_err().error, DiskError::ReadOnly);
        assert_eq!(t.disk.truncate(&file, 1), Err(DiskError::ReadOnly));
        assert_eq!(t.disk.preallocate(&file, 100, true), Err(DiskError::ReadOnly));
        assert_eq!(t.disk.flush(&file), Ok(()));
    }
    let made = t.open("made for reading", OpenHow { write: false, create: true }).unwrap();
    assert!(made.created && !made.file.writable);
    assert_eq!(t.write(&made.file, 0, b"x").unwrap_err().error, DiskError::ReadOnly);
    assert_eq!(std::fs::read(t.at("file")).unwrap(), b"content");
}

#[test]
fn an_empty_write_is_a_write_of_nothing() {
    let t = Fixture::new();
    let file = t.make("file", b"abc");
    assert_eq!(t.write(&file, 1000, b""), Ok(0));
    assert_eq!(t.disk.inspect(&file).unwrap().size, 3);
}
