//! Committed batches become visible: in the feed, in the look-up of recent certificates, in the
//! positions to resume from, and in the metrics.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use cert::Digests;
use ct::leaf::EntryType;
use feed::{Hub, PublishError};
use ingest::{Committed, Fanout};
use journal::StoredBatch;
use record::{Advance, Batch, LogNumber, Record};
use wire::EntryKind;

use crate::metrics::{EntryLabels, Metrics};
use crate::publish::entries::Entries;
use crate::publish::messages::{MessageStream, RingEntry};
use crate::publish::pages::Ticket;
use crate::publish::recent::{Recent, RecentCertificates};
use crate::state::backfill::missing::Missing;

/// Shows committed batches to the clients of this server.
#[derive(Debug, Clone)]
pub(crate) struct FeedFanout {
    hub: Arc<Hub<MessageStream>>,
    metrics: Arc<Metrics>,
    recent: Arc<RecentCertificates>,
    entries: Arc<Entries>,
    missing: Arc<Missing>,
}

impl FeedFanout {
    /// Creates a fan-out for the stream of these entries.
    pub(crate) const fn new(
        hub: Arc<Hub<MessageStream>>,
        metrics: Arc<Metrics>,
        recent: Arc<RecentCertificates>,
        entries: Arc<Entries>,
        missing: Arc<Missing>,
    ) -> Self {
        Self { hub, metrics, recent, entries, missing }
    }

    /// Makes entries available by their fingerprints, the first of them with this offset.
    fn remember(&self, first_offset: u64, entries: &[RingEntry]) -> Vec<(Recent, Digests)> {
        if !self.recent.is_on() {
            return Vec::new();
        }
        let recent = |(offset, entry): (u64, &RingEntry)| {
            let (record, source) = (entry.record.clone(), Arc::clone(&entry.source));
            (Recent { offset, record, source }, entry.digests())
        };
        (first_offset..).zip(entries).map(recent).collect()
    }

    /// Gives entries to the feed. Returns `false` if it does not take them, after which nothing more can
    /// be shown.
    fn publish(&self, first_offset: u64, entries: Vec<RingEntry>) -> bool {
        match self.hub.publish(first_offset, entries) {
            Ok(_) => true,
            Err(PublishError::Closed) => false,
            Err(error) => {
                tracing::error!(%error, "the feed refused a committed batch: this is a bug, \
                                         please report it");
                false
            }
        }
    }

    /// Makes a committed batch visible. Returns `false` if nobody can read it any more: then nothing
    /// counts as published.
    pub(crate) fn publish_batch(&self, batch: &mut Batch) -> bool {
        self.entries.change(&batch.logs);
        let counts = count(&batch.records);
        let entries = self.entries.of(std::mem::take(&mut batch.records));
        let entries =
            entries.expect("a batch is applied before it is shown, so its logs are known");
        if !entries.is_empty() {
            let recent = self.remember(batch.first_offset, &entries);
            if !self.publish(batch.first_offset, entries) {
                return false;
            }
            self.recent.extend(recent);
        }
        for (kind, count) in counts {
            let labels = EntryLabels { update_type: kind.update_type() };
            self.metrics.certificates.get_or_create(&labels).inc_by(count as u64);
        }
        true
    }

    /// Makes a batch visible that was published before this process. It is not counted again.
    ///
    /// # Errors
    /// If the feed does not take it, or one of its logs is not known.
    pub(crate) fn restore(&self, stored: StoredBatch) -> anyhow::Result<()> {
        let first_offset = stored.batch.first_offset;
        let seen = stored.batch.records.iter().map(|record| record.seen).max().unwrap_or_default();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let age = now.saturating_sub(Duration::from_millis(seen));
        let entries = self.entries.of_stored(stored).context("one of its logs is not known")?;
        let recent = self.remember(first_offset, &entries);
        self.hub.restore(first_offset, entries, age)?;
        self.recent.extend(recent);
        Ok(())
    }

    /// Counts the duplicates of a batch, after which so many certificates are remembered.
    pub(crate) fn count_duplicates(&self, batch: &Batch, remembered: usize) {
        self.metrics.duplicates.inc_by(batch.sightings.len() as u64);
        self.metrics.dedup_window.set(i64::try_from(remembered).unwrap_or(i64::MAX));
    }
}

impl Fanout for FeedFanout {
    type Ticket = Ticket;

    /// Once the stream is closed nothing counts as published.
    fn show(&mut self, committed: Committed<Ticket>) -> bool {
        let Committed { mut batch, tickets, remembered, missing } = committed;
        if !self.publish_batch(&mut batch) {
            return false;
        }
        self.missing.change(&batch.logs, missing);
        if let Some(remembered) = remembered {
            self.count_duplicates(&batch, remembered);
        }
        // Also where all of a page's entries were duplicates, or it had none.
        let newest = self.hub.head().unwrap_or(0);
        return_tickets(batch.advances, tickets, newest);
        true
    }

    fn refused(&mut self, ticket: Ticket, position: u64) {
        ticket.log.refused(position);
    }

    fn readers(&self) -> usize {
        self.hub.stats().readers
    }
}

/// Tells the logs of a batch that was published, at offsets up to `newest`.
pub(crate) fn return_tickets(
    advances: Vec<Advance>,
    tickets: Vec<(Ticket, LogNumber)>,
    newest: u64,
) {
    for Advance { log, position, .. } in advances {
        // Its pages have the same status, unless the log was followed anew between them.
        if let Some((ticket, _)) = tickets.iter().rfind(|(_, number)| *number == log) {
            ticket.log.published(position.next, position.tree, newest);
        }
    }
    for committed in tickets.into_iter().filter_map(|(ticket, _)| ticket.committed) {
        // A log that is not followed any more does not wait.
        let _waits = committed.send(());
    }
}

/// Counts the certificates of each kind.
fn count(records: &[Record]) -> [(EntryKind, usize); 2] {
    let precerts = records.iter().filter(|record| record.kind == EntryType::Precert).count();
    [(EntryKind::X509LogEntry, records.len() - precerts), (EntryKind::PrecertLogEntry, precerts)]
}
