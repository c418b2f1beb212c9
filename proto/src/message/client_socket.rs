//! A client's messages about sockets. Owns their fields in the order of the op table; the messages themselves are in
//! [`super::client`].

use super::{ClientMessage, ConnectOptions};
use crate::codec::{Fault, Sink, Source};
use crate::field::Field;
use crate::json::JsonObject;
use crate::op::Op;

/// TCP_SECURE's flag that skips the validation of the peer's certificate.
const SKIP_VALIDATION: u8 = 1;

pub(super) fn read_socket_op<'a, S: Source<'a>>(op: Op, source: &mut S) -> Result<ClientMessage<'a>, Fault> {
    use ClientMessage as M;
    if let Op::TcpListen | Op::TcpStopListen = op {
        return read_listen(op, source);
    }
    let socket_id = source.u32(Field::SocketId)?;
    Ok(match op {
        Op::TcpConnect => {
            let port = source.u16(Field::Port)?;
            let host =
                source.text_part(Field::Host)?.ok_or_else(|| Fault::field(Field::Host, "is missing"))?;
            let options = source.object()?.unwrap_or(JsonObject::EMPTY);
            M::TcpConnect { socket_id, port, host, options: ConnectOptions::read(&options)? }
        }
        Op::TcpSend => M::TcpSend { socket_id, data: source.data(Field::Data)? },
        Op::TcpClose => M::TcpClose { socket_id },
        Op::TcpSecure => {
            let flags = if source.has(Field::Flags) { source.u8(Field::Flags)? } else { 0 };
            let hostname = source.text_or_empty(Field::Hostname)?;
            M::TcpSecure { socket_id, skip_validation: flags & SKIP_VALIDATION != 0, hostname }
        }
        Op::TcpCredit => M::TcpCredit { socket_id, bytes: source.u32(Field::Bytes)? },
        _ => read_udp_op(op, socket_id, source)?,
    })
}

fn read_listen<'a, S: Source<'a>>(op: Op, source: &mut S) -> Result<ClientMessage<'a>, Fault> {
    let server_id = source.u32(Field::ServerId)?;
    if op == Op::TcpStopListen {
        return Ok(ClientMessage::TcpStopListen { server_id });
    }
    let port = read_port_or_any(source)?;
    Ok(ClientMessage::TcpListen { server_id, port, bind_addr: source.text_or_empty(Field::BindAddr)? })
}

/// The port to bind; 0, any free one, where JSON leaves it out.
fn read_port_or_any<'a, S: Source<'a>>(source: &mut S) -> Result<u16, Fault> {
    if source.has(Field::Port) { source.u16(Field::Port) } else { Ok(0) }
}

fn read_udp_op<'a, S: Source<'a>>(
    op: Op,
    socket_id: u32,
    source: &mut S,
) -> Result<ClientMessage<'a>, Fault> {
    use ClientMessage as M;
    Ok(match op {
        Op::UdpBind => {
            let port = read_port_or_any(source)?;
            M::UdpBind { socket_id, port, bind_addr: source.text_or_empty(Field::BindAddr)? }
        }
        Op::UdpSend => {
            let port = read_port_or_any(source)?;
            let addr = source.text_counted(Field::Addr)?;
            M::UdpSend { socket_id, port, addr, data: source.data(Field::Data)? }
        }
        Op::UdpClose => M::UdpClose { socket_id },
        Op::UdpJoinMulticast => M::UdpJoinMulticast { socket_id, group: source.text(Field::Group)? },
        Op::UdpLeaveMulticast => M::UdpLeaveMulticast { socket_id, group: source.text(Field::Group)? },
        _ => return Err(Fault::from("is no message that a client sends")),
    })
}

pub(super) fn write_socket_op<S: Sink>(message: &ClientMessage<'_>, sink: &mut S) {
    use ClientMessage as M;
    match message {
        M::TcpConnect { socket_id, port, host, options } => {
            sink.u32(Field::SocketId, *socket_id);
            sink.u16(Field::Port, *port);
            sink.text(Field::Host, host);
            if *options != ConnectOptions::default() {
                sink.separator();
                sink.object(|object| options.write(object));
            }
        }
        M::TcpSend { socket_id, data } => {
            sink.u32(Field::SocketId, *socket_id);
            sink.data(Field::Data, data);
        }
        M::TcpClose { socket_id } | M::UdpClose { socket_id } => sink.u32(Field::SocketId, *socket_id),
        M::TcpStopListen { server_id } => sink.u32(Field::ServerId, *server_id),
        M::TcpListen { server_id, port, bind_addr } => {
            sink.u32(Field::ServerId, *server_id);
            sink.u16(Field::Port, *port);
            sink.text(Field::BindAddr, bind_addr);
        }
        M::TcpSecure { socket_id, skip_validation, hostname } => {
            sink.u32(Field::SocketId, *socket_id);
            sink.u8(Field::Flags, if *skip_validation { SKIP_VALIDATION } else { 0 });
            sink.text(Field::Hostname, hostname);
        }
        M::TcpCredit { socket_id, bytes } => {
            sink.u32(Field::SocketId, *socket_id);
            sink.u32(Field::Bytes, *bytes);
        }
        _ => write_udp_op(message, sink),
    }
}

fn write_udp_op<S: Sink>(message: &ClientMessage<'_>, sink: &mut S) {
    use ClientMessage as M;
    match message {
        M::UdpBind { socket_id, port, bind_addr } => {
            sink.u32(Field::SocketId, *socket_id);
            sink.u16(Field::Port, *port);
            sink.text(Field::BindAddr, bind_addr);
        }
        M::UdpSend { socket_id, port, addr, data } => {
            sink.u32(Field::SocketId, *socket_id);
            sink.u16(Field::Port, *port);
            sink.text_counted(Field::Addr, addr);
            sink.data(Field::Data, data);
        }
        M::UdpJoinMulticast { socket_id, group } | M::UdpLeaveMulticast { socket_id, group } => {
            sink.u32(Field::SocketId, *socket_id);
            sink.text(Field::Group, group);
        }
        _ => {}
    }
}
