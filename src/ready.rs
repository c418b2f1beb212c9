//! What the daemon says once it accepts connections: the one line on stdout (PROTOCOL §1), and for `--dev` how to try
//! it. Nothing else may write to stdout. The token goes into the ready line and nowhere else.

use std::io::{self, Write};

use jstorrent_io_proto::token::Token;

/// Version of the protocol that is spoken.
const PROTOCOL: u32 = 1;
/// 256 bits.
const TOKEN_BYTES: usize = 32;

/// A new token: 256 bits from the system's random source, base64url without padding (43 characters).
///
/// # Errors
/// The system has no random source: nothing could be kept out, so that the daemon must not start.
pub fn new_token() -> io::Result<Token> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(Token::from_random(&bytes))
}

/// What the ready line tells.
#[derive(Clone, Copy, Debug)]
pub struct Ready<'a> {
    /// Port of the HTTP and `/io` listener on 127.0.0.1.
    pub port: u16,
    /// Port of the listener that serves `/stream` only.
    pub stream_port: u16,
    /// The token, or `None` where whoever started us chose it: then the line is the bare port.
    pub token: Option<&'a Token>,
}

impl Ready<'_> {
    /// The ready line with its line feed.
    fn line(&self) -> String {
        let Some(token) = self.token else { return format!("{}\n", self.port) };
        // Nothing in it needs escaping: numbers, base64url, and Cargo's version.
        format!(
            "{{\"port\":{},\"token\":\"{}\",\"streamPort\":{},\"pid\":{},\"version\":\"{}\",\"protocol\":{PROTOCOL}}}\n",
            self.port,
            token.reveal(),
            self.stream_port,
            std::process::id(),
            env!("CARGO_PKG_VERSION"),
        )
    }

    /// Writes the ready line, in one write.
    ///
    /// # Errors
    /// Nobody can read it: worth a warning, no more, as whoever gave the token and the port needs no line.
    pub fn announce(&self, stdout: &mut impl Write) -> io::Result<()> {
        stdout.write_all(self.line().as_bytes())?;
        stdout.flush()
    }
}

/// How to try a `--dev` daemon, for stderr; the token is `$TOKEN`, which the reader sets from the ready line.
pub fn dev_help(port: u16) -> String {
    let url = format!("http://127.0.0.1:{port}");
    let auth = "-H \"X-JST-Auth: $TOKEN\"";
    format!(
        "Try it (TOKEN is \"token\" in the line above; X-Path-Base64 is the path a.txt):
  export TOKEN=...
  curl {url}/health
  curl {auth} {url}/roots
  curl {auth} -H 'X-Path-Base64: YS50eHQ=' --data-binary 'hello' {url}/write/dev
  curl {auth} -H 'X-Path-Base64: YS50eHQ=' {url}/read/dev
  curl {auth} '{url}/hash/sha1/a.txt?root_token=dev'
  curl {auth} {url}/stats
  curl {auth} -X POST {url}/control/shutdown
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_256_bits_and_differ() {
        let (a, b) = (new_token().unwrap(), new_token().unwrap());
        assert_eq!(a.reveal().len(), 43);
        assert_ne!(a.reveal(), b.reveal());
    }

    #[test]
    fn the_ready_line_is_the_contracts() {
        let token = Token::from_text("abc_-1").unwrap();
        let mut line = Vec::new();
        Ready { port: 49152, stream_port: 49153, token: Some(&token) }.announce(&mut line).unwrap();
        let pid = std::process::id();
        let expected = format!(
            r#"{{"port":49152,"token":"abc_-1","streamPort":49153,"pid":{pid},"version":"0.1.0","protocol":1}}"#
        );
        assert_eq!(String::from_utf8(line).unwrap(), expected + "\n");
    }

    #[test]
    fn with_a_given_token_the_line_is_the_port() {
        let mut line = Vec::new();
        Ready { port: 8080, stream_port: 8081, token: None }.announce(&mut line).unwrap();
        assert_eq!(line, b"8080\n");
    }

    #[test]
    fn the_line_is_one_write() {
        struct Counted(usize);
        impl Write for Counted {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 += 1;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut out = Counted(0);
        let token = new_token().unwrap();
        Ready { port: 1, stream_port: 2, token: Some(&token) }.announce(&mut out).unwrap();
        assert_eq!(out.0, 1);
    }

    #[test]
    fn the_dev_help_has_the_port_and_no_token() {
        let text = dev_help(4711);
        assert!(
            text.lines().skip(2).all(|line| line.starts_with("  curl ") && line.contains(":4711/")),
            "{text}"
        );
        assert!(text.contains("$TOKEN"));
    }
}
