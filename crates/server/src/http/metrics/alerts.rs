//! Metrics of alerts, read at the moment of the scrape.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::alerts::{ReceiverFigures, Status};

/// Collects the figures of alerts.
#[derive(Debug)]
pub(super) struct AlertMetrics(pub(super) Arc<Status>);

/// A figure with its name and help.
type Row<T> = (&'static str, &'static str, fn(&T) -> u64);

const GAUGES: [Row<Status>; 3] = [
    (
        "alerts_running",
        "1 while this server compares certificates with the rules for alerts; in a cluster one node does",
        |status| u64::from(status.is_running()),
    ),
    (
        "alerts_behind",
        "Certificates published and not compared with the rules for alerts yet",
        Status::behind,
    ),
    (
        "alerts_held",
        "1 while no certificate is compared with the rules for alerts, because an alert can neither wait \
         nor be kept in the file of dead letters",
        |status| u64::from(status.is_held()),
    ),
];

const COUNTERS: [Row<Status>; 4] = [
    ("alerts", "Alerts: certificates that match a rule", Status::matches),
    (
        "alerts_suppressed",
        "Certificates that match a rule and are no alert, because the rule has reached its limit",
        Status::suppressed,
    ),
    (
        "alerts_missed",
        "Certificates that were not kept long enough to be compared with the rules, as far as their \
         number is known",
        Status::missed,
    ),
    (
        "alerts_save_errors",
        "Times that the state of alerts could not be saved",
        Status::save_errors,
    ),
];

const OF_RECEIVERS: [Row<ReceiverFigures>; 4] = [
    ("alerts_arrived", "Alerts that have arrived, by receiver", |receiver| {
        receiver.delivery.arrived()
    }),
    ("alerts_failures", "Attempts to deliver an alert that failed, by receiver", |receiver| {
        receiver.delivery.failed()
    }),
    ("alerts_dead_letters", "Alerts that became dead letters, by receiver", |receiver| {
        receiver.delivery.kept()
    }),
    (
        "alerts_lost",
        "Alerts that did not arrive and are in no file of dead letters, by receiver",
        |receiver| receiver.delivery.lost(),
    ),
];

impl Collector for AlertMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Self(status) = self;
        for (name, help, figure) in GAUGES {
            let descriptor = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(level(figure(status))).encode(descriptor)?;
        }
        for (name, help, figure) in COUNTERS {
            let descriptor = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(figure(status)).encode(descriptor)?;
        }
        let receivers = status.receivers();
        let (name, help) = ("alerts_waiting", "Alerts that have not arrived yet, by receiver");
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (name, figures) in &receivers {
            let gauge = ConstGauge::new(level(figures.waiting() as u64));
            gauge.encode(family.encode_family(&[("receiver", &**name)])?)?;
        }
        for (name, help, figure) in OF_RECEIVERS {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (name, figures) in &receivers {
                let count = ConstCounter::new(figure(figures));
                count.encode(family.encode_family(&[("receiver", &**name)])?)?;
            }
        }
        Ok(())
    }
}

fn level(figure: u64) -> i64 {
    i64::try_from(figure).unwrap_or(i64::MAX)
}
