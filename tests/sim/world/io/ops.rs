//! What a client of `/io` asks next: something that it may ask, by what it has open and was told, or something that must
//! be refused.

use super::super::dice::Dice;
use super::super::request::{PORT, data};
use super::client::{REGIONS, Scene, tcp};
use super::course::{Course, Fate, Fin, Reads, Temper};
use super::ledger::{Due, FIRST_OWN_ID, Live};
use super::link::IoLink;
use super::net::{address, name};
use super::swarm::IoSwarm;
use super::udp::Datagram;
use super::{hostile, pattern};
use jstorrent_io_proto::digest::Digest;
use jstorrent_io_proto::errno::Errno;
use jstorrent_io_proto::frame;
use jstorrent_io_proto::limits::FILE_READ_BYTES_MAX;
use jstorrent_io_proto::message::{ClientMessage, ConnectOptions};
use sha1::Digest as _;
use std::net::SocketAddr;

/// Draws one.
pub(crate) fn draw(link: &mut IoLink, scene: &mut Scene<'_>) {
    if scene.dice.chance(scene.swarm.hostile) && scene.dice.chance(400) {
        return hostile::draw(link, scene);
    }
    match scene.dice.below(20) {
        0..=4 => connect(link, scene),
        5..=8 => send(link, scene),
        9 => close(link, scene),
        10 => listen(link, scene),
        11 | 12 => bind(link, scene),
        13..=15 => send_datagram(link, scene),
        16 => read(link, scene),
        17 => write(link, scene),
        18 => close_any_other(link, scene),
        _ => small_talk(link, scene),
    }
}

/// Sends a message; text now and then for whoever speaks it.
pub(crate) fn push(link: &mut IoLink, scene: &mut Scene<'_>, request: u32, message: &ClientMessage<'_>) {
    let text = link.ledger.json && scene.dice.chance(700);
    link.push(scene.dice, scene.swarm.fragment, text, request, message);
}

/// An id that is free; or, to be refused, one that is not.
fn new_id(link: &IoLink, scene: &mut Scene<'_>) -> u32 {
    let dice = &mut *scene.dice;
    if dice.chance(20) {
        return FIRST_OWN_ID | dice.below(10) as u32;
    }
    if dice.chance(30)
        && let Some(id) = link.ledger.live.keys().next()
    {
        return *id;
    }
    loop {
        let id = dice.below(1 << 30) as u32 & 0x7FFF_FFFF;
        if !link.ledger.live.contains_key(&id) && !link.ledger.is_opening(id) {
            return id;
        }
    }
}

fn temper(dice: &mut Dice, swarm: &IoSwarm) -> Temper {
    let reads = if dice.chance(swarm.stalled) {
        Reads::Never
    } else if dice.chance(swarm.slow) {
        Reads::Slowly
    } else {
        Reads::All
    };
    Temper {
        reads,
        echo: dice.chance(300),
        fin: dice.pick(&[Fin::WhenDone, Fin::AfterUs, Fin::AfterUs, Fin::First]),
        breaks: dice.chance(swarm.breaks).then(|| (dice.size(60), dice.chance(500))),
    }
}

/// A course as the dice choose it.
pub(crate) fn course(dice: &mut Dice, swarm: &IoSwarm, port: u16) -> Course {
    let mut temper = temper(dice, swarm);
    if temper.echo && temper.fin == Fin::WhenDone {
        temper.fin = Fin::AfterUs;
    }
    Course::new(port, temper, dice.size(swarm.course_max), dice.size(swarm.course_max))
}

/// What becomes of a connect.
pub(super) fn fate(dice: &mut Dice, swarm: &IoSwarm) -> Fate {
    if !dice.chance(swarm.failing) {
        return Fate::Connects;
    }
    match dice.below(4) {
        0 => Fate::Silent,
        1 => Fate::AtOnce(Errno::ENETUNREACH),
        _ => Fate::Refuses(dice.pick(&[Errno::ECONNREFUSED, Errno::EHOSTUNREACH])),
    }
}

fn connect(link: &mut IoLink, scene: &mut Scene<'_>) {
    if tcp(link).count() >= scene.swarm.sockets && scene.dice.chance(900) {
        return send(link, scene);
    }
    let mut course = course(scene.dice, scene.swarm, scene.net.next_port());
    course.link = Some(link.number);
    course.granted_down = link.ledger.recv_window;
    course.excuses.slow = scene.slow_connects || scene.short_memory;
    course.fates = vec![fate(scene.dice, scene.swarm)];
    let (host, port) = host(scene, &mut course);
    let options = options(scene.dice, &mut course);
    let wire = new_id(link, scene);
    let request = link.request();
    let number = scene.net.add(course);
    link.ledger.owe(request, wire, Due::Connected { course: number });
    push(
        link,
        scene,
        request,
        &ClientMessage::TcpConnect { socket_id: wire, port, host: host.into(), options },
    );
}

/// Where a connect goes: an address, a name, or what is none.
pub(super) fn host(scene: &mut Scene<'_>, course: &mut Course) -> (String, u16) {
    let dice = &mut *scene.dice;
    if dice.chance(30) {
        course.fates.clear();
        course.errors = vec![Errno::EINVAL, Errno::EACCES, Errno::from_getaddrinfo(1)];
        let host =
            dice.pick(&["", "127.0.0.1", "::1", "[::1]", "0.0.0.0", "own.sim", "not a host", "10.0.0.0:1"]);
        course.excuses.slow |= scene.slow_names;
        return (host.to_owned(), PORT);
    }
    if dice.chance(scene.swarm.names) {
        return (names(scene, course), course.port);
    }
    let host = dice.pick(&["10.0.0.0", "fd00::", "[fd00::]"]);
    (host.to_owned(), course.port)
}

fn names(scene: &mut Scene<'_>, course: &mut Course) -> String {
    let dice = &mut *scene.dice;
    course.by_name = true;
    course.excuses.slow |= scene.slow_names;
    let unique = dice.below(40);
    if dice.chance(150) {
        course.fates.clear();
        course.errors.push(Errno::from_getaddrinfo(2));
        return name(1, 2, unique);
    }
    let count = dice.between(1, 5) as usize;
    course.fates = (0..count).map(|_| fate(dice, scene.swarm)).collect();
    if course.fates.iter().filter(|fate| **fate == Fate::Connects).count() > 1 {
        // Those who lose the race must not be taken for the one who wins it.
        course.down_total = 0;
        course.temper.fin = Fin::AfterUs;
        course.temper.breaks = None;
    }
    name(count, 0, unique)
}

fn options(dice: &mut Dice, course: &mut Course) -> ConnectOptions<'static> {
    let mut options = ConnectOptions::default();
    if dice.chance(100) {
        options.timeout_ms = Some(dice.pick(&[0, 1, 50, 1_000, u32::MAX]));
        course.excuses.slow = true;
    }
    if dice.chance(50) {
        let from = dice.pick(&["127.0.0.5", "::1", "nowhere"]);
        options.local_address = Some(from.into());
        course.errors.extend([Errno::EINVAL, Errno::EADDRNOTAVAIL]);
    }
    if dice.chance(100) {
        options.no_delay = Some(dice.chance(500));
    }
    options
}

/// Sockets that are open, or about to be, and that the client has not closed.
fn usable(link: &IoLink, scene: &Scene<'_>) -> Vec<(u32, usize)> {
    let opening = link.ledger.owed.iter().filter_map(|owed| match owed.due {
        Due::Connected { course } if !link.ledger.live.contains_key(&owed.id) => Some((owed.id, course)),
        _ => None,
    });
    let opening: Vec<_> = opening.collect();
    let twice = |wire: u32| opening.iter().filter(|(other, _)| *other == wire).count() > 1;
    let open = tcp(link).filter(|(wire, _)| !link.ledger.is_opening(*wire));
    open.chain(opening.iter().copied().filter(|(wire, _)| !twice(*wire) && *wire < FIRST_OWN_ID))
        .filter(|(_, course)| !scene.net.courses[*course].closed)
        .collect()
}

fn send(link: &mut IoLink, scene: &mut Scene<'_>) {
    let usable = usable(link, scene);
    if usable.is_empty() {
        return small_talk(link, scene);
    }
    let (wire, course) = scene.dice.pick(&usable);
    let due = &mut scene.net.courses[course];
    let credit = due.granted_down.is_some();
    let window = if credit { due.window() } else { u64::MAX };
    let mut count = scene.dice.size((due.up_total - due.pushed.min(due.up_total)).min(window));
    if credit && scene.dice.chance(scene.swarm.overrun) && scene.dice.chance(100) && window > 0 {
        count = window + 1 + scene.dice.size(100);
        due.up_total = due.up_total.max(due.pushed + count);
    }
    let bytes = pattern::bytes(due.up_key(), due.pushed, count as usize);
    due.pushed += count;
    let pushed = due.pushed;
    push(link, scene, 0, &ClientMessage::TcpSend { socket_id: wire, data: &bytes });
    link.sends_to(course, pushed);
    if scene.dice.chance(scene.swarm.pings) {
        link.push_ping(scene.dice);
    }
}

fn close(link: &mut IoLink, scene: &mut Scene<'_>) {
    let usable = usable(link, scene);
    if usable.is_empty() {
        return small_talk(link, scene);
    }
    let (wire, course) = scene.dice.pick(&usable);
    if scene.dice.chance(scene.swarm.secure) {
        let due = &mut scene.net.courses[course];
        due.excuses.secured = true;
        let request = link.request();
        link.ledger.owe(request, wire, Due::Secured);
        let skip_validation = scene.dice.chance(500);
        let message = ClientMessage::TcpSecure { socket_id: wire, skip_validation, hostname: "sim".into() };
        return push(link, scene, request, &message);
    }
    close_tcp(link, scene, wire, course);
}

/// Closes a TCP socket.
pub(crate) fn close_tcp(link: &mut IoLink, scene: &mut Scene<'_>, wire: u32, course: usize) {
    scene.net.courses[course].closed = true;
    let request = if scene.dice.chance(200) { link.request() } else { 0 };
    if request != 0 {
        link.ledger.owe(request, wire, Due::PerhapsError { may_be_open: false });
    }
    push(link, scene, request, &ClientMessage::TcpClose { socket_id: wire });
}

fn listen(link: &mut IoLink, scene: &mut Scene<'_>) {
    let (wire, request) = (new_id(link, scene), link.request());
    let (bind_addr, valid) = scene.dice.pick(&[
        ("", true),
        ("::", true),
        ("127.0.0.1", true),
        ("[::1]", true),
        ("anywhere", false),
    ]);
    let port = scene.dice.pick(&[0, 0, 3_001, 3_002, 3_003]);
    link.ledger.owe(request, wire, Due::Listening { port, valid });
    push(
        link,
        scene,
        request,
        &ClientMessage::TcpListen { server_id: wire, port, bind_addr: bind_addr.into() },
    );
}

fn bind(link: &mut IoLink, scene: &mut Scene<'_>) {
    let (wire, request) = (new_id(link, scene), link.request());
    let (bind_addr, valid) = scene.dice.pick(&[("", true), ("::", true), ("10.9.9.9", true), ("?", false)]);
    let port = scene.dice.pick(&[0, 0, 4_001, 4_002, 4_003]);
    link.ledger.owe(request, wire, Due::Bound { port, valid });
    push(
        link,
        scene,
        request,
        &ClientMessage::UdpBind { socket_id: wire, port, bind_addr: bind_addr.into() },
    );
}

fn send_datagram(link: &mut IoLink, scene: &mut Scene<'_>) {
    let open: Vec<(u32, u16)> = link
        .ledger
        .live
        .iter()
        .filter_map(|(wire, live)| match live {
            Live::Udp { port, closing: false } => Some((*wire, *port)),
            _ => None,
        })
        .collect();
    if open.is_empty() {
        return bind(link, scene);
    }
    let (socket_id, own) = scene.dice.pick(&open);
    if scene.dice.chance(100) {
        return group(link, scene, socket_id);
    }
    let port = scene.dice.between(5_000, 5_003) as u16;
    let (addr, ip) = match scene.dice.below(6) {
        0 => (name(2, 0, scene.dice.below(5)), Some(address(0, false))),
        1 => (scene.dice.pick(&["", "not a host", "n1.e2.u0.sim"]).to_owned(), None),
        2 => ("fd00::7".to_owned(), Some(address(7, true))),
        _ => ("10.0.0.9".to_owned(), Some(address(9, false))),
    };
    let length = scene.dice.size(scene.swarm.datagram_max) as usize;
    scene.net.datagrams += 1;
    let default = scene.net.defaults.get(&own).copied().flatten();
    let addr = if default.is_some() && scene.dice.chance(400) { String::new() } else { addr };
    let by_default = default.filter(|_| addr.is_empty());
    let remote = by_default.unwrap_or_else(|| SocketAddr::new(ip.unwrap_or(address(0, false)), port));
    let datagram = Datagram { number: scene.net.datagrams, length, remote };
    let data = datagram.bytes();
    if ip.is_some() || by_default.is_some() {
        scene.net.outward.entry(own).or_default().add(datagram);
    }
    push(link, scene, 0, &ClientMessage::UdpSend { socket_id, port, addr: addr.into(), data: &data });
}

fn group(link: &mut IoLink, scene: &mut Scene<'_>, socket_id: u32) {
    let request = if scene.dice.chance(500) { link.request() } else { 0 };
    let valid = scene.dice.chance(700);
    let group = if valid { "239.1.2.3" } else { "10.0.0.1" };
    if request != 0 {
        let due = if valid { Due::PerhapsError { may_be_open: true } } else { Due::Error };
        link.ledger.owe(request, socket_id, due);
    }
    let message = match scene.dice.chance(500) {
        true => ClientMessage::UdpJoinMulticast { socket_id, group: group.into() },
        false => ClientMessage::UdpLeaveMulticast { socket_id, group: group.into() },
    };
    push(link, scene, request, &message);
}

fn close_any_other(link: &mut IoLink, scene: &mut Scene<'_>) {
    let others: Vec<_> = link.ledger.live.iter().map(|(wire, live)| (*wire, *live)).collect();
    if others.is_empty() {
        return listen(link, scene);
    }
    let (wire, live) = scene.dice.pick(&others);
    close_other(link, scene, wire, live);
}

/// Closes what is no TCP socket, unless it was.
pub(crate) fn close_other(link: &mut IoLink, scene: &mut Scene<'_>, wire: u32, live: Live) {
    if link.ledger.is_opening(wire) {
        return;
    }
    match live {
        Live::Udp { port, closing: false } => {
            link.ledger.live.insert(wire, Live::Udp { port, closing: true });
            push(link, scene, 0, &ClientMessage::UdpClose { socket_id: wire });
        }
        Live::Server { port, stopped: None } => {
            push(link, scene, 0, &ClientMessage::TcpStopListen { server_id: wire });
            link.end_batch(scene.dice, scene.swarm.fragment);
            let stopped = Some(link.push_ping(scene.dice));
            link.ledger.live.insert(wire, Live::Server { port, stopped });
        }
        _ => {}
    }
}

fn read(link: &mut IoLink, scene: &mut Scene<'_>) {
    let request = link.request();
    let width = 1 + scene.swarm.course_max.min(300_000);
    let region = scene.dice.below(REGIONS as u64) as usize;
    let mut offset = region as u64 * width + scene.dice.size(width - 1);
    let mut length = scene.dice.size((region as u64 + 1) * width - offset);
    let strange = scene.dice.chance(100);
    let free = link.ledger.file.as_mut().filter(|file| file.writes[region] == 0 && !strange);
    let mut certain = 0;
    let (file_id, valid) = match free {
        Some(file) => {
            file.reads[region] += 1;
            certain = length.min(file.written.saturating_sub(offset));
            (file.id, true)
        }
        None => {
            length = scene.dice.pick(&[0, 1, u64::from(FILE_READ_BYTES_MAX) + 1]);
            offset = scene.dice.pick(&[0, u64::MAX]);
            (0x7000_0000, false)
        }
    };
    let region = valid.then_some(region);
    link.ledger.owe(request, file_id, Due::Read { region, offset, length, certain, valid });
    push(link, scene, request, &ClientMessage::FileRead { file_id, offset, length: length as u32 });
}

fn write(link: &mut IoLink, scene: &mut Scene<'_>) {
    let request = link.request();
    let width = 1 + scene.swarm.course_max.min(300_000);
    let region = scene.dice.below(REGIONS as u64) as usize;
    let offset = region as u64 * width + scene.dice.size(width - 1);
    let length = scene.dice.size((region as u64 + 1) * width - offset);
    let bytes = data(scene.dice, length);
    let strange = scene.dice.chance(50);
    let may = |reads: u32, writes: u32| reads == 0 && writes == 0 && !strange;
    let free = link.ledger.file.as_mut().filter(|file| may(file.reads[region], file.writes[region]));
    let (file_id, valid) = match free {
        Some(file) => {
            file.writes[region] += 1;
            (file.id, true)
        }
        None => (0x7000_0000, false),
    };
    let right = scene.dice.chance(800);
    let digest = digest(scene.dice, &bytes, right);
    let due = Due::Written {
        region: valid.then_some(region),
        offset,
        data: bytes.clone(),
        right: right || digest == Digest::None,
        valid,
    };
    link.ledger.owe(request, file_id, due);
    push(link, scene, request, &ClientMessage::FileWrite { file_id, offset, digest, data: &bytes });
}

fn digest(dice: &mut Dice, bytes: &[u8], right: bool) -> Digest {
    let mut sha1: [u8; 20] = sha1::Sha1::digest(bytes).into();
    let mut sha256: [u8; 32] = sha2::Sha256::digest(bytes).into();
    sha1[7] ^= u8::from(!right);
    sha256[7] ^= u8::from(!right);
    match dice.below(3) {
        0 => Digest::None,
        1 => Digest::Sha1(sha1),
        _ => Digest::Sha256(sha256),
    }
}

fn small_talk(link: &mut IoLink, scene: &mut Scene<'_>) {
    match scene.dice.below(5) {
        0 => drop(link.push_ping(scene.dice)),
        1 => link.push_control(scene.dice, frame::PONG, b"unasked"),
        2 => push(link, scene, 0, &ClientMessage::Keepalive),
        3 => push(link, scene, 0, &ClientMessage::Error { message: "nothing of importance".into() }),
        _ => {
            let count = scene.dice.below(2) as u32;
            push(link, scene, 0, &ClientMessage::Activity { count });
        }
    }
}
