//! A small HTTP/1.1 client that sends what it is told, byte for byte, and takes nothing that RFC 9112 doesn't allow.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use serde_json::Value;

use super::DEADLINE;

/// One connection.
pub(crate) struct Http {
    stream: TcpStream,
    port: u16,
    /// Received and not yet taken.
    input: Vec<u8>,
}

/// A request under construction.
pub(crate) struct Request {
    method: String,
    target: String,
    fields: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    has_host: bool,
}

/// A whole response.
#[derive(Clone, PartialEq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: &str, target: &str) -> Request {
        Request { method: method.into(), target: target.into(), fields: vec![], body: None, has_host: false }
    }

    pub(crate) fn get(target: &str) -> Request {
        Request::new("GET", target)
    }

    pub(crate) fn post(target: &str) -> Request {
        Request::new("POST", target)
    }

    pub(crate) fn field(mut self, name: &str, value: &str) -> Request {
        self.has_host |= name.eq_ignore_ascii_case("host");
        self.fields.push((name.into(), value.into()));
        self
    }

    pub(crate) fn token(self, token: &str) -> Request {
        self.field("X-JST-Auth", token)
    }

    pub(crate) fn session(self, session: &str) -> Request {
        self.field("X-JST-Session", session)
    }

    /// A body, with its `Content-Length`.
    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.body = Some(body.into());
        self
    }

    /// A JSON body, with its type and length.
    pub(crate) fn json(self, value: &Value) -> Request {
        self.field("Content-Type", "application/json").body(value.to_string())
    }

    /// The request's bytes, with the `Host` of a port unless it was given one.
    pub(crate) fn bytes(&self, port: u16) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if !self.has_host {
            head += &format!("Host: 127.0.0.1:{port}\r\n");
        }
        for (name, value) in &self.fields {
            head += &format!("{name}: {value}\r\n");
        }
        if let Some(body) = &self.body {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        head += "\r\n";
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = &self.body[..self.body.len().min(1000)];
        write!(f, "{} {:?} {:?}", self.status, self.fields, String::from_utf8_lossy(shown))
    }
}

impl Response {
    /// The value of a field, which must not be there twice.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} is there twice: {self:?}");
        value
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The `code` of a refusal, whose form is checked.
    pub(crate) fn code(&self) -> String {
        assert_eq!(self.field("Content-Type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{self:?}");
        assert_eq!(problem["type"], "about:blank");
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
        problem["code"].as_str().expect("a code").to_owned()
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Response {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Response {
        let response = self.expect(status);
        assert_eq!(response.code(), code);
        response
    }
}

impl Http {
    pub(crate) fn connect(port: u16) -> Http {
        Http::try_connect(port).unwrap()
    }

    /// Connects to a daemon that may have gone.
    pub(crate) fn try_connect(port: u16) -> std::io::Result<Http> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Ok(Http { stream, port, input: Vec::new() })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The connection itself, and what was received beyond the last response.
    pub(crate) fn into_parts(self) -> (TcpStream, Vec<u8>) {
        (self.stream, self.input)
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends bytes to a peer that may have closed already.
    pub(crate) fn try_send_bytes(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    pub(crate) fn end_sending(&mut self) {
        self.stream.shutdown(std::net::Shutdown::Write).unwrap();
    }

    pub(crate) fn send(&mut self, request: &Request) {
        self.send_bytes(&request.bytes(self.port));
    }

    /// Sends a request and takes its response.
    pub(crate) fn call(&mut self, request: Request) -> Response {
        self.send(&request);
        if request.method == "HEAD" { self.response_to_head() } else { self.response() }
    }

    /// The next response, interim ones included.
    pub(crate) fn response(&mut self) -> Response {
        self.try_response(false).expect("a response, not the end of the connection")
    }

    /// The next response, to HEAD.
    pub(crate) fn response_to_head(&mut self) -> Response {
        self.try_response(true).expect("a response, not the end of the connection")
    }

    /// Takes the next response; `None` where the connection ends before its first byte.
    pub(crate) fn try_response(&mut self, to_head: bool) -> Option<Response> {
        let head_len = loop {
            match find(&self.input, b"\r\n\r\n") {
                Some(at) => break at + 4,
                None if self.read_more() => {}
                None if self.input.is_empty() => return None,
                None => panic!("half a head: {:?}", String::from_utf8_lossy(&self.input)),
            }
        };
        let head = String::from_utf8(self.take(head_len)).expect("ASCII");
        let mut response = read_head(&head);
        if response.status >= 200 {
            check_standard_fields(&response);
        }
        if !to_head && response.status >= 200 && !matches!(response.status, 204 | 304) {
            response.body = self.body_of(&response);
        }
        Some(response)
    }

    fn body_of(&mut self, response: &Response) -> Vec<u8> {
        match (response.field("Content-Length"), response.field("Transfer-Encoding")) {
            (Some(length), None) => self.take_or_wait(length.parse().unwrap()),
            (None, Some("chunked")) => self.chunked_body(),
            (None, None) => {
                assert_eq!(response.field("Connection"), Some("close"), "{response:?}");
                while self.read_more() {}
                std::mem::take(&mut self.input)
            }
            _ => panic!("two lengths: {response:?}"),
        }
    }

    fn chunked_body(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let chunk = self.chunk();
            if chunk.is_empty() {
                return body;
            }
            body.extend(chunk);
        }
    }

    /// The next chunk; empty for the last one, which has no trailers.
    pub(crate) fn chunk(&mut self) -> Vec<u8> {
        let line_len = loop {
            match find(&self.input, b"\r\n") {
                Some(at) => break at,
                None => assert!(self.read_more(), "the connection ended in a chunk's head"),
            }
        };
        let line = String::from_utf8(self.take(line_len + 2)).unwrap();
        let len =
            usize::from_str_radix(line.trim_end(), 16).unwrap_or_else(|_| panic!("chunk head {line:?}"));
        let mut chunk = self.take_or_wait(len + 2);
        assert_eq!(chunk.split_off(len), b"\r\n");
        chunk
    }

    /// Whether the daemon closes the connection without another byte.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.input.is_empty() && !self.read_more()
    }

    /// Reads once; `false` at the end of the connection, in order or not.
    fn read_more(&mut self) -> bool {
        let mut bytes = [0; 64 << 10];
        match self.stream.read(&mut bytes) {
            Ok(0) => false,
            Ok(n) => {
                self.input.extend_from_slice(&bytes[..n]);
                true
            }
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => false,
            Err(error) => panic!("{error}; so far {:?}", String::from_utf8_lossy(&self.input)),
        }
    }

    fn take(&mut self, n: usize) -> Vec<u8> {
        let rest = self.input.split_off(n);
        std::mem::replace(&mut self.input, rest)
    }

    fn take_or_wait(&mut self, n: usize) -> Vec<u8> {
        while self.input.len() < n {
            assert!(self.read_more(), "the connection ended {} bytes early", n - self.input.len());
        }
        self.take(n)
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn read_head(head: &str) -> Response {
    let mut lines = head.strip_suffix("\r\n\r\n").unwrap().split("\r\n");
    let status_line = lines.next().unwrap();
    let status = status_line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.split_once(' '));
    let (status, _reason) = status.unwrap_or_else(|| panic!("status line {status_line:?}"));
    assert_eq!(status.len(), 3, "{status_line:?}");
    let fields = lines.map(read_field).collect();
    Response { status: status.parse().unwrap(), fields, body: Vec::new() }
}

fn read_field(line: &str) -> (String, String) {
    let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("field line {line:?}"));
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    assert!(!name.is_empty() && name.bytes().all(is_token), "field name {line:?}");
    assert!(!value.chars().any(char::is_control) && value == value.trim(), "field value {line:?}");
    (name.to_owned(), value.to_owned())
}

/// The fields that every answer bears (PROTOCOL §2).
fn check_standard_fields(response: &Response) {
    assert_eq!(response.field("X-Content-Type-Options"), Some("nosniff"), "{response:?}");
    assert_eq!(response.field("Cache-Control"), Some("no-store"), "{response:?}");
    let date = response.field("Date").map(|date| date.len());
    assert!(date == Some("Sun, 06 Nov 1994 08:49:37 GMT".len()) || response.status == 101, "{response:?}");
    let policy = response.field("Cross-Origin-Resource-Policy");
    assert!(matches!(policy, Some("same-origin" | "cross-origin")), "{response:?}");
}
