//! The time as answers bear it (RFC 9110 §6.6.1): put into words once a second. Reads no clock.

use jstorrent_io_proto::http_date;
use std::sync::Arc;

/// The words for the second that was asked for last.
#[derive(Debug, Default)]
pub(super) struct Date {
    second: i64,
    text: Option<Arc<str>>,
}

impl Date {
    /// The HTTP-date of `wall_ms`, milliseconds since 1970.
    pub(super) fn at(&mut self, wall_ms: u64) -> Arc<str> {
        let second = i64::try_from(wall_ms / 1000).unwrap_or(i64::MAX);
        match &self.text {
            Some(text) if self.second == second => Arc::clone(text),
            _ => {
                let text: Arc<str> = http_date::format(second).into();
                *self = Date { second, text: Some(Arc::clone(&text)) };
                text
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_change_with_the_second() {
        let mut date = Date::default();
        assert_eq!(&*date.at(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        let first = date.at(784_111_777_000);
        assert_eq!(&*first, "Sun, 06 Nov 1994 08:49:37 GMT");
        assert!(Arc::ptr_eq(&first, &date.at(784_111_777_999)));
        assert_eq!(&*date.at(784_111_778_000), "Sun, 06 Nov 1994 08:49:38 GMT");
        assert_eq!(&*date.at(784_111_777_000), &*first, "clocks are set back");
    }
}
