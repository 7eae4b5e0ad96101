//! Metrics of a node of a cluster, read at the moment of the scrape.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::cluster::Status;
use crate::cluster::status::Figures;

/// Collects the figures of this node.
#[derive(Debug)]
pub(super) struct ClusterMetrics(pub(super) Arc<Status>);

/// A figure with its name and help.
type Row<T> = (&'static str, &'static str, fn(&Figures) -> T);

const GAUGES: [Row<f64>; 7] = [
    ("leader", "1 while this node leads", |figures| f64::from(u8::from(figures.leads))),
    ("connected", "1 while the servers of the cluster respond", |figures| {
        f64::from(u8::from(figures.is_connected))
    }),
    ("term", "Number of the current term; it grows when a node begins to lead", |figures| {
        figures.term as f64
    }),
    ("position", "Sequence of the last message of the stream that this node has read", |figures| {
        figures.position as f64
    }),
    ("stream_last", "Sequence of the last message of the stream", |figures| figures.last as f64),
    ("lag_batches", "Messages of the stream that this node has not read", |figures| {
        figures.last.saturating_sub(figures.position) as f64
    }),
    ("lag_seconds", "Time for which this node has been behind the stream", |figures| {
        figures.lag.as_secs_f64()
    }),
];

const COUNTERS: [Row<u64>; 9] = [
    ("terms_led", "Terms that this node has led", |figures| figures.terms_led),
    ("depositions", "Terms of this node that another one ended", |figures| figures.depositions),
    ("rewinds", "Times that the stream had lost its end and was read again", |figures| {
        figures.counts.rewinds
    }),
    ("publishes_repeated", "Publishes that were refused or had no outcome", |figures| {
        figures.counts.repeated
    }),
    ("messages_foreign", "Messages of other programs in the stream", |figures| {
        figures.counts.foreign
    }),
    ("messages_void", "Messages of the stream that fit nothing", |figures| figures.counts.void),
    ("entries_missed", "Entries that this node could not show", |figures| figures.withheld),
    ("holes", "Times that messages were missing in the middle of the stream", |figures| {
        figures.counts.holes
    }),
    (
        "replay_reads",
        "Reads of the stream for clients that resumed before the ring or fell behind it",
        |figures| figures.replay_reads,
    ),
];

impl Collector for ClusterMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let figures = self.0.figures();
        for (name, help, figure) in GAUGES {
            let name = format!("cluster_{name}");
            let gauge = ConstGauge::new(figure(&figures));
            let described = encoder.encode_descriptor(&name, help, None, gauge.metric_type())?;
            gauge.encode(described)?;
        }
        for (name, help, figure) in COUNTERS {
            let name = format!("cluster_{name}");
            let counter = ConstCounter::new(figure(&figures));
            let described = encoder.encode_descriptor(&name, help, None, counter.metric_type())?;
            counter.encode(described)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_of_a_node_is_documented() {
        let gauges = GAUGES.map(|(name, help, _)| (name.to_owned(), "gauge", help));
        let counters = COUNTERS.map(|(name, help, _)| (format!("{name}_total"), "counter", help));
        let row =
            |(name, kind, help)| format!("| `certstream_cluster_{name}` | {kind} |  | {help} |\n");
        let rows: String = gauges.into_iter().chain(counters).map(row).collect();
        let path = "crates/server/tests/it/reports/metrics.cluster.md";
        golden::check(path, rows, "-p server --lib every_metric_of_a_node");
    }
}
