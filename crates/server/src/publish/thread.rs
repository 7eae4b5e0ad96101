//! The thread that publishes.

use std::thread;

use anyhow::Context as _;
use tokio::sync::oneshot;

/// Starts the publisher's thread; the returned value resolves when the thread has ended, also by a
/// panic.
pub(crate) fn start(work: impl FnOnce() + Send + 'static) -> anyhow::Result<oneshot::Receiver<()>> {
    let (running, ended) = oneshot::channel();
    let thread = thread::Builder::new().name("publisher".to_owned()).spawn(move || {
        let _until_the_end: oneshot::Sender<()> = running;
        work();
    });
    thread.context("cannot start the publisher thread")?;
    Ok(ended)
}
