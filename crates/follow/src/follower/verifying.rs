//! The follower's memory of proofs, alarms and unreadable entries between two rounds.

use ctclient::{AlarmKind, Point};
use tokio::time::Instant;

use crate::breaker::Breaker;
use crate::options::FollowOptions;

/// The state of verification.
#[derive(Debug)]
pub(super) struct Verifying {
    /// The back-off of a log that failed to prove a head.
    pub(super) failing: Breaker,
    /// The time before which the log is not asked for proofs that nothing waits for.
    pub(super) asks_again: Option<Instant>,
    pub(super) unreadable: Option<Unreadable>,
    /// True once an alarm was raised because the log cannot prove its own head.
    pub(super) inconsistent: bool,
    /// The subjects of alarms raised: kind, and the head's size and root.
    pub(super) raised: Vec<(AlarmKind, Point)>,
    /// The time of the last reminder of an alarm.
    pub(super) reminded: Option<Instant>,
}

/// Entries that could not be parsed.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) index: u64,
    pub(super) since: Instant,
    pub(super) attempts: u32,
}

impl Verifying {
    pub(super) fn new(options: &FollowOptions) -> Self {
        Self {
            failing: Breaker::new(
                options.backoff,
                options.unhealthy_threshold,
                options.unhealthy_wait,
            ),
            asks_again: None,
            unreadable: None,
            inconsistent: false,
            raised: Vec::new(),
            reminded: None,
        }
    }
}
