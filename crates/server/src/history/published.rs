//! Finding certificates that were published, for entries that are read later.

use std::sync::Arc;
use std::time::{Duration, Instant};

use follow::Published;
use journal::{Digest, Indexes};
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::JournalHistory;

/// The longest wait for the indexes of a journal.
const PATIENCE: Duration = Duration::from_mins(30);
/// The time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Finds certificates by the indexes of the journal. What is published while it is in use is in the dedup
/// window, or is to be published again.
#[derive(Debug)]
pub(crate) struct InJournal {
    indexes: Arc<Indexes>,
    is_indexed: OnceCell<()>,
}

impl JournalHistory {
    /// Returns what finds certificates that were published.
    pub(crate) fn published(&self) -> InJournal {
        InJournal::new(Arc::clone(&self.indexes))
    }
}

impl InJournal {
    /// Creates what finds certificates by indexes that are being made.
    pub(crate) fn new(indexes: Arc<Indexes>) -> Self {
        Self { indexes, is_indexed: OnceCell::new() }
    }

    async fn until_indexed(&self) -> Result<(), String> {
        let start = Instant::now();
        while !self.indexes.is_complete() {
            if start.elapsed() > PATIENCE {
                return Err("the journal is still being indexed; try again later".to_owned());
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }
}

impl Published for InJournal {
    async fn offsets(&self, fingerprints: Vec<ct::Hash>) -> Result<Vec<Option<u64>>, String> {
        self.is_indexed.get_or_try_init(|| self.until_indexed()).await?;
        let indexes = Arc::clone(&self.indexes);
        let find = move || {
            let find = |found: &ct::Hash| indexes.published(&Digest::Sha256(*found));
            fingerprints.iter().map(find).collect::<Result<Vec<_>, _>>()
        };
        let found = spawn_blocking(find).await.map_err(|error| error.to_string())?;
        found.map_err(|error| format!("the journal cannot be searched: {error}"))
    }
}
