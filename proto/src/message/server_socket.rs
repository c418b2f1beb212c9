//! The daemon's messages about sockets. Owns their fields in the order of the op table; the messages themselves are in
//! [`super::server`].

use super::server::{read_errno, write_result};
use super::{ServerMessage, read_status};
use crate::codec::{Fault, Sink, Source};
use crate::field::Field;
use crate::op::Op;

pub(super) fn read_socket_op<'a, S: Source<'a>>(op: Op, source: &mut S) -> Result<ServerMessage<'a>, Fault> {
    use ServerMessage as M;
    Ok(match op {
        Op::TcpListenResult => M::TcpListenResult {
            server_id: source.u32(Field::ServerId)?,
            status: read_status(source)?,
            bound_port: source.u16(Field::BoundPort)?,
            errno: read_errno(source)?,
        },
        Op::TcpAccept => M::TcpAccept {
            server_id: source.u32(Field::ServerId)?,
            socket_id: source.u32(Field::SocketId)?,
            remote_port: source.u16(Field::RemotePort)?,
            remote_addr: source.text(Field::RemoteAddr)?,
        },
        _ => read_op_of_socket(op, source.u32(Field::SocketId)?, source)?,
    })
}

fn read_op_of_socket<'a, S: Source<'a>>(
    op: Op,
    socket_id: u32,
    source: &mut S,
) -> Result<ServerMessage<'a>, Fault> {
    use ServerMessage as M;
    Ok(match op {
        Op::TcpConnected => {
            M::TcpConnected { socket_id, status: read_status(source)?, errno: read_errno(source)? }
        }
        Op::TcpRecv => M::TcpRecv { socket_id, data: source.data(Field::Data)? },
        Op::TcpClose => {
            M::TcpClose { socket_id, had_error: source.boolean(Field::HadError)?, errno: read_errno(source)? }
        }
        Op::TcpSecured => M::TcpSecured { socket_id, status: read_status(source)? },
        Op::TcpCredit => M::TcpCredit { socket_id, bytes: source.u32(Field::Bytes)? },
        Op::UdpBound => M::UdpBound {
            socket_id,
            status: read_status(source)?,
            bound_port: source.u16(Field::BoundPort)?,
            errno: read_errno(source)?,
        },
        Op::UdpRecv => M::UdpRecv {
            socket_id,
            port: source.u16(Field::Port)?,
            addr: source.text_counted(Field::Addr)?,
            data: source.data(Field::Data)?,
        },
        Op::UdpClose => {
            M::UdpClose { socket_id, had_error: source.boolean(Field::HadError)?, errno: read_errno(source)? }
        }
        _ => return Err(Fault::from("is no message that the daemon sends")),
    })
}

pub(super) fn write_socket_op<S: Sink>(message: &ServerMessage<'_>, sink: &mut S) {
    use ServerMessage as M;
    match message {
        M::TcpConnected { socket_id, status, errno } => {
            write_result(sink, Field::SocketId, *socket_id, *status);
            sink.u32(Field::Errno, errno.0);
        }
        M::TcpSecured { socket_id, status } => write_result(sink, Field::SocketId, *socket_id, *status),
        M::TcpRecv { socket_id, data } => {
            sink.u32(Field::SocketId, *socket_id);
            sink.data(Field::Data, data);
        }
        M::TcpClose { socket_id, had_error, errno } | M::UdpClose { socket_id, had_error, errno } => {
            sink.u32(Field::SocketId, *socket_id);
            sink.boolean(Field::HadError, *had_error);
            sink.u32(Field::Errno, errno.0);
        }
        M::TcpCredit { socket_id, bytes } => {
            sink.u32(Field::SocketId, *socket_id);
            sink.u32(Field::Bytes, *bytes);
        }
        M::UdpRecv { socket_id, port, addr, data } => {
            sink.u32(Field::SocketId, *socket_id);
            sink.u16(Field::Port, *port);
            sink.text_counted(Field::Addr, addr);
            sink.data(Field::Data, data);
        }
        _ => write_bound_op(message, sink),
    }
}

fn write_bound_op<S: Sink>(message: &ServerMessage<'_>, sink: &mut S) {
    use ServerMessage as M;
    match message {
        M::TcpListenResult { server_id: id, status, bound_port, errno }
        | M::UdpBound { socket_id: id, status, bound_port, errno } => {
            let tcp = matches!(message, M::TcpListenResult { .. });
            write_result(sink, if tcp { Field::ServerId } else { Field::SocketId }, *id, *status);
            sink.u16(Field::BoundPort, *bound_port);
            sink.u32(Field::Errno, errno.0);
        }
        M::TcpAccept { server_id, socket_id, remote_port, remote_addr } => {
            sink.u32(Field::ServerId, *server_id);
            sink.u32(Field::SocketId, *socket_id);
            sink.u16(Field::RemotePort, *remote_port);
            sink.text(Field::RemoteAddr, remote_addr);
        }
        _ => {}
    }
}
