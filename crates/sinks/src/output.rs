//! The task of an output: reads the stream, publishes it, and moves the cursor.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::sync::watch;
use tokio::time::{sleep, sleep_until};

use crate::backoff::Backoff;
use crate::broker::{Broker, Outcomes};
use crate::cursor::{Cursor, StoreError};
use crate::failure::Failure;
use crate::message::Message;
use crate::settings::{OnFull, OutputSettings};
use crate::source::{Missed, Page, Position, Source};
use crate::status::Status;

/// Time between two log lines about the same failure.
const REMIND: Duration = Duration::from_secs(60);
/// Reasons of one outage that are reported when they are new; others wait for the next reminder.
const MOST_REASONS: usize = 8;
/// Longest wait for a connection to be closed.
const CLOSING: Duration = Duration::from_secs(2);

/// An output of the stream.
#[derive(Debug)]
pub struct Output {
    settings: OutputSettings,
    cursor: Cursor,
    status: Arc<Status>,
    /// Becomes true when the server stops: what cannot be published then is left for the next start.
    stopping: watch::Receiver<bool>,
    broker: Option<Broker>,
    backoff: Backoff,
    failures: Reminder,
    cursor_errors: Reminder,
}

/// An output that ended because another node runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("another node has moved the cursor of the output, and publishes it now")]
pub struct Overtaken;

/// The failures that were reported since the last success.
#[derive(Debug, Default)]
struct Reminder {
    last: Option<Instant>,
    reasons: BTreeSet<String>,
}

impl Reminder {
    /// Reports whether a failure is to be logged: its reason is new, or the last line was long ago.
    fn is_due(&mut self, reason: &str) -> bool {
        let is_old = self.last.is_none_or(|last| last.elapsed() >= REMIND);
        let is_new = self.reasons.len() < MOST_REASONS && self.reasons.insert(reason.to_owned());
        if is_old || is_new {
            self.last = Some(Instant::now());
        }
        is_old || is_new
    }
}

/// The outcome of publishing a page.
#[derive(Debug, PartialEq, Eq)]
enum Delivery {
    /// All of its messages are published, or counted as left out.
    Done,
    /// The output is to continue at the end of the stream.
    Skip,
    /// The server stops.
    Stopped,
}

impl Output {
    /// Makes an output that begins where its source does.
    #[must_use]
    pub fn new(
        settings: OutputSettings,
        cursor: Cursor,
        status: Arc<Status>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let (failures, cursor_errors) = (Reminder::default(), Reminder::default());
        let (broker, backoff) = (None, Backoff::default());
        Self { settings, cursor, status, stopping, broker, backoff, failures, cursor_errors }
    }

    /// Publishes the stream until it ends, or until the server stops and the broker takes nothing.
    ///
    /// # Errors
    /// If another node runs the output.
    pub async fn run(mut self, mut source: impl Source) -> Result<(), Overtaken> {
        let runs = self.status.run();
        let outcome = self.publish(&mut source).await;
        if let Err(overtaken) = outcome {
            let output = self.settings.name.as_str();
            tracing::warn!(output, "the output ends: {overtaken}");
        }
        if let Some(broker) = self.broker.take() {
            broker.close(CLOSING).await;
        }
        drop(runs);
        outcome
    }

    async fn publish(&mut self, source: &mut impl Source) -> Result<(), Overtaken> {
        // A new output that has published nothing yet continues here after a restart.
        self.move_to(source.position());
        self.status.set_behind(source.behind());
        self.save().await?;
        // The first certificate does not wait for the connection.
        self.connect().await;
        while self.wait(source).await? {
            let page = source.read().await;
            self.note_missed(page.missed);
            match self.deliver(&page, source).await? {
                Delivery::Done => self.move_to(page.end),
                Delivery::Skip => {
                    let (entries, end) = source.skip();
                    self.drop_entries(entries);
                    self.move_to(end);
                }
                Delivery::Stopped => {
                    self.note_unfinished(&page, source);
                    break;
                }
            }
            self.status.set_behind(source.behind());
        }
        self.save().await
    }

    /// Waits until there is something to read, and saves the cursor when it is due; `false` at the end.
    async fn wait(&mut self, source: &mut impl Source) -> Result<bool, Overtaken> {
        loop {
            let due = self.cursor.due();
            if due.is_some_and(|due| due <= Instant::now()) {
                self.save().await?;
                continue;
            }
            let save = async {
                match due {
                    Some(due) => sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                more = source.ready() => return Ok(more),
                () = save => {}
            }
        }
    }

    /// Publishes the messages of a page, however long that takes.
    async fn deliver(&mut self, page: &Page, source: &impl Source) -> Result<Delivery, Overtaken> {
        let mut left: Vec<&Message> = page.messages.iter().collect();
        if left.is_empty() {
            return Ok(Delivery::Done);
        }
        loop {
            self.status.set_behind(source.behind().saturating_add(left.len() as u64));
            let outcomes = self.attempt(&left).await;
            let (before, failure) = (left.len(), self.settle(&mut left, outcomes));
            let Some(failure) = failure else { return Ok(Delivery::Done) };
            if left.len() < before {
                self.backoff.reset();
            }
            self.report(&failure);
            if let OnFull::Drop { depth } = self.settings.on_full {
                if matches!(failure, Failure::Full(_)) {
                    self.drop_entries(left.len() as u64);
                    return Ok(Delivery::Done);
                }
                if source.behind().saturating_add(left.len() as u64) > depth {
                    self.drop_entries(left.len() as u64);
                    return Ok(Delivery::Skip);
                }
            }
            if !self.pause().await? {
                return Ok(Delivery::Stopped);
            }
        }
    }

    /// Publishes messages once.
    async fn attempt(&mut self, messages: &[&Message]) -> Outcomes {
        self.status.wait();
        if self.broker.is_none()
            && let Err(failure) = self.try_connect().await
        {
            return messages.iter().map(|_| Err(failure.clone())).collect();
        }
        let Some(broker) = &mut self.broker else { return Outcomes::new() };
        let outcomes = broker.publish(messages).await;
        if broker.is_broken() {
            self.broker = None;
        }
        let is_connected = outcomes
            .iter()
            .any(|outcome| matches!(outcome, Ok(()) | Err(Failure::Full(_) | Failure::Refused(_))));
        self.status.set_connected(is_connected);
        outcomes
    }

    /// Keeps the messages to publish again. Returns the reason, the last of several; none if nothing is
    /// left.
    fn settle(&mut self, left: &mut Vec<&Message>, outcomes: Outcomes) -> Option<Failure> {
        let (mut published, mut reason) = (0, None);
        let mut outcomes = outcomes.into_iter();
        left.retain(|message| match outcomes.next() {
            Some(Ok(())) => {
                published += 1;
                false
            }
            Some(Err(Failure::Refused(why))) => {
                self.refuse(message, &why);
                false
            }
            Some(Err(failure)) => {
                reason = Some(failure);
                true
            }
            None => true,
        });
        if published > 0 {
            self.status.add_published(published);
        }
        if reason.is_none() {
            self.recovered();
        }
        reason
    }

    async fn try_connect(&mut self) -> Result<(), Failure> {
        let broker = Broker::connect(&self.settings).await?;
        let output = self.settings.name.as_str();
        tracing::info!(output, "connected to the broker");
        self.status.set_connected(true);
        self.broker = Some(broker);
        Ok(())
    }

    async fn connect(&mut self) {
        match self.try_connect().await {
            Ok(()) => {}
            Err(failure) => self.report(&failure),
        }
    }

    /// Waits before the next attempt; `false` if the server stops.
    async fn pause(&mut self) -> Result<bool, Overtaken> {
        if self.cursor.due().is_some_and(|due| due <= Instant::now()) {
            self.save().await?;
        }
        let wait = self.backoff.next();
        Ok(tokio::select! {
            biased;
            _ = self.stopping.wait_for(|stopping| *stopping) => false,
            () = sleep(wait) => true,
        })
    }

    fn move_to(&mut self, end: Position) {
        self.cursor.move_to(end);
        self.status.set_position(end);
    }

    async fn save(&mut self) -> Result<(), Overtaken> {
        match self.cursor.save().await {
            Ok(()) => self.cursor_errors = Reminder::default(),
            Err(StoreError::Overtaken) => return Err(Overtaken),
            Err(StoreError::Unavailable(reason)) => {
                self.status.add_cursor_error();
                if self.cursor_errors.is_due(&reason) {
                    let output = self.settings.name.as_str();
                    tracing::error!(
                        output,
                        %reason,
                        "the cursor of the output cannot be saved: a restart repeats messages"
                    );
                }
            }
        }
        Ok(())
    }

    fn report(&mut self, failure: &Failure) {
        let reason = failure.to_string();
        self.status.fail(&reason);
        if self.failures.is_due(&reason) {
            let output = self.settings.name.as_str();
            tracing::warn!(output, %reason, "messages are not published; trying again");
        }
    }

    fn recovered(&mut self) {
        self.backoff.reset();
        if let Some(time) = self.status.recover() {
            self.failures = Reminder::default();
            let output = self.settings.name.as_str();
            tracing::info!(output, seconds = time.as_secs(), "messages are published again");
        }
    }

    fn refuse(&self, message: &Message, why: &str) {
        self.status.add_refused();
        let (output, id) = (self.settings.name.as_str(), message.id());
        tracing::warn!(output, id, reason = why, "a message is left out: the broker refuses it");
    }

    fn drop_entries(&self, entries: u64) {
        if entries > 0 {
            self.status.add_dropped(entries);
            let output = self.settings.name.as_str();
            tracing::warn!(output, entries, "entries are left out, as on_full: drop says");
        }
    }

    fn note_missed(&self, missed: Missed) {
        self.status.add_missed(missed);
        let output = self.settings.name.as_str();
        let entries = match missed {
            Missed::Nothing => return,
            Missed::Entries(entries) => entries.to_string(),
            Missed::Unknown => "unknown".to_owned(),
        };
        tracing::error!(
            output,
            entries,
            "the output is so far behind that entries are not kept any more: they are missing in the \
             broker"
        );
    }

    fn note_unfinished(&self, page: &Page, source: &impl Source) {
        let entries = source.behind().saturating_add(page.messages.len() as u64);
        let output = self.settings.name.as_str();
        if self.cursor.is_durable() {
            tracing::info!(output, entries, "the next start publishes what is left");
        } else {
            self.status.add_dropped(entries);
            tracing::warn!(
                output,
                entries,
                "what is left is lost: without data_dir there is no cursor"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_of_an_outage_is_reported_once() {
        let mut reminder = Reminder::default();
        let due = ["a", "b", "a", "b", "c"].map(|reason| reminder.is_due(reason));
        assert_eq!(due, [true, true, false, false, true]);
        let new = (0..100).filter(|number| reminder.is_due(&number.to_string())).count();
        assert_eq!(new, MOST_REASONS - 3, "texts with numbers do not fill the log");
    }
}
