//! What a client sends. Owns the fields of each message; BATCH is [`super::Batch`].

use std::borrow::Cow;

use super::{Auth, Codec, Hello, Packet, auth, client_socket, hello};
use crate::codec::{Fault, Sink, Source};
use crate::digest::Digest;
use crate::envelope::Malformed;
use crate::field::Field;
use crate::json::{JsonObject, JsonWriter};
use crate::op::{Op, Payload, Row};

/// A message from client to daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "each variant has its row in op::ROWS, and the fields bear the protocol's names"
)]
pub enum ClientMessage<'a> {
    /// `None`: an empty hello.
    ClientHello(Option<Hello<'a>>),
    Auth(Auth<'a>),
    Activity {
        count: u32,
    },
    Keepalive,
    TcpConnect {
        socket_id: u32,
        port: u16,
        host: Cow<'a, str>,
        options: ConnectOptions<'a>,
    },
    TcpSend {
        socket_id: u32,
        data: &'a [u8],
    },
    TcpClose {
        socket_id: u32,
    },
    TcpListen {
        server_id: u32,
        port: u16,
        bind_addr: Cow<'a, str>,
    },
    TcpStopListen {
        server_id: u32,
    },
    TcpSecure {
        socket_id: u32,
        skip_validation: bool,
        hostname: Cow<'a, str>,
    },
    TcpCredit {
        socket_id: u32,
        bytes: u32,
    },
    UdpBind {
        socket_id: u32,
        port: u16,
        bind_addr: Cow<'a, str>,
    },
    UdpSend {
        socket_id: u32,
        port: u16,
        addr: Cow<'a, str>,
        data: &'a [u8],
    },
    UdpClose {
        socket_id: u32,
    },
    UdpJoinMulticast {
        socket_id: u32,
        group: Cow<'a, str>,
    },
    UdpLeaveMulticast {
        socket_id: u32,
        group: Cow<'a, str>,
    },
    RangeAvailable {
        file_id: u32,
        offset: u64,
        length: u64,
    },
    RangeUnavailable {
        range_id: u64,
        reason: Cow<'a, str>,
    },
    FileRead {
        file_id: u32,
        offset: u64,
        length: u32,
    },
    FileWrite {
        file_id: u32,
        offset: u64,
        digest: Digest,
        data: &'a [u8],
    },
    Error {
        message: Cow<'a, str>,
    },
}

/// What TCP_CONNECT may say beside host and port; `None` is the daemon's default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnectOptions<'a> {
    /// Time to connect in, milliseconds, name resolution included.
    pub timeout_ms: Option<u32>,
    /// `TCP_NODELAY`.
    pub no_delay: Option<bool>,
    /// The address to connect from.
    pub local_address: Option<Cow<'a, str>>,
}

impl<'a> ConnectOptions<'a> {
    pub(super) fn read(object: &JsonObject<'a>) -> Result<Self, Fault> {
        let timeout =
            object.optional(Field::TimeoutMs, |object, field| object.number(field, u32::MAX.into()))?;
        Ok(Self {
            timeout_ms: timeout.map(|timeout| timeout as u32),
            no_delay: object.optional(Field::NoDelay, JsonObject::boolean)?,
            local_address: object.optional(Field::LocalAddress, JsonObject::text)?,
        })
    }

    pub(super) fn write(&self, object: &mut JsonWriter<'_>) {
        if let Some(timeout_ms) = self.timeout_ms {
            object.number(Field::TimeoutMs, timeout_ms.into());
        }
        if let Some(no_delay) = self.no_delay {
            object.boolean(Field::NoDelay, no_delay);
        }
        if let Some(local_address) = &self.local_address {
            object.text(Field::LocalAddress, local_address);
        }
    }
}

impl<'a> ClientMessage<'a> {
    /// Reads a binary message.
    ///
    /// # Errors
    /// [`Malformed`], to be answered by ERROR.
    pub fn decode_binary(bytes: &'a [u8]) -> Result<Packet<'a, Self>, Malformed> {
        super::decode_binary(bytes)
    }

    /// Reads a text message. Base64 in `data` is decoded where it lies: the text is used up.
    ///
    /// # Errors
    /// [`Malformed`], to be answered by ERROR.
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

    /// The message's op.
    pub const fn op(&self) -> Op {
        match self {
            Self::ClientHello(_) => Op::ClientHello,
            Self::Auth(_) => Op::Auth,
            Self::Activity { .. } => Op::Activity,
            Self::Keepalive => Op::Keepalive,
            Self::TcpConnect { .. } => Op::TcpConnect,
            Self::TcpSend { .. } => Op::TcpSend,
            Self::TcpClose { .. } => Op::TcpClose,
            Self::TcpListen { .. } => Op::TcpListen,
            Self::TcpStopListen { .. } => Op::TcpStopListen,
            Self::TcpSecure { .. } => Op::TcpSecure,
            Self::TcpCredit { .. } => Op::TcpCredit,
            Self::UdpBind { .. } => Op::UdpBind,
            Self::UdpSend { .. } => Op::UdpSend,
            Self::UdpClose { .. } => Op::UdpClose,
            Self::UdpJoinMulticast { .. } => Op::UdpJoinMulticast,
            Self::UdpLeaveMulticast { .. } => Op::UdpLeaveMulticast,
            Self::RangeAvailable { .. } => Op::RangeAvailable,
            Self::RangeUnavailable { .. } => Op::RangeUnavailable,
            Self::FileRead { .. } => Op::FileRead,
            Self::FileWrite { .. } => Op::FileWrite,
            Self::Error { .. } => Op::Error,
        }
    }
}

impl<'a> Codec<'a> for ClientMessage<'a> {
    const SENDER: &'static str = "a client";

    fn payload(row: &'static Row) -> Option<Payload> {
        row.from_client
    }

    fn op(&self) -> Op {
        ClientMessage::op(self)
    }

    fn read<S: Source<'a>>(op: Op, source: &mut S) -> Result<Self, Fault> {
        match op {
            Op::ClientHello => {
                source.object()?.map(|object| hello::read(&object)).transpose().map(Self::ClientHello)
            }
            Op::Auth => auth::read(source).map(Self::Auth),
            Op::Activity => Ok(Self::Activity { count: source.u32(Field::Count)? }),
            Op::Keepalive => Ok(Self::Keepalive),
            Op::Error => Ok(Self::Error { message: source.text_or_empty(Field::Message)? }),
            Op::RangeAvailable | Op::RangeUnavailable | Op::FileRead | Op::FileWrite => {
                read_file_op(op, source)
            }
            _ => client_socket::read_socket_op(op, source),
        }
    }

    fn write<S: Sink>(&self, sink: &mut S) {
        match self {
            Self::ClientHello(None) | Self::Keepalive => {}
            Self::ClientHello(Some(said)) => sink.object(|object| hello::write(said, object)),
            Self::Auth(said) => auth::write(said, sink),
            Self::Activity { count } => sink.u32(Field::Count, *count),
            Self::Error { message } => sink.text(Field::Message, message),
            Self::RangeAvailable { .. }
            | Self::RangeUnavailable { .. }
            | Self::FileRead { .. }
            | Self::FileWrite { .. } => write_file_op(self, sink),
            _ => client_socket::write_socket_op(self, sink),
        }
    }
}

fn read_file_op<'a, S: Source<'a>>(op: Op, source: &mut S) -> Result<ClientMessage<'a>, Fault> {
    Ok(match op {
        Op::RangeAvailable => {
            let mut object = source.object()?.unwrap_or(JsonObject::EMPTY);
            ClientMessage::RangeAvailable {
                file_id: object.u32(Field::FileId)?,
                offset: object.u64(Field::Offset)?,
                length: object.u64(Field::Length)?,
            }
        }
        Op::RangeUnavailable => {
            let mut object = source.object()?.unwrap_or(JsonObject::EMPTY);
            ClientMessage::RangeUnavailable {
                range_id: object.u64(Field::RangeId)?,
                reason: object.text_or_empty(Field::Reason)?,
            }
        }
        Op::FileRead => ClientMessage::FileRead {
            file_id: source.u32(Field::FileId)?,
            offset: source.u64(Field::Offset)?,
            length: source.u32(Field::Length)?,
        },
        _ => read_file_write(source)?,
    })
}

fn read_file_write<'a, S: Source<'a>>(source: &mut S) -> Result<ClientMessage<'a>, Fault> {
    let file_id = source.u32(Field::FileId)?;
    let offset = source.u64(Field::Offset)?;
    let check = if source.has(Field::Check) { source.u8(Field::Check)? } else { Digest::None.check() };
    let digest = source.digest(Field::Digest, check)?;
    Ok(ClientMessage::FileWrite { file_id, offset, digest, data: source.data(Field::Data)? })
}

fn write_file_op<S: Sink>(message: &ClientMessage<'_>, sink: &mut S) {
    match message {
        ClientMessage::RangeAvailable { file_id, offset, length } => sink.object(|object| {
            object.number(Field::FileId, (*file_id).into());
            object.number(Field::Offset, *offset);
            object.number(Field::Length, *length);
        }),
        ClientMessage::RangeUnavailable { range_id, reason } => sink.object(|object| {
            object.number(Field::RangeId, *range_id);
            object.text(Field::Reason, reason);
        }),
        ClientMessage::FileRead { file_id, offset, length } => {
            sink.u32(Field::FileId, *file_id);
            sink.u64(Field::Offset, *offset);
            sink.u32(Field::Length, *length);
        }
        ClientMessage::FileWrite { file_id, offset, digest, data } => {
            sink.u32(Field::FileId, *file_id);
            sink.u64(Field::Offset, *offset);
            sink.u8(Field::Check, digest.check());
            sink.digest(Field::Digest, digest);
            sink.data(Field::Data, data);
        }
        _ => {}
    }
}
