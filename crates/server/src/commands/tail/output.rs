//! The output of `tail`: a thread that writes lines, so that a slow reader delays neither Ctrl-C nor
//! the connection's pings.

use std::future::pending;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd as _;
use std::thread;
use std::time::Duration;

use client::Progress;
use thiserror::Error;
use tokio::io::Interest;
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, oneshot};

use super::position::PositionFile;

/// Lines that wait to be written at most; further ones wait in the connection.
const WAITING: usize = 256;

/// The reason why the thread ended early.
#[derive(Debug, Error)]
pub(super) enum OutputError {
    #[error("cannot write to standard output")]
    Write(#[from] io::Error),
    #[error("cannot save the position in {path}")]
    Save { path: String, source: io::Error },
}

/// A line, and the position after it. Messages without a line advance the position too.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) text: Option<Vec<u8>>,
    pub(super) progress: Option<Progress>,
}

/// The way to the thread.
pub(super) struct Output {
    lines: mpsc::Sender<Line>,
    outcome: oneshot::Receiver<Result<(), OutputError>>,
}

impl Output {
    /// Starts the thread, which saves the position in `file`.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub(super) fn start(
        sink: impl Write + Send + 'static,
        file: Option<PositionFile>,
    ) -> io::Result<Self> {
        let (lines, waiting) = mpsc::channel(WAITING);
        let (ended, outcome) = oneshot::channel();
        thread::Builder::new().name("output".to_owned()).spawn(move || {
            // Without a receiver the program has ended.
            drop(ended.send(write(BufWriter::new(sink), waiting, file)));
        })?;
        Ok(Self { lines, outcome })
    }

    /// Queues a line, as soon as there is room. Returns false if the thread has ended.
    pub(super) async fn line(&self, line: Line) -> bool {
        self.lines.send(line).await.is_ok()
    }

    /// Waits until all lines are written, at most for the given time. A reader that is gone has read
    /// enough and is no error.
    ///
    /// # Errors
    /// If lines cannot be written, or the position cannot be saved.
    pub(super) async fn finish(self, within: Duration) -> Result<(), OutputError> {
        drop(self.lines);
        match tokio::time::timeout(within, self.outcome).await {
            Ok(Ok(Err(OutputError::Write(error)))) if error.kind() == io::ErrorKind::BrokenPipe => {
                Ok(())
            }
            Ok(Ok(outcome)) => outcome,
            _ => Ok(()),
        }
    }
}

/// Writes lines until there are no more senders. Lines reach the reader whenever none waits. The
/// position is saved after the lines before it are written.
fn write(
    mut output: impl Write,
    mut lines: mpsc::Receiver<Line>,
    mut file: Option<PositionFile>,
) -> Result<(), OutputError> {
    while let Some(Line { text, progress }) = lines.blocking_recv() {
        if let Some(text) = text {
            output.write_all(&text)?;
            output.write_all(b"\n")?;
        }
        if let (Some(file), Some(progress)) = (&mut file, progress) {
            file.advance(progress);
        }
        let due = file.as_mut().filter(|file| file.is_due());
        if lines.is_empty() || due.is_some() {
            output.flush()?;
        }
        if let Some(file) = due {
            save(file)?;
        }
    }
    output.flush()?;
    file.as_mut().map_or(Ok(()), save)
}

fn save(file: &mut PositionFile) -> Result<(), OutputError> {
    let saved = file.save();
    saved.map_err(|source| OutputError::Save { path: file.path().display().to_string(), source })
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

    /// The longest wait, on a slow machine.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn line(offset: u64) -> Line {
        let progress = Progress { offset: Some(offset), ..Progress::default() };
        Line { text: Some(b"line".to_vec()), progress: Some(progress) }
    }

    #[tokio::test]
    async fn a_reader_that_is_gone_ends_the_thread_without_an_error() {
        let (reader, writer) = io::pipe().expect("a pipe");
        drop(reader);
        let output = Output::start(writer, None).expect("starts");
        while output.line(line(1)).await {}
        output.finish(PATIENCE).await.expect("no error");
    }

    #[tokio::test]
    async fn a_full_disk_is_an_error() {
        let full = std::fs::File::options().write(true).open("/dev/full").expect("a device");
        let output = Output::start(full, None).expect("starts");
        while output.line(line(1)).await {}
        assert!(output.finish(PATIENCE).await.is_err());
    }

    #[tokio::test]
    async fn the_position_at_the_end_is_that_of_the_last_written_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("position.json");
        let output = Output::start(io::sink(), Some(PositionFile::new(path.clone())));
        let output = output.expect("starts");
        for offset in 1..=9 {
            assert!(output.line(line(offset)).await);
        }
        output.finish(PATIENCE).await.expect("no error");
        assert_eq!(std::fs::read_to_string(&path).expect("a file"), r#"{"offset":9}"#);

        let (reader, writer) = io::pipe().expect("a pipe");
        drop(reader);
        let output = Output::start(writer, Some(PositionFile::new(path.clone())));
        let output = output.expect("starts");
        while output.line(line(10)).await {}
        output.finish(PATIENCE).await.expect("no error");
        assert_eq!(std::fs::read_to_string(&path).expect("a file"), r#"{"offset":9}"#);
    }

    #[tokio::test]
    async fn a_position_that_cannot_be_saved_is_an_error_that_names_the_file() {
        let file = PositionFile::new("/nowhere/position.json".into());
        let output = Output::start(io::sink(), Some(file)).expect("starts");
        while output.line(line(1)).await {}
        let error = output.finish(PATIENCE).await.expect_err("no folder");
        assert!(error.to_string().contains("/nowhere/position.json"), "{error}");
    }
}
