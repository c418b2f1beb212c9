//! What the system said, as what the wire says: the one place that maps the first to the second.

use crate::job::{DiskError, WriteFailure};
use jstorrent_io_proto::error::{Code, Refusal};

/// The refusal that tells a client of a failed file operation.
pub fn disk(error: &DiskError) -> Refusal {
    match error {
        DiskError::NotFound => Code::NotFound.into(),
        DiskError::IsDirectory => Code::IsDirectory.into(),
        DiskError::NotADirectory => Code::NotADirectory.into(),
        DiskError::EscapesRoot => Code::PathEscapesRoot.into(),
        DiskError::NotRegular => Code::NotARegularFile.into(),
        DiskError::LinkLoop => Refusal::because(Code::PathInvalid, "The links on the way lead in a circle."),
        DiskError::BadName => Refusal::because(
            Code::PathInvalid,
            "The file system does not take this name, or finds it too long.",
        ),
        DiskError::DiskFull => Code::DiskFull.into(),
        DiskError::PermissionDenied => Code::PermissionDenied.into(),
        DiskError::ReadOnly => Code::ReadOnly.into(),
        DiskError::BeyondEnd { size } => beyond_end(*size),
        DiskError::Io { text, .. } => Refusal::because(Code::IoError, text.clone()),
    }
}

/// 416: an offset or range behind the end of a file of that size.
pub fn beyond_end(size: u64) -> Refusal {
    Refusal::because(
        Code::OffsetBeyondEnd,
        format!("The offset or range lies beyond the end of the file, which has {size} bytes."),
    )
    .with_size(size)
}

/// The refusal that tells of a write that failed, and how far it came.
pub fn write(failure: &WriteFailure) -> Refusal {
    let refusal = disk(&failure.error);
    match failure.written {
        0 => refusal,
        written => {
            let detail = format!("{} {written} bytes were written before.", refusal.detail);
            Refusal { detail: detail.into(), ..refusal }
        }
    }
}
