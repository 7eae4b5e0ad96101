//! The thread that writes lines.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::{Counts, Item, Job, own};

/// Lost lines are logged this often at most: where output is too slow, that would lose more.
const REPORT_EVERY: Duration = Duration::from_secs(5);

pub(crate) struct Writer<W> {
    sink: W,
    counts: Arc<Counts>,
    /// True if the output ends within a line, the rest of which could not be written.
    is_torn: bool,
    /// Lost lines that have been logged, and the time at which that was last tried.
    reported: u64,
    reported_at: Option<Instant>,
}

impl<W: Write> Writer<W> {
    pub(crate) const fn new(sink: W, counts: Arc<Counts>) -> Self {
        Self { sink, counts, is_torn: false, reported: 0, reported_at: None }
    }

    pub(crate) fn run(mut self, jobs: &Receiver<Job>) {
        while let Some(job) = self.next(jobs) {
            match job {
                Job::Write(item) => self.item(&item),
                Job::Flush(done) => {
                    self.report();
                    // The caller may have stopped waiting.
                    let _answered = done.send(());
                }
            }
        }
        self.report();
    }

    /// Waits for a job; meanwhile logs lost lines that are not logged yet. `None` once all
    /// senders are gone.
    fn next(&mut self, jobs: &Receiver<Job>) -> Option<Job> {
        loop {
            if self.unreported() == 0 {
                return jobs.recv().ok();
            }
            match jobs.recv_timeout(REPORT_EVERY) {
                Ok(job) => return Some(job),
                Err(RecvTimeoutError::Timeout) => self.report(),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    fn item(&mut self, item: &Item) {
        let outcome = self.write(&item.bytes);
        self.counts.waiting.fetch_sub(item.weight(), Ordering::Relaxed);
        match outcome {
            Ok(()) if self.reported_at.is_none_or(|at| at.elapsed() >= REPORT_EVERY) => {
                self.report();
            }
            Ok(()) => {}
            Err(_) if item.is_line => {
                self.counts.lost.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => {}
        }
    }

    /// Writes all of it. What was begun before and failed is ended first.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.is_torn {
            self.sink.write_all(b"\n")?;
            self.is_torn = false;
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.sink.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    rest = rest.get(written..).unwrap_or_default();
                    self.is_torn = !rest.is_empty();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn unreported(&self) -> u64 {
        self.counts.lost.load(Ordering::Relaxed) - self.reported
    }

    /// Logs how many lines were lost since that was logged last. If that cannot be written, it is
    /// tried again later.
    fn report(&mut self) {
        let lines = self.unreported();
        if lines == 0 {
            return;
        }
        self.reported_at = Some(Instant::now());
        let line = own::lines_of(|| {
            tracing::warn!(lines, "log lines were lost: the log's output failed or was too slow");
        });
        if self.write(&line).is_ok() {
            self.reported += lines;
        }
    }
}
