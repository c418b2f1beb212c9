//! Names to addresses, by the system's resolver. What was looked up lately is for `state::names` to know; here every
//! question is put.

use crate::limits::NAME_ADDRESSES_MAX;
use crate::platform::names;
use jstorrent_io_proto::host::Host;
use std::net::IpAddr;

/// At least one address, each once, in the system's order of preference.
///
/// # Errors
/// getaddrinfo's code as on Linux, as a positive number.
pub(super) fn resolve(host: &str) -> Result<Vec<IpAddr>, i32> {
    let found = match Host::parse(host) {
        Some(Host::Address(address)) => return Ok(vec![address]),
        Some(Host::Name(name)) => names::addresses_of(name)?,
        None => return Err(names::NO_NAME),
    };
    let mut distinct = Vec::new();
    for address in found.into_iter().map(|address| address.to_canonical()) {
        if distinct.len() < NAME_ADDRESSES_MAX && !distinct.contains(&address) {
            distinct.push(address);
        }
    }
    if distinct.is_empty() { Err(names::NO_DATA) } else { Ok(distinct) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_up_what_is_no_address() {
        let found = resolve("localhost").expect("every system knows it");
        assert!(found.iter().all(IpAddr::is_loopback));
        assert_eq!(resolve("[::1]"), Ok(vec!["::1".parse().expect("an address")]));
        for bad in ["", "a\0", "[x]"] {
            assert_eq!(resolve(bad), Err(names::NO_NAME), "{bad:?}");
        }
    }
}
