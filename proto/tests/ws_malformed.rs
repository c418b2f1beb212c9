//! What is malformed, and what is not (PROTOCOL §6.2, §7): each refusal with its request id and a sentence that names
//! the field.

use jstorrent_io_proto::digest::Digest;
use jstorrent_io_proto::envelope::Malformed;
use jstorrent_io_proto::feature::{Feature, Features};
use jstorrent_io_proto::message::{Auth, ClientMessage, ConnectOptions, Hello, Packet, ServerMessage};

fn from_json(text: &str) -> Result<(u32, String), Malformed> {
    decoded(ClientMessage::decode_json(&mut text.as_bytes().to_vec()))
}

fn from_binary(code: u8, payload: &[u8]) -> Result<(u32, String), Malformed> {
    let message = [&[1, code, 0, 0, 9, 0, 0, 0], payload].concat();
    decoded(ClientMessage::decode_binary(&message))
}

fn decoded(packet: Result<Packet<'_, ClientMessage<'_>>, Malformed>) -> Result<(u32, String), Malformed> {
    packet.map(|packet| match packet {
        Packet::Message { request_id, message } => (request_id, format!("{message:?}")),
        Packet::Batch(_) => panic!("no batch was sent"),
    })
}

#[test]
fn binary_payloads_that_are_refused() {
    let cases: [(u8, &[u8], &str); 17] = [
        (0x01, b"{", "hello: the JSON breaks the grammar"),
        (0x01, b"[]", "hello: the JSON must be an object"),
        (0x01, b"{\"client\":\"\xff\"}", "hello: the JSON must be UTF-8"),
        (0x01, br#"{"sessionId":""}"#, "sessionId must be 1 to 128"),
        (0x03, b"", "type needs 1 bytes where 0 are left"),
        (0x03, b"\x02tok", "type must be 0"),
        (0x03, b"\x00tok\0ext", "installId is missing"),
        (0x03, b"\x01\xff", "token must be UTF-8"),
        (0x05, b"\x01\0\0", "count needs 4 bytes where 3 are left"),
        (0x10, b"\x01\0\0\0\x50", "port needs 2 bytes where 1 are left"),
        (0x10, b"\x01\0\0\0\x50\0host\0{", "tcp_connect: the JSON"),
        (
            0x10,
            b"\x01\0\0\0\x50\0host\0{\"timeoutMs\":-1}",
            "timeoutMs must be a whole number from 0 to 4294967295",
        ),
        (0x12, b"\x01\0\0", "socketId needs 4 bytes where 3 are left"),
        (0x13, b"\x01\0\0\0data", "tcp_recv is no message that a client sends"),
        (0x22, b"\x01\0\0\0\x50\0\x09\0short", "addr needs 9 bytes where 5 are left"),
        (0x31, b"", "fileId is missing"),
        (0x42, b"\x01\0\0\0\0\0\0\0\0\0\0\0\x03", "check must be 0 (none), 1 (SHA-1) or 2 (SHA-256)"),
    ];
    for (code, payload, part) in cases {
        let malformed = from_binary(code, payload).expect_err(part);
        assert!(malformed.text.contains(part), "{} does not say: {part}", malformed.text);
        assert_eq!((malformed.request_id, malformed.fatal), (9, false), "{part}");
    }
}

#[test]
fn roots_are_an_array_in_both_encodings() {
    let binary = |payload: &[u8]| [&[1, 0xE0, 0, 0, 9, 0, 0, 0], payload].concat();
    for roots in ["null", "\r null\t", "{}", "\"[]\"", "7", "", "[", "[] []"] {
        assert!(ServerMessage::decode_binary(&binary(roots.as_bytes())).is_err(), "{roots:?}");
        let mut json = format!(r#"{{"op":"roots_changed","requestId":9,"roots":{roots}}}"#).into_bytes();
        assert!(ServerMessage::decode_json(&mut json).is_err(), "{roots:?}");
    }
    let message = ServerMessage::RootsChanged { roots: "[1, 2]".into() };
    let expected = Ok(Packet::Message { request_id: 9, message });
    assert_eq!(ServerMessage::decode_binary(&binary(b" [1, 2]\n")), expected);
    let mut json = br#"{"op":"roots_changed","requestId":9,"roots": [1, 2] }"#.to_vec();
    assert_eq!(ServerMessage::decode_json(&mut json), expected);
}

#[test]
fn json_texts_that_are_refused() {
    let cases = [
        ("", 0, "must be an object"),
        ("[]", 0, "must be an object"),
        (r#"{"op":"keepalive","requestId":9"#, 0, "the grammar"),
        (r#"{"op":"keepalive","requestId":9,}"#, 0, "the grammar"),
        (r#"{"op":"keepalive"} {}"#, 0, "the grammar"),
        (r#"{"op":"keepalive","requestId":4294967296}"#, 0, "requestId must be a whole number"),
        (r#"{"op":"keepalive","requestId":9,"requestId":9}"#, 0, "requestId must not be there twice"),
        (r#"{"op":"activity","count":1,"count":1,"requestId":9}"#, 9, "count must not be there twice"),
        (r#"{"requestId":9}"#, 9, "op must be there, a string"),
        (r#"{"op":6,"requestId":9}"#, 9, "op must be there, a string"),
        (r#"{"op":"KEEPALIVE","requestId":9}"#, 9, "op is unknown"),
        (r#"{"op":"tcp_recv","requestId":9}"#, 9, "no message that a client sends"),
        (r#"{"op":"activity","requestId":9}"#, 9, "count is missing"),
        (r#"{"op":"activity","requestId":9,"count":null}"#, 9, "count is missing"),
        (
            r#"{"op":"activity","requestId":9,"count":"1"}"#,
            9,
            "count must be a whole number from 0 to 4294967295",
        ),
        (r#"{"op":"activity","requestId":9,"count":1.5}"#, 9, "count must be a whole number"),
        (r#"{"op":"activity","requestId":9,"count":4294967296}"#, 9, "count must be a whole number"),
        (r#"{"op":"tcp_connect","requestId":9,"socketId":1,"port":65536,"host":"h"}"#, 9, "from 0 to 65535"),
        (r#"{"op":"tcp_connect","requestId":9,"socketId":1,"port":1,"host":5}"#, 9, "host must be a string"),
        (r#"{"op":"tcp_connect","requestId":9,"socketId":1,"port":1}"#, 9, "host is missing"),
        (
            r#"{"op":"tcp_connect","requestId":9,"socketId":1,"port":1,"host":"h","noDelay":1}"#,
            9,
            "noDelay must be true or false",
        ),
        (r#"{"op":"tcp_send","requestId":9,"socketId":1,"data":"A"}"#, 9, "data must be a string of base64"),
        (r#"{"op":"tcp_send","requestId":9,"socketId":1,"data":[1]}"#, 9, "data must be a string of base64"),
        (r#"{"op":"tcp_send","requestId":9,"socketId":1}"#, 9, "data is missing"),
        (r#"{"op":"error","requestId":9,"message":"\ud800"}"#, 9, "no half surrogate pair"),
        (r#"{"op":"hello","requestId":9,"features":"credit"}"#, 9, "features must be an array of strings"),
        (r#"{"op":"hello","requestId":9,"features":[1]}"#, 9, "features must be an array of strings"),
        (
            r#"{"op":"file_write","requestId":9,"fileId":1,"offset":0,"check":1,"digest":"00","data":""}"#,
            9,
            "digest must be 20 bytes as hex",
        ),
        (r#"{"op":"batch","requestId":9}"#, 9, "messages is missing"),
        (r#"{"op":"batch","requestId":9,"messages":{}}"#, 9, "messages must be an array"),
    ];
    for (text, request_id, part) in cases {
        let malformed = from_json(text).expect_err(text);
        assert!(malformed.text.contains(part), "{text}: {} does not say: {part}", malformed.text);
        assert_eq!((malformed.request_id, malformed.fatal), (request_id, false), "{text}");
    }
}

#[test]
fn a_long_text_is_refused_in_json() {
    let text = |len| format!(r#"{{"op":"error","message":"{}"}}"#, "x".repeat(len));
    assert!(from_json(&text(65_536)).is_ok());
    assert!(from_json(&text(65_537)).is_err());
}

fn message(text: &str, check: impl FnOnce(u32, ClientMessage<'_>)) {
    match ClientMessage::decode_json(&mut text.as_bytes().to_vec()) {
        Ok(Packet::Message { request_id, message }) => check(request_id, message),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn json_that_is_read_kindly() {
    message(r#" { "unknown" : [{}] , "op" : "\u0061ctivity", "c\u006funt":1 } "#, |id, message| {
        assert_eq!((id, message), (0, ClientMessage::Activity { count: 1 }));
    });
    message(
        r#"{"op":"client_hello","features":["later","credit","c\u0072edit"],"client":null}"#,
        |_, message| {
            let hello = Hello { features: Features::NONE.with(Feature::Credit), ..Hello::default() };
            assert_eq!(message, ClientMessage::ClientHello(Some(hello)));
        },
    );
    message(r#"{"op":"auth","token":"t"}"#, |_, message| {
        assert_eq!(message, ClientMessage::Auth(Auth { token: "t".into(), extension: None }));
    });
    message(r#"{"op":"udp_bind","socketId":1}"#, |_, message| {
        assert_eq!(message, ClientMessage::UdpBind { socket_id: 1, port: 0, bind_addr: "".into() });
    });
    message(r#"{"op":"udp_send","socketId":1,"data":"AA"}"#, |_, message| {
        assert_eq!(message, ClientMessage::UdpSend { socket_id: 1, port: 0, addr: "".into(), data: &[0] });
    });
    message(r#"{"op":"file_write","fileId":1,"offset":0,"data":"\/+8="}"#, |_, message| {
        let data = &[0xFF, 0xEF];
        assert_eq!(message, ClientMessage::FileWrite { file_id: 1, offset: 0, digest: Digest::None, data });
    });
    let digest = "AAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    message(
        &format!(r#"{{"op":"file_write","fileId":1,"offset":0,"check":1,"digest":"{digest}","data":""}}"#),
        |_, message| {
            let digest = Digest::Sha1([0; 20]);
            assert_eq!(message, ClientMessage::FileWrite { file_id: 1, offset: 0, digest, data: &[] });
        },
    );
}

#[test]
fn bytes_behind_the_last_field_are_not_looked_at() {
    let message = [&[1, 0x14, 0, 0, 0, 0, 0, 0], &[7, 0, 0, 0][..], b"later"].concat();
    let close = ClientMessage::TcpClose { socket_id: 7 };
    assert_eq!(ClientMessage::decode_binary(&message), Ok(Packet::Message { request_id: 0, message: close }));
}

#[test]
fn a_host_ends_at_its_nul_whatever_follows() {
    let message = [&[1, 0x10, 0, 0, 0, 0, 0, 0], &[7, 0, 0, 0, 80, 0][..], b"host\0"].concat();
    let connect = ClientMessage::TcpConnect {
        socket_id: 7,
        port: 80,
        host: "host".into(),
        options: ConnectOptions::default(),
    };
    assert_eq!(
        ClientMessage::decode_binary(&message),
        Ok(Packet::Message { request_id: 0, message: connect })
    );
}

#[test]
fn batches_that_break_off_give_what_came_before() {
    let keepalive = [8, 0, 0, 0, 1, 6, 0, 0, 0, 0, 0, 0];
    let envelope = [1, 0x50, 0, 0, 9, 0, 0, 0];
    let tails: [&[u8]; 4] = [&[8, 0, 0], &[8, 0, 0, 0, 1, 6, 0, 0], &[255; 4], &[255; 12]];
    for tail in tails {
        let bytes = [&envelope, &keepalive[..], tail].concat();
        let Ok(Packet::Batch(mut batch)) = ClientMessage::decode_binary(&bytes) else { panic!("no batch") };
        assert_eq!(batch.next_client(), Some(Ok((0, ClientMessage::Keepalive))));
        let malformed = batch.next_client().expect("an error").expect_err("broken off");
        assert_eq!(malformed.request_id, 9);
        assert_eq!(batch.next_client(), None, "nothing follows");
    }
}

#[test]
fn a_malformed_message_in_a_batch_stands_alone() {
    let inner = [1, 0x44, 0, 0, 5, 0, 0, 0];
    let nested = [1, 0x50, 0, 0, 6, 0, 0, 0];
    let keepalive = [1, 6, 0, 0, 0, 0, 0, 0];
    let mut bytes = vec![1, 0x50, 0, 0, 9, 0, 0, 0];
    for message in [inner, nested, keepalive] {
        bytes.extend_from_slice(&8_u32.to_le_bytes());
        bytes.extend_from_slice(&message);
    }
    bytes.extend_from_slice(&[0; 4]);
    let mut json =
        br#"{"op":"batch","requestId":9,"messages":[{"op":"x","requestId":5},{"op":"batch","requestId":6,"messages":[]},{"op":"keepalive"},0]}"#
            .to_vec();
    for packet in [ClientMessage::decode_binary(&bytes), ClientMessage::decode_json(&mut json)] {
        let Ok(Packet::Batch(mut batch)) = packet else { panic!("no batch") };
        let mut refused = || batch.next_client().expect("an element").expect_err("malformed").request_id;
        assert_eq!((refused(), refused()), (5, 6));
        assert_eq!(batch.next_client(), Some(Ok((0, ClientMessage::Keepalive))));
        assert!(batch.next_client().is_some_and(|last| last.is_err()), "an empty message");
        assert_eq!(batch.next_client(), None);
    }
}

#[test]
fn an_empty_batch_is_a_batch() {
    for packet in [
        ClientMessage::decode_binary(&[1, 0x50, 0, 0, 0, 0, 0, 0]),
        ClientMessage::decode_json(&mut br#"{"op":"batch","messages":[ ]}"#.to_vec()),
    ] {
        let Ok(Packet::Batch(mut batch)) = packet else { panic!("no batch") };
        assert_eq!(batch.next_client(), None);
    }
}

#[test]
fn a_wrong_version_is_fatal_and_carries_its_request_id() {
    let malformed = ServerMessage::decode_binary(&[2, 6, 0, 0, 9, 0, 0, 0]).expect_err("version 2");
    assert!(malformed.fatal);
    assert_eq!(malformed.request_id, 9);
}

#[test]
fn a_token_is_never_shown() {
    let auth = ClientMessage::Auth(Auth { token: "secret".into(), extension: None });
    assert!(!format!("{auth:?}").contains("secret"));
}
