//! Log output that neither stops nor delays a program.
//!
//! Standard error may be a full disk, a pipe without a reader, or a terminal that is stopped. The
//! standard library's macros panic on the first, and every write blocks on the others. Here lines
//! wait in a queue, bounded in bytes, for one thread that writes them:
//!
//! ```text
//!  tracing, errors, panics ──► Lines (queue) ──► writer thread ──► standard error
//!                                 │ full: the line is lost     │ fails: the line is lost
//!                                 └────────────┬───────────────┘
//!                              counted, and logged once output works again
//! ```
//!
//! A program calls [`start`] first, logs to [`stderr`], and drops what `start` returned last.

pub mod causes;
mod own;
mod panics;
mod print;
mod standard_error;
mod writer;

use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender, SyncSender};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

pub use self::print::{print, print_error, print_warning};
use self::standard_error::StandardError;
use self::writer::Writer;

/// Bytes that wait to be written at most; further lines are lost.
pub const QUEUE_BYTES: usize = 1 << 20;
/// The bookkeeping of a line that waits, about.
const LINE_OVERHEAD: usize = 64;
/// The time that the end of a program waits for its last lines to be written.
const LAST_LINES: Duration = Duration::from_secs(1);

static STDERR: OnceLock<Lines> = OnceLock::new();

/// Returns standard error, written to by a thread that begins with the first call.
pub fn stderr() -> &'static Lines {
    STDERR.get_or_init(|| Lines::start(StandardError))
}

/// Returns how many lines for standard error were lost since the start.
#[must_use]
pub fn lost() -> u64 {
    STDERR.get().map_or(0, Lines::lost)
}

/// Makes panics log lines, and gives the last lines a second to be written when the returned value
/// is dropped.
#[must_use = "it is to be dropped at the end of the program"]
pub fn start() -> LastLines {
    panics::log_them();
    LastLines(())
}

/// Waits for the last lines when it is dropped, for a second at most.
#[derive(Debug)]
pub struct LastLines(());

impl Drop for LastLines {
    fn drop(&mut self) {
        if let Some(lines) = STDERR.get() {
            lines.flush(LAST_LINES);
        }
    }
}

/// Lines on their way to an output. Clones are the same.
#[derive(Debug, Clone)]
pub struct Lines {
    jobs: Sender<Job>,
    counts: Arc<Counts>,
}

/// The counts that the senders of lines and their writer share.
#[derive(Debug, Default)]
struct Counts {
    /// Bytes that wait to be written.
    waiting: AtomicUsize,
    /// Lines that were not written and will not be.
    lost: AtomicU64,
}

/// A task of the writer.
enum Job {
    Write(Item),
    /// To answer when everything before is written.
    Flush(SyncSender<()>),
}

/// Bytes to write.
struct Item {
    bytes: Box<[u8]>,
    /// True if it counts as lost when it cannot be written.
    is_line: bool,
}

impl Item {
    const fn weight(&self) -> usize {
        self.bytes.len() + LINE_OVERHEAD
    }
}

impl Lines {
    /// Starts a thread that writes to `sink`. Where the system refuses a thread, every line is
    /// counted as lost.
    pub fn start(sink: impl io::Write + Send + 'static) -> Self {
        let (jobs, next) = mpsc::channel();
        let counts = Arc::new(Counts::default());
        let writer = Writer::new(sink, Arc::clone(&counts));
        let thread = thread::Builder::new().name("log".to_owned());
        // Without its thread the channel is closed, and sending counts the line.
        drop(thread.spawn(move || writer.run(&next)));
        Self { jobs, counts }
    }

    /// Queues a whole line, its newline included. Never waits; a line for which there is no room is
    /// counted as lost.
    pub fn line(&self, line: &[u8]) {
        if !own::collect(line) {
            self.queue(Item { bytes: line.into(), is_line: true });
        }
    }

    /// Queues bytes that may be lost, such as a progress bar: those without room are not counted.
    pub fn draw(&self, bytes: &[u8]) {
        self.queue(Item { bytes: bytes.into(), is_line: false });
    }

    /// Returns how many lines were lost: those for which there was no room, and those of which
    /// writing failed.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.counts.lost.load(Ordering::Relaxed)
    }

    /// Waits until every line queued so far is written or lost, but not longer than `within`.
    /// Reports whether they are.
    pub fn flush(&self, within: Duration) -> bool {
        let (done, wait) = mpsc::sync_channel(1);
        self.jobs.send(Job::Flush(done)).is_ok() && wait.recv_timeout(within).is_ok()
    }

    fn queue(&self, item: Item) {
        let (weight, is_line) = (item.weight(), item.is_line);
        let before = self.counts.waiting.fetch_add(weight, Ordering::Relaxed);
        let has_room = before + weight <= QUEUE_BYTES;
        if has_room && self.jobs.send(Job::Write(item)).is_ok() {
            return;
        }
        self.counts.waiting.fetch_sub(weight, Ordering::Relaxed);
        if is_line {
            self.counts.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Each write is a line, as `tracing_subscriber::fmt` makes them.
impl io::Write for &Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.line(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> &'a Self {
        self
    }
}

#[cfg(test)]
mod tests;
