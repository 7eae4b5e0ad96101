//! What keeps a damaged or hostile file from bringing the program down.
//!
//! The library that decodes batches trusts what their metadata say of places and lengths: it panics
//! where they lead out of the batch, and allocates what they ask for.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_ipc::{RecordBatch, root_as_message};

use super::FeatherError;

/// The largest body of a batch that is read back, compressed or not: well above what a buffer of
/// rows may hold.
pub(super) const MAX_BODY: u64 = 1 << 30;
/// The length before a compressed buffer; -1 says that it is not compressed after all.
const UNCOMPRESSED: i64 = -1;

/// Checks that a record batch describes what is in its body.
pub(super) fn check(metadata: &[u8], body: &[u8]) -> Result<(), FeatherError> {
    let message = root_as_message(metadata)?;
    let batch = message.header_as_record_batch().ok_or(FeatherError::NoBatch)?;
    if is_within(&batch, body) { Ok(()) } else { Err(FeatherError::Damaged) }
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
        let size = bytes.and_then(|bytes| unpacked(bytes, is_compressed));
        total = total.saturating_add(size.unwrap_or(u64::MAX));
        total <= MAX_BODY
    });
    is_count(batch.length()) && are_nodes_sound && are_buffers_sound
}

/// How large a buffer is when it is unpacked.
fn unpacked(bytes: &[u8], is_compressed: bool) -> Option<u64> {
    if !is_compressed || bytes.is_empty() {
        return Some(bytes.len() as u64);
    }
    match i64::from_le_bytes(*bytes.first_chunk()?) {
        UNCOMPRESSED => Some(bytes.len() as u64),
        size => u64::try_from(size).ok(),
    }
}

/// Runs a part of the library that may panic on what a file says.
pub(crate) fn guarded<T>(decode: impl FnOnce() -> T) -> Result<T, FeatherError> {
    catch_unwind(AssertUnwindSafe(decode)).map_err(|_| FeatherError::Damaged)
}
