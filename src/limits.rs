//! Every bound of the daemon that the wire contract does not already name (those are in
//! `jstorrent_io_proto::limits`), as values that a test can shrink to one, and the memory that they add up to.

use crate::buffer::BUFFER_BYTES;
use jstorrent_io_proto::limits::PEER_STALL_MS_MAX_FULL;
use std::sync::OnceLock;
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
    /// So many of them are there always; the others count against `bulk_bytes_max`.
    pub buffers_own: usize,
    /// Free buffers that each pool keeps mapped while they are needed now and then; they were out before, and so are
    /// within the bounds of what may be out.
    pub buffers_kept_max: usize,
    /// A free buffer that was not needed for so long goes back to the system, in milliseconds.
    pub buffers_idle_ms: u64,
    /// Pooled buffers that one request body may have between socket and worker.
    pub body_buffers_max: usize,
    /// Pooled buffers of a body that is to be written which are worth a job, though more are to come.
    pub body_batch_buffers: usize,
    /// Bytes of all that may be large, together: checked writes and other reservations, large messages, FILE_WRITEs,
    /// bytes on their way to peers. As much as the largest message, which must find room.
    pub bulk_bytes_max: usize,
    /// Bytes towards peers that are taken even while others hold all of `bulk_bytes_max`.
    pub bulk_floor_bytes: usize,
    /// The same of small FILE_WRITEs.
    pub write_floor_bytes: usize,
    /// Bytes of connections, files and other entries that are beside the bulk budget; what is more counts against it,
    /// up to half of it ([`Limits::book_overflow_max`]).
    pub book_bytes: usize,
    /// Bytes of messages that are not whole, as long as they are small, over all `/io` connections.
    pub gather_bytes_max: usize,
    /// Bytes that wait to go to `/io` clients before their peers are no longer read (PROTOCOL §6.3).
    pub channel_out_bytes_max: usize,
    /// Bytes that one `/io` connection gathers for its client before its peers are no longer read.
    pub channel_gather_bytes_max: usize,
    /// Bytes of replies and events that may wait for a client before its requests are no longer read.
    pub channel_reply_bytes_max: usize,
    /// Bytes of FILE_WRITEs beyond which another is refused (ENOBUFS), unless it is the only one.
    pub file_write_bytes_max: usize,
    /// Bytes that FILE_READs of more than one buffer may hold together.
    pub file_read_bytes_max: usize,
    /// FILE_READs and FILE_WRITEs under way at a time; beyond them they are refused (ENOBUFS). From half of it on clients
    /// are not read, as long as any makes progress.
    pub file_works_max: usize,
    /// Bytes of large FILE_READs that may be under way for one `/io` connection, unless one alone has more.
    pub channel_fetch_bytes_max: usize,
    /// The same of those that need no more than a buffer, large ones under way included.
    pub channel_fetch_small_bytes_max: usize,
    /// Memory beside the pool for what waits for `/io` clients, over all of them; from half of it on, those who do not
    /// take their replies are not read, and beyond it the worst of them is cut off.
    pub channel_heap_bytes_max: usize,
    /// Bytes read from an `/io` connection at a time.
    pub channel_read_bytes: usize,
    /// Secured sockets at a time; further ones wait, and their time runs.
    pub tls_sessions_max: usize,
    /// Open files of all sessions.
    pub files_max: usize,
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
    /// Sessions at a time; of those without open files and `/io` connections the one that was silent longest goes first.
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
    /// Names that are looked up.
    pub names: NameLimits,
    /// Work on files.
    pub disk: DiskLimits,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections_max: 4096,
            sockets_max: 16_384,
            buffers_max: 40,
            buffers_own: 6,
            buffers_kept_max: 40,
            buffers_idle_ms: 1_000,
            body_buffers_max: 4,
            body_batch_buffers: 2,
            bulk_bytes_max: 64 << 20,
            bulk_floor_bytes: 1 << 20,
            write_floor_bytes: 1 << 20,
            book_bytes: 9 << 19,
            gather_bytes_max: 512 << 10,
            channel_out_bytes_max: 5 << 19,
            channel_gather_bytes_max: 512 << 10,
            channel_reply_bytes_max: 256 << 10,
            channel_fetch_bytes_max: 8 << 20,
            channel_fetch_small_bytes_max: 2 << 20,
            channel_heap_bytes_max: 3 << 19,
            channel_read_bytes: 256 << 10,
            file_write_bytes_max: 32 << 20,
            file_read_bytes_max: 32 << 20,
            file_works_max: 2_048,
            tls_sessions_max: 128,
            files_max: 16 << 10,
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
            runs_per_file_max: 16 << 10,
            runs_max: 32 << 10,
            tickets_max: 4 << 10,
            space_wait_ms: 2_000,
            hash_lanes: cores().min(usize::from(u16::MAX)) as u16,
            hash_jobs_max: 16,
            hash_job_bytes: 4 << 20,
            hash_job_chunks_max: 64,
            names: NameLimits::default(),
            disk: DiskLimits::default(),
        }
    }
}

/// What an open socket costs, about, in bytes: its state, its places in tables, its registration.
pub const SOCKET_BYTES: usize = 768;
/// The same of an HTTP or WebSocket connection, its small body and the file of its request included.
pub const CONNECTION_BYTES: usize = 2048;
/// What securing a socket adds: rustls's state, and records on their way both ways.
pub const TLS_SESSION_BYTES: usize = 96 << 10;
/// The same of an open file.
pub const FILE_BYTES: usize = 512;
/// The same of a FILE_READ or FILE_WRITE under way.
pub const WORK_BYTES: usize = 768;
/// The same of a name that is being looked up.
pub const LOOKUP_BYTES: usize = 640;
/// The same of an available run of a deferred file.
const RUN_BYTES: usize = 40;
/// The same of a ticket.
const TICKET_BYTES: usize = 256;
/// The same of a thread: what it touches of its stack, and what the allocator keeps for it.
pub const THREAD_BYTES: usize = 24 << 10;
/// Bytes that sockets and files leave for what is to go on beside them: clients that connect, names that are looked up.
pub const ENTRY_MARGIN_BYTES: usize = 256 << 10;
/// What names resolved to.
const NAMES_BYTES: usize = 512 << 10;
/// Code, tables, and what the libraries keep: measured at 3.4 MiB before the first request.
const PROGRAM_BYTES: usize = 5 << 20;

impl Limits {
    /// The block that incoming bytes are read into where they have no better place.
    pub fn scratch_bytes(&self) -> usize {
        self.head_read_bytes.max(self.head_read_tight_bytes).max(self.channel_read_bytes)
    }

    /// The most that all classes of buffered bytes add up to. `bulk_bytes_max` is one budget for whatever may be large;
    /// each line but the first is what there is beside it.
    pub fn buffered_bytes_max(&self) -> usize {
        self.bulk_bytes_max.max(BUFFER_BYTES)
            + self.buffers_own.min(self.buffers_max.max(1)).max(1) * BUFFER_BYTES
            + self.bulk_floor_bytes
            + self.write_floor_bytes
            + self.channel_out_bytes_max
            + 2 * SMALL_KEPT_BYTES_MAX
            + self.channel_heap_bytes_max
            // One message in pieces goes beyond the small ones; and one read, before anyone looks whether there is room.
            + self.gather_bytes_max
            + MESSAGE_SMALL_BYTES_MAX
            + 2 * self.scratch_bytes()
            + self.input_bytes_max
            + DATAGRAMS_QUEUED_BYTES_MAX
            + DATAGRAMS_UNRESOLVED_BYTES_MAX
            + self.book_bytes
    }

    /// What entries may take of the bulk budget, in bytes; what needs no more than the rest always finds room in time.
    pub fn book_overflow_max(&self) -> usize {
        self.bulk_bytes_max / 2
    }

    /// What is neither buffered nor counted as it comes and goes.
    fn fixed_bytes(&self, workers: &WorkerLimits) -> usize {
        PROGRAM_BYTES
            + NAMES_BYTES
            + self.runs_max * RUN_BYTES
            + self.tickets_max * TICKET_BYTES
            + workers.hash_places_max * BUFFER_BYTES
            + workers.threads_max * THREAD_BYTES
            + LOG_QUEUE_LINES_MAX * LOG_LINE_BYTES_MAX
    }

    /// The most memory that the daemon uses, in bytes.
    pub fn memory_bytes_max(&self, workers: &WorkerLimits) -> usize {
        self.buffered_bytes_max() + self.fixed_bytes(workers)
    }
}

/// The bounds of looking names up: the system's resolver takes a thread for each, and may keep it for half a minute.
#[derive(Clone, Copy, Debug)]
pub struct NameLimits {
    /// Names that are out at once before they are handed out one by one.
    pub at_once_max: usize,
    /// Names that are out at once in any case.
    pub out_max: usize,
    /// How long there is between two, from then on, in milliseconds: `out_max` of them in 10 s, which is what a
    /// resolver with its usual settings takes to give a name up.
    pub pace_ms: u64,
    /// Names in line, or out, beyond which datagrams for another are dropped.
    pub datagram_names_max: usize,
}

impl Default for NameLimits {
    fn default() -> NameLimits {
        NameLimits { at_once_max: 16, out_max: 256, pace_ms: 40, datagram_names_max: 1_024 }
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
    /// Threads of all kinds together beyond which none has more than one of its kind: many roots must not mean
    /// many times as many threads.
    pub threads_max: usize,
    /// Blocks of 256 KiB that hashing threads read files into; those without one make do with little.
    pub hash_places_max: usize,
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
            name_threads: NameLimits::default().out_max,
            threads_max: 64,
            hash_places_max: 4,
            stack_bytes: 256 << 10,
            idle_max: Duration::from_secs(30),
            read_now_bytes_max: 64 << 10,
            transfer_now_bytes_max: 512 << 10,
            shutdown_max: Duration::from_millis(200),
        }
    }
}

/// Asked once: on Linux the answer takes reading several files.
fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// How long a client may take nothing of what was read for it while others wait for that memory, in milliseconds; as long
/// as a peer may, whose bytes hold up others.
pub const LENT_STALL_MS: u64 = PEER_STALL_MS_MAX_FULL;
/// How often one who takes nothing is looked at once it may be the one to close, in milliseconds.
pub const STALL_LOOK_MS: u64 = 1_000;
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

// Connections of clients.

/// Events that are taken from the kernel at a time.
pub const POLL_EVENTS_MAX: usize = 1024;
/// How long nobody is accepted after the system was short of descriptors or memory, unless a connection closes, in
/// milliseconds: others may have caused it.
pub const ACCEPT_STARVED_MS: u64 = 100;
/// Bytes of one peer or client that the kernel gathers before they are read, once they come fast but fewer at a time.
pub const GATHER_READ_BYTES: usize = RECV_BYTES_MAX;
/// Bytes in [`GATHER_WAIT_MS`] from which a peer is fast: so many that they are gathered in half of that time.
pub const GATHER_PACE_BYTES_MIN: u64 = 2 * GATHER_READ_BYTES as u64;
/// How long they are gathered at most, in milliseconds: then what there is is read.
pub const GATHER_WAIT_MS: u64 = 1;
/// How long a peer that was waited for in vain is read at once, in milliseconds: it may wait for an answer itself.
pub const GATHER_RETRY_MS: u64 = 1_000;
/// How long a peer that was sent something is read at once, in milliseconds: it may be asked for more as soon as a part
/// of its answer is there, and what is held back then holds up the rest.
pub const GATHER_ASKED_MS: u64 = 100;
/// How long the system is not asked for memory again, once it had none, in milliseconds.
pub const MEMORY_REFUSED_MS: u64 = 100;
/// Times `linger_ms` that a connection outlives its last answer while its peer still sends.
pub const LINGERS_MAX: u64 = 15;
/// A JSON body of that many bytes needs no reservation: the connection keeps it.
pub const BODY_SMALL_BYTES_MAX: usize = 512;
/// Jobs under way for one body that is hashed: one at work and one behind it.
pub const HASH_BODY_JOBS_MAX: usize = 2;
/// While more lines than this wait to be sent, in bytes, no more of a file is hashed.
pub const HASH_QUEUE_BYTES_MAX: usize = 64 << 10;
/// What a request to hash files holds at least, in bytes: the chunks of its jobs under way, a queue of lines, a few files,
/// a few digests.
pub const HASH_BASE_BYTES: u64 = 256 << 10;
/// Digests that those bytes have room for, in bytes.
pub const HASH_FEW_DIGEST_BYTES: u64 = 64 << 10;
/// Digests that one answer may hold, in bytes: 400,000 of SHA-1.
pub const HASH_DIGEST_BYTES_MAX: u64 = 8 << 20;
/// What is remembered of a request, at most, for each byte of its body: a file that takes 36 of them costs 500.
pub const HASH_REMEMBERED_PER_BYTE: u64 = 16;
/// How long a new stream waits before it asks, where another of its file was just abandoned while it asked, in
/// milliseconds. A player that looks for an index makes dozens of requests in a tenth of a second and keeps none of them.
pub const STREAM_SETTLE_MS: u64 = 20;
/// How long after such an abandonment streams wait, in milliseconds.
pub const STREAM_UNSETTLED_MS: u64 = 250;

// `/io`.

/// A message up to this is a small one, in bytes: any client may gather one, but only one at a time a larger one.
pub const MESSAGE_SMALL_BYTES_MAX: usize = 256 << 10;
/// How long the rest of a large message may be waited for, in milliseconds: others may wait for their turn.
pub const LARGE_SILENCE_MS: u64 = 20_000;
/// How long FILE_READs and FILE_WRITEs may make no progress before requests are read in spite of them, in milliseconds.
pub const WORK_PATIENCE_MS: u64 = 5_000;
/// Bulk memory that must be left for FILE_WRITEs that one read may bring, in bytes.
pub const WRITE_HEADROOM_BYTES: usize = 512 << 10;
/// Most bytes of one TCP_RECV.
pub const RECV_BYTES_MAX: usize = 128 << 10;
/// The largest message that is put into a BATCH to a client, in bytes.
pub const BATCHED_MESSAGE_BYTES_MAX: usize = 2 << 10;
/// A BATCH to a client of more bytes than this goes out, and the next one begins.
pub const BATCH_BYTES_MAX: usize = 32 << 10;
/// Pooled buffers that go into one frame of a FILE_DATA: clients bound the size of a frame.
pub const FILE_DATA_FRAME_BUFFERS_MAX: usize = 16;
/// The smallest block that is kept to be used again, in bytes.
pub const SMALL_BLOCK_BYTES_MIN: usize = 512;
/// The largest, in bytes; what is larger goes into pooled buffers.
pub const SMALL_BLOCK_BYTES_MAX: usize = 32 << 10;

// Sockets.

/// How long grants for a few bytes wait for more, in milliseconds: a message for each would cost more than it tells.
pub const GRANT_DELAY_MS: u64 = 50;
/// How long an address is given before the next one joins the race, in milliseconds (RFC 8305 §5).
pub const CONNECT_ATTEMPT_DELAY_MS: u64 = 250;
/// Addresses of one name that are told to whoever asked.
pub const NAME_ADDRESSES_MAX: usize = 32;
/// Addresses of one name that a connect tries.
pub const CONNECT_ADDRESSES_MAX: usize = 16;
/// Records of a secured socket that wait for the kernel, in bytes, before no more is encrypted.
pub const TLS_OUT_BYTES_MAX: usize = 32 << 10;
/// Memory that all datagrams for the kernel hold together, in bytes.
pub const DATAGRAMS_QUEUED_BYTES_MAX: usize = 2 << 20;
/// Memory that all datagrams for names that are being looked up hold together, in bytes.
pub const DATAGRAMS_UNRESOLVED_BYTES_MAX: usize = 512 << 10;
/// How long a closed UDP socket's datagrams may wait for the kernel, in milliseconds.
pub const UDP_CLOSE_WAIT_MS: u64 = 1_000;

// Files.

/// Links that one path may lead through, as in the Linux kernel.
pub const LINKS_MAX: usize = 40;
/// Holes of a file that are counted before its blocks are reserved: that takes a system call or two for each.
pub const HOLES_MAX: usize = 10_000;
/// Folders that a deletion keeps open on its way down; those above are opened again when it is their turn.
pub const DELETE_OPEN_MAX: usize = 16;
/// Subfolders of one folder that a deletion remembers before it empties them.
pub const DELETE_PENDING_MAX: usize = 64;
/// The depth below which it remembers one.
pub const DELETE_PENDING_DEPTH_MAX: usize = 64;
/// Lanes that may keep threads in case that more is to do: more than a user has disks.
pub const IDLE_LANES_MAX: usize = 16;

// The command line.

/// Threads of `--file-threads`. Beyond this, more only cost memory: no disk gains from deeper queues of blocking calls.
pub const FILE_THREADS_MAX: usize = 64;
/// Threads of `--hash-threads`: as many cores as a desktop has, with room to grow.
pub const HASH_THREADS_MAX: usize = 256;
/// The longest install id, in bytes; the product's are UUIDs.
pub const INSTALL_ID_BYTES_MAX: usize = 256;
/// The longest token, in bytes: it has to fit a header field with room to spare.
pub const TOKEN_BYTES_MAX: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use jstorrent_io_proto::limits::{
        CHECKED_BODY_BYTES_MAX, FILE_READ_BYTES_MAX, JSON_BODY_BYTES_MAX, MEMORY_BYTES_MAX,
        WS_MESSAGE_BYTES_MAX,
    };

    #[test]
    fn the_sum_stays_below_the_contract() {
        let (limits, workers) = (Limits::default(), WorkerLimits::default());
        let sum = limits.memory_bytes_max(&workers);
        assert!(sum <= MEMORY_BYTES_MAX, "{} KiB", sum >> 10);
    }

    #[test]
    fn as_many_as_there_may_be_of_each_is_what_there_is_room_for() {
        let limits = Limits::default();
        let most = limits.sockets_max * SOCKET_BYTES
            + limits.connections_max * CONNECTION_BYTES
            + limits.files_max * FILE_BYTES
            + ENTRY_MARGIN_BYTES;
        assert!(most <= limits.book_bytes + limits.book_overflow_max(), "{} KiB", most >> 10);
    }

    #[test]
    fn entries_keep_nothing_waiting_but_the_largest_messages_and_bodies() {
        let limits = Limits::default();
        let left = limits.bulk_bytes_max - limits.book_overflow_max();
        let hash = JSON_BODY_BYTES_MAX * HASH_REMEMBERED_PER_BYTE + HASH_DIGEST_BYTES_MAX;
        for wanted in [u64::from(FILE_READ_BYTES_MAX), hash, 2 * limits.disk.list_bytes_max as u64, 32 << 20]
        {
            assert!(wanted <= left as u64, "{wanted} bytes");
        }
    }

    #[test]
    fn the_largest_message_and_body_find_room() {
        let limits = Limits::default();
        assert!(limits.bulk_bytes_max >= WS_MESSAGE_BYTES_MAX);
        assert!(limits.bulk_bytes_max as u64 >= CHECKED_BODY_BYTES_MAX);
    }
}
