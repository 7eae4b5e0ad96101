//! Digests of rows: the value of each cell as bytes, the same whatever the file format.

use std::sync::Arc;

use arrow_array::builder::UInt64Builder;
use arrow_array::cast::AsArray as _;
use arrow_array::types::{TimestampMillisecondType, TimestampSecondType, UInt64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, TimeUnit};
use ct::Hash;

use crate::column::ROW_DIGEST;

/// The digest of rows in order: each row's SHA-256 is hashed together with the digest of those before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    digest: Hash,
    count: u64,
}

impl Rows {
    /// Adds the next row.
    pub fn push(&mut self, row: &Hash) {
        let mut both = [0; 64];
        let (before, own) = both.split_at_mut(32);
        before.copy_from_slice(&self.digest);
        own.copy_from_slice(row);
        self.digest = ct::sha256(&both);
        self.count = self.count.saturating_add(1);
    }

    /// Returns the digest of all rows; zero of none.
    #[must_use]
    pub const fn digest(&self) -> Hash {
        self.digest
    }

    /// Returns the number of rows.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }
}

/// Returns the value of a row in the column of digests, from the row's SHA-256.
#[must_use]
pub fn value(row: &Hash) -> u64 {
    row.first_chunk().map_or(0, |start| u64::from_be_bytes(*start))
}

/// Returns the SHA-256 of each row of a batch: of all values but the digest's own.
#[must_use]
pub fn of_rows(batch: &RecordBatch) -> Vec<Hash> {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    let columns: Vec<_> =
        columns.filter(|(field, _)| field.name() != ROW_DIGEST).map(|(_, column)| column).collect();
    let mut bytes = Vec::with_capacity(2048);
    let digest = |row: usize| {
        bytes.clear();
        columns.iter().for_each(|column| cell(column, row, &mut bytes));
        ct::sha256(&bytes)
    };
    (0..batch.num_rows()).map(digest).collect()
}

/// Fills the column of digests, and adds the rows to `rows`.
///
/// # Errors
///
/// If the batch has no such column.
pub fn fill(batch: &RecordBatch, rows: &mut Rows) -> Result<RecordBatch, ArrowError> {
    let place = batch.schema().index_of(ROW_DIGEST)?;
    let mut values = UInt64Builder::with_capacity(batch.num_rows());
    for digest in of_rows(batch) {
        values.append_value(value(&digest));
        rows.push(&digest);
    }
    let mut columns = batch.columns().to_vec();
    if let Some(column) = columns.get_mut(place) {
        *column = Arc::new(values.finish());
    }
    RecordBatch::try_new(batch.schema(), columns)
}

/// Appends the value of a cell. Texts and lists are preceded by their length, and times are in
/// milliseconds, so different rows have different bytes.
pub fn cell(column: &ArrayRef, row: usize, out: &mut Vec<u8>) {
    if column.is_null(row) {
        out.push(0);
        return;
    }
    out.push(1);
    match column.data_type() {
        DataType::Utf8 => counted(column.as_string::<i32>().value(row).as_bytes(), out),
        DataType::Binary => counted(column.as_binary::<i32>().value(row), out),
        DataType::Boolean => out.push(u8::from(column.as_boolean().value(row))),
        DataType::UInt64 => {
            out.extend(column.as_primitive::<UInt64Type>().value(row).to_le_bytes());
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            let value = column.as_primitive::<TimestampMillisecondType>().value(row);
            out.extend(value.to_le_bytes());
        }
        DataType::Timestamp(TimeUnit::Second, _) => {
            let value = column.as_primitive::<TimestampSecondType>().value(row);
            out.extend(value.saturating_mul(1000).to_le_bytes());
        }
        DataType::List(_) => {
            let list = column.as_list::<i32>().value(row);
            out.extend((list.len() as u64).to_le_bytes());
            (0..list.len()).for_each(|item| cell(&list, item, out));
        }
        // No column has another type; a file that says otherwise gets a digest that no row has.
        other => counted(other.to_string().as_bytes(), out),
    }
}

fn counted(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend((bytes.len() as u64).to_le_bytes());
    out.extend_from_slice(bytes);
}
