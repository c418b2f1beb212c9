//! A connected TCP socket as the poll thread and a disk worker share it.

use super::turn::Socket;
use crate::job::Outlet;
use mio::net::TcpStream;
use std::fs::File;
use std::io::{self, IoSlice, Read, Write};

/// A TCP socket. The poll thread reads and writes it; a worker may send a file's bytes into it.
#[derive(Debug)]
pub(super) struct Stream(pub(super) TcpStream);

impl Socket for Stream {
    fn receive(&self, place: &mut [u8]) -> io::Result<usize> {
        (&self.0).read(place)
    }

    fn is_at_end(&self) -> io::Result<bool> {
        Ok(self.0.peek(&mut [0])? == 0)
    }

    #[cfg(target_os = "linux")]
    fn send(&self, slices: &[IoSlice<'_>], more: bool) -> io::Result<usize> {
        use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
        match slices {
            // The kernel takes one slice for less than a list of one.
            [slice] if !more => return (&self.0).write(slice),
            _ if !more => return (&self.0).write_vectored(slices),
            _ => {}
        }
        let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
        Ok(sendmsg(&self.0, slices, &mut SendAncillaryBuffer::default(), flags)?)
    }

    #[cfg(not(target_os = "linux"))]
    fn send(&self, slices: &[IoSlice<'_>], _more: bool) -> io::Result<usize> {
        (&self.0).write_vectored(slices)
    }
}

impl Outlet for Stream {
    #[cfg(target_os = "linux")]
    fn send_file(&self, file: &File, offset: u64, length: usize) -> io::Result<usize> {
        let mut offset = offset;
        Ok(rustix::fs::sendfile(&self.0, file, Some(&mut offset), length)?)
    }

    #[cfg(not(target_os = "linux"))]
    fn send_file(&self, _file: &File, _offset: u64, _length: usize) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
