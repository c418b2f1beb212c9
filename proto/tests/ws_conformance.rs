//! Fixed cases of RFC 6455 in the order of the Autobahn suite's groups 1 to 7, with its strict verdicts. Each stream is
//! heard whole, frame by frame and byte by byte.

mod ws_support;

use jstorrent_io_proto::frame::{
    BINARY, CLOSE, CONTINUATION, DataKind, OpCode, PING, PONG, Peer, TEXT, push_masked_close,
    push_masked_frame,
};
use ws_support::{Listener, Said, heard};

const LIMIT: u64 = 64 << 20;
const KEY: [u8; 4] = [0xA1, 0x02, 0xF3, 0x54];

type Frame<'p> = (OpCode, bool, &'p [u8]);

fn frame(&(opcode, fin, payload): &Frame<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    push_masked_frame(&mut bytes, opcode, fin, KEY, payload);
    bytes
}

/// What frames say, after checking that the cuts don't matter.
fn said(frames: &[Frame<'_>]) -> Vec<Said> {
    heard_in_all_cuts(&frames.iter().map(frame).collect::<Vec<_>>())
}

fn heard_in_all_cuts(frames: &[Vec<u8>]) -> Vec<Said> {
    let stream = frames.concat();
    let whole = heard(Peer::Client, LIMIT, [&stream[..]]);
    assert_eq!(heard(Peer::Client, LIMIT, frames.iter().map(|frame| &frame[..])), whole, "frame by frame");
    if !whole.iter().any(|said| matches!(said, Said::Failed(_))) {
        assert_eq!(heard(Peer::Client, LIMIT, stream.chunks(1)), whole, "byte by byte");
    }
    whole
}

fn text(text: &str) -> Said {
    Said::Message(DataKind::Text, text.into())
}

fn binary(bytes: &[u8]) -> Said {
    Said::Message(DataKind::Binary, bytes.into())
}

/// The last thing said is a failure with 1002.
fn fails(frames: &[Frame<'_>]) -> bool {
    said(frames).contains(&Said::Failed(1002))
}

#[test]
fn group_1_framing() {
    for len in [0, 125, 126, 127, 128, 65_535, 65_536] {
        let payload = vec![b'*'; len];
        assert_eq!(said(&[(TEXT, true, &payload)]), [text(&"*".repeat(len))]);
        assert_eq!(said(&[(BINARY, true, &payload)]), [binary(&payload)]);
        let stream = frame(&(BINARY, true, &payload));
        assert_eq!(heard(Peer::Client, LIMIT, stream.chunks(997)), [binary(&payload)]);
    }
}

#[test]
fn group_2_pings_and_pongs() {
    for payload in [&b""[..], b"Hello, world!", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", &[0xFE; 125]] {
        assert_eq!(said(&[(PING, true, payload)]), [Said::Ping(payload.into())]);
        assert_eq!(said(&[(PONG, true, payload)]), [Said::Pong(payload.into())]);
    }
    let mut oversized = vec![0x89, 0xFE, 0, 126];
    oversized.extend_from_slice(&[0; 130]);
    assert_eq!(heard_in_all_cuts(&[oversized]), [Said::Failed(1002)]);
    let ten: Vec<_> = (0..10).map(|n| format!("payload-{n}")).collect();
    let pings: Vec<Frame<'_>> = ten.iter().map(|payload| (PING, true, payload.as_bytes())).collect();
    let expected: Vec<_> = ten.iter().map(|payload| Said::Ping(payload.clone().into())).collect();
    assert_eq!(said(&pings), expected);
}

#[test]
fn group_3_reserved_bits() {
    for bits in [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70] {
        for opcode in [TEXT, BINARY, PING, CLOSE] {
            let mut bad = frame(&(opcode, true, b""));
            bad[0] |= bits;
            let good = frame(&(TEXT, true, b"Hello, world!"));
            assert_eq!(heard_in_all_cuts(&[good, bad]), [text("Hello, world!"), Said::Failed(1002)]);
        }
    }
}

#[test]
fn group_4_reserved_opcodes() {
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        for payload in [&b""[..], b"reserved"] {
            assert!(fails(&[(OpCode::from(opcode), true, payload)]), "opcode {opcode}");
        }
    }
}

#[test]
fn group_5_fragmentation() {
    let ping = (PING, true, &b"pongme"[..]);
    let pinged = Said::Ping(b"pongme".into());
    assert!(fails(&[(PING, false, b"frag"), (CONTINUATION, true, b"ment")]), "5.1");
    assert!(fails(&[(PONG, false, b"frag"), (CONTINUATION, true, b"ment")]), "5.2");
    let halves = [(TEXT, false, &b"frag"[..]), (CONTINUATION, true, b"ment")];
    assert_eq!(said(&halves), [text("fragment")], "5.3 to 5.5");
    assert_eq!(said(&[halves[0], ping, halves[1]]), [pinged.clone(), text("fragment")], "5.6 to 5.8");
    assert!(fails(&[(CONTINUATION, true, b"non-continuation"), (TEXT, true, b"Hello")]), "5.9 to 5.11");
    assert!(fails(&[(CONTINUATION, false, b"non-continuation"), (TEXT, true, b"Hello")]), "5.12 to 5.14");
    let after = [halves[0], halves[1], (CONTINUATION, false, b"stray"), (TEXT, true, b"Hello")];
    assert_eq!(said(&after), [text("fragment"), Said::Failed(1002)], "5.15");
    assert!(
        fails(&[(CONTINUATION, false, b"f1"), (TEXT, false, b"f2"), (CONTINUATION, true, b"f3")]),
        "5.16, 5.17"
    );
    assert!(fails(&[(TEXT, false, b"f1"), (TEXT, false, b"f2")]), "5.18");
    assert!(fails(&[(TEXT, false, b"f1"), (BINARY, true, b"f2")]), "5.18 in two kinds");
    let five = [
        (TEXT, false, &b"f1"[..]),
        (CONTINUATION, false, b"f2"),
        ping,
        (CONTINUATION, false, b"f3"),
        (CONTINUATION, false, b"f4"),
        ping,
        (CONTINUATION, true, b"f5"),
    ];
    assert_eq!(said(&five), [pinged.clone(), pinged, text("f1f2f3f4f5")], "5.19, 5.20");
}

#[test]
fn group_6_utf8_valid() {
    let empty = [(TEXT, false, &b""[..]), (CONTINUATION, false, b""), (CONTINUATION, true, b"")];
    assert_eq!(said(&empty), [text("")], "6.1.2");
    let middle = [(TEXT, false, &b""[..]), (CONTINUATION, false, b"middle"), (CONTINUATION, true, b"")];
    assert_eq!(said(&middle), [text("middle")], "6.1.3");
    let samples = [
        "Hello-µ@ßöäüàá-UTF-8!!",
        "κόσμε",
        "\u{0}",
        "\u{80}",
        "\u{800}",
        "\u{10000}",
        "\u{7f}",
        "\u{7ff}",
        "\u{ffff}",
        "\u{10ffff}",
        "\u{d7ff}",
        "\u{e000}",
        "\u{fffd}",
        "\u{1fffe}",
        "\u{fdd0}",
    ];
    for sample in samples {
        assert_eq!(said(&[(TEXT, true, sample.as_bytes())]), [text(sample)]);
        let bytewise: Vec<Frame<'_>> =
            sample.as_bytes().chunks(1).map(|byte| (CONTINUATION, false, byte)).collect();
        let fragments = [&[(TEXT, false, &b""[..])], &bytewise[..], &[(CONTINUATION, true, b"")]].concat();
        assert_eq!(said(&fragments), [text(sample)], "6.2.3, 6.2.4: characters cut by frames");
    }
}

/// Texts that fail, and how many of their bytes may be taken before that shows (all of them: at the end).
const BAD_UTF8: [(&[u8], usize); 22] = [
    (b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80\x65\x64\x69\x74\x65\x64", 12),
    (b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80\x65\x64", 12),
    (b"\xf8\x88\x80\x80\x80", 0),
    (b"\xfc\x84\x80\x80\x80\x80", 0),
    (b"\xf7\xbf\xbf\xbf", 0),
    (b"\xf4\x90\x80\x80", 1),
    (b"\x80", 0),
    (b"\xbf", 0),
    (b"\xc0\x20\xc1\x20", 0),
    (b"\xe0\x20\xe1\x20", 1),
    (b"\xf0\x20\xf1\x20", 1),
    (b"\xc0", 0),
    (b"\xdf", 1),
    (b"\xef\xbf", 2),
    (b"\xf0\x90\x80", 3),
    (b"\xfe", 0),
    (b"\xff", 0),
    (b"\xc1\xbf", 0),
    (b"\xe0\x9f\xbf", 1),
    (b"\xf0\x8f\xbf\xbf", 1),
    (b"\xed\xbf\xbf", 1),
    (b"\xed\xa0\x80\xed\xb0\x80", 1),
];

#[test]
fn group_6_utf8_invalid_fails_at_the_first_impossible_byte() {
    for (bad, shows_at) in BAD_UTF8 {
        let whole = frame(&(TEXT, true, bad));
        assert_eq!(heard(Peer::Client, LIMIT, [&whole[..]]), [Said::Failed(1007)], "{bad:02x?}");

        // In the middle of a frame that goes on: the frame is longer than what is sent of it (6.4.3, 6.4.4).
        let long = frame(&(TEXT, true, &[bad, &[b'x'; 40]].concat()));
        let header = long.len() - bad.len() - 40;
        let mut listener = Listener::new(Peer::Client, LIMIT);
        let taken = long.iter().take_while(|byte| listener.hear(&[**byte])).count();
        assert_eq!(taken, header + shows_at, "{bad:02x?}");

        // In a fragment that is not the last (6.4.1, 6.4.2).
        let fragment = frame(&(TEXT, false, &[bad, b"x"].concat()));
        assert!(heard(Peer::Client, LIMIT, [&fragment[..]]).contains(&Said::Failed(1007)), "{bad:02x?}");
    }
}

#[test]
fn group_6_a_text_may_not_end_inside_a_character() {
    for cut in ["é", "€", "🎈"].map(str::as_bytes).map(|whole| &whole[..whole.len() - 1]) {
        let open = [(TEXT, false, cut)];
        assert_eq!(said(&open), [Said::Unended(DataKind::Text, cut.into())]);
        let ended = [(TEXT, false, cut), (CONTINUATION, true, &b""[..])];
        assert!(said(&ended).contains(&Said::Failed(1007)));
    }
    // What the one message left open is not held against the next.
    assert_eq!(said(&[(BINARY, true, b"\xF0\x9F"), (TEXT, true, b"ok")]), [binary(b"\xF0\x9F"), text("ok")]);
}

#[test]
fn group_7_closing() {
    let after = (TEXT, true, &b"after the close"[..]);
    let closed = |code: u16, reason: &str| Said::Close(Some(code), reason.into());
    assert_eq!(said(&[(CLOSE, true, b"\x03\xe8"), after]), [closed(1000, "")], "7.1.2 to 7.1.6");
    assert_eq!(
        said(&[(CLOSE, true, b"\x03\xe8"), (PING, true, b""), (CLOSE, true, b"")]),
        [closed(1000, "")]
    );
    let mid_message = [(TEXT, false, &b"open"[..]), (CLOSE, true, b"\x03\xe8")];
    assert_eq!(said(&mid_message), [closed(1000, ""), Said::Unended(DataKind::Text, b"open".into())]);
    assert_eq!(said(&[(CLOSE, true, b"")]), [Said::Close(None, String::new())], "7.3.1");
    assert_eq!(said(&[(CLOSE, true, b"\x03")]), [Said::Failed(1002)], "7.3.2");
    let longest = "*".repeat(123);
    let mut bytes = Vec::new();
    push_masked_close(&mut bytes, KEY, Some(1000), &longest);
    assert_eq!(heard_in_all_cuts(&[bytes]), [closed(1000, &longest)], "7.3.5");
    let oversized = [vec![0x88, 0xFE, 0, 126], vec![0; 130]].concat();
    assert_eq!(heard_in_all_cuts(&[oversized]), [Said::Failed(1002)], "7.3.6");
    assert_eq!(said(&[(CLOSE, true, b"\x03\xe8\xce\xba\xed\xa0\x80")]), [Said::Failed(1007)], "7.5.1");
}

#[test]
fn group_7_close_codes() {
    let close = |code: u16| said(&[(CLOSE, true, &[&code.to_be_bytes()[..], b"why"].concat())]);
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999] {
        assert_eq!(close(code), [Said::Close(Some(code), "why".into())], "7.7");
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        assert_eq!(close(code), [Said::Failed(1002)], "7.9, 7.13: {code}");
    }
}
