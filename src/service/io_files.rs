//! FILE_READ and FILE_WRITE: open files over `/io`, by the same jobs as over HTTP. Each becomes work of its own
//! (`conn::file_work`), so that a disk that hangs holds up nothing else on the connection.

use super::{files, io};
use crate::buffer::Block;
use crate::ids::{ConnId, FileId};
use crate::job::{DiskError, FileHandle};
use crate::limits::WORK_BYTES;
use crate::state::State;
use crate::state::births::{Birth, FileTask, FileWork, Payload};
use jstorrent_io_proto::digest::Digest;
use jstorrent_io_proto::errno::Errno;
use jstorrent_io_proto::error::{Code, Refusal};
use jstorrent_io_proto::limits::FILE_READ_BYTES_MAX;
use jstorrent_io_proto::message::{ServerMessage, Status};
use std::sync::Arc;

/// FILE_READ.
pub fn read(state: &mut State, channel: ConnId, request_id: u32, file_id: u32, offset: u64, length: u32) {
    let found = find(state, channel, file_id, offset).and_then(|handle| match length {
        0..=FILE_READ_BYTES_MAX if may_begin(state, channel) => Ok(handle),
        0..=FILE_READ_BYTES_MAX => Err(Errno::ENOBUFS),
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

/// A FILE_WRITE.
#[derive(Debug)]
pub struct Write {
    /// The file's number.
    pub file_id: u32,
    /// First byte.
    pub offset: u64,
    /// What the data must have, if anything.
    pub digest: Digest,
}

/// FILE_WRITE. Its data may lie in a block, which is then shared, not copied.
pub fn write(
    state: &mut State,
    channel: ConnId,
    request_id: u32,
    write: Write,
    data: &[u8],
    block: Option<&Arc<Block>>,
) {
    let Write { file_id, offset, digest } = write;
    let found = find(state, channel, file_id, offset.saturating_add(data.len() as u64));
    let copied = if block.is_some() { 0 } else { data.len() };
    let bulk_free = state.bulk_free_bytes();
    let allowed = found.and_then(|handle| match () {
        () if !handle.writable => Err(Errno::EACCES),
        () if !may_begin(state, channel) || !state.works.may_write(data.len(), copied, bulk_free) => {
            Err(Errno::ENOBUFS)
        }
        () => Ok(handle),
    });
    match allowed {
        Ok(handle) => {
            let task = FileTask::Write(Payload::of(data, block), digest);
            begin(state, FileWork { channel, request_id, file: FileId(file_id), handle, offset, task });
        }
        Err(errno) => {
            let message = ServerMessage::FileWritten { file_id, status: Status::Failed, errno, written: 0 };
            state.tell(channel, request_id, &message);
        }
    }
}

fn may_begin(state: &State, channel: ConnId) -> bool {
    let mine = state.channels.get(channel).map(|channel| channel.works.len());
    mine.is_some_and(|mine| state.works.may_begin(mine)) && state.entries_fit(WORK_BYTES)
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
    let (bytes, copied) = match &work.task {
        FileTask::Read(_) => (0, 0),
        FileTask::Write(payload, _) => (payload.bytes().len(), payload.copied()),
    };
    state.works.begin(state.now, bytes, copied);
    let id = state.identities.reserve();
    if let Some(channel) = state.channels.get_mut(work.channel) {
        channel.works.insert(id);
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
