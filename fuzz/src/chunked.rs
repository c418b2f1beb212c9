//! Chunked bodies.

use crate::cuts;
use jstorrent_io_proto::body::ChunkedDecoder;

/// What came of a body.
#[derive(Debug, PartialEq)]
struct Heard {
    data: Vec<u8>,
    consumed: usize,
    done: bool,
    refused: Option<&'static str>,
}

/// A body is the same however it is cut; the data lies within what was consumed; after the end nothing is taken.
pub fn chunked_body(data: &[u8]) {
    let heard = cuts::agree(data, hear);
    assert!(heard.data.len() <= heard.consumed && heard.consumed <= data.len());
    if heard.done {
        assert_eq!(heard.data, by_lines(&data[..heard.consumed]), "two readings of one body");
    }
}

fn hear(pieces: &[&[u8]]) -> Heard {
    let mut decoder = ChunkedDecoder::new();
    let mut heard = Heard { data: Vec::new(), consumed: 0, done: false, refused: None };
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() && !heard.done {
            let step = match decoder.decode(rest) {
                Ok(step) => step,
                Err(refusal) => {
                    heard.refused = Some(refusal.code.as_str());
                    // How much was looked at before the fault is nobody's concern.
                    heard.consumed = 0;
                    heard.data.clear();
                    return heard;
                }
            };
            assert!(step.consumed > 0, "it must go on");
            assert!(step.data.is_empty() || step.data.end == step.consumed);
            heard.data.extend_from_slice(&rest[step.data.clone()]);
            heard.consumed += step.consumed;
            heard.done = step.done;
            rest = &rest[step.consumed..];
        }
    }
    assert_eq!(decoder.is_done(), heard.done);
    heard
}

/// The naive reading of a whole, good body: lines and counts.
fn by_lines(mut body: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    loop {
        let end = body.windows(2).position(|pair| pair == b"\r\n").expect("a line");
        let line = std::str::from_utf8(&body[..end]).unwrap_or_else(|error| {
            std::str::from_utf8(&body[..error.valid_up_to()]).expect("valid up to there")
        });
        let digits = line.split([';', ' ', '\t']).next().unwrap_or_default();
        let size = usize::from_str_radix(digits, 16).expect("a size");
        body = &body[end + 2..];
        if size == 0 {
            return data;
        }
        data.extend_from_slice(&body[..size]);
        assert_eq!(&body[size..size + 2], b"\r\n");
        body = &body[size + 2..];
    }
}
