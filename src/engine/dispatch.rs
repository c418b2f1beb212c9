//! One connection of any kind: passes each call on to the kind that it is.

use crate::conn::End;
use crate::conn::dial::Dial;
use crate::conn::file_work::FileWork;
use crate::conn::http::Http;
use crate::conn::listener::Listener;
use crate::conn::outgoing::Outgoing;
use crate::conn::tcp::Tcp;
use crate::conn::udp::Udp;
use crate::conn::websocket::WebSocket;
use crate::ids::{ConnId, JobId};
use crate::job::Done;
use crate::service::salvage;
use crate::state::State;
use crate::state::births::Birth;
use crate::state::notes::Note;
use crate::time::Time;
use jstorrent_io_proto::errno::Errno;
use std::net::SocketAddr;

/// A connection.
#[derive(Debug)]
pub enum Conn {
    /// A client that speaks HTTP.
    Http(Http),
    /// A client on `/io`.
    WebSocket(Box<WebSocket>),
    /// A TCP socket of a client's.
    Tcp(Box<Tcp>),
    /// A UDP socket of a client's.
    Udp(Box<Udp>),
    /// A listening socket of a client's.
    Listener(Listener),
    /// A connect to a name.
    Dial(Box<Dial>),
    /// Work on a file for a client.
    File(Box<FileWork>),
}

impl Conn {
    pub(super) fn is_client(&self) -> bool {
        matches!(self, Conn::Http(_) | Conn::WebSocket(_))
    }

    /// Since when it is there, where it has never shown the token.
    pub(super) fn stranger_since(&self) -> Option<Time> {
        match self {
            Conn::Http(http) => http.stranger_since(),
            Conn::WebSocket(ws) => ws.stranger_since(),
            Conn::Tcp(_) | Conn::Udp(_) | Conn::Listener(_) | Conn::Dial(_) | Conn::File(_) => None,
        }
    }

    pub(super) fn deadline(&self) -> Time {
        match self {
            Conn::Http(http) => http.deadline(),
            Conn::WebSocket(ws) => ws.deadline(),
            Conn::Tcp(tcp) => tcp.deadline(),
            Conn::Udp(udp) => udp.deadline(),
            Conn::Listener(_) | Conn::File(_) => Time::NEVER,
            Conn::Dial(dial) => dial.deadline(),
        }
    }

    pub(super) fn expired(&mut self, state: &mut State) {
        match self {
            Conn::Http(http) => http.expired(state),
            Conn::WebSocket(ws) => ws.expired(state),
            Conn::Tcp(tcp) => tcp.expired(state),
            Conn::Udp(udp) => udp.expired(state),
            Conn::Listener(_) | Conn::File(_) => {}
            Conn::Dial(dial) => dial.expired(state),
        }
    }

    pub(super) fn place<'a>(
        &'a mut self,
        state: &'a mut State,
        scratch: &'a mut [u8],
    ) -> Option<&'a mut [u8]> {
        match self {
            Conn::Http(http) => http.place(state, scratch),
            Conn::WebSocket(ws) => ws.place(state, scratch),
            Conn::Tcp(tcp) => tcp.place(state, scratch),
            Conn::Udp(udp) => udp.place(state, scratch),
            Conn::Listener(_) | Conn::Dial(_) | Conn::File(_) => None,
        }
    }

    pub(super) fn awaits_end(&self, state: &State) -> bool {
        if let Conn::Tcp(tcp) = self { tcp.awaits_end(state) } else { false }
    }

    pub(super) fn minds_arrivals(&self, state: &State) -> bool {
        matches!(self, Conn::Http(_)) || self.awaits_end(state)
    }

    pub(super) fn received(&mut self, state: &mut State, scratch: &mut [u8], n: usize) {
        match self {
            Conn::Http(http) => http.received(state, scratch, n),
            Conn::WebSocket(ws) => ws.received(state, &mut scratch[..n]),
            Conn::Tcp(tcp) => tcp.received(state, scratch, n),
            Conn::Udp(_) | Conn::Listener(_) | Conn::Dial(_) | Conn::File(_) => {}
        }
    }

    pub(super) fn drained(&mut self, state: &mut State) {
        match self {
            Conn::Http(http) => http.drained(state),
            Conn::WebSocket(_) | Conn::Udp(_) | Conn::Listener(_) | Conn::Dial(_) | Conn::File(_) => {}
            Conn::Tcp(tcp) => tcp.drained(state),
        }
    }

    pub(super) fn ended(&mut self, state: &mut State) {
        match self {
            Conn::Http(http) => http.ended(state),
            Conn::WebSocket(ws) => ws.ended(state),
            Conn::Tcp(tcp) => tcp.ended(state),
            Conn::Udp(_) | Conn::Listener(_) | Conn::Dial(_) | Conn::File(_) => {}
        }
    }

    pub(super) fn hung_up(&mut self, state: &mut State) {
        match self {
            Conn::Http(http) => http.hung_up(state),
            Conn::WebSocket(_)
            | Conn::Tcp(_)
            | Conn::Udp(_)
            | Conn::Listener(_)
            | Conn::Dial(_)
            | Conn::File(_) => {}
        }
    }

    /// An `/io` connection is lost at once. Others mind a hang-up, or read on: what came before the reset counts.
    pub(super) fn reset(&mut self) {
        if let Conn::WebSocket(ws) = self {
            ws.failed(Errno::ECONNRESET);
        }
    }

    pub(super) fn failed(&mut self, state: &mut State, errno: Errno) {
        match self {
            Conn::Http(http) => http.failed(state),
            Conn::WebSocket(ws) => ws.failed(errno),
            Conn::Tcp(tcp) => tcp.failed(state, errno),
            Conn::Udp(udp) => udp.failed(state, errno),
            Conn::Listener(_) | Conn::Dial(_) | Conn::File(_) => {}
        }
    }

    /// Writing failed; there may yet be something to read.
    pub(super) fn send_failed(&mut self, state: &mut State, errno: Errno) {
        match self {
            Conn::Tcp(tcp) => tcp.send_failed(state, errno),
            Conn::Http(_)
            | Conn::WebSocket(_)
            | Conn::Udp(_)
            | Conn::Listener(_)
            | Conn::Dial(_)
            | Conn::File(_) => self.failed(state, errno),
        }
    }

    /// The system's word on a connect.
    pub(super) fn connected(&mut self, state: &mut State, outcome: Result<SocketAddr, Errno>) {
        if let Conn::Tcp(tcp) = self {
            tcp.connected(state, outcome);
        }
    }

    /// The system's word on a listening socket.
    pub(super) fn listening(&mut self, state: &mut State, outcome: Result<u16, Errno>) {
        if let Conn::Listener(listener) = self {
            listener.listening(state, outcome);
        }
    }

    /// It as a UDP socket.
    pub(super) fn as_udp(&mut self) -> Option<&mut Udp> {
        if let Conn::Udp(udp) = self { Some(udp) } else { None }
    }

    /// What it goes on as, where it is an HTTP connection that became a WebSocket, and what came behind the request.
    pub(super) fn upgraded(&mut self, id: ConnId, state: &mut State) -> Option<(Conn, Vec<u8>)> {
        let Conn::Http(http) = self else { return None };
        let (upgrade, input) = http.take_upgrade()?;
        http.release(state);
        let mut websocket =
            WebSocket::new(id, &upgrade.answer, upgrade.authenticated, upgrade.session, state);
        if let Some(name) = upgrade.named {
            websocket.name_session(name);
        }
        Some((Conn::WebSocket(Box::new(websocket)), input))
    }

    /// Makes a connection that was asked for.
    pub(super) fn born(id: ConnId, birth: Birth, state: &mut State) -> Conn {
        match birth {
            Birth::Dial(plan) => Conn::Dial(Box::new(Dial::new(id, plan, state))),
            Birth::File(plan) => Conn::File(Box::new(FileWork::new(id, plan, state))),
            Birth::Accepted => Conn::Tcp(Box::new(Tcp::accepted(id, state))),
            Birth::Listen(plan) => Conn::Listener(Listener::new(id, &plan, state)),
            Birth::Connect(plan) => Conn::Tcp(Box::new(Tcp::connect(id, plan, state))),
            Birth::Bind(plan) => Conn::Udp(Box::new(Udp::bind(id, plan, state))),
        }
    }

    pub(super) fn outgoing<'a>(&'a self, state: &'a State) -> Outgoing<'a> {
        match self {
            Conn::Http(http) => http.outgoing(),
            Conn::WebSocket(ws) => ws.outgoing(state),
            Conn::Tcp(tcp) => tcp.outgoing(state),
            Conn::Udp(_) | Conn::Listener(_) | Conn::Dial(_) | Conn::File(_) => Outgoing::Nothing,
        }
    }

    pub(super) fn sent(&mut self, state: &mut State, n: usize) {
        match self {
            Conn::Http(http) => http.sent(state, n),
            Conn::WebSocket(ws) => ws.sent(state, n),
            Conn::Tcp(tcp) => tcp.sent(state, n),
            Conn::Udp(_) | Conn::Listener(_) | Conn::Dial(_) | Conn::File(_) => {}
        }
    }

    pub(super) fn start_transfer(&mut self, state: &mut State) {
        match self {
            Conn::Http(http) => http.start_transfer(state),
            Conn::WebSocket(_)
            | Conn::Tcp(_)
            | Conn::Udp(_)
            | Conn::Listener(_)
            | Conn::Dial(_)
            | Conn::File(_) => {}
        }
    }

    pub(super) fn completed(&mut self, state: &mut State, job: JobId, done: Done) {
        match self {
            Conn::Http(http) => http.completed(state, job, done),
            Conn::File(work) => work.completed(state, done),
            Conn::WebSocket(_) | Conn::Tcp(_) | Conn::Udp(_) | Conn::Listener(_) | Conn::Dial(_) => {
                salvage::salvage(state, done)
            }
        }
    }

    pub(super) fn noted(&mut self, state: &mut State, note: Note) {
        match self {
            Conn::Http(http) => http.noted(state, note),
            Conn::WebSocket(ws) => ws.noted(state, note),
            Conn::Tcp(tcp) => tcp.noted(state, note),
            Conn::Udp(udp) => udp.noted(state, note),
            Conn::Listener(listener) => listener.noted(state, note),
            Conn::Dial(dial) => dial.noted(state, note),
            Conn::File(work) => work.noted(state, note),
        }
    }

    /// Whether, and how, it has ended.
    pub(super) fn end(&self) -> Option<End> {
        match self {
            Conn::Http(http) => http.end(),
            Conn::WebSocket(ws) => ws.end(),
            Conn::Tcp(tcp) => tcp.end(),
            Conn::Udp(udp) => udp.end(),
            Conn::Listener(listener) => listener.end(),
            Conn::Dial(dial) => dial.end(),
            Conn::File(work) => work.end(),
        }
    }

    /// Gives back all that it holds.
    pub(super) fn release(&mut self, state: &mut State) {
        match self {
            Conn::Http(http) => http.release(state),
            Conn::WebSocket(ws) => ws.release(state),
            Conn::Tcp(tcp) => tcp.release(state),
            Conn::Udp(udp) => udp.release(state),
            Conn::Listener(listener) => listener.release(state),
            Conn::Dial(dial) => dial.release(state),
            Conn::File(work) => work.release(state),
        }
    }
}
