//! The task of a rule: alerts, one after the other, until each has arrived.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::attempts::{Attempts, Retries, Step};
use super::dead_letters::{DeadLetter, DeadLetters};
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
    /// The server stops, and nothing is known of it.
    Stopped,
}

/// The alerts in numbers.
#[derive(Debug, Default)]
pub struct Figures {
    arrived: AtomicU64,
    failed: AtomicU64,
    kept: AtomicU64,
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
}

/// Delivers alerts to one receiver, in order.
#[derive(Debug)]
pub struct Deliverer {
    receiver: Receiver,
    retries: Retries,
    dead_letters: Arc<DeadLetters>,
    /// Becomes true when the server stops.
    stopping: watch::Receiver<bool>,
    figures: Arc<Figures>,
    /// The time of the last log line about the failure that lasts.
    reminded: Option<Instant>,
}

impl Deliverer {
    /// Makes a deliverer.
    #[must_use]
    pub fn new(
        receiver: Receiver,
        retries: Retries,
        dead_letters: Arc<DeadLetters>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let figures = Arc::default();
        Self { receiver, retries, dead_letters, stopping, figures, reminded: None }
    }

    /// Returns the alerts in numbers.
    #[must_use]
    pub fn figures(&self) -> Arc<Figures> {
        Arc::clone(&self.figures)
    }

    /// Delivers an alert, however long that takes. The next one follows when this returns.
    pub async fn deliver(&mut self, alert: &Alert) -> Delivery {
        let (mut attempts, started) = (Attempts::default(), Instant::now());
        loop {
            let mut stopping = self.stopping.clone();
            let outcome = tokio::select! {
                biased;
                _ = stopping.wait_for(|stopping| *stopping) => return Delivery::Stopped,
                outcome = self.receiver.send(alert) => outcome,
            };
            let mut step = attempts.after(&outcome, &self.retries, started.elapsed());
            if let Outcome::Later { reason, .. } | Outcome::Refused { reason } = outcome {
                self.note_failure(alert, &reason);
                if step == Step::GiveUp {
                    if self.keep(alert, reason).await {
                        return Delivery::Kept;
                    }
                    // What can be kept nowhere is tried again.
                    step = Step::Pause(self.retries.longest);
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

    /// Keeps an alert among the dead letters; `false` if that fails.
    async fn keep(&mut self, alert: &Alert, reason: String) -> bool {
        let letter = DeadLetter {
            time: Timestamp::now(),
            receiver: self.receiver.shown(),
            reason,
            alert: alert.clone(),
        };
        let letters = Arc::clone(&self.dead_letters);
        let path = letters.path().display().to_string();
        let (rule, id) = (&*alert.rule, &*alert.id);
        let error = match spawn_blocking(move || letters.add(&letter)).await {
            Ok(Ok(())) => {
                self.figures.kept.fetch_add(1, Ordering::Relaxed);
                tracing::error!(
                    rule,
                    id,
                    path,
                    "an alert is given up; it is in the file of dead letters"
                );
                return true;
            }
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::error!(
            rule,
            id,
            path,
            reason = error,
            "an alert that should be given up cannot be kept; it is sent again"
        );
        false
    }

    fn note_failure(&mut self, alert: &Alert, reason: &str) {
        self.figures.failed.fetch_add(1, Ordering::Relaxed);
        let is_due = self.reminded.is_none_or(|last| last.elapsed() >= REMIND);
        if is_due {
            self.reminded = Some(Instant::now());
            let (rule, receiver) = (&*alert.rule, self.receiver.shown());
            tracing::warn!(rule, receiver, reason, "an alert does not arrive");
        }
    }

    fn note_arrival(&mut self) {
        self.figures.arrived.fetch_add(1, Ordering::Relaxed);
        if self.reminded.take().is_some() {
            tracing::info!(receiver = self.receiver.shown(), "alerts arrive again");
        }
    }
}
