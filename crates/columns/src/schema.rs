//! The Arrow schema of files, its versions, and the check whether rows fit an existing file.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::column::{COLUMNS, Column, Kind, ROW_DIGEST};

/// The version of the columns that is written. Later versions may only add columns, so that a reader
/// of any version finds those it knows.
pub const VERSION: u32 = 3;

/// The key of the version in a schema's metadata.
const VERSION_KEY: &str = "certstream.schema";
/// The key of the kind of rows in a schema's metadata.
const ROWS_KEY: &str = "certstream.rows_of";

/// The columns of a domains-only stream.
const OF_DOMAINS: [&str; 6] =
    ["offset", "seen", "domains", "registered_domain", "domains_total", "truncated"];

/// The columns of archives only.
const OF_ARCHIVES: [&str; 4] = ["reversed_name", "leaf_hash", "leaf", ROW_DIGEST];
/// The columns that say how a server streamed an entry.
const OF_STREAMS: [&str; 4] = ["offset", "seen", "domains_total", "truncated"];
/// The columns with the bytes of an entry.
const OF_DER: [&str; 2] = ["as_der", "leaf"];

/// The kind of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// An entry of a log.
    Certificates {
        /// True if the certificate itself is stored.
        with_der: bool,
    },
    /// The names of a certificate only, as in a domains-only stream.
    Domains,
    /// An entry of a proved archive.
    Archive {
        /// True if the certificate itself and the leaf are stored.
        with_der: bool,
    },
}

impl Rows {
    const fn name(self) -> &'static str {
        match self {
            Self::Certificates { .. } => "certificates",
            Self::Domains => "domains",
            Self::Archive { .. } => "archive",
        }
    }

    fn has(self, column: &Column) -> bool {
        match self {
            Self::Certificates { with_der } => {
                !OF_ARCHIVES.contains(&column.name) && (with_der || column.name != "as_der")
            }
            Self::Domains => OF_DOMAINS.contains(&column.name),
            Self::Archive { with_der } => {
                !OF_STREAMS.contains(&column.name) && (with_der || !OF_DER.contains(&column.name))
            }
        }
    }
}

/// Columns of a file that rows do not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// A file of another program.
    #[error("the file was not written by certstream-arrow: its schema has no {VERSION_KEY}")]
    Foreign,
    /// A file with rows of another kind.
    #[error(
        "the file has rows of {found}, and rows of {wanted} cannot be added; give another --output"
    )]
    OtherRows {
        /// The kind of rows in the file.
        found: String,
        /// The kind of rows to add.
        wanted: &'static str,
    },
    /// A required column is missing.
    #[error("the file has no column {0}, and none can be added to a file; give another --output")]
    NoColumn(&'static str),
    /// A column has another type.
    #[error("column {name} of the file is {found}, not {expected}; give another --output")]
    OtherType {
        /// The column.
        name: &'static str,
        /// The type in the file.
        found: String,
        /// The type in this version.
        expected: String,
    },
    /// A column unknown to this version must not be null.
    #[error("column {0} of the file is not known here and must not be null; use a newer version")]
    Unknown(String),
}

/// Returns the schema of a new file.
#[must_use]
pub fn schema(rows: Rows) -> SchemaRef {
    let columns = COLUMNS.iter().filter(|column| rows.has(column));
    let fields = columns.map(|column| Field::new(column.name, data_type(column.kind), true));
    let metadata = HashMap::from([
        (VERSION_KEY.to_owned(), VERSION.to_string()),
        (ROWS_KEY.to_owned(), rows.name().to_owned()),
    ]);
    Arc::new(Schema::new(fields.collect::<Vec<_>>()).with_metadata(metadata))
}

/// Checks that a file with this schema was written by this crate.
///
/// # Errors
///
/// If it was not.
pub fn check(schema: &Schema) -> Result<(), SchemaError> {
    version(schema).map(|_| ())
}

/// Returns the version of a schema.
///
/// # Errors
///
/// If it has none: the file was not written by this crate.
pub fn version(schema: &Schema) -> Result<u32, SchemaError> {
    let version = schema.metadata().get(VERSION_KEY).and_then(|version| version.parse().ok());
    version.ok_or(SchemaError::Foreign)
}

/// Returns the name of the kind of rows in a file.
#[must_use]
pub fn rows_of(schema: &Schema) -> &str {
    schema.metadata().get(ROWS_KEY).map_or("certificates", String::as_str)
}

/// Checks that rows can be added to a file with this schema. It may be of an older version, or of a
/// later one, whose additional columns stay null.
///
/// # Errors
///
/// If the rows do not fit, with the reason.
pub fn accepts(schema: &Schema, rows: Rows) -> Result<(), SchemaError> {
    check(schema)?;
    if rows_of(schema) != rows.name() {
        let found = rows_of(schema).to_owned();
        return Err(SchemaError::OtherRows { found, wanted: rows.name() });
    }
    if rows == (Rows::Certificates { with_der: true }) && schema.field_with_name("as_der").is_err()
    {
        return Err(SchemaError::NoColumn("as_der"));
    }
    for field in schema.fields() {
        let known = COLUMNS.iter().find(|column| column.name == field.name());
        match known.map(|column| (column.name, data_type(column.kind))) {
            Some((name, expected)) if !field.data_type().equals_datatype(&expected) => {
                let (found, expected) = (field.data_type().to_string(), expected.to_string());
                return Err(SchemaError::OtherType { name, found, expected });
            }
            None if !field.is_nullable() => return Err(SchemaError::Unknown(field.name().clone())),
            _ => {}
        }
    }
    Ok(())
}

/// Returns the Arrow type of a column.
#[must_use]
pub fn data_type(kind: Kind) -> DataType {
    let utc = || Some("UTC".into());
    match kind {
        Kind::Text(_) => DataType::Utf8,
        Kind::Texts(_) | Kind::Derived(_) => DataType::List(Arc::new(Field::new(
            Field::LIST_FIELD_DEFAULT_NAME,
            DataType::Utf8,
            true,
        ))),
        Kind::Number(_) => DataType::UInt64,
        Kind::Milliseconds(_) => DataType::Timestamp(TimeUnit::Millisecond, utc()),
        Kind::Seconds(_) => DataType::Timestamp(TimeUnit::Second, utc()),
        Kind::Flag(_) => DataType::Boolean,
        Kind::Bytes(_) => DataType::Binary,
    }
}
