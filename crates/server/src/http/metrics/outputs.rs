//! Metrics of outputs to brokers, read at the moment of the scrape.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use sinks::Figures;

use crate::outputs::Statuses;

/// Collects the figures of all outputs.
#[derive(Debug)]
pub(super) struct OutputMetrics(pub(super) Statuses);

/// A figure with its name and help.
type Row = (&'static str, &'static str, fn(&Figures) -> u64);

const GAUGES: [Row; 4] = [
    (
        "output_running",
        "1 while this server runs the output; in a cluster one node does, by output",
        |figures| u64::from(figures.running),
    ),
    ("output_connected", "1 while the output is connected to its broker, by output", |figures| {
        u64::from(figures.connected)
    }),
    (
        "output_behind",
        "Certificates published and not taken by the broker yet, by output",
        |figures| figures.behind,
    ),
    (
        "output_offset",
        "Offset up to which the output has published everything, by output",
        |figures| figures.next.saturating_sub(1),
    ),
];

const COUNTERS: [Row; 7] = [
    ("output_messages", "Messages that the broker has acknowledged, by output", |figures| {
        figures.published
    }),
    ("output_failures", "Attempts to publish that failed, by output", |figures| figures.failures),
    (
        "output_dropped",
        "Certificates left out because of on_full: drop, or at a stop without data_dir, by output",
        |figures| figures.dropped,
    ),
    (
        "output_refused",
        "Messages left out because the broker never takes them, by output",
        |figures| figures.refused,
    ),
    (
        "output_overtaken",
        "Times that certificates were not kept long enough for the output, by output",
        |figures| figures.overtaken,
    ),
    (
        "output_missed",
        "Certificates missed thereby, as far as their number is known, by output",
        |figures| figures.missed,
    ),
    (
        "output_cursor_errors",
        "Times that the position of the output could not be saved, by output",
        |figures| figures.cursor_errors,
    ),
];

impl Collector for OutputMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let all: Vec<_> = self.0.iter().map(|status| (status.name(), status.figures())).collect();
        for (name, help, figure) in GAUGES {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (output, figures) in &all {
                let level = i64::try_from(figure(figures)).unwrap_or(i64::MAX);
                ConstGauge::new(level).encode(family.encode_family(&[("output", *output)])?)?;
            }
        }
        for (name, help, figure) in COUNTERS {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (output, figures) in &all {
                let count = ConstCounter::new(figure(figures));
                count.encode(family.encode_family(&[("output", *output)])?)?;
            }
        }
        Ok(())
    }
}
