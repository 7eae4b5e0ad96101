//! Checks besides the proof of entries: stale heads, and the age of the newest one.

use std::time::Duration;

use ct::head::TreeHead;
use ctclient::{AlarmKind, Contradiction, Point, Source};
use tokio::time::Instant;

use super::Follower;
use crate::alarm::unix_seconds;
use crate::status::counters::add;

/// The time by which a head may be older than the log's merge delay: clocks differ, and caches keep
/// heads.
const SLACK: Duration = Duration::from_secs(60);

impl<S: Source> Follower<S> {
    /// Has the log prove one of the stale heads, now and then.
    pub(super) async fn audit(&mut self, head: &TreeHead) {
        let now = Instant::now();
        let trusted = self.frontier.as_ref().is_some_and(|f| f.proved() == Point::of_head(head));
        if !trusted || self.verifying.asks_again.is_some_and(|at| now < at) {
            return;
        }
        let Some(stale) = self.heads.next_stale() else { return };
        self.verifying.asks_again = Some(now + self.options.unhealthy_wait);
        let old = stale.signed.head;
        match self.source.frontier(old.size, head).await {
            Ok(range) if range.root() == old.root => {
                add(&self.status.counters.audited_heads, 1);
                self.heads.remember(Point::of_head(&old));
            }
            Ok(range) => {
                let expected = Point::of_range(&range);
                let kind = AlarmKind::Fork;
                let found = Contradiction { kind, head: stale, other: None, expected };
                self.report_violation(found, Vec::new()).await;
            }
            Err(error) if error.is_no_room() => self.heads.put_back(stale),
            Err(error) => {
                add(&self.status.counters.proof_errors, 1);
                add(&self.status.counters.unaudited_heads, 1);
                let log = &self.status.log.name;
                tracing::warn!(log, size = old.size, %error, "a stale head could not be audited");
            }
        }
    }

    /// Checks that the log keeps signing.
    pub(super) fn check_head_age(&self) {
        let listing = self.status.listing();
        let frozen = listing.final_head.is_some() || self.status.is_retired();
        let Some(mmd) = listing.mmd else { return };
        if frozen {
            return;
        }
        let age = unix_seconds().saturating_sub(self.status.snapshot().head_timestamp / 1000);
        let overdue = age > mmd.saturating_add(SLACK).as_secs();
        if self.status.set_overdue(overdue) {
            let (log, mmd_secs) = (&self.status.log.name, mmd.as_secs());
            if overdue {
                tracing::error!(log, age_secs = age, mmd_secs, "the log's head is too old");
            } else {
                tracing::info!(log, "the log signs new heads again");
            }
        }
    }
}
