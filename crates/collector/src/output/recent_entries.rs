//! The newest entries of a file, to detect duplicates after a restart.

use arrow_array::cast::AsArray as _;
use arrow_array::types::UInt64Type;
use arrow_array::{Array as _, RecordBatch, StringArray};
use client::dedup::{SPAN, Window, log_identity_of};

/// The columns that identify an entry.
pub(super) const COLUMNS: [&str; 3] = ["cert_index", "source_url", "log_id"];

/// The number of newest rows that are read at the start.
pub(super) const ROWS: u64 = SPAN;

/// Records the entries of a batch in the window.
pub(super) fn remember(batch: &RecordBatch, window: &mut Window) {
    let text = |name: &str| batch.column_by_name(name)?.as_string_opt::<i32>();
    let Some(indexes) = batch.column_by_name("cert_index") else { return };
    let Some(indexes) = indexes.as_primitive_opt::<UInt64Type>() else { return };
    let (urls, ids) = (text("source_url"), text("log_id"));
    for row in 0..batch.num_rows() {
        let (id, url) = (value(ids, row), value(urls, row));
        let Some(log) = log_identity_of(id, url) else { continue };
        if indexes.is_valid(row) {
            window.record(&log, indexes.value(row));
        }
    }
}

/// Returns the text of a row, if the column is present and the text is not null.
fn value(texts: Option<&StringArray>, row: usize) -> Option<&str> {
    let texts = texts?;
    if texts.is_valid(row) { Some(texts.value(row)) } else { None }
}
