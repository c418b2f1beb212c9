//! The low-water mark of a socket: how many bytes must have come before the system tells that it can be read.

use mio::net::TcpStream;
use std::io;

/// Sets it, in bytes; 1 is what every socket begins with. The end of the stream and errors are told in any case, and so
/// are fewer bytes where the window for more is closed. Linux alone is known to heed it in its polls; elsewhere it stays
/// as it is.
///
/// # Errors
/// The system's, or [`io::ErrorKind::Unsupported`].
#[cfg(target_os = "linux")]
pub(crate) fn set(stream: &TcpStream, bytes: usize) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let mark = libc::c_int::try_from(bytes).map_err(io::Error::other)?;
    let length = libc::socklen_t::try_from(size_of_val(&mark)).map_err(io::Error::other)?;
    // SAFETY: the descriptor is the stream's, which outlives the call; the option is read from the one value there.
    let failed = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVLOWAT,
            (&raw const mark).cast(),
            length,
        )
    };
    if failed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// As on Linux.
#[cfg(not(target_os = "linux"))]
pub(crate) fn set(_stream: &TcpStream, _bytes: usize) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use mio::{Events, Interest, Poll, Token};
    use std::io::Write;
    use std::net::TcpListener;

    fn pair() -> (std::net::TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        ours.set_nonblocking(true).unwrap();
        (listener.accept().unwrap().0, TcpStream::from_std(ours))
    }

    /// Who can be read, once `last` can.
    fn readable(poll: &mut Poll, last: usize) -> Vec<usize> {
        let (mut events, mut all) = (Events::with_capacity(8), Vec::new());
        while !all.contains(&last) {
            poll.poll(&mut events, None).unwrap();
            all.extend(events.iter().map(|event| event.token().0));
        }
        all.sort_unstable();
        all
    }

    #[test]
    fn fewer_bytes_are_not_told_until_the_mark_is_lowered_or_the_end_comes() {
        let mut poll = Poll::new().unwrap();
        let mut pairs: Vec<_> = (0..4).map(|_| pair()).collect();
        for (n, (_, ours)) in pairs.iter_mut().enumerate() {
            poll.registry().register(ours, Token(n), Interest::READABLE).unwrap();
        }
        (0..3).for_each(|n| set(&pairs[n].1, 1000).unwrap());
        pairs.iter_mut().for_each(|(peer, _)| peer.write_all(&[1; 999]).unwrap());
        assert_eq!(readable(&mut poll, 3), [3]);
        // One sends what is missing, one ends, of one the mark is lowered.
        pairs[0].0.write_all(&[1]).unwrap();
        pairs[1].0.shutdown(std::net::Shutdown::Write).unwrap();
        set(&pairs[2].1, 1).unwrap();
        assert_eq!(readable(&mut poll, 2), [0, 1, 2]);
    }
}
