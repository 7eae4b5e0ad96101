//! The table of batches: the place of each in the segment, its offsets, and the entries of logs in it.

use std::io;

use record::LogNumber;

use crate::storage::File;

use super::blocks::{Directory, Key, damaged};
use super::varint;

/// Bytes at which a block ends.
const BLOCK_BYTES: usize = 4096;
/// Logs in one batch at most, as far as memory is concerned.
const MOST_LOGS: u64 = 4096;

/// A batch as the index knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    /// Its number, counted from the first message of the segment.
    pub(crate) ordinal: u32,
    /// The place of its frame in the file.
    pub(crate) at: u64,
    /// The offset of its first record.
    pub(crate) first_offset: u64,
    /// Number of its records.
    pub(crate) records: u32,
    /// For each log, the first index and the number of indexes that it accounts for.
    pub(crate) advances: Vec<(LogNumber, u64, u64)>,
    /// The logs of records that were missing when their log advanced, in ascending order.
    pub(crate) backfilled: Vec<LogNumber>,
}

/// The least values of a block: ordinal, place and first offset.
type First = (u32, u64, u64);

/// A table on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rows(pub(super) Directory<First>);

impl Key for First {
    fn put(&self, out: &mut Vec<u8>) {
        varint::put(self.0.into(), out);
        varint::put(self.1, out);
        varint::put(self.2, out);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        Some((varint::take_u32(bytes)?, varint::take(bytes)?, varint::take(bytes)?))
    }
}

impl Row {
    fn first(&self) -> First {
        (self.ordinal, self.at, self.first_offset)
    }

    /// Returns the offset after its last record.
    pub(crate) const fn end(&self) -> u64 {
        self.first_offset.saturating_add(self.records as u64)
    }

    /// Reports whether records may be from a log.
    pub(super) fn has_log(&self, log: LogNumber) -> bool {
        self.advances.iter().any(|(other, ..)| *other == log) || self.backfilled.contains(&log)
    }

    fn put(&self, before: First, out: &mut Vec<u8>) {
        varint::put(self.ordinal.saturating_sub(before.0).into(), out);
        varint::put(self.at.saturating_sub(before.1), out);
        varint::put(self.first_offset.saturating_sub(before.2), out);
        varint::put(self.records.into(), out);
        varint::put(self.advances.len() as u64, out);
        for (log, first, count) in &self.advances {
            varint::put(log.0.into(), out);
            varint::put(*first, out);
            varint::put(*count, out);
        }
        varint::put(self.backfilled.len() as u64, out);
        for log in &self.backfilled {
            varint::put(log.0.into(), out);
        }
    }

    fn take(before: First, bytes: &mut &[u8]) -> Option<Self> {
        let ordinal = before.0.checked_add(varint::take_u32(bytes)?)?;
        let at = before.1.checked_add(varint::take(bytes)?)?;
        let first_offset = before.2.checked_add(varint::take(bytes)?)?;
        let records = varint::take_u32(bytes)?;
        let count = take_count(bytes)?;
        let mut advances = Vec::new();
        for _ in 0..count {
            let log = LogNumber(varint::take_u32(bytes)?);
            advances.push((log, varint::take(bytes)?, varint::take(bytes)?));
        }
        let mut backfilled = Vec::new();
        for _ in 0..take_count(bytes)? {
            backfilled.push(LogNumber(varint::take_u32(bytes)?));
        }
        Some(Self { ordinal, at, first_offset, records, advances, backfilled })
    }
}

/// Reads a number of logs.
fn take_count(bytes: &mut &[u8]) -> Option<u64> {
    varint::take(bytes).filter(|count| *count <= MOST_LOGS)
}

/// Writes a table of batches in ascending order to a file, of which `out` is everything so far.
pub(super) fn write(rows: &[Row], out: &mut Vec<u8>) -> Rows {
    let mut directory = Directory::default();
    let mut block = Vec::new();
    let mut begins: Option<First> = None;
    let mut before = First::default();
    for row in rows {
        if begins.is_none() {
            (begins, before) = (Some(row.first()), row.first());
        }
        row.put(before, &mut block);
        before = row.first();
        if block.len() >= BLOCK_BYTES
            && let Some(first) = begins.take()
        {
            directory.append(first, &block, out);
            block.clear();
        }
    }
    if let Some(first) = begins {
        directory.append(first, &block, out);
    }
    Rows(directory)
}

impl Rows {
    /// Returns the batch with this ordinal.
    ///
    /// # Errors
    /// If the file cannot be read, or is damaged.
    pub(super) fn get(&self, file: &dyn File, ordinal: u32) -> io::Result<Option<Row>> {
        let block = self.0.block_of(|first| first.0 <= ordinal);
        let rows = self.read(file, block)?;
        Ok(rows.into_iter().find(|row| row.ordinal == ordinal))
    }

    /// Returns the batch with the record at `offset`, or the next one that has records.
    ///
    /// # Errors
    /// If the file cannot be read, or is damaged.
    pub(super) fn at_offset(&self, file: &dyn File, offset: u64) -> io::Result<Option<Row>> {
        let mut block = self.0.block_of(|first| first.2 <= offset);
        while block < self.0.len() {
            let rows = self.read(file, block)?;
            if let Some(row) = rows.into_iter().find(|row| row.end() > offset) {
                return Ok(Some(row));
            }
            block = block.saturating_add(1);
        }
        Ok(None)
    }

    /// Visits all batches in their order.
    ///
    /// # Errors
    /// If the file cannot be read, or is damaged.
    pub(super) fn visit(&self, file: &dyn File, visit: &mut dyn FnMut(&Row)) -> io::Result<()> {
        for block in 0..self.0.len() {
            self.read(file, block)?.iter().for_each(&mut *visit);
        }
        Ok(())
    }

    fn read(&self, file: &dyn File, block: usize) -> io::Result<Vec<Row>> {
        let Some(first) = self.0.first(block) else { return Ok(Vec::new()) };
        let bytes = self.0.read(file, block)?;
        let (mut rest, mut before) = (bytes.as_slice(), *first);
        let mut rows = Vec::new();
        while !rest.is_empty() {
            let row = Row::take(before, &mut rest).ok_or_else(damaged)?;
            before = row.first();
            rows.push(row);
        }
        Ok(rows)
    }
}
