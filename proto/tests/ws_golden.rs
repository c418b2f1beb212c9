//! Golden bytes: every op in both encodings, written by hand from PROTOCOL §6.2 and §7. A change that breaks one of these
//! breaks the clients that are out there.

use std::collections::HashSet;

use data_encoding::HEXLOWER;
use jstorrent_io_proto::digest::Digest;
use jstorrent_io_proto::errno::Errno;
use jstorrent_io_proto::feature::{Feature, Features};
use jstorrent_io_proto::message::{
    Auth, BatchWriter, ClientMessage, ConnectOptions, Extension, Hello, HelloLimits, Packet, ServerHello,
    ServerMessage, Status,
};
use jstorrent_io_proto::op::{Op, ROWS};

/// Bytes from parts: hex in words, text in quotes.
fn bytes(parts: &[&str]) -> Vec<u8> {
    let part = |part: &&str| match part.strip_prefix('\'') {
        Some(text) => text.as_bytes().to_vec(),
        None => HEXLOWER.decode(part.replace(' ', "").as_bytes()).expect("hex"),
    };
    parts.iter().flat_map(part).collect()
}

type Golden<M> = (u32, M, &'static [&'static str], &'static str);

fn client() -> Vec<Golden<ClientMessage<'static>>> {
    use ClientMessage as M;
    let hello = Hello {
        client: "t/1".into(),
        features: Features::ALL,
        session_id: Some("s-1".into()),
        recv_window: 262_144,
    };
    let extension =
        |session_id| Extension { extension_id: "ext".into(), install_id: "inst".into(), session_id };
    let options = ConnectOptions {
        timeout_ms: Some(5000),
        no_delay: Some(false),
        local_address: Some("10.0.0.1".into()),
    };
    vec![
        (
            1,
            M::ClientHello(Some(hello)),
            &[
                "01 01 0000 01000000",
                r#"'{"client":"t/1","features":["credit","batch","range","keepalive"],"sessionId":"s-1","recvWindow":262144}"#,
            ],
            r#"{"op":"hello","requestId":1,"client":"t/1","features":["credit","batch","range","keepalive"],"sessionId":"s-1","recvWindow":262144}"#,
        ),
        (
            2,
            M::Auth(Auth { token: "tok".into(), extension: Some(extension(None)) }),
            &["01 03 0000 02000000 00", "'tok\0ext\0inst"],
            r#"{"op":"auth","requestId":2,"type":0,"token":"tok","extensionId":"ext","installId":"inst"}"#,
        ),
        (
            2,
            M::Auth(Auth { token: "tok".into(), extension: Some(extension(Some("s-1".into()))) }),
            &["01 03 0000 02000000 00", "'tok\0ext\0inst\0s-1"],
            r#"{"op":"auth","requestId":2,"type":0,"token":"tok","extensionId":"ext","installId":"inst","sessionId":"s-1"}"#,
        ),
        (
            2,
            M::Auth(Auth { token: "tok".into(), extension: None }),
            &["01 03 0000 02000000 01", "'tok"],
            r#"{"op":"auth","requestId":2,"type":1,"token":"tok"}"#,
        ),
        (
            0,
            M::Activity { count: 3 },
            &["01 05 0000 00000000 03000000"],
            r#"{"op":"activity","requestId":0,"count":3}"#,
        ),
        (0, M::Keepalive, &["01 06 0000 00000000"], r#"{"op":"keepalive","requestId":0}"#),
        (
            0x1234_5678,
            M::TcpConnect {
                socket_id: 1,
                port: 6881,
                host: "::1".into(),
                options: ConnectOptions::default(),
            },
            &["01 10 0000 78563412 01000000 e11a", "'::1"],
            r#"{"op":"tcp_connect","requestId":305419896,"socketId":1,"port":6881,"host":"::1"}"#,
        ),
        (
            7,
            M::TcpConnect { socket_id: 0x7fff_ffff, port: 80, host: "peer.example".into(), options },
            &[
                "01 10 0000 07000000 ffffff7f 5000",
                "'peer.example",
                "00",
                r#"'{"timeoutMs":5000,"noDelay":false,"localAddress":"10.0.0.1"}"#,
            ],
            r#"{"op":"tcp_connect","requestId":7,"socketId":2147483647,"port":80,"host":"peer.example","timeoutMs":5000,"noDelay":false,"localAddress":"10.0.0.1"}"#,
        ),
        (
            0,
            M::TcpSend { socket_id: 2, data: b"\x13BitTorrent\xff" },
            &["01 12 0000 00000000 02000000 13", "'BitTorrent", "ff"],
            r#"{"op":"tcp_send","requestId":0,"socketId":2,"data":"E0JpdFRvcnJlbnT/"}"#,
        ),
        (
            0,
            M::TcpClose { socket_id: 2 },
            &["01 14 0000 00000000 02000000"],
            r#"{"op":"tcp_close","requestId":0,"socketId":2}"#,
        ),
        (
            8,
            M::TcpListen { server_id: 3, port: 0, bind_addr: "127.0.0.1".into() },
            &["01 15 0000 08000000 03000000 0000", "'127.0.0.1"],
            r#"{"op":"tcp_listen","requestId":8,"serverId":3,"port":0,"bindAddr":"127.0.0.1"}"#,
        ),
        (
            8,
            M::TcpStopListen { server_id: 3 },
            &["01 18 0000 08000000 03000000"],
            r#"{"op":"tcp_stop_listen","requestId":8,"serverId":3}"#,
        ),
        (
            9,
            M::TcpSecure { socket_id: 2, skip_validation: true, hostname: "a.example".into() },
            &["01 19 0000 09000000 02000000 01", "'a.example"],
            r#"{"op":"tcp_secure","requestId":9,"socketId":2,"flags":1,"hostname":"a.example"}"#,
        ),
        (
            0,
            M::TcpCredit { socket_id: 2, bytes: 65_536 },
            &["01 1b 0000 00000000 02000000 00000100"],
            r#"{"op":"tcp_credit","requestId":0,"socketId":2,"bytes":65536}"#,
        ),
        (
            10,
            M::UdpBind { socket_id: 4, port: 6771, bind_addr: "".into() },
            &["01 20 0000 0a000000 04000000 731a"],
            r#"{"op":"udp_bind","requestId":10,"socketId":4,"port":6771,"bindAddr":""}"#,
        ),
        (
            0,
            M::UdpSend { socket_id: 4, port: 80, addr: "10.0.0.1".into(), data: b"d1:a" },
            &["01 22 0000 00000000 04000000 5000 0800", "'10.0.0.1d1:a"],
            r#"{"op":"udp_send","requestId":0,"socketId":4,"port":80,"addr":"10.0.0.1","data":"ZDE6YQ=="}"#,
        ),
        (
            0,
            M::UdpClose { socket_id: 4 },
            &["01 24 0000 00000000 04000000"],
            r#"{"op":"udp_close","requestId":0,"socketId":4}"#,
        ),
        (
            0,
            M::UdpJoinMulticast { socket_id: 4, group: "239.192.152.143".into() },
            &["01 25 0000 00000000 04000000", "'239.192.152.143"],
            r#"{"op":"udp_join_multicast","requestId":0,"socketId":4,"group":"239.192.152.143"}"#,
        ),
        (
            0,
            M::UdpLeaveMulticast { socket_id: 4, group: "ff15::efc0:988f".into() },
            &["01 26 0000 00000000 04000000", "'ff15::efc0:988f"],
            r#"{"op":"udp_leave_multicast","requestId":0,"socketId":4,"group":"ff15::efc0:988f"}"#,
        ),
        (
            0,
            M::RangeAvailable { file_id: 7, offset: 1 << 40, length: 1 },
            &["01 31 0000 00000000", r#"'{"fileId":7,"offset":1099511627776,"length":1}"#],
            r#"{"op":"range_available","requestId":0,"fileId":7,"offset":1099511627776,"length":1}"#,
        ),
        (
            0,
            M::RangeUnavailable { range_id: 11, reason: "no peer \"has\" it".into() },
            &["01 32 0000 00000000", r#"'{"rangeId":11,"reason":"no peer \"has\" it"}"#],
            r#"{"op":"range_unavailable","requestId":0,"rangeId":11,"reason":"no peer \"has\" it"}"#,
        ),
        (
            12,
            M::FileRead { file_id: 7, offset: 1 << 40, length: 16_384 },
            &["01 40 0000 0c000000 07000000 0000000000010000 00400000"],
            r#"{"op":"file_read","requestId":12,"fileId":7,"offset":1099511627776,"length":16384}"#,
        ),
        (
            13,
            M::FileWrite { file_id: 7, offset: 4, digest: Digest::None, data: b"abc" },
            &["01 42 0000 0d000000 07000000 0400000000000000 00", "'abc"],
            r#"{"op":"file_write","requestId":13,"fileId":7,"offset":4,"check":0,"data":"YWJj"}"#,
        ),
        (
            13,
            M::FileWrite { file_id: 7, offset: 4, digest: Digest::Sha1([0xA9; 20]), data: b"abc" },
            &[
                "01 42 0000 0d000000 07000000 0400000000000000 01",
                "a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9",
                "'abc",
            ],
            r#"{"op":"file_write","requestId":13,"fileId":7,"offset":4,"check":1,"digest":"a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9","data":"YWJj"}"#,
        ),
        (
            13,
            M::FileWrite { file_id: 7, offset: 4, digest: Digest::Sha256([0xBA; 32]), data: b"" },
            &[
                "01 42 0000 0d000000 07000000 0400000000000000 02",
                "babababababababababababababababababababababababababababababababa",
            ],
            r#"{"op":"file_write","requestId":13,"fileId":7,"offset":4,"check":2,"digest":"babababababababababababababababababababababababababababababababa","data":""}"#,
        ),
        (
            14,
            M::Error { message: "unasked".into() },
            &["01 7f 0000 0e000000", "'unasked"],
            r#"{"op":"error","requestId":14,"message":"unasked"}"#,
        ),
    ]
}

fn server() -> Vec<Golden<ServerMessage<'static>>> {
    use ServerMessage as M;
    let hello = ServerHello {
        server: "d/1".into(),
        protocol: 1,
        features: Features::NONE.with(Feature::Credit).with(Feature::Range),
        limits: HelloLimits::default(),
        authenticated: false,
    };
    vec![
        (1, M::ServerHello(None), &["01 02 0000 01000000"], r#"{"op":"server_hello","requestId":1}"#),
        (
            1,
            M::ServerHello(Some(hello)),
            &[
                "01 02 0000 01000000",
                r#"'{"server":"d/1","protocol":1,"features":["credit","range"],"limits":{"socketWindow":1048576,"messageBytes":67108864,"fileReadBytes":16777216},"authenticated":false}"#,
            ],
            r#"{"op":"server_hello","requestId":1,"server":"d/1","protocol":1,"features":["credit","range"],"limits":{"socketWindow":1048576,"messageBytes":67108864,"fileReadBytes":16777216},"authenticated":false}"#,
        ),
        (
            2,
            M::AuthResult { status: Status::Failed, message: "wrong token".into() },
            &["01 04 0000 02000000 01", "'wrong token"],
            r#"{"op":"auth_result","requestId":2,"status":1,"message":"wrong token"}"#,
        ),
        (0, M::Keepalive, &["01 06 0000 00000000"], r#"{"op":"keepalive","requestId":0}"#),
        (
            7,
            M::TcpConnected { socket_id: 1, status: Status::Failed, errno: Errno::ECONNREFUSED },
            &["01 11 0000 07000000 01000000 01 6f000000"],
            r#"{"op":"tcp_connected","requestId":7,"socketId":1,"status":1,"errno":111}"#,
        ),
        (
            0,
            M::TcpRecv { socket_id: 0x8000_0001, data: b"\x00\x01" },
            &["01 13 0000 00000000 01000080 0001"],
            r#"{"op":"tcp_recv","requestId":0,"socketId":2147483649,"data":"AAE="}"#,
        ),
        (
            0,
            M::TcpClose { socket_id: 1, had_error: true, errno: Errno::ECONNRESET },
            &["01 14 0000 00000000 01000000 01 68000000"],
            r#"{"op":"tcp_close","requestId":0,"socketId":1,"hadError":true,"errno":104}"#,
        ),
        (
            8,
            M::TcpListenResult { server_id: 3, status: Status::Good, bound_port: 0xC001, errno: Errno::NONE },
            &["01 16 0000 08000000 03000000 00 01c0 00000000"],
            r#"{"op":"tcp_listen_result","requestId":8,"serverId":3,"status":0,"boundPort":49153,"errno":0}"#,
        ),
        (
            0,
            M::TcpAccept {
                server_id: 3,
                socket_id: 0x8000_0002,
                remote_port: 50_000,
                remote_addr: "1.2.3.4".into(),
            },
            &["01 17 0000 00000000 03000000 02000080 50c3", "'1.2.3.4"],
            r#"{"op":"tcp_accept","requestId":0,"serverId":3,"socketId":2147483650,"remotePort":50000,"remoteAddr":"1.2.3.4"}"#,
        ),
        (
            9,
            M::TcpSecured { socket_id: 2, status: Status::Good },
            &["01 1a 0000 09000000 02000000 00"],
            r#"{"op":"tcp_secured","requestId":9,"socketId":2,"status":0}"#,
        ),
        (
            0,
            M::TcpCredit { socket_id: 2, bytes: u32::MAX },
            &["01 1b 0000 00000000 02000000 ffffffff"],
            r#"{"op":"tcp_credit","requestId":0,"socketId":2,"bytes":4294967295}"#,
        ),
        (
            10,
            M::UdpBound { socket_id: 4, status: Status::Failed, bound_port: 0, errno: Errno::EADDRINUSE },
            &["01 21 0000 0a000000 04000000 01 0000 62000000"],
            r#"{"op":"udp_bound","requestId":10,"socketId":4,"status":1,"boundPort":0,"errno":98}"#,
        ),
        (
            0,
            M::UdpRecv { socket_id: 4, port: 6881, addr: "::1".into(), data: b"" },
            &["01 23 0000 00000000 04000000 e11a 0300", "'::1"],
            r#"{"op":"udp_recv","requestId":0,"socketId":4,"port":6881,"addr":"::1","data":""}"#,
        ),
        (
            0,
            M::UdpClose { socket_id: 4, had_error: false, errno: Errno::NONE },
            &["01 24 0000 00000000 04000000 00 00000000"],
            r#"{"op":"udp_close","requestId":0,"socketId":4,"hadError":false,"errno":0}"#,
        ),
        (
            0,
            M::RangeRequest { range_id: 5, stream_id: 6, file_id: 7, offset: 0, length: 4_194_304 },
            &["01 30 0000 00000000", r#"'{"rangeId":5,"streamId":6,"fileId":7,"offset":0,"length":4194304}"#],
            r#"{"op":"range_request","requestId":0,"rangeId":5,"streamId":6,"fileId":7,"offset":0,"length":4194304}"#,
        ),
        (
            0,
            M::RangeCancel { range_id: 5 },
            &["01 33 0000 00000000", r#"'{"rangeId":5}"#],
            r#"{"op":"range_cancel","requestId":0,"rangeId":5}"#,
        ),
        (
            12,
            M::FileData { file_id: 7, status: Status::Good, errno: Errno::NONE, data: b"abc" },
            &["01 41 0000 0c000000 07000000 00 00000000", "'abc"],
            r#"{"op":"file_data","requestId":12,"fileId":7,"status":0,"errno":0,"data":"YWJj"}"#,
        ),
        (
            13,
            M::FileWritten { file_id: 7, status: Status::HashMismatch, errno: Errno::NONE, written: 0 },
            &["01 43 0000 0d000000 07000000 02 00000000 00000000"],
            r#"{"op":"file_written","requestId":13,"fileId":7,"status":2,"errno":0,"written":0}"#,
        ),
        (
            14,
            M::Error { message: "opcode 0x44 is unknown".into() },
            &["01 7f 0000 0e000000", "'opcode 0x44 is unknown"],
            r#"{"op":"error","requestId":14,"message":"opcode 0x44 is unknown"}"#,
        ),
        (
            0,
            M::RootsChanged {
                roots: r#"[{"key":"k","displayName":"D","removable":false,"lastStatOk":true}]"#.into(),
            },
            &[
                "01 e0 0000 00000000",
                r#"'[{"key":"k","displayName":"D","removable":false,"lastStatOk":true}]"#,
            ],
            r#"{"op":"roots_changed","requestId":0,"roots":[{"key":"k","displayName":"D","removable":false,"lastStatOk":true}]}"#,
        ),
    ]
}

macro_rules! check_golden {
    ($table:expr, $message:ident) => {
        for (request_id, message, parts, json) in $table {
            let binary = bytes(parts);
            let mut out = Vec::new();
            message.encode_binary(request_id, &mut out);
            assert_eq!(HEXLOWER.encode(&out), HEXLOWER.encode(&binary), "{message:?}");
            out.clear();
            message.encode_json(request_id, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), json);

            let expected = Ok(Packet::Message { request_id, message });
            assert_eq!($message::decode_binary(&binary), expected);
            assert_eq!($message::decode_json(&mut json.as_bytes().to_vec()), expected);
        }
    };
}

#[test]
fn a_clients_messages() {
    check_golden!(client(), ClientMessage);
}

#[test]
fn the_daemons_messages() {
    check_golden!(server(), ServerMessage);
}

#[test]
fn every_op_of_the_table_is_here() {
    let sent_by = |ops: Vec<Op>| ops.into_iter().collect::<HashSet<_>>();
    let by_client = sent_by(client().iter().map(|(_, message, ..)| message.op()).collect());
    let by_daemon = sent_by(server().iter().map(|(_, message, ..)| message.op()).collect());
    for row in ROWS.iter().filter(|row| row.op != Op::Batch) {
        assert_eq!(row.from_client.is_some(), by_client.contains(&row.op), "{} from a client", row.name);
        assert_eq!(row.from_daemon.is_some(), by_daemon.contains(&row.op), "{} from the daemon", row.name);
    }
}

#[test]
fn an_empty_hello() {
    let empty = bytes(&["01 01 0000 05000000"]);
    let hello = Packet::Message { request_id: 5, message: ClientMessage::ClientHello(None) };
    assert_eq!(ClientMessage::decode_binary(&empty), Ok(hello));
    let mut json = br#"{"op":"hello"}"#.to_vec();
    let hello = ClientMessage::ClientHello(Some(Hello::default()));
    assert_eq!(ClientMessage::decode_json(&mut json), Ok(Packet::Message { request_id: 0, message: hello }));
}

#[test]
fn a_batch() {
    let binary = bytes(&[
        "01 50 0000 09000000",
        "0c000000 01 14 0000 00000000 02000000",
        "08000000 01 06 0000 00000000",
    ]);
    let mut out = Vec::new();
    let mut writer = BatchWriter::new(9, &mut out);
    writer.push(|out| ClientMessage::TcpClose { socket_id: 2 }.encode_binary(0, out));
    writer.push(|out| ClientMessage::Keepalive.encode_binary(0, out));
    assert_eq!(out, binary);

    let mut json = br#"{"op":"batch","requestId":9,"messages":[
        {"op":"tcp_close","requestId":0,"socketId":2} , {"op":"keepalive"} ]}"#
        .to_vec();
    for packet in [ClientMessage::decode_binary(&binary), ClientMessage::decode_json(&mut json)] {
        let Ok(Packet::Batch(mut batch)) = packet else { panic!("no batch: {packet:?}") };
        assert_eq!(batch.request_id(), 9);
        assert_eq!(batch.next_client(), Some(Ok((0, ClientMessage::TcpClose { socket_id: 2 }))));
        assert_eq!(batch.next_client(), Some(Ok((0, ClientMessage::Keepalive))));
        assert_eq!(batch.next_client(), None);
    }
}
