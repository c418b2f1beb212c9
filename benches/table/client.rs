//! The load: requests over kept-alive connections, one at a time on each, driven by one thread that never blocks.
//! Its CPU time is nobody's; it is as lean as can be so that it is not what is measured.

use crate::Result;
use crate::connection::{Connection, Progress};
use crate::measure::Load;
use crate::stats::Latencies;
use mio::{Events, Interest, Poll, Token};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// For how long nothing may happen.
const STALL: Duration = Duration::from_secs(60);

/// Makes requests.
pub(crate) trait Requests<'a> {
    /// Writes the head of request number `n` into the empty `head`; returns its body.
    fn request(&self, n: u64, head: &mut Vec<u8>) -> &'a [u8];
}

impl<'a, F: Fn(u64, &mut Vec<u8>) -> &'a [u8]> Requests<'a> for F {
    fn request(&self, n: u64, head: &mut Vec<u8>) -> &'a [u8] {
        self(n, head)
    }
}

/// Several connections to one server.
pub(crate) struct Client {
    address: SocketAddr,
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
    scratch: Vec<u8>,
    /// Looks for answers without sleeping: no wake-up of the client's is in the latency.
    spins: bool,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr, connections: usize) -> Result<Client> {
        let mut client = Client {
            address,
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            connections: Vec::new(),
            scratch: vec![0; 256 << 10],
            spins: false,
        };
        for _ in 0..connections {
            let connection = client.open()?;
            client.connections.push(connection);
        }
        Ok(client)
    }

    pub(crate) fn spinning(mut self) -> Client {
        self.spins = true;
        self
    }

    fn open(&self) -> Result<Connection> {
        let mut connection = Connection::open(self.address)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        let token = Token(self.connections.len());
        self.poll.registry().register(connection.socket(), token, interest)?;
        Ok(connection)
    }

    /// Sends `count` requests over all connections, and waits for the last answer, each of which must be a success
    /// and, where `answer_len` is given, that long.
    pub(crate) fn run<'a>(
        &mut self,
        count: u64,
        answer_len: Option<u64>,
        requests: &impl Requests<'a>,
    ) -> Result<Load> {
        let mut latencies = Latencies::default();
        let mut bytes = 0;
        let (mut next, mut open) = (0, 0);
        let started = Instant::now();
        let mut flights: Vec<&'a [u8]> = vec![&[]; self.connections.len()];
        for (connection, body) in self.connections.iter_mut().zip(&mut flights) {
            if next < count {
                *body = connection.begin(|head| requests.request(next, head));
                next += 1;
                open += 1;
            }
        }
        let mut ready: Vec<usize> = (0..open).collect();
        while open > 0 {
            for index in std::mem::take(&mut ready) {
                let connection = &mut self.connections[index];
                while let Progress::Answered(answer) = connection.go_on(flights[index], &mut self.scratch)? {
                    if answer_len.is_some_and(|wanted| wanted != answer.body_bytes) {
                        return Err(format!("an answer of {} bytes", answer.body_bytes).into());
                    }
                    latencies.add(answer.latency);
                    bytes += flights[index].len() as u64 + answer.body_bytes;
                    if next == count {
                        open -= 1;
                        break;
                    }
                    flights[index] = connection.begin(|head| requests.request(next, head));
                    next += 1;
                }
            }
            if open > 0 {
                self.wait(&mut ready)?;
            }
        }
        Ok(Load { bytes, requests: count, wall: started.elapsed(), latencies, cpu: None })
    }

    fn wait(&mut self, ready: &mut Vec<usize>) -> Result<()> {
        let waiting_since = Instant::now();
        let timeout = if self.spins { Duration::ZERO } else { STALL };
        while ready.is_empty() {
            self.poll.poll(&mut self.events, Some(timeout))?;
            ready.extend(self.events.iter().map(|event| event.token().0));
            if ready.is_empty() && waiting_since.elapsed() >= STALL {
                return Err("nothing came for a minute".into());
            }
        }
        Ok(())
    }
}

/// A new connection for each of `count` requests, one after another, closed by us after the answer.
pub(crate) fn one_each<'a>(address: SocketAddr, count: u64, requests: &impl Requests<'a>) -> Result<Load> {
    let mut latencies = Latencies::default();
    let started = Instant::now();
    for n in 0..count {
        let begun = Instant::now();
        Client::connect(address, 1)?.run(1, None, &|_, head: &mut Vec<u8>| requests.request(n, head))?;
        latencies.add(begun.elapsed());
    }
    Ok(Load { bytes: 0, requests: count, wall: started.elapsed(), latencies, cpu: None })
}
