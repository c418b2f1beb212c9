//! Bytes at full speed: some sockets send, others take, one thread drives all of them and never blocks. Its CPU time is
//! nobody's, and the same for all: every sink copies what comes out of its socket, as a client has to.

use crate::Result;
use crate::frames::Counter;
use crate::measure::Load;
use crate::stats::Latencies;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// For how long nothing may happen.
const STALL: Duration = Duration::from_secs(60);
/// Read at a time.
const READ_BYTES: usize = 64 << 10;
/// Reads of one socket before others get their turn.
const READS_A_TURN: usize = 8;

/// Sends the same block again and again.
pub(crate) struct Source {
    stream: TcpStream,
    block: Arc<[u8]>,
    at: usize,
    /// Bytes of one write.
    write_bytes: usize,
    /// Bytes of a run.
    run_bytes: u64,
    left: u64,
}

impl Source {
    /// One that sends `run_bytes` in each run, in writes of `write_bytes`.
    pub(crate) fn new(stream: TcpStream, block: Arc<[u8]>, write_bytes: usize, run_bytes: u64) -> Source {
        Source { stream, block, at: 0, write_bytes, run_bytes, left: 0 }
    }

    /// Whether it may send more at once.
    fn step(&mut self) -> Result<bool> {
        if self.left == 0 {
            return Ok(false);
        }
        let end = self.block.len().min(self.at + self.write_bytes.min(self.left as usize));
        match self.stream.write(&self.block[self.at..end]) {
            Ok(n) => {
                self.at = (self.at + n) % self.block.len();
                self.left -= n as u64;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Takes what comes, and counts the data in it.
pub(crate) struct Sink {
    stream: TcpStream,
    pub(crate) counter: Counter,
}

impl Sink {
    pub(crate) fn new(stream: TcpStream, counter: Counter) -> Sink {
        Sink { stream, counter }
    }

    /// Whether more may be there.
    pub(crate) fn step(&mut self, scratch: &mut [u8]) -> Result<bool> {
        for _ in 0..READS_A_TURN {
            let taken = match self.stream.read(scratch) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                other => other?,
            };
            self.counter.take(&scratch[..taken], |_, _| {})?;
            if taken == 0 {
                return Err("a connection was closed".into());
            }
        }
        Ok(true)
    }
}

/// Sources and sinks.
pub(crate) struct Flow {
    poll: Poll,
    events: Events,
    sources: Vec<Source>,
    pub(crate) sinks: Vec<Sink>,
    scratch: Vec<u8>,
    /// Who may do something; sinks are behind the sources.
    active: Vec<usize>,
    is_active: Vec<bool>,
}

impl Flow {
    pub(crate) fn new(sources: Vec<Source>, sinks: Vec<Sink>) -> Result<Flow> {
        let poll = Poll::new()?;
        let count = sources.len() + sinks.len();
        let mut flow = Flow {
            poll,
            events: Events::with_capacity(1024),
            sources,
            sinks,
            scratch: vec![0; READ_BYTES],
            active: Vec::new(),
            is_active: vec![false; count],
        };
        let streams = flow.sources.iter_mut().map(|source| (&mut source.stream, Interest::WRITABLE));
        let sinks = flow.sinks.iter_mut().map(|sink| (&mut sink.stream, Interest::READABLE));
        for (index, (stream, interest)) in streams.chain(sinks).enumerate() {
            flow.poll.registry().register(stream, Token(index), interest)?;
        }
        Ok(flow)
    }

    /// Has all sources send theirs until `data` bytes of data came in all.
    pub(crate) fn run(&mut self, data: u64) -> Result<Load> {
        let wanted = self.data() + data;
        self.sources.iter_mut().for_each(|source| source.left = source.run_bytes);
        (0..self.is_active.len()).for_each(|index| self.activate(index));
        let started = Instant::now();
        while self.data() < wanted {
            let timeout = if self.active.is_empty() { STALL } else { Duration::ZERO };
            self.poll.poll(&mut self.events, Some(timeout))?;
            let ready: Vec<usize> = self.events.iter().map(|event| event.token().0).collect();
            ready.into_iter().for_each(|index| self.activate(index));
            if self.active.is_empty() {
                return Err(format!("{} bytes did not come", wanted - self.data()).into());
            }
            for index in std::mem::take(&mut self.active) {
                self.is_active[index] = false;
                if self.step(index)? {
                    self.activate(index);
                }
            }
        }
        let wall = started.elapsed();
        Ok(Load { bytes: data, requests: 1, wall, latencies: Latencies::default(), cpu: None })
    }

    fn data(&self) -> u64 {
        self.sinks.iter().map(|sink| sink.counter.data).sum()
    }

    fn activate(&mut self, index: usize) {
        if !std::mem::replace(&mut self.is_active[index], true) {
            self.active.push(index);
        }
    }

    fn step(&mut self, index: usize) -> Result<bool> {
        match index.checked_sub(self.sources.len()) {
            None => self.sources[index].step(),
            Some(sink) => self.sinks[sink].step(&mut self.scratch),
        }
    }
}
