//! What the daemon sends. Owns the fields of each message; BATCH is [`super::Batch`].

use std::borrow::Cow;

use super::{Codec, Packet, ServerHello, Status, hello, read_status, server_socket};
use crate::codec::{Fault, Sink, Source};
use crate::envelope::Malformed;
use crate::errno::Errno;
use crate::field::Field;
use crate::json::JsonObject;
use crate::op::{Op, Payload, Row};

/// A message from daemon to client.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "each variant has its row in op::ROWS, and the fields bear the protocol's names"
)]
pub enum ServerMessage<'a> {
    /// `None`: the answer to an empty hello.
    ServerHello(Option<ServerHello<'a>>),
    AuthResult {
        status: Status,
        message: Cow<'a, str>,
    },
    Keepalive,
    TcpConnected {
        socket_id: u32,
        status: Status,
        errno: Errno,
    },
    TcpRecv {
        socket_id: u32,
        data: &'a [u8],
    },
    TcpClose {
        socket_id: u32,
        had_error: bool,
        errno: Errno,
    },
    TcpListenResult {
        server_id: u32,
        status: Status,
        bound_port: u16,
        errno: Errno,
    },
    TcpAccept {
        server_id: u32,
        socket_id: u32,
        remote_port: u16,
        remote_addr: Cow<'a, str>,
    },
    TcpSecured {
        socket_id: u32,
        status: Status,
    },
    TcpCredit {
        socket_id: u32,
        bytes: u32,
    },
    UdpBound {
        socket_id: u32,
        status: Status,
        bound_port: u16,
        errno: Errno,
    },
    UdpRecv {
        socket_id: u32,
        port: u16,
        addr: Cow<'a, str>,
        data: &'a [u8],
    },
    UdpClose {
        socket_id: u32,
        had_error: bool,
        errno: Errno,
    },
    RangeRequest {
        range_id: u64,
        stream_id: u64,
        file_id: u32,
        offset: u64,
        length: u64,
    },
    RangeCancel {
        range_id: u64,
    },
    FileData {
        file_id: u32,
        status: Status,
        errno: Errno,
        data: &'a [u8],
    },
    FileWritten {
        file_id: u32,
        status: Status,
        errno: Errno,
        written: u32,
    },
    Error {
        message: Cow<'a, str>,
    },
    /// The array of roots, as JSON: [`crate::rpc_info::roots_changed_json`].
    RootsChanged {
        roots: Cow<'a, str>,
    },
}

impl<'a> ServerMessage<'a> {
    /// Reads a binary message.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode_binary(bytes: &'a [u8]) -> Result<Packet<'a, Self>, Malformed> {
        super::decode_binary(bytes)
    }

    /// Reads a text message. Base64 in `data` is decoded where it lies: the text is used up.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode_json(text: &'a mut [u8]) -> Result<Packet<'a, Self>, Malformed> {
        super::decode_json(text)
    }

    /// Appends the binary form.
    pub fn encode_binary(&self, request_id: u32, out: &mut Vec<u8>) {
        super::encode_binary(self, request_id, out);
    }

    /// Appends the JSON form.
    pub fn encode_json(&self, request_id: u32, out: &mut Vec<u8>) {
        super::encode_json(self, request_id, out);
    }

    /// Whether a client that speaks JSON gets this in binary all the same (PROTOCOL §6.2).
    pub const fn is_always_binary(&self) -> bool {
        matches!(self, Self::TcpRecv { .. } | Self::UdpRecv { .. } | Self::FileData { .. })
    }

    /// The message's op.
    pub const fn op(&self) -> Op {
        match self {
            Self::ServerHello(_) => Op::ServerHello,
            Self::AuthResult { .. } => Op::AuthResult,
            Self::Keepalive => Op::Keepalive,
            Self::TcpConnected { .. } => Op::TcpConnected,
            Self::TcpRecv { .. } => Op::TcpRecv,
            Self::TcpClose { .. } => Op::TcpClose,
            Self::TcpListenResult { .. } => Op::TcpListenResult,
            Self::TcpAccept { .. } => Op::TcpAccept,
            Self::TcpSecured { .. } => Op::TcpSecured,
            Self::TcpCredit { .. } => Op::TcpCredit,
            Self::UdpBound { .. } => Op::UdpBound,
            Self::UdpRecv { .. } => Op::UdpRecv,
            Self::UdpClose { .. } => Op::UdpClose,
            Self::RangeRequest { .. } => Op::RangeRequest,
            Self::RangeCancel { .. } => Op::RangeCancel,
            Self::FileData { .. } => Op::FileData,
            Self::FileWritten { .. } => Op::FileWritten,
            Self::Error { .. } => Op::Error,
            Self::RootsChanged { .. } => Op::RootsChanged,
        }
    }
}

impl<'a> Codec<'a> for ServerMessage<'a> {
    const SENDER: &'static str = "the daemon";

    fn payload(row: &'static Row) -> Option<Payload> {
        row.from_daemon
    }

    fn op(&self) -> Op {
        ServerMessage::op(self)
    }

    fn read<S: Source<'a>>(op: Op, source: &mut S) -> Result<Self, Fault> {
        match op {
            Op::ServerHello => {
                let said = source.object()?.map(|object| hello::read_server(&object));
                said.transpose().map(|said| Self::ServerHello(said.flatten()))
            }
            Op::AuthResult => {
                let status = read_status(source)?;
                Ok(Self::AuthResult { status, message: source.text_or_empty(Field::Message)? })
            }
            Op::Keepalive => Ok(Self::Keepalive),
            Op::Error => Ok(Self::Error { message: source.text_or_empty(Field::Message)? }),
            Op::RootsChanged => Ok(Self::RootsChanged { roots: Cow::Borrowed(source.array(Field::Roots)?) }),
            Op::RangeRequest | Op::RangeCancel | Op::FileData | Op::FileWritten => read_file_op(op, source),
            _ => server_socket::read_socket_op(op, source),
        }
    }

    fn write<S: Sink>(&self, sink: &mut S) {
        match self {
            Self::ServerHello(None) | Self::Keepalive => {}
            Self::ServerHello(Some(said)) => sink.object(|object| hello::write_server(said, object)),
            Self::AuthResult { status, message } => {
                sink.u8(Field::Status, *status as u8);
                sink.text(Field::Message, message);
            }
            Self::Error { message } => sink.text(Field::Message, message),
            Self::RootsChanged { roots } => sink.array(Field::Roots, roots),
            Self::RangeRequest { .. }
            | Self::RangeCancel { .. }
            | Self::FileData { .. }
            | Self::FileWritten { .. } => write_file_op(self, sink),
            _ => server_socket::write_socket_op(self, sink),
        }
    }
}

pub(super) fn read_errno<'a, S: Source<'a>>(source: &mut S) -> Result<Errno, Fault> {
    source.u32(Field::Errno).map(Errno)
}

fn read_file_op<'a, S: Source<'a>>(op: Op, source: &mut S) -> Result<ServerMessage<'a>, Fault> {
    if let Op::RangeRequest | Op::RangeCancel = op {
        return read_range_op(op, &mut source.object()?.unwrap_or(JsonObject::EMPTY));
    }
    let file_id = source.u32(Field::FileId)?;
    let status = read_status(source)?;
    let errno = read_errno(source)?;
    Ok(match op {
        Op::FileData => ServerMessage::FileData { file_id, status, errno, data: source.data(Field::Data)? },
        _ => ServerMessage::FileWritten { file_id, status, errno, written: source.u32(Field::Written)? },
    })
}

fn read_range_op<'a>(op: Op, object: &mut JsonObject<'a>) -> Result<ServerMessage<'a>, Fault> {
    let range_id = object.u64(Field::RangeId)?;
    if op == Op::RangeCancel {
        return Ok(ServerMessage::RangeCancel { range_id });
    }
    Ok(ServerMessage::RangeRequest {
        range_id,
        stream_id: object.u64(Field::StreamId)?,
        file_id: object.u32(Field::FileId)?,
        offset: object.u64(Field::Offset)?,
        length: object.u64(Field::Length)?,
    })
}

fn write_file_op<S: Sink>(message: &ServerMessage<'_>, sink: &mut S) {
    match message {
        ServerMessage::RangeRequest { range_id, stream_id, file_id, offset, length } => {
            sink.object(|object| {
                object.number(Field::RangeId, *range_id);
                object.number(Field::StreamId, *stream_id);
                object.number(Field::FileId, (*file_id).into());
                object.number(Field::Offset, *offset);
                object.number(Field::Length, *length);
            })
        }
        ServerMessage::RangeCancel { range_id } => {
            sink.object(|object| object.number(Field::RangeId, *range_id));
        }
        ServerMessage::FileData { file_id, status, errno, data } => {
            write_result(sink, Field::FileId, *file_id, *status);
            sink.u32(Field::Errno, errno.0);
            sink.data(Field::Data, data);
        }
        ServerMessage::FileWritten { file_id, status, errno, written } => {
            write_result(sink, Field::FileId, *file_id, *status);
            sink.u32(Field::Errno, errno.0);
            sink.u32(Field::Written, *written);
        }
        _ => {}
    }
}

pub(super) fn write_result<S: Sink>(sink: &mut S, id_field: Field, id: u32, status: Status) {
    sink.u32(id_field, id);
    sink.u8(Field::Status, status as u8);
}
