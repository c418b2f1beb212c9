//! Every op of `/io` (PROTOCOL §6.2), one row each. Codec, documents, tests and fuzz targets walk this table; it owns
//! numbers, names, directions and which fields a payload has, not how they are read ([`crate::message`]).

use crate::feature::Feature;
use crate::field::Field::{self, *};

/// An operation code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "each has its summary in ROWS")]
pub enum Op {
    ClientHello = 0x01,
    ServerHello = 0x02,
    Auth = 0x03,
    AuthResult = 0x04,
    Activity = 0x05,
    Keepalive = 0x06,
    TcpConnect = 0x10,
    TcpConnected = 0x11,
    TcpSend = 0x12,
    TcpRecv = 0x13,
    TcpClose = 0x14,
    TcpListen = 0x15,
    TcpListenResult = 0x16,
    TcpAccept = 0x17,
    TcpStopListen = 0x18,
    TcpSecure = 0x19,
    TcpSecured = 0x1A,
    TcpCredit = 0x1B,
    UdpBind = 0x20,
    UdpBound = 0x21,
    UdpSend = 0x22,
    UdpRecv = 0x23,
    UdpClose = 0x24,
    UdpJoinMulticast = 0x25,
    UdpLeaveMulticast = 0x26,
    RangeRequest = 0x30,
    RangeAvailable = 0x31,
    RangeUnavailable = 0x32,
    RangeCancel = 0x33,
    FileRead = 0x40,
    FileData = 0x41,
    FileWrite = 0x42,
    FileWritten = 0x43,
    Batch = 0x50,
    Error = 0x7F,
    RootsChanged = 0xE0,
}

/// What follows the envelope, in one direction.
#[derive(Debug, Clone, Copy)]
pub struct Payload {
    /// The binary layout, in the notation of the protocol document.
    pub layout: &'static str,
    /// The fields in the order of the layout; in JSON, beside `op` and `requestId`.
    pub fields: &'static [Field],
}

/// All about one op.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The op.
    pub op: Op,
    /// The name in the protocol document, upper case.
    pub name: &'static str,
    /// The name in JSON.
    pub json: &'static str,
    /// The payload from client to daemon; `None`: it never goes that way.
    pub from_client: Option<Payload>,
    /// The payload from daemon to client; `None`: it never goes that way.
    pub from_daemon: Option<Payload>,
    /// The op of the one reply that a client's message has, if it has one.
    pub reply: Option<Op>,
    /// The feature without which the daemon doesn't send it.
    pub feature: Option<Feature>,
    /// One sentence for documents and `--help`.
    pub summary: &'static str,
}

impl Row {
    const fn new(op: Op, name: &'static str, json: &'static str, summary: &'static str) -> Self {
        Self { op, name, json, from_client: None, from_daemon: None, reply: None, feature: None, summary }
    }

    const fn client(mut self, layout: &'static str, fields: &'static [Field]) -> Self {
        self.from_client = Some(Payload { layout, fields });
        self
    }

    const fn daemon(mut self, layout: &'static str, fields: &'static [Field]) -> Self {
        self.from_daemon = Some(Payload { layout, fields });
        self
    }

    const fn both(self, layout: &'static str, fields: &'static [Field]) -> Self {
        self.client(layout, fields).daemon(layout, fields)
    }

    const fn reply(mut self, op: Op) -> Self {
        self.reply = Some(op);
        self
    }

    const fn feature(mut self, feature: Feature) -> Self {
        self.feature = Some(feature);
        self
    }
}

/// Every op, in the order of its number.
pub static ROWS: [Row; 36] = [
    Row::new(Op::ClientHello, "CLIENT_HELLO", "hello", "opens the conversation and says what the client can")
        .client("empty, or JSON", &[Client, Features, SessionId, RecvWindow])
        .reply(Op::ServerHello),
    Row::new(Op::ServerHello, "SERVER_HELLO", "server_hello", "answers a hello: features agreed on, limits")
        .daemon("empty, or JSON", &[Server, Protocol, Features, Limits, Authenticated]),
    Row::new(Op::Auth, "AUTH", "auth", "shows the token, where the upgrade could not")
        .client(
            "[type:1] 0: token\\0extensionId\\0installId[\\0sessionId], 1: token",
            &[Type, Token, ExtensionId, InstallId, SessionId],
        )
        .reply(Op::AuthResult),
    Row::new(Op::AuthResult, "AUTH_RESULT", "auth_result", "answers AUTH; status 0 is good")
        .daemon("[status:1][message…]", &[Status, Message]),
    Row::new(
        Op::Activity,
        "ACTIVITY",
        "activity",
        "how many torrents are active; above 0 the daemon is not idle",
    )
    .client("[count:4]", &[Count]),
    Row::new(
        Op::Keepalive,
        "KEEPALIVE",
        "keepalive",
        "keeps an extension's service worker alive; not answered",
    )
    .both("empty", &[]),
    Row::new(Op::TcpConnect, "TCP_CONNECT", "tcp_connect", "connects a TCP socket to a host")
        .client(
            "[socketId:4][port:2][host…[\\0 JSON]]",
            &[SocketId, Port, Host, TimeoutMs, NoDelay, LocalAddress],
        )
        .reply(Op::TcpConnected),
    Row::new(Op::TcpConnected, "TCP_CONNECTED", "tcp_connected", "answers TCP_CONNECT")
        .daemon("[socketId:4][status:1][errno:4]", &[SocketId, Status, Errno]),
    Row::new(Op::TcpSend, "TCP_SEND", "tcp_send", "bytes for a socket's peer")
        .client("[socketId:4][data…]", &[SocketId, Data]),
    Row::new(Op::TcpRecv, "TCP_RECV", "tcp_recv", "bytes from a socket's peer")
        .daemon("[socketId:4][data…]", &[SocketId, Data]),
    Row::new(
        Op::TcpClose,
        "TCP_CLOSE",
        "tcp_close",
        "closes a socket; from the daemon: it is closed, the id is free",
    )
    .client("[socketId:4]", &[SocketId])
    .daemon("[socketId:4][hadError:1][errno:4]", &[SocketId, HadError, Errno]),
    Row::new(Op::TcpListen, "TCP_LISTEN", "tcp_listen", "opens a listening socket")
        .client("[serverId:4][port:2][bindAddr…]", &[ServerId, Port, BindAddr])
        .reply(Op::TcpListenResult),
    Row::new(Op::TcpListenResult, "TCP_LISTEN_RESULT", "tcp_listen_result", "answers TCP_LISTEN")
        .daemon("[serverId:4][status:1][boundPort:2][errno:4]", &[ServerId, Status, BoundPort, Errno]),
    Row::new(Op::TcpAccept, "TCP_ACCEPT", "tcp_accept", "a peer connected to a listening socket").daemon(
        "[serverId:4][socketId:4][remotePort:2][remoteAddr…]",
        &[ServerId, SocketId, RemotePort, RemoteAddr],
    ),
    Row::new(Op::TcpStopListen, "TCP_STOP_LISTEN", "tcp_stop_listen", "closes a listening socket")
        .client("[serverId:4]", &[ServerId]),
    Row::new(
        Op::TcpSecure,
        "TCP_SECURE",
        "tcp_secure",
        "turns a connected socket into TLS; flags 1 skips validation",
    )
    .client("[socketId:4][flags:1][hostname…]", &[SocketId, Flags, Hostname])
    .reply(Op::TcpSecured),
    Row::new(Op::TcpSecured, "TCP_SECURED", "tcp_secured", "answers TCP_SECURE")
        .daemon("[socketId:4][status:1]", &[SocketId, Status]),
    Row::new(Op::TcpCredit, "TCP_CREDIT", "tcp_credit", "the receiver of it may send that many bytes more")
        .both("[socketId:4][bytes:4]", &[SocketId, Bytes])
        .feature(Feature::Credit),
    Row::new(Op::UdpBind, "UDP_BIND", "udp_bind", "opens a UDP socket")
        .client("[socketId:4][port:2][bindAddr…]", &[SocketId, Port, BindAddr])
        .reply(Op::UdpBound),
    Row::new(Op::UdpBound, "UDP_BOUND", "udp_bound", "answers UDP_BIND")
        .daemon("[socketId:4][status:1][boundPort:2][errno:4]", &[SocketId, Status, BoundPort, Errno]),
    Row::new(Op::UdpSend, "UDP_SEND", "udp_send", "a datagram to send")
        .client("[socketId:4][port:2][addrLen:2][addr…][data…]", &[SocketId, Port, Addr, Data]),
    Row::new(Op::UdpRecv, "UDP_RECV", "udp_recv", "a datagram that came")
        .daemon("[socketId:4][port:2][addrLen:2][addr…][data…]", &[SocketId, Port, Addr, Data]),
    Row::new(
        Op::UdpClose,
        "UDP_CLOSE",
        "udp_close",
        "closes a UDP socket; from the daemon: it is closed, the id is free",
    )
    .client("[socketId:4]", &[SocketId])
    .daemon("[socketId:4][hadError:1][errno:4]", &[SocketId, HadError, Errno]),
    Row::new(
        Op::UdpJoinMulticast,
        "UDP_JOIN_MULTICAST",
        "udp_join_multicast",
        "joins a group on all interfaces",
    )
    .client("[socketId:4][group…]", &[SocketId, Group]),
    Row::new(Op::UdpLeaveMulticast, "UDP_LEAVE_MULTICAST", "udp_leave_multicast", "leaves a group")
        .client("[socketId:4][group…]", &[SocketId, Group]),
    Row::new(
        Op::RangeRequest,
        "RANGE_REQUEST",
        "range_request",
        "a stream waits for these bytes of a deferred file",
    )
    .daemon("JSON", &[RangeId, StreamId, FileId, Offset, Length])
    .feature(Feature::Range),
    Row::new(
        Op::RangeAvailable,
        "RANGE_AVAILABLE",
        "range_available",
        "these bytes of a deferred file are there",
    )
    .client("JSON", &[FileId, Offset, Length]),
    Row::new(
        Op::RangeUnavailable,
        "RANGE_UNAVAILABLE",
        "range_unavailable",
        "what was asked for will not come",
    )
    .client("JSON", &[RangeId, Reason]),
    Row::new(Op::RangeCancel, "RANGE_CANCEL", "range_cancel", "nobody waits any more for what was asked for")
        .daemon("JSON", &[RangeId])
        .feature(Feature::Range),
    Row::new(Op::FileRead, "FILE_READ", "file_read", "reads from an open file, at most 16 MiB")
        .client("[fileId:4][offset:8][length:4]", &[FileId, Offset, Length])
        .reply(Op::FileData),
    Row::new(Op::FileData, "FILE_DATA", "file_data", "answers FILE_READ; short at the end of the file")
        .daemon("[fileId:4][status:1][errno:4][data…]", &[FileId, Status, Errno, Data]),
    Row::new(
        Op::FileWrite,
        "FILE_WRITE",
        "file_write",
        "writes to an open file, after checking a digest if there is one",
    )
    .client("[fileId:4][offset:8][check:1][digest:0|20|32][data…]", &[FileId, Offset, Check, Digest, Data])
    .reply(Op::FileWritten),
    Row::new(Op::FileWritten, "FILE_WRITTEN", "file_written", "answers FILE_WRITE")
        .daemon("[fileId:4][status:1][errno:4][written:4]", &[FileId, Status, Errno, Written]),
    Row::new(Op::Batch, "BATCH", "batch", "several messages in one; it holds no other BATCH")
        .both("([length:4][message])…", &[Messages])
        .feature(Feature::Batch),
    Row::new(Op::Error, "ERROR", "error", "says what was wrong with the message of this request id")
        .both("[message…]", &[Message]),
    Row::new(
        Op::RootsChanged,
        "ROOTS_CHANGED",
        "roots_changed",
        "the download roots, after a change of them",
    )
    .daemon("JSON array", &[Roots]),
];

/// Marks an opcode that names nothing in [`ROW_OF_CODE`].
const NO_ROW: u8 = u8::MAX;

static ROW_OF_CODE: [u8; 256] = {
    let mut rows = [NO_ROW; 256];
    let mut row = 0;
    while row < ROWS.len() {
        rows[ROWS[row].op as usize] = row as u8;
        row += 1;
    }
    rows
};

impl Op {
    /// The op of that number.
    pub fn from_code(code: u8) -> Option<Self> {
        ROWS.get(usize::from(ROW_OF_CODE[usize::from(code)])).map(|row| row.op)
    }

    /// The op of that JSON name. `client_hello`, which the rule for names would give, counts as `hello` too.
    pub fn from_json_name(name: &str) -> Option<Self> {
        let row = ROWS.iter().find(|row| row.json == name);
        row.map(|row| row.op).or((name == "client_hello").then_some(Self::ClientHello))
    }

    /// The number on the wire.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The op's row.
    pub fn row(self) -> &'static Row {
        &ROWS[usize::from(ROW_OF_CODE[usize::from(self.code())])]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_lead_to_themselves() {
        for row in &ROWS {
            assert_eq!(Op::from_code(row.op.code()), Some(row.op));
            assert_eq!(Op::from_json_name(row.json), Some(row.op));
            assert_eq!(row.op.row().name, row.name);
            assert!(row.from_client.is_some() || row.from_daemon.is_some(), "{} goes nowhere", row.name);
        }
        assert_eq!(Op::from_code(0x00), None);
        assert_eq!((0..=u8::MAX).filter_map(Op::from_code).count(), ROWS.len());
        assert_eq!(Op::from_json_name("HELLO"), None);
    }

    #[test]
    fn rows_keep_the_rules_of_names_and_order() {
        assert!(ROWS.is_sorted_by_key(|row| row.op.code()));
        for row in ROWS.iter().filter(|row| row.op != Op::ClientHello) {
            assert_eq!(row.json, row.name.to_lowercase());
        }
        for row in ROWS.iter().filter(|row| row.reply.is_some()) {
            let reply = row.reply.map(|op| op.row()).expect("filtered");
            assert!(row.from_client.is_some() && reply.from_daemon.is_some(), "{}", row.name);
        }
    }
}
