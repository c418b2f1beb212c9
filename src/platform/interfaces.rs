//! The machine's IPv4 interfaces, for `GET /network/interfaces` (PROTOCOL §4). It only asks; it never opens a socket.

use crate::job::Interface;
use if_addrs::IfAddr;
use std::io;

/// All IPv4 addresses, loopback's last: whoever takes the first wants one that leads
/// somewhere. It asks the system, which may take milliseconds: not a call for the poll thread.
///
/// # Errors
/// The system's own.
pub fn ipv4_interfaces() -> io::Result<Vec<Interface>> {
    let mut all = if_addrs::get_if_addrs()?;
    all.sort_by_key(if_addrs::Interface::is_loopback);
    Ok(all.into_iter().filter_map(from_system).collect())
}

fn from_system(interface: if_addrs::Interface) -> Option<Interface> {
    match interface.addr {
        IfAddr::V4(v4) => {
            Some(Interface { name: interface.name, address: v4.ip, prefix_length: v4.prefixlen })
        }
        IfAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn loopback_is_there_and_last() {
        let all = ipv4_interfaces().unwrap();
        let last = all.last().expect("an interface");
        assert_eq!((last.address, last.prefix_length), (Ipv4Addr::LOCALHOST, 8));
    }
}
