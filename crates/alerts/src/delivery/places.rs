//! The attempts at a receiver at the same time.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep};

/// Attempts at a time: rules do not wait for each other, and a receiver is not flooded.
const AT_ONCE: usize = 8;

/// The places for attempts, of which there are none while the receiver wants a pause.
#[derive(Debug)]
pub(super) struct Places {
    free: Semaphore,
    /// The end of the pause that the receiver requested.
    resume: Mutex<Option<Instant>>,
}

impl Places {
    pub(super) fn new() -> Self {
        Self { free: Semaphore::new(AT_ONCE), resume: Mutex::default() }
    }

    /// Waits for a place, which is free again when it is dropped. A pause delays an attempt until `end` at
    /// most: the last one for an alert is due then.
    pub(super) async fn take(&self, end: Instant) -> Option<SemaphorePermit<'_>> {
        loop {
            let place = self.free.acquire().await.ok();
            // The attempt that had this place may have begun a pause.
            let pause = self.pause(end);
            if pause.is_zero() {
                return place;
            }
            drop(place);
            sleep(pause).await;
        }
    }

    /// Begins a pause of all attempts, or prolongs it.
    pub(super) fn begin_pause(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut resume = self.resume.lock();
        *resume = Some(resume.map_or(until, |resume| resume.max(until)));
    }

    /// Returns the rest of the pause before `end`.
    pub(super) fn pause(&self, end: Instant) -> Duration {
        let resume = *self.resume.lock();
        let until = |resume: Instant| resume.min(end).saturating_duration_since(Instant::now());
        resume.map_or(Duration::ZERO, until)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn all_attempts_wait_while_the_receiver_wants_a_pause() {
        let (places, now) = (Places::new(), Instant::now());
        let first = places.take(now + HOUR).await;
        assert!(first.is_some());
        let taken: Vec<_> = (1..AT_ONCE).map(|_| places.free.try_acquire().unwrap()).collect();
        let mut next = pin!(places.take(now + HOUR));
        let mut context = Context::from_waker(Waker::noop());
        assert!(next.as_mut().poll(&mut context).is_pending(), "no place is free");
        places.begin_pause(HOUR);
        places.begin_pause(Duration::ZERO);
        drop((first, taken));
        assert!(next.as_mut().poll(&mut context).is_pending(), "it is not shortened");
        assert_eq!(places.free.available_permits(), AT_ONCE, "a pause takes no place");
        assert!(
            matches!(pin!(places.take(now)).poll(&mut context), Poll::Ready(Some(_))),
            "its end"
        );
        assert!(places.pause(now + 2 * HOUR) > HOUR / 2);
        assert_eq!(places.pause(now), Duration::ZERO);
        *places.resume.lock() = Some(now);
        assert!(places.take(now + HOUR).await.is_some(), "the pause is over");
    }
}
