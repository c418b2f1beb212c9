//! Requests and answers as bytes.

use super::PORT;
use serde_json::Value;

/// A request under construction.
#[derive(Clone)]
pub(crate) struct Request {
    method: String,
    target: String,
    fields: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    chunk_bytes: Option<usize>,
}

impl Request {
    pub(crate) fn new(method: &str, target: &str) -> Request {
        let fields = vec![("Host".to_owned(), format!("127.0.0.1:{PORT}"))];
        Request { method: method.into(), target: target.into(), fields, body: None, chunk_bytes: None }
    }

    pub(crate) fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    /// With a number where the target has `N`.
    pub(crate) fn at(mut self, number: &str) -> Request {
        self.target = self.target.replace('N', number);
        self
    }

    pub(crate) fn field(mut self, name: &str, value: &str) -> Request {
        self.fields.push((name.into(), value.into()));
        self
    }

    pub(crate) fn session(self, session: &str) -> Request {
        self.field("X-JST-Session", session)
    }

    /// `X-Path-Base64` of a path.
    pub(crate) fn path(self, path: &str) -> Request {
        self.field("X-Path-Base64", &data_encoding::BASE64.encode(path.as_bytes()))
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.body = Some(body.into());
        self
    }

    /// A body in chunks of so many bytes.
    pub(crate) fn chunked(mut self, body: impl Into<Vec<u8>>, chunk_bytes: usize) -> Request {
        self.body = Some(body.into());
        self.chunk_bytes = Some(chunk_bytes);
        self
    }

    pub(crate) fn json(self, value: &Value) -> Request {
        self.field("Content-Type", "application/json").body(value.to_string())
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.fields {
            head += &format!("{name}: {value}\r\n");
        }
        match (&self.body, self.chunk_bytes) {
            (Some(_), Some(_)) => head += "Transfer-Encoding: chunked\r\n",
            (Some(body), None) => head += &format!("Content-Length: {}\r\n", body.len()),
            _ => {}
        }
        head += "\r\n";
        let mut bytes = head.into_bytes();
        match (&self.body, self.chunk_bytes) {
            (Some(body), Some(chunk_bytes)) => {
                for chunk in body.chunks(chunk_bytes) {
                    bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    bytes.extend_from_slice(chunk);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\n\r\n");
            }
            (Some(body), None) => bytes.extend_from_slice(body),
            _ => {}
        }
        bytes
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// Takes an answer from the front of what was received. `ended`: nothing more will come.
    pub(super) fn take(received: &mut Vec<u8>, is_head: bool, ended: bool) -> Option<Response> {
        let head_len = received.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let head = std::str::from_utf8(&received[..head_len]).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().unwrap();
        let fields: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut response = Response { status, fields, body: Vec::new() };
        let rest = &received[head_len..];
        let taken = match (response.field("Content-Length"), response.field("Transfer-Encoding")) {
            _ if is_head || matches!(status, 100 | 204 | 304) => 0,
            (Some(length), None) => {
                let length: usize = length.parse().unwrap();
                response.body = rest.get(..length)?.to_vec();
                length
            }
            (None, Some("chunked")) => dechunk(rest, &mut response.body)?,
            (None, None) if ended => {
                response.body = rest.to_vec();
                rest.len()
            }
            _ => return None,
        };
        received.drain(..head_len + taken);
        Some(response)
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// 200.
    #[track_caller]
    pub(crate) fn ok(self) -> Response {
        assert_eq!(self.status, 200, "{}", self.text());
        self
    }

    /// A refusal with that status and code.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Response {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.field("Content-Type"), Some("application/problem+json"));
        assert_eq!(self.json()["code"], code);
        self
    }
}

fn dechunk(mut bytes: &[u8], body: &mut Vec<u8>) -> Option<usize> {
    let all = bytes.len();
    loop {
        let line = bytes.windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..line]).unwrap(), 16).unwrap();
        body.extend_from_slice(bytes.get(line + 2..line + 2 + size)?);
        assert_eq!(bytes.get(line + 2 + size..line + 4 + size)?, b"\r\n");
        bytes = &bytes[line + 4 + size..];
        if size == 0 {
            return Some(all - bytes.len());
        }
    }
}
