//! TCP_SECURE against a real TLS server.
#![cfg(feature = "tls")]

use super::*;
use crate::support::daemon::{Home, INSTALL_ID};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::sync::Arc;
use std::thread::JoinHandle;

const TCP_SECURE: u8 = 0x19;
const TCP_SECURED: u8 = 0x1A;

/// A server that calls itself `localhost`, and the certificate that says so.
struct Server {
    listener: TcpListener,
    config: Arc<ServerConfig>,
    certificate_pem: String,
}

impl Server {
    fn new(versions: &[&'static rustls::SupportedProtocolVersion]) -> Server {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Server { listener, config: Arc::new(config), certificate_pem: made.cert.pem() }
    }

    fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    /// Accepts one connection and echoes `len` bytes on it, then says goodbye.
    fn echo(&self, len: usize) -> JoinHandle<bool> {
        let (listener, config) = (self.listener.try_clone().unwrap(), self.config.clone());
        std::thread::spawn(move || {
            let (socket, _) = listener.accept().unwrap();
            let mut tls = StreamOwned::new(ServerConnection::new(config).unwrap(), socket);
            let mut bytes = vec![0; len];
            if tls.read_exact(&mut bytes).is_err() || tls.write_all(&bytes).is_err() {
                return false;
            }
            tls.conn.send_close_notify();
            tls.flush().is_ok()
        })
    }

    /// Accepts one connection and shakes hands on it; it lasts until it is dropped.
    fn shake_hands(&self) -> JoinHandle<TcpStream> {
        let (listener, config) = (self.listener.try_clone().unwrap(), self.config.clone());
        std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut tls = ServerConnection::new(config).unwrap();
            while tls.is_handshaking() {
                tls.complete_io(&mut socket).unwrap();
            }
            socket
        })
    }
}

/// A daemon that trusts that server's certificate, as a system's root.
fn daemon_that_trusts(server: &Server) -> Daemon {
    let home = Home::new();
    let roots = home.path("roots.pem");
    std::fs::write(&roots, &server.certificate_pem).unwrap();
    let mut command = home.command();
    command.args(["--install-id", INSTALL_ID]).env("SSL_CERT_FILE", &roots);
    Daemon::spawn(home, command)
}

fn secure(ws: &mut Ws, id: u32, flags: u8, hostname: &str) -> u8 {
    ws.send(&Op::new(TCP_SECURE, 33, with_id(id, &[&[flags], hostname.as_bytes()].concat())));
    let answer = ws.op_of(TCP_SECURED);
    assert_eq!((answer.request_id, answer.u32_at(0)), (33, id));
    answer.payload[4]
}

fn connect_to(ws: &mut Ws, id: u32, port: u16) {
    ws.send(&tcp_connect(1, id, "127.0.0.1", port));
    assert_eq!(connected(&ws.op(), id), (0, 0));
}

#[test]
fn a_trusted_server_is_talked_to_in_both_versions() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let server = Server::new(&[version]);
        let daemon = daemon_that_trusts(&server);
        let mut ws = open(&daemon);
        let data = pattern(3 << 20);
        let echo = server.echo(data.len());
        connect_to(&mut ws, 1, server.port());
        assert_eq!(secure(&mut ws, 1, 0, "localhost"), 0);
        ws.send(&tcp_send(1, &data));
        assert!(receive(&mut ws, 1, data.len()) == data);
        assert_eq!(closed(&ws.op(), 1), (0, 0));
        assert!(echo.join().unwrap());
    }
}

#[test]
fn what_is_sent_before_the_handshake_is_over_is_sent_after_it() {
    let server = Server::new(rustls::ALL_VERSIONS);
    let daemon = daemon_that_trusts(&server);
    let mut ws = open(&daemon);
    let echo = server.echo(5);
    connect_to(&mut ws, 1, server.port());
    ws.send(&Op::new(TCP_SECURE, 33, with_id(1, b"\0localhost")));
    ws.send(&tcp_send(1, b"early"));
    assert_eq!(ws.op_of(TCP_SECURED).payload[4], 0);
    assert_eq!(receive(&mut ws, 1, 5), b"early");
    assert!(echo.join().unwrap());
}

#[test]
fn a_stranger_is_refused_unless_validation_is_skipped() {
    let server = Server::new(rustls::ALL_VERSIONS);
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    let refused = server.echo(1);
    connect_to(&mut ws, 1, server.port());
    assert_eq!(secure(&mut ws, 1, 0, "localhost"), 1);
    assert_eq!(closed(&ws.op(), 1).0, 1);
    assert!(!refused.join().unwrap());
    let echo = server.echo(5);
    connect_to(&mut ws, 1, server.port());
    assert_eq!(secure(&mut ws, 1, 1, "anything.example"), 0);
    ws.send(&tcp_send(1, b"hello"));
    assert_eq!(receive(&mut ws, 1, 5), b"hello");
    assert!(echo.join().unwrap());
}

#[test]
fn a_name_that_is_not_the_servers_is_refused() {
    let server = Server::new(rustls::ALL_VERSIONS);
    let daemon = daemon_that_trusts(&server);
    let mut ws = open(&daemon);
    let refused = server.echo(1);
    connect_to(&mut ws, 1, server.port());
    assert_eq!(secure(&mut ws, 1, 0, "other.example"), 1);
    assert_eq!(closed(&ws.op(), 1).0, 1);
    assert!(!refused.join().unwrap());
}

#[test]
fn an_unknown_id_or_a_used_socket_is_status_1() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    assert_eq!(secure(&mut ws, 9, 0, "localhost"), 1);
    let _peer = connect(&mut ws, 1);
    ws.send(&tcp_send(1, b"in the clear"));
    assert_eq!(secure(&mut ws, 1, 0, "localhost"), 1);
    assert_eq!(closed(&ws.op(), 1).0, 1);
}

#[test]
fn a_second_request_is_answered_and_ends_both() {
    let server = Server::new(rustls::ALL_VERSIONS);
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    // One after the other.
    let echo = server.echo(1);
    connect_to(&mut ws, 1, server.port());
    assert_eq!(secure(&mut ws, 1, 1, "localhost"), 0);
    assert_eq!(secure(&mut ws, 1, 1, "localhost"), 1);
    assert_eq!(closed(&ws.op(), 1).0, 1);
    assert!(!echo.join().unwrap());
    // At once, the handshake under way or not begun.
    let _peer = connect(&mut ws, 2);
    for request_id in [5, 6] {
        ws.send(&Op::new(TCP_SECURE, request_id, with_id(2, b"\x01localhost")));
    }
    let mut answers: Vec<_> = (0..2).map(|_| ws.op_of(TCP_SECURED)).collect();
    answers.sort_by_key(|answer| answer.request_id);
    assert_eq!(answers, [5, 6].map(|id| Op::new(TCP_SECURED, id, with_id(2, &[1]))));
    assert_eq!(closed(&ws.op(), 2).0, 1);
}

#[test]
fn what_is_not_connected_can_not_be_secured() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    ws.send(&tcp_connect(8, 3, "name.invalid", 443));
    ws.send(&Op::new(TCP_SECURE, 9, with_id(3, b"\0name.invalid")));
    // The look-up may have failed before, but never is the request left without an answer.
    let (first, second) = (ws.op(), ws.op());
    let mut both = [(first.opcode, first.request_id), (second.opcode, second.request_id)];
    both.sort_unstable();
    assert_eq!(both, [(TCP_CONNECTED, 8), (TCP_SECURED, 9)]);
}

#[test]
fn who_validates_nothing_needs_no_name() {
    let server = Server::new(rustls::ALL_VERSIONS);
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    for name in ["", "no name at all!", "127.0.0.1"] {
        let echo = server.echo(5);
        connect_to(&mut ws, 1, server.port());
        assert_eq!(secure(&mut ws, 1, 1, name), 0, "{name:?}");
        ws.send(&tcp_send(1, b"hello"));
        assert_eq!(receive(&mut ws, 1, 5), b"hello");
        assert_eq!(closed(&ws.op(), 1), (0, 0));
        assert!(echo.join().unwrap());
    }
}

#[test]
fn whoever_ends_a_handshake_the_request_is_answered_first() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    for by_client in [true, false] {
        let mut peer = connect(&mut ws, 1);
        ws.send(&Op::new(TCP_SECURE, 33, with_id(1, b"\x01localhost")));
        peer.read_exact(&mut [0; 100]).unwrap();
        if by_client {
            ws.send(&tcp_close(1));
        } else {
            drop(peer);
        }
        assert_eq!(ws.op(), Op::new(TCP_SECURED, 33, with_id(1, &[1])));
        closed(&ws.op(), 1);
    }
}

#[test]
fn a_handshake_that_the_peer_ends_has_failed() {
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    for closes in [false, true] {
        let mut peer = connect(&mut ws, 1);
        ws.send(&Op::new(TCP_SECURE, 33, with_id(1, b"\x01localhost")));
        if closes {
            ws.send(&tcp_send(1, b"never to be sent"));
            ws.send(&tcp_close(1));
        }
        // The whole hello is read, so that no reset follows.
        let mut head = [0; 5];
        peer.read_exact(&mut head).unwrap();
        peer.read_exact(&mut vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))]).unwrap();
        peer.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(ws.op(), Op::new(TCP_SECURED, 33, with_id(1, &[1])));
        assert_eq!(closed(&ws.op(), 1), (1, 103));
    }
}

#[test]
fn what_was_sent_before_a_close_is_delivered_through_the_handshake() {
    let server = Server::new(rustls::ALL_VERSIONS);
    let daemon = Daemon::start(&[]);
    let mut ws = open(&daemon);
    connect_to(&mut ws, 1, server.port());
    let (socket, _) = server.listener.accept().unwrap();
    ws.send(&Op::new(TCP_SECURE, 33, with_id(1, b"\x01localhost")));
    ws.send(&tcp_send(1, b"farewell"));
    ws.send(&tcp_close(1));
    settle(&mut ws);
    let mut tls = StreamOwned::new(ServerConnection::new(server.config.clone()).unwrap(), socket);
    let mut all = Vec::new();
    tls.read_to_end(&mut all).unwrap();
    assert_eq!(all, b"farewell");
    assert_eq!(ws.op(), Op::new(TCP_SECURED, 33, with_id(1, &[0])));
    assert_eq!(closed(&ws.op(), 1), (0, 0));
}

/// Sockets that the daemon secures at a time.
const SESSIONS_MAX: u32 = 128;

#[test]
fn beyond_as_many_as_may_be_secured_the_next_waits_and_the_others_go_on() {
    let server = Server::new(rustls::ALL_VERSIONS);
    let daemon = daemon_that_trusts(&server);
    let mut ws = open(&daemon);
    let (first, last) = (1, SESSIONS_MAX + 1);
    // All but the first only shake hands.
    let data = pattern(1 << 20);
    let echo = server.echo(data.len());
    connect_to(&mut ws, first, server.port());
    assert_eq!(secure(&mut ws, first, 0, "localhost"), 0);
    let peers = (2..=SESSIONS_MAX).map(|id| {
        let peer = server.shake_hands();
        connect_to(&mut ws, id, server.port());
        assert_eq!(secure(&mut ws, id, 0, "localhost"), 0);
        peer
    });
    let peers = peers.collect::<Vec<_>>();
    let waiting = server.shake_hands();
    connect_to(&mut ws, last, server.port());
    ws.send(&Op::new(TCP_SECURE, 44, with_id(last, b"\0localhost")));
    // Meanwhile nothing is heard of that one.
    ws.send(&tcp_send(first, &data));
    assert!(receive(&mut ws, first, data.len()) == data);
    assert!(echo.join().unwrap());
    // It had said goodbye, and makes room.
    assert_eq!(closed(&ws.op(), first), (0, 0));
    let outcome = ws.op_of(TCP_SECURED);
    assert_eq!((outcome.request_id, outcome.u32_at(0), outcome.payload[4]), (44, last, 0));
    for peer in peers.into_iter().chain([waiting]) {
        peer.join().unwrap();
    }
}
