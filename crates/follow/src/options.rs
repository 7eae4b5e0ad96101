//! How logs are followed.

use std::path::PathBuf;
use std::time::Duration;

use ctclient::Backoff;

/// Where to begin reading a log that has no saved position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// At the tree size first seen: only new entries.
    #[default]
    Head,
    /// At this index; 0 is the whole log. Past the tree head it means the head.
    Index(u64),
}

/// What becomes of entries that are not those a log has signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Verification {
    /// Nothing is delivered before it is proved. A log that raises an alarm stops until that is
    /// acknowledged.
    Enforce,
    /// At the tail entries are proved before they are delivered. While catching up they are delivered
    /// at once and proved at the next head. After an alarm the log goes on.
    #[default]
    Report,
    /// Logs are believed, unsigned heads too.
    Off,
}

/// How logs are followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowOptions {
    /// Entries to ask an RFC 6962 log for at once.
    pub batch_size: u64,
    /// Requests of one log in flight: the window it fetches ahead in, in pages.
    pub fetch_concurrency: usize,
    /// The longest wait between head requests to a log that brings new entries. One that does not
    /// is asked once a second at most.
    pub poll_interval: Duration,
    /// Attempts at one request before the log's breaker counts a failure.
    pub retry_attempts: u32,
    /// Waits between attempts.
    pub backoff: Backoff,
    /// Answers in a row that make a log healthy again.
    pub healthy_threshold: u32,
    /// Failures in a row that make a log unhealthy and open its breaker.
    pub unhealthy_threshold: u32,
    /// The longest wait between attempts at a log that is unhealthy.
    pub unhealthy_wait: Duration,
    /// When to give up catching up.
    pub catch_up: CatchUp,
    /// Where to begin a log without a saved position.
    pub start: Start,
    /// With [`Start::Head`], how many entries before the head a tiled log begins: its partial tile
    /// holds them anyway.
    pub start_overlap: u64,
    /// Whether a log without a saved position waits for its first one to be saved before it
    /// publishes; see [`Fleet::saves`](crate::Fleet::saves).
    pub saves_first: bool,
    /// By how much saved positions trail what is published.
    pub resume_overlap: Duration,
    /// Whether entries get their [`tbs_id`](crate::Entry::tbs_id), for linking precertificates with
    /// their final certificates. It costs a hash of every certificate.
    pub tbs_ids: bool,
    /// How long a tiled log's partial data tile may be left to fill after one was fetched.
    pub partial_tile_wait: Duration,
    /// What becomes of entries that are not those a log has signed.
    pub verification: Verification,
    /// Where evidence of that is kept; `None` for nowhere.
    pub evidence_dir: Option<PathBuf>,
    /// How long a log may serve bytes that nobody can take apart before the entries in them are left
    /// out, with an alarm.
    pub unreadable_wait: Duration,
}

impl Default for FollowOptions {
    /// Only new entries, at a pace that every log bears.
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
            saves_first: false,
            resume_overlap: Duration::from_secs(10),
            tbs_ids: false,
            partial_tile_wait: Duration::from_secs(2),
            verification: Verification::Report,
            evidence_dir: None,
            unreadable_wait: Duration::from_secs(60),
        }
    }
}

/// How far behind its head a log may be before entries are skipped to bring it back. What is
/// skipped is counted and logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CatchUp {
    /// In entries; `None` for any number.
    pub max_entries: Option<u64>,
    /// In time, from the newest entry read to the head; `None` for any time.
    pub max_lag: Option<Duration>,
}

impl CatchUp {
    /// Whether there is a limit beyond which entries are skipped.
    #[must_use]
    pub const fn is_limited(&self) -> bool {
        self.max_entries.is_some() || self.max_lag.is_some()
    }

    /// Whether a log with so many entries, and so much time, between what was read and its head has
    /// to skip.
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
    fn what_is_too_far_behind() {
        let hour = Duration::from_secs(3600);
        let bounded = CatchUp { max_entries: Some(10_000), max_lag: Some(hour) };
        assert!(!bounded.is_too_far(10_000, hour));
        assert!(bounded.is_too_far(10_001, Duration::ZERO));
        assert!(bounded.is_too_far(1, 2 * hour));
        assert!(!bounded.is_too_far(0, 2 * hour), "an idle log is not behind");
        assert!(!CatchUp::default().is_too_far(u64::MAX, Duration::MAX));
    }
}
