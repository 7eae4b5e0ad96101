//! Validation of damaged or hostile files before they are decoded.
//!
//! The library that decodes batches trusts the offsets and lengths in their metadata: it panics if
//! they lead out of the batch, and allocates as much as they request.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_ipc::{RecordBatch, root_as_message};

/// The largest body of a batch that is read back, compressed or not: well above the size of any batch
/// that is written.
pub(crate) const MAX_BODY: u64 = 1 << 30;
/// The length before a buffer that is not compressed after all, in a compressed batch.
const UNCOMPRESSED: i64 = -1;

/// Reports whether the metadata of a record batch describe its body. Returns none if it is not a
/// record batch.
///
/// # Errors
///
/// If the metadata are not a flatbuffer.
pub(crate) fn describes(
    metadata: &[u8],
    body: &[u8],
) -> Result<Option<bool>, flatbuffers::InvalidFlatbuffer> {
    let batch = root_as_message(metadata)?.header_as_record_batch();
    Ok(batch.map(|batch| is_within(&batch, body)))
}

fn is_within(batch: &RecordBatch<'_>, body: &[u8]) -> bool {
    let is_count = |count: i64| u64::try_from(count).is_ok_and(|count| count <= MAX_BODY);
    let are_nodes_sound =
        batch.nodes().into_iter().flatten().all(|node| {
            is_count(node.length()) && (0..=node.length()).contains(&node.null_count())
        });
    let is_compressed = batch.compression().is_some();
    let mut total: u64 = 0;
    let are_buffers_sound = batch.buffers().into_iter().flatten().all(|buffer| {
        let place = |at: i64| usize::try_from(at).ok();
        let end = buffer.offset().checked_add(buffer.length()).and_then(place);
        let bytes = place(buffer.offset()).zip(end).and_then(|(from, to)| body.get(from..to));
        let size = bytes.and_then(|bytes| decompressed_size(bytes, is_compressed));
        total = total.saturating_add(size.unwrap_or(u64::MAX));
        total <= MAX_BODY
    });
    is_count(batch.length()) && are_nodes_sound && are_buffers_sound
}

/// Returns the size of a buffer after decompression.
fn decompressed_size(bytes: &[u8], is_compressed: bool) -> Option<u64> {
    if !is_compressed || bytes.is_empty() {
        return Some(bytes.len() as u64);
    }
    match i64::from_le_bytes(*bytes.first_chunk()?) {
        UNCOMPRESSED => Some(bytes.len() as u64),
        size => u64::try_from(size).ok(),
    }
}

/// A damaged file made the library panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damaged;

/// Calls a function of the library that may panic on a damaged file.
///
/// # Errors
///
/// If it panics.
pub(crate) fn catch_panic<T>(decode: impl FnOnce() -> T) -> Result<T, Damaged> {
    catch_unwind(AssertUnwindSafe(decode)).map_err(|_| Damaged)
}
