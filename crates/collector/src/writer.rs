//! The writer thread, so that the socket is read while rows are written. The collector waits for it
//! only if it is a whole batch behind.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use arrow_array::RecordBatch;
use client::Progress;
use parking_lot::Mutex;
use tokio::sync::mpsc::{self, Receiver, Sender, UnboundedSender};

use crate::output::{Closed, Output, OutputError, Size};

/// A job of the writer.
enum Job {
    Append(RecordBatch, Box<Progress>),
    Maintain,
}

/// A running writer.
pub(crate) struct Writer {
    jobs: Sender<Job>,
    size: Arc<Mutex<Size>>,
    thread: JoinHandle<Result<(), OutputError>>,
}

impl Writer {
    /// Starts a writer of an output. Closed parts are sent to `closed`; they are on the disk, so only
    /// their names wait there.
    pub(crate) fn start(output: Output, closed: UnboundedSender<Closed>) -> std::io::Result<Self> {
        let (jobs, next) = mpsc::channel(1);
        let size = Arc::new(Mutex::new(Size::default()));
        let shared = Arc::clone(&size);
        let work = move || run(output, next, &shared, &closed);
        let thread = thread::Builder::new().name("writer".to_owned()).spawn(work)?;
        Ok(Self { jobs, size, thread })
    }

    /// Appends rows with the progress that they reach. Reports whether the writer still runs.
    pub(crate) async fn append(&self, batch: RecordBatch, progress: Progress) -> bool {
        self.jobs.send(Job::Append(batch, Box::new(progress))).await.is_ok()
    }

    /// Requests [`Output::maintain`], if the writer is idle.
    pub(crate) fn maintain(&self) {
        // A busy writer maintains the output later; appending notices one that has ended.
        drop(self.jobs.try_send(Job::Maintain));
    }

    /// Reports whether the writer has ended, which it does by itself only after an error.
    pub(crate) fn is_gone(&self) -> bool {
        self.thread.is_finished()
    }

    /// Returns the size of the open file.
    pub(crate) fn size(&self) -> Size {
        *self.size.lock()
    }

    /// Waits until everything is written and the output is closed.
    pub(crate) async fn finish(self) -> Result<(), OutputError> {
        let Self { jobs, thread, .. } = self;
        drop(jobs);
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        match joined {
            Ok(Ok(outcome)) => outcome,
            // A panic is logged when it happens, and continues here.
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

fn run(
    mut output: Output,
    mut jobs: Receiver<Job>,
    size: &Mutex<Size>,
    closed: &UnboundedSender<Closed>,
) -> Result<(), OutputError> {
    let send_closed = |output: &mut Output| {
        for part in output.take_closed() {
            // Without an object store there is no receiver.
            drop(closed.send(part));
        }
    };
    send_closed(&mut output);
    while let Some(job) = jobs.blocking_recv() {
        match job {
            Job::Append(batch, progress) => *size.lock() = output.append(&batch, &progress)?,
            Job::Maintain => output.maintain()?,
        }
        send_closed(&mut output);
    }
    output.finish()?;
    send_closed(&mut output);
    Ok(())
}
