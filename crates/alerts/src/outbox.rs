//! The alerts that have been matched and have not arrived.
//!
//! An [`Outbox`] has the position up to which the stream has been matched, the alerts that wait for each
//! receiver, the identities of recent alerts, and the hourly limits. It has no IO and no clock. All of it
//! is saved as one document, so whenever the process ends, an alert is either matched again, because the
//! saved position is before it, or it waits, or it has arrived. The document has the offsets of waiting
//! alerts, not their contents, which are read again from the stream.

mod document;
mod recent;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::collections::btree_map::{BTreeMap, Entry};
use std::sync::Arc;

use sinks::Position;

pub use self::document::{Restored, Unreadable};
use self::recent::Identities;
pub use self::recent::Key;
use crate::alert::Alert;
use crate::limit::{Decision, HOUR, Hourly};

/// Alerts that wait at most, one for each receiver that it is for. Each receiver has its share, of which one
/// rule may take a half.
pub const MAX_WAITING: usize = 10_000;
/// Bytes of the names of rules with waiting alerts at most: the document has to fit in one message of NATS.
const MAX_NAMES_BYTES: usize = 100_000;
/// Bytes of waiting alerts that are kept in memory at most.
const MAX_CONTENT_BYTES: usize = 32 << 20;

/// A rule and one of its receivers. Its alerts arrive in the order of the stream.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Route {
    /// The name of the rule.
    pub rule: Arc<str>,
    /// The name of the receiver.
    pub receiver: Arc<str>,
}

/// An alert that waits for a receiver.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The offset of its certificate.
    pub offset: u64,
    /// Its identity.
    pub key: Key,
    /// The time at which it was matched, in Unix seconds.
    pub matched: u64,
    /// Alerts of the rule before it that were suppressed.
    pub suppressed: u64,
    /// The alert; none if it has to be read again from the stream.
    pub alert: Option<Arc<Alert>>,
}

/// The decision on a certificate that matches a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    /// It is an alert. It is to be [put](Outbox::put) into the outbox.
    Alert {
        /// Alerts of the rule before it that were suppressed.
        suppressed: u64,
    },
    /// There was an alert about it: of the precertificate, or before a restart.
    Known,
    /// The limit of the rule is reached, and it is only counted.
    Suppressed,
}

/// The alerts that have not arrived, and the place up to which the stream was matched.
#[derive(Debug)]
pub struct Outbox {
    position: Position,
    routes: BTreeMap<Route, VecDeque<Waiting>>,
    /// Routes of each rule with waiting alerts.
    rules: BTreeMap<Arc<str>, usize>,
    /// The bytes of their names.
    names_bytes: usize,
    /// Alerts that wait for each receiver.
    receivers: BTreeMap<Arc<str>, usize>,
    limits: BTreeMap<Arc<str>, Hourly>,
    recent: Identities,
    /// The latest time of a certificate.
    clock: u64,
    content_bytes: usize,
    bounds: Bounds,
}

/// The bounds of an outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The number of receivers, which share [`MAX_WAITING`].
    pub receivers: usize,
    /// True if alerts can be read again from the stream, so that those over the bound of bytes need not be
    /// in memory.
    pub can_reread: bool,
    /// Bytes of alerts in memory at most.
    pub content_bytes: usize,
}

impl Bounds {
    /// Returns the bounds for so many receivers.
    #[must_use]
    pub const fn new(receivers: usize, can_reread: bool) -> Self {
        Self { receivers, can_reread, content_bytes: MAX_CONTENT_BYTES }
    }
}

impl Outbox {
    /// Makes an empty outbox.
    #[must_use]
    pub fn new(position: Position, bounds: Bounds) -> Self {
        Self {
            position,
            routes: BTreeMap::new(),
            rules: BTreeMap::new(),
            names_bytes: 0,
            receivers: BTreeMap::new(),
            limits: BTreeMap::new(),
            recent: Identities::default(),
            clock: 0,
            content_bytes: 0,
            bounds,
        }
    }

    /// Replaces the bounds. Alerts that wait already stay.
    pub const fn set_bounds(&mut self, bounds: Bounds) {
        self.bounds = bounds;
    }

    /// Returns the place up to which the stream has been matched.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// Notes that everything before this place has been matched.
    pub const fn move_to(&mut self, position: Position) {
        self.position = position;
    }

    /// Decides on a certificate that matches a rule with a limit of alerts in an hour. `key` is the identity
    /// of the alert, `seen` the time at which the server saw the certificate, in Unix seconds. The limit
    /// counts by this time, so certificates that are matched late are not left out because of it.
    pub fn decide(&mut self, rule: &str, limit: u32, key: Key, seen: u64) -> Decided {
        if self.recent.has(key) {
            return Decided::Known;
        }
        self.move_clock(seen);
        let hourly = match self.limits.get_mut(rule) {
            Some(hourly) => hourly,
            None => self.limits.entry(rule.into()).or_insert_with(|| Hourly::new(limit)),
        };
        hourly.set_limit(limit);
        match hourly.take(self.clock) {
            Decision::Suppress => Decided::Suppressed,
            Decision::Deliver { suppressed } => {
                self.recent.add(key);
                Decided::Alert { suppressed }
            }
        }
    }

    /// Counts alerts of a rule with a limit that were suppressed without a decision on each.
    pub fn suppress(&mut self, rule: &str, limit: u32, count: u64) {
        self.limits.entry(rule.into()).or_insert_with(|| Hourly::new(limit)).suppress(count);
    }

    /// Forgets an alert that cannot be read again: its certificate is an alert again where it is met next. A
    /// receiver that has the alert gets it twice then.
    pub fn forget(&mut self, key: Key) {
        self.recent.remove(key);
    }

    /// Returns an alert of a rule that waits and has to be read again from the stream.
    #[must_use]
    pub fn unread(&self, rule: &Arc<str>, key: Key) -> Option<&Waiting> {
        if !self.rules.contains_key(rule) {
            return None;
        }
        let first = Route { rule: Arc::clone(rule), receiver: Arc::default() };
        let of_rule = self.routes.range(first..).take_while(|(route, _)| route.rule == *rule);
        let mut waiting = of_rule.flat_map(|(_, alerts)| alerts);
        waiting.find(|waiting| waiting.key == key && waiting.alert.is_none())
    }

    /// Notes that the certificate of a known alert is at this offset too. An alert that waits and has to be
    /// read again is read from there: in a crash, the stream may have lost the end that had the certificate
    /// before, and it comes again later.
    pub fn meet_again(&mut self, rule: &Arc<str>, key: Key, offset: u64) {
        let first = Route { rule: Arc::clone(rule), receiver: Arc::default() };
        let of_rule = self.routes.range_mut(first..).take_while(|(route, _)| route.rule == *rule);
        for waiting in of_rule.flat_map(|(_, alerts)| alerts) {
            if waiting.key == key && waiting.alert.is_none() {
                waiting.offset = offset;
            }
        }
    }

    /// Lets an alert wait for each receiver. Returns those for which too many wait already.
    pub fn put(
        &mut self,
        rule: &Arc<str>,
        waiting: &Waiting,
        receivers: &[Arc<str>],
    ) -> Vec<Arc<str>> {
        let mut refused = Vec::new();
        for receiver in receivers {
            let route = Route { rule: Arc::clone(rule), receiver: Arc::clone(receiver) };
            if !self.wait(route, waiting.clone()) {
                refused.push(Arc::clone(receiver));
            }
        }
        refused
    }

    /// Moves the clock of the limits. A clock that was set back by more than an hour begins anew, or rules
    /// would stay at their limits until it has caught up.
    fn move_clock(&mut self, seen: u64) {
        if seen.saturating_add(HOUR) < self.clock {
            self.limits.clear();
            self.clock = seen;
        }
        self.clock = self.clock.max(seen);
    }

    /// Lets an alert wait; `false` if there is no room.
    fn wait(&mut self, route: Route, mut waiting: Waiting) -> bool {
        let share = MAX_WAITING / self.bounds.receivers.max(1);
        let of_receiver = self.receivers.get(&route.receiver).copied().unwrap_or_default();
        let of_route = self.routes.get(&route).map_or(0, VecDeque::len);
        let has_name = self.rules.contains_key(&route.rule);
        // Receivers that exist no more may have more than a share.
        let has_room = of_route < share / 2
            && of_receiver < share
            && self.waiting() < MAX_WAITING
            && (has_name || self.names_bytes + route.rule.len() <= MAX_NAMES_BYTES);
        let bytes = bytes(&waiting);
        let fits = self.content_bytes + bytes <= self.bounds.content_bytes;
        if !has_room || !(fits || self.bounds.can_reread) {
            return false;
        }
        if !fits {
            waiting.alert = None;
        }
        self.add(route, waiting);
        true
    }

    fn add(&mut self, route: Route, waiting: Waiting) {
        self.recent.wait(waiting.key);
        self.content_bytes += bytes(&waiting);
        *self.receivers.entry(Arc::clone(&route.receiver)).or_default() += 1;
        let alerts = match self.routes.entry(route) {
            Entry::Occupied(alerts) => alerts.into_mut(),
            Entry::Vacant(route) => {
                let rule = Arc::clone(&route.key().rule);
                let bytes = rule.len();
                let routes = self.rules.entry(rule).or_default();
                if *routes == 0 {
                    self.names_bytes += bytes;
                }
                *routes += 1;
                route.insert(VecDeque::new())
            }
        };
        alerts.push_back(waiting);
    }

    /// Returns the routes with waiting alerts.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        self.routes.keys()
    }

    /// Returns the alert of a route that is to be delivered next, if one waits.
    #[must_use]
    pub fn next(&self, route: &Route) -> Option<&Waiting> {
        self.routes.get(route)?.front()
    }

    /// Removes the first alert of a route if it has this identity: it has arrived, or is kept elsewhere.
    pub fn settle(&mut self, route: &Route, key: Key) -> bool {
        let Some(alerts) = self.routes.get_mut(route) else { return false };
        let Some(settled) = alerts.pop_front_if(|first| first.key == key) else { return false };
        let is_empty = alerts.is_empty();
        self.recent.settle(key);
        self.content_bytes = self.content_bytes.saturating_sub(bytes(&settled));
        if let Some(count) = self.receivers.get_mut(&route.receiver) {
            *count -= 1;
            if *count == 0 {
                self.receivers.remove(&route.receiver);
            }
        }
        if is_empty {
            self.routes.remove(route);
            self.forget_name(&route.rule);
        }
        true
    }

    /// Notes that a rule has one route with waiting alerts less.
    fn forget_name(&mut self, rule: &str) {
        let Some(routes) = self.rules.get_mut(rule) else { return };
        *routes -= 1;
        if *routes == 0 {
            self.rules.remove(rule);
            self.names_bytes -= rule.len();
        }
    }

    /// Forgets the limits of rules that do not exist any more.
    pub fn retain_limits(&mut self, exists: impl Fn(&str) -> bool) {
        self.limits.retain(|rule, _| exists(rule));
    }

    /// Returns the number of alerts that wait, one for each receiver that they are for.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.receivers.values().sum()
    }

    /// Returns the number of alerts that wait for each receiver that has any.
    pub fn waiting_by_receiver(&self) -> impl Iterator<Item = (&Arc<str>, usize)> {
        self.receivers.iter().map(|(receiver, count)| (receiver, *count))
    }

    /// Returns the alert that has waited longest, with its route.
    #[must_use]
    pub fn oldest(&self) -> Option<(&Route, &Waiting)> {
        let first = self.routes.iter().filter_map(|(route, alerts)| Some((route, alerts.front()?)));
        first.min_by_key(|(_, waiting)| waiting.matched)
    }
}

/// Returns about the bytes of an alert in memory, more rather than less.
fn bytes(waiting: &Waiting) -> usize {
    waiting.alert.as_ref().map_or(0, |alert| {
        let names: usize = alert.certificate.names.iter().map(|name| name.len() + 32).sum();
        let reasons: usize = alert.reasons.iter().map(|reason| 4 * reason.text.len() + 256).sum();
        names + reasons + 2048
    })
}
