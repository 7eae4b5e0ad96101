//! A simulated log, as those who run the simulator see it.

use std::sync::Arc;

use ct::LogId;
use ct::head::SignedHead;

use crate::fault::Faults;
use crate::http::limit::Limiter;
use crate::log::growth::unix_ms;
use crate::log::stats::Stats;
use crate::log::{Log, Protocol};
use crate::pki::key::KeyError;

/// A simulated log, as those who run the simulator see it.
#[derive(Clone, Debug)]
pub struct LogHandle {
    pub(crate) log: Arc<Log>,
}

impl LogHandle {
    /// The first segment of the log's paths, such as `rfc6962-1` or `static-1`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.log.identity.name
    }

    /// Returns its description in the log list.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.log.identity.description
    }

    /// Its operator.
    #[must_use]
    pub fn operator(&self) -> &str {
        self.log.identity.operator
    }

    /// Its protocol.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.log.identity.protocol
    }

    /// Returns the URL for reading, with a slash at the end: the URL of an RFC 6962 log, the
    /// monitoring URL of a static one.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.log.identity.url
    }

    /// Returns the submission URL of a static log, with a slash at the end. Nothing answers there;
    /// the origin in its checkpoints follows from it.
    #[must_use]
    pub fn submission_url(&self) -> Option<&str> {
        self.log.identity.submission_url.as_deref()
    }

    /// The origin in its checkpoints, if it is a static log.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        (self.protocol() == Protocol::StaticCt).then(|| self.log.identity.origin())
    }

    /// Its public key: a DER `SubjectPublicKeyInfo`, ECDSA P-256.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.log.key.spki
    }

    /// Its id.
    #[must_use]
    pub fn log_id(&self) -> LogId {
        self.log.key.log_id
    }

    /// Returns the number of entries that its newest head covers.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.log.size()
    }

    /// Its newest head.
    #[must_use]
    pub fn head(&self) -> SignedHead {
        self.log.head().signed.clone()
    }

    /// Adds `count` entries and publishes a head over them, within the log's largest size. This is the
    /// only growth of a log whose rate is 0. Takes about 2 µs an entry, on the calling thread.
    ///
    /// # Errors
    /// If the head cannot be signed.
    pub fn grow(&self, count: u64) -> Result<(), KeyError> {
        self.log.add(count);
        let now = unix_ms();
        while self.size() < self.log.target(now) {
            self.log.grow(now, 0)?;
        }
        Ok(())
    }

    /// Its faults.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.log.faults
    }

    /// Returns the limit of its requests.
    #[must_use]
    pub fn limiter(&self) -> &Limiter {
        &self.log.limiter
    }

    /// Returns the counts of its requests.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.log.stats
    }
}
