//! Options of following logs.

use std::path::PathBuf;
use std::time::Duration;

use ctclient::Backoff;

/// The first index to read of a log without a saved position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// The tree size first seen: only new entries.
    #[default]
    Head,
    /// This index; 0 is the whole log. Beyond the tree head it means the head.
    Index(u64),
}

/// The handling of the position at which a log begins that has no saved one. If it is not kept, a log
/// that begins at its head begins at a later one after a crash.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FirstPosition {
    /// It is not kept.
    #[default]
    Forgotten,
    /// The log waits until it is saved before it publishes; see [`Fleet::saves`](crate::Fleet::saves).
    Saved,
    /// It is published before the first entry, in a page without entries.
    Published,
}

/// The handling of entries that are not those that a log has signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Verification {
    /// Nothing is delivered before it is proved. A log with an alarm stops until that is acknowledged.
    Enforce,
    /// At the tail entries are proved before they are delivered. While catching up they are delivered
    /// at once and proved at the next head. After an alarm the log is still read.
    #[default]
    Report,
    /// Nothing is verified, not even signatures of heads.
    Off,
}

/// Options of each follower.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowOptions {
    /// Entries in a request to an RFC 6962 log.
    pub batch_size: u64,
    /// Requests of one log in flight: the window it fetches ahead in, in pages.
    pub fetch_concurrency: usize,
    /// The longest wait between head requests to a log that grows. An idle log gets at most one a
    /// second.
    pub poll_interval: Duration,
    /// Attempts at one request before the log's breaker counts a failure.
    pub retry_attempts: u32,
    /// Waits between attempts.
    pub backoff: Backoff,
    /// Responses in a row that make a log healthy again.
    pub healthy_threshold: u32,
    /// Failures in a row that make a log unhealthy and open its breaker.
    pub unhealthy_threshold: u32,
    /// The longest wait between attempts at a log that is unhealthy.
    pub unhealthy_wait: Duration,
    /// The lag beyond which entries are skipped.
    pub catch_up: CatchUp,
    /// The first index to read of a log without a saved position.
    pub start: Start,
    /// With [`Start::Head`], the number of entries before the head at which a tiled log begins: its
    /// partial tile contains them anyway.
    pub start_overlap: u64,
    /// The handling of the first position of a log.
    pub first_position: FirstPosition,
    /// The time by which saved positions trail publishing.
    pub resume_overlap: Duration,
    /// Computes [`link`](record::Record::link) of entries, for linking precertificates with their
    /// final certificates. It costs a hash of every certificate.
    pub tbs_ids: bool,
    /// The time for which a tiled log's partial data tile is left to fill after one was fetched.
    pub partial_tile_wait: Duration,
    /// The handling of entries that are not those that a log has signed.
    pub verification: Verification,
    /// The folder for evidence of contradictions; `None` for none.
    pub evidence_dir: Option<PathBuf>,
    /// The time for which a log may serve bytes that cannot be parsed before the entries in them are
    /// skipped, with an alarm.
    pub unreadable_wait: Duration,
}

impl Default for FollowOptions {
    /// Returns options for new entries only, at a pace that every log permits.
    fn default() -> Self {
        Self {
            batch_size: 256,
            fetch_concurrency: 4,
            poll_interval: Duration::from_secs(1),
            retry_attempts: 3,
            backoff: Backoff { initial: Duration::from_secs(1), max: Duration::from_secs(30) },
            healthy_threshold: 2,
            unhealthy_threshold: 5,
            unhealthy_wait: Duration::from_secs(60),
            catch_up: CatchUp::default(),
            start: Start::Head,
            start_overlap: 256,
            first_position: FirstPosition::Forgotten,
            resume_overlap: Duration::from_secs(10),
            tbs_ids: false,
            partial_tile_wait: Duration::from_secs(2),
            verification: Verification::Report,
            evidence_dir: None,
            // With the longest time between two attempts, a minute at most.
            unreadable_wait: Duration::from_secs(50),
        }
    }
}

/// The lag beyond which a log's entries are skipped. Skipped entries are counted and logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CatchUp {
    /// In entries; `None` for any number.
    pub max_entries: Option<u64>,
    /// In time, from the newest entry read to the head; `None` for any time.
    pub max_lag: Option<Duration>,
}

impl CatchUp {
    /// Reports whether there is a limit beyond which entries are skipped.
    #[must_use]
    pub const fn is_limited(&self) -> bool {
        self.max_entries.is_some() || self.max_lag.is_some()
    }

    /// Reports whether a log has to skip that is this many entries, and this time, behind its head.
    #[must_use]
    pub fn is_too_far(&self, entries: u64, lag: Duration) -> bool {
        self.max_entries.is_some_and(|most| entries > most)
            || entries > 0 && self.max_lag.is_some_and(|most| lag > most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catch_up_limits_entries_and_time() {
        let hour = Duration::from_secs(3600);
        let bounded = CatchUp { max_entries: Some(10_000), max_lag: Some(hour) };
        assert!(!bounded.is_too_far(10_000, hour));
        assert!(bounded.is_too_far(10_001, Duration::ZERO));
        assert!(bounded.is_too_far(1, 2 * hour));
        assert!(!bounded.is_too_far(0, 2 * hour), "an idle log is not behind");
        assert!(!CatchUp::default().is_too_far(u64::MAX, Duration::MAX));
    }
}
