//! Work in the late lane that readers wait for.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::{AbortHandle, spawn_blocking};

use super::budget::{Granted, Permit, Ticket};

/// Work that keeps its place in the lane, and is done, whether a reader polls it or not. When it is
/// dropped, it ends.
#[derive(Debug)]
pub(crate) struct Job<T> {
    task: AbortHandle,
    outcome: watch::Receiver<Outcome<T>>,
    ticket: Arc<Ticket>,
}

#[derive(Clone, Debug)]
enum Outcome<T> {
    Pending,
    Done(T),
    Panicked,
}

/// The outcome of a task, which is a panic if it panics before it says anything else.
struct Outcomes<T>(watch::Sender<Outcome<T>>);

impl<T> Drop for Outcomes<T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.send_replace(Outcome::Panicked);
        }
    }
}

impl<T: Clone + Send + Sync + 'static> Job<T> {
    /// Begins to wait for a permit for `work`, which then runs on a thread that may block. The
    /// [ticket](Self::ticket) has to join the lane.
    pub(crate) fn start(work: impl FnOnce(Permit) -> T + Send + 'static) -> Self {
        let (sender, outcome) = watch::channel(Outcome::Pending);
        let (ticket, granted) = Ticket::new();
        let task = tokio::spawn(run(work, granted, Outcomes(sender))).abort_handle();
        Self { task, outcome, ticket }
    }

    /// Begins to wait for what the `work` needs, then has its ticket `join` the lane, and continues as
    /// [`start`](Self::start) does.
    pub(crate) fn start_after<N: Send + 'static>(
        needed: impl Future<Output = N> + Send + 'static,
        join: impl FnOnce(&Arc<Ticket>) + Send + 'static,
        work: impl FnOnce(N, Permit) -> T + Send + 'static,
    ) -> Self {
        let (sender, outcome) = watch::channel(Outcome::Pending);
        let (ticket, granted) = Ticket::new();
        let (joining, outcomes) = (Arc::clone(&ticket), Outcomes(sender));
        let task = tokio::spawn(async move {
            let needed = needed.await;
            join(&joining);
            run(move |permit| work(needed, permit), granted, outcomes).await;
        });
        Self { task: task.abort_handle(), outcome, ticket }
    }

    /// Returns the work's place in the lane.
    pub(crate) const fn ticket(&self) -> &Arc<Ticket> {
        &self.ticket
    }

    /// Reports whether it is still to be done. A reader that finds something missing after that
    /// begins anew.
    pub(crate) fn is_pending(&self) -> bool {
        matches!(*self.outcome.borrow(), Outcome::Pending)
    }

    /// Waits for the result; none if the runtime shuts down. Cancel safe.
    ///
    /// # Panics
    ///
    /// If the work did, or what came before it.
    pub(crate) async fn done(&self) -> Option<T> {
        let mut outcome = self.outcome.clone();
        let is_done = |outcome: &Outcome<T>| !matches!(outcome, Outcome::Pending);
        match &*outcome.wait_for(is_done).await.ok()? {
            Outcome::Done(result) => Some(result.clone()),
            Outcome::Pending | Outcome::Panicked => panic!("late work panicked"),
        }
    }
}

impl<T> Drop for Job<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run<T: Send + Sync + 'static>(
    work: impl FnOnce(Permit) -> T + Send + 'static,
    granted: Granted,
    outcomes: Outcomes<T>,
) {
    let Some(permit) = granted.permit().await else { return };
    match spawn_blocking(move || work(permit)).await {
        Ok(result) => outcomes.0.send_replace(Outcome::Done(result)),
        Err(error) if error.is_panic() => outcomes.0.send_replace(Outcome::Panicked),
        Err(_) => return, // the runtime shuts down
    };
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    async fn fail() {
        tokio::task::yield_now().await;
        panic!("what the work needs is not to be had");
    }

    #[tokio::test]
    async fn a_panic_before_the_work_is_no_shutdown() {
        let job = Job::start_after(fail(), |_| {}, |(), _| ());
        assert!(std::panic::AssertUnwindSafe(job.done()).catch_unwind().await.is_err());
    }
}
