//! Committed batches become visible: in the feed, in the look-up of recent certificates, in the
//! positions to resume from, and in the metrics.

use std::sync::Arc;
use std::sync::atomic::AtomicU8;

use cert::Digests;
use ct::leaf::EntryType;
use feed::{Hub, PublishError};
use ingest::{Committed, Fanout};
use record::{Advance, LogChange, LogNumber, Record, State};
use wire::{EntryKind, Source};

use crate::metrics::{EntryLabels, Metrics};
use crate::publish::issuers::Issuers;
use crate::publish::messages::{MessageStream, RingEntry};
use crate::publish::pages::Ticket;
use crate::publish::recent::{Recent, RecentCertificates};

/// Shows committed batches to the clients of this server.
#[derive(Debug)]
pub(crate) struct FeedFanout {
    hub: Arc<Hub<MessageStream>>,
    metrics: Arc<Metrics>,
    recent: Arc<RecentCertificates>,
    /// The description of each log in messages, by its number.
    sources: Vec<Arc<Source>>,
    issuers: Issuers,
}

impl FeedFanout {
    /// Creates a fan-out for a stream that is in this state.
    pub(crate) fn new(
        hub: Arc<Hub<MessageStream>>,
        metrics: Arc<Metrics>,
        recent: Arc<RecentCertificates>,
        state: &State,
    ) -> Self {
        let sources = state.logs().map(|(_, log)| Arc::new(Source::from(&log.identity))).collect();
        let issuers = Issuers::default();
        Self { hub, metrics, recent, sources, issuers }
    }

    /// Adds or replaces a row of the log table.
    fn change(&mut self, change: &LogChange) {
        let source = Arc::new(Source::from(&change.identity));
        match self.sources.get_mut(index(change.number)) {
            Some(row) => *row = source,
            // Numbers are given in order.
            None => self.sources.push(source),
        }
    }

    fn entry(&self, record: Record) -> RingEntry {
        let source = self.sources.get(index(record.log)).cloned();
        let source = source.expect("a batch is applied before it is shown, so its logs are known");
        let mut new_issuers = 0;
        let issuers = record.chain.iter();
        let chain =
            issuers.map(|issuer| self.issuers.get_or_add(issuer, &mut new_issuers)).collect();
        let digests = Digests::with_sha256(record.fingerprint, &record.certificate);
        let (record, noted) = (Arc::new(record), AtomicU8::new(0));
        RingEntry { record, source, digests, chain, new_issuers, noted }
    }

    /// Makes entries available by their fingerprints, the first of them with this offset.
    fn remember(&self, first_offset: u64, entries: &[RingEntry]) -> Vec<(Recent, Digests)> {
        if !self.recent.is_on() {
            return Vec::new();
        }
        let recent = |(offset, entry): (u64, &RingEntry)| {
            let (record, source) = (Arc::clone(&entry.record), Arc::clone(&entry.source));
            (Recent { offset, record, source }, entry.digests)
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
        batch.logs.iter().for_each(|change| self.change(change));
        let counts = count(&batch.records);
        let entries: Vec<RingEntry> =
            batch.records.into_iter().map(|record| self.entry(record)).collect();
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
        true
    }

    fn refused(&mut self, ticket: Ticket, position: u64) {
        ticket.log.refused(position);
    }

    fn readers(&self) -> usize {
        self.hub.stats().readers
    }
}

fn index(log: LogNumber) -> usize {
    usize::try_from(log.0).unwrap_or(usize::MAX)
}

/// Counts the certificates of each kind.
fn count(records: &[Record]) -> [(EntryKind, usize); 2] {
    let precerts = records.iter().filter(|record| record.kind == EntryType::Precert).count();
    [(EntryKind::X509LogEntry, records.len() - precerts), (EntryKind::PrecertLogEntry, precerts)]
}
