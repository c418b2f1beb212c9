//! `/control/open_socket` and `/control/close_socket`: what a client asks, and what may be answered.

use super::super::dice::Dice;
use super::super::request::{Body, Draft, Request, What};
use super::super::response::Response;
use super::client::Scene;
use super::course::{Course, Fate};
use super::desk::{Target, Task};
use super::ledger::Live;
use super::net::{address, address_number, name};
use super::{Io, ops};
use jstorrent_io_proto::errno::Errno;
use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr};

/// What may go wrong without the daemon's fault.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) exiting: bool,
    pub(crate) sessions_may_fail: bool,
    pub(crate) sockets_limited: bool,
    pub(crate) binds_fail: bool,
}

/// What a client sees of its world when it asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) session: &'a str,
    pub(crate) now: u64,
    pub(crate) slow_connects: bool,
    pub(crate) slow_names: bool,
    pub(crate) short_memory: bool,
}

/// Draws a request about a socket.
pub(crate) fn draw(io: &mut Io, dice: &mut Dice, swarm: &super::swarm::IoSwarm, view: View<'_>) -> Request {
    match dice.below(12) {
        0 => refused(dice, view.session),
        1..=4 => close(io, dice, view),
        5..=7 => open_udp(io, dice, view),
        _ => open_tcp(io, dice, swarm, view),
    }
}

fn post(dice: &mut Dice, what: &str, session: Option<&str>, body: &Value, due: What) -> Request {
    let mut draft =
        Draft::new(format!("POST /control/{what}_socket")).field("Content-Type: application/json");
    if let Some(session) = session {
        draft = draft.session(session);
    }
    let body = body.to_string().into_bytes();
    let body = if dice.chance(100) { Body::Chunked(body) } else { Body::Length(body) };
    draft.build(dice, due, body)
}

/// What can't be done, whatever there is.
fn refused(dice: &mut Dice, session: &str) -> Request {
    let (what, body) = match dice.below(7) {
        0 => ("open", json!({"host": "10.0.0.1", "port": 9})),
        1 => ("open", json!({"host": "10.0.0.1", "port": 9, "protocol": "icmp"})),
        2 => ("open", json!({"port": 9, "protocol": "tcp"})),
        3 => ("open", json!({"host": "10.0.0.1", "port": 99_999, "protocol": "tcp"})),
        4 => ("open", json!({"host": "10.0.0.1", "protocol": "udp"})),
        5 => ("close", json!({"socketId": -1})),
        _ => {
            let (what, body) = dice.pick(&[("open", "udp"), ("close", "tcp")]);
            return post(dice, what, None, &json!({"protocol": body, "socketId": 1}), What::Refused(&[400]));
        }
    };
    post(dice, what, Some(session), &body, What::Refused(&[400, 409]))
}

fn open_tcp(io: &mut Io, dice: &mut Dice, swarm: &super::swarm::IoSwarm, view: View<'_>) -> Request {
    let mut course = ops::course(dice, swarm, io.net.next_port());
    course.excuses.slow = view.slow_connects || view.short_memory;
    course.fates = vec![ops::fate(dice, swarm)];
    let mut scene = Scene {
        dice,
        swarm,
        net: &mut io.net,
        now: view.now,
        brisk: false,
        slow_connects: view.slow_connects,
        slow_names: view.slow_names,
        short_memory: view.short_memory,
        token: "",
    };
    let (host, port) = ops::host(&mut scene, &mut course);
    let mut body = json!({"host": host, "port": port, "protocol": "tcp"});
    let silent = course.fates.contains(&Fate::Silent);
    if dice.chance(if silent { 700 } else { 100 }) {
        course.excuses.slow = true;
        let at_length = if silent { 3_000 } else { u32::MAX };
        body["timeoutMs"] = dice.pick(&[0, 1, 50, 1_000, at_length]).into();
    }
    let number = io.net.courses.len();
    let errand = io.desk.add(view.session, view.now, Task::OpenTcp { course: number });
    course.errand = Some(errand);
    io.net.add(course);
    post(dice, "open", Some(view.session), &body, What::Socket { errand })
}

fn open_udp(io: &mut Io, dice: &mut Dice, view: View<'_>) -> Request {
    let mut body = json!({"protocol": "udp"});
    let (host, ip) = match dice.below(6) {
        0 | 1 => (None, None),
        2 => (Some(name(2, 0, dice.below(40))), Some(address(0, false))),
        3 => (Some(dice.pick(&["", "not a host", "n1.e2.u0.sim"]).to_owned()), None),
        4 => (Some("[fd00::7]".to_owned()), Some(address(7, true))),
        _ => (Some("10.0.0.9".to_owned()), Some(address(9, false))),
    };
    let port = dice.between(5_000, 5_003) as u16;
    let strange = host.is_some() && ip.is_none();
    if let Some(host) = host {
        (body["host"], body["port"]) = (host.into(), port.into());
    }
    let to = ip.map(|ip| SocketAddr::new(ip, port));
    let errand = io.desk.add(view.session, view.now, Task::OpenUdp { to, strange });
    post(dice, "open", Some(view.session), &body, What::Socket { errand })
}

fn close(io: &mut Io, dice: &mut Dice, view: View<'_>) -> Request {
    let (wire, target) = target(io, dice, view.session);
    if let Target::Ours { link, live, .. } = target {
        match live {
            Live::Tcp(course) => io.net.courses[course].ask_aside(),
            _ => {
                let link = io.links.get_mut(&link).expect("a connection with a socket");
                *link.ledger.asides.entry(wire as u32).or_default() += 1;
            }
        }
    }
    let errand = io.desk.add(view.session, view.now, Task::Close { wire, target });
    post(dice, "close", Some(view.session), &json!({"socketId": wire}), What::Socket { errand })
}

/// Which socket to close: mostly one that is there, and of those that were opened over HTTP rather than others.
fn target(io: &Io, dice: &mut Dice, session: &str) -> (u64, Target) {
    match dice.below(10) {
        // An id that was never there.
        0 => return (0x9000_0000 + dice.below(1_000), Target::Nobodys),
        1 => return (dice.pick(&[1 << 32, (1 << 32) + 0x8000_0000, u64::MAX]), Target::Nobodys),
        // One that has gone, or has not.
        2 => {
            let number = dice.below(1_000);
            return io
                .desk
                .any_id(number)
                .map_or((7, Target::Nobodys), |id| (id.into(), whose(io, session, id)));
        }
        _ => {}
    }
    let foreign = dice.chance(150);
    let mut known = Vec::new();
    for (number, link) in &io.links {
        let ours = io.desk.is_ours(*number, session).is_some();
        let usable = |wire: &&u32| !link.ledger.is_opening(**wire);
        if ours != foreign {
            known.extend(link.ledger.live.keys().filter(usable).copied());
        }
    }
    let births = known.iter().copied().filter(|wire| io.desk.is_birth(*wire));
    // Those for whose peers the daemon has something that must come before the end.
    let laden = known.iter().copied().filter(|wire| is_laden(io, *wire));
    let chosen: Vec<u32> = if dice.chance(500) { laden.collect() } else { births.collect() };
    let of = if chosen.is_empty() || dice.chance(200) { known } else { chosen };
    if of.is_empty() {
        return (0xA000_0000 + dice.below(1_000), Target::Nobodys);
    }
    let wire = dice.pick(&of);
    (wire.into(), whose(io, session, wire))
}

/// Whether bytes wait for the peer of a socket, which will take them.
fn is_laden(io: &Io, wire: u32) -> bool {
    io.links.values().any(|link| match link.ledger.live.get(&wire) {
        Some(Live::Tcp(course)) => {
            let course = &io.net.courses[*course];
            course.settled > course.carried && course.is_left_alone()
        }
        _ => false,
    })
}

/// Whose an id is. Those that clients pick may be on several connections.
fn whose(io: &Io, session: &str, wire: u32) -> Target {
    let mut target = Target::Nobodys;
    for (number, link) in &io.links {
        let Some(live) = link.ledger.live.get(&wire).copied() else { continue };
        if let (Some(sure), Live::Tcp(_) | Live::Udp { .. }) = (io.desk.is_ours(*number, session), live) {
            assert!(matches!(target, Target::Nobodys), "{wire} is on two connections");
            target = Target::Ours { link: *number, live, sure };
        }
    }
    target
}

/// Judges the answer to one.
pub(crate) fn judge(io: &mut Io, number: usize, bounds: Bounds, response: &Response) {
    let task = io.desk.errands[number].task.clone();
    match task {
        Task::Close { wire, target } => closed(io, number, wire, target, bounds, response),
        _ if response.status == 409 => {
            assert_eq!(response.code(), "no_io_channel");
            let must = io.desk.must_find(&io.desk.errands[number]);
            assert!(!must || bounds.exiting || bounds.sessions_may_fail, "{:?}: {response:?}", io.desk);
        }
        Task::OpenTcp { course } => {
            assert!(io.desk.may_find(&io.desk.errands[number]), "opened for nobody: {response:?}");
            opened_tcp(io, number, course, bounds, response);
        }
        Task::OpenUdp { to, strange } => {
            assert!(io.desk.may_find(&io.desk.errands[number]), "opened for nobody: {response:?}");
            opened_udp(io, number, (to, strange), bounds, response);
        }
    }
}

fn json_of(response: &Response) -> Value {
    serde_json::from_slice(&response.body).unwrap_or_else(|_| panic!("JSON was due: {response:?}"))
}

/// The id that an answer names, and the connection and socket behind it.
fn told(io: &mut Io, number: usize, answer: &Value) -> (usize, Live) {
    let id = answer["socketId"].as_u64().and_then(|id| u32::try_from(id).ok()).expect("32 bits");
    let (link, live) = io.desk.tell(id);
    io.desk.check_owner(&io.desk.errands[number], link);
    (link, live)
}

fn opened_tcp(io: &mut Io, number: usize, course: usize, bounds: Bounds, response: &Response) {
    if response.status != 200 {
        let errno = failed(io, number, bounds, response);
        let course = &mut io.net.courses[course];
        assert!(!course.open, "{errno:?} of one that is open: {course:?}");
        match errno {
            None | Some(Errno::EMFILE) => {}
            Some(errno) => course.connected(errno),
        }
        return;
    }
    let answer = json_of(response);
    let (_, live) = told(io, number, &answer);
    assert_eq!(live, Live::Tcp(course), "the id of another socket");
    assert_eq!(answer["localPort"], 1, "{answer}");
    let remote: IpAddr =
        answer["remoteAddress"].as_str().and_then(|text| text.parse().ok()).expect("an address");
    let fate = io.net.courses[course].fates[address_number(remote)];
    assert_eq!(fate, Fate::Connects, "{answer}");
}

fn opened_udp(
    io: &mut Io,
    number: usize,
    (to, strange): (Option<SocketAddr>, bool),
    bounds: Bounds,
    response: &Response,
) {
    if response.status != 200 {
        let may = match failed(io, number, bounds, response) {
            None | Some(Errno::EMFILE) => true,
            Some(Errno::EADDRINUSE) => bounds.binds_fail,
            Some(errno) => strange && (errno == Errno::EINVAL || errno.getaddrinfo().is_some()),
        };
        return assert!(may, "for no reason: {response:?}");
    }
    assert!(!strange, "to nowhere: {response:?}");
    let answer = json_of(response);
    let (_, live) = told(io, number, &answer);
    let Live::Udp { port, .. } = live else { panic!("the id of another socket: {live:?}") };
    assert_eq!(answer["localPort"], port, "{answer}");
    assert!(answer.get("remoteAddress").is_none(), "{answer}");
    assert_eq!(io.net.defaults.get(&port), Some(&to), "its default destination");
}

/// Why a socket could not be opened; `None` where that is certainly right.
fn failed(io: &Io, number: usize, bounds: Bounds, response: &Response) -> Option<Errno> {
    assert_eq!((response.status, response.code().as_str()), (502, "connect_failed"), "{response:?}");
    let answer = json_of(response);
    let errno =
        Errno(answer["errno"].as_u64().and_then(|errno| u32::try_from(errno).ok()).expect("a number"));
    let due = errno.known_name().or(errno.getaddrinfo_name());
    assert_eq!(answer["errnoName"].as_str(), due, "{errno}");
    match errno {
        Errno::EMFILE => assert!(bounds.sockets_limited, "there is room: {response:?}"),
        Errno::ECANCELED if bounds.exiting || io.desk.may_have_lost(&io.desk.errands[number]) => return None,
        _ => {}
    }
    Some(errno)
}

fn closed(io: &mut Io, number: usize, wire: u64, target: Target, bounds: Bounds, response: &Response) {
    let wire = wire as u32;
    match (response.status, target) {
        (200, Target::Nobodys) => panic!("{wire} is not the session's: {:?}", io.desk.errands[number]),
        (200, Target::Ours { live: Live::Tcp(course), .. }) => io.net.courses[course].closed = true,
        (200, Target::Ours { link, .. }) => {
            let live = io.links.get_mut(&link).and_then(|link| link.ledger.live.get_mut(&wire));
            if let Some(Live::Udp { closing, .. }) = live {
                *closing = true;
            }
        }
        (404, Target::Nobodys) => assert_eq!(response.code(), "no_such_socket"),
        (404, Target::Ours { link, live, sure }) => {
            assert_eq!(response.code(), "no_such_socket");
            let Some(link) = io.links.get(&link).filter(|link| !link.is_ending()) else { return };
            let lives = match live {
                Live::Tcp(course) => is_untouched(&io.net.courses[course]),
                _ => {
                    let open = matches!(link.ledger.live.get(&wire), Some(Live::Udp { closing: false, .. }));
                    open && link.ledger.asides.get(&wire) == Some(&1)
                }
            };
            let excused = bounds.exiting || bounds.sessions_may_fail || !sure;
            assert!(!lives || excused, "{wire} is open: {live:?}");
        }
        _ => panic!("{response:?}"),
    }
}

/// Whether a socket that was asked to close once can't have closed for another reason.
fn is_untouched(course: &Course) -> bool {
    course.is_left_alone() && course.asides == 1 && !course.excuses.lost
}
