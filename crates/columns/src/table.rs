//! The columns of rows that wait to be written as a batch.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, ListBuilder, StringBuilder, TimestampMillisecondBuilder,
    TimestampSecondBuilder, UInt64Builder,
};
use arrow_array::{ArrayRef, RecordBatch, new_null_array};
use arrow_schema::{ArrowError, DataType, SchemaRef};

use crate::column::{COLUMNS, Derived, Kind, is_date};
use crate::row::Row;
use crate::schema;

/// The size of rows, in bytes of their sources, at which they should be written, however few they are.
pub const MAX_BYTES: usize = 32 << 20;

/// Rows of one schema.
#[derive(Debug)]
pub struct Table {
    schema: SchemaRef,
    columns: Vec<Values>,
    rows: usize,
    bytes: usize,
}

/// The values of a column.
#[derive(Debug)]
enum Values {
    Text(StringBuilder, for<'r> fn(&'r dyn Row) -> Option<Cow<'r, str>>),
    Texts(ListBuilder<StringBuilder>, for<'r> fn(&'r dyn Row) -> &'r [Cow<'r, str>]),
    Derived(ListBuilder<StringBuilder>, for<'r> fn(&'r dyn Row) -> Derived<'r>),
    Number(UInt64Builder, fn(&dyn Row) -> Option<u64>),
    Milliseconds(TimestampMillisecondBuilder, fn(&dyn Row) -> Option<u64>),
    Seconds(TimestampSecondBuilder, fn(&dyn Row) -> Option<i64>),
    Flag(BooleanBuilder, fn(&dyn Row) -> Option<bool>),
    Bytes(BinaryBuilder, for<'r> fn(&'r dyn Row) -> Option<&'r [u8]>),
    /// A column unknown to this version.
    Unknown(DataType),
}

impl Table {
    /// Returns a table without rows. Its columns are those of `schema`, which must
    /// [accept](schema::accepts) the rows.
    #[must_use]
    pub fn new(schema: &SchemaRef) -> Self {
        let columns = schema.fields().iter().map(|field| {
            let known = COLUMNS.iter().find(|column| column.name == field.name());
            known.map_or_else(
                || Values::Unknown(field.data_type().clone()),
                |column| Values::new(column.kind),
            )
        });
        let columns = columns.collect();
        Self { schema: SchemaRef::clone(schema), columns, rows: 0, bytes: 0 }
    }

    /// Adds a row whose source has this size in bytes.
    pub fn push(&mut self, row: &dyn Row, bytes: usize) {
        for column in &mut self.columns {
            column.push(row);
        }
        self.rows += 1;
        self.bytes += bytes;
    }

    /// Returns the number of rows.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Reports whether there are so many rows, or of such a size, that they should be written.
    #[must_use]
    pub const fn is_full(&self, rows: usize) -> bool {
        self.rows >= rows || self.bytes >= MAX_BYTES
    }

    /// Takes all rows.
    ///
    /// # Errors
    ///
    /// If the columns do not fit the schema, which is impossible if the schema accepts them.
    pub fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let arrays = self.columns.iter_mut().map(|column| column.take(rows)).collect();
        RecordBatch::try_new(SchemaRef::clone(&self.schema), arrays)
    }
}

impl Values {
    fn new(kind: Kind) -> Self {
        let data_type = schema::data_type(kind);
        match kind {
            Kind::Text(value) => Self::Text(StringBuilder::new(), value),
            Kind::Texts(value) => Self::Texts(ListBuilder::new(StringBuilder::new()), value),
            Kind::Derived(value) => Self::Derived(ListBuilder::new(StringBuilder::new()), value),
            Kind::Number(value) => Self::Number(UInt64Builder::new(), value),
            Kind::Milliseconds(value) => {
                let builder = TimestampMillisecondBuilder::new().with_data_type(data_type);
                Self::Milliseconds(builder, value)
            }
            Kind::Seconds(value) => {
                Self::Seconds(TimestampSecondBuilder::new().with_data_type(data_type), value)
            }
            Kind::Flag(value) => Self::Flag(BooleanBuilder::new(), value),
            Kind::Bytes(value) => Self::Bytes(BinaryBuilder::new(), value),
        }
    }

    fn push(&mut self, row: &dyn Row) {
        match self {
            Self::Text(builder, value) => builder.append_option(value(row)),
            Self::Texts(builder, value) => {
                for text in value(row) {
                    builder.values().append_value(text);
                }
                builder.append(true);
            }
            Self::Derived(builder, value) => {
                for text in value(row) {
                    builder.values().append_option(text);
                }
                builder.append(true);
            }
            Self::Number(builder, value) => builder.append_option(value(row)),
            Self::Milliseconds(builder, value) => {
                builder.append_option(value(row).and_then(in_calendar));
            }
            Self::Seconds(builder, value) => builder.append_option(value(row)),
            Self::Flag(builder, value) => builder.append_option(value(row)),
            Self::Bytes(builder, value) => builder.append_option(value(row)),
            Self::Unknown(_) => {}
        }
    }

    fn take(&mut self, rows: usize) -> ArrayRef {
        match self {
            Self::Text(builder, _) => Arc::new(builder.finish()),
            Self::Texts(builder, _) => Arc::new(builder.finish()),
            Self::Derived(builder, _) => Arc::new(builder.finish()),
            Self::Number(builder, _) => Arc::new(builder.finish()),
            Self::Milliseconds(builder, _) => Arc::new(builder.finish()),
            Self::Seconds(builder, _) => Arc::new(builder.finish()),
            Self::Flag(builder, _) => Arc::new(builder.finish()),
            Self::Bytes(builder, _) => Arc::new(builder.finish()),
            Self::Unknown(data_type) => new_null_array(data_type, rows),
        }
    }
}

/// Returns a time that every program can show: up to the year 9999.
fn in_calendar(milliseconds: u64) -> Option<i64> {
    let milliseconds = i64::try_from(milliseconds).ok()?;
    is_date(milliseconds / 1000).then_some(milliseconds)
}

#[cfg(test)]
mod tests;
