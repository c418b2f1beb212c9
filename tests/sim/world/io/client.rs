//! A client of `/io`: how it introduces itself, moves its bytes, goes about its sockets and files, and takes its leave;
//! or walks away in the middle.

use super::super::dice::Dice;
use super::super::request::{Body, Draft, What};
use super::super::shadow::ShadowFile;
use super::course::{Course, Reads};
use super::ledger::{Due, FIRST_OWN_ID, Live, OwnFile};
use super::link::{IoLink, NOT_UPGRADED, Stage};
use super::net::Net;
use super::ops;
use super::swarm::IoSwarm;
use jstorrent_io_proto::feature::{Feature, Features};
use jstorrent_io_proto::frame;
use jstorrent_io_proto::limits::SOCKET_WINDOW_BYTES_DEFAULT;
use jstorrent_io_proto::message::{Auth, ClientMessage, Extension, Hello};

/// Regions of a file: in each, one write or some reads are under way.
pub(crate) const REGIONS: usize = 4;

/// One client, with one connection after another.
#[derive(Debug)]
pub(crate) struct IoClient {
    pub(crate) index: usize,
    pub(crate) session: String,
    pub(crate) links_left: u64,
    pub(crate) link: Option<usize>,
}

/// What a client acts upon.
pub(crate) struct Scene<'a> {
    pub(crate) dice: &'a mut Dice,
    pub(crate) swarm: &'a IoSwarm,
    pub(crate) net: &'a mut Net,
    pub(crate) now: u64,
    /// No more faults: everything is to come to its end.
    pub(crate) brisk: bool,
    /// Connects may have to wait for others.
    pub(crate) slow_connects: bool,
    /// Look-ups may take long.
    pub(crate) slow_names: bool,
    /// Who takes nothing may be closed for the sake of others.
    pub(crate) short_memory: bool,
    pub(crate) token: &'static str,
}

/// What a client wants after it acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IoWish {
    Again(u64),
    Leave,
}

/// One act.
pub(crate) fn act(link: &mut IoLink, scene: &mut Scene<'_>, session: &str) -> IoWish {
    if scene.brisk {
        link.stalled_until = 0;
        link.socket.widen();
    }
    if link.stalled_until > scene.now {
        return IoWish::Again(link.stalled_until - scene.now);
    }
    let (max, pace) = if scene.brisk {
        (1 << 16, 300)
    } else {
        (1 + scene.dice.size(scene.swarm.piece_max), 1 + scene.dice.size(scene.swarm.act_us_max))
    };
    if link.closed && !scene.brisk && scene.dice.chance(scene.swarm.dawdles) {
        return IoWish::Again(1 + scene.dice.size(500_000));
    }
    if !link.receive(max as usize) {
        return leave(link);
    }
    if !scene.brisk && misbehave(link, scene) {
        return IoWish::Again(pace);
    }
    match link.stage {
        Stage::File => {}
        Stage::Upgrade if link.excuse == Some(NOT_UPGRADED) => return leave(link),
        Stage::Upgrade if link.requests_are_out => {}
        Stage::Upgrade => greet(link, scene, session),
        Stage::Messages => converse(link, scene),
    }
    if !link.send(max as usize) {
        return leave(link);
    }
    link.bored = if std::mem::take(&mut link.moved) { 0 } else { link.bored + 1 };
    let most = if scene.brisk { 50_000 } else { 200_000 };
    IoWish::Again((pace << link.bored.min(16)).min(most).max(pace))
}

fn leave(link: &mut IoLink) -> IoWish {
    let may = link.excuse.is_some() || link.closed || link.doom.is_some();
    assert!(may, "the daemon left its client: {:?}", link.id);
    link.left = true;
    link.socket.client_close();
    IoWish::Leave
}

/// Stalls, or breaks off.
fn misbehave(link: &mut IoLink, scene: &mut Scene<'_>) -> bool {
    if scene.dice.chance(scene.swarm.stall) {
        let time = scene.dice.size(scene.swarm.stall_us_max);
        link.stalled_until = scene.now + time;
        // Others may wait for what was read for it.
        if time > 4_000_000
            || time > 1_000_000 && (!link.ledger.authenticated || link.stage != Stage::Messages)
        {
            link.excuse.get_or_insert("slow");
        }
        return true;
    }
    if !scene.dice.chance(scene.swarm.abort) || !scene.dice.chance(300) {
        return false;
    }
    link.excuse.get_or_insert("aborted");
    link.closing = true;
    match scene.dice.below(3) {
        0 => link.socket.client_reset(),
        1 => link.socket.client_close(),
        _ => link.socket.client_end(),
    }
    true
}

/// The first request: a file to work on.
pub(crate) fn open_file(link: &mut IoLink, scene: &mut Scene<'_>, session: &str, number: usize) {
    if scene.dice.chance(400) {
        link.stage = Stage::Upgrade;
        return;
    }
    let root = scene.dice.pick(&["r0", "r1"]);
    let path = format!("io-{number}");
    let body = serde_json::json!({"root": root, "path": path, "write": true, "create": true});
    let mut draft = Draft::new("POST /files/open").session(session);
    draft = draft.field("Content-Type: application/json");
    let request = draft.build(scene.dice, What::Json, Body::Length(body.to_string().into_bytes()));
    link.push_request(request);
    let mut shadow = ShadowFile::absent(root, path);
    (shadow.exists, shadow.size, shadow.stripe) = (None, None, Some((0, u64::MAX)));
    link.file =
        Some(OwnFile { id: 0, shadow, written: 0, writes: vec![0; REGIONS], reads: vec![0; REGIONS] });
}

/// The upgrade, hello and token, in one of the ways that there are.
fn greet(link: &mut IoLink, scene: &mut Scene<'_>, session: &str) {
    link.requests_are_out = true;
    let by_header = scene.dice.chance(600);
    let mut draft = Draft::new("GET /io")
        .field("Upgrade: websocket")
        .field("Connection: Upgrade")
        .field("Sec-WebSocket-Version: 13")
        .field("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==");
    if by_header {
        link.ledger.authenticated = true;
        link.has_session = scene.dice.chance(scene.swarm.named);
        if link.has_session {
            draft = draft.session(session);
        }
    } else {
        draft = draft.without_token();
        link.doom = Some(1008);
    }
    let request = draft.build(scene.dice, What::Json, Body::None);
    link.push_request(request);
    let text = scene.dice.chance(scene.swarm.json);
    if scene.dice.chance(850) {
        hello(link, scene, session, text);
    }
    if !by_header {
        authenticate(link, scene, session, text);
    }
}

fn hello(link: &mut IoLink, scene: &mut Scene<'_>, session: &str, text: bool) {
    let (dice, swarm) = (&mut *scene.dice, scene.swarm);
    let request = link.request();
    if dice.chance(100) && !text {
        link.ledger.owe(request, 0, Due::Hello { empty: true });
        return link.push(dice, swarm.fragment, false, request, &ClientMessage::ClientHello(None));
    }
    let mut features = Features::NONE;
    let rates = [(Feature::Credit, swarm.credit), (Feature::Batch, swarm.batch), (Feature::Keepalive, 300)];
    for (feature, rate) in rates {
        if dice.chance(rate) {
            features = features.with(feature);
        }
    }
    let recv_window = swarm.recv_window;
    let session_id = dice.chance(500).then(|| session.into());
    link.has_session |= session_id.is_some();
    if features.has(Feature::Credit) {
        link.ledger.recv_window = Some(recv_window.into());
    }
    link.ledger.batches = features.has(Feature::Batch);
    link.ledger.keepalive = features.has(Feature::Keepalive);
    link.ledger.told_of_roots = true;
    let said = Hello { client: "sim".into(), features, session_id, recv_window };
    link.ledger.owe(request, 0, Due::Hello { empty: false });
    link.push(dice, swarm.fragment, text, request, &ClientMessage::ClientHello(Some(said)));
}

fn authenticate(link: &mut IoLink, scene: &mut Scene<'_>, session: &str, text: bool) {
    let (dice, fragment) = (&mut *scene.dice, scene.swarm.fragment);
    let request = link.request();
    let hostile = if dice.chance(scene.swarm.hostile) { dice.below(4) } else { 4 };
    if hostile != 4 {
        link.ops_left = 0;
        link.is_doomed = true;
    }
    match hostile {
        // Says nothing.
        0 => return,
        1 => {
            link.ledger.owe(request, 0, Due::Error);
            return link.push(dice, fragment, text, request, &ClientMessage::Activity { count: 1 });
        }
        2 => {
            link.doom = Some(1009);
            return link.push_frames(dice, 0, frame::BINARY, &[1; 5_000]);
        }
        _ => {}
    }
    let good = hostile == 4;
    let token = if good { scene.token } else { "not it" };
    let named = dice.chance(500);
    let extension = dice.chance(700).then(|| Extension {
        extension_id: "abcdefgh".into(),
        install_id: "sim".into(),
        session_id: named.then(|| session.into()),
    });
    link.has_session |= named && extension.is_some();
    link.ledger.owe(request, 0, Due::Auth { good });
    link.push(dice, fragment, text, request, &ClientMessage::Auth(Auth { token: token.into(), extension }));
}

/// Once messages go both ways.
fn converse(link: &mut IoLink, scene: &mut Scene<'_>) {
    if link.closing || link.is_doomed || link.closed {
        return;
    }
    give_credit(link, scene);
    let mut patience = 8;
    while link.ops_left > 0 && link.has_room() && !scene.brisk && patience > 0 && !link.is_doomed {
        patience = if scene.dice.chance(500) { patience - 1 } else { 0 };
        link.ops_left -= 1;
        if scene.dice.chance(100) {
            link.begin_batch();
        }
        ops::draw(link, scene);
        if scene.dice.chance(400) {
            link.end_batch(scene.dice, scene.swarm.fragment);
        }
    }
    if scene.brisk || link.ops_left == 0 && link.is_done_early {
        link.end_batch(scene.dice, scene.swarm.fragment);
        finish(link, scene);
    } else if link.ops_left == 0 {
        link.end_batch(scene.dice, scene.swarm.fragment);
        trickle(link, scene);
    }
}

/// Grants what was read.
fn give_credit(link: &mut IoLink, scene: &mut Scene<'_>) {
    let Some(window) = link.ledger.recv_window else { return };
    while let Some((course, bytes)) = link.take_read() {
        *link.to_grant.entry(course).or_default() += bytes;
    }
    let live: Vec<(u32, usize)> = tcp(link).collect();
    for (wire, course) in live {
        let granted = scene.net.courses[course].granted_down.unwrap_or(0);
        let pending = link.to_grant.entry(course).or_default();
        if granted == window && window < 100 && link.generous.insert(course) {
            *pending += 2_000;
        }
        if *pending > 0 && (scene.brisk || scene.dice.chance(500)) {
            let bytes = std::mem::take(pending);
            let message = ClientMessage::TcpCredit { socket_id: wire, bytes: bytes as u32 };
            link.push(scene.dice, scene.swarm.fragment, false, 0, &message);
            link.mark_grant(course, bytes);
        }
    }
}

/// Open TCP sockets: id and course.
pub(crate) fn tcp(link: &IoLink) -> impl Iterator<Item = (u32, usize)> {
    link.ledger.live.iter().filter_map(|(wire, live)| match live {
        Live::Tcp(course) => Some((*wire, *course)),
        _ => None,
    })
}

/// Nothing new is begun, but what is under way goes on.
fn trickle(link: &mut IoLink, scene: &mut Scene<'_>) {
    let open: Vec<_> = tcp(link).filter(|(wire, _)| !link.ledger.is_opening(*wire)).collect();
    for (wire, course) in open {
        if scene.dice.chance(300) {
            send_more(link, scene, wire, course);
        }
    }
}

/// Sends what the peer is still to get, as far as the window goes.
pub(crate) fn send_more(link: &mut IoLink, scene: &mut Scene<'_>, wire: u32, course: usize) {
    let due = &mut scene.net.courses[course];
    let window = if due.granted_down.is_some() { due.window() } else { u64::MAX };
    let count = (due.up_total - due.pushed.min(due.up_total)).min(window).min(60_000);
    if count == 0 || due.closed || !link.has_room() {
        return;
    }
    let data = super::pattern::bytes(due.up_key(), due.pushed, count as usize);
    due.pushed += count;
    let pushed = due.pushed;
    link.push(
        scene.dice,
        scene.swarm.fragment,
        false,
        0,
        &ClientMessage::TcpSend { socket_id: wire, data: &data },
    );
    link.sends_to(course, pushed);
}

/// Whether a socket should come to its end whatever the others do.
pub(crate) fn must_complete(course: &Course) -> bool {
    course.is_healthy()
        && !course.is_given_up()
        && !course.excuses.secured
        && course.pushed <= SOCKET_WINDOW_BYTES_DEFAULT + course.granted_up
}

/// Takes its leave: what can be completed is, then everything is closed, then the connection.
fn finish(link: &mut IoLink, scene: &mut Scene<'_>) {
    let mut waits = false;
    let open: Vec<_> = tcp(link).collect();
    if scene.brisk {
        for (wire, course) in &open {
            let is_due = must_complete(&scene.net.courses[*course]) && !link.ledger.is_opening(*wire);
            if is_due && !scene.net.courses[*course].is_complete() {
                send_more(link, scene, *wire, *course);
                waits = true;
            } else if is_due {
                ops::close_tcp(link, scene, *wire, *course);
            }
        }
    }
    waits |= cancel(link, scene);
    if waits {
        return;
    }
    for (wire, course) in open {
        if !scene.net.courses[course].closed {
            ops::close_tcp(link, scene, wire, course);
        }
    }
    let others: Vec<_> = link.ledger.live.iter().map(|(wire, live)| (*wire, *live)).collect();
    for (wire, live) in others {
        ops::close_other(link, scene, wire, live);
    }
    if link.ledger.live.is_empty() && !link.ledger.is_owed() {
        if std::mem::replace(&mut link.has_asked, true) {
            link.push_close(scene.dice, 1000);
        } else {
            link.push_ping(scene.dice);
        }
    }
}

/// Gives connects up that may take long; returns whether others are waited for.
fn cancel(link: &mut IoLink, scene: &mut Scene<'_>) -> bool {
    let opening: Vec<(u32, usize)> = link
        .ledger
        .owed
        .iter()
        .filter_map(
            |owed| if let Due::Connected { course } = owed.due { Some((owed.id, course)) } else { None },
        )
        .collect();
    let mut waits = false;
    for (wire, course) in opening {
        let due = &scene.net.courses[course];
        // An id that is not the client's to pick is refused; it may be another's.
        if due.closed || link.ledger.live.contains_key(&wire) || wire >= FIRST_OWN_ID {
            continue;
        }
        let prompt = due.temper.reads == Reads::All && !due.excuses.slow && !due.by_name;
        if scene.brisk && prompt && !due.fates.contains(&super::course::Fate::Silent) {
            waits = true;
        } else {
            ops::close_tcp(link, scene, wire, course);
        }
    }
    waits
}
