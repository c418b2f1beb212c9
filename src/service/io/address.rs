//! Addresses as clients write them, and which of them are this daemon's own.

use crate::state::Settings;
use std::net::{IpAddr, SocketAddr};

/// A numeric address, IPv6 with or without brackets. An IPv4 address that is dressed as IPv6 is one of IPv4.
pub(super) fn parse(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = match bare {
        Some(inner) => IpAddr::V6(inner.parse().ok()?),
        None => text.parse().ok()?,
    };
    Some(address.to_canonical())
}

/// Whether a connection there would reach one of the daemon's own two ports (PROTOCOL §6.2, "Connecting"): all of
/// loopback counts, and the addresses that systems take for "this machine". Addresses of the machine's interfaces are
/// the reactor's to tell.
pub(super) fn is_own(settings: &Settings, to: SocketAddr) -> bool {
    let ip = to.ip().to_canonical();
    settings.is_own_port(to.port()) && (ip.is_loopback() || ip.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_are_for_ipv6() {
        assert_eq!(parse("::1"), parse("[::1]"));
        assert_eq!(parse("::ffff:127.0.0.1"), parse("127.0.0.1"));
        for bad in ["", "[127.0.0.1]", "[::1", "::1]", "localhost", "1.2.3", "127.1", "0x7f.1", "1.2.3.4:5"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
