//! `/control/open_socket`, `/control/close_socket`: sockets asked for over HTTP, which belong to the newest `/io`
//! connection of their session as if they had been opened there.

use super::answer::Answer;
use super::collect::{Pending, parse};
use super::io::{self, Target, Wish};
use super::names::{self, Resolved};
use super::{Cx, Step, Task};
use crate::conn::http::outbound::Outbound;
use crate::ids::{ConnId, SessionId};
use crate::state::State;
use crate::state::births::{Opened, Report};
use crate::state::channels::Channel;
use crate::state::lookups::Asker;
use crate::state::notes::Note;
use jstorrent_io_proto::errno::Errno;
use jstorrent_io_proto::error::{Code, Refusal};
use jstorrent_io_proto::host::Host;
use jstorrent_io_proto::limits::CONNECT_WAIT_MS_DEFAULT;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OpenBody {
    host: Option<String>,
    port: Option<u16>,
    protocol: Protocol,
    timeout_ms: Option<u32>,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Protocol {
    Tcp,
    Udp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OpenAnswer {
    socket_id: u32,
    local_port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_address: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CloseBody {
    socket_id: u64,
}

/// A socket that is being opened.
#[derive(Debug)]
pub struct OpenSocket {
    me: ConnId,
    channel: ConnId,
    wire: u32,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    /// Where a UDP socket's datagrams are to go by default is being looked up.
    Resolving { host: Box<str>, port: u16 },
    /// Connecting, or binding.
    Opening(ConnId),
    /// It is open, and the answer that names it is on its way.
    Told,
    /// The outcome is known, or was.
    Over(Option<Errno>),
}

/// `POST /control/open_socket`.
pub fn open(cx: &mut Cx<'_>, pending: Pending, body: &[u8]) -> Result<Task, Refusal> {
    let session = pending.session.ok_or(Code::SessionRequired)?;
    let body: OpenBody = parse(body)?;
    let channel = newest_channel(cx.state, session).ok_or(Code::NoIoChannel)?;
    let wire = cx.state.channels.pick_id(channel).ok_or(Code::NoIoChannel)?;
    let phase = match body.protocol {
        Protocol::Tcp => connect(cx, channel, wire, &body)?,
        Protocol::Udp => match (body.host, body.port) {
            (None, None) => bind(cx, channel, wire, None),
            (Some(host), Some(port)) => Phase::Resolving { host: host.into(), port },
            _ => return Err(bad("host and port go together.")),
        },
    };
    cx.state.openings.put(cx.me, Vec::new());
    if let Some(channel) = cx.state.channels.get_mut(channel) {
        channel.openers.push(cx.me);
    }
    Ok(Task::OpenSocket(Box::new(OpenSocket { me: cx.me, channel, wire, phase })))
}

fn bad(detail: &'static str) -> Refusal {
    Refusal::because(Code::BadParameter, detail)
}

fn newest_channel(state: &State, session: SessionId) -> Option<ConnId> {
    let usable = |id: &&ConnId| {
        let channel = state.channels.get(**id);
        channel.is_some_and(|channel| channel.authenticated && !channel.is_closing())
    };
    state.sessions.get(session)?.channels.iter().rev().find(usable).copied()
}

fn connect(cx: &mut Cx<'_>, channel: ConnId, wire: u32, body: &OpenBody) -> Result<Phase, Refusal> {
    let (Some(host), Some(port)) = (&body.host, body.port) else {
        return Err(bad("A TCP socket needs host and port."));
    };
    let wish = Wish {
        from: None,
        no_delay: true,
        wait_ms: body.timeout_ms.map_or(CONNECT_WAIT_MS_DEFAULT, u64::from),
        report: Report::Conn(cx.me),
    };
    let begun = io::check_room(cx.state)
        .and_then(|()| io::begin(cx.state, channel, wire, Target { host, port }, wish));
    Ok(begun.map_or_else(|errno| Phase::Over(Some(errno)), Phase::Opening))
}

fn bind(cx: &mut Cx<'_>, channel: ConnId, wire: u32, to: Option<SocketAddr>) -> Phase {
    match io::check_room(cx.state) {
        Ok(()) => Phase::Opening(io::bind_for(cx.state, channel, wire, to, Report::Conn(cx.me))),
        Err(errno) => Phase::Over(Some(errno)),
    }
}

impl OpenSocket {
    /// The first address of a host, once that is known.
    fn look_up(&self, state: &mut State, host: &str) -> Option<Result<IpAddr, Errno>> {
        let name = match Host::parse(host) {
            None => return Some(Err(Errno::EINVAL)),
            Some(Host::Address(ip)) => return Some(Ok(ip)),
            Some(Host::Name(name)) => name,
        };
        let asker = Asker { channel: self.channel, datagram: true };
        match names::resolve(state, name, self.me, asker) {
            Resolved::Later => None,
            Resolved::TooMany => Some(Err(Errno::ENOBUFS)),
            Resolved::Known(Err(code)) => Some(Err(Errno::from_getaddrinfo(code))),
            Resolved::Known(Ok(addresses)) => Some(addresses.first().copied().ok_or(Errno::EADDRNOTAVAIL)),
        }
    }

    pub(super) fn advance(&mut self, cx: &mut Cx<'_>, out: &Outbound) -> Step {
        if let Phase::Told = self.phase {
            if !out.is_empty() {
                return Step::Wait;
            }
            self.phase = Phase::Over(None);
            return Step::End;
        }
        if let Phase::Resolving { host, port } = &self.phase {
            let resolved = if cx.state.channels.get(self.channel).is_none_or(Channel::is_closing) {
                cx.state.lookups.forget(host, self.me);
                Some(Err(Errno::ECANCELED))
            } else {
                self.look_up(cx.state, host)
            };
            self.phase = match resolved {
                None => return Step::Wait,
                Some(Ok(ip)) => bind(cx, self.channel, self.wire, Some(SocketAddr::new(ip, *port))),
                Some(Err(errno)) => Phase::Over(Some(errno)),
            };
        }
        let outcome = match &mut self.phase {
            Phase::Over(errno) => errno.take().map(Err),
            _ => cx.state.openings.get(cx.me).and_then(|openings| Some(openings.first()?.outcome)),
        };
        match outcome {
            None if self.is_void(cx.state) => Step::Reply(failed(Errno::ECANCELED)),
            None => Step::Wait,
            Some(Ok(opened)) => {
                self.phase = Phase::Told;
                Step::Begin(self.opened(opened))
            }
            Some(Err(errno)) => {
                self.phase = Phase::Over(None);
                Step::Reply(failed(errno))
            }
        }
    }

    /// The channel closed meanwhile, and with it what was being opened.
    fn is_void(&self, state: &State) -> bool {
        let channel = state.channels.get(self.channel);
        channel.is_none_or(|channel| !channel.ids.contains_key(&self.wire))
    }

    fn opened(&self, opened: Opened) -> Answer {
        let remote = opened.remote.map(|remote| remote.ip().to_canonical().to_string());
        Answer::json(&OpenAnswer {
            socket_id: self.wire,
            local_port: opened.local.port(),
            remote_address: remote,
        })
    }

    /// Whoever asked has gone, or has the answer: a socket of which nobody was told all closes.
    pub(super) fn release(&mut self, state: &mut State) {
        if let Some(channel) = state.channels.get_mut(self.channel) {
            channel.openers.retain(|opener| *opener != self.me);
        }
        state.openings.take(self.me);
        match &self.phase {
            Phase::Opening(conn) => state.notes.send(*conn, Note::Close),
            Phase::Resolving { host, .. } => state.lookups.forget(host, self.me),
            Phase::Told => drop(io::close_any(state, self.channel, self.wire)),
            Phase::Over(_) => {}
        }
    }
}

fn failed(errno: Errno) -> Answer {
    let name = errno.known_name().or(errno.getaddrinfo_name()).unwrap_or("EUNKNOWN");
    let detail = format!("The socket could not be opened: {name}.");
    Answer::Refused(Refusal::because(Code::ConnectFailed, detail).with_errno(errno.0, name))
}

/// `POST /control/close_socket`.
pub fn close(cx: &mut Cx<'_>, pending: Pending, body: &[u8]) -> Result<Task, Refusal> {
    let session = pending.session.ok_or(Code::SessionRequired)?;
    let body: CloseBody = parse(body)?;
    let wire = u32::try_from(body.socket_id).map_err(|_| Code::NoSuchSocket)?;
    let channels = cx.state.sessions.get(session).map(|session| session.channels.clone()).unwrap_or_default();
    let closed = channels.into_iter().rev().any(|channel| io::close_any(cx.state, channel, wire));
    if closed { Ok(Task::ready(Answer::done())) } else { Err(Code::NoSuchSocket.into()) }
}
