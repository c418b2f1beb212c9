//! Every bound of the daemon that the wire contract does not already name (those are in
//! `jstorrent_io_proto::limits`), as values that a test can shrink to one, and the memory that they add up to.

use crate::buffer::BUFFER_BYTES;
use std::time::Duration;

/// The bounds in force. [`Limits::default`] is what the daemon runs with.
#[derive(Clone, Debug)]
pub struct Limits {
    /// HTTP and WebSocket connections at a time (PROTOCOL §2).
    pub connections_max: usize,
    /// Sockets that one or all `/io` connections may have open, listeners and UDP included.
    pub sockets_max: usize,
    /// Pooled buffers of 256 KiB for file and hash bodies.
    pub buffers_max: usize,
    /// Free buffers that each pool keeps mapped while they are needed now and then; they were out before, and so are
    /// within the bounds of what may be out.
    pub buffers_kept_max: usize,
    /// The same of buffers on their way to peers, which share their bound with others: these are on top of it.
    pub peer_buffers_kept_max: usize,
    /// A free buffer that was not needed for so long goes back to the system, in milliseconds.
    pub buffers_idle_ms: u64,
    /// Pooled buffers that one request body may have between socket and worker.
    pub body_buffers_max: usize,
    /// Pooled buffers of a body that is to be written which are worth a job, though more are to come.
    pub body_batch_buffers: usize,
    /// Bytes that checked writes hold, and messages on their way to peers, together.
    pub bulk_bytes_max: usize,
    /// Bytes towards peers that are taken even while checked writes hold all of `bulk_bytes_max`.
    pub bulk_floor_bytes: usize,
    /// Bytes that wait to go to `/io` clients before their peers are no longer read (PROTOCOL §6.3).
    pub channel_out_bytes_max: usize,
    /// Bytes that one `/io` connection gathers for its client before its peers are no longer read.
    pub channel_gather_bytes_max: usize,
    /// Bytes of replies and events that may wait for a client before its requests are no longer read.
    pub channel_reply_bytes_max: usize,
    /// Bytes of messages that are held whole beyond which a FILE_WRITE is refused (ENOBUFS), unless it is the only one.
    pub file_write_bytes_max: usize,
    /// Bytes read from an `/io` connection at a time.
    pub channel_read_bytes: usize,
    /// TCP connects under way at a time; further ones wait, and their time runs.
    pub connects_max: usize,
    /// Bytes that one connection moves each way before others get their turn.
    pub turn_bytes_max: usize,
    /// Bytes read at a time while a request head is awaited.
    pub head_read_bytes: usize,
    /// The same while buffers are short: what follows the head must then be kept by the connection.
    pub head_read_tight_bytes: usize,
    /// Bytes of unfinished heads and waiting requests that all connections keep together; beyond it those that never
    /// authenticated are closed, oldest first. From half of it on, connections read no more than they must.
    pub input_bytes_max: usize,
    /// A file body up to this goes through a buffer, and together with its head; above it, by `sendfile`.
    pub copy_bytes_max: usize,
    /// A refused request's body is read and dropped up to this, so that the connection can be kept.
    pub drain_bytes_max: u64,
    /// How long a closing connection is read from, so that the answer is not lost in a reset, in milliseconds.
    pub linger_ms: u64,
    /// How long an answer that holds a buffer may make no progress, in milliseconds.
    pub send_stall_ms: u64,
    /// How long writes in flight may take at the end, in milliseconds (PROTOCOL §1).
    pub exit_ms: u64,
    /// Whether the platform moves file bytes to sockets without a copy.
    pub transfer: bool,
    /// Sessions at a time; the one that was silent longest and has no `/io` connection goes first.
    pub sessions_max: usize,
    /// What the kernel may hold for a stream that has just begun, in bytes: players abandon many.
    pub stream_buffer_bytes: usize,
    /// The same once it has sent [`Limits::stream_settled_bytes`]: a quarter costs half as much again in CPU time.
    pub stream_settled_buffer_bytes: usize,
    /// Bytes after which a stream is one that is being played.
    pub stream_settled_bytes: u64,
    /// Available runs that are remembered of one deferred file.
    pub runs_per_file_max: usize,
    /// The same of all files together, but for one each.
    pub runs_max: usize,
    /// Stream tickets in force at a time.
    pub tickets_max: usize,
    /// How long `/roots` waits for a disk to tell its space, in milliseconds.
    pub space_wait_ms: u64,
    /// Threads that each hash bodies in the order in which they come.
    pub hash_lanes: u16,
    /// Chunk jobs of one `/hash/from-file` under way at a time.
    pub hash_jobs_max: usize,
    /// Bytes of a file that one chunk job had better hash, so that it is worth its way to a worker.
    pub hash_job_bytes: u64,
    /// Chunks of one chunk job.
    pub hash_job_chunks_max: u64,
    /// Work on files.
    pub disk: DiskLimits,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections_max: 4096,
            sockets_max: 16_384,
            buffers_max: 40,
            buffers_kept_max: 40,
            peer_buffers_kept_max: 8,
            buffers_idle_ms: 1_000,
            body_buffers_max: 4,
            body_batch_buffers: 2,
            bulk_bytes_max: 64 << 20,
            bulk_floor_bytes: 2 << 20,
            channel_out_bytes_max: 6 << 20,
            channel_gather_bytes_max: 512 << 10,
            channel_reply_bytes_max: 256 << 10,
            channel_read_bytes: 256 << 10,
            file_write_bytes_max: 32 << 20,
            connects_max: 1024,
            turn_bytes_max: 512 << 10,
            head_read_bytes: 64 << 10,
            head_read_tight_bytes: 2 << 10,
            input_bytes_max: 4 << 20,
            copy_bytes_max: 64 << 10,
            drain_bytes_max: 64 << 10,
            linger_ms: 2_000,
            send_stall_ms: 120_000,
            exit_ms: 2_000,
            transfer: cfg!(any(target_os = "linux", target_os = "android")),
            sessions_max: 1024,
            stream_buffer_bytes: 256 << 10,
            stream_settled_buffer_bytes: 1 << 20,
            stream_settled_bytes: 4 << 20,
            runs_per_file_max: 64 << 10,
            runs_max: 96 << 10,
            tickets_max: 16 << 10,
            space_wait_ms: 2_000,
            hash_lanes: cores().min(usize::from(u16::MAX)) as u16,
            hash_jobs_max: 16,
            hash_job_bytes: 4 << 20,
            hash_job_chunks_max: 64,
            disk: DiskLimits::default(),
        }
    }
}

impl Limits {
    /// What each connection may hold beside all that: a request's small body.
    fn small_body_bytes(&self) -> usize {
        crate::service::collect::SMALL_BYTES_MAX
    }

    /// The block that incoming bytes are read into where they have no better place.
    pub fn scratch_bytes(&self) -> usize {
        self.head_read_bytes.max(self.head_read_tight_bytes).max(self.channel_read_bytes)
    }

    /// The most that all classes of buffered bytes add up to.
    pub fn buffered_bytes_max(&self) -> usize {
        self.buffers_max * BUFFER_BYTES
            + self.bulk_bytes_max
            + self.bulk_floor_bytes
            + self.channel_out_bytes_max
            + self.peer_buffers_kept_max * BUFFER_BYTES
            + 2 * SMALL_KEPT_BYTES_MAX
            + self.scratch_bytes()
            + self.input_bytes_max
            + self.connections_max * self.small_body_bytes()
    }
}

/// The bounds of work on files.
#[derive(Clone, Copy, Debug)]
pub struct DiskLimits {
    /// Descriptors of open files that are kept; fewer where the process may have few.
    pub descriptors_max: usize,
    /// Bytes that one job moves into a socket before others get their turn.
    pub transfer_bytes_max: u64,
    /// Memory for the names of one folder, in bytes.
    pub list_bytes_max: usize,
    /// Files and folders that one deletion removes.
    pub delete_entries_max: u64,
    /// Folders in each other that one deletion goes down.
    pub delete_depth_max: usize,
}

impl Default for DiskLimits {
    fn default() -> DiskLimits {
        DiskLimits {
            descriptors_max: 1024,
            transfer_bytes_max: 1 << 20,
            list_bytes_max: 4 << 20,
            delete_entries_max: 10_000_000,
            delete_depth_max: 4096,
        }
    }
}

/// The bounds of the workers.
#[derive(Clone, Debug)]
pub struct WorkerLimits {
    /// Threads for the files of one root.
    pub file_threads: usize,
    /// Threads for each kind of hashing: the files of one root, of several, and bytes in memory.
    pub hash_threads: usize,
    /// Threads that wait for the system's resolver.
    pub name_threads: usize,
    /// Stack of each, in bytes: below 2 MiB, so that no huge page is spent on it.
    pub stack_bytes: usize,
    /// A thread without work for so long ends.
    pub idle_max: Duration,
    /// A read of up to this many bytes is tried on the poll thread.
    pub read_now_bytes_max: usize,
    /// Bytes of a transfer that are sent on the poll thread before others get their turn.
    pub transfer_now_bytes_max: u64,
    /// How long threads that are still at work are waited for at the end.
    pub shutdown_max: Duration,
}

impl Default for WorkerLimits {
    fn default() -> WorkerLimits {
        WorkerLimits {
            file_threads: 4,
            hash_threads: cores(),
            name_threads: 4,
            stack_bytes: 256 << 10,
            idle_max: Duration::from_secs(30),
            read_now_bytes_max: 64 << 10,
            transfer_now_bytes_max: 512 << 10,
            shutdown_max: Duration::from_millis(200),
        }
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Bytes of small blocks that each of the two pools of `/io` keeps.
pub const SMALL_KEPT_BYTES_MAX: usize = 512 << 10;
/// The longest line of the log, in bytes; the rest of a longer one is cut off.
pub const LOG_LINE_BYTES_MAX: usize = 4096;
/// Lines of the log that wait for one of its writers, which share them.
pub const LOG_QUEUE_LINES_MAX: usize = 256;
/// Size at which the log file is rotated, in bytes.
pub const LOG_FILE_BYTES_MAX: u64 = 4 << 20;
/// Rotated log files that are kept beside the current one.
pub const LOG_FILES_KEPT: u32 = 3;
/// How long the start waits for the log file to be opened, in milliseconds.
pub const LOG_OPEN_MS_MAX: u64 = 100;
/// How long the end waits for the log to be written, in milliseconds: a stderr that nobody reads must not hold it up.
pub const LOG_FLUSH_MS_MAX: u64 = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_stays_below_the_contract() {
        // PROTOCOL §7 "Memory": 96 MiB; a few are left for the program itself.
        assert!(Limits::default().buffered_bytes_max() <= 94 << 20);
    }
}
