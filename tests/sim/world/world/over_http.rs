//! The world's part in sockets that are opened over HTTP: when each is there, on which connection, and that nothing is
//! left of those for whom nobody waits any more.

use super::super::io::desk::Task;
use super::super::io::ledger::FIRST_OWN_ID;
use super::super::io::over_http::Bounds;
use super::super::request::What;
use super::{SECOND, World};
use jstorrent_io_daemon::ids::ConnId;

impl World {
    /// What may go wrong with them.
    pub(super) fn bounds(&self) -> Bounds {
        Bounds {
            exiting: self.engine.state.exiting,
            sessions_may_fail: self.swarm.sessions_may_fail(),
            sockets_limited: self.swarm.limits.sockets_max < 1_000,
            binds_fail: self.swarm.io.taken > 0,
        }
    }

    /// What can be seen of a connection that may own sockets.
    pub(super) fn look_at_channel(&mut self, number: usize) {
        if self.swarm.errands > 0
            && let Some(link) = self.io.links.get(&number)
        {
            self.io.desk.look(link, &self.io.clients[link.client].session, self.now);
        }
    }

    /// The system said what became of a connect: a socket that was asked for over HTTP may be open.
    pub(super) fn perhaps_born(&mut self, id: ConnId) {
        let Some(peer) = self.io.peers.get(&id) else { return };
        let course = self.io.net.peers[*peer].course;
        let state = &self.engine.state;
        let (Some(_), Some(socket)) = (self.io.net.courses[course].errand, state.sockets.get(id)) else {
            return;
        };
        let (channel, wire, credit) = (socket.channel, socket.wire, socket.credit.is_some());
        if self.owns(channel, wire, id) {
            let link = self.io_link_of(channel).expect("the connection that owns it");
            self.trace.note(self.now, || format!("{wire} is open on {link}"));
            self.io.tcp_is_born(link, wire, course, credit);
        }
    }

    /// A UDP socket has its port. Those that were asked for over HTTP are known by their ids.
    pub(super) fn perhaps_bound(&mut self, id: ConnId, port: u16) {
        let Some(socket) = self.engine.state.datagrams.get(id) else { return };
        let (channel, wire, default_to) = (socket.channel, socket.wire, socket.default_to);
        if wire >= FIRST_OWN_ID && self.owns(channel, wire, id) {
            let link = self.io_link_of(channel).expect("the connection that owns it");
            self.trace.note(self.now, || format!("{wire} is bound on {link}"));
            self.io.net.defaults.insert(port, default_to);
            self.io.udp_is_born(link, wire, port);
        }
    }

    fn owns(&self, channel: ConnId, wire: u32, id: ConnId) -> bool {
        let channel = self.engine.state.channels.get(channel);
        channel.is_some_and(|channel| channel.ids.get(&wire) == Some(&id))
    }

    /// A connection of a client over HTTP has gone. What was being opened for the first answer that it is owed goes
    /// within the step; what was open is closed by the daemon, since that answer did not go out whole.
    pub(super) fn check_given_up(&mut self, number: usize) {
        let link = &self.links[&number];
        if let Some(What::Socket { errand }) = link.docket.front().map(|first| &first.what)
            && let Task::OpenTcp { course } = self.io.desk.errands[*errand].task
        {
            let course = &mut self.io.net.courses[course];
            if course.open {
                course.ask_aside();
                course.closed = true;
            } else {
                self.to_be_closed.push(course.port);
            }
        }
    }

    /// Where every connection of the session has gone that could be meant, an answer does not wait for anything more.
    pub(super) fn check_answered(&mut self, number: usize) {
        let Some(link) = self.links.get(&number).filter(|_| self.swarm.errands > 0) else { return };
        let takes =
            link.excuse.is_none() && !link.closing && !link.judge.within() && link.socket.unread() == 0;
        let Some(first) = link.docket.front().filter(|_| takes) else { return };
        if let What::Socket { errand } = first.what
            && first.end <= link.socket.consumed()
        {
            let late =
                self.io.desk.lost_since(errand, self.now).is_some_and(|since| self.now > since + SECOND);
            assert!(!late || self.swarm.may_shed(), "{:?} is not answered", self.io.desk.errands[errand]);
        }
    }
}
