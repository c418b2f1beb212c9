//! What the frame tests share: a reader fed in pieces, its events in a form that doesn't depend on the cuts.

#![allow(dead_code, reason = "each test binary uses its part")]

use jstorrent_io_proto::frame::{DataKind, Event, FrameReader, Peer, Violation};

/// What a connection said, without where it was cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    Message(DataKind, Vec<u8>),
    /// What came of a message that was not ended.
    Unended(DataKind, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
    Failed(u16),
}

/// Collects events.
pub(crate) struct Listener {
    reader: FrameReader,
    open: Option<(DataKind, Vec<u8>)>,
    pub(crate) said: Vec<Said>,
}

impl Listener {
    pub(crate) fn new(peer: Peer, message_bytes_max: u64) -> Self {
        Self { reader: FrameReader::new(peer, message_bytes_max), open: None, said: Vec::new() }
    }

    /// Takes a piece of the stream; false once the reader failed.
    pub(crate) fn hear(&mut self, piece: &[u8]) -> bool {
        let mut piece = piece.to_vec();
        let mut rest = &mut piece[..];
        loop {
            match self.reader.next(rest) {
                Ok((used, Event::NeedMore)) => {
                    assert_eq!(used, rest.len(), "all input is used up before more is asked for");
                    return true;
                }
                Ok((used, event)) => {
                    self.note(event, rest);
                    rest = &mut rest[used..];
                }
                Err(Violation { close_code, .. }) => {
                    self.said.push(Said::Failed(close_code));
                    return false;
                }
            }
        }
    }

    fn note(&mut self, event: Event, input: &[u8]) {
        match event {
            Event::NeedMore => unreachable!("taken before"),
            Event::Ping(payload) => self.said.push(Said::Ping(payload.to_vec())),
            Event::Pong(payload) => self.said.push(Said::Pong(payload.to_vec())),
            Event::Close(close) => self.said.push(Said::Close(close.code, close.reason().to_owned())),
            Event::Data(piece) => {
                assert_eq!(piece.first, self.open.is_none(), "first is true of the first piece only");
                let (kind, bytes) = self.open.get_or_insert_with(|| (piece.kind, Vec::new()));
                assert_eq!(*kind, piece.kind);
                bytes.extend_from_slice(&input[piece.range]);
                if piece.last {
                    self.said.extend(self.open.take().map(|(kind, bytes)| Said::Message(kind, bytes)));
                }
            }
        }
    }

    /// All that was said, an unended message last.
    pub(crate) fn end(mut self) -> Vec<Said> {
        self.said.extend(self.open.take().map(|(kind, bytes)| Said::Unended(kind, bytes)));
        self.said
    }
}

/// What `stream`, cut into those pieces, says to a reader.
pub(crate) fn heard<'p>(
    peer: Peer,
    message_bytes_max: u64,
    pieces: impl IntoIterator<Item = &'p [u8]>,
) -> Vec<Said> {
    let mut listener = Listener::new(peer, message_bytes_max);
    let _ended = pieces.into_iter().all(|piece| listener.hear(piece));
    listener.end()
}
