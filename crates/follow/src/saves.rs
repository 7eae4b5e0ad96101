//! Saving positions before entries are published, where a log has none yet: a log that begins at its
//! head would begin at a later one after a crash, and what was published between them would be lost.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// How long a log waits for its first position to be saved. A disk that fails does not stop it.
const LONGEST: Duration = Duration::from_secs(5);

/// Tells the one who saves positions that a log waits for that, and the log that it is done. Clones
/// are the same.
#[derive(Debug, Clone, Default)]
pub struct Saves(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// How often a log has asked.
    asked: watch::Sender<u64>,
    /// The newest of these that has been answered.
    done: watch::Sender<u64>,
}

impl Saves {
    /// Waits until the positions as they are now are saved, a few seconds at most. Returns whether they
    /// are.
    pub(crate) async fn save(&self) -> bool {
        let mut number = 0;
        self.0.asked.send_modify(|asked| {
            *asked += 1;
            number = *asked;
        });
        let mut done = self.0.done.subscribe();
        let saved = done.wait_for(|done| *done >= number);
        tokio::time::timeout(LONGEST, saved).await.is_ok_and(|saved| saved.is_ok())
    }

    /// Returns how often a log has asked. Positions that are taken after this call answer them all.
    #[must_use]
    pub fn asked(&self) -> u64 {
        *self.0.asked.borrow()
    }

    /// Waits until a log has asked more often than this.
    pub async fn asked_after(&self, number: u64) {
        let mut asked = self.0.asked.subscribe();
        // The sender is there as long as this value.
        let _is_there = asked.wait_for(|asked| *asked > number).await;
    }

    /// Notes that positions have been saved that answer so many.
    pub fn done(&self, number: u64) {
        self.0.done.send_modify(|done| *done = number.max(*done));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_log_waits_until_its_position_is_saved_but_not_for_ever() {
        let saves = Saves::default();
        assert!(!saves.save().await, "nobody saves");
        let saver = saves.clone();
        tokio::spawn(async move {
            saver.asked_after(1).await;
            saver.done(saver.asked());
        });
        let start = tokio::time::Instant::now();
        assert!(saves.save().await);
        assert_eq!(tokio::time::Instant::now() - start, Duration::ZERO);
    }
}
