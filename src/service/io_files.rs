//! FILE_READ and FILE_WRITE: open files over `/io`, by the same jobs as over HTTP. Each becomes work of its own
//! (`conn::file_work`), so that a disk that hangs holds up nothing else on the connection.

use super::{files, io};
use crate::ids::{ConnId, FileId};
use crate::job::{DiskError, FileHandle};
use crate::state::State;
use crate::state::births::{Birth, FileTask, FileWork};
use jstorrent_io_proto::digest::Digest;
use jstorrent_io_proto::errno::Errno;
use jstorrent_io_proto::error::{Code, Refusal};
use jstorrent_io_proto::limits::FILE_READ_BYTES_MAX;
use jstorrent_io_proto::message::{ServerMessage, Status};
use std::sync::Arc;

/// FILE_READ.
pub fn read(state: &mut State, channel: ConnId, request_id: u32, file_id: u32, offset: u64, length: u32) {
    let found = find(state, channel, file_id, offset).and_then(|handle| match length {
        0..=FILE_READ_BYTES_MAX => Ok(handle),
        _ => Err(Errno::EINVAL),
    });
    match found {
        Ok(handle) => {
            let task = FileTask::Read(length as usize);
            begin(state, FileWork { channel, request_id, file: FileId(file_id), handle, offset, task });
        }
        Err(errno) => {
            let message = ServerMessage::FileData { file_id, status: Status::Failed, errno, data: &[] };
            state.tell(channel, request_id, &message);
        }
    }
}

/// FILE_WRITE.
pub fn write(
    state: &mut State,
    channel: ConnId,
    request_id: u32,
    file_id: u32,
    offset: u64,
    digest: Digest,
    data: &[u8],
) {
    let found = find(state, channel, file_id, offset.saturating_add(data.len() as u64));
    let allowed = found.and_then(|handle| match () {
        () if !handle.writable => Err(Errno::EACCES),
        () if state.message_bytes + data.len() > state.limits.file_write_bytes_max
            && state.message_bytes > 0 =>
        {
            Err(Errno::ENOBUFS)
        }
        () => Ok(handle),
    });
    match allowed {
        Ok(handle) => {
            let task = FileTask::Write(data.to_vec(), digest);
            begin(state, FileWork { channel, request_id, file: FileId(file_id), handle, offset, task });
        }
        Err(errno) => {
            let message = ServerMessage::FileWritten { file_id, status: Status::Failed, errno, written: 0 };
            state.tell(channel, request_id, &message);
        }
    }
}

fn find(state: &State, channel: ConnId, file_id: u32, end: u64) -> Result<Arc<FileHandle>, Errno> {
    let session = io::session(state, channel).ok_or(Errno::EBADF)?;
    files::within_file(end, "offset").map_err(|_| Errno::EINVAL)?;
    let found = files::find(state, session, FileId(file_id));
    found.map(|file| file.handle.clone()).map_err(|refusal: Refusal| match refusal.code {
        Code::RootUnknown => Errno::EACCES,
        _ => Errno::EBADF,
    })
}

fn begin(state: &mut State, work: FileWork) {
    files::hold(state, work.file);
    let id = state.identities.reserve();
    if let Some(channel) = state.channels.get_mut(work.channel) {
        channel.works.push(id);
    }
    state.births.add(id, Birth::File(work));
}

/// What a file operation's failure is on the wire.
pub fn errno(error: &DiskError) -> Errno {
    match error {
        DiskError::NotFound => Errno::ENOENT,
        DiskError::IsDirectory => Errno::EISDIR,
        DiskError::NotADirectory => Errno::ENOTDIR,
        DiskError::EscapesRoot
        | DiskError::NotRegular
        | DiskError::PermissionDenied
        | DiskError::ReadOnly => Errno::EACCES,
        DiskError::LinkLoop | DiskError::BadName | DiskError::BeyondEnd { .. } => Errno::EINVAL,
        DiskError::DiskFull => Errno::ENOSPC,
        DiskError::Io { errno, .. } => Errno(*errno),
    }
}
