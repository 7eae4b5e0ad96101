//! The answer of `/api/alerts`.

use std::collections::BTreeMap;

use alerts::{Alert, Entry, State};
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
}

impl<'a> Answer<'a> {
    /// Makes the answer from the alerts that it lists.
    pub(super) fn new(status: &Status, entries: &'a [Entry]) -> Self {
        let listed = |entry: &'a Entry| Listed { alert: &entry.alert, receivers: &entry.receivers };
        let receivers = status.receivers().into_iter().map(|(name, figures)| Receiver {
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
