//! Futures that make progress while they are not polled.

use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::task::JoinHandle;

/// A future on a task of its own; dropping it ends the task.
///
/// Pages are downloaded ahead of the one being emitted. When emitting waits, because the publisher
/// is behind, downloads must not: a response that is not read runs into its time limit.
#[derive(Debug)]
pub struct Ahead<T>(JoinHandle<T>);

impl<T: Send + 'static> Ahead<T> {
    /// Spawns `work` as a task.
    pub fn spawn(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }
}

impl<T> Future for Ahead<T> {
    type Output = T;

    /// Panics if the work did.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        match ready!(Pin::new(&mut self.0).poll(context)) {
            Ok(done) => Poll::Ready(done),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The runtime is ending, and the caller with it.
                Err(_) => Poll::Pending,
            },
        }
    }
}

impl<T> Drop for Ahead<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;

    use futures_util::FutureExt as _;
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_task_runs_without_being_polled_and_ends_with_its_handle() {
        let (done, told) = oneshot::channel();
        let work = Ahead::spawn(async move { done.send(7) });
        assert_eq!(told.await, Ok(7), "without being polled");
        drop(work);

        let (hold, held) = oneshot::channel::<()>();
        let work = Ahead::spawn(async move {
            futures_util::future::pending::<()>().await;
            drop(hold);
        });
        drop(work);
        assert!(held.await.is_err(), "its value was dropped");
    }

    #[tokio::test]
    async fn a_panic_reaches_the_caller() {
        let work = Ahead::spawn(async { panic!("a defect") });
        let outcome: Result<(), _> = AssertUnwindSafe(work).catch_unwind().await;
        assert!(outcome.is_err());
    }
}
