//! Closed parts as Parquet, which DuckDB and Spark read directly.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{TimestampMillisecondType, TimestampSecondType};
use arrow_array::{ArrayRef, PrimitiveArray, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression as Codec, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use super::{OutputError, is_full, paths};
use crate::feather::guard::guarded;
use crate::feather::{Compression, Feather};
use crate::note::{Note, State};
use crate::table::schema;

/// Rows of a row group: what is held in memory while it is written.
const GROUP: usize = 1 << 16;
/// The key of what a file knows besides its rows.
const NOTE: &str = "certstream.note";

fn failed(path: &Path) -> impl Fn(ParquetError) -> OutputError + '_ {
    |error| {
        if let ParquetError::External(inner) = &error
            && let Some(system) = inner.downcast_ref::<std::io::Error>()
            && is_full(system)
        {
            let source =
                std::io::Error::from_raw_os_error(system.raw_os_error().unwrap_or_default());
            return OutputError::Full { path: path.to_owned(), source };
        }
        OutputError::Parquet { path: path.to_owned(), reason: error.to_string() }
    }
}

/// Writes the rows of a Feather file as Parquet, with what it knows, and waits until it is on the
/// disk.
pub(super) fn write(
    path: &Path,
    feather: &Feather,
    compression: Compression,
) -> Result<(), OutputError> {
    let failed = failed(path);
    let file = paths::open(path)?;
    file.set_len(0).map_err(paths::at(path))?;
    let schema = parquet_schema(feather.schema());
    let codec = match compression {
        Compression::None => Codec::UNCOMPRESSED,
        Compression::Lz4 => Codec::LZ4_RAW,
        Compression::Zstd => Codec::ZSTD(ZstdLevel::default()),
    };
    let State { offset, server, stream, gaps, open, .. } = feather.state().clone();
    let unlisted = gaps.count() - gaps.listed().len() as u64;
    let gaps = gaps.listed().cloned().collect();
    let note = Note { offset, server, stream, gaps, unlisted, open };
    let note = serde_json::to_string(&note).map_err(|error| ParquetError::External(error.into()));
    let note = KeyValue::new(NOTE.to_owned(), note.map_err(&failed)?);
    let properties = WriterProperties::builder()
        .set_compression(codec)
        .set_max_row_group_row_count(Some(GROUP))
        .set_key_value_metadata(Some(vec![note]))
        .build();
    let file = file.try_clone().map_err(paths::at(path))?;
    let mut writer = ArrowWriter::try_new(&file, SchemaRef::clone(&schema), Some(properties))
        .map_err(&failed)?;
    for batch in feather.reader().all() {
        let batch = batch.map_err(|error| OutputError::file(path, error))?;
        let batch = to_parquet(&batch, &schema).map_err(|error| failed(error.into()))?;
        writer.write(&batch).map_err(&failed)?;
    }
    writer.close().map_err(&failed)?;
    Ok(file.sync_all().map_err(paths::at(path))?)
}

/// The same columns with seconds as milliseconds: Parquet has no seconds.
fn parquet_schema(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Timestamp(TimeUnit::Second, zone) => {
            let finer = DataType::Timestamp(TimeUnit::Millisecond, zone.clone());
            Arc::new(Field::clone(field).with_data_type(finer))
        }
        _ => Arc::clone(field),
    });
    let fields: Vec<_> = fields.collect();
    Arc::new(Schema::new(fields).with_metadata(schema.metadata().clone()))
}

fn to_parquet(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().map(|column| -> ArrayRef {
        let Some(seconds) = column.as_primitive_opt::<TimestampSecondType>() else {
            return Arc::clone(column);
        };
        let finer: PrimitiveArray<TimestampMillisecondType> =
            seconds.unary(|second| second.saturating_mul(1000));
        Arc::new(finer.with_timezone_opt(seconds.timezone()))
    });
    RecordBatch::try_new(SchemaRef::clone(schema), columns.collect())
}

/// What a file knows of itself.
///
/// # Errors
///
/// When it cannot be read.
pub fn state(path: &Path) -> Result<State, OutputError> {
    let (_, state) = open(path)?;
    Ok(state)
}

/// The columns of a file.
///
/// # Errors
///
/// When it cannot be read, or is not ours.
pub fn schema(path: &Path) -> Result<SchemaRef, OutputError> {
    let (builder, _) = open(path)?;
    Ok(SchemaRef::clone(builder.schema()))
}

/// Hands out some columns, by name, batch by batch.
///
/// # Errors
///
/// When it cannot be read.
pub fn columns(
    path: &Path,
    names: &[&str],
    mut see: impl FnMut(RecordBatch),
) -> Result<(), OutputError> {
    let (builder, _) = open(path)?;
    let fields = builder.schema().fields().iter().enumerate();
    let wanted = fields.filter(|(_, field)| names.contains(&field.name().as_str()));
    let wanted: Vec<_> = wanted.map(|(place, _)| place).collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
    let mut batches =
        safely(path, || builder.with_projection(mask).build())?.map_err(failed(path))?;
    while let Some(batch) = safely(path, || batches.next())? {
        see(batch.map_err(|error| failed(path)(error.into()))?);
    }
    Ok(())
}

/// Has the library read a file that may be anybody's.
fn safely<T>(path: &Path, read: impl FnOnce() -> T) -> Result<T, OutputError> {
    guarded(read).map_err(|error| OutputError::file(path, error))
}

fn open(path: &Path) -> Result<(ParquetRecordBatchReaderBuilder<File>, State), OutputError> {
    let file = File::open(path).map_err(paths::at(path))?;
    let opened = safely(path, || ParquetRecordBatchReaderBuilder::try_new(file))?;
    let builder = opened.map_err(failed(path))?;
    schema::check(builder.schema()).map_err(|_| OutputError::NotOurs(path.to_owned()))?;
    let metadata = builder.metadata().file_metadata();
    let pairs = metadata.key_value_metadata().into_iter().flatten();
    let note = pairs.filter(|pair| pair.key == NOTE).find_map(|pair| pair.value.as_deref());
    let note: Note = note.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
    let mut state = State::default();
    state.add(u64::try_from(metadata.num_rows()).unwrap_or_default(), &note);
    Ok((builder, state))
}
