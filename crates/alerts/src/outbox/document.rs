//! The document that an outbox is saved as.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sinks::{Position, Resume};

use super::recent::{Identities, Key, keys};
use super::{Bounds, Outbox, Route, Waiting};
use crate::limit::Hourly;
use crate::rule::MAX_LIMIT;

/// The version of the document.
const VERSION: u32 = 1;
/// Rules at most whose hourly count is saved: those with the most alerts in the last hour.
const MAX_LIMITS: usize = 500;
/// Bytes of the names of rules whose hourly count is saved, at most.
const MAX_LIMITS_BYTES: usize = 30_000;

/// The document does not have the form of one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(String);

/// An outbox that was saved.
#[derive(Debug)]
pub struct Restored {
    /// The outbox.
    pub outbox: Outbox,
    /// The place at which the stream is to be matched again.
    pub resume: Resume,
    /// Alerts that waited and cannot be read again, because the stream is another one.
    pub lost: usize,
}

#[derive(Debug, Serialize, Deserialize)]
struct Document {
    version: u32,
    stream: String,
    next: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    entries: Option<u64>,
    /// The names of rules and receivers, which the routes refer to.
    rules: Vec<String>,
    receivers: Vec<String>,
    waiting: Vec<SavedRoute>,
    /// The latest time of a certificate.
    clock: u64,
    limits: Vec<SavedLimit>,
    recent: String,
    /// The identities of waiting alerts that are alerts again where their certificates are met next.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    forgotten: String,
}

/// The numbers of a rule and of a receiver, and the alerts that wait.
type SavedRoute = (usize, usize, Vec<SavedAlert>);
/// Offset, identity, time, and number of suppressed alerts.
type SavedAlert = (u64, String, u64, u64);

/// The alerts of a rule in the last hour.
#[derive(Debug, Serialize, Deserialize)]
struct SavedLimit {
    rule: String,
    suppressed: u64,
    times: Vec<(u64, u32)>,
}

impl Outbox {
    /// Returns the document to save: less than a megabyte, whatever waits.
    ///
    /// # Errors
    /// If it cannot be written as JSON, which does not happen.
    pub fn write(&self, stream: &str) -> serde_json::Result<Vec<u8>> {
        let (mut rules, mut receivers) = (Names::default(), Names::default());
        let mut waiting: Vec<SavedRoute> = Vec::with_capacity(self.routes.len());
        for (route, alerts) in &self.routes {
            let numbers = (rules.number(&route.rule), receivers.number(&route.receiver));
            waiting.push((numbers.0, numbers.1, alerts.iter().map(saved).collect()));
        }
        let (recent, forgotten) = self.recent.to_texts();
        serde_json::to_vec(&Document {
            version: VERSION,
            stream: stream.to_owned(),
            next: self.position.next,
            entries: self.position.entries,
            rules: rules.names,
            receivers: receivers.names,
            waiting,
            clock: self.clock,
            limits: self.saved_limits(),
            recent,
            forgotten,
        })
    }

    fn saved_limits(&self) -> Vec<SavedLimit> {
        let counts = self.limits.iter().map(|(rule, hourly)| {
            let counts = (hourly.count(self.clock), hourly.suppressed());
            (counts, rule, hourly)
        });
        let mut limits: Vec<_> = counts.filter(|(counts, ..)| *counts != (0, 0)).collect();
        limits.sort_by_key(|(counts, ..)| std::cmp::Reverse(*counts));
        let mut bytes = 0;
        limits.truncate(MAX_LIMITS);
        let fitting = limits.into_iter().take_while(|(_, rule, _)| {
            bytes += rule.len();
            bytes <= MAX_LIMITS_BYTES
        });
        let saved = fitting.map(|(_, rule, hourly)| SavedLimit {
            rule: rule.to_string(),
            suppressed: hourly.suppressed(),
            times: hourly.saved(self.clock),
        });
        saved.collect()
    }

    /// Reads a document that was saved.
    ///
    /// # Errors
    /// If it was damaged, or a newer program wrote it.
    pub fn read(document: &[u8], stream: &str, bounds: Bounds) -> Result<Restored, Unreadable> {
        let saved: Document =
            serde_json::from_slice(document).map_err(|error| Unreadable(error.to_string()))?;
        if saved.version != VERSION {
            let version = saved.version;
            return Err(Unreadable(format!("it has version {version}, of a newer program")));
        }
        let position = Position { next: saved.next, entries: saved.entries };
        let mut outbox = Self::new(position, bounds);
        outbox.recent = Identities::from_text(&saved.recent).ok_or_else(damaged)?;
        let forgotten = keys(&saved.forgotten).ok_or_else(damaged)?;
        outbox.clock = saved.clock;
        outbox.limits = limits(&saved.limits);
        let is_same = saved.stream == stream;
        let resume = match (is_same, saved.next) {
            (false, _) | (true, 0) => Resume::Oldest,
            (true, _) => Resume::At(position),
        };
        if !is_same {
            let alerts = saved.waiting.iter().flat_map(|(_, _, alerts)| alerts);
            let keys: Vec<Key> =
                alerts.map(|alert| Ok(waiting(alert)?.key)).collect::<Result<_, Unreadable>>()?;
            let lost = keys.len();
            // Their certificates are alerts again where the other stream has them.
            let keys: HashSet<Key> = keys.into_iter().collect();
            outbox.recent.retain(|key| !keys.contains(&key));
            return Ok(Restored { outbox, resume, lost });
        }
        for (rule, receiver, alerts) in &saved.waiting {
            let names = saved.rules.get(*rule).zip(saved.receivers.get(*receiver));
            let (rule, receiver) =
                names.ok_or_else(|| Unreadable("a rule or receiver has no name".to_owned()))?;
            let route = Route { rule: rule.as_str().into(), receiver: receiver.as_str().into() };
            for alert in alerts {
                outbox.add(route.clone(), waiting(alert)?);
            }
        }
        forgotten.into_iter().for_each(|key| outbox.forget(key));
        Ok(Restored { outbox, resume, lost: 0 })
    }
}

/// The names that were met, each with its number.
#[derive(Default)]
struct Names {
    names: Vec<String>,
    numbers: HashMap<Arc<str>, usize>,
}

impl Names {
    fn number(&mut self, name: &Arc<str>) -> usize {
        *self.numbers.entry(Arc::clone(name)).or_insert_with(|| {
            self.names.push(name.to_string());
            self.names.len() - 1
        })
    }
}

fn saved(waiting: &Waiting) -> SavedAlert {
    let Waiting { offset, key, matched, suppressed, .. } = waiting;
    (*offset, key.to_text(), *matched, *suppressed)
}

fn waiting((offset, key, matched, suppressed): &SavedAlert) -> Result<Waiting, Unreadable> {
    let key = Key::from_text(key).ok_or_else(damaged)?;
    Ok(Waiting { offset: *offset, key, matched: *matched, suppressed: *suppressed, alert: None })
}

fn damaged() -> Unreadable {
    Unreadable("an identity is damaged".to_owned())
}

fn limits(saved: &[SavedLimit]) -> BTreeMap<Arc<str>, Hourly> {
    // The limit is that of the rule, once it has its next alert.
    let hourly = |saved: &SavedLimit| Hourly::restored(MAX_LIMIT, saved.suppressed, &saved.times);
    saved.iter().map(|saved| (saved.rule.as_str().into(), hourly(saved))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::Decided;

    #[test]
    fn a_rule_at_its_limit_is_saved_before_rules_whose_hour_is_over() {
        let bounds = Bounds::new(1, true);
        let mut outbox = Outbox::new(Position::default(), bounds);
        let mut decide = |rule: &str, certificate: u64, seen| {
            let id = crate::alert::hex(&ct::sha256(format!("{rule} {certificate}").as_bytes()));
            outbox.decide(rule, 2, Key::of(&id), seen)
        };
        let deliver = Decided::Alert { suppressed: 0 };
        for number in 0..MAX_LIMITS {
            for certificate in 0..2 {
                assert_eq!(decide(&format!("earlier {number}"), certificate, 600), deliver);
            }
        }
        let decisions = [1, 2, 3].map(|certificate| decide("now", certificate, 600 + 3_600));
        assert_eq!(decisions, [deliver, deliver, Decided::Suppressed]);
        let document = outbox.write("abcdefgh").unwrap();
        let mut outbox = Outbox::read(&document, "abcdefgh", bounds).unwrap().outbox;
        assert_eq!(outbox.limits.len(), 1, "the other hours are over");
        assert_eq!(outbox.decide("now", 2, Key::of("4"), 5_000), Decided::Suppressed);
        assert_eq!(
            outbox.decide("now", 2, Key::of("5"), 4_200 + 3_600),
            Decided::Alert { suppressed: 2 }
        );
    }
}
