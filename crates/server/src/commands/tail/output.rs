//! The output of `tail`: a thread that writes lines, so that a slow reader delays neither Ctrl-C nor
//! the connection's pings.

use std::future::pending;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd as _;
use std::thread;
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, oneshot};

/// Lines that wait to be written at most; further ones wait in the connection.
const WAITING: usize = 256;

/// The way to the thread.
pub(super) struct Output {
    lines: mpsc::Sender<Vec<u8>>,
    outcome: oneshot::Receiver<io::Result<()>>,
}

impl Output {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub(super) fn start(sink: impl Write + Send + 'static) -> io::Result<Self> {
        let (lines, waiting) = mpsc::channel(WAITING);
        let (ended, outcome) = oneshot::channel();
        thread::Builder::new().name("output".to_owned()).spawn(move || {
            // Without a receiver the program has ended.
            drop(ended.send(write(BufWriter::new(sink), waiting)));
        })?;
        Ok(Self { lines, outcome })
    }

    /// Queues a line, as soon as there is room. Returns false if the thread has ended.
    pub(super) async fn line(&self, line: Vec<u8>) -> bool {
        self.lines.send(line).await.is_ok()
    }

    /// Waits until all lines are written, at most for the given time. A reader that is gone has read
    /// enough and is no error.
    ///
    /// # Errors
    /// If lines cannot be written.
    pub(super) async fn finish(self, within: Duration) -> io::Result<()> {
        drop(self.lines);
        match tokio::time::timeout(within, self.outcome).await {
            Ok(Ok(Err(error))) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }
}

/// Writes lines until there are no more senders. Lines reach the reader whenever none waits.
fn write(mut output: impl Write, mut lines: mpsc::Receiver<Vec<u8>>) -> io::Result<()> {
    while let Some(line) = lines.blocking_recv() {
        output.write_all(&line)?;
        output.write_all(b"\n")?;
        if lines.is_empty() {
            output.flush()?;
        }
    }
    output.flush()
}

/// Waits until standard output is a pipe without a reader. For files, it waits for ever.
pub(super) async fn reader_is_gone() {
    // The descriptor is only watched, so it need not be in non-blocking mode, which would also affect
    // other processes.
    let copy = io::stdout().as_fd().try_clone_to_owned();
    let Ok(pipe) = copy.and_then(pipe::Sender::from_owned_fd_unchecked) else {
        return pending().await;
    };
    if pipe.ready(Interest::ERROR).await.is_err() {
        pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reader_that_is_gone_ends_the_thread_without_an_error() {
        let (reader, writer) = io::pipe().expect("a pipe");
        drop(reader);
        let output = Output::start(writer).expect("starts");
        while output.line(b"line".to_vec()).await {}
        output.finish(Duration::from_secs(60)).await.expect("no error");
    }

    #[tokio::test]
    async fn a_full_disk_is_an_error() {
        let full = std::fs::File::options().write(true).open("/dev/full").expect("a device");
        let output = Output::start(full).expect("starts");
        while output.line(b"line".to_vec()).await {}
        assert!(output.finish(Duration::from_secs(60)).await.is_err());
    }
}
