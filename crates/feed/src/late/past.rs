//! The history of a hub, the places of its readers, and how many are admitted.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::held::HeldChunks;
use crate::history::{Archive, History};
use crate::stream::Stream;

/// Admitted readers get this many times the rate at which entries are published, so that each
/// arrives at the ring.
const TIMES_LIVE: f64 = 2.0;
/// Seconds of work whose rate counts: older reads weigh less and less.
const MEMORY: f64 = 1.0;

/// The history, and the places of its readers.
pub(crate) struct Past<S: Stream> {
    pub(crate) history: Arc<dyn History<S>>,
    /// Chunks rendered of it.
    pub(crate) held: HeldChunks,
    places: Arc<Semaphore>,
    readers: usize,
    work: Mutex<Work>,
}

/// Entries that were read and rendered lately, and the time that it took. The rate is that of all of them
/// together: a read that found everything in memory weighs no more than the time it took.
#[derive(Debug, Default)]
struct Work {
    entries: f64,
    seconds: f64,
}

impl Work {
    fn add(&mut self, entries: u64, time: Duration) {
        let seconds = time.as_secs_f64();
        let kept = (-seconds / MEMORY).exp();
        self.entries = self.entries * kept + entries as f64;
        self.seconds = self.seconds * kept + seconds;
    }

    /// Returns the entries a second; none before the first read.
    fn rate(&self) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.entries / self.seconds)
    }
}

impl<S: Stream> Past<S> {
    pub(crate) fn new(archive: Archive<S>) -> Self {
        let Archive { history, readers, .. } = archive;
        let readers = readers.clamp(1, Semaphore::MAX_PERMITS);
        let places = Arc::new(Semaphore::new(readers));
        let (held, work) = (HeldChunks::default(), Mutex::default());
        Self { history, held, places, readers, work }
    }

    /// Takes a place for a reader that resumes, if there is one and every reader would still get twice
    /// the rate of the live stream, in entries a second.
    pub(crate) fn admit(&self, live: Option<f64>) -> Option<OwnedSemaphorePermit> {
        let rate = self.work.lock().rate();
        let most = live.zip(rate).map_or(self.readers, |(live, rate)| admitted(rate, live));
        if self.replays() >= most { None } else { self.place() }
    }

    /// Takes a place for a reader that fell behind, if there is one.
    pub(crate) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// Returns the places, to wait for one.
    pub(crate) fn places(&self) -> Arc<Semaphore> {
        Arc::clone(&self.places)
    }

    /// Returns how many readers read the history.
    pub(crate) fn replays(&self) -> usize {
        self.readers.saturating_sub(self.places.available_permits())
    }

    /// Notes that it took so long to read and render so many entries.
    pub(crate) fn has_read(&self, entries: u64, time: Duration) {
        if entries > 0 {
            self.work.lock().add(entries, time);
        }
    }
}

/// Returns how many readers get twice the `live` rate each of a lane with this `rate`; at least one.
fn admitted(rate: f64, live: f64) -> usize {
    let most = rate / (TIMES_LIVE * live.max(f64::MIN_POSITIVE));
    // A conversion to an integer saturates.
    (most as usize).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_readers_are_admitted_as_get_twice_the_live_rate() {
        assert_eq!(admitted(100_000.0, 500.0), 100);
        assert_eq!(admitted(100_000.0, 30_000.0), 1);
        assert_eq!(admitted(10.0, 30_000.0), 1, "one always is");
        assert!(admitted(10.0, 0.0) > 1 << 30, "nothing is published");
    }

    #[test]
    fn a_read_from_memory_does_not_lift_the_rate() {
        let mut work = Work::default();
        assert_eq!(work.rate(), None);
        let rate = |work: &Work| work.rate().unwrap_or_default();
        for _ in 0..200 {
            work.add(100, Duration::from_millis(10));
        }
        assert!((rate(&work) - 10_000.0).abs() < 1.0, "{work:?}");
        work.add(100, Duration::ZERO);
        work.add(100, Duration::from_micros(1));
        assert!(rate(&work) < 10_500.0, "{work:?}");
        for _ in 0..200 {
            work.add(100, Duration::from_micros(1));
            work.add(100, Duration::from_millis(10));
        }
        assert!((15_000.0..20_500.0).contains(&rate(&work)), "{work:?}");
        for _ in 0..40 {
            work.add(100, Duration::from_millis(100));
        }
        assert!(rate(&work) < 1_500.0, "{work:?}");
    }
}
