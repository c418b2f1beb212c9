//! A file of bounded size: when it is full it becomes `NAME.1`, what was that `NAME.2`, and so on to a number kept.
//! It writes whole lines with one call each batch, so that several daemons can share a file. It never rotates
//! anything but a regular file (`/dev/null` must stay where it is), and never waits for a reader of a pipe.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::queue::Output;

/// The log file, opened by the first write.
pub(super) struct RotatingFile {
    path: PathBuf,
    bytes_max: u64,
    kept: u32,
    open: Option<Open>,
    /// A failed write may have left part of a line.
    torn: bool,
}

struct Open {
    file: File,
    /// What is in the file as far as we know; another daemon may have added to it.
    bytes: u64,
    rotates: bool,
}

impl RotatingFile {
    pub(super) fn new(path: PathBuf, bytes_max: u64, kept: u32) -> RotatingFile {
        RotatingFile { path, bytes_max, kept, open: None, torn: false }
    }

    fn reopen(&mut self) -> io::Result<()> {
        if let Some(dir) = self.path.parent() {
            private_dirs().create(dir)?;
        }
        let file = appending().open(&self.path)?;
        let data = file.metadata()?;
        if data.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        self.open = Some(Open { file, bytes: data.len(), rotates: data.is_file() });
        Ok(())
    }

    /// Makes sure that a file is open which has room for `more` bytes.
    fn make_room(&mut self, more: u64) -> io::Result<()> {
        if self.open.is_none() {
            self.reopen()?;
        }
        if self.is_full(more) {
            // Another daemon may have rotated meanwhile: then the path leads to a file with room.
            self.open = None;
            self.reopen()?;
            if self.is_full(more) {
                self.rotate()?;
            }
        }
        Ok(())
    }

    /// An empty file is never full, or a long batch would rotate for ever.
    fn is_full(&self, more: u64) -> bool {
        self.open.as_ref().is_some_and(|o| o.rotates && o.bytes > 0 && o.bytes + more > self.bytes_max)
    }

    fn rotate(&mut self) -> io::Result<()> {
        // Closed first: Windows doesn't rename what is open.
        self.open = None;
        for n in (1..self.kept).rev() {
            // A gap in the numbers is no error.
            let _ = fs::rename(numbered(&self.path, n), numbered(&self.path, n + 1));
        }
        if self.kept == 0 || fs::rename(&self.path, numbered(&self.path, 1)).is_err() {
            // It can't be kept (a read-only directory, say), and must not grow.
            OpenOptions::new().write(true).open(&self.path)?.set_len(0)?;
        }
        self.reopen()
    }
}

impl Output for RotatingFile {
    fn write_lines(&mut self, lines: &[u8]) -> io::Result<()> {
        self.make_room(lines.len() as u64)?;
        let Some(open) = &mut self.open else { return Err(io::ErrorKind::NotFound.into()) };
        let written = if self.torn { open.file.write_all(b"\n") } else { Ok(()) };
        let written = written.and_then(|()| open.file.write_all(lines));
        open.bytes += lines.len() as u64;
        self.torn = written.is_err();
        if self.torn {
            // Looked for anew next time: it may be the file that is wrong, not the disk.
            self.open = None;
        }
        written
    }
}

fn numbered(path: &Path, n: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{n}"));
    name.into()
}

/// Logs name files and addresses: they are the user's own affair.
#[cfg(unix)]
fn appending() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    // Not waiting matters for a named pipe without a reader only.
    options.append(true).create(true).mode(0o600).custom_flags(libc::O_NONBLOCK);
    options
}

#[cfg(not(unix))]
fn appending() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    options
}

fn private_dirs() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> Option<String> {
        fs::read_to_string(path).ok()
    }

    #[test]
    fn a_full_file_is_moved_on_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sub/log");
        let mut file = RotatingFile::new(path.clone(), 10, 2);
        for line in ["1 one\n", "2 two\n", "3 three\n", "4\n", "5 five\n"] {
            file.write_lines(line.as_bytes()).unwrap();
        }
        assert_eq!(read(&path).as_deref(), Some("5 five\n"));
        assert_eq!(read(&numbered(&path, 1)).as_deref(), Some("3 three\n4\n"));
        assert_eq!(read(&numbered(&path, 2)).as_deref(), Some("2 two\n"));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 3);
    }

    #[test]
    fn an_existing_file_is_appended_to_until_it_is_full() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        fs::write(&path, "12345678\n").unwrap();
        let mut file = RotatingFile::new(path.clone(), 12, 1);
        file.write_lines(b"a\n").unwrap();
        assert_eq!(read(&path).as_deref(), Some("12345678\na\n"));
        file.write_lines(b"bc\n").unwrap();
        assert_eq!(read(&path).as_deref(), Some("bc\n"));
    }

    #[test]
    fn two_writers_do_not_rotate_each_others_files_away() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut a = RotatingFile::new(path.clone(), 8, 3);
        let mut b = RotatingFile::new(path.clone(), 8, 3);
        a.write_lines(b"a1234\n").unwrap();
        b.write_lines(b"b\n").unwrap();
        a.write_lines(b"a5678\n").unwrap();
        b.write_lines(b"c\n").unwrap();
        assert_eq!(read(&path).as_deref(), Some("a5678\nc\n"));
        assert_eq!(read(&numbered(&path, 1)).as_deref(), Some("a1234\nb\n"));
        assert_eq!(read(&numbered(&path, 2)), None);
    }

    #[test]
    fn a_directory_in_its_place_is_an_error_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = RotatingFile::new(dir.path().to_owned(), 100, 1);
        assert!(file.write_lines(b"a\n").is_err());
        assert!(file.write_lines(b"a\n").is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error_and_devices_are_never_rotated() {
        let mut full = RotatingFile::new("/dev/full".into(), 1, 1);
        assert_eq!(full.write_lines(b"abc\n").unwrap_err().kind(), io::ErrorKind::StorageFull);
        let mut null = RotatingFile::new("/dev/null".into(), 1, 1);
        null.write_lines(b"abc\n").unwrap();
        assert!(!null.is_full(1));
        null.write_lines(b"abc\n").unwrap();
        assert!(!fs::exists("/dev/null.1").unwrap());
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_without_a_reader_is_an_error_not_a_wait() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert!(RotatingFile::new(path, 100, 1).write_lines(b"a\n").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sub/log");
        RotatingFile::new(path.clone(), 100, 1).write_lines(b"a\n").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
