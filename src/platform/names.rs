//! The system's resolver, and its complaints as the numbers that Linux has for them: the standard library tells only a
//! text on Unix. It may wait for seconds, on the calling thread; nothing is cached here.

use std::net::IpAddr;

/// `EAI_NONAME`: there is no such name.
pub(crate) const NO_NAME: i32 = 2;
/// `EAI_AGAIN`: nobody could tell for now.
pub(crate) const TRY_AGAIN: i32 = 3;
/// `EAI_NODATA`: there is, but it has no address.
pub(crate) const NO_DATA: i32 = 5;

/// The addresses of a name, as the system orders them (RFC 6724); maybe some twice, maybe none.
///
/// # Errors
/// The code of getaddrinfo on Linux, as a positive number.
pub(crate) fn addresses_of(name: &str) -> Result<Vec<IpAddr>, i32> {
    system::addresses_of(name)
}

#[cfg(unix)]
mod system {
    use super::NO_NAME;
    use libc::{addrinfo, sockaddr_in, sockaddr_in6};
    use std::ffi::CString;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    use std::ptr;

    /// What getaddrinfo allocated.
    struct List(*mut addrinfo);

    impl Drop for List {
        fn drop(&mut self) {
            // SAFETY: the pointer came from a getaddrinfo that succeeded, and is freed here only.
            unsafe { libc::freeaddrinfo(self.0) }
        }
    }

    pub(super) fn addresses_of(name: &str) -> Result<Vec<IpAddr>, i32> {
        let list = look_up(name)?;
        let mut found = Vec::new();
        let mut next = list.0;
        while !next.is_null() {
            // SAFETY: an entry of the list that we own, which nobody changes.
            let entry = unsafe { &*next };
            found.extend(address_in(entry));
            next = entry.ai_next;
        }
        Ok(found)
    }

    fn look_up(name: &str) -> Result<List, i32> {
        let name = CString::new(name).map_err(|_| NO_NAME)?;
        let hints = addrinfo {
            ai_flags: 0,
            ai_family: libc::AF_UNSPEC,
            // One kind of socket, or each address would come once for each kind.
            ai_socktype: libc::SOCK_STREAM,
            ai_protocol: 0,
            ai_addrlen: 0,
            ai_addr: ptr::null_mut(),
            ai_canonname: ptr::null_mut(),
            ai_next: ptr::null_mut(),
        };
        let mut first = ptr::null_mut();
        // SAFETY: the name is NUL-terminated, the hints are filled in as the call wants them, and both outlive it.
        match unsafe { libc::getaddrinfo(name.as_ptr(), ptr::null(), &hints, &mut first) } {
            0 => Ok(List(first)),
            code if cfg!(target_os = "linux") => Err(code.abs()),
            code => Err(super::linux_code_of_bsd(code)),
        }
    }

    fn address_in(entry: &addrinfo) -> Option<IpAddr> {
        let length = entry.ai_addrlen as usize;
        match entry.ai_family {
            libc::AF_INET if length >= size_of::<sockaddr_in>() => {
                // SAFETY: the family says what it is, and the length that all of it is there.
                let address = unsafe { ptr::read_unaligned(entry.ai_addr.cast::<sockaddr_in>()) };
                Some(IpAddr::V4(Ipv4Addr::from(address.sin_addr.s_addr.to_ne_bytes())))
            }
            libc::AF_INET6 if length >= size_of::<sockaddr_in6>() => {
                // SAFETY: as above.
                let address = unsafe { ptr::read_unaligned(entry.ai_addr.cast::<sockaddr_in6>()) };
                Some(IpAddr::V6(Ipv6Addr::from(address.sin6_addr.s6_addr)))
            }
            _ => None,
        }
    }
}

#[cfg(windows)]
mod system {
    use std::net::{IpAddr, ToSocketAddrs};

    pub(super) fn addresses_of(name: &str) -> Result<Vec<IpAddr>, i32> {
        match (name, 0).to_socket_addrs() {
            Ok(found) => Ok(found.map(|address| address.ip()).collect()),
            Err(error) => Err(super::linux_code_of_windows(error.raw_os_error())),
        }
    }
}

/// From the numbers of macOS and the BSDs.
#[cfg_attr(any(windows, target_os = "linux"), allow(dead_code, reason = "other systems' numbers"))]
fn linux_code_of_bsd(code: i32) -> i32 {
    match code {
        2 => 3,
        3 => 1,
        5 => 6,
        6 => 10,
        7 => NO_DATA,
        8 => NO_NAME,
        9 => 8,
        10 => 7,
        11 => 11,
        14 => 12,
        _ => 4,
    }
}

/// From the numbers of Winsock; a name that can't be one at all has none.
#[cfg_attr(unix, allow(dead_code, reason = "another system's numbers"))]
fn linux_code_of_windows(code: Option<i32>) -> i32 {
    match code {
        None | Some(11001) => NO_NAME,
        Some(8) => 10,
        Some(10022) => 1,
        Some(10047) => 6,
        Some(11002) => 3,
        Some(11003) => 4,
        Some(11004) => NO_DATA,
        Some(_) => 11,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn the_systems_own_names() {
        let found = addresses_of("localhost").expect("every system knows it");
        assert!(found.iter().all(IpAddr::is_loopback) && !found.is_empty(), "{found:?}");
        assert_eq!(addresses_of("127.0.0.1"), Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]));
        assert_eq!(addresses_of("a\0b"), Err(NO_NAME));
    }

    /// RFC 6761, 6.4: no resolver knows it. One that can't be reached says "try again".
    #[test]
    fn a_name_that_nobody_has() {
        let code = addresses_of("nobody.invalid").expect_err("a reserved name");
        assert!([NO_NAME, NO_DATA, 3, 4].contains(&code), "{code}");
    }

    #[test]
    fn other_systems_numbers_become_those_of_linux() {
        assert_eq!([2, 8, 7, 99].map(linux_code_of_bsd), [3, 2, 5, 4]);
        assert_eq!([Some(11001), Some(11002), None, Some(5)].map(linux_code_of_windows), [2, 3, 2, 11]);
    }
}
