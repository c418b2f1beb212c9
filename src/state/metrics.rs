//! Counters for `/stats`: plain numbers that whoever does a thing counts up.

/// Since the start, unless it says "now".
#[derive(Debug, Default, Clone)]
pub struct Metrics {
    /// HTTP connections now.
    pub http_connections: u64,
    /// WebSocket connections now.
    pub ws_connections: u64,
    /// Connected TCP sockets now.
    pub tcp_sockets: u64,
    /// TCP sockets that are connecting now.
    pub pending_connects: u64,
    /// Accepted or connecting sockets whose outcome the client has not been told now.
    pub pending_tcp: u64,
    /// UDP sockets now.
    pub udp_sockets: u64,
    /// Listening sockets now.
    pub tcp_servers: u64,
    /// Bytes sent to peers.
    pub bytes_sent: u64,
    /// Bytes received from peers.
    pub bytes_received: u64,
    /// Datagrams that could not be sent or delivered.
    pub udp_dropped: u64,
    /// Well-formed messages for ids that were not open.
    pub messages_dropped: u64,
    /// Requests answered.
    pub http_requests: u64,
    /// Requests under way now.
    pub http_in_flight: u64,
    /// Requests refused, by any code.
    pub http_refused: u64,
    /// Bytes read from files for clients.
    pub file_bytes_read: u64,
    /// Bytes written to files.
    pub file_bytes_written: u64,
    /// Bytes hashed.
    pub bytes_hashed: u64,
    /// Writes that the disk has and that have not been answered now.
    pub writes_in_flight: u64,
    /// Streams now.
    pub streams: u64,
    /// Bytes sent by streams.
    pub stream_bytes_sent: u64,
    /// Events, completions and notes for someone who had gone.
    pub stale: u64,
}
