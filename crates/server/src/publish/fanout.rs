//! Committed batches become visible: in the feed, in the look-up of recent certificates, in the
//! positions to resume from, and in the metrics.

use std::sync::Arc;

use cert::Digests;
use ct::leaf::EntryType;
use feed::{Hub, PublishError};
use ingest::{Committed, Fanout};
use record::{Advance, Record};
use wire::EntryKind;

use crate::metrics::{EntryLabels, Metrics};
use crate::publish::entries::Entries;
use crate::publish::messages::{MessageStream, RingEntry};
use crate::publish::pages::Ticket;
use crate::publish::recent::{Recent, RecentCertificates};

/// Shows committed batches to the clients of this server.
#[derive(Debug)]
pub(crate) struct FeedFanout {
    hub: Arc<Hub<MessageStream>>,
    metrics: Arc<Metrics>,
    recent: Arc<RecentCertificates>,
    entries: Arc<Entries>,
}

impl FeedFanout {
    /// Creates a fan-out for the stream of these entries.
    pub(crate) const fn new(
        hub: Arc<Hub<MessageStream>>,
        metrics: Arc<Metrics>,
        recent: Arc<RecentCertificates>,
        entries: Arc<Entries>,
    ) -> Self {
        Self { hub, metrics, recent, entries }
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
}

impl Fanout for FeedFanout {
    type Ticket = Ticket;

    /// Once the stream is closed nothing counts as published.
    fn show(&mut self, committed: Committed<Ticket>) -> bool {
        let Committed { batch, tickets, remembered } = committed;
        self.entries.change(&batch.logs);
        let counts = count(&batch.records);
        let entries = self.entries.of(batch.records);
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
        if let Some(remembered) = remembered {
            self.metrics.duplicates.inc_by(batch.sightings.len() as u64);
            self.metrics.dedup_window.set(i64::try_from(remembered).unwrap_or(i64::MAX));
        }
        // Also where all of a page's entries were duplicates, or it had none.
        let newest = self.hub.head().unwrap_or(0);
        for Advance { log, position, .. } in batch.advances {
            // Its pages have the same status, unless the log was followed anew between them.
            if let Some((ticket, _)) = tickets.iter().rfind(|(_, number)| *number == log) {
                ticket.log.published(position.next, position.tree, newest);
            }
        }
        for committed in tickets.into_iter().filter_map(|(ticket, _)| ticket.committed) {
            // A log that is not followed any more does not wait.
            let _waits = committed.send(());
        }
        true
    }

    fn refused(&mut self, ticket: Ticket, position: u64) {
        ticket.log.refused(position);
    }

    fn readers(&self) -> usize {
        self.hub.stats().readers
    }
}

/// Counts the certificates of each kind.
fn count(records: &[Record]) -> [(EntryKind, usize); 2] {
    let precerts = records.iter().filter(|record| record.kind == EntryType::Precert).count();
    [(EntryKind::X509LogEntry, records.len() - precerts), (EntryKind::PrecertLogEntry, precerts)]
}
