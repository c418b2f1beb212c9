//! The statuses that the process ends with (PROTOCOL §1), and nothing else.

use std::process::ExitCode;

/// Why the process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitStatus {
    /// In order: asked to, parent gone, or idle. Also after `--help` and `--version`.
    Ended = 0,
    /// Internal failure, a panic of any thread included.
    Internal = 1,
    /// Bad command line.
    Usage = 2,
    /// Could not bind (`EX_UNAVAILABLE` of sysexits.h).
    Unavailable = 69,
}

impl ExitStatus {
    /// The number that the system is given.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> ExitCode {
        ExitCode::from(status.code())
    }
}
