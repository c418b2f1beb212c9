//! What a client of `/io` should not send: messages that can't be read, ids that mean nothing, frames that break the
//! rules.

use super::client::Scene;
use super::ledger::Due;
use super::link::IoLink;
use super::ops::push;
use jstorrent_io_proto::frame;
use jstorrent_io_proto::message::ClientMessage;

/// Draws one.
pub(crate) fn draw(link: &mut IoLink, scene: &mut Scene<'_>) {
    match scene.dice.below(8) {
        0..=3 => unknown_id(link, scene),
        4..=6 => malformed(link, scene),
        _ => fatal(link, scene),
    }
}

fn unknown_id(link: &mut IoLink, scene: &mut Scene<'_>) {
    let id = loop {
        let id = scene.dice.below(1 << 32) as u32;
        if !link.ledger.live.contains_key(&id) && !link.ledger.is_opening(id) && id < 0x8000_0000 {
            break id;
        }
    };
    let request = if scene.dice.chance(500) { link.request() } else { 0 };
    let message = match scene.dice.below(9) {
        0 => ClientMessage::TcpSend { socket_id: id, data: b"for nobody" },
        1 => ClientMessage::TcpClose { socket_id: id },
        2 => ClientMessage::TcpCredit { socket_id: id, bytes: 5 },
        3 => ClientMessage::TcpStopListen { server_id: id },
        4 => ClientMessage::UdpSend { socket_id: id, port: 1, addr: "10.0.0.1".into(), data: b"x" },
        5 => ClientMessage::UdpClose { socket_id: id },
        6 => ClientMessage::UdpJoinMulticast { socket_id: id, group: "239.0.0.1".into() },
        7 => ClientMessage::UdpLeaveMulticast { socket_id: id, group: "239.0.0.1".into() },
        _ => {
            let request = link.request();
            link.ledger.owe(request, id, Due::Secured);
            let hostname = "nobody.sim".into();
            let message = ClientMessage::TcpSecure { socket_id: id, skip_validation: false, hostname };
            return push(link, scene, request, &message);
        }
    };
    if request != 0 {
        link.ledger.owe(request, id, Due::Error);
    }
    push(link, scene, request, &message);
}

fn malformed(link: &mut IoLink, scene: &mut Scene<'_>) {
    link.end_batch(scene.dice, scene.swarm.fragment);
    let request = link.request();
    let [a, b, c, d] = request.to_le_bytes();
    let json = format!("{{\"op\":\"tcp_send\",\"requestId\":{request},\"socketId\":-1}}");
    let (bytes, text, answered): (Vec<u8>, bool, u32) = match scene.dice.below(9) {
        0 => (vec![1, 5, 0], false, 0),
        1 => (vec![1, 0x14, 0, 1, a, b, c, d, 0, 0, 0, 0], false, request),
        2 => (vec![1, 0x44, 0, 0, a, b, c, d], false, request),
        3 => (vec![1, 0x12, 0, 0, a, b, c, d, 9], false, request),
        4 => (vec![1, 0x13, 0, 0, a, b, c, d, 0, 0, 0, 0, 7], false, request),
        5 => (vec![1, 0x10, 0, 0, a, b, c, d, 1, 0, 0, 0, 80, 0, 0xFF], false, request),
        6 => (Vec::new(), false, 0),
        7 => (b"no JSON at all".to_vec(), true, 0),
        _ => (json.into_bytes(), true, request),
    };
    link.ledger.owe(answered, 0, Due::Error);
    let opcode = if text { frame::TEXT } else { frame::BINARY };
    link.push_frames(scene.dice, scene.swarm.fragment, opcode, &bytes);
}

fn fatal(link: &mut IoLink, scene: &mut Scene<'_>) {
    link.end_batch(scene.dice, scene.swarm.fragment);
    link.is_doomed = true;
    let code = match scene.dice.below(7) {
        0 => {
            link.ledger.owe(7, 0, Due::Error);
            link.push_frames(scene.dice, 0, frame::BINARY, &[2, 0x12, 0, 0, 7, 0, 0, 0]);
            1002
        }
        1 => {
            // Not masked.
            link.push_bytes(&[0x82, 1, 7]);
            1002
        }
        2 => {
            link.push_frames(scene.dice, 0, frame::TEXT, b"\xFF\xFE");
            1007
        }
        3 => {
            link.push_bytes(&[0xC2, 0x80, 1, 2, 3, 4]);
            1002
        }
        4 => {
            link.push_bytes(&[0x89, 0xFE, 0, 126, 1, 2, 3, 4]);
            1002
        }
        5 => {
            link.push_frames(scene.dice, 0, frame::CONTINUATION, b"of nothing");
            1002
        }
        _ => {
            // More than 64 MiB is announced.
            link.push_bytes(&[0x82, 0xFF, 0, 0, 0, 0, 4, 0, 0, 1, 1, 2, 3, 4]);
            1009
        }
    };
    link.doom = Some(code);
}
