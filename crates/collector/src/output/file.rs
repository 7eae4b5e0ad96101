//! One growing Feather file.

use std::fs::TryLockError;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::{Opened, OutputError, Size, check_there, known, paths};
use crate::dedup::Window;
use crate::feather::{Compression, Feather, FeatherError};
use crate::note::Note;
use crate::table::schema::{self, Rows};

/// So many batches make a footer of a quarter of a megabyte, which is written again with each.
const MANY_BATCHES: usize = 10_000;

/// The file, locked.
#[derive(Debug)]
pub(super) struct SingleFile {
    path: PathBuf,
    feather: Feather,
}

impl SingleFile {
    pub(super) fn open(
        path: &Path,
        rows: Rows,
        compression: Compression,
    ) -> Result<(Self, Opened), OutputError> {
        let feather = open_feather(path, rows, compression)?;
        let mut window = Window::default();
        remember(path, &feather, known::ROWS, &mut window)?;
        let opened = Opened {
            schema: SchemaRef::clone(feather.schema()),
            state: feather.state().clone(),
            window,
        };
        Ok((Self { path: path.to_owned(), feather }, opened))
    }

    pub(super) fn append(&mut self, batch: &RecordBatch, note: &Note) -> Result<Size, OutputError> {
        check_there(&self.path, &self.feather)?;
        let appended = self.feather.append(batch, note);
        appended.map_err(|error| OutputError::file(&self.path, error))?;
        if self.feather.batches() == MANY_BATCHES {
            tracing::warn!(
                "{} has {MANY_BATCHES} batches, and its footer grows with each; from now on more \
                 rows are written together. Parts (--rotate 1d) or a larger --buffer-size avoid it",
                self.path.display()
            );
        }
        Ok(Size { bytes: self.feather.length(), batches: self.feather.batches() })
    }

    pub(super) fn sync(&mut self) -> Result<(), OutputError> {
        check_there(&self.path, &self.feather)?;
        self.feather.sync().map_err(|error| OutputError::file(&self.path, error))
    }
}

/// Opens or begins a file, locked against others for as long as it is open.
pub(super) fn open_feather(
    path: &Path,
    rows: Rows,
    compression: Compression,
) -> Result<Feather, OutputError> {
    let failed = |error| OutputError::file(path, error);
    let file = paths::open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OutputError::Locked(path.to_owned())),
        Err(TryLockError::Error(error)) => return Err(paths::at(path)(error).into()),
    }
    let wanted = schema::schema(rows);
    if Feather::is_begun(&file, &wanted).map_err(failed)? {
        return Feather::create(file, &wanted, compression).map_err(failed);
    }
    let walked = crate::feather::walk(&file).map_err(failed)?;
    let checked = schema::accepts(&walked.schema, rows);
    checked.map_err(|error| failed(FeatherError::Schema(error)))?;
    let (feather, repair) = Feather::open(file, walked, compression).map_err(failed)?;
    let rows = feather.state().rows;
    if repair.was_torn {
        tracing::warn!(
            rows,
            bytes = repair.dropped,
            "{}: the last write was cut short; repaired, with every whole batch",
            path.display()
        );
    } else {
        tracing::info!(rows, offset = feather.state().offset, "appending to {}", path.display());
    }
    Ok(feather)
}

/// Has the window see the newest entries of a file; how many rows that were.
pub(super) fn remember(
    path: &Path,
    feather: &Feather,
    wanted: u64,
    window: &mut Window,
) -> Result<(), OutputError> {
    let reader = feather.reader();
    for batch in reader.columns(&known::COLUMNS, reader.last_rows(wanted)) {
        known::remember(&batch.map_err(|error| OutputError::file(path, error))?, window);
    }
    Ok(())
}
