//! TLS left out of the build (Cargo feature `tls`): TCP_SECURE always fails. The same interface, without a way to make
//! one.

/// Nobody is trusted.
#[derive(Debug)]
pub enum Trust {}

impl Trust {
    /// There is nothing to load.
    ///
    /// # Errors
    /// Always.
    pub fn load() -> Result<Trust, String> {
        Err("this daemon was built without TLS".to_owned())
    }
}

/// No connection has one.
#[derive(Debug)]
pub enum Session {}

#[allow(missing_docs, reason = "see the TLS that is present")]
impl Session {
    pub fn begin(trust: &Trust, _hostname: &str, _skip_validation: bool, _wall_ms: u64) -> Option<Session> {
        match *trust {}
    }

    pub fn is_handshaking(&self) -> bool {
        match *self {}
    }

    pub fn is_at_end(&self) -> bool {
        match *self {}
    }

    /// # Errors
    /// Never.
    pub fn take(&mut self, _records: &[u8]) -> Result<(), String> {
        match *self {}
    }

    pub fn plain(&self) -> &[u8] {
        match *self {}
    }

    pub fn give(&mut self, _n: usize) {
        match *self {}
    }

    pub fn put(&mut self, _bytes: &[u8]) -> usize {
        match *self {}
    }

    pub fn say_goodbye(&mut self) {
        match *self {}
    }

    pub fn out(&self) -> &[u8] {
        match *self {}
    }

    pub fn sent(&mut self, _n: usize) {
        match *self {}
    }
}
