//! Servers of a hostile site: one that serves an empty page, and one under whose name and port the site serves its page
//! first and the daemon answers from then on, as when a name is bound to loopback after the page was loaded.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::thread;

/// What the page is asked for as.
pub(crate) const PAGE: &str = "/hostile-page";
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: 39\r\n\r\n\
    <!doctype html><title>hostile</title>  ";

/// Serves the page at [`PAGE`], and passes all other connections on to `beyond`, byte for byte; its port.
pub(crate) fn serve(beyond: u16) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // One that ends within its connection is no concern of others.
            thread::spawn(move || drop(connection(client, beyond)));
        }
    });
    port
}

fn connection(mut client: TcpStream, beyond: u16) -> io::Result<()> {
    let mut first = vec![0; 16 << 10];
    let count = client.read(&mut first)?;
    if first.starts_with(format!("GET {PAGE}").as_bytes()) {
        return client.write_all(ANSWER);
    }
    let mut daemon = TcpStream::connect((Ipv4Addr::LOCALHOST, beyond))?;
    daemon.write_all(&first[..count])?;
    let (mut from_client, mut to_daemon) = (client.try_clone()?, daemon.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_daemon);
        let _ = to_daemon.shutdown(Shutdown::Write);
    });
    io::copy(&mut daemon, &mut client)?;
    client.shutdown(Shutdown::Both)
}
