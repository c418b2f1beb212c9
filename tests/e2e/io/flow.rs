//! Flow control (PROTOCOL §6.3), with and without `credit`.

use super::*;
use std::io::{Read, Write};
use std::thread;

#[test]
fn with_credit_a_peer_is_read_no_further_than_granted() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    hello_with_credit(&mut ws, 1000);
    let mut full = connect(&mut ws, 1);
    let mut free = connect(&mut ws, 2);
    let data = pattern(5000);
    full.write_all(&data).unwrap();
    assert!(receive(&mut ws, 1, 1000) == data[..1000]);
    // Its full window holds up nobody else, and nothing more of it comes meanwhile.
    free.write_all(b"free").unwrap();
    assert_eq!(receive(&mut ws, 2, 4), b"free");
    ws.send(&tcp_credit(1, 3999));
    assert!(receive(&mut ws, 1, 3999) == data[1000..4999]);
    ws.send(&tcp_credit(1, 100));
    assert!(receive(&mut ws, 1, 1) == data[4999..]);
    ws.send(&tcp_credit(1, 0));
    drop(full);
    assert_eq!(closed(&ws.op(), 1), (0, 0));
}

#[test]
fn an_overrun_window_closes_its_socket_alone() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    hello_with_credit(&mut ws, 1 << 20);
    let mut other = connect(&mut ws, 2);
    let _stalled = connect(&mut ws, 1);
    ws.send(&tcp_send(1, &vec![1; 1 << 20]));
    // The kernel takes some, and grants come for it; far more was never granted.
    ws.send(&tcp_send(1, &vec![1; 24 << 20]));
    let close = ws.op_of(TCP_CLOSE);
    assert_eq!(closed(&close, 1), (1, 105));
    ws.send(&tcp_send(2, b"alive"));
    let mut bytes = [0; 5];
    other.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"alive");
}

#[test]
fn grants_come_as_the_kernel_takes_bytes() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    hello_with_credit(&mut ws, 1 << 20);
    let mut peer = connect(&mut ws, 1);
    let total = 8 << 20;
    let reader = thread::spawn(move || {
        let mut all = vec![0; total];
        peer.read_exact(&mut all).unwrap();
        all
    });
    let data = pattern(total);
    let (mut sent, mut window) = (0, 1 << 20);
    while sent < total {
        let n = window.min(total - sent).min(300_000);
        ws.send(&tcp_send(1, &data[sent..sent + n]));
        (sent, window) = (sent + n, window - n);
        while window < 300_000 && sent < total {
            let grant = ws.op();
            assert_eq!((grant.opcode, grant.u32_at(0)), (TCP_CREDIT, 1));
            window += grant.u32_at(4) as usize;
        }
    }
    assert!(reader.join().unwrap() == data);
}

#[test]
fn a_client_that_reads_nothing_stops_its_peers_and_loses_nothing() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    let peers: Vec<_> = (0..20).map(|id| connect(&mut ws, id)).collect();
    let each = 4 << 20;
    let writers: Vec<_> = peers
        .into_iter()
        .enumerate()
        .map(|(id, mut peer)| {
            thread::spawn(move || {
                let data: Vec<u8> = pattern(each).iter().map(|byte| byte.wrapping_add(id as u8)).collect();
                peer.write_all(&data).unwrap();
            })
        })
        .collect();
    // Requests are still read and answered, though the answers wait behind what the client does not read.
    for _ in 0..100 {
        ws.send(&tcp_connect(9, 0x9000_0000, "127.0.0.1", 1));
    }
    let mut received = vec![Vec::<u8>::new(); 20];
    let mut answers = 0;
    while received.iter().any(|data| data.len() < each) || answers < 100 {
        let op = ws.op();
        match op.opcode {
            TCP_RECV => received[op.u32_at(0) as usize].extend(&op.payload[4..]),
            TCP_CONNECTED => answers += 1,
            TCP_CLOSE => assert_eq!(closed(&op, op.u32_at(0)), (0, 0)),
            _ => panic!("{op:?}"),
        }
    }
    for (id, data) in received.iter().enumerate() {
        assert!(
            data.iter().zip(pattern(each)).all(|(got, sent)| *got == sent.wrapping_add(id as u8)),
            "{id}"
        );
    }
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    assert!(daemon.process().status("VmHWM") < 40 << 10, "{} KiB", daemon.process().status("VmHWM"));
}

#[test]
fn without_credit_a_peer_that_reads_nothing_holds_up_nobody() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    let _stalled = connect(&mut ws, 1);
    let mut other = connect(&mut ws, 2);
    // More than may wait: the connection is not read, until the peer has been silent for five seconds.
    let block = vec![7; 8 << 20];
    let writer = thread::spawn(move || {
        for _ in 0..12 {
            ws.send(&tcp_send(1, &block));
        }
        ws.send(&tcp_send(2, b"through"));
        ws
    });
    let mut bytes = [0; 7];
    other.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"through");
    let mut ws = writer.join().unwrap();
    assert_eq!(closed(&ws.op(), 1), (1, 110));
    assert!(daemon.process().status("VmHWM") < 80 << 10, "{} KiB", daemon.process().status("VmHWM"));
}

#[test]
fn with_batch_small_messages_come_together_and_in_order() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    assert_eq!(hello(&mut ws, &json!({"features": ["batch"]}))["features"], json!(["batch"]));
    let mut peers: Vec<_> = (0..8).map(|id| connect(&mut ws, id)).collect();
    // Small and large by turns, so that one kind would overtake the other if it could.
    let sizes = [1, 100, 5000, 3, 200_000, 2048, 2049, 700];
    let total: usize = sizes.iter().sum();
    let writer = thread::spawn(move || {
        for _ in 0..20 {
            for size in sizes {
                for peer in &mut peers {
                    peer.write_all(&pattern(size)).unwrap();
                }
            }
        }
    });
    let mut received = vec![Vec::<u8>::new(); 8];
    let mut closes = 0;
    while closes < 8 {
        let op = ws.op();
        let mut messages = vec![];
        if op.opcode == BATCH {
            let mut rest = &op.payload[..];
            while let Some((len, more)) = rest.split_first_chunk::<4>() {
                let (message, after) = more.split_at(u32::from_le_bytes(*len) as usize);
                messages.push(Op::from_bytes(message));
                rest = after;
            }
        } else {
            messages.push(op);
        }
        for op in messages {
            match op.opcode {
                TCP_RECV => received[op.u32_at(0) as usize].extend(&op.payload[4..]),
                _ => {
                    assert_eq!(closed(&op, op.u32_at(0)), (0, 0));
                    closes += 1;
                }
            }
        }
    }
    let expected: Vec<u8> = (0..20).flat_map(|_| sizes.iter().flat_map(|size| pattern(*size))).collect();
    assert_eq!(expected.len(), total * 20);
    assert!(received.iter().all(|data| *data == expected));
    writer.join().unwrap();
    // What is answered in one go comes together for certain.
    let unknown = Op::new(TCP_CLOSE, 9, 77_u32.to_le_bytes()).bytes();
    let framed = [&(unknown.len() as u32).to_le_bytes()[..], &unknown].concat();
    ws.send(&Op::new(BATCH, 0, framed.repeat(2)));
    assert_eq!(ws.op().opcode, BATCH);
}

#[test]
fn a_batch_from_the_client_is_its_messages() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    let mut peer = connect(&mut ws, 1);
    let messages = [tcp_send(1, b"one"), tcp_send(1, b"two"), Op::new(0x99, 5, []), tcp_close(1)];
    let framed = |op: &Op| [&(op.bytes().len() as u32).to_le_bytes()[..], &op.bytes()].concat();
    ws.send(&Op::new(BATCH, 0, messages.iter().flat_map(framed).collect::<Vec<_>>()));
    assert_eq!((ws.op().opcode, 5), (ERROR, 5));
    let mut all = Vec::new();
    peer.read_to_end(&mut all).unwrap();
    assert_eq!(all, b"onetwo");
}

/// The sum of the grants for socket 1 until it is `bytes`.
fn granted(ws: &mut Ws, bytes: usize) {
    let mut sum = 0;
    while sum < bytes {
        let grant = ws.op();
        assert_eq!((grant.opcode, grant.request_id, grant.u32_at(0)), (TCP_CREDIT, 0, 1));
        sum += grant.u32_at(4) as usize;
    }
    assert_eq!(sum, bytes);
}

#[test]
fn every_byte_that_the_kernel_took_is_granted_anew() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    hello_with_credit(&mut ws, 1 << 20);
    let mut peer = connect(&mut ws, 1);
    for size in [1, 100, 300_000, 1 << 20] {
        ws.send(&tcp_send(1, &vec![7; size]));
        peer.read_exact(&mut vec![0; size]).unwrap();
        granted(&mut ws, size);
    }
}

#[test]
fn one_message_over_the_window_is_an_overrun_however_fast_the_peer_takes_it() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    hello_with_credit(&mut ws, 1 << 20);
    let mut peer = connect(&mut ws, 1);
    let reader = thread::spawn(move || while peer.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {});
    ws.send(&tcp_send(1, &vec![1; (1 << 20) + 1]));
    assert_eq!(closed(&ws.op(), 1), (1, 105));
    reader.join().unwrap();
    // The window is the socket's from the beginning, connected or not.
    ws.send(&tcp_connect(5, 2, "2001:db8::1", 9));
    ws.send(&tcp_send(2, &vec![1; (1 << 20) + 1]));
    let outcome = connected(&ws.op(), 2);
    assert!(matches!(outcome, (1, 105 | 101 | 99)), "{outcome:?}, the latter where there is no such route");
}

#[test]
fn the_peers_end_needs_no_window() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    hello_with_credit(&mut ws, 10);
    let mut peer = connect(&mut ws, 1);
    peer.write_all(b"0123456789").unwrap();
    assert_eq!(receive(&mut ws, 1, 10), b"0123456789");
    drop(peer);
    assert_eq!(closed(&ws.op(), 1), (0, 0));
    // But no byte before it is lost.
    let mut peer = connect(&mut ws, 1);
    peer.write_all(b"0123456789ab").unwrap();
    drop(peer);
    assert_eq!(receive(&mut ws, 1, 10), b"0123456789");
    ws.send(&tcp_credit(1, 2));
    assert_eq!(receive(&mut ws, 1, 2), b"ab");
    assert_eq!(closed(&ws.op(), 1), (0, 0));
}
