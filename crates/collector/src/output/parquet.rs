//! Closed parts in Parquet.

use std::fs::File;
use std::path::Path;

use arrow_array::RecordBatch;
use columns::Compression;
use columns::parquet::{self, Reader};

use super::error::OutputError;
use super::feather_file::{FeatherFile, encode};
use super::paths;
use crate::state::State;

/// Writes the rows and the state of a Feather file as Parquet, and waits until they are on the disk.
pub(super) fn write(
    path: &Path,
    source: &FeatherFile,
    compression: Compression,
) -> Result<(), OutputError> {
    let file = paths::open(path)?;
    file.set_len(0).map_err(paths::at(path))?;
    let text = encode(path, &source.state().to_progress())?;
    let reader = source.feather().reader();
    parquet::write(&file, source.schema(), reader.all(), compression, text)
        .map_err(|error| OutputError::parquet(path, error))?;
    Ok(file.sync_all().map_err(paths::at(path))?)
}

/// Opens a file.
///
/// # Errors
///
/// If it cannot be read, or is not ours.
pub fn open(path: &Path) -> Result<Reader, OutputError> {
    let file = File::open(path).map_err(paths::at(path))?;
    Reader::open(file).map_err(|error| OutputError::parquet(path, error))
}

/// Returns the state of a file.
///
/// # Errors
///
/// If it cannot be read, or is not ours.
pub fn state(path: &Path) -> Result<State, OutputError> {
    let reader = open(path)?;
    Ok(State::sum([(reader.rows(), reader.text())].into_iter()))
}

/// Reads some columns, by name, and passes them on batch by batch.
///
/// # Errors
///
/// If they cannot be read.
pub fn columns(
    path: &Path,
    names: &[&str],
    each: impl FnMut(RecordBatch),
) -> Result<(), OutputError> {
    open(path)?.columns(names, each).map_err(|error| OutputError::parquet(path, error))
}
