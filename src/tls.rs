//! TLS towards peers (PROTOCOL §6.2, TCP_SECURE): whom to trust, and one connection's records over memory. rustls does
//! the work; this file keeps it to what the engine allows: no socket, no clock but the one that it is told, bounded
//! buffers.

use crate::limits::TLS_OUT_BYTES_MAX;
use jstorrent_io_proto::host;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Bytes that are encrypted at a time: one record.
const RECORD_BYTES: usize = 16 << 10;

/// Whom to trust: the system's roots and the built-in ones, loaded once, on a worker.
#[derive(Debug)]
pub struct Trust {
    verifying: Arc<ClientConfig>,
    skipping: Arc<ClientConfig>,
    clock: Arc<Clock>,
}

/// The time as the engine was told it: certificates are valid from and until.
#[derive(Debug, Default)]
struct Clock(AtomicU64);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(self.0.load(Ordering::Relaxed))))
    }
}

impl Trust {
    /// Reads the system's roots. What can't be read is left out: the built-in ones are there in any case.
    ///
    /// # Errors
    /// One sentence, where no configuration can be made.
    pub fn load() -> Result<Trust, String> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let system = rustls_native_certs::load_native_certs();
        let (added, ignored) = roots.add_parsable_certificates(system.certs);
        log::debug!("{added} roots of the system's, {ignored} ignored, {} errors", system.errors.len());
        Trust::of(roots).map_err(|error| format!("TLS is not to be had: {error}"))
    }

    fn of(roots: RootCertStore) -> Result<Trust, Error> {
        let (provider, clock) = (Arc::new(ring::default_provider()), Arc::<Clock>::default());
        let builder = || {
            ClientConfig::builder_with_details(provider.clone(), clock.clone())
                .with_safe_default_protocol_versions()
        };
        let verifying = builder()?.with_root_certificates(roots).with_no_client_auth();
        let skipping = builder()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone(provider.clone())))
            .with_no_client_auth();
        Ok(Trust { verifying: Arc::new(verifying), skipping: Arc::new(skipping), clock })
    }
}

/// Takes any certificate, but has its owner prove that it is its own.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// One connection's records.
#[derive(Debug)]
pub struct Session {
    connection: ClientConnection,
    /// Records for the kernel; `sent` bytes of them have gone.
    out: Vec<u8>,
    sent: usize,
    /// What the peer said, and the client has not been given; `given` bytes of it have gone.
    plain: Vec<u8>,
    given: usize,
    /// The peer has said that it says no more.
    peer_closed: bool,
}

impl Session {
    /// Begins a handshake with the peer that calls itself `hostname`; `None` where that can be no name, unless nothing
    /// is to be validated: then the peer is not told a name.
    pub fn begin(trust: &Trust, hostname: &str, skip_validation: bool, wall_ms: u64) -> Option<Session> {
        trust.clock.0.store(wall_ms, Ordering::Relaxed);
        let config = if skip_validation { &trust.skipping } else { &trust.verifying };
        let name = match host::literal(hostname) {
            Some(ip) => ServerName::from(ip),
            None => match ServerName::try_from(hostname.to_owned()) {
                Ok(name) => name,
                // An address is never told in the handshake (RFC 6066 §3).
                Err(_) if skip_validation => ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
                Err(_) => return None,
            },
        };
        let mut connection = ClientConnection::new(config.clone(), name).ok()?;
        connection.set_buffer_limit(Some(TLS_OUT_BYTES_MAX));
        let mut session =
            Session { connection, out: Vec::new(), sent: 0, plain: Vec::new(), given: 0, peer_closed: false };
        session.gather();
        Some(session)
    }

    /// Whether the peer has not proven itself yet.
    pub fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Whether the peer has ended what it says, and all of it has been given.
    pub fn is_at_end(&self) -> bool {
        self.peer_closed && self.plain().is_empty()
    }

    /// Takes records that came from the peer.
    ///
    /// # Errors
    /// Why the peer can't be talked to; an alert for it is in [`out`](Session::out).
    pub fn take(&mut self, mut records: &[u8]) -> Result<(), String> {
        while !records.is_empty() && !self.peer_closed {
            self.connection.read_tls(&mut records).map_err(|error| error.to_string())?;
            let processed = self.connection.process_new_packets();
            self.gather();
            let state = processed.map_err(|error| error.to_string())?;
            self.peer_closed = state.peer_has_closed();
            let start = self.plain.len();
            self.plain.resize(start + state.plaintext_bytes_to_read(), 0);
            self.connection
                .reader()
                .read_exact(&mut self.plain[start..])
                .map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// What the peer said and the client has not been given.
    pub fn plain(&self) -> &[u8] {
        &self.plain[self.given..]
    }

    /// The client was given `n` bytes.
    pub fn give(&mut self, n: usize) {
        self.given += n;
        if self.given == self.plain.len() {
            (self.plain, self.given) = (Vec::new(), 0);
        }
    }

    /// Encrypts as much of `bytes` as there is room for; returns how much.
    pub fn put(&mut self, bytes: &[u8]) -> usize {
        if self.is_handshaking() || self.out().len() >= TLS_OUT_BYTES_MAX {
            return 0;
        }
        let n = self.connection.writer().write(&bytes[..bytes.len().min(RECORD_BYTES)]).unwrap_or(0);
        self.gather();
        n
    }

    /// Says that nothing more will be said.
    pub fn say_goodbye(&mut self) {
        self.connection.send_close_notify();
        self.gather();
    }

    /// Records for the kernel.
    pub fn out(&self) -> &[u8] {
        &self.out[self.sent..]
    }

    /// The kernel took `n` bytes.
    pub fn sent(&mut self, n: usize) {
        self.sent += n;
        if self.sent == self.out.len() {
            self.sent = 0;
            self.out.clear();
            self.out.shrink_to(RECORD_BYTES);
        }
    }

    fn gather(&mut self) {
        while self.connection.wants_write() {
            // Into memory: it can't fail.
            if self.connection.write_tls(&mut self.out).is_err() {
                return;
            }
        }
    }
}
