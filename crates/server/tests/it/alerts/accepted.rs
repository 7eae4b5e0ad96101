//! The alerts that a receiver has accepted.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::Value;

use super::RULES;
use super::receiver::{Answer, Hook};
use crate::harness::eventually;
use crate::operations::kills::Entry;

/// The alerts that a receiver has accepted, by rule, in order: the entry, and the key.
#[derive(Debug, Default)]
pub(crate) struct Accepted(BTreeMap<String, Vec<(Entry, String)>>);

impl Accepted {
    /// Adds what has arrived since.
    pub(crate) fn add(&mut self, hook: &Hook) {
        for (request, answer) in hook.requests() {
            if !matches!(answer, None | Some(Answer::Status(200, _))) {
                continue;
            }
            let alert: Value = serde_json::from_slice(&request.body).expect("JSON");
            let key = request.header("idempotency-key").expect("a key").to_owned();
            assert_eq!(alert["id"], *key);
            let rule = alert["rule"].as_str().expect("a rule").to_owned();
            let sighting = &alert["sightings"][0];
            let index = sighting["index"].as_u64().expect("an index");
            let entry = (sighting["url"].as_str().expect("a URL").to_owned(), index);
            self.0.entry(rule).or_default().push((entry, key));
        }
    }

    /// Returns the number of different alerts.
    pub(crate) fn count(&self) -> usize {
        let keys = self.0.values().flatten().map(|(_, key)| key);
        keys.collect::<BTreeSet<_>>().len()
    }

    /// Waits until so many different alerts have arrived.
    pub(crate) async fn reach(&mut self, hook: &Hook, count: usize) {
        eventually("all alerts arrive", async || {
            self.add(hook);
            (self.count() >= count).then_some(())
        })
        .await;
    }

    /// Returns the entries of a rule's alerts in the order in which they arrived for the first time, and how
    /// many arrived again.
    pub(crate) fn of_rule(&self, rule: &str) -> (Vec<Entry>, usize) {
        let arrived = self.0.get(rule).map_or(&[][..], |arrived| arrived);
        let mut keys = HashSet::new();
        let first = arrived.iter().filter(|(_, key)| keys.insert(key.clone()));
        let first: Vec<Entry> = first.map(|(entry, _)| entry.clone()).collect();
        let repeated = arrived.len() - first.len();
        (first, repeated)
    }

    /// Checks that the alerts of each rule are about these entries, under one key each, and have arrived for
    /// the first time in this order; at most `repeats` of each rule have arrived again.
    pub(crate) fn check_entries(&self, expected: &[Entry], repeats: usize) {
        for (rule, _) in RULES {
            let (first, repeated) = self.of_rule(rule);
            assert_eq!(first, expected, "{rule}");
            assert!(repeated <= repeats, "{rule}: {repeated} arrived again");
        }
    }
}
