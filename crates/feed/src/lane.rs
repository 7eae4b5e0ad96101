use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time;

/// How long the lane rests, in times the work took: three parts of four.
const REST: u32 = 3;

/// The one lane for late work: one turn at a time, first come, first served, and after each a rest,
/// so that all of it together never takes more than a quarter of one core.
#[derive(Debug)]
pub(crate) struct Lane {
    /// When the lane has rested.
    rested: Arc<Mutex<time::Instant>>,
}

/// The right to work. Given back unused, it costs no rest.
#[derive(Debug)]
pub(crate) struct Turn {
    rested: OwnedMutexGuard<time::Instant>,
}

/// Work under way; also work that panics is followed by a rest.
struct Work {
    turn: Turn,
    since: Instant,
}

impl Default for Lane {
    fn default() -> Self {
        Self { rested: Arc::new(Mutex::new(time::Instant::now())) }
    }
}

impl Lane {
    /// Waits for a turn. Whoever gives up waiting is passed over.
    pub(crate) async fn turn(&self) -> Turn {
        let rested = Arc::clone(&self.rested).lock_owned().await;
        if *rested > time::Instant::now() {
            time::sleep_until(*rested).await;
        }
        Turn { rested }
    }
}

impl Turn {
    /// Does the work, in the calling thread.
    pub(crate) fn work<T>(self, work: impl FnOnce() -> T) -> T {
        let _under_way = Work { turn: self, since: Instant::now() };
        work()
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let rest = self.since.elapsed().saturating_mul(REST);
        let now = time::Instant::now();
        *self.turn.rested = now.checked_add(rest).unwrap_or(now);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::thread;
    use std::time::Duration;

    use super::*;

    const WORK: Duration = Duration::from_millis(5);

    /// When the next turn comes, after the last was used for this.
    async fn wait_after(lane: &Lane, used: impl FnOnce(Turn)) -> Duration {
        used(lane.turn().await);
        let start = time::Instant::now();
        drop(lane.turn().await);
        time::Instant::now() - start
    }

    // Time is paused: it passes by itself, and only, where the lane rests.

    #[tokio::test(start_paused = true)]
    async fn rests_three_times_as_long_as_it_worked() {
        let lane = Lane::default();
        let rest = wait_after(&lane, |turn| turn.work(|| thread::sleep(WORK))).await;
        assert!(rest >= 3 * WORK, "{rest:?}");
        let unused = wait_after(&lane, drop).await;
        assert_eq!(unused, Duration::ZERO);
        let panicked = wait_after(&lane, |turn| {
            let fail = || {
                thread::sleep(WORK);
                panic!("work that fails");
            };
            assert!(catch_unwind(AssertUnwindSafe(|| turn.work(fail))).is_err());
        });
        assert!(panicked.await >= 3 * WORK);
    }

    #[tokio::test(start_paused = true)]
    async fn turns_come_in_order_and_whoever_gives_up_is_passed_over() {
        let lane = Arc::new(Lane::default());
        let held = lane.turn().await;
        let order = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let mut waiting = Vec::new();
        for number in 0..5 {
            let (lane, order) = (Arc::clone(&lane), Arc::clone(&order));
            waiting.push(tokio::spawn(async move {
                let turn = lane.turn().await;
                turn.work(|| order.lock().push(number));
            }));
            tokio::task::yield_now().await; // it stands in line now
        }
        waiting.remove(2).abort();
        drop(held);
        for task in waiting {
            task.await.unwrap();
        }
        assert_eq!(*order.lock(), [0, 1, 3, 4]);
    }
}
