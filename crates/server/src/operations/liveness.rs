//! Liveness: whether the publisher's thread responds, and whether the server is about to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ingest::Heartbeat;
use parking_lot::Mutex;

use crate::state::journal_log::Pause;

/// The liveness of the server.
#[derive(Debug, Default)]
pub struct Liveness {
    publisher: Mutex<Option<Arc<Heartbeat>>>,
    /// The reason why the journal cannot be written at present.
    pub(crate) journal: Arc<Pause>,
    stopping: AtomicBool,
}

impl Liveness {
    /// Notes the heartbeat of the thread that publishes; `None` while this server reads what another one
    /// publishes.
    pub(crate) fn publishes(&self, publisher: Option<Arc<Heartbeat>>) {
        *self.publisher.lock() = publisher;
    }

    /// Returns the heartbeat of the thread that publishes, if there is one.
    pub(crate) fn publisher(&self) -> Option<Arc<Heartbeat>> {
        self.publisher.lock().clone()
    }

    /// Notes that the server is about to stop, and not ready for clients any more.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Reports whether the server is about to stop.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}
