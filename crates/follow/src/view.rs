//! The status of all followed logs as readers see it: plain values at one moment.
//!
//! `/health`, `/api/logs`, the metrics and the log lines read a [`LogsView`]. A [`Fleet`] is one; a
//! process without followers can serve the same routes from another, such as the [`snapshot`] that a
//! process with followers has sent.

pub(crate) mod snapshot;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use ctclient::{Client, HostSnapshot, IssuerCounts, Log, host_of};
use serde::{Deserialize, Serialize};

use crate::catalogue::ListStatus;
use crate::fleet::{Fleet, Reason};
use crate::status::LogStatus;
use crate::status::counters::Counts;
use crate::status::listing::Listing;
use crate::status::progress::Snapshot;

/// A followed log at one moment.
#[derive(Debug, Clone)]
pub struct LogView {
    /// Identity: name, operator, URL, protocol, key.
    pub log: Arc<Log>,
    /// Progress and health.
    pub at: Snapshot,
    /// Counts since the start of the process.
    pub counts: Counts,
    /// The log's description in the log lists; empty for a configured log.
    pub listing: Listing,
    /// True once the log has left the signed list: it is read to its last head and no further.
    pub draining: bool,
    /// The log's host, which other logs may share; `None` before the first request.
    pub host: Option<HostSnapshot>,
    /// The rest of the pause that the log asked for; `None` outside of one.
    pub paused_for: Option<Duration>,
}

impl LogView {
    /// Reads the status of a log. Its host and its pause are not part of that.
    #[must_use]
    pub fn of(status: &LogStatus) -> Self {
        Self {
            log: Arc::clone(&status.log),
            at: status.snapshot(),
            counts: status.counters.read(),
            listing: status.listing(),
            draining: status.is_retired(),
            host: None,
            paused_for: None,
        }
    }
}

/// The certificates of chains that are in memory, and how they came there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuersView {
    /// Certificates in memory.
    pub known: usize,
    /// Fetches since the start.
    pub counts: IssuerCounts,
}

/// Bytes in memory on the way from the logs to the publisher.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldBytes {
    /// Bytes of responses being read and of pages not published yet.
    pub responses: usize,
    /// The part of them in pages that wait for the publisher.
    pub waiting: usize,
}

/// Readers' access to the status of all followed logs. Each method returns values at one moment.
pub trait LogsView: Debug + Send + Sync {
    /// Returns the followed logs, by URL.
    fn logs(&self) -> Vec<LogView>;

    /// Returns the number of followed logs.
    fn count(&self) -> usize {
        self.logs().len()
    }

    /// Returns the pace of requests to each host, by host.
    fn hosts(&self) -> Vec<HostSnapshot>;

    /// Returns the state of each log list, the signed one first; none where no list is configured.
    fn lists(&self) -> Vec<ListStatus>;

    /// Returns why no log is followed, or why the list is not fresh; `None` when all is well.
    fn reason(&self) -> Option<Reason>;

    /// Returns the bytes in memory on the way to the publisher.
    fn held_bytes(&self) -> HeldBytes;

    /// Returns the number of chain certificates in memory, and the counts of their fetches.
    fn issuers(&self) -> IssuersView;
}

impl LogsView for Fleet {
    fn logs(&self) -> Vec<LogView> {
        let hosts = Self::hosts(self);
        let view = |(status, client): (Arc<LogStatus>, Arc<Client>)| {
            let host = host_of(&status.log.url);
            LogView {
                host: hosts.iter().find(|snapshot| snapshot.host == host).cloned(),
                paused_for: client.paused_for(),
                ..LogView::of(&status)
            }
        };
        self.clients().into_iter().map(view).collect()
    }

    fn count(&self) -> usize {
        Self::logs(self).len()
    }

    fn hosts(&self) -> Vec<HostSnapshot> {
        Self::hosts(self)
    }

    fn lists(&self) -> Vec<ListStatus> {
        Self::lists(self)
    }

    fn reason(&self) -> Option<Reason> {
        Self::reason(self)
    }

    fn held_bytes(&self) -> HeldBytes {
        let (responses, waiting) = Self::held_bytes(self);
        HeldBytes { responses, waiting }
    }

    fn issuers(&self) -> IssuersView {
        let store = Self::issuers(self);
        IssuersView { known: store.len(), counts: store.counts() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use ctclient::Protocol;

    use super::*;

    #[test]
    fn a_view_has_the_values_of_one_moment() {
        let log = Log::configured(Protocol::Rfc6962, "a", "http://a.example", None, None);
        let status = LogStatus::new(log.expect("usable"), Duration::ZERO);
        status.counters.entries.store(7, Ordering::Relaxed);
        let view = LogView::of(&status);
        status.counters.entries.store(8, Ordering::Relaxed);
        status.set_retired(true);
        assert_eq!((view.counts.entries, view.draining), (7, false));
        assert_eq!(view.log.url, "http://a.example");
        assert!(LogView::of(&status).draining);
    }
}
