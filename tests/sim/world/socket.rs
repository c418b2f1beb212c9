//! A connected socket as strictly as a kernel may behave: an edge is told once, and nothing more is promised until a
//! read or write would have blocked. Buffers are small, resets come at any moment, and bytes that were unread when the
//! other side closed are lost.

use jstorrent_io_daemon::reactor::turn::{Edge, Socket};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};

/// What a client finds when it reads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    Bytes(Vec<u8>),
    Nothing,
    End,
    Reset,
}

/// What a worker's transfer came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Bytes { count: usize, blocked: bool },
    Gone,
}

/// Both ends of one connection.
#[derive(Debug)]
pub(crate) struct SimSocket(RefCell<Pipe>);

#[derive(Debug)]
struct Pipe {
    to_engine: VecDeque<u8>,
    to_engine_max: usize,
    to_client: VecDeque<u8>,
    to_client_max: usize,
    client_ended: bool,
    client_gone: bool,
    engine_ended: bool,
    engine_gone: bool,
    reset: bool,
    /// The engine's last read, or write, would have blocked: the next change is an edge.
    read_armed: bool,
    write_armed: bool,
    due: Edge,
    /// What the engine has sent and nobody has judged.
    tap: Vec<u8>,
    consumed: u64,
    carried: u64,
    /// Calls until one is interrupted by a signal; 0: never.
    interrupt_every: u32,
    calls: u32,
}

impl SimSocket {
    pub(crate) fn new(to_engine_max: usize, to_client_max: usize, interrupt_every: u32) -> SimSocket {
        SimSocket(RefCell::new(Pipe {
            to_engine: VecDeque::new(),
            to_engine_max,
            to_client: VecDeque::new(),
            to_client_max,
            client_ended: false,
            client_gone: false,
            engine_ended: false,
            engine_gone: false,
            reset: false,
            read_armed: true,
            write_armed: false,
            due: Edge { writable: true, ..Edge::default() },
            tap: Vec::new(),
            consumed: 0,
            carried: 0,
            interrupt_every,
            calls: 0,
        }))
    }

    /// One that is not connected yet: it tells nothing before [`establish`](SimSocket::establish).
    pub(crate) fn connecting(to_engine_max: usize, to_client_max: usize, interrupt_every: u32) -> SimSocket {
        let socket = SimSocket::new(to_engine_max, to_client_max, interrupt_every);
        socket.0.borrow_mut().due = Edge::default();
        socket
    }

    /// It is connected.
    pub(crate) fn establish(&self) {
        self.0.borrow_mut().due.writable = true;
    }

    /// Whether the engine has closed its end.
    pub(crate) fn is_left_by_engine(&self) -> bool {
        self.0.borrow().engine_gone
    }

    /// Bytes that the engine has sent since the beginning.
    pub(crate) fn carried(&self) -> u64 {
        self.0.borrow().carried
    }

    /// The event that is due, once. `whole`: it tells of everything that is ready, as epoll's do, not of the change
    /// alone.
    pub(crate) fn take_edge(&self, whole: bool) -> Option<Edge> {
        let mut pipe = self.0.borrow_mut();
        let mut edge = std::mem::take(&mut pipe.due);
        if edge == Edge::default() {
            return None;
        }
        if whole {
            edge.readable |= !pipe.to_engine.is_empty() || pipe.client_ended || pipe.reset;
            edge.writable |= pipe.to_client.len() < pipe.to_client_max || pipe.reset;
            edge.read_closed |= pipe.client_ended || pipe.reset;
        }
        Some(edge)
    }

    /// Tells of everything that is ready, though nothing changed.
    pub(crate) fn spurious_edge(&self) {
        let mut pipe = self.0.borrow_mut();
        pipe.due.readable |= !pipe.to_engine.is_empty() || pipe.client_ended;
        pipe.due.writable |= pipe.to_client.len() < pipe.to_client_max;
    }

    /// The kernel has room from now on.
    pub(crate) fn widen(&self) {
        let mut pipe = self.0.borrow_mut();
        pipe.to_engine_max = pipe.to_engine_max.max(1 << 16);
        pipe.to_client_max = pipe.to_client_max.max(1 << 16);
        pipe.due.writable |= std::mem::take(&mut pipe.write_armed);
    }

    pub(crate) fn has_edge(&self) -> bool {
        self.0.borrow().due != Edge::default()
    }

    /// What the engine has sent since this was asked last.
    pub(crate) fn take_tap(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.borrow_mut().tap)
    }

    /// Bytes that the engine has read since the beginning.
    pub(crate) fn consumed(&self) -> u64 {
        self.0.borrow().consumed
    }

    /// Bytes that the client has not read.
    pub(crate) fn unread(&self) -> usize {
        self.0.borrow().to_client.len()
    }

    /// A worker moves `bytes` of a file.
    pub(crate) fn transfer(&self, bytes: &[u8]) -> Taken {
        let mut pipe = self.0.borrow_mut();
        if pipe.reset || pipe.engine_gone || pipe.engine_ended {
            return Taken::Gone;
        }
        let count = pipe.push_to_client(&[bytes]);
        let blocked = count < bytes.len();
        pipe.write_armed |= blocked;
        Taken::Bytes { count, blocked }
    }

    /// The engine closes it. What it had not read is answered by a reset, which may overtake what it had sent.
    pub(crate) fn engine_close(&self, abort: bool) {
        let mut pipe = self.0.borrow_mut();
        if abort || !pipe.to_engine.is_empty() {
            pipe.to_client.clear();
            pipe.reset = true;
        }
        pipe.engine_ended = true;
        pipe.engine_gone = true;
    }

    /// The engine sends FIN.
    pub(crate) fn engine_end(&self) {
        self.0.borrow_mut().engine_ended = true;
    }

    /// The client sends; returns how many bytes were taken, `None` where the connection is broken.
    pub(crate) fn client_send(&self, bytes: &[u8]) -> Option<usize> {
        let mut pipe = self.0.borrow_mut();
        if pipe.engine_gone && !bytes.is_empty() {
            pipe.to_client.clear();
            pipe.reset = true;
        }
        if pipe.reset {
            return None;
        }
        let count = bytes.len().min(pipe.to_engine_max - pipe.to_engine.len());
        pipe.to_engine.extend(&bytes[..count]);
        if count > 0 && std::mem::take(&mut pipe.read_armed) {
            pipe.due.readable = true;
        }
        Some(count)
    }

    /// The client reads.
    pub(crate) fn client_receive(&self, max: usize) -> Received {
        let mut pipe = self.0.borrow_mut();
        if pipe.reset {
            return Received::Reset;
        }
        if pipe.to_client.is_empty() {
            return if pipe.engine_ended { Received::End } else { Received::Nothing };
        }
        let count = pipe.to_client.len().min(max);
        let bytes: Vec<u8> = pipe.to_client.drain(..count).collect();
        let room = pipe.to_client_max - pipe.to_client.len();
        if pipe.write_armed && room >= pipe.to_client_max.div_ceil(3) {
            pipe.write_armed = false;
            pipe.due.writable = true;
        }
        Received::Bytes(bytes)
    }

    /// The client sends FIN.
    pub(crate) fn client_end(&self) {
        let mut pipe = self.0.borrow_mut();
        if !pipe.client_ended {
            pipe.client_ended = true;
            pipe.due.readable = true;
            pipe.due.read_closed = true;
            pipe.read_armed = false;
        }
    }

    /// The client closes: with a reset where it left something unread.
    pub(crate) fn client_close(&self) {
        let unread = self.unread() > 0;
        if unread {
            return self.client_reset();
        }
        self.client_end();
        self.0.borrow_mut().client_gone = true;
    }

    /// The client's end breaks.
    pub(crate) fn client_reset(&self) {
        self.0.borrow_mut().break_down();
    }
}

impl Pipe {
    fn break_down(&mut self) {
        self.reset = true;
        self.to_client.clear();
        self.to_engine.clear();
        self.due =
            Edge { readable: true, writable: true, read_closed: true, write_closed: true, error: true };
    }

    fn push_to_client(&mut self, slices: &[&[u8]]) -> usize {
        let mut count = 0;
        for slice in slices {
            let n = slice.len().min(self.to_client_max - self.to_client.len());
            if !self.client_gone {
                self.to_client.extend(&slice[..n]);
            }
            self.tap.extend_from_slice(&slice[..n]);
            self.carried += n as u64;
            count += n;
            if n < slice.len() {
                break;
            }
        }
        if self.client_gone && count > 0 {
            self.break_down();
        }
        count
    }

    fn is_interrupted(&mut self) -> bool {
        self.calls += 1;
        self.interrupt_every > 0 && self.calls.is_multiple_of(self.interrupt_every)
    }
}

impl Socket for SimSocket {
    fn receive(&self, place: &mut [u8]) -> io::Result<usize> {
        let mut pipe = self.0.borrow_mut();
        assert!(!place.is_empty(), "a read into no room at all would look like the end");
        assert!(!pipe.engine_gone, "a read from a socket that was closed");
        if pipe.is_interrupted() {
            return Err(ErrorKind::Interrupted.into());
        }
        if pipe.reset {
            return Err(ErrorKind::ConnectionReset.into());
        }
        let count = pipe.to_engine.len().min(place.len());
        if count == 0 && !pipe.client_ended {
            pipe.read_armed = true;
            return Err(ErrorKind::WouldBlock.into());
        }
        place[..count].copy_from_slice(&pipe.to_engine.make_contiguous()[..count]);
        pipe.to_engine.drain(..count);
        pipe.consumed += count as u64;
        // On Unix a short read is as good as `WouldBlock`: what comes later is told anew.
        pipe.read_armed |= cfg!(unix) && count < place.len() && !pipe.client_ended;
        Ok(count)
    }

    fn is_at_end(&self) -> io::Result<bool> {
        let pipe = self.0.borrow();
        if pipe.reset {
            return Err(ErrorKind::ConnectionReset.into());
        }
        Ok(pipe.to_engine.is_empty() && pipe.client_ended)
    }

    fn send(&self, slices: &[IoSlice<'_>], _more: bool) -> io::Result<usize> {
        let mut pipe = self.0.borrow_mut();
        assert!(!pipe.engine_gone && !pipe.engine_ended, "a write behind our own end");
        if pipe.is_interrupted() {
            return Err(ErrorKind::Interrupted.into());
        }
        if pipe.reset {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let slices: Vec<&[u8]> = slices.iter().map(|slice| &**slice).collect();
        match pipe.push_to_client(&slices) {
            0 => {
                pipe.write_armed = true;
                Err(ErrorKind::WouldBlock.into())
            }
            count => Ok(count),
        }
    }
}
