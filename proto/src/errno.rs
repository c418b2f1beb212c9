//! The error numbers of the wire: Linux's, on every platform (PROTOCOL §6.2). Owns the numbers, their names and the
//! mapping from what other systems say; a pure table.

use std::fmt;
use std::io::ErrorKind;

/// A number for an `errno` field. 0 is none; 0x1000 + n is a name that did not resolve (n: getaddrinfo's code).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Errno(pub u32);

/// First number of those that getaddrinfo's codes are added to.
const NAME_BASE: u32 = 0x1000;

macro_rules! errnos {
    ($($name:ident $number:literal $mac:literal $wsa:literal $doc:literal)*) => {
        impl Errno {
            $(#[doc = $doc] pub const $name: Self = Self($number);)*

            /// The symbolic name, `"ECONNREFUSED"`; `"EAI_…"` where a name did not resolve.
            pub const fn known_name(self) -> Option<&'static str> {
                match self.0 { $($number => Some(stringify!($name)),)* _ => None }
            }
        }

        /// Linux number, macOS number (0: none), Winsock number (0: none).
        const NUMBERS: &[(u32, i32, i32)] = &[$(($number, $mac, $wsa)),*];
    };
}

errnos! {
    EPERM 1 1 0 "Operation not permitted."
    ENOENT 2 2 0 "No such file."
    EINTR 4 4 10004 "Interrupted."
    EIO 5 5 0 "Input/output error."
    EBADF 9 9 10009 "Bad id."
    EAGAIN 11 35 10035 "Try again."
    ENOMEM 12 12 0 "Out of memory."
    EACCES 13 13 10013 "Not permitted."
    EFAULT 14 14 10014 "Bad address."
    EEXIST 17 17 0 "Id in use."
    ENOTDIR 20 20 0 "Not a directory."
    EISDIR 21 21 0 "Is a directory."
    EINVAL 22 22 10022 "Invalid argument."
    ENFILE 23 23 0 "Too many open files in the system."
    EMFILE 24 24 10024 "Too many open."
    EFBIG 27 27 0 "File too large."
    ENOSPC 28 28 0 "Disk full."
    EROFS 30 30 0 "Read-only file system."
    EPIPE 32 32 10058 "Broken pipe."
    ENAMETOOLONG 36 63 10063 "File name too long."
    ENOTEMPTY 39 66 10066 "Directory not empty."
    ELOOP 40 62 10062 "Too many links."
    EPROTO 71 100 0 "Protocol error, a failed TLS handshake among them."
    EOVERFLOW 75 84 0 "Too much of something."
    EILSEQ 84 92 0 "Not a character of the file system's."
    EMSGSIZE 90 40 10040 "Message too long."
    EPROTONOSUPPORT 93 43 10043 "Protocol not supported."
    EOPNOTSUPP 95 102 10045 "Operation not supported."
    EAFNOSUPPORT 97 47 10047 "Address family not supported."
    EADDRINUSE 98 48 10048 "Address in use."
    EADDRNOTAVAIL 99 49 10049 "Address not available."
    ENETDOWN 100 50 10050 "Network is down."
    ENETUNREACH 101 51 10051 "Network unreachable."
    ENETRESET 102 52 10052 "Connection dropped by the network."
    ECONNABORTED 103 53 10053 "Connection aborted."
    ECONNRESET 104 54 10054 "Connection reset."
    ENOBUFS 105 55 10055 "No buffer space; a window that was overrun."
    EISCONN 106 56 10056 "Already connected."
    ENOTCONN 107 57 10057 "Not connected."
    ETIMEDOUT 110 60 10060 "Timed out."
    ECONNREFUSED 111 61 10061 "Connection refused."
    EHOSTDOWN 112 64 10064 "Host is down."
    EHOSTUNREACH 113 65 10065 "Host unreachable."
    EALREADY 114 37 10037 "Already under way."
    EINPROGRESS 115 36 10036 "Under way."
    ESTALE 116 70 10070 "Stale file handle."
    EDQUOT 122 69 10069 "Quota used up."
    ECANCELED 125 89 10103 "Cancelled."
}

/// Whose numbers a raw system error code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// Linux: the wire's own.
    Linux,
    /// macOS and the BSDs.
    Bsd,
    /// Winsock and Win32 codes.
    Windows,
}

impl Platform {
    /// The platform that this is compiled for.
    pub const CURRENT: Self = if cfg!(windows) {
        Self::Windows
    } else if cfg!(any(target_os = "linux", target_os = "android")) {
        Self::Linux
    } else {
        Self::Bsd
    };
}

/// Win32 codes of file and pipe calls that have a meaning of their own here.
const WIN32: &[(i32, Errno)] = &[
    (2, Errno::ENOENT),
    (3, Errno::ENOENT),
    (4, Errno::EMFILE),
    (5, Errno::EACCES),
    (6, Errno::EBADF),
    (8, Errno::ENOMEM),
    (14, Errno::ENOMEM),
    (19, Errno::EROFS),
    (32, Errno::EACCES),
    (33, Errno::EACCES),
    (39, Errno::ENOSPC),
    (80, Errno::EEXIST),
    (87, Errno::EINVAL),
    (109, Errno::EPIPE),
    (112, Errno::ENOSPC),
    (121, Errno::ETIMEDOUT),
    (123, Errno::EINVAL),
    (145, Errno::ENOTEMPTY),
    (183, Errno::EEXIST),
    (206, Errno::ENAMETOOLONG),
    (267, Errno::ENOTDIR),
    (995, Errno::ECANCELED),
    (1223, Errno::ECANCELED),
    (1225, Errno::ECONNREFUSED),
    (1231, Errno::ENETUNREACH),
    (1232, Errno::EHOSTUNREACH),
    (1236, Errno::ECONNABORTED),
    (1295, Errno::EDQUOT),
    (1921, Errno::ELOOP),
];

impl Errno {
    /// No error.
    pub const NONE: Self = Self(0);

    /// The wire's number for an I/O error: by the system's raw code where there is one that is known, else by its kind,
    /// else EIO.
    pub fn from_raw(kind: ErrorKind, raw: Option<i32>, platform: Platform) -> Self {
        raw.and_then(|raw| from_code(raw, platform)).or_else(|| from_kind(kind)).unwrap_or(Self::EIO)
    }

    /// The wire's number for an I/O error of this platform.
    pub fn from_io(error: &std::io::Error) -> Self {
        Self::from_raw(error.kind(), error.raw_os_error(), Platform::CURRENT)
    }

    /// A name that did not resolve: 0x1000 plus getaddrinfo's code, absolute (some systems' codes are negative).
    pub const fn from_getaddrinfo(code: i32) -> Self {
        Self(NAME_BASE.saturating_add(code.unsigned_abs()))
    }

    /// getaddrinfo's code, where the number stands for one.
    pub const fn getaddrinfo(self) -> Option<u32> {
        self.0.checked_sub(NAME_BASE)
    }

    /// The name of getaddrinfo's code where the number stands for one, by Linux's numbering: `"EAI_NONAME"`; `"EAI"`
    /// where that has no name for it.
    pub fn getaddrinfo_name(self) -> Option<&'static str> {
        const NAMES: [&str; 11] = [
            "EAI_BADFLAGS",
            "EAI_NONAME",
            "EAI_AGAIN",
            "EAI_FAIL",
            "EAI_NODATA",
            "EAI_FAMILY",
            "EAI_SOCKTYPE",
            "EAI_SERVICE",
            "EAI_ADDRFAMILY",
            "EAI_MEMORY",
            "EAI_SYSTEM",
        ];
        let code = self.getaddrinfo()? as usize;
        let known = code.checked_sub(1).filter(|_| Platform::CURRENT == Platform::Linux);
        Some(known.and_then(|index| NAMES.get(index)).copied().unwrap_or("EAI"))
    }

    /// Whether it stands for an error.
    pub const fn is_error(self) -> bool {
        self.0 != 0
    }
}

/// The `errnoName` of problem documents: the symbolic name, else the number.
impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.known_name(), self.getaddrinfo()) {
            (Some(name), _) => f.write_str(name),
            (None, Some(code)) => write!(f, "EAI_{code}"),
            (None, None) => write!(f, "E{}", self.0),
        }
    }
}

fn from_code(raw: i32, platform: Platform) -> Option<Errno> {
    let known = |wanted: &dyn Fn(&(u32, i32, i32)) -> bool| {
        NUMBERS.iter().find(|row| wanted(row)).map(|(linux, ..)| Errno(*linux))
    };
    match platform {
        // A Linux number is the wire's own number, named here or not.
        Platform::Linux => u32::try_from(raw).ok().filter(|code| (1..NAME_BASE).contains(code)).map(Errno),
        Platform::Bsd => known(&|(_, mac, _)| *mac != 0 && *mac == raw),
        Platform::Windows => known(&|(.., wsa)| *wsa != 0 && *wsa == raw)
            .or_else(|| WIN32.iter().find(|(code, _)| *code == raw).map(|(_, errno)| *errno)),
    }
}

fn from_kind(kind: ErrorKind) -> Option<Errno> {
    Some(match kind {
        ErrorKind::NotFound => Errno::ENOENT,
        ErrorKind::PermissionDenied => Errno::EACCES,
        ErrorKind::ConnectionRefused => Errno::ECONNREFUSED,
        ErrorKind::ConnectionReset => Errno::ECONNRESET,
        ErrorKind::ConnectionAborted => Errno::ECONNABORTED,
        ErrorKind::HostUnreachable => Errno::EHOSTUNREACH,
        ErrorKind::NetworkUnreachable => Errno::ENETUNREACH,
        ErrorKind::NetworkDown => Errno::ENETDOWN,
        ErrorKind::NotConnected => Errno::ENOTCONN,
        ErrorKind::AddrInUse => Errno::EADDRINUSE,
        ErrorKind::AddrNotAvailable => Errno::EADDRNOTAVAIL,
        ErrorKind::BrokenPipe | ErrorKind::WriteZero => Errno::EPIPE,
        ErrorKind::AlreadyExists => Errno::EEXIST,
        ErrorKind::NotADirectory => Errno::ENOTDIR,
        ErrorKind::IsADirectory => Errno::EISDIR,
        ErrorKind::ReadOnlyFilesystem => Errno::EROFS,
        ErrorKind::InvalidInput => Errno::EINVAL,
        ErrorKind::TimedOut => Errno::ETIMEDOUT,
        ErrorKind::StorageFull => Errno::ENOSPC,
        ErrorKind::QuotaExceeded => Errno::EDQUOT,
        ErrorKind::FileTooLarge => Errno::EFBIG,
        ErrorKind::OutOfMemory => Errno::ENOMEM,
        ErrorKind::Interrupted => Errno::EINTR,
        ErrorKind::WouldBlock => Errno::EAGAIN,
        ErrorKind::Unsupported => Errno::EOPNOTSUPP,
        ErrorKind::InvalidData => Errno::EPROTO,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Error;

    #[test]
    fn the_contracts_numbers() {
        let named = [
            (111, "ECONNREFUSED"),
            (110, "ETIMEDOUT"),
            (113, "EHOSTUNREACH"),
            (101, "ENETUNREACH"),
            (98, "EADDRINUSE"),
            (13, "EACCES"),
            (24, "EMFILE"),
            (104, "ECONNRESET"),
            (32, "EPIPE"),
            (105, "ENOBUFS"),
            (28, "ENOSPC"),
            (125, "ECANCELED"),
            (2, "ENOENT"),
            (9, "EBADF"),
            (17, "EEXIST"),
            (22, "EINVAL"),
        ];
        for (number, name) in named {
            assert_eq!(Errno(number).to_string(), name);
        }
        assert_eq!(Errno::from_getaddrinfo(-2), Errno(0x1002));
        assert_eq!(Errno(0x1002).to_string(), "EAI_2");
        assert_eq!(Errno(0x1002).getaddrinfo(), Some(2));
        assert_eq!((Errno(77).getaddrinfo_name(), Errno(0x1077).getaddrinfo_name()), (None, Some("EAI")));
        #[cfg(target_os = "linux")]
        assert_eq!(Errno(0x1002).getaddrinfo_name(), Some("EAI_NONAME"));
        assert_eq!(Errno(77).to_string(), "E77");
    }

    #[test]
    fn other_systems_codes_become_linux_numbers() {
        let map = |raw, platform| Errno::from_raw(ErrorKind::Other, Some(raw), platform);
        assert_eq!(map(61, Platform::Bsd), Errno::ECONNREFUSED);
        assert_eq!(map(111, Platform::Linux), Errno::ECONNREFUSED);
        assert_eq!(map(10061, Platform::Windows), Errno::ECONNREFUSED);
        assert_eq!(map(112, Platform::Windows), Errno::ENOSPC);
        assert_eq!(map(77, Platform::Linux), Errno(77), "a number without a name of ours stays");
        assert_eq!(map(-3, Platform::Linux), Errno::EIO);
        assert_eq!(map(9999, Platform::Windows), Errno::EIO);
    }

    #[test]
    fn a_kind_stands_in_where_no_code_is_known() {
        assert_eq!(Errno::from_io(&Error::from(ErrorKind::TimedOut)), Errno::ETIMEDOUT);
        assert_eq!(Errno::from_raw(ErrorKind::ConnectionReset, Some(9999), Platform::Bsd), Errno::ECONNRESET);
        assert_eq!(Errno::from_io(&Error::other("odd")), Errno::EIO);
    }
}
