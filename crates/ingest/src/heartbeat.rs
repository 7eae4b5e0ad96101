//! The liveness of a thread that waits most of the time.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tokio::time;

/// Interval at which a thread that is to respond is checked.
const CHECK_EVERY: Duration = Duration::from_millis(10);

/// Shows whether a thread comes to its work, or waits for the commit log.
#[derive(Debug)]
pub struct Heartbeat {
    created: Instant,
    thread: OnceLock<Thread>,
    ticks: AtomicU64,
    /// Milliseconds from `created` to the begin of the present wait for the commit log, plus one; 0
    /// while there is none.
    waits_since: AtomicU64,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self {
            created: Instant::now(),
            thread: OnceLock::new(),
            ticks: AtomicU64::new(0),
            waits_since: AtomicU64::new(0),
        }
    }
}

impl Heartbeat {
    /// Notes that the calling thread looks for work; it must look again when it is unparked.
    pub(crate) fn tick(&self) {
        self.thread.get_or_init(thread::current);
        self.ticks.fetch_add(1, Ordering::Relaxed);
    }

    /// Runs something that may wait for the commit log.
    pub fn wait<T>(&self, wait: impl FnOnce() -> T) -> T {
        let millis = u64::try_from(self.created.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.waits_since.store(millis.saturating_add(1), Ordering::Relaxed);
        let waited = wait();
        self.waits_since.store(0, Ordering::Relaxed);
        waited
    }

    /// Returns how long the thread has been waiting for the commit log; `None` if it is not.
    #[must_use]
    pub fn waits_for_commit_log(&self) -> Option<Duration> {
        let since = self.waits_since.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.created.elapsed().saturating_sub(Duration::from_millis(since)))
    }

    /// Reports whether the thread responds within a time limit.
    pub async fn responds(&self, within: Duration) -> bool {
        time::timeout(within, self.response()).await.is_ok()
    }

    /// Wakes the thread and waits until it has looked for work. A thread that waits for the commit log
    /// counts as responding.
    pub async fn response(&self) {
        let before = self.ticks.load(Ordering::Relaxed);
        loop {
            if let Some(thread) = self.thread.get() {
                thread.unpark();
            }
            time::sleep(CHECK_EVERY).await;
            let waits = self.waits_since.load(Ordering::Relaxed) > 0;
            if waits || self.ticks.load(Ordering::Relaxed) != before {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::sync::{Arc, mpsc};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_thread_that_does_not_exist_does_not_respond() {
        assert!(!Heartbeat::default().responds(Duration::from_secs(2)).await);
    }

    #[tokio::test]
    async fn a_waiting_thread_responds_and_a_hanging_one_does_not() {
        let heartbeat = Arc::new(Heartbeat::default());
        let (hang, hangs) = mpsc::channel::<()>();
        let ticking = Arc::clone(&heartbeat);
        let stuck = Arc::new(AtomicBool::new(false));
        let sticks = Arc::clone(&stuck);
        let worker = thread::spawn(move || {
            while !sticks.load(Ordering::Relaxed) {
                ticking.tick();
                thread::park();
            }
            // Until the test ends it.
            let _ended = hangs.recv();
        });
        heartbeat.response().await;
        heartbeat.response().await;
        stuck.store(true, Ordering::Relaxed);
        let responses = time::timeout(Duration::from_millis(200), async {
            // The thread may still have been on its way to its wait.
            heartbeat.response().await;
            heartbeat.response().await;
        });
        assert!(responses.await.is_err());
        drop(hang);
        worker.join().expect("no panic");
    }

    #[tokio::test]
    async fn a_thread_that_waits_for_the_commit_log_responds_and_its_wait_is_named() {
        let heartbeat = Arc::new(Heartbeat::default());
        assert_eq!(heartbeat.waits_for_commit_log(), None);
        let (commit, committed) = mpsc::channel::<()>();
        let (waits, waiting) = mpsc::channel::<()>();
        let writing = Arc::clone(&heartbeat);
        let worker = thread::spawn(move || {
            writing.tick();
            writing.wait(|| {
                waits.send(()).expect("the test waits");
                committed.recv()
            })
        });
        waiting.recv().expect("the thread waits");
        assert!(heartbeat.responds(Duration::from_secs(60)).await);
        assert!(heartbeat.waits_for_commit_log().is_some());
        commit.send(()).expect("the thread waits");
        worker.join().expect("no panic").expect("committed");
        assert_eq!(heartbeat.waits_for_commit_log(), None);
    }
}
