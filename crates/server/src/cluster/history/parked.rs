//! Replays of the stream that continue where they are, so that the next read need not search.

use std::time::Duration;

use relay::UseError;
use relay::replay::{Past, Replay, StoredBatch};
use tokio::time::Instant;

/// Most replays that are kept. Each takes up to 3 MB: what was received and not yet returned.
const MOST: usize = 32;
/// Time for which one is kept.
const KEPT: Duration = Duration::from_secs(10);

/// Replays that wait for the next read, oldest first. Readers take turns: a replay that had to go for
/// another one would go just before its own turn. Where there are too many, those that came first thus
/// remain, and further readers search each time.
#[derive(Debug)]
pub(super) struct Parked<R = Replay>(Vec<(R, Instant)>);

impl<R> Default for Parked<R> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

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
        let parked = self.take(|replay| replay.is_at(offset));
        let mut replay = parked.unwrap_or_else(|| past.replay(offset));
        let batches = replay.read(offset, end, bytes).await?;
        self.park(replay);
        Ok(batches)
    }
}

impl<R> Parked<R> {
    /// Takes the newest replay that is at a place, and drops those that were not used for a time: under
    /// load nobody else comes to do it.
    fn take(&mut self, is_there: impl Fn(&R) -> bool) -> Option<R> {
        let place = self.0.iter().rposition(|(replay, _)| is_there(replay));
        let taken = place.map(|place| self.0.remove(place).0);
        self.drop_unused();
        taken
    }

    /// Keeps a replay that was used, unless there are too many.
    fn park(&mut self, replay: R) {
        if self.0.len() < MOST {
            self.0.push((replay, Instant::now()));
        }
    }

    /// Drops those that were not used for a time.
    pub(super) fn drop_unused(&mut self) {
        let now = Instant::now();
        self.0.retain(|(_, used)| now.duration_since(*used) < KEPT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives each reader a turn. Returns how many of them found a replay at their place.
    fn turns(parked: &mut Parked<usize>, readers: std::ops::Range<usize>) -> usize {
        let mut turn = |reader: &usize| {
            let found = parked.take(|place| place == reader);
            parked.park(*reader);
            found.is_some()
        };
        readers.filter(|reader| turn(reader)).count()
    }

    #[tokio::test(start_paused = true)]
    async fn most_of_many_readers_in_turn_continue_where_they_are() {
        let mut parked = Parked::default();
        assert_eq!(turns(&mut parked, 0..40), 0);
        for _ in 0..3 {
            assert_eq!(turns(&mut parked, 0..40), MOST);
        }
        assert_eq!(parked.0.len(), MOST);
    }

    #[tokio::test(start_paused = true)]
    async fn replays_that_nobody_uses_make_room_for_those_of_others() {
        let mut parked = Parked::default();
        turns(&mut parked, 0..MOST);
        tokio::time::advance(KEPT).await;
        assert_eq!(turns(&mut parked, 5..6), 1, "it is at the place");
        assert_eq!(parked.0.len(), 1);
        assert_eq!([turns(&mut parked, 50..60), turns(&mut parked, 50..60)], [0, 10]);
    }
}
