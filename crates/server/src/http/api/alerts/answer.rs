//! The answer of `/api/alerts`.

use std::collections::BTreeMap;

use alerts::delivery;
use alerts::{Alert, Entry, State};
use config::alerts::Receiver as Described;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::MOST;
use crate::alerts::Status;

/// The newest alerts, and the figures of rules and receivers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Alerts)]
pub(super) struct Answer<'a> {
    /// True if this server compares certificates with the rules: in a cluster, one node does.
    is_running: bool,
    /// The newest one first.
    alerts: Vec<Listed<'a>>,
    /// The rules, at most 1,000: those with the most alerts first.
    rules: Vec<Rule>,
    receivers: Vec<Receiver>,
}

/// An alert, and its state at each receiver.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ListedAlert)]
struct Listed<'a> {
    #[serde(flatten)]
    alert: &'a Alert,
    /// By the name of the receiver: `waiting`, `arrived` or `dead_letter`.
    #[schema(value_type = BTreeMap<String, String>)]
    receivers: &'a BTreeMap<String, State>,
}

/// A rule since the start of the server.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AlertRule)]
struct Rule {
    name: String,
    alerts: u64,
    /// Certificates that are no alerts because of the limit of the rule.
    suppressed: u64,
}

/// A receiver since the start of the server.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AlertReceiver)]
struct Receiver {
    name: String,
    /// Alerts that wait now.
    waiting: usize,
    arrived: u64,
    /// Attempts that failed.
    failed: u64,
    /// Alerts that were given up.
    dead_letters: u64,
    /// The last attempt that failed; missing if an alert has arrived since, or none has failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_failure: Option<Failure>,
}

/// An attempt to deliver an alert that failed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AlertFailure)]
pub(super) struct Failure {
    /// The time at which it ended.
    #[schema(format = DateTime)]
    time: String,
    /// The reason, without secrets.
    reason: String,
    /// Attempts for this alert so far.
    attempts: u32,
    /// The time of the next attempt for it; missing if it is given up, or not to be sent at present.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    next_attempt: Option<String>,
}

impl From<delivery::Failure> for Failure {
    fn from(failure: delivery::Failure) -> Self {
        let delivery::Failure { time, reason, attempts, next_attempt } = failure;
        Self { time: shown(time), reason, attempts, next_attempt: next_attempt.map(shown) }
    }
}

/// Returns a time, to milliseconds.
fn shown(time: Timestamp) -> String {
    Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time).to_string()
}

impl<'a> Answer<'a> {
    /// Makes the answer from the alerts that it lists.
    pub(super) fn new(status: &Status, entries: &'a [Entry], configured: &[Described]) -> Self {
        // Nobody can do anything about others.
        let is_in_use = |name: &str| {
            status.is_running() && configured.iter().any(|described| described.name == name)
        };
        let listed = |entry: &'a Entry| Listed { alert: &entry.alert, receivers: &entry.receivers };
        let receivers = status.receivers().into_iter().map(|(name, figures)| Receiver {
            last_failure: figures
                .delivery
                .failure()
                .filter(|_| is_in_use(&name))
                .map(Failure::from),
            name: name.to_string(),
            waiting: figures.waiting(),
            arrived: figures.delivery.arrived(),
            failed: figures.delivery.failed(),
            dead_letters: figures.delivery.kept(),
        });
        Self {
            is_running: status.is_running(),
            alerts: entries.iter().map(listed).collect(),
            rules: rules(status),
            receivers: receivers.collect(),
        }
    }
}

/// Returns the rules, those with the most alerts first, otherwise by name.
fn rules(status: &Status) -> Vec<Rule> {
    let mut rules: Vec<_> = status.rules().into_iter().collect();
    rules.sort_by_key(|(_, figures)| std::cmp::Reverse(figures.matches()));
    let rules = rules.into_iter().take(MOST).map(|(name, figures)| Rule {
        name: name.to_string(),
        alerts: figures.matches(),
        suppressed: figures.suppressed(),
    });
    rules.collect()
}
