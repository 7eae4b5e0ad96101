//! The delivery of alerts to one receiver, each until it has arrived.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::attempts::{Attempts, Retries, Step};
use super::dead_letters::{DeadLetter, DeadLetters};
use super::receiver::{Outcome, Receiver};
use crate::alert::Alert;

/// Time between two log lines about alerts that do not arrive.
const REMIND: Duration = Duration::from_secs(60);
/// Attempts at a time: rules do not wait for each other, and a receiver is not flooded.
const AT_ONCE: usize = 8;

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
    places: Semaphore,
    failing: Mutex<Failing>,
}

/// The failures that last.
#[derive(Debug, Default)]
struct Failing {
    /// The last one since an alert arrived.
    reason: Option<String>,
    /// True if it was logged.
    is_known: bool,
    logged: Option<Instant>,
}

impl Deliverer {
    /// Makes a deliverer.
    #[must_use]
    pub fn new(receiver: Receiver, retries: Retries, given_up: GivenUp) -> Self {
        let (places, failing) = (Semaphore::new(AT_ONCE), Mutex::default());
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
        self.failing.lock().reason.clone()
    }

    /// Delivers an alert, however long that takes. The next one of its rule follows when this returns. The
    /// time until it is given up begins when it was `matched`, so that no restart prolongs it; there is at
    /// least one attempt. Once `stopping` is true, an attempt under way is the last one.
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
        loop {
            let place = tokio::select! {
                biased;
                _ = stopping.wait_for(|stopping| *stopping) => return Delivery::Stopped,
                place = self.places.acquire() => place,
            };
            let outcome = self.receiver.send(alert).await;
            drop(place);
            let mut step = attempts.after(&outcome, &self.retries, earlier + started.elapsed());
            if let Outcome::Later { reason, .. } | Outcome::Refused { reason } = outcome {
                self.note_failure(alert, &reason);
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
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stopping| *stopping) => return Delivery::Stopped,
                () = sleep(pause) => {}
            }
        }
    }

    fn note_failure(&self, alert: &Alert, reason: &str) {
        self.figures().failed.fetch_add(1, Ordering::Relaxed);
        let mut failing = self.failing.lock();
        failing.reason = Some(reason.to_owned());
        if failing.logged.is_none_or(|last| last.elapsed() >= REMIND) {
            (failing.logged, failing.is_known) = (Some(Instant::now()), true);
            let (rule, receiver) = (&*alert.rule, &*self.given_up.receiver);
            tracing::warn!(rule, receiver, reason, "an alert does not arrive");
        }
    }

    fn note_arrival(&self) {
        self.figures().arrived.fetch_add(1, Ordering::Relaxed);
        let mut failing = self.failing.lock();
        failing.reason = None;
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
