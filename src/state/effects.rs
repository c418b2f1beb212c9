//! What the engine wants done by the world, as typed values; the reactor (or the simulation) carries them out in
//! order.

use crate::ids::ConnId;
use crate::job::Job;
use std::net::{IpAddr, SocketAddr};

/// Something only the outside can do.
#[derive(Debug)]
pub enum Effect {
    /// Hand a job to the workers.
    Submit(Box<Job>),
    /// Close a connection's socket and forget it. `abort`: with a reset, dropping what is unsent.
    Close {
        /// Whose.
        id: ConnId,
        /// By RST.
        abort: bool,
    },
    /// Begin to connect a TCP socket; `Engine::connected` tells the outcome.
    Connect {
        /// Whose it will be.
        id: ConnId,
        /// Where to.
        to: SocketAddr,
        /// From which address, where that matters.
        from: Option<IpAddr>,
        /// `TCP_NODELAY`.
        no_delay: bool,
    },
    /// Bind a UDP socket; the outcome comes by `Engine::datagram_bound`.
    BindUdp {
        /// Whose.
        id: ConnId,
        /// Where.
        at: SocketAddr,
    },
    /// Join or leave a multicast group on all interfaces; failure comes by `Engine::membership_failed`.
    Membership {
        /// Whose socket.
        id: ConnId,
        /// Which group.
        group: IpAddr,
        /// Join, else leave.
        join: bool,
        /// The request that failure answers.
        request_id: u32,
    },
    /// Listen for TCP peers; `Engine::listening` tells the outcome.
    Listen {
        /// Whose it will be.
        id: ConnId,
        /// Where; port 0: any that is free.
        at: SocketAddr,
        /// An IPv6 socket takes IPv4 peers as well.
        both_families: bool,
    },
    /// Send FIN: nothing more will be written.
    ShutdownWrite(ConnId),
    /// The kernel may hold about so much for this connection: it is a stream, which may be abandoned at any time.
    SendBuffer {
        /// Whose.
        id: ConnId,
        /// Bytes; the system may take fewer.
        bytes: usize,
    },
    /// Look at the workers, and say so by `Engine::workers_measured`.
    MeasureWorkers,
    /// Accept no more connections: the end has begun.
    StopListening,
}
