//! The frame reader and writer: cut anywhere, against tungstenite in both roles, and at the limits.

mod ws_support;

use std::io::{self, Read, Write};

use jstorrent_io_proto::frame::{
    BINARY, CLOSE, CONTINUATION, DataKind, Event, FrameReader, OpCode, PING, PONG, Peer, TEXT, close,
    push_close, push_frame, push_masked_close, push_masked_frame,
};
use proptest::prelude::*;
use tungstenite::protocol::{Role, WebSocketContext};
use tungstenite::{Message, protocol::CloseFrame};
use ws_support::{Said, heard};

const LIMIT: u64 = 1 << 20;
const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// One step of a well-formed conversation.
#[derive(Debug, Clone)]
enum Step {
    Message { text: bool, fragments: Vec<Vec<u8>>, ping_after: Option<usize> },
    Control { ping: bool, payload: Vec<u8> },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..200);
    let long = proptest::collection::vec(any::<u8>(), 65_530..65_540);
    let fragment = prop_oneof![8 => bytes(), 1 => long];
    let fragments = proptest::collection::vec(fragment, 1..4);
    let binary = (fragments, proptest::option::of(0..4_usize))
        .prop_map(|(fragments, ping_after)| Step::Message { text: false, fragments, ping_after });
    let text = (any::<String>(), 1..9_usize, proptest::option::of(0..4_usize)).prop_map(
        |(text, size, ping_after)| {
            let mut fragments: Vec<_> = text.as_bytes().chunks(size).map(<[u8]>::to_vec).collect();
            fragments.push(Vec::new());
            Step::Message { text: true, fragments, ping_after }
        },
    );
    let control = (any::<bool>(), proptest::collection::vec(any::<u8>(), 0..126))
        .prop_map(|(ping, payload)| Step::Control { ping, payload });
    proptest::collection::vec(prop_oneof![binary, text, control], 1..6)
}

/// The bytes that a client sends for the steps, and what a server should hear.
fn spoken(steps: &[Step]) -> (Vec<u8>, Vec<Said>) {
    let (mut bytes, mut said) = (Vec::new(), Vec::new());
    for step in steps {
        match step {
            Step::Message { text, fragments, ping_after } => {
                for (index, fragment) in fragments.iter().enumerate() {
                    let opcode = match (index, text) {
                        (0, true) => TEXT,
                        (0, false) => BINARY,
                        _ => CONTINUATION,
                    };
                    push_masked_frame(&mut bytes, opcode, index + 1 == fragments.len(), KEY, fragment);
                    if *ping_after == Some(index) && index + 1 < fragments.len() {
                        push_masked_frame(&mut bytes, PING, true, KEY, b"between");
                        said.push(Said::Ping(b"between".to_vec()));
                    }
                }
                let kind = if *text { DataKind::Text } else { DataKind::Binary };
                said.push(Said::Message(kind, fragments.concat()));
            }
            Step::Control { ping, payload } => {
                push_masked_frame(&mut bytes, if *ping { PING } else { PONG }, true, KEY, payload);
                said.push(if *ping { Said::Ping(payload.clone()) } else { Said::Pong(payload.clone()) });
            }
        }
    }
    (bytes, said)
}

/// Cuts a stream at the given places, wrapped to its length.
fn cut<'s>(stream: &'s [u8], places: &[usize]) -> Vec<&'s [u8]> {
    let mut places: Vec<_> = places.iter().map(|place| place % (stream.len() + 1)).collect();
    places.extend([0, stream.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect()
}

proptest! {
    #[test]
    fn cuts_change_nothing(steps in steps(), places in proptest::collection::vec(any::<usize>(), 0..20)) {
        let (stream, said) = spoken(&steps);
        prop_assert_eq!(heard(Peer::Client, LIMIT, cut(&stream, &places)), said);
    }

    #[test]
    fn any_bytes_say_the_same_whole_and_byte_by_byte(
        start in prop_oneof![Just(vec![]), Just(vec![0x82, 0x83, 1, 2, 3, 4]), Just(vec![0x01, 0x80, 0, 0, 0, 0])],
        noise in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0x80), Just(0x81), Just(0)], 0..64),
    ) {
        let stream = [start, noise].concat();
        let mut whole = heard(Peer::Client, LIMIT, [&stream[..]]);
        let mut bytewise = heard(Peer::Client, LIMIT, stream.chunks(1));
        // How much of a text is handed out before it fails depends on the cuts; the failure itself doesn't.
        for said in [&mut whole, &mut bytewise] {
            if said.iter().any(|said| matches!(said, Said::Failed(_))) {
                said.retain(|said| !matches!(said, Said::Unended(..)));
            }
        }
        prop_assert_eq!(whole, bytewise);
    }
}

#[test]
fn every_cut_in_three_says_the_same() {
    let steps = [
        Step::Message {
            text: true, fragments: vec!["aé".into(), vec![], "🎈z".into()], ping_after: Some(1)
        },
        Step::Control { ping: false, payload: vec![1, 2, 3, 4, 5] },
        Step::Message { text: false, fragments: vec![vec![9; 130], vec![]], ping_after: None },
        Step::Message { text: false, fragments: vec![vec![]], ping_after: None },
    ];
    let (mut stream, mut said) = spoken(&steps);
    push_masked_close(&mut stream, KEY, Some(1000), "goodbye");
    said.push(Said::Close(Some(1000), "goodbye".into()));
    push_masked_frame(&mut stream, PING, true, KEY, b"after the close: not heard");
    for first in 0..=stream.len() {
        for second in first..=stream.len() {
            let pieces = [&stream[..first], &stream[first..second], &stream[second..]];
            assert_eq!(heard(Peer::Client, LIMIT, pieces), said, "cut at {first} and {second}");
        }
    }
}

/// A stream in memory, for tungstenite: what it writes is kept, what it reads was put there.
#[derive(Default)]
struct Memory {
    incoming: io::Cursor<Vec<u8>>,
    outgoing: Vec<u8>,
}

impl Read for Memory {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.incoming.read(buffer)? {
            0 if !buffer.is_empty() => Err(io::ErrorKind::WouldBlock.into()),
            read => Ok(read),
        }
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outgoing.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What tungstenite in this role hears in those bytes.
fn tungstenite_hears(role: Role, stream: Vec<u8>) -> Vec<Said> {
    let mut memory = Memory { incoming: io::Cursor::new(stream), outgoing: Vec::new() };
    let mut context = WebSocketContext::new(role, None);
    let mut said = Vec::new();
    while let Ok(message) = context.read(&mut memory) {
        said.push(match message {
            Message::Text(text) => Said::Message(DataKind::Text, text.as_bytes().to_vec()),
            Message::Binary(bytes) => Said::Message(DataKind::Binary, bytes.to_vec()),
            Message::Ping(payload) => Said::Ping(payload.to_vec()),
            Message::Pong(payload) => Said::Pong(payload.to_vec()),
            Message::Close(None) => Said::Close(None, String::new()),
            Message::Close(Some(close)) => Said::Close(Some(close.code.into()), close.reason.to_string()),
            Message::Frame(_) => unreachable!("never read"),
        });
    }
    said
}

/// The bytes that tungstenite in this role sends for a conversation, and the conversation.
fn tungstenite_says(role: Role) -> (Vec<u8>, Vec<Said>) {
    let mut memory = Memory::default();
    let mut context = WebSocketContext::new(role, None);
    let mut said = Vec::new();
    for len in [0, 1, 125, 126, 127, 65_535, 65_536, 300_000] {
        let bytes: Vec<u8> = (0..len).map(|n: usize| (n * 31) as u8).collect();
        context.write(&mut memory, Message::Binary(bytes.clone().into())).expect("memory takes all");
        said.push(Said::Message(DataKind::Binary, bytes));
        let text = "né🎈".repeat(len / 7);
        context.write(&mut memory, Message::text(text.clone())).expect("memory takes all");
        said.push(Said::Message(DataKind::Text, text.into_bytes()));
        context.write(&mut memory, Message::Ping(vec![7; len.min(125)].into())).expect("memory takes all");
        said.push(Said::Ping(vec![7; len.min(125)]));
    }
    let goodbye = CloseFrame { code: 1001.into(), reason: "going".into() };
    context.close(&mut memory, Some(goodbye)).expect("memory takes all");
    said.push(Said::Close(Some(1001), "going".into()));
    context.flush(&mut memory).expect("memory takes all");
    (memory.outgoing, said)
}

#[test]
fn we_hear_what_tungstenite_says() {
    for (role, peer) in [(Role::Client, Peer::Client), (Role::Server, Peer::Server)] {
        let (stream, said) = tungstenite_says(role);
        assert_eq!(heard(peer, LIMIT, [&stream[..]]), said);
        assert_eq!(heard(peer, LIMIT, stream.chunks(1021)), said);
    }
}

#[test]
fn tungstenite_hears_what_we_say() {
    let frames: [(OpCode, bool, Vec<u8>); 7] = [
        (BINARY, true, vec![1; 70_000]),
        (TEXT, false, b"frag".to_vec()),
        (PING, true, vec![2; 125]),
        (CONTINUATION, true, "mentö".into()),
        (BINARY, true, vec![]),
        (PONG, true, vec![3; 130]),
        (BINARY, true, vec![4; 300]),
    ];
    let (mut from_server, mut from_client) = (Vec::new(), Vec::new());
    for (opcode, fin, payload) in &frames {
        push_frame(&mut from_server, *opcode, *fin, payload);
        push_masked_frame(&mut from_client, *opcode, *fin, KEY, payload);
    }
    push_close(&mut from_server, Some(close::PROTOCOL), "why");
    push_masked_close(&mut from_client, KEY, Some(close::PROTOCOL), "why");
    let said = vec![
        Said::Message(DataKind::Binary, vec![1; 70_000]),
        Said::Ping(vec![2; 125]),
        Said::Message(DataKind::Text, "fragmentö".into()),
        Said::Message(DataKind::Binary, vec![]),
        Said::Pong(vec![3; 125]),
        Said::Message(DataKind::Binary, vec![4; 300]),
        Said::Close(Some(1002), "why".into()),
    ];
    assert_eq!(tungstenite_hears(Role::Client, from_server), said);
    assert_eq!(tungstenite_hears(Role::Server, from_client), said);
}

/// The header of a masked frame that announces `len` bytes, with none of them.
fn announced(first: u8, len: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match len {
        0..=125 => bytes.push(0x80 | len as u8),
        126..=0xFFFF => {
            bytes.push(0xFE);
            bytes.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0xFF);
            bytes.extend_from_slice(&len.to_be_bytes());
        }
    }
    bytes.extend_from_slice(&KEY);
    bytes
}

#[test]
fn the_limit_is_decided_by_the_header() {
    assert_eq!(heard(Peer::Client, 4096, [&announced(0x82, 4096)[..]]), []);
    assert_eq!(heard(Peer::Client, 4096, [&announced(0x82, 4097)[..]]), [Said::Failed(1009)]);
    assert_eq!(heard(Peer::Client, u64::MAX, [&announced(0x82, (1 << 63) - 1)[..]]), []);
    assert_eq!(heard(Peer::Client, u64::MAX, [&announced(0x82, 1 << 63)[..]]), [Said::Failed(1002)]);
}

#[test]
fn the_limit_counts_all_fragments() {
    let mut stream = Vec::new();
    push_masked_frame(&mut stream, BINARY, false, KEY, &[5; 4000]);
    let within = [&stream[..], &announced(0x80, 96)].concat();
    let over = [&stream[..], &announced(0x80, 97)].concat();
    let unended = Said::Unended(DataKind::Binary, vec![5; 4000]);
    assert_eq!(heard(Peer::Client, 4096, [&over[..]]), [Said::Failed(1009), unended.clone()]);
    assert_eq!(heard(Peer::Client, 4096, [&within[..]]), [unended]);
}

#[test]
fn a_raised_limit_counts_from_the_next_frame_on() {
    let mut reader = FrameReader::new(Peer::Client, 10);
    let mut small = announced(0x82, 10);
    assert_eq!(reader.next(&mut small), Ok((small.len(), Event::NeedMore)));
    assert_eq!(reader.frame_bytes_left(), 10);
    assert!(reader.in_message());
    reader.set_message_bytes_max(100);
    let (used, event) = reader.next(&mut [0; 10]).expect("the rest");
    assert!(matches!(event, Event::Data(piece) if piece.last) && used == 10);
    assert!(!reader.in_message());
    let mut large = announced(0x82, 100);
    assert!(reader.next(&mut large).is_ok());
    assert_eq!(reader.frame_bytes_left(), 100);
}

#[test]
fn lengths_must_be_in_their_shortest_form() {
    let long_forms: [&[u8]; 3] =
        [&[0x82, 0xFE, 0, 125], &[0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF], &[0x89, 0xFE, 0, 5]];
    for start in long_forms {
        let stream = [start, &KEY, &[0; 125]].concat();
        assert_eq!(heard(Peer::Client, LIMIT, [&stream[..]]), [Said::Failed(1002)], "{start:?}");
    }
}

#[test]
fn who_masks_and_who_does_not() {
    let (mut masked, mut plain) = (Vec::new(), Vec::new());
    push_masked_frame(&mut masked, BINARY, true, KEY, b"x");
    push_frame(&mut plain, BINARY, true, b"x");
    assert_eq!(heard(Peer::Client, LIMIT, [&plain[..]]), [Said::Failed(1002)]);
    assert_eq!(heard(Peer::Server, LIMIT, [&masked[..]]), [Said::Failed(1002)]);
    assert_eq!(heard(Peer::Client, LIMIT, [&plain[..2]]), [Said::Failed(1002)], "two bytes show it");
}

#[test]
fn a_failed_reader_swallows_all_that_follows() {
    let mut reader = FrameReader::new(Peer::Client, LIMIT);
    assert!(reader.next(&mut [0xFF, 0x80]).is_err());
    let mut ping = Vec::new();
    push_masked_frame(&mut ping, PING, true, KEY, b"");
    assert_eq!(reader.next(&mut ping), Ok((ping.len(), Event::NeedMore)));
}

#[test]
fn bytes_behind_the_used_ones_are_untouched() {
    let mut stream = Vec::new();
    push_masked_frame(&mut stream, BINARY, true, KEY, b"first");
    let end = stream.len();
    push_masked_frame(&mut stream, BINARY, true, KEY, b"second");
    let before = stream.clone();
    let (used, event) = FrameReader::new(Peer::Client, LIMIT).next(&mut stream).expect("a message");
    let Event::Data(piece) = event else { panic!("no data") };
    assert_eq!((used, &stream[piece.range]), (end, &b"first"[..]));
    assert_eq!(stream[end..], before[end..]);
}

#[test]
fn close_frames_reach_their_reader_whole() {
    let mut stream = Vec::new();
    push_masked_frame(&mut stream, CLOSE, true, KEY, b"");
    assert_eq!(heard(Peer::Client, LIMIT, stream.chunks(1)), [Said::Close(None, String::new())]);
}
