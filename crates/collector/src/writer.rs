//! The thread that writes, so that the socket is read meanwhile. Nobody waits for it unless it is a
//! whole batch behind.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use arrow_array::RecordBatch;
use parking_lot::Mutex;
use tokio::sync::mpsc::{self, Receiver, Sender, UnboundedSender};

use crate::note::Note;
use crate::output::{Closed, Output, OutputError, Size};

/// What is to be done.
enum Job {
    Append(RecordBatch, Box<Note>),
    Tend,
}

/// A writer at work.
pub(crate) struct Writer {
    jobs: Sender<Job>,
    size: Arc<Mutex<Size>>,
    thread: JoinHandle<Result<(), OutputError>>,
}

impl Writer {
    /// Takes over an output. Closed parts are told to `closed`; they are on the disk, so only their
    /// names wait there.
    pub(crate) fn start(output: Output, closed: UnboundedSender<Closed>) -> std::io::Result<Self> {
        let (jobs, next) = mpsc::channel(1);
        let size = Arc::new(Mutex::new(Size::default()));
        let shared = Arc::clone(&size);
        let work = move || run(output, next, &shared, &closed);
        let thread = thread::Builder::new().name("writer".to_owned()).spawn(work)?;
        Ok(Self { jobs, size, thread })
    }

    /// Appends; whether the writer is still there to do it.
    pub(crate) async fn append(&self, batch: RecordBatch, note: Note) -> bool {
        self.jobs.send(Job::Append(batch, Box::new(note))).await.is_ok()
    }

    /// Has it do what is due without rows, if it has nothing else to do.
    pub(crate) fn tend(&self) {
        // If it is busy or gone, appending will notice.
        drop(self.jobs.try_send(Job::Tend));
    }

    /// Whether it has ended, which it does by itself only when it cannot go on.
    pub(crate) fn is_gone(&self) -> bool {
        self.thread.is_finished()
    }

    /// How large the open file is.
    pub(crate) fn size(&self) -> Size {
        *self.size.lock()
    }

    /// Waits until everything is written and the output closed.
    pub(crate) async fn finish(self) -> Result<(), OutputError> {
        let Self { jobs, thread, .. } = self;
        drop(jobs);
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        match joined {
            Ok(Ok(outcome)) => outcome,
            // A panic is shown where it happens; here it goes on.
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
    let tell = |output: &mut Output| {
        for part in output.closed() {
            // Where nothing is to be copied, nobody listens.
            drop(closed.send(part));
        }
    };
    tell(&mut output);
    while let Some(job) = jobs.blocking_recv() {
        match job {
            Job::Append(batch, note) => *size.lock() = output.append(&batch, &note)?,
            Job::Tend => output.tend()?,
        }
        tell(&mut output);
    }
    output.finish()?;
    tell(&mut output);
    Ok(())
}
