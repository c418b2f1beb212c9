//! The bulk budget: what entries (connections, sockets, files) and what is large leave to each other.

use super::*;
use jstorrent_io_proto::limits::WS_MESSAGE_BYTES_MAX;

/// A budget in which connections and open files alone exceed what there is for entries.
fn bench_without_share() -> Bench {
    bench(Limits { bulk_bytes_max: 2 << 20, book_bytes: 0, ..Limits::default() })
}

/// What the budget may hold, and does.
fn assert_within_budget(bench: &Bench) {
    let held = bench.engine.state.bulk_held_bytes();
    assert!(held <= 2 << 20, "{held} bytes");
}

#[test]
fn what_entries_leave_no_room_for_is_refused_and_does_not_wait() {
    let mut bench = bench_without_share();
    let file = bench.open("f", true);
    let target = format!("/files/{file}/write?offset=0");
    let mut check = |bytes: usize| {
        let request = bench.request("PATCH", &target).session("s").field("X-Expected-SHA1", &"0".repeat(40));
        bench.call(request.body(vec![1; bytes])).status
    };
    assert_eq!(check(1 << 20), 409, "it was read and checked");
    assert_eq!(check(2 << 20), 503);
    // One that does not say how long it is has what there is.
    let mut check = |bytes: usize| {
        let request = bench.request("PATCH", &target).session("s").field("X-Expected-SHA1", &"0".repeat(40));
        bench.call(request.chunked(vec![1; bytes], 100_000)).status
    };
    assert_eq!(check(1 << 20), 409);
    assert_eq!(check(2 << 20), 503);
    let io = bench.io_with(&[]);
    let message = write_frame(file, &vec![7; (1 << 20) - 100]);
    assert_eq!(bench.send(io, &message), message.len());
    assert_eq!(outcome(&bench.frames(io)[0], FILE_WRITTEN), (0, 0));
    let message = write_frame(file, &vec![7; (2 << 20) - 100]);
    bench.send(io, &message);
    assert_within_budget(&bench);
    assert!(bench.frames(io).contains(&Frame::Close(1013)));
    bench.hang_up(io);
    bench.assert_at_rest();
}

#[test]
fn entries_take_of_the_budget_what_nobody_holds_or_waits_for() {
    let mut bench = bench_without_share();
    let (io, other) = (bench.io_with(&[]), bench.io_with(&[]));
    let file = bench.open("f", true);
    let message = write_frame(file, &vec![7; (2 << 20) - (64 << 10)]);
    let most = message.len() - 100;
    assert_eq!(bench.send(io, &message[..most]), most);
    bench.op(other, UDP_BIND, 1, &with_id(1, &[0, 0]));
    assert_eq!(outcome(&bench.frames(other)[0], UDP_BOUND), (1, 105));
    bench.op(other, TCP_CONNECT, 2, &host(2, 80, "192.0.2.1"));
    assert_eq!(outcome(&bench.frames(other)[0], TCP_CONNECTED), (1, 105));
    let body = serde_json::json!({"root": "main", "path": "g", "write": true, "create": true});
    let opened = bench.call(bench.request("POST", "/files/open").session("s").json(&body));
    assert_eq!(opened.status, 503);
    assert_within_budget(&bench);
    bench.send(io, &message[most..]);
    assert_eq!(outcome(&bench.frames(io)[0], FILE_WRITTEN), (0, 0));
    bench.op(other, UDP_BIND, 3, &with_id(1, &[0, 0]));
    assert_eq!(outcome(&bench.frames(other)[0], UDP_BOUND), (0, 0));
}

#[test]
fn entries_leave_half_of_the_budget_however_many_there_are() {
    let mut bench = bench_without_share();
    let io = bench.io_with(&[]);
    let file = bench.open("f", true);
    let mut sockets = 0;
    loop {
        bench.op(io, UDP_BIND, 1, &with_id(sockets, &[0, 0]));
        match outcome(&bench.frames(io)[0], UDP_BOUND) {
            (0, 0) => sockets += 1,
            refused => break assert_eq!(refused, (1, 105)),
        }
    }
    assert!(sockets > 900, "{sockets}");
    assert_within_budget(&bench);
    let message = write_frame(file, &vec![7; (1 << 20) - 100]);
    assert_eq!(bench.send(io, &message), message.len());
    assert_eq!(outcome(&bench.frames(io)[0], FILE_WRITTEN), (0, 0));
    // Clients still find a way in.
    assert_eq!(bench.call(bench.request("GET", "/stats")).status, 200);
}

#[test]
fn a_message_of_the_largest_size_may_end_with_an_empty_frame() {
    let mut bench = bench(Limits::default());
    let io = bench.io_with(&[]);
    let file = bench.open("f", true);
    let data = vec![7; WS_MESSAGE_BYTES_MAX - 8 - 13];
    let message = [&[1, FILE_WRITE, 0, 0, 1, 0, 0, 0][..], &file_write(file, 0, &data)].concat();
    assert_eq!(message.len(), WS_MESSAGE_BYTES_MAX);
    let all = [crate::harness::frame(0x02, &message), crate::harness::frame(0x80, &[])].concat();
    assert_eq!(bench.send(io, &all), all.len());
    assert_eq!(outcome(&bench.frames(io)[0], FILE_WRITTEN), (0, 0));
}
