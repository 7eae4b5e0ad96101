//! Saving the state of alerts, one save at a time.

use std::pin::Pin;
use std::time::Duration;

use sinks::{Store, StoreError};
use tokio::time::Instant;

/// Time between two saves while no alert arrives: after a crash so much of the stream is compared again.
const INTERVAL: Duration = Duration::from_secs(2);
/// Pause after a failure.
const AGAIN: Duration = Duration::from_secs(1);
/// Time between two log lines about the same failure.
const REMIND: Duration = Duration::from_secs(60);
/// Time for which alerts wait for a bucket that cannot be written: longer than the lease of a node that does
/// not reach it.
const PATIENCE: Duration = Duration::from_secs(10);

type Save = Pin<Box<dyn Future<Output = (Box<dyn Store>, Result<(), StoreError>)> + Send>>;

/// The place where the state is saved, and when that is due.
pub(super) struct Saving {
    /// None without a place, and during a save.
    store: Option<Box<dyn Store>>,
    /// True if other nodes read it, and deliver once this one has lost the lease.
    is_shared: bool,
    /// True if a state is saved.
    exists: bool,
    running: Option<Save>,
    due: Option<Instant>,
    /// The earliest time of the next save.
    not_before: Instant,
    failing: Option<Failing>,
}

/// The failures since the last save that succeeded.
#[derive(Clone, Copy, Debug)]
struct Failing {
    since: Instant,
    reminded: Instant,
}

/// The outcome of a save.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Saved {
    /// It is saved.
    Yes,
    /// It failed, and is repeated.
    Failed,
    /// Another node has saved its state: it delivers now.
    Overtaken,
}

impl Saving {
    /// Saves to a store, or nowhere. `exists` is true if the store has a state.
    pub(super) fn new(store: Option<Box<dyn Store>>, is_shared: bool, exists: bool) -> Self {
        let not_before = Instant::now();
        Self { store, is_shared, exists, running: None, due: None, not_before, failing: None }
    }

    /// Reports whether a state is saved, or may be.
    pub(super) const fn exists(&self) -> bool {
        self.exists
    }

    /// Reports whether the state survives a restart.
    pub(super) const fn is_durable(&self) -> bool {
        self.store.is_some() || self.running.is_some()
    }

    /// Reports whether alerts wait until the state can be saved again. A node that does not reach the bucket
    /// loses its lease soon, and the next one sends again what this one could not note.
    pub(super) fn is_awaited(&self) -> bool {
        let now = Instant::now();
        self.is_shared && self.failing.is_some_and(|failing| now - failing.since < PATIENCE)
    }

    /// Notes that the state has changed, and is to be saved soon: an alert has arrived.
    pub(super) fn now(&mut self) {
        self.due = Some(Instant::now());
    }

    /// Notes that the state has changed in a way that a crash may undo: it would be found again.
    pub(super) fn later(&mut self) {
        self.due.get_or_insert_with(|| Instant::now() + INTERVAL);
    }

    /// Returns the time of the next save, if the state has changed and no save is under way.
    pub(super) fn due(&self) -> Option<Instant> {
        self.store.as_ref()?;
        self.due.map(|due| due.max(self.not_before))
    }

    /// Begins to save a document.
    pub(super) fn begin(&mut self, document: Vec<u8>) {
        let Some(mut store) = self.store.take() else { return };
        (self.due, self.exists) = (None, true);
        self.running = Some(Box::pin(async move {
            let outcome = store.save(document).await;
            (store, outcome)
        }));
    }

    /// Reports whether a save is under way.
    pub(super) const fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Waits for the end of the save under way; forever if there is none. May be cancelled.
    pub(super) async fn ended(&mut self) -> Saved {
        let Some(running) = &mut self.running else { return std::future::pending().await };
        let (store, outcome) = running.await;
        let place = store.place();
        (self.store, self.running) = (Some(store), None);
        match outcome {
            Ok(()) => {
                if self.failing.take().is_some() {
                    tracing::info!(place, "the state of alerts is saved again");
                }
                Saved::Yes
            }
            Err(StoreError::Overtaken) => Saved::Overtaken,
            Err(StoreError::Unavailable(reason)) => {
                let now = Instant::now();
                self.not_before = now + AGAIN;
                self.due.get_or_insert(now);
                let failing = self.failing.filter(|failing| now - failing.reminded < REMIND);
                if failing.is_none() {
                    let since = self.failing.map_or(now, |failing| failing.since);
                    self.failing = Some(Failing { since, reminded: now });
                    tracing::error!(
                        place,
                        reason,
                        "the state of alerts cannot be saved: after a crash, alerts arrive again"
                    );
                }
                Saved::Failed
            }
        }
    }
}
