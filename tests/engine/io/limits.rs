//! Sockets, connects and work on files beyond what there may be.

use super::*;

#[test]
fn sockets_beyond_the_limit_are_refused_with_24() {
    let mut bench = bench(Limits { sockets_max: 2, ..Limits::default() });
    let io = bench.io_with(&[]);
    connect(&mut bench, io, 1);
    bench.op(io, UDP_BIND, 2, &with_id(2, &[0, 0]));
    assert_eq!(outcome(&bench.frames(io)[0], UDP_BOUND), (0, 0));
    bench.op(io, TCP_CONNECT, 3, &host(3, 80, "192.0.2.1"));
    assert_eq!(outcome(&bench.frames(io)[0], TCP_CONNECTED), (1, 24));
    bench.op(io, UDP_BIND, 4, &with_id(4, &[0, 0]));
    assert_eq!(outcome(&bench.frames(io)[0], UDP_BOUND), (1, 24));
    bench.op(io, TCP_LISTEN, 5, &with_id(5, &[0, 0]));
    let frames = bench.frames(io);
    let [Frame::Op(0x16, 5, payload)] = &frames[..] else { panic!("{frames:?}") };
    assert_eq!((payload[4], payload[7]), (1, 24));
    // One that closes makes room.
    bench.op(io, TCP_CLOSE, 0, &1_u32.to_le_bytes());
    bench.wait_ms(11_000);
    bench.frames(io);
    bench.op(io, UDP_BIND, 4, &with_id(4, &[0, 0]));
    assert_eq!(outcome(&bench.frames(io)[0], UDP_BOUND), (0, 0));
}

#[test]
fn connects_beyond_the_limit_wait_and_their_time_runs() {
    let mut bench = bench(Limits { connects_max: 1, ..Limits::default() });
    let io = bench.io_with(&[]);
    let timeout = |ms: u64| format!("192.0.2.1\0{{\"timeoutMs\":{ms}}}");
    bench.op(io, TCP_CONNECT, 1, &host(1, 80, &timeout(3_000)));
    bench.op(io, TCP_CONNECT, 2, &host(2, 80, &timeout(1_000)));
    bench.op(io, TCP_CONNECT, 3, &host(3, 80, &timeout(9_000)));
    assert_eq!(bench.network().connecting.len(), 1, "one at a time");
    bench.wait_ms(1_000);
    let frames = bench.frames(io);
    assert!(matches!(&frames[..], [Frame::Op(TCP_CONNECTED, 2, _)]), "{frames:?}");
    assert_eq!(outcome(&frames[0], TCP_CONNECTED), (1, 110));
    bench.wait_ms(2_000);
    assert_eq!(outcome(&bench.frames(io)[0], TCP_CONNECTED), (1, 110));
    assert_eq!(bench.network().connecting.len(), 2, "the third has its turn");
    bench.network().connecting.remove(0);
    bench.answer_connect(None);
    assert_eq!(outcome(&bench.frames(io)[0], TCP_CONNECTED), (0, 0));
}

#[test]
fn writes_beyond_the_limit_are_refused_with_105_unless_alone() {
    let limits = Limits { file_write_bytes_max: 1_000, ..Limits::default() };
    let mut bench = bench(limits);
    let io = bench.io_with(&[]);
    let file = bench.open("f", true);
    bench.hold("Write");
    bench.op(io, FILE_WRITE, 1, &file_write(file, 0, &[1; 2_000]));
    assert_eq!(bench.held(), 1, "one alone may be larger");
    // It is not read while that makes progress, and then refused.
    bench.op(io, FILE_WRITE, 2, &file_write(file, 5_000, &[2; 500]));
    assert_eq!(bench.frames(io), []);
    bench.wait_ms(5_000);
    bench.op(io, FILE_WRITE, 2, &file_write(file, 5_000, &[2; 500]));
    assert_eq!(outcome(&bench.frames(io)[0], FILE_WRITTEN), (1, 105));
    bench.let_go();
    let frames = bench.frames(io);
    assert!(
        frames.iter().any(|frame| matches!(frame, Frame::Op(FILE_WRITTEN, 1, payload) if payload[4] == 0))
    );
    bench.op(io, FILE_WRITE, 3, &file_write(file, 0, &[3; 500]));
    assert_eq!(outcome(&bench.frames(io)[0], FILE_WRITTEN), (0, 0));
    bench.assert_at_rest();
}

#[test]
fn work_beyond_the_limit_waits_and_is_refused_where_nothing_moves() {
    let mut bench = bench(Limits { file_works_max: 8, ..Limits::default() });
    bench.write("f", vec![9; 1_000]);
    let io = bench.io_with(&[]);
    let file = bench.open("f", false);
    bench.hold("Read");
    let one = |n: u32| {
        let message = [&[1, FILE_READ, 0, 0][..], &n.to_le_bytes(), &file_read(file, 10)].concat();
        crate::harness::frame(0x82, &message)
    };
    let all: Vec<u8> = (1..=20).flat_map(one).collect();
    assert_eq!(bench.send(io, &all), all.len(), "what has come waits with the connection");
    assert_eq!((bench.held(), bench.engine.state.works.count()), (4, 4), "half of it");
    bench.do_one();
    assert!(bench.engine.state.works.count() <= 4 && bench.frames(io).len() == 1);
    // Nothing moves for a while: others must not be held up for ever.
    bench.wait_ms(6_000);
    let refused = bench.frames(io);
    assert!(refused.iter().all(|frame| outcome(frame, FILE_DATA) == (1, 105)) && !refused.is_empty());
    bench.let_go();
    let answered = refused.len() + 1 + bench.frames(io).len();
    assert_eq!(answered, 20, "one reply to each");
    bench.assert_at_rest();
}

#[test]
fn what_a_file_does_not_allow_is_told() {
    let mut bench = bench(Limits::default());
    bench.write("f", "abc");
    let io = bench.io_with(&[]);
    let file = bench.open("f", false);
    bench.op(io, FILE_WRITE, 1, &file_write(file, 0, b"x"));
    assert_eq!(outcome(&bench.frames(io)[0], FILE_WRITTEN), (1, 13));
    bench.op(io, FILE_READ, 2, &file_read(file, (16 << 20) + 1));
    assert_eq!(outcome(&bench.frames(io)[0], FILE_DATA), (1, 22));
    bench.op(io, FILE_READ, 3, &file_read(file, 16 << 20));
    let frames = bench.frames(io);
    assert_eq!(frames, [Frame::Op(FILE_DATA, 3, with_id(file as u32, b"\0\0\0\0\0abc"))], "short at its end");
    bench.op(io, FILE_READ, 4, &file_read(file + 1, 1));
    assert_eq!(outcome(&bench.frames(io)[0], FILE_DATA), (1, 9));
}

#[test]
fn large_writes_in_pieces_are_shared_and_not_copied() {
    let mut bench = bench(Limits::default());
    let io = bench.io_with(&[]);
    let file = bench.open("f", true);
    let data: Vec<u8> = (0..3_000_000_u32).map(|n| (n * 7 + n / 251) as u8).collect();
    let single = [&[1, FILE_WRITE, 0, 0, 1, 0, 0, 0][..], &file_write(file, 0, &data)].concat();
    bench.hold("Write");
    bench.frame(io, 0x82, &single);
    let state = &bench.engine.state;
    assert_eq!(state.gathering.block_bytes(), single.len());
    assert_eq!(state.works.copied_bytes(), 0);
    bench.let_go();
    assert_eq!(bench.read("f"), data);
    // Several in a BATCH share it, too; the last of them lets it go.
    let one = |at: usize| {
        let part = &data[at..at + 500_000];
        let message =
            [&[1, FILE_WRITE, 0, 0, 1, 0, 0, 0][..], &file_write(file, 3_000_000 + at as u64, part)].concat();
        [&(message.len() as u32).to_le_bytes()[..], &message].concat()
    };
    let batch: Vec<u8> = (0..6).flat_map(|n| one(n * 500_000)).collect();
    bench.op(io, 0x50, 0, &batch);
    assert_eq!(bench.frames(io).len(), 7);
    assert_eq!(bench.read("f"), [&data[..], &data].concat());
    assert_eq!(bench.engine.state.gathering.block_bytes(), 0);
    // And in JSON.
    let text = data_encoding::BASE64.encode(&data[..1_000_000]);
    let json = serde_json::json!({"op": "file_write", "requestId": 9, "fileId": file, "offset": 0, "check": 0, "data": text});
    bench.say(io, &json);
    bench.frames(io);
    assert_eq!(bench.engine.state.gathering.block_bytes(), 0);
    bench.assert_at_rest();
}

#[test]
fn a_batch_of_questions_is_answered_as_far_as_the_answers_are_taken() {
    let mut bench = bench(Limits::default());
    let io = bench.io_with(&[]);
    bench.stall(io, true);
    let count = 100_000;
    let element = [&8_u32.to_le_bytes()[..], &[1, 0x99, 0, 0, 5, 0, 0, 0]].concat();
    let message = [&[1, 0x50, 0, 0, 0, 0, 0, 0][..], &element.repeat(count)].concat();
    let bytes = crate::harness::frame(0x82, &message);
    assert_eq!(bench.send(io, &bytes), bytes.len());
    let waiting = bench.engine.state.channels.waiting();
    assert!(waiting < 300 << 10, "{waiting} bytes of replies");
    assert_eq!(bench.send(io, &bytes), 0, "it is not read meanwhile");
    bench.stall(io, false);
    let answers = bench.frames(io).len();
    assert_eq!(answers, count);
    assert_eq!(bench.engine.state.gathering.block_bytes(), 0);
    assert_eq!(bench.engine.state.gathering.small_bytes(), 0);
}

#[test]
fn reads_for_a_client_that_takes_nothing_leave_memory_for_others() {
    const READS: u32 = 3;
    const LARGE: u32 = 2 << 20;
    let limits = Limits { file_read_bytes_max: 4 << 20, ..Limits::default() };
    let mut bench = bench(limits);
    bench.write("f", vec![9; LARGE as usize]);
    let file = bench.open("f", false);
    let clogged: Vec<_> = (0..4).map(|_| bench.io_with(&[])).collect();
    for io in &clogged {
        bench.stall(*io, true);
        for n in 0..READS {
            bench.op(*io, FILE_READ, n + 20, &file_read(file, LARGE));
            bench.op(*io, FILE_READ, n + 20, &file_read(file, 200 << 10));
        }
    }
    let reserved = bench.engine.state.buffers.bulk_reserved_bytes();
    assert_eq!(reserved, 4 << 20, "as much as large reads may hold");
    let read = format!("/files/{file}/read?offset=0&length=1000000");
    let request = bench.request("GET", &read).session("s");
    assert_eq!(bench.call(request).ok().body.len(), 1_000_000);
    for io in &clogged {
        bench.stall(*io, false);
    }
    for io in clogged {
        let nines = bench.received(io).iter().filter(|byte| **byte == 9).count();
        assert_eq!(nines, (READS * (LARGE + (200 << 10))) as usize);
        bench.hang_up(io);
    }
    bench.assert_at_rest();
}

#[test]
fn large_messages_take_turns_and_a_silent_one_loses_its_own() {
    let mut bench = bench(Limits::default());
    let (slow, quick) = (bench.io_with(&[]), bench.io_with(&[]));
    let file = bench.open("f", true);
    let bytes = write_frame(file, &vec![5; 1 << 20]);
    assert_eq!(bench.send(slow, &bytes[..600_000]), 600_000);
    let sent = bench.send(quick, &bytes);
    assert!((200_000..300_000).contains(&sent), "{sent} bytes, as small ones may");
    // Nobody turns round and round meanwhile (`run` would not end), and small messages go their way.
    let third = bench.io_with(&[]);
    bench.op(third, FILE_READ, 1, &file_read(file, 1));
    assert_eq!(bench.frames(third).len(), 1);
    bench.wait_ms(19_999);
    assert_eq!(bench.send(quick, &bytes[sent..]), 0);
    bench.wait_ms(1);
    assert!(bench.frames(slow).contains(&Frame::Close(1008)));
    assert_eq!(bench.send(quick, &bytes[sent..]), bytes.len() - sent);
    assert_eq!(outcome(&bench.frames(quick)[0], FILE_WRITTEN), (0, 0));
    assert_eq!(bench.read("f"), vec![5; 1 << 20]);
}

#[test]
fn a_large_message_and_a_checked_write_wait_for_each_other_and_both_succeed() {
    let mut bench = bench(Limits { bulk_bytes_max: 4 << 20, ..Limits::default() });
    let io = bench.io_with(&[]);
    let file = bench.open("f", true);
    let data = vec![6; 4 << 20];
    let sha1 = {
        let mut hasher = jstorrent_io_daemon::job::Hasher::new(jstorrent_io_daemon::job::Algorithm::Sha1);
        hasher.update(&data);
        data_encoding::HEXLOWER.encode(hasher.finish().as_bytes())
    };
    let target = format!("/files/{file}/write?offset=0");
    let request = bench.request("PATCH", &target).session("s").field("X-Expected-SHA1", &sha1);
    let request = request.body(data.clone()).bytes();
    let message = write_frame(file, &vec![7; 3 << 20]);
    // First the body has the memory, then the message.
    for body_first in [true, false] {
        let http = bench.connect();
        let (mut body, mut frame) = (0, 0);
        if body_first {
            body += bench.send(http, &request[..1 << 20]);
        }
        frame += bench.send(io, &message[..2 << 20]);
        assert_eq!(frame < 600_000, body_first, "{frame} bytes");
        if !body_first {
            let head = bench.send(http, &request);
            assert!(head < 1 << 20, "{head} bytes of the body");
            body += head;
        }
        let state = &bench.engine.state;
        let held = state.buffers.bulk_reserved_bytes() + state.gathering.block_bytes();
        assert!(held <= (4 << 20) + (512 << 10), "{held}");
        while body < request.len() || frame < message.len() {
            let before = (body, frame);
            body += bench.send(http, &request[body..]);
            frame += bench.send(io, &message[frame..]);
            assert_ne!(before, (body, frame), "both wait for ever");
        }
        assert_eq!(bench.response(http, false).expect("an answer").status, 200);
        assert_eq!(outcome(&bench.frames(io)[0], FILE_WRITTEN), (0, 0));
        bench.hang_up(http);
    }
    bench.assert_at_rest();
}

#[test]
fn what_waits_behind_bytes_for_a_peer_goes_on_once_that_took_them() {
    let mut bench = bench(Limits { bulk_bytes_max: 1, bulk_floor_bytes: 0, ..Limits::default() });
    let io = bench.io_with(&[]);
    let peer = connect(&mut bench, io, 1);
    bench.stall(peer, true);
    // All in one read, and nothing comes after it that could wake anyone.
    let send = [&[1, TCP_SEND, 0, 0, 0, 0, 0, 0][..], &with_id(1, &[5; 100])].concat();
    let bind = [&[1, UDP_BIND, 0, 0, 2, 0, 0, 0][..], &with_id(2, &[0, 0])].concat();
    let all = [crate::harness::frame(0x82, &send), crate::harness::frame(0x82, &bind)].concat();
    assert_eq!(bench.send(io, &all), all.len());
    assert!(bench.frames(io).is_empty(), "as much waits for peers as may");
    bench.stall(peer, false);
    assert_eq!(bench.received(peer).len(), 100);
    assert_eq!(outcome(&bench.frames(io)[0], UDP_BOUND), (0, 0));
}
