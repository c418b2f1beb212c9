//! Which addresses are this daemon's own.

use crate::state::Settings;
use std::net::SocketAddr;

/// Whether a connection there would reach one of the daemon's own two ports (PROTOCOL §6.2, "Connecting"): all of
/// loopback counts, and the addresses that systems take for "this machine". Addresses of the machine's interfaces are
/// the reactor's to tell.
pub fn is_own(settings: &Settings, to: SocketAddr) -> bool {
    let ip = to.ip().to_canonical();
    settings.is_own_port(to.port()) && (ip.is_loopback() || ip.is_unspecified())
}
