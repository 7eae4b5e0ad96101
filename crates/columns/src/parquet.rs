//! Parquet files, which DuckDB and Spark read directly.

mod source;

use std::fs::File;
use std::io;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{TimestampMillisecondType, TimestampSecondType};
use arrow_array::{ArrayRef, PrimitiveArray, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression as Codec, ZstdLevel};
use parquet::errors::ParquetError as LibraryError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use self::source::Source;
use crate::NOTE_KEY;
use crate::compression::Compression;
use crate::feather::FeatherError;
use crate::schema::{self, SchemaError};
use crate::validate::{Damaged, catch_panic};

/// Rows of a row group, which are in memory while it is written.
const GROUP: usize = 1 << 16;

/// A file that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ParquetError {
    /// An error of the system.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A file that cannot be decoded or encoded.
    #[error(transparent)]
    Parquet(#[from] LibraryError),
    /// A batch that cannot be read.
    #[error(transparent)]
    Feather(#[from] FeatherError),
    /// A file with other columns.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

impl ParquetError {
    /// Returns the error of the system that caused this one, if any.
    #[must_use]
    pub fn system_error(&self) -> Option<&io::Error> {
        match self {
            Self::Io(error) | Self::Feather(FeatherError::Io(error)) => Some(error),
            Self::Parquet(LibraryError::External(inner)) => match inner.downcast_ref() {
                Some(ArrowError::IoError(_, error)) => Some(error),
                _ => inner.downcast_ref(),
            },
            _ => None,
        }
    }
}

impl From<ArrowError> for ParquetError {
    fn from(error: ArrowError) -> Self {
        Self::Parquet(error.into())
    }
}

impl From<Damaged> for ParquetError {
    fn from(damaged: Damaged) -> Self {
        FeatherError::from(damaged).into()
    }
}

/// Writes batches of this schema to an empty file, with a text that is stored in its metadata. The
/// caller waits until it is on the disk.
///
/// # Errors
///
/// If a batch cannot be read, or the file cannot be written.
pub fn write(
    file: &File,
    schema: &Schema,
    batches: impl Iterator<Item = Result<RecordBatch, FeatherError>>,
    compression: Compression,
    text: String,
) -> Result<(), ParquetError> {
    let schema = parquet_schema(schema);
    let properties = WriterProperties::builder()
        .set_compression(codec(compression))
        .set_max_row_group_row_count(Some(GROUP))
        .set_key_value_metadata(Some(vec![KeyValue::new(NOTE_KEY.to_owned(), text)]))
        .build();
    let file = file.try_clone()?;
    let mut writer = ArrowWriter::try_new(&file, SchemaRef::clone(&schema), Some(properties))?;
    for batch in batches {
        writer.write(&to_parquet(&batch?, &schema)?)?;
    }
    writer.close()?;
    Ok(())
}

/// Returns the codec of a column's pages.
pub(crate) fn codec(compression: Compression) -> Codec {
    match compression {
        Compression::None => Codec::UNCOMPRESSED,
        Compression::Lz4 => Codec::LZ4_RAW,
        Compression::Zstd => Codec::ZSTD(ZstdLevel::default()),
    }
}

/// Returns the schema with seconds as milliseconds: Parquet has no seconds.
pub(crate) fn parquet_schema(schema: &Schema) -> SchemaRef {
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

pub(crate) fn to_parquet(
    batch: &RecordBatch,
    schema: &SchemaRef,
) -> Result<RecordBatch, ArrowError> {
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

/// A file that is written batch by batch, with a text at its end. Texts that never repeat have no
/// dictionary, and bytes no statistics; those that entries are looked up by have bloom filters.
pub struct StreamWriter {
    writer: ArrowWriter<File>,
    schema: SchemaRef,
}

impl std::fmt::Debug for StreamWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamWriter").finish_non_exhaustive()
    }
}

/// The columns whose values do not repeat.
const UNIQUE: [&str; 9] = [
    "as_der",
    "leaf",
    "leaf_hash",
    "row_digest",
    "sha256",
    "fingerprint",
    "serial_number",
    "cert_index",
    "cert_link",
];

/// The columns with bloom filters. Statistics cannot rule out row groups: the values are random.
const LOOKED_UP: [&str; 3] = ["sha256", "fingerprint", "serial_number"];
/// The share of row groups that are read although they do not have the value.
const FALSE_POSITIVES: f64 = 0.01;

impl StreamWriter {
    /// Begins an empty file, with at most `group` rows in a row group.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn new(
        file: File,
        schema: &SchemaRef,
        compression: Compression,
        group: usize,
    ) -> Result<Self, ParquetError> {
        let schema = parquet_schema(schema);
        let mut properties = WriterProperties::builder()
            .set_compression(codec(compression))
            .set_max_row_group_row_count(Some(group.max(1)));
        for name in UNIQUE {
            properties = properties.set_column_dictionary_enabled(name.into(), false);
        }
        for name in ["as_der", "leaf", "leaf_hash"] {
            let none = EnabledStatistics::None;
            properties = properties.set_column_statistics_enabled(name.into(), none);
        }
        for name in LOOKED_UP {
            properties = properties
                .set_column_bloom_filter_enabled(name.into(), true)
                .set_column_bloom_filter_fpp(name.into(), FALSE_POSITIVES)
                // Filters of fewer values are made smaller.
                .set_column_bloom_filter_max_ndv(name.into(), group.max(1) as u64);
        }
        let writer =
            ArrowWriter::try_new(file, SchemaRef::clone(&schema), Some(properties.build()))?;
        Ok(Self { writer, schema })
    }

    /// Appends rows of the schema that the file was begun with.
    ///
    /// # Errors
    ///
    /// If they cannot be written.
    pub fn append(&mut self, batch: &RecordBatch) -> Result<(), ParquetError> {
        Ok(self.writer.write(&to_parquet(batch, &self.schema)?)?)
    }

    /// Ends the file with a text, and waits until it is on the disk. Returns its length in bytes.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn finish(mut self, text: &str) -> Result<u64, ParquetError> {
        self.writer.append_key_value_metadata(KeyValue::new(NOTE_KEY.to_owned(), text.to_owned()));
        let file = self.writer.into_inner()?;
        file.sync_all()?;
        Ok(file.metadata()?.len())
    }
}

/// A file that is open for reading. Its library may panic on a damaged file; that is an error here.
pub struct Reader {
    builder: ParquetRecordBatchReaderBuilder<Source>,
    source: Source,
    rows: u64,
    text: Option<String>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl Reader {
    /// Opens a file.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or was not written by this crate.
    pub fn open(file: File) -> Result<Self, ParquetError> {
        let length = file.metadata()?.len();
        Self::of(Source::new(file, length))
    }

    fn of(source: Source) -> Result<Self, ParquetError> {
        let builder = catch_panic(|| ParquetRecordBatchReaderBuilder::try_new(source.clone()))?;
        let builder = builder.map_err(|error| source.cause(error))?;
        schema::check(builder.schema())?;
        let metadata = builder.metadata().file_metadata();
        let pairs = metadata.key_value_metadata().into_iter().flatten();
        let text = pairs.filter(|pair| pair.key == NOTE_KEY).find_map(|pair| pair.value.clone());
        let rows = u64::try_from(metadata.num_rows()).unwrap_or_default();
        Ok(Self { builder, source, rows, text })
    }

    /// Returns the number of rows.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// Returns the text stored in the file, if there is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// Returns the columns.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        SchemaRef::clone(self.builder.schema())
    }

    /// Reads some columns, by name, batch by batch.
    ///
    /// # Errors
    ///
    /// If they cannot be read.
    pub fn batches(
        self,
        names: &[&str],
    ) -> Result<impl Iterator<Item = Result<RecordBatch, ParquetError>>, ParquetError> {
        let Self { builder, source, .. } = self;
        let fields = builder.schema().fields().iter().enumerate();
        let wanted = fields.filter(|(_, field)| names.contains(&field.name().as_str()));
        let wanted: Vec<_> = wanted.map(|(place, _)| place).collect();
        let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
        let batches = catch_panic(|| builder.with_projection(mask).build())?;
        let mut batches = batches.map_err(|error| source.cause(error))?;
        Ok(std::iter::from_fn(move || match catch_panic(|| batches.next()) {
            Ok(batch) => batch.map(|batch| batch.map_err(|error| source.cause(error))),
            Err(damaged) => Some(Err(damaged.into())),
        }))
    }

    /// Reads some columns, by name, and passes them on batch by batch.
    ///
    /// # Errors
    ///
    /// If they cannot be read.
    pub fn columns(
        self,
        names: &[&str],
        mut each: impl FnMut(RecordBatch),
    ) -> Result<(), ParquetError> {
        for batch in self.batches(names)? {
            each(batch?);
        }
        Ok(())
    }
}
