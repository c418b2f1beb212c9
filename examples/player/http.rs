//! As much of an HTTP client as is needed: one request after another on one connection, answers with a length.

use super::Result;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};

/// A connection to a server on this machine.
pub(crate) struct Http {
    stream: BufReader<TcpStream>,
    port: u16,
    fields: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Http {
    /// Connects; every request will bear these fields, each ended by CR LF.
    pub(crate) fn connect(port: u16, fields: &str) -> Result<Http> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        Ok(Http { stream: BufReader::new(stream), port, fields: fields.to_owned() })
    }

    /// Sends a request and takes its answer.
    pub(crate) fn call(&mut self, method: &str, target: &str, body: &[u8]) -> Result<Answer> {
        let (port, fields, length) = (self.port, &self.fields, body.len());
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{fields}Content-Length: {length}\r\n\r\n"
        );
        let stream = self.stream.get_mut();
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Answer> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).ok_or("the connection ended")?.parse()?;
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            if line.trim_end().is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(Answer { status, body })
    }

    /// The same with JSON both ways; any status above 299 is an error.
    pub(crate) fn json(&mut self, method: &str, target: &str, body: &Value) -> Result<Value> {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let answer = self.call(method, target, &body)?;
        if answer.status > 299 {
            let text = String::from_utf8_lossy(&answer.body);
            return Err(format!("{method} {target}: {} {text}", answer.status).into());
        }
        Ok(if answer.body.is_empty() { Value::Null } else { serde_json::from_slice(&answer.body)? })
    }
}
