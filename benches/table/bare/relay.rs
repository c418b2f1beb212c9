//! `read` → `write` between the first connection, the client's, and the others, the peers': 64 KiB at a time, nothing
//! framed. One thread; reads wait for an event only where there are several peers, writes wait for the kernel.

use crate::Result;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};

const PIECE_BYTES: usize = 64 << 10;
const DATAGRAM_BYTES_MAX: usize = 64 << 10;

/// What all peers send goes to the client.
pub(super) fn to_client(listener: &TcpListener, connections: usize) -> Result<()> {
    let (mut client, mut peers) = accept(listener, connections)?;
    let mut piece = vec![0; PIECE_BYTES];
    if let [peer] = &mut peers[..] {
        return pass(peer, &mut client, &mut piece);
    }
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    for (index, peer) in peers.iter().enumerate() {
        epoll::add(&epoll, peer, EventData::new_u64(index as u64), EventFlags::IN)?;
    }
    let mut events = Vec::with_capacity(1024);
    loop {
        events.clear();
        epoll::wait(&epoll, spare_capacity(&mut events), None)?;
        for event in &events {
            let n = peers[event.data.u64() as usize].read(&mut piece)?;
            if n == 0 {
                return Ok(());
            }
            client.write_all(&piece[..n])?;
        }
    }
}

/// What the client sends is cut into messages, which go to the peers in turns.
pub(super) fn to_peers(listener: &TcpListener, connections: usize, message_bytes: usize) -> Result<()> {
    let (mut client, mut peers) = accept(listener, connections)?;
    let mut piece = vec![0; PIECE_BYTES];
    if let [peer] = &mut peers[..] {
        return pass(&mut client, peer, &mut piece);
    }
    let (mut turn, mut left) = (0, message_bytes);
    loop {
        let n = client.read(&mut piece)?;
        if n == 0 {
            return Ok(());
        }
        let mut bytes = &piece[..n];
        while !bytes.is_empty() {
            let n = bytes.len().min(left);
            peers[turn].write_all(&bytes[..n])?;
            bytes = &bytes[n..];
            left -= n;
            if left == 0 {
                (turn, left) = ((turn + 1) % peers.len(), message_bytes);
            }
        }
    }
}

/// Both ways between the client and one peer.
pub(super) fn both_ways(listener: &TcpListener) -> Result<()> {
    let (mut client, mut peers) = accept(listener, 2)?;
    let peer = &mut peers[0];
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &client, EventData::new_u64(0), EventFlags::IN)?;
    epoll::add(&epoll, &*peer, EventData::new_u64(1), EventFlags::IN)?;
    let mut events = Vec::with_capacity(2);
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        events.clear();
        epoll::wait(&epoll, spare_capacity(&mut events), None)?;
        for event in &events {
            let (from, to) =
                if event.data.u64() == 0 { (&mut client, &mut *peer) } else { (&mut *peer, &mut client) };
            let n = from.read(&mut piece)?;
            if n == 0 {
                return Ok(());
            }
            to.write_all(&piece[..n])?;
        }
    }
}

/// Datagrams to the listener's port go to the client.
pub(super) fn datagrams_to_client(listener: &TcpListener) -> Result<()> {
    let socket = UdpSocket::bind(listener.local_addr()?)?;
    let (mut client, _) = accept(listener, 1)?;
    let mut piece = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        let (n, _) = socket.recv_from(&mut piece)?;
        client.write_all(&piece[..n])?;
    }
}

/// What the client sends goes to `peer` as datagrams of that size.
pub(super) fn datagrams_to_peer(listener: &TcpListener, peer: SocketAddr, bytes: usize) -> Result<()> {
    let socket = UdpSocket::bind(listener.local_addr()?)?;
    let (mut client, _) = accept(listener, 1)?;
    let mut piece = vec![0; PIECE_BYTES];
    let mut there = 0;
    loop {
        let n = client.read(&mut piece[there..])?;
        if n == 0 {
            return Ok(());
        }
        there += n;
        let whole = there / bytes * bytes;
        for datagram in piece[..whole].chunks_exact(bytes) {
            socket.send_to(datagram, peer)?;
        }
        piece.copy_within(whole..there, 0);
        there -= whole;
    }
}

/// The client, and the peers in the order in which they came.
fn accept(listener: &TcpListener, connections: usize) -> Result<(TcpStream, Vec<TcpStream>)> {
    let accepted = || -> Result<TcpStream> {
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    let client = accepted()?;
    let peers = (1..connections).map(|_| accepted()).collect::<Result<_>>()?;
    Ok((client, peers))
}

fn pass(from: &mut TcpStream, to: &mut TcpStream, piece: &mut [u8]) -> Result<()> {
    loop {
        let n = from.read(piece)?;
        if n == 0 {
            return Ok(());
        }
        to.write_all(&piece[..n])?;
    }
}
