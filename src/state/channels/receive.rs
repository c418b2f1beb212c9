//! Bytes from peers on their way to a client: where they may be read to, and what makes a TCP_RECV of them where they
//! lie.

use super::{Channels, READ_ROOM_BYTES_MIN};
use crate::ids::ConnId;
use crate::limits::RECV_BYTES_MAX;
use jstorrent_io_proto::frame::{self, HEADER_BYTES_MAX};
use jstorrent_io_proto::message::{DATA_HEAD_BYTES, tcp_recv_head};

/// What is read at a time where no buffer can be had: it is copied.
const COPIED_READ_BYTES: usize = 2 << 10;
/// Room for the head of a TCP_RECV before its data.
const RECV_HEAD_BYTES_MAX: usize = HEADER_BYTES_MAX + DATA_HEAD_BYTES;

/// Where bytes from a peer may be read to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Into the channel's buffer, behind the room for a head ([`Channels::room`]).
    Direct,
    /// A few, elsewhere: they are copied ([`Channels::push_received`]).
    Copied(usize),
}

impl Channels {
    /// Adds a TCP_RECV by copying.
    pub fn push_received(&mut self, id: ConnId, wire: u32, data: &[u8]) {
        let Some(channel) = self.shelf.get_mut(id).filter(|channel| !channel.closed) else { return };
        if channel.batches(data.len()) {
            return self.add_to_batch(id, &tcp_recv_head(wire), data);
        }
        channel.batch.flush(&mut channel.out, &mut self.pool);
        let mut head = [0; RECV_HEAD_BYTES_MAX];
        let len = write_recv_head(&mut head, wire, data.len());
        channel.out.append(&mut self.pool, &head[..len]);
        channel.out.append(&mut self.pool, data);
        self.count(id);
    }

    /// How bytes may be read for a channel by `who`; where there is no room, `who` stands in line, and is told when
    /// to try again. Until then it must not ask: finding out whether it stands there would mean to look at hundreds.
    ///
    /// `expected`: about how many bytes may come.
    pub fn way(&mut self, id: ConnId, who: ConnId, expected: usize) -> Option<Way> {
        let channel = self.shelf.get_mut(id)?;
        if !channel.batches(expected) {
            channel.batch.flush(&mut channel.out, &mut self.pool);
        }
        channel.woken.retain(|other| *other != who);
        if channel.closed {
            return None;
        }
        let has_room = channel.out.len() < self.gather_bytes_max;
        if has_room
            && (channel.out.make_room(&mut self.pool, READ_ROOM_BYTES_MIN)
                || channel.out.room_len() > RECV_HEAD_BYTES_MAX + COPIED_READ_BYTES)
        {
            return Some(Way::Direct);
        }
        if has_room && channel.out.is_empty() {
            return Some(Way::Copied(COPIED_READ_BYTES));
        }
        if !channel.is_crowded() {
            self.crowded.push(id);
        }
        channel.line.push_back(who);
        None
    }

    /// Room for a peer's bytes, behind that for the head of a message of about `expected` bytes.
    pub fn room(&mut self, id: ConnId, expected: usize) -> &mut [u8] {
        let Some(channel) = self.shelf.get_mut(id) else { return &mut [] };
        let head = frame::header_len(DATA_HEAD_BYTES + expected) + DATA_HEAD_BYTES;
        let room = channel.out.room();
        let len = room.len().saturating_sub(RECV_HEAD_BYTES_MAX).min(RECV_BYTES_MAX);
        &mut room[head..head + len]
    }

    /// The kernel put `n` bytes into the room that was asked for with `expected`: they become a TCP_RECV. Its head is
    /// written before them; where another length was expected, they are moved by a few bytes.
    pub fn commit_received(&mut self, id: ConnId, wire: u32, expected: usize, n: usize) {
        let Some(channel) = self.shelf.get_mut(id) else { return };
        let there = frame::header_len(DATA_HEAD_BYTES + expected) + DATA_HEAD_BYTES;
        if channel.batches(n) {
            // It is small: a copy costs less than an event of its own would cost the client.
            channel.batch.add(&tcp_recv_head(wire), &channel.out.room()[there..there + n]);
            if channel.batch.is_full() {
                channel.batch.flush(&mut channel.out, &mut self.pool);
            }
            return;
        }
        if channel.batch.len() > 0 {
            // More came than was expected, behind small messages that must go before it.
            let data = channel.out.room()[there..there + n].to_vec();
            return self.push_received(id, wire, &data);
        }
        let right = frame::header_len(DATA_HEAD_BYTES + n) + DATA_HEAD_BYTES;
        let room = channel.out.room();
        if there != right {
            room.copy_within(there..there + n, right);
        }
        write_recv_head(room, wire, n);
        channel.out.commit(right + n);
    }
}

/// Writes frame header, envelope and socket id of a TCP_RECV to the front of `out`; returns how many bytes.
fn write_recv_head(out: &mut [u8], wire: u32, data_len: usize) -> usize {
    let mut header = [0; HEADER_BYTES_MAX];
    let len = frame::write_header(frame::BINARY, true, DATA_HEAD_BYTES + data_len, &mut header);
    out[..len].copy_from_slice(&header[..len]);
    out[len..len + DATA_HEAD_BYTES].copy_from_slice(&tcp_recv_head(wire));
    len + DATA_HEAD_BYTES
}
