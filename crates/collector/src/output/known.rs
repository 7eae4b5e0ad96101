//! What a file knows of entries, to notice their doubles after a restart.

use arrow_array::cast::AsArray as _;
use arrow_array::types::UInt64Type;
use arrow_array::{Array as _, RecordBatch};

use crate::dedup::{SPAN, Window};
use crate::intake::identity_of;

/// The columns that identify an entry.
pub(super) const COLUMNS: [&str; 3] = ["cert_index", "source_url", "log_id"];

/// Newest rows that are looked at after a start.
pub(super) const ROWS: u64 = SPAN;

/// Has the window see the entries of a batch.
pub(super) fn remember(batch: &RecordBatch, window: &mut Window) {
    let text = |name: &str| batch.column_by_name(name)?.as_string_opt::<i32>();
    let Some(indexes) = batch.column_by_name("cert_index") else { return };
    let Some(indexes) = indexes.as_primitive_opt::<UInt64Type>() else { return };
    let (urls, ids) = (text("source_url"), text("log_id"));
    for row in 0..batch.num_rows() {
        let value = |texts: Option<&'_ arrow_array::StringArray>| {
            texts.filter(|texts| texts.is_valid(row)).map(|texts| texts.value(row).to_owned())
        };
        let (id, url) = (value(ids), value(urls));
        let Some(log) = identity_of(id.as_deref(), url.as_deref()) else { continue };
        if indexes.is_valid(row) {
            window.see(&log, indexes.value(row));
        }
    }
}
