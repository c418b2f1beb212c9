//! What happens when nothing does: pings, stalls, keepalives, idleness, sessions.

use super::*;
use serde_json::json;

const SECOND_MS: u64 = 1_000;

#[test]
fn a_silent_client_is_pinged_twice_and_then_dropped() {
    let mut bench = bench(Limits::default());
    let io = bench.io_with(&[]);
    bench.wait_ms(30 * SECOND_MS - 1);
    assert_eq!(bench.frames(io), []);
    bench.wait_ms(1);
    assert_eq!(bench.frames(io), [Frame::Ping]);
    bench.frame(io, 0x8A, &[]);
    bench.wait_ms(60 * SECOND_MS);
    assert_eq!(bench.frames(io), [Frame::Ping, Frame::Ping], "its pong began a new silence");
    bench.wait_ms(30 * SECOND_MS - 1);
    assert!(!bench.has_ended(io));
    bench.wait_ms(1);
    assert!(bench.was_reset(io));
}

#[test]
fn a_client_that_is_not_read_for_want_of_memory_is_not_taken_for_dead() {
    let limits = Limits { bulk_bytes_max: 1 << 20, bulk_floor_bytes: 1 << 16, ..Limits::default() };
    let mut bench = bench(limits);
    let io = bench.io_with(&[]);
    let peer = connect(&mut bench, io, 1);
    bench.stall(peer, true);
    let data = vec![7; 3 << 20];
    let frame =
        crate::harness::frame(0x82, &[&[1, TCP_SEND, 0, 0, 0, 0, 0, 0][..], &with_id(1, &data)].concat());
    let mut sent = bench.send(io, &frame);
    assert!(sent < 2 << 20, "{sent} bytes were taken");
    // Its peer takes some now and then, so that it is not stalled; the client itself says nothing, as it can't.
    for _ in 0..60 {
        bench.wait_ms(3 * SECOND_MS);
        assert_eq!(bench.take_some(peer, 1), 1);
        sent += bench.send(io, &frame[sent..]);
        assert!(!bench.has_ended(io));
    }
    assert_eq!(bench.frames(io), [], "nobody asks a client that is not listened to");
    bench.stall(peer, false);
    while sent < frame.len() {
        sent += bench.send(io, &frame[sent..]);
    }
    assert_eq!(bench.received(peer).len() + 60, data.len());
    bench.wait_ms(90 * SECOND_MS);
    assert!(bench.was_reset(io), "from now on its silence counts");
}

#[test]
fn a_client_that_takes_its_replies_slowly_lives_and_one_that_takes_none_does_not() {
    let limits = Limits { channel_reply_bytes_max: 1_000, ..Limits::default() };
    let mut bench = bench(limits);
    let io = bench.io_with(&[]);
    bench.stall(io, true);
    // Replies pile up until it is not read any more.
    let ask = crate::harness::frame(0x82, &[1, 0x99, 0, 0, 5, 0, 0, 0]).repeat(200);
    let mut sent = bench.send(io, &ask);
    for _ in 0..40 {
        bench.wait_ms(20 * SECOND_MS);
        sent += bench.send(io, &ask[sent..]);
        assert_eq!(bench.take_some(io, 1), 1, "it takes a byte");
        assert!(!bench.has_ended(io));
    }
    bench.wait_ms(89 * SECOND_MS);
    assert!(!bench.has_ended(io));
    bench.wait_ms(2 * SECOND_MS);
    assert!(bench.was_reset(io));
}

#[test]
fn a_peer_that_takes_nothing_is_closed_after_30_seconds() {
    let mut bench = bench(Limits::default());
    let io = bench.io_with(&[]);
    let (stalled, other) = (connect(&mut bench, io, 1), connect(&mut bench, io, 2));
    bench.stall(stalled, true);
    bench.op(io, TCP_SEND, 0, &with_id(1, b"waits"));
    bench.wait_ms(29 * SECOND_MS);
    assert_eq!(bench.take_some(stalled, 1), 1);
    bench.wait_ms(29 * SECOND_MS);
    bench.frame(io, 0x8A, &[]);
    assert!(!bench.frames(io).iter().any(|frame| matches!(frame, Frame::Op(..))));
    bench.wait_ms(2 * SECOND_MS);
    let frames = bench.frames(io);
    assert_eq!(frames, [Frame::Op(TCP_CLOSE, 0, with_id(1, &[1, 110, 0, 0, 0]))]);
    assert!(bench.was_reset(stalled) && !bench.has_ended(other));
}

#[test]
fn where_memory_is_full_it_is_closed_after_5_seconds() {
    let limits = Limits { bulk_bytes_max: 1 << 20, bulk_floor_bytes: 1 << 16, ..Limits::default() };
    let mut bench = bench(limits);
    let io = bench.io_with(&[]);
    let (stalled, other) = (connect(&mut bench, io, 1), connect(&mut bench, io, 2));
    bench.stall(stalled, true);
    let frame = |id, data: &[u8]| {
        crate::harness::frame(0x82, &[&[1, TCP_SEND, 0, 0, 0, 0, 0, 0][..], &with_id(id, data)].concat())
    };
    let bytes = [frame(1, &vec![7; 2 << 20]), frame(2, b"behind it")].concat();
    let mut sent = bench.send(io, &bytes);
    assert!(sent < bytes.len());
    bench.wait_ms(5 * SECOND_MS - 1);
    assert_eq!(bench.frames(io), []);
    bench.wait_ms(SECOND_MS + 1);
    assert_eq!(bench.frames(io), [Frame::Op(TCP_CLOSE, 0, with_id(1, &[1, 110, 0, 0, 0]))]);
    while sent < bytes.len() {
        sent += bench.send(io, &bytes[sent..]);
    }
    assert_eq!(bench.received(other), b"behind it");
}

#[test]
fn the_last_hello_says_whether_keepalives_come() {
    let mut bench = bench(Limits::default());
    let io = bench.io_with(&["keepalive"]);
    bench.wait_ms(20 * SECOND_MS);
    assert_eq!(bench.frames(io).len(), 1);
    bench.op(io, 0x01, 2, br#"{"features":[]}"#);
    assert_eq!(bench.frames(io).len(), 1, "the answer");
    bench.wait_ms(29 * SECOND_MS);
    assert_eq!(bench.frames(io), []);
}

#[test]
fn with_keepalive_there_is_data_every_20_seconds() {
    let mut bench = bench(Limits::default());
    let (with, without) = (bench.io_with(&["keepalive"]), bench.io_with(&[]));
    for _ in 0..3 {
        bench.wait_ms(20 * SECOND_MS - 1);
        bench.frame(with, 0x8A, &[]);
        bench.frame(without, 0x8A, &[]);
        assert_eq!(bench.frames(with), []);
        bench.wait_ms(1);
        assert_eq!(bench.frames(with), [Frame::Op(0x06, 0, Vec::new())]);
    }
    assert_eq!(bench.frames(without), []);
}

#[test]
fn active_torrents_keep_the_daemon_from_being_idle() {
    let mut bench = Bench::with(Limits::default(), |settings| settings.idle_timeout_ms = 60_000);
    let io = bench.io_with(&[]);
    bench.op(io, 0x05, 0, &1_u32.to_le_bytes());
    let wait = |bench: &mut Bench, seconds: u64| {
        for _ in 0..seconds / 10 {
            bench.wait_ms(10 * SECOND_MS);
            if !bench.has_ended(io) {
                // Neither counts as use.
                bench.frame(io, 0x89, &[]);
                bench.op(io, 0x06, 0, &[]);
            }
        }
    };
    wait(&mut bench, 600);
    assert!(!bench.engine.state.exiting);
    bench.op(io, 0x05, 0, &0_u32.to_le_bytes());
    wait(&mut bench, 50);
    assert!(!bench.engine.state.exiting);
    wait(&mut bench, 20);
    assert!(bench.engine.state.exiting);
}

#[test]
fn activity_ends_with_its_connection() {
    let mut bench = Bench::with(Limits::default(), |settings| settings.idle_timeout_ms = 60_000);
    let io = bench.io_with(&[]);
    bench.op(io, 0x05, 0, &3_u32.to_le_bytes());
    bench.hang_up(io);
    bench.wait_ms(61 * SECOND_MS);
    assert!(bench.engine.state.exiting);
}

#[test]
fn a_change_of_roots_is_told_once_in_the_client_s_encoding() {
    let mut bench = bench(Limits::default());
    let (binary, text, silent) = (bench.io_with(&[]), bench.open_io(), bench.open_io());
    bench.say(text, &json!({"op": "hello", "requestId": 1, "features": []}));
    assert!(matches!(&bench.frames(text)[..], [Frame::Text(hello)] if hello["op"] == "server_hello"));
    bench.op(silent, 0x01, 2, &[]);
    bench.frames(silent);
    let roots = |keys: &[&str]| {
        let one = |key: &&str| json!({"key": key, "displayName": key.to_uppercase(), "removable": false, "lastStatOk": true});
        json!(keys.iter().map(one).collect::<Vec<_>>())
    };
    bench.set_roots(&["main"]);
    bench.run();
    assert!(bench.frames(binary).is_empty() && bench.frames(text).is_empty(), "nothing changed");
    for keys in [&["main", "other"][..], &["main"]] {
        bench.set_roots(keys);
        bench.set_roots(keys);
        bench.run();
        let frames = bench.frames(binary);
        let [Frame::Op(0xE0, 0, payload)] = &frames[..] else { panic!("{frames:?}") };
        assert_eq!(serde_json::from_slice::<serde_json::Value>(payload).unwrap(), roots(keys));
        let told = json!({"op": "roots_changed", "requestId": 0, "roots": roots(keys)});
        assert_eq!(bench.frames(text), [Frame::Text(told)]);
        assert_eq!(bench.frames(silent), [], "its hello was empty");
    }
}

#[test]
fn a_session_ends_30_seconds_after_its_last_connection() {
    let mut bench = bench(Limits::default());
    bench.write("f", "x");
    let (first, second) = (bench.open_io(), bench.open_io());
    bench.open("f", false);
    bench.hang_up(first);
    bench.wait_ms(20 * SECOND_MS);
    bench.hang_up(second);
    bench.wait_ms(29 * SECOND_MS);
    let third = bench.open_io();
    bench.wait_ms(20 * SECOND_MS);
    assert_eq!(bench.engine.state.files.len(), 1, "it came back in time");
    bench.hang_up(third);
    bench.wait_ms(30 * SECOND_MS - 1);
    assert_eq!(bench.engine.state.files.len(), 1);
    bench.wait_ms(1);
    assert_eq!((bench.engine.state.files.len(), bench.engine.state.sessions.len()), (0, 0));
    bench.assert_at_rest();
}
