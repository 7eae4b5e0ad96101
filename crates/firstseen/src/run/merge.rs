//! Merging two runs.

use std::iter::Peekable;

use super::{BLOCK, Entry, Run, block};
use crate::error::Error;

/// Blocks that are read at a time.
const BLOCKS: u64 = 16;

/// The entries of two runs in the order of their keys. A domain in both has the certificate of the
/// older run.
#[derive(Debug)]
pub(crate) struct Merge<'r> {
    older: Peekable<Entries<'r>>,
    newer: Peekable<Entries<'r>>,
}

impl<'r> Merge<'r> {
    pub(crate) fn new(older: &'r Run, newer: &'r Run) -> Self {
        Self { older: Entries::of(older).peekable(), newer: Entries::of(newer).peekable() }
    }
}

impl Iterator for Merge<'_> {
    type Item = Result<Entry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let key = |next: Option<&Result<Entry, Error>>| match next {
            Some(Ok((key, _))) => Some(*key),
            // An error comes first.
            Some(Err(_)) | None => None,
        };
        let is_failed = |next: Option<&Result<Entry, Error>>| matches!(next, Some(Err(_)));
        if is_failed(self.newer.peek()) {
            return self.newer.next();
        }
        match (key(self.older.peek()), key(self.newer.peek())) {
            (Some(older), Some(newer)) if newer < older => self.newer.next(),
            (Some(older), Some(newer)) => {
                if newer == older {
                    self.newer.next();
                }
                self.older.next()
            }
            (None, Some(_)) if self.older.peek().is_none() => self.newer.next(),
            _ => self.older.next(),
        }
    }
}

/// The entries of a run in order.
#[derive(Debug)]
struct Entries<'r> {
    run: &'r Run,
    /// Blocks that were read.
    bytes: Vec<u8>,
    /// The number of the first of them.
    first: u64,
    /// The place of the next entry, in the whole run.
    next: u64,
}

impl<'r> Entries<'r> {
    const fn of(run: &'r Run) -> Self {
        Self { run, bytes: Vec::new(), first: 0, next: 0 }
    }

    /// Returns the block with the next entry; reads it and those after it if they are not read yet.
    fn block(&mut self, number: u64) -> Result<&[u8], Error> {
        let place = |first: u64| {
            let before = number.saturating_sub(first).saturating_mul(BLOCK as u64);
            usize::try_from(before).unwrap_or(usize::MAX)
        };
        if place(self.first) >= self.bytes.len() {
            let count = BLOCKS.min(self.run.header.blocks().saturating_sub(number));
            self.first = number;
            self.bytes.resize((count as usize).saturating_mul(BLOCK), 0);
            self.run.read_blocks(number, &mut self.bytes)?;
        }
        Ok(self.bytes.get(place(self.first)..).unwrap_or_default())
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.run.header.entries {
            return None;
        }
        let (number, place) = (self.next / super::PER_BLOCK, self.next % super::PER_BLOCK);
        self.next = self.next.saturating_add(1);
        let entry = self.block(number).map(|bytes| block::entry(bytes, place as usize));
        entry.transpose().or_else(|| {
            Some(Err(Error::damaged(&self.run.path, "a block has fewer entries than it should")))
        })
    }
}
