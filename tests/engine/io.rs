//! `/io` (PROTOCOL §6) under a clock that the test moves, with peers that it plays.

mod budget;
mod greedy;
mod limits;
mod names;
mod over_http;
mod times;

use crate::harness::{Bench, Frame};
use jstorrent_io_daemon::ids::ConnId;
use jstorrent_io_daemon::limits::Limits;

const TCP_CONNECT: u8 = 0x10;
const TCP_CONNECTED: u8 = 0x11;
const TCP_SEND: u8 = 0x12;
const TCP_CLOSE: u8 = 0x14;
const TCP_LISTEN: u8 = 0x15;
const UDP_BIND: u8 = 0x20;
const UDP_BOUND: u8 = 0x21;
const UDP_SEND: u8 = 0x22;
const FILE_READ: u8 = 0x40;
const FILE_DATA: u8 = 0x41;
const FILE_WRITE: u8 = 0x42;
const FILE_WRITTEN: u8 = 0x43;

fn with_id(id: u32, rest: &[u8]) -> Vec<u8> {
    [&id.to_le_bytes()[..], rest].concat()
}

fn host(id: u32, port: u16, host: &str) -> Vec<u8> {
    with_id(id, &[&port.to_le_bytes()[..], host.as_bytes()].concat())
}

fn udp(id: u32, port: u16, addr: &str, data: &[u8]) -> Vec<u8> {
    let len = (addr.len() as u16).to_le_bytes();
    with_id(id, &[&port.to_le_bytes()[..], &len, addr.as_bytes(), data].concat())
}

fn file_read(file: u64, length: u32) -> Vec<u8> {
    with_id(file as u32, &[&0_u64.to_le_bytes()[..], &length.to_le_bytes()].concat())
}

fn file_write(file: u64, offset: u64, data: &[u8]) -> Vec<u8> {
    with_id(file as u32, &[&offset.to_le_bytes()[..], &[0], data].concat())
}

/// A FILE_WRITE in one frame, whole.
fn write_frame(file: u64, data: &[u8]) -> Vec<u8> {
    let message = [&[1, FILE_WRITE, 0, 0, 1, 0, 0, 0][..], &file_write(file, 0, data)].concat();
    crate::harness::frame(0x82, &message)
}

/// Status and errno of a reply whose payload begins with an id.
fn outcome(frame: &Frame, opcode: u8) -> (u8, u32) {
    match frame {
        Frame::Op(code, _, payload) if *code == opcode => {
            let at = if opcode == UDP_BOUND { 7 } else { 5 };
            (payload[4], u32::from_le_bytes(payload[at..at + 4].try_into().unwrap()))
        }
        other => panic!("{other:?}"),
    }
}

/// Connects socket `id` to a peer that the test plays; the peer's connection.
fn connect(bench: &mut Bench, io: ConnId, id: u32) -> ConnId {
    bench.op(io, TCP_CONNECT, 1, &host(id, 80, "192.0.2.1"));
    let peer = bench.answer_connect(None);
    assert_eq!(
        bench.frames(io).iter().map(|frame| outcome(frame, TCP_CONNECTED)).collect::<Vec<_>>(),
        [(0, 0)]
    );
    peer
}

fn bench(limits: Limits) -> Bench {
    Bench::with(Limits { transfer: false, ..limits }, |_| {}).with_names(&[])
}
