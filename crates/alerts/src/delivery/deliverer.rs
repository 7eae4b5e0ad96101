//! The delivery of alerts to one receiver, each until it has arrived.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use super::attempts::{Attempts, Retries, Step};
use super::dead_letters::{DeadLetter, DeadLetters};
use super::places::Places;
use super::receiver::{Outcome, Receiver};
use crate::alert::Alert;

/// Time between two log lines about alerts that do not arrive.
const REMIND: Duration = Duration::from_secs(60);

/// The end of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The receiver has it.
    Arrived,
    /// It is among the dead letters.
    Kept,
    /// It is given up, and there is no file of dead letters. Only the log and the figures have it.
    Lost,
    /// It is not to be sent any more at present, and has not arrived.
    Stopped,
}

/// The alerts in numbers.
#[derive(Debug, Default)]
pub struct Figures {
    arrived: AtomicU64,
    failed: AtomicU64,
    kept: AtomicU64,
    lost: AtomicU64,
    failure: Mutex<Option<Failure>>,
}

/// A failed attempt to deliver an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The time at which it ended.
    pub time: Timestamp,
    /// The reason, without secrets.
    pub reason: String,
    /// The number of attempts for the alert so far.
    pub attempts: u32,
    /// The time of the next one; none if the alert is given up, or is not to be sent at present.
    pub next_attempt: Option<Timestamp>,
}

impl Figures {
    /// Returns the number of alerts that have arrived.
    #[must_use]
    pub fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Relaxed)
    }

    /// Returns the number of attempts that failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Returns the number of alerts that became dead letters.
    #[must_use]
    pub fn kept(&self) -> u64 {
        self.kept.load(Ordering::Relaxed)
    }

    /// Returns the number of alerts that were given up without a file of dead letters, or cannot be read
    /// again.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Returns the last failed attempt, unless an alert has arrived since.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        self.failure.lock().clone()
    }

    /// Forgets the last failure, as that of a receiver that has changed.
    pub fn forget_failure(&self) {
        *self.failure.lock() = None;
    }

    /// Notes the time of the attempt after the one that failed at `time`; none if there is none.
    fn set_next_attempt(&self, time: Timestamp, next: Option<Timestamp>) {
        let mut failure = self.failure.lock();
        // The last failure may be that of another rule's alert.
        if let Some(failure) = failure.as_mut().filter(|failure| failure.time == time) {
            failure.next_attempt = next;
        }
    }

    /// Notes an alert that is lost.
    pub fn add_lost(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }
}

/// The alerts that are given up: a file, and the figures of a receiver.
#[derive(Clone, Debug)]
pub struct GivenUp {
    /// The name of the receiver.
    pub receiver: Arc<str>,
    /// The file; without one, such alerts are only logged and counted.
    pub dead_letters: Option<Arc<DeadLetters>>,
    /// The figures of the receiver.
    pub figures: Arc<Figures>,
}

/// Delivers alerts to one receiver: those of a rule in order, those of several rules at the same time.
#[derive(Debug)]
pub struct Deliverer {
    receiver: Receiver,
    retries: Retries,
    given_up: GivenUp,
    places: Places,
    failing: Mutex<Failing>,
}

/// The log lines about failures that last.
#[derive(Debug, Default)]
struct Failing {
    /// True if one was logged since an alert arrived.
    is_known: bool,
    logged: Option<Instant>,
}

impl Deliverer {
    /// Makes a deliverer.
    #[must_use]
    pub fn new(receiver: Receiver, retries: Retries, given_up: GivenUp) -> Self {
        let (places, failing) = (Places::new(), Mutex::default());
        Self { receiver, retries, given_up, places, failing }
    }

    /// Returns the alerts in numbers.
    #[must_use]
    pub fn figures(&self) -> &Figures {
        &self.given_up.figures
    }

    /// Returns the reason why the last attempt failed; none if it did not.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.figures().failure().map(|failure| failure.reason)
    }

    /// Delivers an alert, however long that takes. The next one of its rule follows when this returns. The
    /// time until it is given up begins when it was `matched`, so that no restart prolongs it; there is at
    /// least one attempt. A pause that the receiver requests applies to all its alerts until then. Once
    /// `stopping` is true, an attempt under way is the last one.
    pub async fn deliver(
        &self,
        alert: &Alert,
        matched: Timestamp,
        mut stopping: watch::Receiver<bool>,
    ) -> Delivery {
        let (mut attempts, started) = (Attempts::default(), Instant::now());
        let earlier = Timestamp::now().duration_since(matched);
        // None if the clock was set back.
        let earlier = Duration::try_from(earlier).unwrap_or_default();
        let end = started + self.retries.give_up.saturating_sub(earlier);
        loop {
            let place = tokio::select! {
                biased;
                _ = stopping.wait_for(|stopping| *stopping) => return Delivery::Stopped,
                place = self.places.take(end) => place,
            };
            let outcome = self.receiver.send(alert).await;
            if let Outcome::Later { after: Some(after), .. } = outcome {
                self.places.begin_pause(after);
            }
            drop(place);
            let since = earlier + Instant::now().saturating_duration_since(started);
            let mut step = attempts.after(&outcome, &self.retries, since);
            let time = Timestamp::now();
            if let Outcome::Later { reason, .. } | Outcome::Refused { reason } = outcome {
                let failure = Failure {
                    time,
                    reason: reason.clone(),
                    attempts: attempts.failures(),
                    next_attempt: None,
                };
                self.note_failure(alert, failure);
                if step == Step::GiveUp {
                    match self.given_up.keep(alert, reason).await {
                        Some(end) => return end,
                        // What can be kept nowhere is tried again.
                        None => step = Step::Pause(self.retries.longest),
                    }
                }
            }
            let Step::Pause(pause) = step else {
                self.note_arrival();
                return Delivery::Arrived;
            };
            let pause = pause.max(self.places.pause(end));
            self.figures().set_next_attempt(time, time.checked_add(pause).ok());
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stopping| *stopping) => {
                    self.figures().set_next_attempt(time, None);
                    return Delivery::Stopped;
                }
                () = sleep(pause) => {}
            }
        }
    }

    fn note_failure(&self, alert: &Alert, failure: Failure) {
        self.figures().failed.fetch_add(1, Ordering::Relaxed);
        let mut failing = self.failing.lock();
        let now = Instant::now();
        if failing.logged.is_none_or(|last| now.saturating_duration_since(last) >= REMIND) {
            (failing.logged, failing.is_known) = (Some(now), true);
            let (rule, receiver) = (&*alert.rule, &*self.given_up.receiver);
            tracing::warn!(rule, receiver, reason = failure.reason, "an alert does not arrive");
        }
        *self.figures().failure.lock() = Some(failure);
    }

    fn note_arrival(&self) {
        self.figures().arrived.fetch_add(1, Ordering::Relaxed);
        let mut failing = self.failing.lock();
        self.figures().forget_failure();
        if std::mem::take(&mut failing.is_known) {
            tracing::info!(receiver = &*self.given_up.receiver, "alerts arrive again");
        }
    }
}

impl GivenUp {
    /// Keeps an alert among the dead letters. If that fails, it is lost, which is logged and counted.
    pub async fn keep_or_lose(&self, alert: &Alert, reason: &str) {
        if self.keep(alert, reason.to_owned()).await.is_none() {
            self.figures.add_lost();
        }
    }

    /// Keeps an alert among the dead letters, if there is a file; none if that fails.
    pub async fn keep(&self, alert: &Alert, reason: String) -> Option<Delivery> {
        let (rule, id, receiver) = (&*alert.rule, &*alert.id, &*self.receiver);
        let Some(letters) = self.dead_letters.clone() else {
            self.figures.add_lost();
            let sha256 = &*alert.certificate.sha256;
            tracing::error!(
                rule,
                receiver,
                id,
                sha256,
                reason,
                "an alert is given up and lost: without data_dir there are no dead letters"
            );
            return Some(Delivery::Lost);
        };
        let letter = DeadLetter {
            time: Timestamp::now(),
            receiver: receiver.to_owned(),
            reason: reason.clone(),
            alert: alert.clone(),
        };
        let path = letters.path().display().to_string();
        let problem = match spawn_blocking(move || letters.add(&letter)).await {
            Ok(Ok(())) => {
                self.figures.kept.fetch_add(1, Ordering::Relaxed);
                tracing::error!(
                    rule,
                    receiver,
                    id,
                    path,
                    reason,
                    "an alert is given up; it is in the file of dead letters"
                );
                return Some(Delivery::Kept);
            }
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::error!(
            rule,
            receiver,
            id,
            path,
            reason = problem,
            "an alert that should be given up cannot be kept"
        );
        None
    }
}
