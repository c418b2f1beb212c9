//! The world's part in `/io`: it carries out what the engine wants of sockets, gives each its turn as the reactor does,
//! and lets clients, peers and the weather act.

use super::super::io::client::{self, IoClient, IoWish, Scene};
use super::super::io::ledger::{Live, Troubles};
use super::super::io::link::{IoLink, Stage};
use super::super::io::net::Server;
use super::super::io::udp::{Datagram, SimUdp};
use super::super::io::{IoEvent, draw_course};
use super::super::request::TOKEN;
use super::super::socket::SimSocket;
use super::{Event, SECOND, Source, World};
use jstorrent_io_daemon::engine::Engine;
use jstorrent_io_daemon::ids::ConnId;
use jstorrent_io_daemon::reactor::turn::Ready;
use jstorrent_io_daemon::state::effects::Effect;
use jstorrent_io_proto::errno::Errno;
use jstorrent_io_proto::limits::{CLOSE_LINGER_MS, PEER_STALL_MS_MAX_FULL};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

/// Peers accepted before others get their turn, as in the reactor.
const ACCEPTS_A_TURN: usize = 64;
/// How long what is healthy may take to come to its end, however the others fare, in microseconds.
const CALM_US: u64 = 8 * SECOND;

impl World {
    /// Clients of `/io`.
    pub(super) fn io_people(&mut self) {
        for index in 0..self.swarm.io.clients {
            let session = format!("session-{}", self.dice.below(self.swarm.sessions));
            let links_left = self.swarm.io.links;
            self.io.clients.push(IoClient { index, session, links_left, link: None });
            let at = self.dice.size(2 * self.swarm.io.act_us_max);
            self.agenda.put(at, Event::Io(IoEvent::Act(index)));
        }
        if self.swarm.io.clients > 0 {
            self.agenda.put(1_000, Event::Io(IoEvent::Weather));
        }
    }

    /// Whether no client of `/io` begins anything more.
    pub(super) fn io_is_done(&self) -> bool {
        self.io.clients.iter().all(|client| match client.link {
            Some(number) => self.io.links[&number].ops_left == 0 && client.links_left == 0,
            None => client.links_left == 0,
        })
    }

    /// Whether all of them have left.
    pub(super) fn io_has_left(&self) -> bool {
        self.io.clients.iter().all(|client| client.link.is_none() && client.links_left == 0)
    }

    pub(super) fn io_event(&mut self, event: IoEvent) {
        match event {
            IoEvent::Act(index) => self.io_act(index),
            IoEvent::Peer(number) => self.peer_acts(number),
            IoEvent::Outcome(id) => self.peer_answers(id),
            IoEvent::Datagram(port, datagram) => self.datagram_comes(port, datagram),
            IoEvent::Widen(port) => {
                if let Some(udp) = self.io.net.udps.get_mut(&port) {
                    udp.widen();
                }
            }
            IoEvent::Weather => self.weather(),
        }
    }

    fn io_act(&mut self, index: usize) {
        let Some(number) = self.io.clients[index].link else { return self.io_connect(index) };
        let client = &mut self.io.clients[index];
        let link = self.io.links.get_mut(&number).expect("a link of a client is there");
        if link.ops_left == 0 && client.links_left > 0 {
            link.is_done_early = true;
        }
        let mut scene = Scene {
            dice: &mut self.dice,
            swarm: &self.swarm.io,
            net: &mut self.io.net,
            now: self.now,
            brisk: self.recovering,
            slow_connects: self.swarm.limits.connects_max < 1_000,
            slow_names: self.workers.pace.name_us_max > 100_000,
            short_memory: self.swarm.limits.bulk_bytes_max < 60 << 20,
            token: TOKEN,
        };
        let wish = client::act(link, &mut scene, &client.session);
        let seen = (link.stage, link.has_sent_all(), link.socket.unread(), link.ledger.heard);
        self.trace.note(self.now, || format!("/io client {index} on {number}: {wish:?} {seen:?}"));
        self.note_log(number);
        if self.io.links[&number].is_ending() {
            self.excuse_courses(number);
        }
        self.look_at_channel(number);
        match wish {
            IoWish::Again(wait) => self.agenda.put(self.now + wait, Event::Io(IoEvent::Act(index))),
            IoWish::Leave => {
                self.io.clients[index].link = None;
                self.excuse_courses(number);
                self.look_at_channel(number);
                let link = &self.io.links[&number];
                if link.id.is_none_or(|id| !self.engine.is_live(id)) && !self.backlog.contains(&number) {
                    self.forget_io_link(number);
                }
                self.agenda.put(self.now + 1, Event::Io(IoEvent::Act(index)));
            }
        }
    }

    fn io_connect(&mut self, index: usize) {
        let client = &mut self.io.clients[index];
        if client.links_left == 0 || self.recovering || !self.listening {
            client.links_left = 0;
            return;
        }
        client.links_left -= 1;
        let session = client.session.clone();
        let min = 1 + self.swarm.io.course_max / 300;
        let max = self.swarm.io.kernel_bytes_max;
        let [inward, outward] = [(); 2].map(|()| min.max(self.dice.size(max)) as usize);
        let socket = Rc::new(SimSocket::new(inward, outward, self.swarm.io.interrupt_every));
        self.links_made += 1;
        let number = self.links_made;
        self.trace.note(self.now, || format!("/io client {index} connects as {number}"));
        let ops = self.dice.size(self.swarm.io.ops);
        let mut link = IoLink::new(socket, number, index, ops, self.trace.is_mute());
        let mut scene = Scene {
            dice: &mut self.dice,
            swarm: &self.swarm.io,
            net: &mut self.io.net,
            now: self.now,
            brisk: false,
            slow_connects: false,
            slow_names: false,
            short_memory: false,
            token: TOKEN,
        };
        client::open_file(&mut link, &mut scene, &session, number);
        self.io.links.insert(number, link);
        self.io.clients[index].link = Some(number);
        self.backlog.push_back(number);
        self.agenda.put(self.now, Event::Io(IoEvent::Act(index)));
    }

    /// The connection of a client has gone, or is about to: what was opened on it ends as it may.
    fn excuse_courses(&mut self, number: usize) {
        let courses = self.io.net.courses.iter_mut();
        courses.filter(|course| course.link == Some(number)).for_each(|course| course.excuses.lost = true);
    }

    fn forget_io_link(&mut self, number: usize) {
        let Some(mut link) = self.io.links.remove(&number) else { return };
        if let Some(shadow) = link.ledger.abandon() {
            self.shadow.files.push(shadow);
        }
    }

    fn peer_acts(&mut self, number: usize) {
        let peer = &mut self.io.net.peers[number];
        if !peer.established || peer.over {
            return;
        }
        let course = &mut self.io.net.courses[peer.course];
        let swarm = &self.swarm.io;
        let waits = peer.act(course, &mut self.dice, self.recovering, swarm.piece_max);
        let seen = (course.port, course.sent, course.delivered, course.fin_after, peer.over);
        course.carried = course.carried.max(peer.socket.carried());
        self.trace.note(self.now, || format!("peer {number}: {seen:?}"));
        let (pace, most) =
            if self.recovering { (300, 50_000) } else { (1 + self.dice.size(swarm.act_us_max), 1_000_000) };
        let wait = (pace * waits).min(most).max(pace);
        if !self.io.net.peers[number].over {
            self.agenda.put(self.now + wait, Event::Io(IoEvent::Peer(number)));
        }
    }

    /// The system's word on a connect is an event of its socket.
    fn peer_answers(&mut self, id: ConnId) {
        let Some(source) = self.sources.get_mut(&id.slot).filter(|source| source.id == id) else { return };
        let Some(Some(outcome)) = source.connecting else { return };
        source.answered = true;
        let peer = self.io.peers[&id];
        if outcome.is_ok() {
            source.socket.establish();
            self.io.net.peers[peer].established = true;
            self.agenda.put(self.now, Event::Io(IoEvent::Peer(peer)));
        } else {
            source.socket.client_reset();
        }
    }

    fn datagram_comes(&mut self, port: u16, datagram: Datagram) {
        let Some(udp) = self.io.net.udps.get_mut(&port) else { return };
        self.trace.note(self.now, || format!("{datagram:?} comes to {port}"));
        if udp.put(datagram.clone()) {
            self.io.net.inward.entry(port).or_default().add(datagram);
        }
    }

    /// Peers knock and datagrams come, as long as there is trouble.
    fn weather(&mut self) {
        if self.recovering {
            return;
        }
        let servers: Vec<u16> = self.io.net.servers.keys().copied().collect();
        if !servers.is_empty() && self.dice.chance(self.swarm.io.knocks) && self.io.net.courses.len() < 2_000
        {
            let at = self.dice.pick(&servers);
            let mut course = draw_course(&mut self.dice, &self.swarm.io, self.io.net.next_port());
            course.server = Some(at);
            let peer = self.io.net.knock(at, course, &mut self.dice, &self.swarm.io);
            self.trace.note(self.now, || format!("peer {peer} knocks at {at}"));
            self.agenda.put(self.now, Event::Io(IoEvent::Peer(peer)));
        }
        let ports: Vec<u16> = self.io.net.udps.keys().copied().collect();
        if !ports.is_empty() && self.dice.chance(300) {
            let port = self.dice.pick(&ports);
            let remote = SocketAddr::new(Ipv4Addr::new(10, 3, 0, 1).into(), 9);
            let datagram = self.new_datagram(remote);
            self.datagram_comes(port, datagram);
        }
        let next = 1 + self.dice.size(10 * self.swarm.io.act_us_max) + self.now / 50;
        self.agenda.put(self.now + next, Event::Io(IoEvent::Weather));
    }

    fn new_datagram(&mut self, remote: SocketAddr) -> Datagram {
        self.io.net.datagrams += 1;
        let length = self.dice.size(self.swarm.io.datagram_max) as usize;
        Datagram { number: self.io.net.datagrams, length, remote }
    }

    /// Carries out an effect that is about sockets of `/io` clients.
    pub(super) fn carry_io(&mut self, effect: Effect) {
        match effect {
            Effect::Connect { id, to, .. } => self.io_dial(id, to),
            Effect::BindUdp { id, at } => {
                let taken =
                    self.io.net.udps.contains_key(&at.port()) || self.dice.chance(self.swarm.io.taken);
                let bound = self.io.net.bind(at.port(), taken);
                self.trace.note(self.now, || format!("{id:?} binds {at}: {bound:?}"));
                if let Ok(port) = bound {
                    let (blocks, refuses) = (self.swarm.io.blocks, self.swarm.io.refuses);
                    self.io.net.udps.insert(port, SimUdp::new(id, blocks, refuses));
                }
                self.engine.datagram_bound(id, bound);
                if let Ok(port) = bound {
                    self.perhaps_bound(id, port);
                }
            }
            Effect::Listen { id, at, .. } => {
                let taken =
                    self.io.net.servers.contains_key(&at.port()) || self.dice.chance(self.swarm.io.taken);
                let bound = self.io.net.bind(at.port(), taken);
                self.trace.note(self.now, || format!("{id:?} listens at {at}: {bound:?}"));
                if let Ok(port) = bound {
                    let server = Server { id, backlog: Default::default(), edge: false, waiting: false };
                    self.io.net.servers.insert(port, server);
                }
                self.engine.listening(id, bound);
            }
            Effect::Membership { id, request_id, .. } => {
                if self.dice.chance(self.swarm.io.refuses) {
                    self.engine.membership_failed(id, request_id, Errno::EADDRNOTAVAIL);
                }
            }
            other => unreachable!("no effect of sockets: {other:?}"),
        }
    }

    fn io_dial(&mut self, id: ConnId, to: SocketAddr) {
        let dialled = self.io.net.connect(to, &mut self.dice, &self.swarm.io);
        self.trace.note(self.now, || format!("{id:?} connects to {to}"));
        match dialled {
            Err(errno) => self.engine.connected(id, Err(errno)),
            Ok(dialled) => {
                self.io.peers.insert(id, dialled.peer);
                let connecting = Some(dialled.outcome);
                let ready = Ready::default();
                let source = Source { id, socket: dialled.socket, ready, connecting, answered: false };
                self.sources.insert(id.slot, source);
                let at = self.now + self.dice.size(100_000);
                self.agenda.put(at, Event::Io(IoEvent::Outcome(id)));
            }
        }
    }

    /// Edges of what is no stream.
    pub(super) fn io_edges(&mut self) {
        for server in self.io.net.servers.values_mut().filter(|server| server.edge) {
            server.edge = false;
            server.waiting = true;
            self.engine.state.turns.want(server.id);
        }
        for udp in self.io.net.udps.values_mut() {
            if udp.take_edge() {
                self.engine.state.turns.want(udp.id);
            }
        }
    }

    /// The turn of a UDP socket or a listener.
    pub(super) fn io_turn(&mut self, id: ConnId) {
        if let Some((port, udp)) = self.io.net.udp(id) {
            let blocked = udp.turn(&mut self.engine, &mut self.dice);
            let departed = std::mem::take(&mut udp.departed);
            for (to, bytes, goes) in departed {
                self.io.net.outward.entry(port).or_default().arrived(to, &bytes);
                if goes && self.dice.chance(300) {
                    let answer = self.new_datagram(to);
                    let at = self.now + self.dice.size(10_000);
                    self.agenda.put(at, Event::Io(IoEvent::Datagram(port, answer)));
                }
            }
            if blocked {
                let at = self.now + 1 + self.dice.size(10_000);
                self.agenda.put(at, Event::Io(IoEvent::Widen(port)));
            }
            return self.carry();
        }
        self.accept_peers(id);
        self.carry();
    }

    fn accept_peers(&mut self, id: ConnId) {
        for _ in 0..ACCEPTS_A_TURN {
            let Some((_, server)) = self.io.net.server(id) else { return };
            if !server.waiting || !self.engine.may_accept_peer(id) {
                return;
            }
            let Some((_, server)) = self.io.net.server(id) else { return };
            let Some(number) = server.backlog.pop_front() else {
                server.waiting = false;
                continue;
            };
            let peer = &self.io.net.peers[number];
            let port = self.io.net.courses[peer.course].port;
            let socket = peer.socket.clone();
            let remote = SocketAddr::new(Ipv4Addr::new(10, 1, 0, 1).into(), port);
            let Some(conn) = self.engine.accept_peer(id, remote) else {
                socket.engine_close(false);
                continue;
            };
            self.trace.note(self.now, || format!("peer {number} is accepted as {conn:?}"));
            self.io.peers.insert(conn, number);
            let ready = Ready::default();
            self.sources
                .insert(conn.slot, Source { id: conn, socket, ready, connecting: None, answered: false });
        }
        self.engine.state.turns.want(id);
    }

    /// A source that the engine closes was a peer's, or a client's of `/io`; else it is none of these.
    pub(super) fn close_io(&mut self, id: ConnId, socket: &SimSocket, abort: bool) -> bool {
        if let Some(peer) = self.io.peers.remove(&id) {
            let peer = &self.io.net.peers[peer];
            let course = &mut self.io.net.courses[peer.course];
            course.carried = course.carried.max(socket.carried());
            socket.engine_close(abort);
            return true;
        }
        let Some(number) = self.io_link_of(id) else { return false };
        self.hear_io_one(number);
        socket.engine_close(abort);
        let exiting = self.engine.state.exiting;
        let may_shed = self.swarm.may_shed();
        let link = self.io.links.get_mut(&number).expect("just found");
        if exiting {
            link.excuse.get_or_insert("the end");
        }
        if may_shed && !(link.stage == Stage::Messages && link.ledger.authenticated) {
            link.excuse.get_or_insert("made room for others");
        }
        let is_doomed = link.is_ending() || link.doom.is_some();
        if is_doomed && (self.swarm.limits.linger_ms < 2_000 || abort) {
            link.excuse.get_or_insert("its last word was not waited for");
        }
        if self.now - link.read_at.0 > 80 * SECOND {
            link.excuse.get_or_insert("not heard for long");
        }
        link.bury();
        self.check_closed_with(number);
        self.io.desk.gone(number, self.now);
        self.excuse_courses(number);
        if self.io.links[&number].left {
            self.forget_io_link(number);
        }
        true
    }

    /// What was opened on a connection closes with it, unless it is taking its leave anyway.
    fn check_closed_with(&mut self, number: usize) {
        let link = &self.io.links[&number];
        for live in link.ledger.live.values() {
            if let Live::Tcp(course) = live {
                let course = &self.io.net.courses[*course];
                if course.is_left_alone() && !course.is_given_up() {
                    self.to_be_closed.push(course.port);
                }
            }
        }
    }

    pub(super) fn io_link_of(&self, id: ConnId) -> Option<usize> {
        self.io.links.iter().find(|(_, link)| link.id == Some(id)).map(|(number, _)| *number)
    }

    /// Everything that was sent is judged.
    pub(super) fn hear_io(&mut self) {
        for (id, peer) in &self.io.peers {
            let peer = &self.io.net.peers[*peer];
            let course = &mut self.io.net.courses[peer.course];
            course.carried = course.carried.max(peer.socket.carried());
            debug_assert!(self.sources.contains_key(&id.slot));
        }
        let numbers: Vec<usize> = self.io.links.keys().copied().collect();
        for number in numbers {
            self.hear_io_one(number);
        }
        self.check_what_closes();
    }

    fn check_what_closes(&mut self) {
        for port in std::mem::take(&mut self.to_be_closed) {
            let of = |peer: &usize| self.io.net.courses[self.io.net.peers[*peer].course].port == port;
            assert!(!self.io.peers.values().any(of), "{port} outlives its client");
        }
    }

    fn hear_io_one(&mut self, number: usize) {
        let exiting = self.engine.state.exiting;
        let Some(link) = self.io.links.get_mut(&number) else { return };
        let troubles = Troubles {
            disk_faults: self.workers.disk.fault_count() > 0,
            no_session: self.swarm.sessions_may_fail() || !link.has_session || self.now > 25 * SECOND,
            roots_changed: self.roots_changed,
            works_limited: self.swarm.limits.file_write_bytes_max < 1 << 20
                || self.swarm.limits.file_works_max < 100
                || self.swarm.limits.write_floor_bytes < 1 << 20
                    && self.swarm.limits.bulk_bytes_max < 60 << 20
                || self.swarm.io.course_max > 100_000,
            sockets_limited: self.swarm.limits.sockets_max < 1_000,
        };
        if exiting {
            link.excuse.get_or_insert("the end");
        }
        let consumed = link.socket.consumed();
        if consumed > link.read_at.1 || !link.ledger.authenticated {
            link.read_at = (self.now, consumed);
        }
        let before = link.ledger.heard;
        link.hear(&mut self.io.net, &troubles, &mut self.dice);
        let after = link.ledger.heard;
        let ends = link.is_ending() && (after > before || !std::mem::replace(&mut link.is_excused, true));
        self.note_log(number);
        self.look_at_channel(number);
        if ends {
            self.excuse_courses(number);
        }
        if after > before {
            self.io.messages += after - before;
            self.trace.note(self.now, || format!("{number} is told {} messages", after - before));
        }
    }

    /// What a client said and was told since it was noted last.
    fn note_log(&mut self, number: usize) {
        let Some(link) = self.io.links.get_mut(&number) else { return };
        for line in link.log.drain(..) {
            self.trace.note(self.now, || format!("{number} {line}"));
        }
    }

    /// No more faults: what is healthy must come to its end soon, and nobody waits for those who are not.
    pub(super) fn io_recovers(&mut self) -> u64 {
        for client in &mut self.io.clients {
            client.links_left = 0;
            self.agenda.put(self.now, Event::Io(IoEvent::Act(client.index)));
        }
        for link in self.io.links.values_mut() {
            link.ops_left = 0;
        }
        self.swarm.io.blocks = 0;
        if self.io.clients.is_empty() {
            return 0;
        }
        let opening = self.io.links.values().map(|link| link.ledger.owed.len());
        let stalled = (self.io.peers.len() + opening.sum::<usize>()) as u64;
        let limits = &self.swarm.limits;
        // Where memory for peers is short, each that takes nothing may hold up the others until it is closed.
        let is_short = limits.bulk_bytes_max < 60 << 20;
        let one_by_one = stalled * (PEER_STALL_MS_MAX_FULL + 2_000) * 1_000 + 7 * SECOND;
        let patience = if is_short { one_by_one } else { 0 };
        let patience = patience + if limits.file_write_bytes_max < 1 << 20 { 7 * SECOND } else { 0 };
        self.io.calm_by = Some(self.now + CALM_US + patience);
        patience + CLOSE_LINGER_MS * 1_000 + 12 * SECOND
    }

    /// Whoever is healthy has come to its end by now.
    pub(super) fn io_check_calm(&self) {
        if self.io.calm_by.is_none_or(|by| self.now < by) {
            return;
        }
        for link in self.io.links.values().filter(|link| link.excuse.is_none() && !link.is_doomed) {
            for (wire, course) in client::tcp(link) {
                let course = &self.io.net.courses[course];
                let waits =
                    client::must_complete(course) && !course.is_complete() && !link.ledger.is_opening(wire);
                assert!(!waits, "{wire} waits for others: {course:?}\n{}", link.situation(&self.io.net));
            }
        }
    }

    pub(super) fn io_situation(&self) -> String {
        let links: Vec<_> = self.io.links.values().map(|link| link.situation(&self.io.net)).collect();
        let state = &self.engine.state;
        format!(
            "{}\n{:?}\n{} B for peers, {} for clients, {} works, {} gathered, {} connections, {:?}",
            links.join("\n"),
            state.buffers,
            state.sockets.held(),
            state.channels.waiting(),
            state.works.count(),
            state.gathering.small_bytes() + state.gathering.block_bytes(),
            self.engine.connections(),
            state.metrics
        )
    }
}

/// As the reactor takes the first event of a connecting socket in; false where it does not tell yet.
pub(super) fn outcome(engine: &mut Engine, source: &mut Source) -> bool {
    let Some(outcome) = source.connecting else { return true };
    let Some(outcome) = outcome.filter(|_| source.answered) else { return true };
    source.connecting = None;
    engine.connected(source.id, outcome);
    false
}
