//! Tasks that run as long as the program.
//!
//! A task that panics is a defect of this program, and must not silently end a part of it. A
//! [`Supervisor`] starts the task again, after a pause that grows while it keeps failing, logs and
//! counts the panic, and reports which tasks are down at the moment.
//!
//! A task loses its state when it panics, so only tasks that can begin anew are run under one. A part
//! whose state must not be lost has to end the program instead.

mod restarts;

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use self::restarts::Restarts;

/// Runs tasks, and keeps their status. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Supervisor(Arc<Mutex<BTreeMap<&'static str, Tally>>>);

/// The status of the tasks of one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskStatus {
    /// The name. Several tasks may have the same.
    pub name: &'static str,
    /// Panics of all of them.
    pub panics: u64,
    /// Tasks that have panicked and are not running again yet.
    pub down: usize,
}

#[derive(Debug, Default)]
struct Tally {
    panics: u64,
    down: usize,
}

impl Supervisor {
    /// Runs what `start` makes until that returns. After a panic it is made and run again.
    pub async fn run<F: Future>(&self, name: &'static str, start: impl FnMut() -> F) -> F::Output {
        self.run_noting(name, |_| {}, start).await
    }

    /// Runs what `start` makes like [`run`](Self::run), and hands each panic's message to `note` when
    /// it happens.
    pub async fn run_noting<F: Future>(
        &self,
        name: &'static str,
        mut note: impl FnMut(&str),
        mut start: impl FnMut() -> F,
    ) -> F::Output {
        // Known from the start, so that its count is there before the first panic.
        self.0.lock().entry(name).or_default();
        let mut restarts = Restarts::default();
        loop {
            let begun = Instant::now();
            // The state of the future is not used again.
            let ended = AssertUnwindSafe(async { start().await }).catch_unwind().await;
            let panic = match ended {
                Ok(output) => return output,
                Err(panic) => panic,
            };
            let message = message(&*panic);
            note(message);
            let now = Instant::now();
            let wait = restarts.wait(now - begun, now);
            let retry_in_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            tracing::error!(
                task = name,
                retry_in_ms,
                "a task panicked and is restarted: {message}"
            );
            let _down = self.down(name);
            sleep(wait).await;
        }
    }

    /// Returns the status of every task, by name.
    #[must_use]
    pub fn tasks(&self) -> Vec<TaskStatus> {
        let status = |(name, tally): (&&'static str, &Tally)| TaskStatus {
            name,
            panics: tally.panics,
            down: tally.down,
        };
        self.0.lock().iter().map(status).collect()
    }

    fn down(&self, name: &'static str) -> Down<'_> {
        let mut tallies = self.0.lock();
        let tally = tallies.entry(name).or_default();
        tally.panics += 1;
        tally.down += 1;
        Down { supervisor: self, name }
    }
}

/// Counts a task as not running for as long as it exists: also when it is not to be started again.
struct Down<'s> {
    supervisor: &'s Supervisor,
    name: &'static str,
}

impl Drop for Down<'_> {
    fn drop(&mut self) {
        self.supervisor.0.lock().entry(self.name).or_default().down -= 1;
    }
}

/// Returns the text a panic was raised with.
#[must_use]
pub fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a value that is no text")
}

#[cfg(test)]
mod tests;
