//! Replays of the stream that continue where they are, so that the next read need not search.

use std::time::Duration;

use relay::UseError;
use relay::replay::{Past, Replay, StoredBatch};
use tokio::time::Instant;

/// Most replays that are kept. Each takes up to 3 MB: what was received and not yet returned.
const MOST: usize = 32;
/// Time for which one is kept.
const KEPT: Duration = Duration::from_secs(10);

/// Replays that wait for the next read, oldest first.
#[derive(Debug, Default)]
pub(super) struct Parked(Vec<(Replay, Instant)>);

impl Parked {
    /// Reads with the replay that is at the offset, or else with a new one, as
    /// [`Replay::read`] does. If the call is cancelled, the replay is dropped.
    pub(super) async fn read(
        &mut self,
        past: &Past,
        offset: u64,
        end: u64,
        bytes: usize,
    ) -> Result<Vec<StoredBatch>, UseError> {
        let place = self.0.iter().rposition(|(replay, _)| replay.is_at(offset));
        let parked = place.map(|place| self.0.remove(place).0);
        let mut replay = parked.unwrap_or_else(|| past.replay(offset));
        let batches = replay.read(offset, end, bytes).await?;
        if self.0.len() >= MOST {
            drop(self.0.remove(0));
        }
        self.0.push((replay, Instant::now()));
        Ok(batches)
    }

    /// Drops those that were not used for a time.
    pub(super) fn drop_unused(&mut self) {
        let now = Instant::now();
        self.0.retain(|(_, used)| now.duration_since(*used) < KEPT);
    }
}
