//! Writing one part on a thread of its own: pages become rows, rows become a file that is complete only
//! with its proof.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use cert::Certificate;
use cert::Digests;
use columns::archive::{ArchiveError, Writer};
use columns::schema::{self, Rows};
use columns::{Compression, RecordRow, Table, digest};
use ctclient::ProvedPage;
use record::LogIdentity;
use tokio::sync::{mpsc, oneshot};

use super::proof::{Parts, Proof};
use crate::output::OutputError;
use crate::output::paths::{self, PathError};
use crate::settings::Format;

/// Pages that wait for the thread.
const WAITING: usize = 4;
/// Rows that are encoded together.
const ROWS_AT_ONCE: usize = 4096;

/// The file to write.
#[derive(Clone, Debug)]
pub(crate) struct PartFile {
    /// The path while it is incomplete.
    pub(crate) path: PathBuf,
    /// The format.
    pub(crate) format: Format,
    /// The codec of the columns.
    pub(crate) compression: Compression,
    /// Rows of a row group.
    pub(crate) group: usize,
    /// True if certificates and leaves are stored.
    pub(crate) with_der: bool,
    /// The log.
    pub(crate) log: LogIdentity,
}

enum Message {
    Page(Box<ProvedPage>),
    Finish(Box<Parts>),
}

/// A part that is being written. Dropping it removes the file.
#[derive(Debug)]
pub(crate) struct PartWriter {
    messages: mpsc::Sender<Message>,
    outcome: oneshot::Receiver<Result<Option<u64>, OutputError>>,
}

/// The thread ended without a result.
fn ended(path: &Path) -> OutputError {
    let source = std::io::Error::other("the thread that writes it has ended");
    PathError::Io { path: path.to_owned(), source }.into()
}

impl PartWriter {
    /// Starts the thread.
    pub(crate) fn start(part: PartFile) -> Result<Self, OutputError> {
        let (messages, received) = mpsc::channel(WAITING);
        let (report, outcome) = oneshot::channel();
        let path = part.path.clone();
        let thread = thread::Builder::new().name("archive".to_owned()).spawn(move || {
            let written = write(&part, received);
            if !matches!(written, Ok(Some(_))) {
                // There may be none, if it could not be created.
                let _none = fs::remove_file(&part.path);
            }
            // The run may be over.
            let _unheard = report.send(written);
        });
        thread.map_err(|source| PathError::Io { path, source })?;
        Ok(Self { messages, outcome })
    }

    /// Adds the entries of a page, and waits while others wait. Reports whether the thread still
    /// writes; [`failure`](Self::failure) is the reason why not.
    pub(crate) async fn add(&self, page: ProvedPage) -> bool {
        self.messages.send(Message::Page(Box::new(page))).await.is_ok()
    }

    /// Ends the file with its proof. Returns the length in bytes, once it is on the disk.
    pub(crate) async fn finish(self, parts: Parts, path: &Path) -> Result<u64, OutputError> {
        let Self { messages, outcome } = self;
        // If the thread has ended, the outcome is the reason.
        let _ended = messages.send(Message::Finish(Box::new(parts))).await;
        drop(messages);
        outcome.await.map_err(|_| ended(path))??.ok_or_else(|| ended(path))
    }

    /// Returns the reason why the thread has ended before the file was finished.
    pub(crate) async fn failure(self, path: &Path) -> OutputError {
        let Self { messages, outcome } = self;
        drop(messages);
        match outcome.await {
            Ok(Err(error)) => error,
            Ok(Ok(_)) | Err(_) => ended(path),
        }
    }
}

/// Writes until the file is finished; returns none if the part is given up.
fn write(
    part: &PartFile,
    mut received: mpsc::Receiver<Message>,
) -> Result<Option<u64>, OutputError> {
    let failed = |error: ArchiveError| OutputError::archive(&part.path, error);
    let schema = schema::schema(Rows::Archive { with_der: part.with_der });
    let file = paths::open(&part.path)?;
    file.set_len(0).map_err(paths::at(&part.path))?;
    let (format, compression) = (part.format.into(), part.compression);
    let mut writer =
        Writer::create(file, format, &schema, compression, part.group).map_err(failed)?;
    let mut rows = PartRows { table: Table::new(&schema), digest: digest::Rows::default() };
    loop {
        match received.blocking_recv() {
            None => return Ok(None),
            Some(Message::Page(page)) => {
                rows.add(&page, part);
                if rows.table.is_full(ROWS_AT_ONCE) {
                    writer.append(&rows.take()?).map_err(failed)?;
                }
            }
            Some(Message::Finish(parts)) => {
                if rows.table.rows() > 0 {
                    writer.append(&rows.take()?).map_err(failed)?;
                }
                let proof = Proof::new(&parts, &rows.digest).seal();
                return writer.finish(&proof).map(Some).map_err(failed);
            }
        }
    }
}

struct PartRows {
    table: Table,
    digest: digest::Rows,
}

impl PartRows {
    fn add(&mut self, page: &ProvedPage, part: &PartFile) {
        let empty = bytes::Bytes::new();
        let leaves = page.leaves.iter().chain(std::iter::repeat(&empty));
        for ((record, leaf_hash), leaf) in page.entries.iter().zip(&page.leaf_hashes).zip(leaves) {
            let digests = Digests::with_sha256(record.fingerprint, &record.certificate);
            let certificate = Certificate::read_with_digests(&record.certificate, &digests);
            let row = RecordRow::new(0, record, &certificate, &part.log).with_leaf(leaf_hash, leaf);
            self.table.push(&row, record.certificate.len() + leaf.len());
        }
    }

    fn take(&mut self) -> Result<arrow_array::RecordBatch, OutputError> {
        let batch = self.table.take().and_then(|batch| digest::fill(&batch, &mut self.digest));
        batch.map_err(OutputError::Rows)
    }
}
