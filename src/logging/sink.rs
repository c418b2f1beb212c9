//! Puts together the pieces that simplelog writes, and hands whole lines to the writers' queues.
//! It makes no system call and never waits.

use std::io::{self, Write};
use std::mem;
use std::sync::Arc;

use super::queue::Queue;
use crate::limits::LOG_LINE_BYTES_MAX;

/// Where simplelog writes to.
pub(super) struct LineSink {
    line: Vec<u8>,
    queues: Vec<Queue>,
}

impl LineSink {
    pub(super) fn new(queues: Vec<Queue>) -> LineSink {
        LineSink { line: Vec::new(), queues }
    }

    fn end_line(&mut self) {
        let line: Arc<[u8]> = mem::take(&mut self.line).into();
        for queue in &self.queues {
            queue.push(line.clone());
        }
    }
}

impl Write for LineSink {
    /// Takes a piece of a line; a line feed at its end, which only simplelog itself writes, ends the line.
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let room = LOG_LINE_BYTES_MAX.saturating_sub(self.line.len());
        self.line.extend_from_slice(&piece[..piece.len().min(room)]);
        if piece.ends_with(b"\n") {
            if self.line.last() != Some(&b'\n') {
                self.line.pop();
                self.line.push(b'\n');
            }
            self.end_line();
        }
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::queue::tests::Collected;
    use super::*;

    #[test]
    fn pieces_become_lines_and_all_outputs_get_them() {
        let (a, b) = (Collected::default(), Collected::default());
        let queues = vec![Queue::start("a", a.clone()).unwrap(), Queue::start("b", b.clone()).unwrap()];
        let mut sink = LineSink::new(queues.clone());
        for piece in ["one ", "line", "\n", "two\n", "unfinished"] {
            sink.write_all(piece.as_bytes()).unwrap();
        }
        for queue in &queues {
            queue.wait_until_written();
        }
        assert_eq!((a.text().as_str(), b.text().as_str()), ("one line\ntwo\n", "one line\ntwo\n"));
    }

    #[test]
    fn an_overlong_line_is_cut_and_still_ends() {
        let output = Collected::default();
        let queue = Queue::start("test", output.clone()).unwrap();
        let mut sink = LineSink::new(vec![queue.clone()]);
        sink.write_all(&[b'x'; LOG_LINE_BYTES_MAX + 10]).unwrap();
        sink.write_all(b"\n").unwrap();
        queue.wait_until_written();
        assert_eq!(output.text().len(), LOG_LINE_BYTES_MAX);
        assert!(output.text().ends_with("x\n"));
    }
}
