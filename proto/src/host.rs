//! Whom to connect to, as clients write it (PROTOCOL §6.2): an address, `::1` and `[::1]` alike, or a name. Looks
//! nothing up.

use std::net::{IpAddr, Ipv6Addr};

/// Bytes of a name (RFC 1035, 2.3.4, as text), a final dot left out.
const NAME_BYTES_MAX: usize = 253;

/// A host that can be connected to, or looked up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Host<'a> {
    /// No look-up needed.
    Address(IpAddr),
    /// Something that a resolver may know: not empty, at most 253 bytes, no NUL, no brackets.
    Name(&'a str),
}

impl<'a> Host<'a> {
    /// Reads what a client sent; `None`: neither an address nor anything that could be a name.
    pub fn parse(text: &'a str) -> Option<Host<'a>> {
        if let Some(address) = literal(text) {
            return Some(Host::Address(address));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let fits = (1..=NAME_BYTES_MAX).contains(&name.len());
        (fits && !name.contains(['\0', '[', ']'])).then_some(Host::Name(text))
    }
}

/// The address that a text is: `a.b.c.d`, an IPv6 address, or one in brackets. An IPv4 address in IPv6 clothes
/// (`::ffff:a.b.c.d`) is the IPv4 address, so that rules for one hold for the other.
pub fn literal(text: &str) -> Option<IpAddr> {
    let address = match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inside) => IpAddr::V6(inside.parse::<Ipv6Addr>().ok()?),
        None => text.parse::<IpAddr>().ok()?,
    };
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn addresses() {
        let local6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
        let local4 = IpAddr::V4(Ipv4Addr::LOCALHOST);
        for (text, expected) in [
            ("::1", Some(local6)),
            ("[::1]", Some(local6)),
            ("127.0.0.1", Some(local4)),
            ("::ffff:127.0.0.1", Some(local4)),
            ("[::ffff:7f00:1]", Some(local4)),
            ("[127.0.0.1]", None),
            ("127.0.0.01", None),
            ("127.1", None),
            ("::1%lo", None),
            ("[::1", None),
            ("::1]", None),
            ("[::1]:80", None),
            (" ::1", None),
            ("", None),
        ] {
            assert_eq!(literal(text), expected, "{text:?}");
        }
    }

    #[test]
    fn names() {
        let long = "a".repeat(253);
        let dotted = format!("{long}.");
        let too_long = "a".repeat(254);
        for (text, is_name) in [
            ("example.com", true),
            ("example.com.", true),
            ("localhost", true),
            ("bücher.example", true),
            (&long, true),
            (&dotted, true),
            (&too_long, false),
            ("", false),
            (".", false),
            ("a\0b", false),
            ("[::1", false),
        ] {
            assert_eq!(Host::parse(text) == Some(Host::Name(text)), is_name, "{text:?}");
        }
        assert_eq!(Host::parse("[::1]"), Some(Host::Address(IpAddr::V6(Ipv6Addr::LOCALHOST))));
    }
}
