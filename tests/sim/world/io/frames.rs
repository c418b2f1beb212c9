//! Reads the daemon's WebSocket frames as the strictest of clients would, written apart from the daemon's own reader.
//! What breaks a rule ends the run.

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Message { text: bool, bytes: Vec<u8> },
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>),
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    buffer: Vec<u8>,
    /// The message that has begun, and whether it is text.
    open: Option<(bool, Vec<u8>)>,
    closed: bool,
}

impl Frames {
    /// Takes bytes in; returns what is complete, each with how many bytes of these it ended before.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<(Frame, usize)> {
        self.buffer.extend_from_slice(bytes);
        let mut found = Vec::new();
        let mut at = 0;
        while let Some((used, frame)) = self.next(at) {
            at += used;
            found.extend(frame.map(|frame| (frame, self.buffer.len() - at)));
        }
        self.buffer.drain(..at);
        found
    }

    /// Whether something has begun and is not complete.
    pub(crate) fn within(&self) -> bool {
        !self.buffer.is_empty() || self.open.is_some()
    }

    fn next(&mut self, at: usize) -> Option<(usize, Option<Frame>)> {
        let rest = &self.buffer[at..];
        let [first, second, ..] = *rest else { return None };
        assert!(!self.closed, "a frame behind the close frame");
        assert_eq!(first & 0x70, 0, "reserved bits");
        assert_eq!(second & 0x80, 0, "a server masks nothing");
        let (header, length) = match second {
            126 => (4, u64::from(u16::from_be_bytes(rest.get(2..4)?.try_into().ok()?))),
            127 => (10, u64::from_be_bytes(rest.get(2..10)?.try_into().ok()?)),
            short => (2, u64::from(short)),
        };
        let shortest = match length {
            0..126 => 2,
            126..=0xFFFF => 4,
            _ => 10,
        };
        assert_eq!(header, shortest, "a length of {length} in another form than the shortest");
        let end = header + length as usize;
        let payload = rest.get(header..end)?.to_vec();
        let fin = first & 0x80 != 0;
        Some((end, self.frame(first & 0x0F, fin, payload)))
    }

    fn frame(&mut self, opcode: u8, fin: bool, payload: Vec<u8>) -> Option<Frame> {
        if opcode >= 8 {
            assert!(fin && payload.len() <= 125, "a control frame is short and whole");
            return Some(self.control(opcode, payload));
        }
        let (text, mut bytes) = match (opcode, self.open.take()) {
            (0, Some(open)) => open,
            (1 | 2, None) => (opcode == 1, Vec::new()),
            _ => panic!("opcode {opcode} at the wrong place"),
        };
        bytes.extend_from_slice(&payload);
        if fin {
            assert!(!text || std::str::from_utf8(&bytes).is_ok(), "a text that is not UTF-8");
            return Some(Frame::Message { text, bytes });
        }
        self.open = Some((text, bytes));
        None
    }

    fn control(&mut self, opcode: u8, payload: Vec<u8>) -> Frame {
        match opcode {
            8 => {
                self.closed = true;
                let code = payload.first_chunk::<2>().map(|code| u16::from_be_bytes(*code));
                assert!(payload.len() != 1 && std::str::from_utf8(&payload[2.min(payload.len())..]).is_ok());
                Frame::Close(code)
            }
            9 => Frame::Ping(payload),
            10 => Frame::Pong(payload),
            _ => panic!("opcode {opcode} is nobody's"),
        }
    }
}
