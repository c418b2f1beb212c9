//! A server for one page and for what it draws: enough for an example, and for nothing else.

use super::Result;
use super::demo::View;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

const HTML: &str = include_str!("page.html");

/// The page's address.
pub(crate) struct Page {
    listener: TcpListener,
    port: u16,
}

impl Page {
    /// At that port, 0 = any.
    pub(crate) fn bind(port: u16) -> Result<Page> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let port = listener.local_addr()?.port();
        Ok(Page { listener, port })
    }

    /// What its pages are to the daemon.
    pub(crate) fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Serves until the process is ended.
    pub(crate) fn serve(self, view: View) -> Result<()> {
        let view = Arc::new(Mutex::new(view));
        for stream in self.listener.incoming() {
            let (stream, view) = (stream?, view.clone());
            // A browser that goes away ends its own thread only.
            thread::spawn(move || while matches!(answer(&stream, &view), Ok(true)) {});
        }
        Ok(())
    }
}

/// Answers one request; whether another may follow.
fn answer(mut stream: &TcpStream, view: &Mutex<View>) -> Result<bool> {
    let mut lines = BufReader::new(stream).lines();
    let Some(first) = lines.next().transpose()? else { return Ok(false) };
    // Browsers wait for an answer before they send the next request: nothing is lost with this reader.
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let (status, kind, body) = match first.split(' ').nth(1) {
        Some("/") => ("200 OK", "text/html; charset=utf-8", HTML.to_owned()),
        Some("/state") => {
            let state = view.lock().unwrap_or_else(PoisonError::into_inner).json()?;
            ("200 OK", "application/json", state.to_string())
        }
        _ => ("404 Not Found", "text/plain", "nothing here".to_owned()),
    };
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}")?;
    Ok(true)
}
