//! Saving a log's first position before its entries are published: a log that begins at its head would
//! begin at a later one after a crash, and clients would miss the entries between them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// The longest wait of a log for its first position to be saved. A failing disk does not stop it.
const LONGEST: Duration = Duration::from_secs(5);

/// Requests of logs to save positions, and their completion. Clones share one state.
#[derive(Debug, Clone, Default)]
pub struct Saves(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// The number of requests.
    asked: watch::Sender<u64>,
    /// The newest request that is completed.
    done: watch::Sender<u64>,
}

impl Saves {
    /// Waits until the positions as they are now are saved, for a few seconds at most. Returns whether
    /// they are.
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

    /// Returns the number of requests. Positions that are read after this call complete them all.
    #[must_use]
    pub fn asked(&self) -> u64 {
        *self.0.asked.borrow()
    }

    /// Waits until there are more requests than this.
    pub async fn asked_after(&self, number: u64) {
        let mut asked = self.0.asked.subscribe();
        // The sender is there as long as this value.
        let _is_there = asked.wait_for(|asked| *asked > number).await;
    }

    /// Completes the requests up to this number.
    pub fn done(&self, number: u64) {
        self.0.done.send_modify(|done| *done = number.max(*done));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_log_waits_for_its_first_save_but_not_for_ever() {
        let saves = Saves::default();
        assert!(!saves.save().await, "there is no saver");
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
