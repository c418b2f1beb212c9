//! What fields and queries hold.

use jstorrent_io_proto::admission::parse_session_id;
use jstorrent_io_proto::feature::Feature;
use jstorrent_io_proto::host::Host;
use jstorrent_io_proto::http_date;
use jstorrent_io_proto::limits::RANGES_MAX;
use jstorrent_io_proto::percent::{Plus, decode, encode_into};
use jstorrent_io_proto::precondition::{Validators, Verdict, evaluate};
use jstorrent_io_proto::query::Query;
use jstorrent_io_proto::range::{Multipart, RangeOutcome, parse};
use jstorrent_io_proto::request::parse_head;
use jstorrent_io_proto::token::Token;

/// The first byte chooses the size, the rest is the field: what is answered lies within the representation, is no
/// longer than it, and a multipart answer is as long as it says.
pub fn range(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let size = match first {
        0..=9 => u64::from(*first),
        10..=19 => u64::MAX - u64::from(first - 10),
        _ => 1 << (first % 64),
    };
    let Ok(field) = std::str::from_utf8(rest) else { return };
    let RangeOutcome::Ranges(ranges) = parse(Some(field), size) else { return };
    assert!((1..=RANGES_MAX).contains(&ranges.len()));
    let mut sorted = ranges.clone();
    sorted.sort_by_key(|range| range.first);
    assert!(sorted.iter().all(|range| range.first <= range.last && range.last < size));
    assert!(sorted.windows(2).all(|pair| pair[0].last < pair[1].first), "they overlap");
    let multipart = Multipart { boundary: "b", content_type: "video/mp4", size };
    let mut between = Vec::new();
    ranges.iter().for_each(|range| multipart.write_part_head(*range, &mut between));
    multipart.write_end(&mut between);
    let data_bytes = ranges.iter().fold(0_u64, |sum, range| sum.saturating_add(range.len()));
    if let Some(total) = data_bytes.checked_add(between.len() as u64) {
        assert_eq!(multipart.content_length(&ranges), total);
    }
}

/// Field lines: whatever they are, a tag that is no tag of ours never matches strongly.
pub fn conditions(data: &[u8]) {
    let head = [b"GET / HTTP/1.1\r\nHost: h\r\n", data, b"\r\n\r\n"].concat();
    let Ok(head) = parse_head(&head) else { return };
    let validators = Validators { etag: "\"e\"", last_modified_s: 784_111_777 };
    let named = |name: &str| {
        head.fields(name).any(|value| value == b"*" || String::from_utf8_lossy(value).contains("\"e\""))
    };
    let verdict = evaluate(&head, &validators);
    if head.field("if-match").is_some() && !named("if-match") && !has_any(&head, "if-match") {
        assert_eq!(verdict, Verdict::Failed);
    }
    if head.field("if-range").is_none() && verdict != Verdict::Failed && verdict != Verdict::NotModified {
        assert_eq!(verdict, Verdict::Proceed { range_counts: true });
    }
}

fn has_any(head: &jstorrent_io_proto::request::Head<'_>, name: &str) -> bool {
    // A line that is not ASCII is left out of a list; then there may be no list at all.
    head.list(name).is_none_or(|list| list.contains('*'))
}

/// The naive reading of a query agrees.
pub fn query(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let query = Query::new(Some(text));
    let pairs: Vec<_> = text
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (decode(key, Plus::Space), value))
        .collect();
    for name in ["path", "offset", "root_key", "a"] {
        let named = pairs.iter().filter(|(key, _)| key.as_deref() == Some(name));
        let values: Vec<_> = named.map(|(_, value)| decode(value, Plus::Space)).collect();
        assert_eq!(query.has(name), !values.is_empty());
        match (query.get(name), values.as_slice()) {
            (Ok(None), []) | (Err(_), [None] | [_, _, ..]) => {}
            (Ok(Some(found)), [Some(value)]) => assert_eq!(&found, value),
            (found, values) => panic!("{name}: {found:?}, {values:?}"),
        }
        if let Ok(Some(number)) = query.number(name) {
            let value = query.required(name).expect("it is there");
            assert_eq!(
                value.trim_start_matches('0'),
                if number == 0 { String::new() } else { number.to_string() }
            );
        }
    }
}

/// Dates, hosts, tokens, session ids, escapes: what is read can be written, and reads the same again.
pub fn fields(data: &[u8]) {
    if let Ok(id) = parse_session_id(data) {
        assert!((1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()));
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(seconds) = http_date::parse(text) {
        // Years before 1601 can be read, but not written.
        let written = seconds.max(-11_644_473_600);
        assert_eq!(http_date::parse(&http_date::format(seconds)), Some(written));
    }
    match Host::parse(text) {
        Some(Host::Address(address)) => {
            assert_eq!(Host::parse(&address.to_string()), Some(Host::Address(address)));
        }
        Some(Host::Name(name)) => {
            assert!(name == text && (1..=254).contains(&name.len()) && !name.contains('\0'))
        }
        None => {}
    }
    if let Some(token) = Token::from_text(text) {
        assert!(token.matches(data) && !format!("{token:?}").contains(&format!("{text}\"")));
    }
    if let Some(feature) = Feature::from_name(text) {
        assert_eq!(feature.name(), text);
    }
    let mut encoded = String::new();
    encode_into(text, &mut encoded);
    assert!(encoded.bytes().all(|byte| byte.is_ascii_graphic()));
    for plus in [Plus::Literal, Plus::Space] {
        assert_eq!(decode(&encoded, plus).as_deref(), Some(text));
    }
}
