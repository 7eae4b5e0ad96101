//! The sums over the entries of a stream.

use record::Batch;

/// The sums over the entries of a stream, up to a place in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Entries published since the stream began.
    pub entries: u64,
    /// The offset after the last one; 0 if there is none.
    pub end: u64,
    /// The latest time at which one was seen, in milliseconds since 1970.
    pub newest: u64,
}

impl Totals {
    /// Bytes of encoded totals.
    pub(super) const BYTES: usize = 24;

    /// Adds the entries of the batch that follows.
    pub(super) fn add(&mut self, batch: &Batch) {
        if batch.records.is_empty() {
            return;
        }
        let seen = batch.records.iter().map(|record| record.seen).max().unwrap_or_default();
        self.entries = self.entries.saturating_add(batch.records.len() as u64);
        self.end = batch.next_offset();
        self.newest = self.newest.max(seen);
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for number in [self.entries, self.end, self.newest] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// Reads totals, and returns what follows them.
    pub(super) fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (entries, rest) = bytes.split_first_chunk()?;
        let (end, rest) = rest.split_first_chunk()?;
        let (newest, rest) = rest.split_first_chunk()?;
        let [entries, end, newest] =
            [entries, end, newest].map(|number| u64::from_le_bytes(*number));
        Some((Self { entries, end, newest }, rest))
    }
}
