//! The figures of an output, for metrics and health.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::source::{Missed, Position};

/// The state of an output, which its task changes and others read.
#[derive(Debug)]
pub struct Status {
    name: String,
    running: AtomicBool,
    connected: AtomicBool,
    published: AtomicU64,
    failures: AtomicU64,
    dropped: AtomicU64,
    refused: AtomicU64,
    overtaken: AtomicU64,
    missed: AtomicU64,
    behind: AtomicU64,
    next: AtomicU64,
    cursor_errors: AtomicU64,
    problem: Mutex<Option<(String, Instant)>>,
    /// The time since when messages wait and none was acknowledged.
    waiting: Mutex<Option<Instant>>,
}

/// Wait for acknowledgements after which it is a problem, also before the attempt has failed.
const SLOW: Duration = Duration::from_secs(10);

/// The figures of an output at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// True while this process publishes: in a cluster one node does.
    pub running: bool,
    /// True while it is connected to the broker.
    pub connected: bool,
    /// Messages that the broker has acknowledged.
    pub published: u64,
    /// Attempts that failed, each for one message or more.
    pub failures: u64,
    /// Entries left out because the broker was full or not available.
    pub dropped: u64,
    /// Messages left out because the broker can never take them.
    pub refused: u64,
    /// Times that retention has overtaken the cursor.
    pub overtaken: u64,
    /// Entries missed thereby, as far as their number is known.
    pub missed: u64,
    /// Entries published and not taken by the broker yet.
    pub behind: u64,
    /// The offset up to which everything is published, or left out: that of the next entry.
    pub next: u64,
    /// Times that the cursor could not be saved.
    pub cursor_errors: u64,
}

/// A run of an output. After it, nothing is behind and no problem exists: another node may run it.
#[derive(Debug)]
pub(crate) struct Runs(Arc<Status>);

impl Drop for Runs {
    fn drop(&mut self) {
        let Self(status) = self;
        status.running.store(false, Ordering::Relaxed);
        status.set_connected(false);
        status.set_behind(0);
        *status.problem.lock() = None;
        *status.waiting.lock() = None;
    }
}

impl Status {
    /// Makes the status of an output of this name that has not begun.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            running: AtomicBool::new(false),
            connected: AtomicBool::new(false),
            published: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            overtaken: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            behind: AtomicU64::new(0),
            next: AtomicU64::new(0),
            cursor_errors: AtomicU64::new(0),
            problem: Mutex::new(None),
            waiting: Mutex::new(None),
        }
    }

    /// Returns the name of the output.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the figures.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        Figures {
            running: self.running.load(Ordering::Relaxed),
            connected: self.connected.load(Ordering::Relaxed),
            published: read(&self.published),
            failures: read(&self.failures),
            dropped: read(&self.dropped),
            refused: read(&self.refused),
            overtaken: read(&self.overtaken),
            missed: read(&self.missed),
            behind: read(&self.behind),
            next: read(&self.next),
            cursor_errors: read(&self.cursor_errors),
        }
    }

    /// Returns the reason why nothing is published, and the time since the last acknowledgement that
    /// was due; none while messages are acknowledged.
    #[must_use]
    pub fn problem(&self) -> Option<(String, Duration)> {
        let waiting = self.waiting.lock().map(|since| since.elapsed());
        let problem = self.problem.lock().clone();
        match problem {
            Some((text, since)) => Some((text, waiting.unwrap_or_default().max(since.elapsed()))),
            None => waiting
                .filter(|waiting| *waiting > SLOW)
                .map(|waiting| ("the broker does not acknowledge messages".to_owned(), waiting)),
        }
    }

    /// Notes that the output runs, until the returned value is dropped.
    pub(crate) fn run(self: &Arc<Self>) -> Runs {
        self.running.store(true, Ordering::Relaxed);
        Runs(Arc::clone(self))
    }

    pub(crate) fn set_connected(&self, connected: bool) {
        self.connected.store(connected, Ordering::Relaxed);
    }

    /// Notes that messages wait for the broker from now on.
    pub(crate) fn wait(&self) {
        self.waiting.lock().get_or_insert_with(Instant::now);
    }

    pub(crate) fn add_published(&self, messages: usize) {
        *self.waiting.lock() = None;
        self.published.fetch_add(messages as u64, Ordering::Relaxed);
    }

    pub(crate) fn add_dropped(&self, entries: u64) {
        self.dropped.fetch_add(entries, Ordering::Relaxed);
    }

    pub(crate) fn add_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn add_missed(&self, missed: Missed) {
        let entries = match missed {
            Missed::Nothing => return,
            Missed::Entries(entries) => entries,
            Missed::Unknown => 0,
        };
        self.overtaken.fetch_add(1, Ordering::Relaxed);
        self.missed.fetch_add(entries, Ordering::Relaxed);
    }

    pub(crate) fn add_cursor_error(&self) {
        self.cursor_errors.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn set_behind(&self, entries: u64) {
        self.behind.store(entries, Ordering::Relaxed);
    }

    pub(crate) fn set_position(&self, position: Position) {
        self.next.store(position.next, Ordering::Relaxed);
    }

    /// Notes a failed attempt.
    pub(crate) fn fail(&self, reason: &str) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let mut problem = self.problem.lock();
        match &mut *problem {
            Some((text, _)) => reason.clone_into(text),
            none => *none = Some((reason.to_owned(), Instant::now())),
        }
    }

    /// Notes that the broker takes messages; returns for how long it did not.
    pub(crate) fn recover(&self) -> Option<Duration> {
        *self.waiting.lock() = None;
        self.problem.lock().take().map(|(_, since)| since.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_wait_for_long_are_a_problem_before_an_attempt_fails() {
        let status = Status::new("nats");
        status.wait();
        assert_eq!(status.problem(), None, "it has just begun");
        *status.waiting.lock() = Instant::now().checked_sub(SLOW * 3);
        let (text, since) = status.problem().expect("a problem");
        assert!(text.contains("does not acknowledge") && since >= SLOW * 3, "{text} {since:?}");
        status.fail("refused");
        let (text, since) = status.problem().expect("a problem");
        assert!(text == "refused" && since >= SLOW * 3, "{text} {since:?}");
        status.add_published(1);
        assert!(status.problem().is_some_and(|(_, since)| since < SLOW), "others still fail");
        assert!(status.recover().is_some());
        assert_eq!(status.problem(), None);
    }
}
