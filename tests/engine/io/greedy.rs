//! Clients that ask for much and take nothing: what they leave to others, and for how long they hold the rest.

use super::*;

/// One FILE_READ may have no more.
const LARGEST: u32 = 16 << 20;
/// How often each kind is asked for.
const ROUNDS: u32 = 4;

fn bench_with_file() -> (Bench, u64) {
    let mut bench = bench(Limits::default());
    bench.write("f", vec![9; LARGEST as usize]);
    let file = bench.open("f", false);
    (bench, file)
}

/// A client that takes nothing, and asks for the whole file again and again.
fn greedy(bench: &mut Bench, file: u64) -> ConnId {
    let io = bench.io_with(&[]);
    bench.stall(io, true);
    // A slow disk: as much as may be is under way at once.
    bench.hold("Read");
    for n in 0..ROUNDS {
        bench.op(io, FILE_READ, 100 + n, &file_read(file, LARGEST));
        bench.op(io, FILE_READ, 200 + n, &file_read(file, 256 << 10));
    }
    bench.let_go();
    io
}

/// How many bytes of an answer a client has.
fn has_read(bench: &mut Bench, io: ConnId) -> usize {
    bench.received(io).iter().filter(|byte| **byte == 9).count()
}

#[test]
fn one_that_takes_nothing_leaves_others_what_they_read() {
    let (mut bench, file) = bench_with_file();
    let greedy = greedy(&mut bench, file);
    let other = bench.io_with(&[]);
    bench.op(other, FILE_READ, 1, &file_read(file, LARGEST));
    assert_eq!(has_read(&mut bench, other), LARGEST as usize);
    for n in 1..=20 {
        bench.op(other, FILE_READ, 2, &file_read(file, 256 << 10));
        assert_eq!(has_read(&mut bench, other), LARGEST as usize + n * (256 << 10));
    }
    // It does not matter which kind it asks for first, or only.
    let small = bench.io_with(&[]);
    bench.stall(small, true);
    bench.hold("Read");
    for n in 0..100 {
        bench.op(small, FILE_READ, 300 + n, &file_read(file, 256 << 10));
    }
    bench.let_go();
    bench.op(other, FILE_READ, 3, &file_read(file, 256 << 10));
    assert_eq!(has_read(&mut bench, other), LARGEST as usize + 21 * (256 << 10));
    for io in [greedy, small, other] {
        bench.hang_up(io);
    }
    bench.assert_at_rest();
}

#[test]
fn those_who_hold_all_of_it_lose_it_to_whoever_waits() {
    let (mut bench, file) = bench_with_file();
    let all: Vec<_> = (0..3).map(|_| greedy(&mut bench, file)).collect();
    let other = bench.io_with(&[]);
    bench.op(other, FILE_READ, 1, &file_read(file, LARGEST));
    let target = format!("/files/{}/write?offset=0", bench.open("g", true));
    let body = vec![1; 64 << 20];
    let request = bench.request("PATCH", &target).session("s").field("X-Expected-SHA1", &"0".repeat(40));
    let http = bench.connect();
    let request = request.body(body).bytes();
    let mut sent = bench.send(http, &request);
    assert!(has_read(&mut bench, other) == 0 && sent < 1 << 20, "both wait");
    bench.wait_ms(5_000);
    sent += bench.send(http, &request[sent..]);
    assert_eq!(sent, request.len());
    assert_eq!(bench.response(http, false).expect("an answer").status, 409);
    assert_eq!(has_read(&mut bench, other), LARGEST as usize);
    assert!(all.iter().any(|io| bench.has_ended(*io)));
}

#[test]
fn while_nobody_waits_it_may_take_its_time() {
    let (mut bench, file) = bench_with_file();
    let greedy = greedy(&mut bench, file);
    for _ in 0..8 {
        bench.wait_ms(10_000);
        assert!(!bench.has_ended(greedy));
    }
    bench.stall(greedy, false);
    assert_eq!(has_read(&mut bench, greedy), ROUNDS as usize * (LARGEST as usize + (256 << 10)));
}

#[test]
fn one_whose_peers_take_nothing_has_all_that_may_wait_and_leaves_others_what_they_send() {
    let mut bench = bench(Limits::default());
    let (greedy, other) = (bench.io_with(&[]), bench.io_with(&[]));
    let silent = connect(&mut bench, greedy, 1);
    bench.stall(silent, true);
    let peer = connect(&mut bench, other, 1);
    // Neither has windows: only the daemon's memory bounds what waits.
    let piece = [&[1, TCP_SEND, 0, 0, 0, 0, 0, 0][..], &with_id(1, &vec![5; 100 << 10])].concat();
    let frames = crate::harness::frame(0x82, &piece).repeat(700);
    let sent = bench.send(greedy, &frames);
    assert!((64 << 20..65 << 20).contains(&sent), "{sent} bytes");
    for _ in 0..40 {
        bench.op(other, TCP_SEND, 0, &with_id(1, &vec![6; 100 << 10]));
    }
    assert_eq!(bench.received(peer).len(), 4000 << 10);
    // Its own peer is given up as soon as it holds up its own client.
    bench.wait_ms(6_000);
    assert!(bench.send(greedy, &frames[sent..]) > 0);
    assert!(
        bench
            .frames(greedy)
            .iter()
            .any(|frame| matches!(frame, Frame::Op(TCP_CLOSE, 0, payload) if payload[5] == 110))
    );
}

#[test]
fn who_takes_nothing_of_a_list_loses_it_to_whoever_waits() {
    let mut bench = bench(Limits { bulk_bytes_max: 8 << 20, ..Limits::default() });
    for number in 0..400 {
        bench.write(&format!("{number:0200}"), "");
    }
    let file = bench.open("f", true);
    let slow = bench.connect();
    bench.stall(slow, true);
    let list = bench.request("GET", "/ops/list?path=&root_key=main").bytes();
    bench.send(slow, &list);
    assert_eq!(bench.engine.state.buffers.bulk_reserved_bytes(), 256 << 10, "the answer waits");
    bench.wait_ms(60_000);
    assert!(!bench.has_ended(slow), "nobody else waits");
    let target = format!("/files/{file}/write?offset=0");
    let request = bench.request("PATCH", &target).session("s").field("X-Expected-SHA1", &"0".repeat(40));
    let request = request.body(vec![1; 8 << 20]).bytes();
    let http = bench.connect();
    let sent = bench.send(http, &request);
    assert!(sent < 1 << 20, "{sent} bytes");
    bench.wait_ms(1_000);
    assert_eq!(sent + bench.send(http, &request[sent..]), request.len());
    assert_eq!(bench.response(http, false).expect("an answer").status, 409);
    assert!(bench.has_ended(slow));
}
