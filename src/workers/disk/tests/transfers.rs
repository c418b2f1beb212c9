//! From a file straight into a socket, and reads that can't wait.
#![cfg(target_os = "linux")]

use super::*;
use crate::job::{TransferError, Transferred};
use std::io::{self, Read as _};
use std::os::unix::net::UnixStream;

#[derive(Debug)]
struct SocketOutlet(UnixStream);

impl Outlet for SocketOutlet {
    fn send_file(&self, file: &std::fs::File, offset: u64, length: usize) -> io::Result<usize> {
        let mut offset = offset;
        Ok(rustix::fs::sendfile(&self.0, file, Some(&mut offset), length)?)
    }
}

fn sockets() -> (SocketOutlet, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    (SocketOutlet(ours), theirs)
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n % 253) as u8).collect()
}

#[test]
fn moves_what_was_asked_piece_by_piece() {
    let t = Fixture::new();
    let all = content(1_000_000);
    let file = t.make("file", &all);
    let (outlet, mut peer) = sockets();
    let wanted = 900_000;
    let mut received = Vec::new();
    let mut blocked = 0;
    while received.len() < wanted {
        let offset = 1000 + received.len() as u64;
        let moved = t.disk.transfer(&file, &outlet, offset, (wanted - received.len()) as u64).unwrap();
        blocked += u32::from(moved.blocked);
        let from = received.len();
        received.resize(from + moved.bytes as usize, 0);
        peer.read_exact(&mut received[from..]).unwrap();
    }
    assert!(blocked > 0, "the socket was never full");
    assert!(received == all[1000..1000 + wanted]);
}

#[test]
fn takes_no_more_than_its_share() {
    let t = Fixture::with(DiskLimits { transfer_bytes_max: 10, ..DiskLimits::default() });
    let file = t.make("file", b"0123456789abcdef");
    let (outlet, _peer) = sockets();
    assert_eq!(t.disk.transfer(&file, &outlet, 0, 16), Ok(Transferred { bytes: 10, blocked: false }));
    assert_eq!(t.disk.transfer(&file, &outlet, 10, 6), Ok(Transferred { bytes: 6, blocked: false }));
    assert_eq!(t.disk.transfer(&file, &outlet, 10, 0), Ok(Transferred { bytes: 0, blocked: false }));
}

#[test]
fn a_file_that_shrank_is_an_error() {
    let t = Fixture::new();
    let file = t.make("file", b"0123456789");
    let (outlet, _peer) = sockets();
    let beyond = Err(TransferError::Disk(DiskError::BeyondEnd { size: 10 }));
    assert_eq!(t.disk.transfer(&file, &outlet, 5, 6), beyond);
    assert_eq!(t.disk.transfer(&file, &outlet, 10, 1), beyond);
    assert_eq!(t.disk.transfer(&file, &outlet, 1 << 40, 1), beyond);
}

#[test]
fn a_peer_that_went_away_is_the_sockets_fault() {
    let t = Fixture::new();
    let file = t.make("file", b"0123456789");
    let (outlet, peer) = sockets();
    drop(peer);
    assert_eq!(t.disk.transfer(&file, &outlet, 0, 10), Err(TransferError::Socket));
    let ask = Ask::Transfer { file, offset: 0, length: 1, outlet: None };
    assert!(matches!(perform(&t.disk, ask), Performed::Done(Done::Transfer(Err(TransferError::Socket)))));
}

#[test]
fn a_cached_read_ends_like_any_other() {
    let t = Fixture::new();
    let file = t.make("file", &content(100_000));
    let mut into = vec![0; 1000];
    if t.disk.read_now(&file, 0, &mut into).is_none() {
        not_tested("this file system can't promise not to wait");
        return;
    }
    let mut now = |offset| t.disk.read_now(&file, offset, &mut into);
    assert_eq!(now(50_000), Some(Ok(ReadNow { count: 1000, size: 100_000 })));
    assert_eq!(now(99_990), Some(Ok(ReadNow { count: 10, size: 100_000 })));
    assert_eq!(now(100_000), Some(Ok(ReadNow { count: 0, size: 100_000 })));
    assert_eq!(now(100_001), Some(Err(DiskError::BeyondEnd { size: 100_000 })));
    assert_eq!(now(u64::MAX), None, "not an offset: the job will say so");
    assert_eq!(now(50), Some(Ok(ReadNow { count: 1000, size: 100_000 })));
    assert_eq!(into, content(100_000)[50..1050]);
    t.disk.shed(1);
    assert_eq!(t.disk.read_now(&file, 0, &mut into), None, "no descriptor at hand");
    assert!(t.disk.read_at(&file, 0, &mut into).is_ok());
    assert!(t.disk.read_now(&file, 0, &mut into).is_some());
    assert_eq!(t.disk.path_delete(&t.root, &rel("file")), Ok(()));
    assert_eq!(t.disk.read_now(&file, 0, &mut into), Some(Err(DiskError::NotFound)));
    assert!(file.is_gone());
}

#[test]
fn what_is_in_memory_is_moved_at_once() {
    let t = Fixture::new();
    let all = content(100_000);
    let file = t.make("file", &all);
    let (outlet, mut peer) = sockets();
    let now = |offset, length| t.disk.transfer_now(&file, &outlet, offset, length);
    if now(0, 1).is_none() {
        not_tested("this system can't tell what is in memory");
        return;
    }
    assert_eq!(now(1, 49_999), Some(Ok(Transferred { bytes: 49_999, blocked: false })));
    let mut received = vec![0; 50_000];
    peer.read_exact(&mut received).unwrap();
    assert!(received == all[..50_000]);
    assert_eq!(now(50_000, 50_001), None, "behind the end: the job will say so");
    t.disk.shed(1);
    assert_eq!(now(0, 1), None, "no descriptor at hand");
    assert!(t.disk.inspect(&file).is_ok());
    drop(peer);
    assert_eq!(now(0, 1), Some(Err(TransferError::Socket)));
    assert_eq!(t.disk.path_delete(&t.root, &rel("file")), Ok(()));
    assert_eq!(now(0, 1), Some(Err(TransferError::Disk(DiskError::NotFound))));
}
