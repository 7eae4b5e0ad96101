//! Failures of following a log.

use std::time::Duration;

use ctclient::{FetchError, HeadError, SourceError};

use crate::queue::Closed;

/// The reason why a round of a follower failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum FollowError {
    /// Reading the log failed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The head is not signed by the log.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The saved position is of another tree, or the log was reset.
    #[error("the next index to read is {next}, but the log's tree has {size} entries")]
    BeyondTree { next: u64, size: u64 },
    /// Verification is enforced and the log has alarms.
    #[error("stopped by an alarm until that is acknowledged (certstream-server logs ack NAME)")]
    Stopped,
    /// The publisher has ended: the program is stopping.
    #[error("the publisher no longer accepts entries")]
    Closed,
}

impl From<Closed> for FollowError {
    fn from(_: Closed) -> Self {
        Self::Closed
    }
}

impl FollowError {
    /// Returns the pause that the log asked for.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Source(error) => error.fetch()?.retry_after(),
            _ => None,
        }
    }

    /// Returns the time spent waiting for a response that did not come.
    pub(super) fn waited(&self) -> Duration {
        match self {
            Self::Source(error) => error.fetch().map_or(Duration::ZERO, FetchError::waited),
            _ => Duration::ZERO,
        }
    }
}
