//! Names: the race between addresses, families, and names that never resolve.

use super::*;
use jstorrent_io_proto::errno::Errno;
use std::net::SocketAddr;

fn to(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

fn targets(bench: &mut Bench) -> Vec<SocketAddr> {
    bench.network().connecting.iter().map(|(_, to)| *to).collect()
}

#[test]
fn addresses_race_and_the_first_that_answers_is_the_socket() {
    let both = &["2001:db8::1", "2001:db8::2", "192.0.2.1", "192.0.2.2"][..];
    let mut bench = Bench::with(Limits::default(), |_| {}).with_names(&[("peer", both)]);
    let io = bench.io_with(&[]);
    bench.op(io, TCP_CONNECT, 1, &host(1, 80, "peer"));
    assert_eq!(targets(&mut bench), [to("[2001:db8::1]:80")]);
    bench.wait_ms(249);
    assert_eq!(targets(&mut bench).len(), 1);
    bench.wait_ms(1);
    assert_eq!(targets(&mut bench)[1..], [to("192.0.2.1:80")], "the families take turns");
    // A failure does not wait for the delay.
    let failed = bench.answer_connect(Some(Errno::EHOSTUNREACH));
    assert_eq!(targets(&mut bench), [to("192.0.2.1:80"), to("[2001:db8::2]:80")]);
    assert_eq!(bench.frames(io), []);
    let winner = bench.answer_connect(None);
    assert_eq!(outcome(&bench.frames(io)[0], TCP_CONNECTED), (0, 0));
    assert!(bench.has_ended(failed));
    let (loser, _) = bench.network().connecting.remove(0);
    assert!(bench.has_ended(loser), "the others are dropped");
    bench.op(io, TCP_SEND, 0, &with_id(1, b"hello"));
    assert_eq!(bench.received(winner), b"hello");
    bench.wait_ms(1_000);
    assert_eq!(targets(&mut bench), [], "the last address is not tried");
}

#[test]
fn where_no_address_answers_the_last_reason_is_told() {
    let mut bench = Bench::with(Limits::default(), |_| {}).with_names(&[("peer", &["::2", "192.0.2.1"])]);
    let io = bench.io_with(&[]);
    bench.op(io, TCP_CONNECT, 1, &host(1, 80, "peer"));
    bench.answer_connect(Some(Errno::EHOSTUNREACH));
    assert_eq!(bench.frames(io), []);
    bench.answer_connect(Some(Errno::ECONNREFUSED));
    assert_eq!(outcome(&bench.frames(io)[0], TCP_CONNECTED), (1, 111));
    bench.op(io, TCP_CONNECT, 2, &host(1, 80, "nobody"));
    assert_eq!(outcome(&bench.frames(io)[0], TCP_CONNECTED), (1, 0x1002));
}

#[test]
fn an_address_that_this_machine_has_no_way_to_hides_no_answer() {
    let mut bench =
        Bench::with(Limits::default(), |_| {}).with_names(&[("peer", &["192.0.2.1", "192.0.2.2", "::2"])]);
    let io = bench.io_with(&[]);
    let unreachable = [Errno::EADDRNOTAVAIL, Errno::ENETUNREACH, Errno::EAFNOSUPPORT];
    let told = |bench: &mut Bench, id: u32, errnos: [Errno; 3]| {
        bench.op(io, TCP_CONNECT, 1, &host(id, 80, "peer"));
        for errno in errnos {
            bench.answer_connect(Some(errno));
        }
        outcome(&bench.frames(io)[0], TCP_CONNECTED)
    };
    for (id, errno) in unreachable.into_iter().enumerate() {
        let refused = Errno::ECONNREFUSED;
        assert_eq!(told(&mut bench, id as u32, [refused, errno, errno]), (1, 111));
        assert_eq!(told(&mut bench, id as u32, [errno, refused, errno]), (1, 111));
    }
    assert_eq!(told(&mut bench, 9, unreachable), (1, 97), "the last, where none says more");
}

#[test]
fn a_datagram_for_a_name_goes_to_a_family_that_its_socket_has() {
    let both = &["192.0.2.1", "2001:db8::1"][..];
    let mut bench =
        Bench::with(Limits::default(), |_| {}).with_names(&[("both", both), ("four", &["192.0.2.4"])]);
    let io = bench.io_with(&[]);
    let sockets = [(1, "::1", "[2001:db8::1]:9"), (2, "127.0.0.1", "192.0.2.1:9"), (3, "::", "192.0.2.1:9")];
    for (id, at, expected) in sockets {
        bench.op(io, UDP_BIND, 1, &with_id(id, &[&[0, 0][..], at.as_bytes()].concat()));
        assert_eq!(outcome(&bench.frames(io)[0], UDP_BOUND), (0, 0));
        bench.op(io, UDP_SEND, 0, &udp(id, 9, "both", b"x"));
        assert_eq!(bench.network().datagrams.pop().map(|(to, _)| to), Some(to(expected)), "{at}");
    }
    bench.op(io, UDP_SEND, 5, &udp(1, 9, "four", b"x"));
    assert_eq!((bench.network().datagrams.len(), bench.engine.state.metrics.udp_dropped), (0, 1));
    assert_eq!(bench.frames(io), [], "never an ERROR");
}

#[test]
fn names_that_never_resolve_hold_up_nothing() {
    let mut bench = Bench::with(Limits::default(), |_| {}).with_names(&[("good", &["192.0.2.1"])]);
    let io = bench.io_with(&[]);
    let echo = connect(&mut bench, io, 1_000);
    let file = bench.open("f", true);
    bench.op(io, UDP_BIND, 1, &with_id(1_001, &[0, 0]));
    bench.frames(io);
    bench.hold("Resolve");
    for n in 0..3 {
        bench.op(io, UDP_SEND, 0, &udp(1_001, 9, &format!("mute{n}.example"), b"x"));
    }
    for n in 0..600 {
        bench.op(io, TCP_CONNECT, 1, &host(n, 80, &format!("bad{n}.example")));
    }
    // An echo, a file write, and a good name.
    bench.op(io, TCP_SEND, 0, &with_id(1_000, b"echo"));
    assert_eq!(bench.received(echo), b"echo");
    bench.op(io, FILE_WRITE, 2, &file_write(file, 0, b"x"));
    assert_eq!(outcome(&bench.frames(io)[0], FILE_WRITTEN), (0, 0));
    bench.op(io, TCP_CONNECT, 3, &host(700, 80, "good"));
    bench.op(io, UDP_SEND, 0, &udp(1_001, 9, "good", b"to a good name"));
    let before = bench.held();
    assert_eq!(before, 16, "a few at once");
    bench.wait_ms(40);
    assert_eq!(bench.held(), before + 1);
    bench.do_last();
    assert_eq!(targets(&mut bench), [to("192.0.2.1:80")]);
    assert_eq!(bench.network().datagrams, [(to("192.0.2.1:9"), b"to a good name".to_vec())]);
    // They are given up in their time, and those that were not out are never looked up.
    bench.wait_ms(30_000);
    assert_eq!(bench.engine.state.metrics.pending_tcp, 0);
    assert!(bench.held() <= 256, "{} threads", bench.held());
    assert_eq!(bench.engine.state.lookups.len(), bench.held());
    bench.hang_up(io);
    bench.let_go();
    assert!(bench.engine.state.lookups.is_empty());
    bench.assert_at_rest();
}

#[test]
fn one_client_s_names_do_not_hold_up_another_s() {
    let mut bench = Bench::with(Limits::default(), |_| {}).with_names(&[("good", &["192.0.2.1"])]);
    let (bad, good) = (bench.io_with(&[]), bench.io_with(&[]));
    bench.hold("Resolve");
    for n in 0..300 {
        bench.op(bad, TCP_CONNECT, 1, &host(n, 80, &format!("bad{n}.example")));
    }
    bench.op(good, TCP_CONNECT, 1, &host(1, 80, "good"));
    for n in 300..600 {
        bench.op(bad, TCP_CONNECT, 1, &host(n, 80, &format!("bad{n}.example")));
    }
    bench.wait_ms(80);
    bench.do_last();
    assert_eq!(targets(&mut bench), [to("192.0.2.1:80")]);
}

#[test]
fn a_cancelled_name_is_not_looked_up() {
    let mut bench = Bench::with(Limits::default(), |_| {}).with_names(&[]);
    let io = bench.io_with(&[]);
    bench.hold("Resolve");
    for n in 0..20 {
        bench.op(io, TCP_CONNECT, 1, &host(n, 80, &format!("bad{n}.example")));
    }
    for n in 0..20_u32 {
        bench.op(io, TCP_CLOSE, 0, &n.to_le_bytes());
    }
    let frames = bench.frames(io);
    assert!(frames.iter().all(|frame| outcome(frame, TCP_CONNECTED) == (1, 125)) && frames.len() == 20);
    bench.wait_ms(10_000);
    assert_eq!((bench.held(), bench.engine.state.lookups.len()), (16, 16));
}
