//! Heads and chunked bodies, cut anywhere: written by a naive encoder, and read back.

use jstorrent_io_proto::body::ChunkedDecoder;
use jstorrent_io_proto::error::Code;
use jstorrent_io_proto::request::{BodyFraming, HeadEnd, Method, find_head_end, parse_head};
use jstorrent_io_proto::response::{LAST_CHUNK, write_chunk_head};
use proptest::prelude::*;

/// The search over pieces, as a connection does it.
fn search(bytes: &[u8], cuts: &[usize]) -> HeadEnd {
    let mut scanned = 0;
    for &cut in cuts.iter().filter(|&&cut| cut < bytes.len()) {
        match find_head_end(&bytes[..cut], scanned) {
            HeadEnd::Partial { scanned: at } => scanned = at,
            verdict => return verdict,
        }
    }
    find_head_end(bytes, scanned)
}

/// Decodes a body that comes in pieces; `None` where it is refused.
fn decode(encoded: &[u8], mut piece: impl FnMut() -> usize) -> Option<(Vec<u8>, usize, bool)> {
    let (mut decoder, mut body, mut at) = (ChunkedDecoder::new(), Vec::new(), 0);
    while at < encoded.len() && !decoder.is_done() {
        let end = (at + piece().max(1)).min(encoded.len());
        let input = &encoded[at..end];
        let step = decoder.decode(input).ok()?;
        assert!(step.consumed > 0 && step.data.end <= step.consumed, "{step:?}");
        body.extend_from_slice(&input[step.data]);
        at += step.consumed;
    }
    Some((body, at, decoder.is_done()))
}

/// A chunked body for well-formed input only, written the slow way.
fn naive_decode(encoded: &[u8]) -> Option<(Vec<u8>, usize)> {
    let line_end =
        |from: usize| encoded[from..].windows(2).position(|pair| pair == b"\r\n").map(|length| from + length);
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let end = line_end(at)?;
        let line = std::str::from_utf8(&encoded[at..end]).ok()?;
        let digits = line.split_once(';').map_or(line, |(digits, _)| digits);
        let size = usize::from_str_radix(digits, 16).ok()?;
        at = end + 2;
        if size == 0 {
            break;
        }
        body.extend_from_slice(encoded.get(at..at + size)?);
        at += size + 2;
    }
    while let Some(end) = line_end(at) {
        let is_last = end == at;
        at = end + 2;
        if is_last {
            return Some((body, at));
        }
    }
    None
}

fn chunked() -> impl Strategy<Value = Vec<u8>> {
    let chunk = (prop::collection::vec(any::<u8>(), 1..40), "(;[a-z]{1,5}=[a-z]{1,5})?", 0..3_usize);
    let trailer = "([A-Z][a-z]{0,5}: [ -~]{0,10}\r\n){0,3}";
    (prop::collection::vec(chunk, 0..6), trailer).prop_map(|(chunks, trailer)| {
        let mut out = Vec::new();
        for (data, extension, zeros) in chunks {
            out.extend_from_slice(format!("{}{:X}{extension}\r\n", "0".repeat(zeros), data.len()).as_bytes());
            out.extend_from_slice(&data);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(format!("0\r\n{trailer}\r\n").as_bytes());
        out
    })
}

#[test]
fn a_head_is_judged_by_itself_too() {
    assert!(parse_head(b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n").is_ok());
    for text in [
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "GET / HTTP/1.1\r\n\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\nrest",
        "\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\n",
        "",
    ] {
        assert!(parse_head(text.as_bytes()).is_err(), "{text:?}");
    }
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(40_000));
    assert_eq!(parse_head(long.as_bytes()).unwrap_err().code, Code::HeadTooLarge);
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(8192));
    assert_eq!(parse_head(long.as_bytes()).unwrap_err().code, Code::TargetTooLong);
}

proptest! {
    #[test]
    fn chunked_bodies_read_the_same_however_they_are_cut(
        encoded in chunked(),
        rest in prop::collection::vec(any::<u8>(), 0..8),
        pieces in prop::collection::vec(1..20_usize, 1..20),
    ) {
        let mut stream = encoded.clone();
        stream.extend_from_slice(&rest);
        let (body, length) = naive_decode(&encoded).unwrap();
        prop_assert_eq!(length, encoded.len());
        let mut turns = pieces.into_iter().cycle();
        let decoded = decode(&stream, || turns.next().unwrap_or(1));
        prop_assert_eq!(decoded, Some((body, encoded.len(), true)), "what follows is left alone");
    }

    #[test]
    fn a_damaged_body_gets_one_verdict_however_it_is_cut(
        mut encoded in chunked(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let place = place.index(encoded.len());
        encoded[place] = byte;
        let whole = decode(&encoded, || usize::MAX / 2);
        prop_assert_eq!(decode(&encoded, || 1), whole);
    }

    #[test]
    fn what_the_chunk_writer_writes_is_read_back(data in prop::collection::vec(any::<u8>(), 1..600)) {
        let mut encoded = Vec::new();
        for chunk in data.chunks(257) {
            write_chunk_head(chunk.len(), &mut encoded);
            encoded.extend_from_slice(chunk);
            encoded.extend_from_slice(b"\r\n");
        }
        encoded.extend_from_slice(LAST_CHUNK);
        prop_assert_eq!(decode(&encoded, || 7), Some((data, encoded.len(), true)));
    }

    #[test]
    fn heads_read_back_what_was_written(
        path in "(/[a-zA-Z0-9%._~-]{0,8}){1,4}",
        query in prop::option::of("[a-zA-Z0-9=&%]{0,20}"),
        fields in prop::collection::vec(("[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}", "[!-~]?([ !-~]{0,20}[!-~])?"), 0..20),
        length in prop::option::of(any::<u64>()),
        empty_lines in 0..3_usize,
        mut cuts in prop::collection::vec(0..600_usize, 0..6),
    ) {
        let special = ["host", "content-length", "transfer-encoding", "expect", "connection"];
        prop_assume!(!fields.iter().any(|(name, _)| special.contains(&name.to_lowercase().as_str())));
        let mut text = "\r\n".repeat(empty_lines) + "POST " + &path;
        if let Some(query) = &query {
            text += &format!("?{query}");
        }
        text += " HTTP/1.1\r\nHost: a:1\r\n";
        for (name, value) in &fields {
            text += &format!("{name}:  {value} \r\n");
        }
        if let Some(length) = length {
            text += &format!("Content-Length: {length}\r\n");
        }
        text += "\r\n";
        let stream = format!("{text}rest");
        cuts.sort_unstable();
        prop_assert_eq!(search(stream.as_bytes(), &cuts), HeadEnd::Found(text.len()));
        let head = parse_head(text.as_bytes()).unwrap();
        prop_assert_eq!((head.method, head.path, head.query), (Method::Post, path.as_str(), query.as_deref()));
        prop_assert_eq!(head.body, length.map_or(BodyFraming::None, BodyFraming::Length));
        for (name, _) in &fields {
            let upper = name.to_uppercase();
            let values: Vec<_> = head.fields(&upper).collect();
            let written: Vec<_> = fields
                .iter()
                .filter(|(other, _)| other.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim().as_bytes())
                .collect();
            prop_assert_eq!(values, written);
        }
    }

    #[test]
    fn any_bytes_get_one_verdict_however_they_are_cut(
        bytes in prop::collection::vec(prop_oneof![
            3 => Just(b'\r'), 4 => Just(b'\n'), 2 => Just(b' '), 1 => Just(0), 6 => any::<u8>(), 3 => b'A'..=b'Z',
        ], 0..60),
        paired in any::<bool>(),
    ) {
        // Half of the time with CR and LF in pairs, so that the search gets further.
        let bytes = if paired {
            bytes.iter().flat_map(|&byte| if byte == b'\r' { vec![b'\r', b'\n'] } else if byte == b'\n' { vec![b'x'] } else { vec![byte] }).collect()
        } else {
            bytes
        };
        let bytewise: Vec<_> = (0..bytes.len()).collect();
        let whole = search(&bytes, &[]);
        prop_assert_eq!(search(&bytes, &bytewise), whole.clone());
        let parsed = parse_head(&bytes);
        prop_assert!(parsed.is_err() || matches!(whole, HeadEnd::Found(_)));
    }
}
