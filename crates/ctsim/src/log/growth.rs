//! The logs' growth: one thread visits them in turn.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::log::Log;

/// Lets logs grow until it is dropped.
#[derive(Debug)]
pub(crate) struct Growth {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Growth {
    /// Visits each of `logs` once in every `interval`, evenly spread over it.
    pub(crate) fn start(logs: Vec<Arc<Log>>, interval: Duration) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("ctsim-growth".to_owned())
            .spawn(move || run(&logs, interval, &stopped))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Growth {
    fn drop(&mut self) {
        self.stop = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the growth of the simulated logs had ended by a panic");
        }
    }
}

fn run(logs: &[Arc<Log>], interval: Duration, stopped: &Receiver<()>) {
    let turns = u32::try_from(logs.len().max(1)).unwrap_or(u32::MAX);
    let interval_ms = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
    let mut next = Instant::now();
    for log in logs.iter().cycle() {
        let now = Instant::now();
        next = (next + interval / turns).max(now);
        if stopped.recv_timeout(next - now) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        if let Err(error) = log.grow(unix_ms(), interval_ms) {
            tracing::error!(log = log.identity.name, %error, "no new head");
        }
    }
}

/// The time, in ms since the Unix epoch.
pub(crate) fn unix_ms() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
