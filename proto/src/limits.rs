//! Every bound of the wire contract (PROTOCOL §2, §4, §5, §6) in one place.
//!
//! Owns numbers only. What the daemon itself can hold (pools, queues, memory) is the daemon's own file of
//! limits.
//! Throughout, a limit is broken by what is over it (PROTOCOL §7).

/// Bytes in a kibibyte.
const KIB: usize = 1024;
/// Bytes in a mebibyte.
const MIB: usize = 1024 * KIB;

/// A request head, from the first byte of the request line to the empty line that ends it (431 beyond).
pub const HEAD_BYTES_MAX: usize = 32 * KIB;
/// Field lines in a request head (431 beyond).
pub const HEAD_FIELDS_MAX: usize = 100;
/// A request target as it stands in the request line (414 beyond).
pub const TARGET_BYTES_MAX: usize = 8 * KIB;
/// A method name. The longest known one has 7 bytes; RFC 9112 §3 wants 501 for what is longer than any known.
pub const METHOD_BYTES_MAX: usize = 32;
/// Empty lines that are skipped before a request line (RFC 9112 §2.2 asks for at least one).
pub const EMPTY_LINES_MAX: usize = 4;

/// A JSON body: room for some ten thousand `fileRanges` (413 beyond).
pub const JSON_BODY_BYTES_MAX: u64 = MIB as u64;
/// A body that is checked against a digest before a byte of it is written (413 beyond).
pub const CHECKED_BODY_BYTES_MAX: u64 = 64 * MIB as u64;
/// The line that begins a chunk, its extensions included (400 beyond).
pub const CHUNK_LINE_BYTES_MAX: usize = KIB;
/// The trailer section after the last chunk, which is read and thrown away (431 beyond).
pub const TRAILER_BYTES_MAX: usize = 8 * KIB;

/// A path as it was sent, in bytes of UTF-8.
pub const PATH_BYTES_MAX: usize = 4096;
/// One part of a path, in bytes of UTF-8.
pub const PATH_PART_BYTES_MAX: usize = 255;
/// `X-JST-Session`.
pub const SESSION_ID_BYTES_MAX: usize = 128;
/// Ranges in one `Range` field; a longer list is ignored, as RFC 9110 §14.2 allows for abusive ones.
pub const RANGES_MAX: usize = 32;
/// Open files in one session (429 beyond).
pub const FILES_PER_SESSION_MAX: usize = 4096;

/// From the first byte of a head to its end (408).
pub const HEAD_WAIT_MS_MAX: u64 = 10_000;
/// Silence within a body (408).
pub const BODY_SILENCE_MS_MAX: u64 = 60_000;
/// From the opening of a connection to its first complete request (close).
pub const FIRST_REQUEST_WAIT_MS_MAX: u64 = 30_000;
/// Between two requests on one connection (close).
pub const KEEP_ALIVE_IDLE_MS_MAX: u64 = 75_000;
/// Connections on both ports together.
pub const CONNECTIONS_MAX: usize = 4096;
/// How long a browser may remember a preflight's answer.
pub const PREFLIGHT_AGE_S: u64 = 7200;

/// From the last `/io` connection's close to the end of its session.
pub const SESSION_LINGER_MS: u64 = 30_000;
/// The life of a session that never had an `/io` connection, where `--idle-timeout` is 0.
pub const SESSION_IDLE_MS: u64 = 600_000;
/// A stream ticket's life where none is asked for.
pub const TICKET_TTL_S_DEFAULT: u64 = 3600;
/// A stream ticket's longest life.
pub const TICKET_TTL_S_MAX: u64 = 86_400;
/// A range request looks this far ahead of a stream's first missing byte.
pub const STREAM_WINDOW_BYTES: u64 = 4 * MIB as u64;
/// A stream whose session has no `/io` connection is cut after this.
pub const STREAM_ORPHAN_MS_MAX: u64 = 60_000;

/// A WebSocket message, once its sender is authenticated (close 1009 beyond).
pub const WS_MESSAGE_BYTES_MAX: usize = 64 * MIB;
/// A WebSocket message before authentication (close 1009 beyond).
pub const WS_MESSAGE_BYTES_MAX_UNAUTHENTICATED: usize = 4 * KIB;
/// A text field of a JSON message (malformed beyond): what is unescaped is copied, and no text of the
/// protocol is longer.
pub const JSON_TEXT_BYTES_MAX: usize = 64 * KIB;
/// From a granted upgrade to authentication (close 1008).
pub const WS_AUTH_WAIT_MS_MAX: u64 = 5_000;
/// A silent WebSocket is pinged this often.
pub const WS_PING_INTERVAL_MS: u64 = 30_000;
/// Pings without a pong after which a WebSocket is dropped.
pub const WS_PINGS_UNANSWERED_MAX: u32 = 2;
/// With the feature `keepalive`, a KEEPALIVE message this often.
pub const WS_KEEPALIVE_INTERVAL_MS: u64 = 20_000;

/// A TCP or TLS connect, where the client sets no time of its own.
pub const CONNECT_WAIT_MS_DEFAULT: u64 = 30_000;
/// What a closed socket still holds for its peer is delivered within this.
pub const CLOSE_LINGER_MS: u64 = 10_000;
/// Bytes that either side may send on a socket before the first TCP_CREDIT.
pub const SOCKET_WINDOW_BYTES_DEFAULT: u64 = MIB as u64;
/// Without `credit`: bytes waiting for the client beyond which its peers are not read.
pub const TO_CLIENT_BYTES_MAX: usize = 8 * MIB;
/// Without `credit`: bytes waiting for peers beyond which the WebSocket is not read.
pub const TO_PEERS_BYTES_MAX: usize = 64 * MIB;
/// A socket whose peer took none of the waiting bytes for this long is closed (110).
pub const PEER_STALL_MS_MAX: u64 = 30_000;
/// The same while [`TO_PEERS_BYTES_MAX`] is reached.
pub const PEER_STALL_MS_MAX_FULL: u64 = 5_000;
/// One FILE_READ.
pub const FILE_READ_BYTES_MAX: u32 = 16 * MIB as u32;

/// rpc-info.json as a whole.
pub const RPC_INFO_BYTES_MAX: usize = 4 * MIB;
/// Roots in one profile.
pub const ROOTS_MAX: usize = 1024;

/// Memory of the daemon with a client that uses `credit`, whatever comes.
pub const MEMORY_BYTES_MAX: usize = 96 * MIB;
