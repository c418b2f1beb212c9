//! WebSocket frames.

use crate::cuts;
use jstorrent_io_proto::frame::{DataKind, Event, FrameReader, Peer, Violation};
use jstorrent_io_proto::limits::WS_MESSAGE_BYTES_MAX_UNAUTHENTICATED;
use jstorrent_io_proto::utf8::Utf8Check;

/// What a connection said, without where it was cut.
#[derive(Debug, PartialEq)]
enum Said {
    Message(DataKind, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
    Failed(u16),
}

/// Frames say the same however they are cut; texts are UTF-8 and no message is over its limit.
pub fn ws_frames(data: &[u8]) {
    for peer in [Peer::Client, Peer::Server] {
        let said = cuts::agree(data, |pieces| hear(peer, pieces));
        for said in &said {
            if let Said::Message(kind, bytes) = said {
                assert!(bytes.len() <= WS_MESSAGE_BYTES_MAX_UNAUTHENTICATED);
                assert!(*kind == DataKind::Binary || std::str::from_utf8(bytes).is_ok());
            }
        }
        let ends = said.iter().position(|said| matches!(said, Said::Close(..) | Said::Failed(_)));
        assert!(ends.is_none_or(|at| at + 1 == said.len()), "something was said after the end");
    }
    let is_utf8 = cuts::agree(data, |pieces| {
        let mut check = Utf8Check::new();
        pieces.iter().all(|piece| check.push(piece).is_ok()) && check.finish().is_ok()
    });
    assert_eq!(is_utf8, std::str::from_utf8(data).is_ok());
}

fn hear(peer: Peer, pieces: &[&[u8]]) -> Vec<Said> {
    let mut reader = FrameReader::new(peer, WS_MESSAGE_BYTES_MAX_UNAUTHENTICATED as u64);
    let (mut said, mut open) = (Vec::new(), Vec::new());
    for piece in pieces {
        let mut bytes = piece.to_vec();
        let mut rest = &mut bytes[..];
        loop {
            let (used, event) = match reader.next(rest) {
                Ok(found) => found,
                Err(Violation { close_code, .. }) => {
                    said.push(Said::Failed(close_code));
                    return said;
                }
            };
            assert!(reader.frame_bytes_left() <= WS_MESSAGE_BYTES_MAX_UNAUTHENTICATED as u64);
            match event {
                Event::NeedMore => {
                    assert_eq!(used, rest.len());
                    break;
                }
                Event::Ping(payload) => said.push(Said::Ping(payload.to_vec())),
                Event::Pong(payload) => said.push(Said::Pong(payload.to_vec())),
                Event::Close(close) => said.push(Said::Close(close.code, close.reason().to_owned())),
                Event::Data(piece) => {
                    assert!(piece.range.end <= used);
                    assert!(piece.last || reader.in_message());
                    open.extend_from_slice(&rest[piece.range.clone()]);
                    if piece.last {
                        said.push(Said::Message(piece.kind, std::mem::take(&mut open)));
                    }
                }
            }
            rest = &mut rest[used..];
        }
    }
    said
}
