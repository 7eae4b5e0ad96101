//! Metrics of the domains that were seen, read at the moment of the scrape.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::first_seen::FirstSeen;

/// Collects the figures of the set of domains.
#[derive(Debug)]
pub(super) struct FirstSeenMetrics(pub(super) Arc<FirstSeen>);

impl Collector for FirstSeenMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let stats = self.0.stats();
        let gauges: [(&str, &str, Option<Unit>, f64); 4] = [
            ("domains", "Registrable domains that are remembered", None, stats.domains as f64),
            ("size", "Size of the files with these domains", Some(Unit::Bytes), stats.bytes as f64),
            ("runs", "Files with these domains", None, stats.runs as f64),
            (
                "complete",
                "1 if certificates with new domains are marked, 0 while the set of domains is built",
                None,
                f64::from(u8::from(self.0.is_complete())),
            ),
        ];
        for (name, help, unit, value) in gauges {
            let name = format!("first_seen_{name}");
            let gauge = ConstGauge::new(value);
            let described =
                encoder.encode_descriptor(&name, help, unit.as_ref(), gauge.metric_type())?;
            gauge.encode(described)?;
        }
        let counters = [
            ("lookups", "Look-ups of domains", stats.lookups),
            (
                "oversized_certificates",
                "Certificates with more registrable domains than are remembered of one",
                stats.oversized,
            ),
            (
                "forgotten_domains",
                "Domains that were forgotten because the files reached their limit",
                stats.forgotten,
            ),
            (
                "failures",
                "Failures to read or write the domains, after which certificates may not be marked",
                self.0.failures(),
            ),
            (
                "failed_deletions",
                "Failed attempts to delete a file with domains; they are repeated",
                stats.failed_deletions,
            ),
        ];
        for (name, help, value) in counters {
            let name = format!("first_seen_{name}");
            let counter = ConstCounter::new(value);
            let described = encoder.encode_descriptor(&name, help, None, counter.metric_type())?;
            counter.encode(described)?;
        }
        Ok(())
    }
}
