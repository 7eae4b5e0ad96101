//! A locked Feather file, with the state that its batches add up to.

use std::fs::TryLockError;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use client::Progress;
use client::dedup::Window;
use columns::Compression;
use columns::feather::{BatchReader, Feather, FeatherError, Repair, Scanned, scan};
use columns::schema::{self, Rows};

use super::error::OutputError;
use super::{paths, recent_entries};
use crate::state::{State, progress};

/// A Feather file that is open for appending, locked against others for as long as it is open.
#[derive(Debug)]
pub(super) struct FeatherFile {
    path: PathBuf,
    feather: Feather,
    state: State,
    /// True if the last batch has no rows and only records progress. The next batch replaces it.
    ends_in_placeholder: bool,
}

impl FeatherFile {
    /// Opens or starts a file.
    pub(super) fn open(
        path: PathBuf,
        rows: Rows,
        compression: Compression,
    ) -> Result<Self, OutputError> {
        let failed = |error| OutputError::feather(&path, error);
        let file = paths::open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OutputError::Locked(path)),
            Err(TryLockError::Error(error)) => return Err(paths::at(&path)(error).into()),
        }
        let wanted = schema::schema(rows);
        let state = State::default();
        let pairs = footer_pairs(&path, &state)?;
        if Feather::is_begun(&file, &wanted, &pairs).map_err(failed)? {
            let feather = Feather::create(file, &wanted, compression, &pairs).map_err(failed)?;
            return Ok(Self { path, feather, state, ends_in_placeholder: false });
        }
        let scanned = scan(&file).map_err(failed)?;
        let accepted = schema::accepts(&scanned.schema, rows);
        accepted.map_err(|error| failed(FeatherError::Schema(error)))?;
        let (state, ends_in_placeholder) = (state_of(&scanned), ends_in_placeholder(&scanned));
        let pairs = footer_pairs(&path, &state)?;
        let (feather, repair) =
            Feather::open(file, scanned, compression, &pairs).map_err(failed)?;
        log_opened(&path, &state, repair);
        Ok(Self { path, feather, state, ends_in_placeholder })
    }

    /// Appends rows with the progress that they reach. A batch without rows that only records
    /// progress is replaced by the next one, so that a quiet stream does not make the file grow.
    pub(super) fn append(
        &mut self,
        batch: &RecordBatch,
        progress: &Progress,
    ) -> Result<(), OutputError> {
        self.check_present()?;
        let rows = batch.num_rows() as u64;
        let mut state = self.state.clone();
        state.add(rows, progress);
        let pairs = footer_pairs(&self.path, &state)?;
        let text = encode(&self.path, progress)?;
        let appended = if self.ends_in_placeholder && progress.offset.is_some() {
            self.feather.replace_last(batch, &text, &pairs)
        } else {
            self.feather.append(batch, &text, &pairs)
        };
        appended.map_err(|error| OutputError::feather(&self.path, error))?;
        self.state = state;
        self.ends_in_placeholder = rows == 0 && progress.is_superseded();
        Ok(())
    }

    /// Waits until everything is on the disk.
    pub(super) fn sync(&mut self) -> Result<(), OutputError> {
        self.check_present()?;
        self.feather.sync().map_err(|error| OutputError::feather(&self.path, error))
    }

    /// Checks that the file is still at its path: rows in a file that nobody can find are lost.
    fn check_present(&self) -> Result<(), OutputError> {
        let is_present = paths::leads_to(&self.path, self.feather.file())?;
        if is_present { Ok(()) } else { Err(OutputError::Gone(self.path.clone())) }
    }

    /// Records the newest entries in the window, at least those of the last `rows` rows.
    pub(super) fn remember(&self, rows: u64, window: &mut Window) -> Result<(), OutputError> {
        let reader = self.feather.reader();
        remember(&self.path, &reader, reader.last_rows(rows), window)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) const fn feather(&self) -> &Feather {
        &self.feather
    }

    pub(super) const fn state(&self) -> &State {
        &self.state
    }

    pub(super) const fn schema(&self) -> &SchemaRef {
        self.feather.schema()
    }
}

/// Returns the state that the batches of a file add up to.
#[must_use]
pub fn state_of(scanned: &Scanned) -> State {
    let texts = scanned.texts.iter().map(Option::as_deref);
    State::sum(scanned.rows.iter().copied().zip(texts))
}

/// Reports whether the last batch of a file has no rows and only records progress.
fn ends_in_placeholder(scanned: &Scanned) -> bool {
    let (Some(rows), Some(text)) = (scanned.rows.last(), scanned.texts.last()) else {
        return false;
    };
    *rows == 0 && progress(text.as_deref()).is_superseded()
}

/// Records the entries of the batches from number `from` on in the window.
pub(super) fn remember(
    path: &Path,
    reader: &BatchReader<'_>,
    from: usize,
    window: &mut Window,
) -> Result<(), OutputError> {
    for batch in reader.columns(&recent_entries::COLUMNS, from) {
        let batch = batch.map_err(|error| OutputError::feather(path, error))?;
        recent_entries::remember(&batch, window);
    }
    Ok(())
}

/// Encodes a progress as it is stored in files.
pub(super) fn encode(path: &Path, progress: &Progress) -> Result<String, OutputError> {
    let text = serde_json::to_string(progress);
    text.map_err(|source| OutputError::Progress { path: path.to_owned(), source })
}

/// Returns the key-value pairs of the footer of a file with this state.
pub(crate) fn footer_pairs(
    path: &Path,
    state: &State,
) -> Result<Vec<(&'static str, String)>, OutputError> {
    let pairs = state.footer_pairs();
    pairs.map_err(|source| OutputError::Progress { path: path.to_owned(), source })
}

fn log_opened(path: &Path, state: &State, repair: Repair) {
    let rows = state.rows;
    if repair.was_torn {
        tracing::warn!(
            rows,
            bytes = repair.dropped,
            "{}: the last write was incomplete; repaired, all complete batches are kept",
            path.display()
        );
    } else {
        tracing::info!(rows, offset = state.offset, "appending to {}", path.display());
    }
}

#[cfg(test)]
mod tests;
