//! The journal as commit log of the sequencer.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use ingest::{CommitError, CommitLog};
use journal::{Journal, WriteError, Writer};
use parking_lot::{Condvar, Mutex};
use record::{Batch, BatchHash};

/// Time between two attempts to write to a disk that fails.
const RETRY: Duration = Duration::from_secs(1);

/// Batches that may be written and not synced, if clients get only what is synced.
const DEPTH: usize = 32;

/// The reason why nothing can be written at present, and whether the server is about to stop.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    state: Mutex<PauseState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct PauseState {
    /// The problem, and since when it exists.
    problem: Option<(String, Instant)>,
    is_stopping: bool,
}

impl Pause {
    /// Returns why the journal accepts nothing at present, and for how long; `None` while it does.
    #[must_use]
    pub(crate) fn problem(&self) -> Option<(String, Duration)> {
        let state = self.state.lock();
        state.problem.as_ref().map(|(text, since)| (text.clone(), since.elapsed()))
    }

    /// Ends the attempts to write to a disk that fails.
    pub(crate) fn stop(&self) {
        self.state.lock().is_stopping = true;
        self.changed.notify_all();
    }

    /// Notes a failure, and waits for the time of the next attempt. Returns `false` if there is to be
    /// none.
    fn wait(&self, error: &WriteError) -> bool {
        let mut state = self.state.lock();
        if state.problem.is_none() {
            tracing::error!(
                %error,
                "the journal cannot be written: nothing is published until it can; entries wait in \
                 the logs, none is lost"
            );
            state.problem = Some((error.to_string(), Instant::now()));
        }
        if !state.is_stopping {
            self.changed.wait_for(&mut state, RETRY);
        }
        !state.is_stopping
    }

    /// Notes that the journal can be written again.
    fn end(&self) {
        let ended = self.state.lock().problem.take();
        if let Some((_, since)) = ended {
            let seconds = since.elapsed().as_secs();
            tracing::info!(seconds, "the journal can be written again");
        }
    }
}

/// Appends batches to the journal, and waits while its disk accepts none.
pub(crate) struct JournalLog {
    journal: Journal,
    writer: Option<Writer>,
    pause: Arc<Pause>,
    /// Batches may be shown only once they are synced.
    shows_synced: bool,
}

impl fmt::Debug for JournalLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JournalLog").field("journal", &self.journal).finish_non_exhaustive()
    }
}

impl JournalLog {
    /// Creates the commit log of a journal whose term has begun, and the thread that syncs it.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub(crate) fn start(
        journal: Journal,
        writer: Writer,
        pause: Arc<Pause>,
        shows_synced: bool,
    ) -> std::io::Result<Self> {
        let syncing = journal.clone();
        thread::Builder::new().name("journal-sync".to_owned()).spawn(move || {
            if let Err(error) = syncing.sync_until_closed() {
                tracing::error!(%error, "the journal can no longer be synced");
            }
        })?;
        Ok(Self { journal, writer: Some(writer), pause, shows_synced })
    }
}

/// Repeats an attempt while the disk fails in a way that may end.
fn retry<T>(
    pause: &Pause,
    mut attempt: impl FnMut() -> Result<T, WriteError>,
) -> Result<T, CommitError> {
    loop {
        match attempt() {
            Ok(done) => {
                pause.end();
                return Ok(done);
            }
            Err(error) if error.is_retriable() && pause.wait(&error) => {}
            Err(error) => return Err(CommitError(error.to_string())),
        }
    }
}

impl CommitLog for JournalLog {
    /// A batch with an alarm or an acknowledgement is durable when this returns: its log is read on
    /// only after that.
    fn append(&mut self, batch: &Batch) -> Result<BatchHash, CommitError> {
        let closed = || CommitError(WriteError::Closed.to_string());
        let writer = self.writer.as_mut().ok_or_else(closed)?;
        let hash = retry(&self.pause, || writer.append(batch))?;
        if !batch.alarms.is_empty() || !batch.acknowledgements.is_empty() {
            retry(&self.pause, || self.journal.sync())?;
        }
        Ok(hash)
    }

    fn poll_committed(
        &mut self,
        after: u64,
        context: &mut Context<'_>,
    ) -> Poll<Result<u64, CommitError>> {
        let polled = self.journal.poll_committed(after, context);
        polled.map(|committed| committed.map_err(|error| CommitError(error.to_string())))
    }

    fn depth(&self) -> usize {
        if self.shows_synced { DEPTH } else { 1 }
    }
}

impl Drop for JournalLog {
    /// Marks the journal as cleanly stopped.
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take()
            && let Err(error) = writer.close()
        {
            tracing::warn!(
                %error,
                "the journal could not be closed: nothing is lost, but offsets may leave a hole"
            );
        }
    }
}
