//! The shape of an origin that an option may name: RFC 6454 §6.2, `scheme://host[:port]`.
//! It decides nothing about a request; it only makes what was configured comparable with what browsers send.

/// Lower-cases an origin and drops its scheme's default port, as browsers do (RFC 6454 §4).
///
/// # Errors
/// What is wrong with it, as the end of a sentence.
pub(super) fn normalize(text: &str) -> Result<String, String> {
    if text.eq_ignore_ascii_case("null") {
        return Err("null stands for any sandboxed page; name the page's own origin".to_owned());
    }
    let lower = text.to_ascii_lowercase();
    let (scheme, rest) = lower.split_once("://").filter(|(scheme, _)| is_scheme(scheme)).ok_or(SHAPE)?;
    if rest.contains(['/', '?', '#']) {
        return Err("an origin has no path; leave out what follows the host and port".to_owned());
    }
    let (host, port) = split_port(rest);
    if !is_host(host) {
        return Err(SHAPE.to_owned());
    }
    match port {
        None => Ok(lower),
        Some(port) if is_default_port(scheme, port) => Ok(format!("{scheme}://{host}")),
        Some(port) if is_port(port) => Ok(lower),
        Some(_) => Err("its port is not a number from 1 to 65535".to_owned()),
    }
}

const SHAPE: &str = "an origin looks like https://example.com or http://localhost:5173";

/// RFC 3986 §3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

/// Splits at the colon before the port; the colons of a bracketed IPv6 address don't count.
fn split_port(rest: &str) -> (&str, Option<&str>) {
    let host_end = if rest.starts_with('[') { rest.find(']').map_or(0, |at| at + 1) } else { 0 };
    match rest[host_end..].split_once(':') {
        Some((before, port)) => (&rest[..host_end + before.len()], Some(port)),
        None => (rest, None),
    }
}

fn is_host(text: &str) -> bool {
    match text.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|ip| ip.parse::<std::net::Ipv6Addr>().is_ok()),
        None => !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)),
    }
}

fn is_port(text: &str) -> bool {
    !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

fn is_default_port(scheme: &str, port: &str) -> bool {
    matches!((scheme, port), ("http" | "ws", "80") | ("https" | "wss", "443"))
}

#[cfg(test)]
mod tests {
    use super::normalize;

    #[test]
    fn origins_as_browsers_send_them_stay_as_they_are() {
        for origin in [
            "http://localhost:5173",
            "https://example.com",
            "http://127.0.0.1:1",
            "http://[::1]:8080",
            "chrome-extension://dbokmlpefliilbjldladbimlcfgbolhk",
        ] {
            assert_eq!(normalize(origin).as_deref(), Ok(origin));
        }
    }

    #[test]
    fn case_and_default_ports_are_made_as_browsers_write_them() {
        assert_eq!(normalize("HTTPS://Example.COM:443").as_deref(), Ok("https://example.com"));
        assert_eq!(normalize("http://Example.com:80").as_deref(), Ok("http://example.com"));
        assert_eq!(normalize("https://example.com:80").as_deref(), Ok("https://example.com:80"));
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in [
            "",
            "null",
            "NULL",
            "*",
            "https://*",
            "https://",
            "example.com",
            "https://a/",
            "https://a/b",
            "https://a?b",
            "https://a#b",
            "https://u@a",
            "https://a:",
            "https://a:0",
            "https://a:080",
            "https://a:65536",
            "https://a:x",
            "https://a:+1",
            "https://[::1",
            "https://[zz]",
            "https://[::1]x",
            "https://a b",
            "1http://a",
            "://a",
            "https://é",
            "https://a,https://b",
        ] {
            assert!(normalize(text).is_err(), "{text:?}");
        }
    }
}
