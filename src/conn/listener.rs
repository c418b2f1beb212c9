//! A listening socket of an `/io` connection. It has no bytes: peers that come become connections of their own
//! (`service::io::accept`).

use crate::conn::End;
use crate::ids::ConnId;
use crate::state::State;
use crate::state::births::Listen;
use crate::state::effects::Effect;
use crate::state::notes::Note;
use jstorrent_io_proto::errno::Errno;
use jstorrent_io_proto::message::{ServerMessage, Status};

/// A listening socket.
#[derive(Debug)]
pub struct Listener {
    id: ConnId,
    channel: ConnId,
    wire: u32,
    /// The request that the system's word answers; `None` once it has come.
    asked_by: Option<u32>,
    end: Option<End>,
}

impl Listener {
    /// A socket that is to listen.
    pub fn new(id: ConnId, plan: &Listen, state: &mut State) -> Listener {
        let Listen { channel, wire, at, both_families, request_id } = *plan;
        state.effects.push_back(Effect::Listen { id, at, both_families });
        Listener { id, channel, wire, asked_by: Some(request_id), end: None }
    }

    /// The system's word: the port that it listens on, or why it doesn't.
    pub fn listening(&mut self, state: &mut State, outcome: Result<u16, Errno>) {
        let Some(request_id) = self.asked_by.take() else { return };
        if outcome.is_ok() {
            state.metrics.tcp_servers += 1;
        } else {
            self.finish(state);
        }
        let (status, bound_port, errno) = match outcome {
            Ok(port) => (Status::Good, port, Errno::NONE),
            Err(errno) => (Status::Failed, 0, errno),
        };
        let message = ServerMessage::TcpListenResult { server_id: self.wire, status, bound_port, errno };
        state.tell(self.channel, request_id, &message);
    }

    /// A note came.
    pub fn noted(&mut self, state: &mut State, note: Note) {
        match note {
            // Nothing is kept for those who wait to be accepted: the kernel refuses them.
            Note::Close | Note::Cut if self.asked_by.is_some() => {
                self.listening(state, Err(Errno::ECANCELED));
            }
            Note::Close | Note::Cut => {
                state.metrics.tcp_servers -= u64::from(self.end.is_none());
                self.finish(state);
            }
            Note::ReadOn => state.turns.want(self.id),
            _ => {}
        }
    }

    fn finish(&mut self, state: &mut State) {
        self.end = Some(End { abort: false });
        // TCP_STOP_LISTEN has freed the id, and something else may have it by now.
        if let Some(channel) = state.channels.get_mut(self.channel)
            && channel.ids.get(&self.wire) == Some(&self.id)
        {
            channel.ids.remove(&self.wire);
        }
    }

    /// Whether, and how, it has ended.
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// Gives back all that it holds.
    pub fn release(&mut self, state: &mut State) {
        state.servers.take(self.id);
        state.waiting_servers.retain(|other| *other != self.id);
    }
}
