//! FILE_READ and FILE_WRITE, and messages that arrive in many frames.

use super::*;
use crate::support::http::Request;
use sha1::{Digest, Sha1};
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::frame::{Frame, FrameHeader};

fn open_file(daemon: &Daemon, path: &str, write: bool) -> u32 {
    let body = json!({"root": "main", "path": path, "write": write, "create": write});
    let request = Request::post("/files/open").token(&daemon.token).session("s").json(&body);
    let answer = daemon.http().call(request).json();
    u32::try_from(answer["fileId"].as_u64().unwrap_or_else(|| panic!("{answer}"))).unwrap()
}

fn read(ws: &mut Ws, file: u32, offset: u64, length: u32) -> (u8, u32, Vec<u8>) {
    let payload = [&file.to_le_bytes()[..], &offset.to_le_bytes(), &length.to_le_bytes()].concat();
    ws.send(&Op::new(FILE_READ, 3, payload));
    let data = ws.op();
    assert_eq!((data.opcode, data.request_id, data.u32_at(0)), (FILE_DATA, 3, file));
    (data.payload[4], data.u32_at(5), data.payload[9..].to_vec())
}

fn write_payload(file: u32, offset: u64, check: u8, digest: &[u8], data: &[u8]) -> Vec<u8> {
    [&file.to_le_bytes()[..], &offset.to_le_bytes(), &[check], digest, data].concat()
}

/// Status, errno and count of a FILE_WRITTEN.
fn written(op: &Op, file: u32) -> (u8, u32, u32) {
    assert_eq!((op.opcode, op.u32_at(0), op.payload.len()), (FILE_WRITTEN, file, 13), "{op:?}");
    (op.payload[4], op.u32_at(5), op.u32_at(9))
}

#[test]
fn what_is_written_is_read_whatever_the_size() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    let file = open_file(&daemon, "dir/file", true);
    let mut at = 0;
    for len in [0, 1, 16 << 10, 256 << 10, (256 << 10) + 1, 16 << 20] {
        let data = pattern(len);
        ws.send(&Op::new(FILE_WRITE, 4, write_payload(file, at, 0, &[], &data)));
        assert_eq!(written(&ws.op(), file), (0, 0, len as u32));
        let (status, errno, got) = read(&mut ws, file, at, len as u32);
        assert_eq!((status, errno), (0, 0));
        assert!(got == data, "{len}");
        at += len as u64;
    }
    let (status, _, got) = read(&mut ws, file, at - 5, 100);
    assert_eq!((status, got.len()), (0, 5));
    assert_eq!(read(&mut ws, file, at, 100), (0, 0, vec![]));
    assert_eq!(read(&mut ws, file, at + 1, 100), (0, 0, vec![]));
    assert_eq!(read(&mut ws, file, 0, (16 << 20) + 1), (1, 22, vec![]));
    assert_eq!(read(&mut ws, file + 1, 0, 1), (1, 9, vec![]));
    let on_disk = std::fs::metadata(daemon.home.root().join("dir/file")).unwrap().len();
    assert_eq!(on_disk, at);
}

#[test]
fn nothing_is_written_before_it_is_found_right() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    let file = open_file(&daemon, "checked", true);
    let data = pattern(700_000);
    let right = Sha1::digest(&data);
    ws.send(&Op::new(FILE_WRITE, 4, write_payload(file, 0, 1, &[7; 20], &data)));
    assert_eq!(written(&ws.op(), file), (2, 0, 0));
    assert_eq!(read(&mut ws, file, 0, 10), (0, 0, vec![]));
    ws.send(&Op::new(FILE_WRITE, 4, write_payload(file, 0, 1, &right, &data)));
    assert_eq!(written(&ws.op(), file), (0, 0, 700_000));
    assert!(read(&mut ws, file, 0, 700_000).2 == data);
    let reader = open_file(&daemon, "checked", false);
    ws.send(&Op::new(FILE_WRITE, 5, write_payload(reader, 0, 0, &[], b"x")));
    assert_eq!(written(&ws.op(), reader), (1, 13, 0));
    let mut other = Ws::authenticated(daemon.port, &daemon.token, "another");
    assert_eq!(read(&mut other, file, 0, 1), (1, 9, vec![]), "files belong to their session");
}

#[test]
fn a_message_in_many_frames_is_one_message() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    let file = open_file(&daemon, "frames", true);
    let mut peer = connect(&mut ws, 1);
    let data = pattern(40_000);
    for message in [
        Op::new(FILE_WRITE, 4, write_payload(file, 0, 0, &[], &data)),
        Op::new(TCP_SEND, 0, with_id(1, &data)),
    ] {
        let bytes = message.bytes();
        for (index, piece) in bytes.chunks(7).enumerate() {
            let last = (index + 1) * 7 >= bytes.len();
            let opcode = OpCode::Data(if index == 0 { Data::Binary } else { Data::Continue });
            let header = FrameHeader { is_final: last, opcode, ..FrameHeader::default() };
            ws.send_message(Message::Frame(Frame::from_payload(header, piece.to_vec().into())));
        }
    }
    assert_eq!(written(&ws.op(), file), (0, 0, 40_000));
    let mut got = vec![0; data.len()];
    std::io::Read::read_exact(&mut peer, &mut got).unwrap();
    assert!(got == data);
    assert!(read(&mut ws, file, 0, 40_000).2 == data);
}

#[test]
fn reads_and_sockets_share_a_connection_in_order() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    let file = open_file(&daemon, "shared", true);
    let data = pattern(4 << 20);
    ws.send(&Op::new(FILE_WRITE, 4, write_payload(file, 0, 0, &[], &data)));
    assert_eq!(written(&ws.op(), file).0, 0);
    let peer = connect(&mut ws, 1);
    let sent = pattern(20 << 20);
    let expected = sent.clone();
    let mut writer = peer.try_clone().unwrap();
    let thread = std::thread::spawn(move || std::io::Write::write_all(&mut writer, &sent).unwrap());
    let payload = [&file.to_le_bytes()[..], &0_u64.to_le_bytes(), &(4_u32 << 20).to_le_bytes()].concat();
    (0..8).for_each(|id| ws.send(&Op::new(FILE_READ, id, payload.clone())));
    let (mut received, mut answers) = (Vec::<u8>::new(), 0);
    while received.len() < expected.len() || answers < 8 {
        let op = ws.op();
        if op.opcode == TCP_RECV {
            received.extend(&op.payload[4..]);
        } else {
            assert_eq!((op.opcode, op.payload[4]), (FILE_DATA, 0));
            assert!(op.payload[9..] == data);
            answers += 1;
        }
    }
    assert!(received == expected);
    thread.join().unwrap();
}

#[test]
fn the_largest_message_comes_whole_wherever_it_is_cut() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    let file = open_file(&daemon, "large", true);
    let data = pattern((64 << 20) - 8 - 13);
    let message = Op::new(FILE_WRITE, 4, write_payload(file, 0, 0, &[], &data)).bytes();
    assert_eq!(message.len(), 64 << 20);
    // Cut where less than a buffer, then less than a frame's header, is left.
    let (start, rest) = message.split_at(message.len() - 1000);
    let (middle, end) = rest.split_at(rest.len() - 3);
    for (part, kind, last) in
        [(start, Data::Binary, false), (middle, Data::Continue, false), (end, Data::Continue, true)]
    {
        let frame = Frame::message(part.to_vec(), OpCode::Data(kind), last);
        ws.send_message(Message::Frame(frame));
        if !last {
            // Answered once all before it was read.
            settle(&mut ws);
        }
    }
    assert_eq!(written(&ws.op(), file), (0, 0, data.len() as u32));
    assert!(std::fs::read(daemon.home.root().join("large")).unwrap() == data);
}
