//! The figures of alerts, for metrics, health and the API.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use alerts::Recent;
use alerts::delivery::{DeadLetters, Figures, GivenUp};
use parking_lot::{Mutex, RwLock};
use sinks::Missed;

/// Alerts in memory.
const RECENT: usize = 1_000;
/// Time for which an alert may wait before it is a problem.
const PATIENCE: Duration = Duration::from_mins(5);

/// The state of alerts, which their task changes and others read.
#[derive(Debug)]
pub(crate) struct Status {
    /// The newest alerts.
    pub(crate) recent: Recent,
    /// The file of those that were given up.
    dead_letters: Option<Arc<DeadLetters>>,
    is_running: AtomicBool,
    is_held: AtomicBool,
    behind: AtomicU64,
    missed: AtomicU64,
    save_errors: AtomicU64,
    rules: RwLock<BTreeMap<Arc<str>, Arc<RuleFigures>>>,
    /// Those of rules that exist no more, together.
    former: RuleFigures,
    receivers: RwLock<BTreeMap<Arc<str>, Arc<ReceiverFigures>>>,
    oldest: Mutex<Option<Oldest>>,
    /// The time of the last log line about an alert that does not arrive, in Unix seconds.
    late_logged: AtomicU64,
}

/// The figures of a rule since the start.
#[derive(Debug, Default)]
pub(crate) struct RuleFigures {
    matches: AtomicU64,
    suppressed: AtomicU64,
    /// The time of the last log line about the limit, in Unix seconds.
    logged: AtomicU64,
}

/// The figures of a receiver since the start.
#[derive(Debug, Default)]
pub(crate) struct ReceiverFigures {
    /// Alerts that arrived, and those that did not.
    pub(crate) delivery: Arc<Figures>,
    waiting: AtomicUsize,
}

/// The alert that has waited longest.
#[derive(Clone, Debug)]
pub(crate) struct Oldest {
    pub(super) rule: Arc<str>,
    pub(super) receiver: Arc<str>,
    /// In Unix seconds.
    pub(super) matched: u64,
    pub(super) problem: Option<String>,
}

impl Oldest {
    /// Returns the time for which it has waited, if that is a problem.
    fn late(&self) -> Option<Duration> {
        let waited = Duration::from_secs(now().saturating_sub(self.matched));
        (waited > PATIENCE).then_some(waited)
    }
}

impl RuleFigures {
    /// Returns the number of alerts.
    pub(crate) fn matches(&self) -> u64 {
        self.matches.load(Ordering::Relaxed)
    }

    /// Returns the number of certificates that were only counted, because of the limit.
    pub(crate) fn suppressed(&self) -> u64 {
        self.suppressed.load(Ordering::Relaxed)
    }

    pub(crate) fn add_match(&self) {
        self.matches.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn add_suppressed(&self) {
        self.suppressed.fetch_add(1, Ordering::Relaxed);
    }

    /// Reports whether a log line about the limit is due: one an hour is.
    pub(super) fn is_log_due(&self) -> bool {
        let (now, last) = (now(), self.logged.load(Ordering::Relaxed));
        let is_due = now >= last.saturating_add(3_600);
        if is_due {
            self.logged.store(now, Ordering::Relaxed);
        }
        is_due
    }
}

impl ReceiverFigures {
    /// Returns the number of alerts that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

impl Status {
    pub(crate) fn new(dead_letters: Option<Arc<DeadLetters>>) -> Self {
        Self {
            recent: Recent::new(RECENT),
            dead_letters,
            is_running: AtomicBool::new(false),
            is_held: AtomicBool::new(false),
            behind: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            save_errors: AtomicU64::new(0),
            rules: RwLock::default(),
            former: RuleFigures::default(),
            receivers: RwLock::default(),
            oldest: Mutex::default(),
            late_logged: AtomicU64::new(0),
        }
    }

    /// Reports whether this process delivers: in a cluster one node does.
    pub(crate) fn is_running(&self) -> bool {
        self.is_running.load(Ordering::Relaxed)
    }

    /// Reports whether no certificate is compared with the rules, because an alert can neither wait nor be
    /// kept.
    pub(crate) fn is_held(&self) -> bool {
        self.is_held.load(Ordering::Relaxed)
    }

    /// Notes whether that is so. Returns whether it was.
    pub(super) fn set_held(&self, is_held: bool) -> bool {
        self.is_held.swap(is_held, Ordering::Relaxed)
    }

    /// Returns the number of certificates that are published and not compared with the rules yet.
    pub(crate) fn behind(&self) -> u64 {
        self.behind.load(Ordering::Relaxed)
    }

    /// Returns the number of certificates that were not kept long enough to be compared with the rules, as
    /// far as it is known.
    pub(crate) fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    /// Returns how often the state could not be saved.
    pub(crate) fn save_errors(&self) -> u64 {
        self.save_errors.load(Ordering::Relaxed)
    }

    /// Returns the number of alerts of all rules.
    pub(crate) fn matches(&self) -> u64 {
        self.sum(RuleFigures::matches)
    }

    /// Returns the number of certificates that were only counted, because of the limits of rules.
    pub(crate) fn suppressed(&self) -> u64 {
        self.sum(RuleFigures::suppressed)
    }

    fn sum(&self, figure: fn(&RuleFigures) -> u64) -> u64 {
        let rules = self.rules.read();
        rules.values().map(|rule| figure(rule)).sum::<u64>() + figure(&self.former)
    }

    /// Returns the figures of each rule that exists.
    pub(crate) fn rules(&self) -> BTreeMap<Arc<str>, Arc<RuleFigures>> {
        self.rules.read().clone()
    }

    /// Returns the figures of each receiver since the start, also of those that exist no more.
    pub(crate) fn receivers(&self) -> BTreeMap<Arc<str>, Arc<ReceiverFigures>> {
        self.receivers.read().clone()
    }

    /// Describes a problem, such as an alert that has not arrived for minutes, without what only the operator may know: rules,
    /// receivers and their answers.
    pub(crate) fn problem(&self) -> Option<String> {
        if self.is_held() {
            let problem = "certificates are not compared with the rules for alerts: see the log";
            return Some(problem.to_owned());
        }
        let late = self.oldest.lock().as_ref().and_then(Oldest::late)?;
        Some(format!(
            "an alert has not arrived for {} s: see the log or /api/alerts",
            late.as_secs()
        ))
    }

    /// Logs an alert that does not arrive: once an hour.
    fn log_late(&self, oldest: &Oldest) {
        let Some(late) = oldest.late() else { return };
        let (now, last) = (now(), self.late_logged.load(Ordering::Relaxed));
        if now < last.saturating_add(3_600) {
            return;
        }
        self.late_logged.store(now, Ordering::Relaxed);
        let Oldest { rule, receiver, matched: _, problem } = oldest;
        tracing::warn!(
            %rule,
            %receiver,
            seconds = late.as_secs(),
            problem = problem.as_deref().unwrap_or("none"),
            "an alert has not arrived"
        );
    }

    /// Returns what keeps alerts for a receiver that are given up.
    pub(super) fn given_up(&self, receiver: &Arc<str>) -> GivenUp {
        GivenUp {
            receiver: Arc::clone(receiver),
            dead_letters: self.dead_letters.clone(),
            figures: Arc::clone(&self.receiver(receiver).delivery),
        }
    }

    fn receiver(&self, name: &Arc<str>) -> Arc<ReceiverFigures> {
        let mut receivers = self.receivers.write();
        Arc::clone(receivers.entry(Arc::clone(name)).or_default())
    }

    /// Returns the figures of a rule.
    pub(crate) fn rule(&self, name: &str) -> Arc<RuleFigures> {
        if let Some(rule) = self.rules.read().get(name) {
            return Arc::clone(rule);
        }
        Arc::clone(self.rules.write().entry(name.into()).or_default())
    }

    /// Notes the rules that exist.
    pub(crate) fn set_rules<'r>(&self, names: impl Iterator<Item = &'r Arc<str>>) {
        let mut rules = self.rules.write();
        let mut before = std::mem::take(&mut *rules);
        *rules =
            names.map(|name| (Arc::clone(name), before.remove(name).unwrap_or_default())).collect();
        for former in before.values() {
            self.former.matches.fetch_add(former.matches(), Ordering::Relaxed);
            self.former.suppressed.fetch_add(former.suppressed(), Ordering::Relaxed);
        }
    }

    /// Notes that the task runs, until the returned value is dropped.
    pub(super) fn run(self: &Arc<Self>) -> Runs {
        self.is_running.store(true, Ordering::Relaxed);
        Runs(Arc::clone(self))
    }

    pub(super) fn set_behind(&self, entries: u64) {
        self.behind.store(entries, Ordering::Relaxed);
    }

    pub(super) fn add_missed(&self, missed: Missed) {
        let entries = match missed {
            Missed::Nothing => return,
            Missed::Entries(entries) => entries,
            Missed::Unknown => 0,
        };
        self.missed.fetch_add(entries, Ordering::Relaxed);
        tracing::error!(
            entries,
            "certificates were not kept long enough to be compared with the rules of alerts"
        );
    }

    pub(super) fn add_save_error(&self) {
        self.save_errors.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes the alerts that wait, for each receiver that has any.
    pub(crate) fn set_waiting<'r>(
        &self,
        waiting: impl Iterator<Item = (&'r Arc<str>, usize)>,
        oldest: Option<Oldest>,
    ) {
        let waiting: BTreeMap<&Arc<str>, usize> = waiting.collect();
        for name in waiting.keys() {
            drop(self.receiver(name));
        }
        for (name, figures) in &*self.receivers.read() {
            figures.waiting.store(waiting.get(name).copied().unwrap_or(0), Ordering::Relaxed);
        }
        if let Some(oldest) = &oldest {
            self.log_late(oldest);
        }
        *self.oldest.lock() = oldest;
    }
}

/// A run of the task. After it, nothing is behind and nothing waits: another node may deliver.
#[derive(Debug)]
pub(super) struct Runs(Arc<Status>);

impl Drop for Runs {
    fn drop(&mut self) {
        let Self(status) = self;
        status.is_running.store(false, Ordering::Relaxed);
        status.set_behind(0);
        status.set_held(false);
        status.set_waiting(std::iter::empty(), None);
    }
}

/// Returns the time in Unix seconds.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `/health/deep` needs no token.
    #[test]
    fn a_late_alert_is_a_problem_that_names_nothing() {
        let status = Status::new(None);
        let wait = |seconds: u64| {
            let oldest = Oldest {
                rule: "our brand".into(),
                receiver: "ops".into(),
                matched: now() - seconds,
                problem: Some("it answers 503".to_owned()),
            };
            status.set_waiting(std::iter::empty(), Some(oldest));
            status.problem()
        };
        assert_eq!(wait(PATIENCE.as_secs() - 60), None);
        assert_eq!(status.late_logged.load(Ordering::Relaxed), 0);
        let problem = wait(PATIENCE.as_secs() + 60).expect("it is late");
        let seconds = problem.strip_prefix("an alert has not arrived for ").expect("the text");
        let seconds = seconds.strip_suffix(" s: see the log or /api/alerts").expect("no details");
        assert!(seconds.parse::<u64>().expect("a number") >= 360, "{problem}");
        assert!(status.late_logged.load(Ordering::Relaxed) > 0, "the log has the details");
        status.set_held(true);
        let held = "certificates are not compared with the rules for alerts: see the log";
        assert_eq!(status.problem().as_deref(), Some(held));
    }
}
