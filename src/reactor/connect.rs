//! Connecting TCP sockets without waiting, and what became of it.

use super::listeners::is_shortage;
use crate::state::Settings;
use jstorrent_io_proto::errno::Errno;
use mio::net::TcpStream;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// Begins to connect. Where descriptors run short, it tries once more after `shed` gave some up.
pub(super) fn begin(
    settings: &Settings,
    to: SocketAddr,
    from: Option<IpAddr>,
    no_delay: bool,
    shed: impl FnOnce() -> usize,
) -> Result<TcpStream, Errno> {
    if settings.is_own_port(to.port()) && is_own_address(to.ip()) {
        return Err(Errno::EACCES);
    }
    let begun = match try_begin(to, from, no_delay) {
        Err(error) if is_shortage(&error) && shed() > 0 => try_begin(to, from, no_delay),
        other => other,
    };
    begun.map_err(|error| Errno::from_io(&error))
}

fn try_begin(to: SocketAddr, from: Option<IpAddr>, no_delay: bool) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(no_delay)?;
    if let Some(from) = from {
        socket.bind(&SockAddr::from(SocketAddr::new(from, 0)))?;
    }
    match socket.connect(&SockAddr::from(to)) {
        Ok(()) => {}
        Err(error) if is_under_way(&error) => {}
        Err(error) => return Err(error),
    }
    Ok(TcpStream::from_std(socket.into()))
}

fn is_under_way(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || Errno::from_io(error) == Errno::EINPROGRESS
}

/// Whether an address is this machine's: one can bind there, and nowhere else. Asked only of connects to the daemon's
/// own port numbers.
fn is_own_address(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

/// What an event on a connecting socket means: our own address, or why not; `None` where it is still under way.
pub(super) fn outcome(stream: &TcpStream) -> Option<Result<SocketAddr, Errno>> {
    match stream.take_error() {
        Ok(Some(error)) | Err(error) => return Some(Err(Errno::from_io(&error))),
        Ok(None) => {}
    }
    match stream.peer_addr() {
        Ok(_) => Some(stream.local_addr().map_err(|error| Errno::from_io(&error))),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => None,
        Err(error) => Some(Err(Errno::from_io(&error))),
    }
}
