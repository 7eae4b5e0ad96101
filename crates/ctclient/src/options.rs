//! Options of reading a log.

use std::time::Duration;

use crate::backoff::Backoff;

/// The parts of entries that a reader produces, and the size of its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadOptions {
    /// Entries requested at once from an RFC 6962 log, unless the log has its own number.
    pub batch_size: u64,
    /// Computes leaf hashes, and checks what they do not cover.
    pub verification: bool,
    /// Computes [`Record::link`](record::Record::link). It costs a hash of every certificate.
    pub tbs_ids: bool,
    /// Keeps each leaf as served beside its entry, for a program that proves it again later.
    pub leaves: bool,
    /// Keeps hash tiles of a tiled log for later proofs. It saves most of their requests while many
    /// parts of one tree are proved.
    pub keeps_hash_tiles: bool,
}

/// Attempts at one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// Attempts before the request counts as failed.
    pub attempts: u32,
    /// Waits between attempts. They are shorter in the first minute of a failure.
    pub backoff: Backoff,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            batch_size: 256,
            verification: true,
            tbs_ids: false,
            leaves: false,
            keeps_hash_tiles: false,
        }
    }
}

impl Default for Retries {
    fn default() -> Self {
        let backoff = Backoff { initial: Duration::from_secs(1), max: Duration::from_secs(30) };
        Self { attempts: 3, backoff }
    }
}
