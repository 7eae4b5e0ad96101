//! Liveness: whether the publisher's thread responds, and whether the server is about to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ingest::Heartbeat;

use crate::state::journal_log::Pause;

/// The liveness of the server.
#[derive(Debug, Default)]
pub struct Liveness {
    /// The publisher's thread.
    pub publisher: Arc<Heartbeat>,
    /// The reason why the journal cannot be written at present.
    pub(crate) journal: Arc<Pause>,
    stopping: AtomicBool,
}

impl Liveness {
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
