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

type Save = Pin<Box<dyn Future<Output = (Box<dyn Store>, Result<(), StoreError>)> + Send>>;

/// The place where the state is saved, and when that is due.
pub(super) struct Saving {
    /// None without a place, and during a save.
    store: Option<Box<dyn Store>>,
    running: Option<Save>,
    due: Option<Instant>,
    /// The earliest time of the next save.
    not_before: Instant,
    reminded: Option<Instant>,
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
    /// Saves to a store, or nowhere.
    pub(super) fn new(store: Option<Box<dyn Store>>) -> Self {
        let not_before = Instant::now();
        Self { store, running: None, due: None, not_before, reminded: None }
    }

    /// Reports whether the state survives a restart.
    pub(super) const fn is_durable(&self) -> bool {
        self.store.is_some() || self.running.is_some()
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
        self.due = None;
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
                if self.reminded.take().is_some() {
                    tracing::info!(place, "the state of alerts is saved again");
                }
                Saved::Yes
            }
            Err(StoreError::Overtaken) => Saved::Overtaken,
            Err(StoreError::Unavailable(reason)) => {
                let now = Instant::now();
                self.not_before = now + AGAIN;
                self.due.get_or_insert(now);
                if self.reminded.is_none_or(|last| now - last >= REMIND) {
                    self.reminded = Some(now);
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
