//! `Range` fields (RFC 9110 §14): a table of forms, and a naive model that works byte by byte.

use jstorrent_io_proto::limits::RANGES_MAX;
use jstorrent_io_proto::range::{ByteRange, Multipart, RangeOutcome, parse};
use proptest::prelude::*;

fn show(outcome: RangeOutcome) -> String {
    match outcome {
        RangeOutcome::Whole => "whole".to_owned(),
        RangeOutcome::Unsatisfiable => "416".to_owned(),
        RangeOutcome::Ranges(ranges) => {
            ranges.iter().map(|range| format!("{}-{}", range.first, range.last)).collect::<Vec<_>>().join(" ")
        }
    }
}

#[test]
#[rustfmt::skip]
fn forms_of_a_range() {
    let thousand = [
        ("bytes=0-499", "0-499"), ("bytes=500-999", "500-999"), ("bytes=0-", "0-999"), ("bytes=0-0", "0-0"),
        ("bytes=0-1", "0-1"), ("bytes=999-", "999-999"), ("bytes=999-999", "999-999"), ("bytes=-1", "999-999"),
        ("bytes=-500", "500-999"), ("bytes=-1000", "0-999"), ("bytes=-5000", "0-999"), ("bytes=0-5000", "0-999"),
        ("bytes=9-9999999999999999999999", "9-999"), ("bytes=-99999999999999999999999", "0-999"),
        ("bytes=000-0009", "0-9"), ("BYTES=0-9", "0-9"), ("Bytes=1-2", "1-2"), ("bytes= 0-9", "0-9"), ("bytes=0-9 ", "0-9"),
        // Not satisfiable.
        ("bytes=1000-", "416"), ("bytes=1000-2000", "416"), ("bytes=-0", "416"), ("bytes=-000", "416"),
        ("bytes=18446744073709551615-", "416"), ("bytes=18446744073709551616-", "416"), ("bytes=1000-,-0", "416"),
        ("bytes=99999999999999999999-99999999999999999999999", "416"),
        // Lists.
        ("bytes=0-0,-1", "0-0 999-999"), ("bytes=500-600,700-800", "500-600 700-800"), ("bytes=700-800,500-600", "700-800 500-600"),
        ("bytes=0-9 ,\t20-29 , 40-", "0-9 20-29 40-999"), ("bytes=,0-9,,20-29,", "0-9 20-29"), ("bytes=0-9,1000-", "0-9"),
        ("bytes=0-9,10-19", "0-9 10-19"), ("bytes=0-9,9-19", "0-19"), ("bytes=0-,0-,0-", "0-999"),
        ("bytes=0-10,100-110,5-105", "0-110"), ("bytes=900-,0-9,-100", "900-999 0-9"), ("bytes=5-6,1-2,6-7,2-3", "5-7 1-3"),
        // Ignored: another unit, or malformed.
        ("items=0-9", "whole"), ("seconds=0-9", "whole"), ("bytes", "whole"), ("bytes=", "whole"), ("bytes=,", "whole"),
        ("bytes=-", "whole"), ("bytes=--1", "whole"), ("bytes=a-b", "whole"), ("bytes=0-b", "whole"), ("bytes=5-2", "whole"),
        ("bytes=0-9,5-2", "whole"), ("bytes=0-9,x", "whole"), ("bytes=0", "whole"), ("bytes=+0-9", "whole"), ("bytes=0-+9", "whole"),
        ("bytes=0 - 9", "whole"), ("bytes=0-9-", "whole"), ("bytes=0-9;", "whole"), ("bytes:0-9", "whole"), ("bytes =0-9", "whole"),
        ("=0-9", "whole"), ("0-9", "whole"), ("", "whole"), ("bytes=0x0-0x9", "whole"), ("bytes=\u{661}-", "whole"),
        ("bytes=0-9 20-29", "whole"), ("bytes==0-9", "whole"), ("bytes=1.0-2.0", "whole"), ("bytes=0-9, bytes=20-29", "whole"),
        ("bytes=99999999999999999999999-99999999999999999999998", "whole"), ("none", "whole"), ("bytes=*", "whole"),
    ];
    for (field, expected) in thousand {
        assert_eq!(show(parse(Some(field), 1000)), expected, "{field:?} of 1000");
    }
    let empty = [("bytes=0-", "416"), ("bytes=0-0", "416"), ("bytes=-0", "416"), ("bytes=-1", "whole"), ("bytes=0-,-1", "whole")];
    for (field, expected) in empty {
        assert_eq!(show(parse(Some(field), 0)), expected, "{field:?} of nothing");
    }
    assert_eq!(show(parse(Some("bytes=-1"), u64::MAX)), "18446744073709551614-18446744073709551614");
    assert_eq!(show(parse(Some("bytes=18446744073709551614-"), u64::MAX)), "18446744073709551614-18446744073709551614");
    assert_eq!(show(parse(None, 1000)), "whole");
}

#[test]
fn too_many_ranges_are_ignored() {
    let list = |count: usize| {
        let specs: Vec<_> = (0..count).map(|at| format!("{0}-{0}", at * 2)).collect();
        format!("bytes={}", specs.join(","))
    };
    assert!(
        matches!(parse(Some(&list(RANGES_MAX)), 1000), RangeOutcome::Ranges(ranges) if ranges.len() == RANGES_MAX)
    );
    assert_eq!(parse(Some(&list(RANGES_MAX + 1)), 1000), RangeOutcome::Whole);
}

#[test]
fn multipart_bodies_have_the_length_they_say() {
    let multipart = Multipart { boundary: "jst0123456789", content_type: "video/mp4", size: 1000 };
    let ranges = [ByteRange { first: 0, last: 9 }, ByteRange { first: 990, last: 999 }];
    let mut body = Vec::new();
    for range in ranges {
        multipart.write_part_head(range, &mut body);
        body.resize(body.len() + range.len() as usize, b'.');
    }
    multipart.write_end(&mut body);
    assert_eq!(multipart.content_length(&ranges), body.len() as u64);
    assert_eq!(
        String::from_utf8(body).unwrap(),
        "\r\n--jst0123456789\r\nContent-Type: video/mp4\r\nContent-Range: bytes 0-9/1000\r\n\r\n..........\
         \r\n--jst0123456789\r\nContent-Type: video/mp4\r\nContent-Range: bytes 990-999/1000\r\n\r\n..........\
         \r\n--jst0123456789--\r\n"
    );
    assert_eq!(multipart.content_type(), "multipart/byteranges; boundary=jst0123456789");
}

/// One range as a client may write it: first and last, or a suffix.
#[derive(Clone, Debug)]
enum Asked {
    FromTo(u64, Option<u64>),
    Suffix(u64),
}

fn asked() -> impl Strategy<Value = Asked> {
    let offset = prop_oneof![0..40_u64, Just(u64::MAX)];
    prop_oneof![
        (offset.clone(), prop::option::of(0..40_u64))
            .prop_map(|(first, more)| Asked::FromTo(first, more.map(|more| first.saturating_add(more)))),
        offset.prop_map(Asked::Suffix),
    ]
}

/// Which bytes one range means, found by asking about each.
fn marks(asked: &Asked, size: u64) -> Vec<bool> {
    (0..size)
        .map(|at| match *asked {
            Asked::FromTo(first, last) => at >= first && last.is_none_or(|last| at <= last),
            Asked::Suffix(length) => size - at <= length,
        })
        .collect()
}

proptest! {
    #[test]
    fn the_answer_is_the_union_of_what_was_asked(
        list in prop::collection::vec(asked(), 1..6),
        size in 1..40_u64,
    ) {
        let specs: Vec<_> = list
            .iter()
            .map(|asked| match asked {
                Asked::FromTo(first, Some(last)) => format!("{first}-{last}"),
                Asked::FromTo(first, None) => format!("{first}-"),
                Asked::Suffix(length) => format!("-{length}"),
            })
            .collect();
        let mut wanted = vec![false; size as usize];
        for asked in &list {
            wanted.iter_mut().zip(marks(asked, size)).for_each(|(mark, other)| *mark |= other);
        }
        let ranges = match parse(Some(&format!("bytes={}", specs.join(", "))), size) {
            RangeOutcome::Ranges(ranges) => ranges,
            RangeOutcome::Unsatisfiable => Vec::new(),
            RangeOutcome::Whole => return Err(TestCaseError::fail("a good list was ignored")),
        };
        let mut sent = vec![0; size as usize];
        for range in &ranges {
            prop_assert!(range.first <= range.last && range.last < size);
            (range.first..=range.last).for_each(|at| sent[at as usize] += 1);
        }
        prop_assert!(sent.iter().all(|&times| times <= 1), "a byte is sent twice");
        prop_assert!(sent.iter().zip(&wanted).all(|(&times, &wanted)| (times == 1) == wanted));
        // The first satisfiable range that was asked for is part of the first answered.
        if let Some(first) = list.iter().map(|asked| marks(asked, size)).find(|marks| marks.contains(&true)) {
            prop_assert!(first.iter().enumerate().all(|(at, &mark)| !mark || (ranges[0].first..=ranges[0].last).contains(&(at as u64))));
        }
    }

    #[test]
    fn nothing_panics(field in "(bytes=)?[0-9,\\- a]{0,40}", size in any::<u64>()) {
        if let RangeOutcome::Ranges(ranges) = parse(Some(&field), size) {
            prop_assert!(!ranges.is_empty() && ranges.iter().all(|range| range.last < size));
        }
    }
}
