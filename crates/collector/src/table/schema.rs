//! The columns, and the versions of them.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::columns::{COLUMNS, Column, Kind};

/// The version of the columns that is written. Later versions may only add columns: a reader of any
/// version finds those it knows.
pub const VERSION: u32 = 2;

/// The key of the version in a schema's metadata.
const VERSION_KEY: &str = "certstream.schema";
/// The key of what the rows are about.
const ROWS_KEY: &str = "certstream.rows_of";

/// The columns of a domains-only stream.
const OF_DOMAINS: [&str; 6] =
    ["offset", "seen", "domains", "registered_domain", "domains_total", "truncated"];

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// An entry of a log.
    Certificates {
        /// Whether the certificate itself is kept.
        with_der: bool,
    },
    /// The names of a certificate and nothing else, as a domains-only stream has them.
    Domains,
}

impl Rows {
    const fn name(self) -> &'static str {
        match self {
            Self::Certificates { .. } => "certificates",
            Self::Domains => "domains",
        }
    }

    fn has(self, column: &Column) -> bool {
        match self {
            Self::Certificates { with_der } => with_der || column.name != "as_der",
            Self::Domains => OF_DOMAINS.contains(&column.name),
        }
    }
}

/// A file's columns are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// Another program's.
    #[error("the file was not written by certstream-arrow: its schema says no {VERSION_KEY}")]
    Foreign,
    /// Rows of another kind.
    #[error(
        "the file has rows of {found}, and rows of {wanted} cannot be added; give another --output"
    )]
    OtherRows {
        /// What the file has.
        found: String,
        /// What was to be added.
        wanted: &'static str,
    },
    /// A column that is asked for is not there.
    #[error("the file has no column {0}, and none can be added to a file; give another --output")]
    NoColumn(&'static str),
    /// A column of another type.
    #[error("column {name} of the file is {found}, not {expected}; give another --output")]
    OtherType {
        /// The column.
        name: &'static str,
        /// Its type in the file.
        found: String,
        /// Its type in this version.
        expected: String,
    },
    /// A column that this version does not know must not be null.
    #[error("column {0} of the file is not known here and must not be null; use a newer version")]
    Unknown(String),
}

/// The columns of a new file.
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

/// Whether a file with these columns is one of ours.
///
/// # Errors
///
/// When it is not.
pub fn check(schema: &Schema) -> Result<(), SchemaError> {
    version(schema).map(|_| ())
}

/// The version that a file of ours says it has.
///
/// # Errors
///
/// When it says none.
pub fn version(schema: &Schema) -> Result<u32, SchemaError> {
    let version = schema.metadata().get(VERSION_KEY).and_then(|version| version.parse().ok());
    version.ok_or(SchemaError::Foreign)
}

/// What the rows of a file are about.
#[must_use]
pub fn rows_of(schema: &Schema) -> &str {
    schema.metadata().get(ROWS_KEY).map_or("certificates", String::as_str)
}

/// Whether rows can be added to a file with these columns: columns of older versions, and columns
/// of later ones, which stay null.
///
/// # Errors
///
/// When they cannot, with the reason.
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

/// The type of a column of this kind.
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
