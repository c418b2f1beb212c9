//! Conditional requests (RFC 9110 §13) and HTTP-dates (§5.6.7).

use jstorrent_io_proto::http_date::{format, parse};
use jstorrent_io_proto::precondition::{Validators, Verdict, evaluate};
use jstorrent_io_proto::request::parse_head;
use proptest::prelude::*;

/// `Sun, 06 Nov 1994 08:49:37 GMT`
const MODIFIED_S: i64 = 784_111_777;
const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

fn verdict(method: &str, fields: &str) -> &'static str {
    let fields = fields.replace("THEN", THEN).replace("BEFORE", BEFORE).replace("AFTER", AFTER);
    let text = format!("{method} / HTTP/1.1\r\nHost: a\r\n{}\r\n\r\n", fields.replace('¶', "\r\n"));
    let validators = Validators { etag: "\"a,b\"", last_modified_s: MODIFIED_S };
    match evaluate(&parse_head(text.as_bytes()).unwrap(), &validators) {
        Verdict::Proceed { range_counts: true } => "range",
        Verdict::Proceed { range_counts: false } => "whole",
        Verdict::NotModified => "304",
        Verdict::Failed => "412",
    }
}

#[test]
#[rustfmt::skip]
fn conditions_in_their_order() {
    let table = [
        ("X: none", "range"),
        // If-Match: strong comparison, before If-Unmodified-Since.
        ("If-Match: \"a,b\"", "range"), ("If-Match: *", "range"), ("If-Match: \"x\", \"a,b\"", "range"), ("If-Match: \"x\",,\"a,b\"", "range"),
        ("If-Match: \"x\"¶If-Match: \"a,b\"", "range"), ("If-Match: \"x\"", "412"), ("If-Match: W/\"a,b\"", "412"),
        ("If-Match: a,b", "412"), ("If-Match: \"a,b", "412"), ("If-Match: \"a\", \"b\"", "412"), ("If-Match:", "412"), ("If-Match: \"x\" \"a,b\"", "412"),
        ("If-Match: \"a,b\"¶If-Unmodified-Since: BEFORE", "range"), ("If-Match: \"x\"¶If-Unmodified-Since: AFTER", "412"),
        // If-Unmodified-Since.
        ("If-Unmodified-Since: THEN", "range"), ("If-Unmodified-Since: AFTER", "range"), ("If-Unmodified-Since: BEFORE", "412"),
        ("If-Unmodified-Since: nonsense", "range"), ("If-Unmodified-Since: BEFORE¶If-Unmodified-Since: BEFORE", "range"),
        // If-None-Match: weak comparison, before If-Modified-Since.
        ("If-None-Match: \"a,b\"", "304"), ("If-None-Match: W/\"a,b\"", "304"), ("If-None-Match: *", "304"),
        ("If-None-Match: \"x\"", "range"), ("If-None-Match: \"x\"¶If-Modified-Since: AFTER", "range"),
        ("If-None-Match: \"a,b\"¶If-Modified-Since: BEFORE", "304"), ("If-None-Match: w/\"a,b\"", "range"),
        // If-Modified-Since.
        ("If-Modified-Since: THEN", "304"), ("If-Modified-Since: AFTER", "304"), ("If-Modified-Since: BEFORE", "range"),
        ("If-Modified-Since: 0", "range"),
        // Both kinds.
        ("If-Match: \"a,b\"¶If-None-Match: \"a,b\"", "304"), ("If-Match: \"x\"¶If-None-Match: \"a,b\"", "412"),
        ("If-Unmodified-Since: BEFORE¶If-None-Match: \"a,b\"", "412"),
        // If-Range: strong, or the exact date.
        ("If-Range: \"a,b\"", "range"), ("If-Range: \"x\"", "whole"), ("If-Range: W/\"a,b\"", "whole"), ("If-Range: THEN", "range"),
        ("If-Range: AFTER", "whole"), ("If-Range: BEFORE", "whole"), ("If-Range: *", "whole"), ("If-Range:", "whole"),
        ("If-Range: \"a,b\"¶If-Range: \"a,b\"", "whole"), ("If-Range: \"x\"¶If-None-Match: \"a,b\"", "304"),
    ];
    for (fields, expected) in table {
        assert_eq!(verdict("GET", fields), expected, "GET with {fields}");
        assert_eq!(verdict("HEAD", fields), expected, "HEAD with {fields}");
    }
    assert_eq!(verdict("POST", "If-None-Match: \"a,b\""), "412");
    assert_eq!(verdict("POST", "If-Modified-Since: THEN"), "range");
}

#[test]
fn dates_in_three_formats() {
    for text in [THEN, "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
        assert_eq!(parse(text), Some(MODIFIED_S), "{text}");
    }
    assert_eq!(format(MODIFIED_S), THEN);
    assert_eq!(format(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    assert_eq!(format(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
    assert_eq!(format(253_402_300_799), "Fri, 31 Dec 9999 23:59:59 GMT");
    assert_eq!(format(-1), "Wed, 31 Dec 1969 23:59:59 GMT");
    assert_eq!((format(i64::MAX), format(i64::MIN)), (format(253_402_300_799), format(-11_644_473_600)));
    assert_eq!(parse("Thursday, 01-Jan-70 00:00:00 GMT"), Some(0));
    assert_eq!(parse("Tuesday, 31-Dec-69 23:59:59 GMT"), Some(3_155_759_999), "69 is 2069");
    assert_eq!(
        parse("Sat, 31 Dec 2016 23:59:60 GMT"),
        parse("Sun, 01 Jan 2017 00:00:00 GMT"),
        "a leap second"
    );
}

#[test]
fn what_is_no_date() {
    for text in [
        "",
        "Sun",
        "0",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 29 Feb 1900 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 08:49 GMT   ",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Xxx, 06 Nov 1994 08:49:37 GMT",
        "Sun,  06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sun Nov 06 08:49:37 94",
        "Sun Nov  6 08:49:37 1994 GMT",
        "Sun Nov   08:49:37 1994",
        "Sun Nov 6  08:49:37 1994",
        "Sün Nov  6 08:49:37 199",
        "éééééééééééé",
    ] {
        assert_eq!(parse(text), None, "{text:?}");
    }
}

/// Days since 1970, counted year by year and month by month.
fn naive_days(year: i64, month: i64, day: i64) -> i64 {
    let is_leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let years: i64 = if year >= 1970 {
        (1970..year).map(|year| 365 + i64::from(is_leap(year))).sum()
    } else {
        -(year..1970).map(|year| 365 + i64::from(is_leap(year))).sum::<i64>()
    };
    let lengths = [31, 28 + i64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    years + lengths[..month as usize - 1].iter().sum::<i64>() + day - 1
}

proptest! {
    #[test]
    fn dates_read_back(unix_s in -11_644_473_600..=253_402_300_799_i64) {
        prop_assert_eq!(parse(&format(unix_s)), Some(unix_s));
    }

    #[test]
    fn dates_agree_with_counting(year in 1601..2400_i64, month in 1..=12_i64, day in 1..=28_i64) {
        let text = format(naive_days(year, month, day) * 86_400);
        let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        prop_assert_eq!(&text[5..16], format!("{day:02} {} {year:04}", names[month as usize - 1]));
    }

    #[test]
    fn no_text_panics(text in any::<String>(), near in "[A-Z][a-z]{2,5},? [0-9A-Za-z :é-]{15,25}( GMT)?") {
        let _ = (parse(&text), parse(&near));
    }
}
