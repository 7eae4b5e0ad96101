//! Signs of life: whether the publisher's thread answers, and whether the server is about to stop.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

/// How often a thread that is asked is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What tells that the server lives.
#[derive(Debug, Default)]
pub struct Vitals {
    /// The publisher's thread.
    pub publisher: Pulse,
    stopping: AtomicBool,
}

impl Vitals {
    /// From now on the server is not ready for clients.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether the server is about to stop.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

/// Whether a thread that waits most of the time gets round to its work.
#[derive(Debug, Default)]
pub struct Pulse {
    thread: OnceLock<Thread>,
    beats: AtomicU64,
}

impl Pulse {
    /// To be called by the thread, each time it looks for work; it must look when it is unparked.
    pub(crate) fn beat(&self) {
        self.thread.get_or_init(thread::current);
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns whether the thread gets round to its work within so long.
    pub async fn answers(&self, within: Duration) -> bool {
        tokio::time::timeout(within, self.felt()).await.is_ok()
    }

    /// Wakes the thread and waits until it has looked for work. Resolves only if it does.
    pub async fn felt(&self) {
        let before = self.beats.load(Ordering::Relaxed);
        loop {
            if let Some(thread) = self.thread.get() {
                thread.unpark();
            }
            tokio::time::sleep(LOOK_EVERY).await;
            if self.beats.load(Ordering::Relaxed) != before {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_thread_that_is_not_there_does_not_answer() {
        assert!(!Pulse::default().answers(Duration::from_secs(2)).await);
    }

    #[tokio::test]
    async fn a_thread_that_waits_is_felt_and_one_that_hangs_is_not() {
        let pulse = Arc::new(Pulse::default());
        let (hang, hangs) = mpsc::channel::<()>();
        let beating = Arc::clone(&pulse);
        let stuck = Arc::new(AtomicBool::new(false));
        let sticks = Arc::clone(&stuck);
        let worker = thread::spawn(move || {
            while !sticks.load(Ordering::Relaxed) {
                beating.beat();
                thread::park();
            }
            // Until the test lets go of it.
            let _told = hangs.recv();
        });
        pulse.felt().await;
        pulse.felt().await;
        stuck.store(true, Ordering::Relaxed);
        let felt = tokio::time::timeout(Duration::from_millis(200), async {
            // The thread may still have been on its way to its wait.
            pulse.felt().await;
            pulse.felt().await;
        });
        assert!(felt.await.is_err());
        drop(hang);
        worker.join().expect("no panic");
    }
}
