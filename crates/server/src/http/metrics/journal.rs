//! Metrics of the journal, read at the moment of the scrape.

use std::fmt;

use journal::Journal;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// Collects the figures of a journal.
#[derive(Debug)]
pub(super) struct JournalMetrics(pub(super) Journal);

impl Collector for JournalMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let stats = self.0.stats();
        let seconds = |millis: Option<u64>| millis.unwrap_or_default() as f64 / 1000.0;
        let unsynced = stats.written.saturating_sub(stats.synced);
        let latency = stats.sync_latency.unwrap_or_default().as_secs_f64();
        let coverage = stats.coverage.unwrap_or_default().as_secs_f64();
        let gauges: [(&str, &str, Option<Unit>, f64); 11] = [
            (
                "first_offset",
                "Offset from which on entries are kept; 0 while there is none",
                None,
                stats.first_offset.unwrap_or_default() as f64,
            ),
            (
                "last_offset",
                "Offset of the newest entry; 0 while there is none",
                None,
                stats.last_offset.unwrap_or_default() as f64,
            ),
            ("entries", "Entries kept", None, stats.entries as f64),
            (
                "first_time",
                "Unix time from which on entries are kept",
                Some(Unit::Seconds),
                seconds(stats.first_time),
            ),
            (
                "last_time",
                "Unix time at which the newest entry was seen",
                Some(Unit::Seconds),
                seconds(stats.last_time),
            ),
            ("size", "Size of all files of the journal", Some(Unit::Bytes), stats.bytes as f64),
            ("segments", "Files with entries", None, stats.segments as f64),
            (
                "damaged_frames",
                "Damaged parts found since the start, those found by it included",
                None,
                stats.damaged as f64,
            ),
            ("unsynced_batches", "Batches written and not synced yet", None, unsynced as f64),
            ("sync", "Duration of the last sync", Some(Unit::Seconds), latency),
            (
                "coverage",
                "Time span that the journal will cover at the present rate; 0 until it is known",
                Some(Unit::Seconds),
                coverage,
            ),
        ];
        for (name, help, unit, value) in gauges {
            let name = format!("journal_{name}");
            let gauge = ConstGauge::new(value);
            let described =
                encoder.encode_descriptor(&name, help, unit.as_ref(), gauge.metric_type())?;
            gauge.encode(described)?;
        }
        let counters = [
            ("syncs", "Syncs to the disk", stats.syncs),
            ("failures", "Writes and syncs that have failed", stats.failures),
            ("deleted_segments", "Files deleted because of the limits", stats.deleted),
        ];
        for (name, help, value) in counters {
            let name = format!("journal_{name}");
            let counter = ConstCounter::new(value);
            let described = encoder.encode_descriptor(&name, help, None, counter.metric_type())?;
            counter.encode(described)?;
        }
        Ok(())
    }
}
