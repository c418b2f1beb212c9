//! Decides what becomes a line, and makes it one: our own records only, cut to a length, no control character.
//! The line's layout is simplelog's; where lines go is the sink's affair.

use log::{LevelFilter, Log, Metadata, Record};
use simplelog::{ConfigBuilder, LevelPadding, WriteLogger};

use super::TIME_LAYOUT;
use super::sink::LineSink;
use crate::limits::LOG_LINE_BYTES_MAX;
use crate::oneline::one_line;

/// What the targets of our own crates begin with.
const OWN_TARGETS: &str = "jstorrent_io_";
/// What is left of a line's bytes for the text, after time, level and target.
const TEXT_BYTES_MAX: usize = LOG_LINE_BYTES_MAX - 256;

/// The process's logger. Times are UTC, simplelog's default.
pub(super) struct Front {
    lines: Box<WriteLogger<LineSink>>,
}

impl Front {
    pub(super) fn new(level: LevelFilter, sink: LineSink) -> Front {
        let config = ConfigBuilder::new()
            .set_time_format_custom(TIME_LAYOUT)
            .set_level_padding(LevelPadding::Right)
            .set_thread_level(LevelFilter::Off)
            .set_location_level(LevelFilter::Off)
            .build();
        Front { lines: WriteLogger::new(level, config, sink) }
    }
}

impl Log for Front {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with(OWN_TARGETS) && self.lines.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        // Formatted before simplelog takes its lock, so that a panic in a Display can still be logged.
        let text = record.args().to_string();
        let text = one_line(&text);
        let line = shortened(&text);
        let mut clean = Record::builder();
        clean.metadata(record.metadata().clone());
        self.lines.log(&clean.args(format_args!("{line}")).build());
    }

    fn flush(&self) {
        super::flush();
    }
}

/// Cut at a character's start, with a mark.
fn shortened(text: &str) -> std::borrow::Cow<'_, str> {
    if text.len() <= TEXT_BYTES_MAX {
        return text.into();
    }
    let end = text.floor_char_boundary(TEXT_BYTES_MAX);
    format!("{} [cut]", &text[..end]).into()
}

#[cfg(test)]
mod tests {
    use super::super::queue::Queue;
    use super::super::queue::tests::Collected;
    use super::*;

    /// Logs one text at one target through a front, and gives back what was written.
    fn logged(target: &str, text: &str) -> String {
        let output = Collected::default();
        let queue = Queue::start("test", output.clone()).expect("a thread");
        let front = Front::new(LevelFilter::Info, LineSink::new(vec![queue.clone()]));
        let args = format_args!("{text}");
        front.log(&Record::builder().target(target).level(log::Level::Info).args(args).build());
        queue.wait_until_written();
        output.text()
    }

    #[test]
    fn a_line_has_utc_time_level_and_text() {
        let line = logged("jstorrent_io_daemon::reactor", "hello");
        let (time, rest) = line.split_at(24);
        assert!(time.ends_with('Z') && time.as_bytes()[10] == b'T', "{line}");
        assert_eq!(rest, " [INFO ] hello\n");
    }

    #[test]
    fn records_of_other_crates_are_not_taken() {
        assert_eq!(logged("tungstenite::handshake", "X-JST-Auth: secret"), "");
    }

    #[test]
    fn a_text_with_line_breaks_stays_one_line() {
        let line = logged("jstorrent_io_daemon", "a\nfake line\r\u{1b}[2J");
        assert!(line.ends_with("a\\nfake line\\r\\u{1b}[2J\n"), "{line}");
        assert_eq!(line.lines().count(), 1);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let line = logged("jstorrent_io_daemon", &"é".repeat(LOG_LINE_BYTES_MAX));
        assert!(line.len() <= LOG_LINE_BYTES_MAX, "{}", line.len());
        assert!(line.ends_with("é [cut]\n"));
    }
}
