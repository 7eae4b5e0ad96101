//! Tables of numbers: sorted pairs of a key and the ordinal of a batch.

use std::io;

use crate::storage::File;

use super::blocks::{Directory, damaged};
use super::varint;

/// Bytes at which a block ends.
const BLOCK_BYTES: usize = 4096;

/// A key, and the ordinal of a batch that has it.
pub(super) type Pair = (u64, u32);

/// A table on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pairs(pub(super) Directory<u64>);

/// Pairs that are searched one by one, until they become a run.
const RECENT: usize = if cfg!(test) { 3 } else { 256 };

/// A table in memory: sorted runs, each less than half as long as the one before it, and the newest
/// pairs in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Runs {
    runs: Vec<Vec<Pair>>,
    recent: Vec<Pair>,
}

impl Runs {
    /// Adds a pair.
    pub(super) fn push(&mut self, pair: Pair) {
        self.recent.push(pair);
        if self.recent.len() < RECENT {
            return;
        }
        let mut run = std::mem::take(&mut self.recent);
        run.sort_unstable();
        run.dedup();
        while let Some(last) = self.runs.pop_if(|last| last.len() <= run.len().saturating_mul(2)) {
            run = merge(&last, &run);
        }
        self.runs.push(run);
    }

    /// Removes the pairs with this ordinal or a larger one.
    pub(super) fn truncate(&mut self, ordinal: u32) {
        let runs = self.runs.iter_mut().chain([&mut self.recent]);
        runs.for_each(|run| run.retain(|(_, value)| *value < ordinal));
    }

    /// Returns the values of a key.
    pub(super) fn get(&self, key: u64) -> Vec<u32> {
        let recent = self.recent.iter().filter(|(each, _)| *each == key);
        let mut values: Vec<u32> = recent.map(|(_, value)| *value).collect();
        for run in &self.runs {
            let from = run.partition_point(|(each, _)| *each < key);
            let equal = run.iter().skip(from).take_while(|(each, _)| *each == key);
            values.extend(equal.map(|(_, value)| *value));
        }
        values.sort_unstable();
        values.dedup();
        values
    }

    /// Returns the pair with the largest key that is not larger than `key`.
    pub(super) fn last_up_to(&self, key: u64) -> Option<Pair> {
        let last = |run: &Vec<Pair>| {
            run.get(run.partition_point(|(each, _)| *each <= key).checked_sub(1)?).copied()
        };
        let recent = self.recent.iter().filter(|(each, _)| *each <= key).copied();
        self.runs.iter().filter_map(last).chain(recent).max()
    }

    /// Writes the table to a file, of which `out` is everything so far.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> Pairs {
        let mut recent = self.recent.clone();
        recent.sort_unstable();
        recent.dedup();
        let merged = self.runs.iter().rev().fold(recent, |merged, run| merge(run, &merged));
        let mut directory = Directory::default();
        let mut block = Vec::new();
        let mut first = None;
        let (mut key, mut value) = (0_u64, 0_u32);
        for (next_key, next_value) in merged {
            if first.is_none() {
                (key, value) = (next_key, 0);
                first = Some(next_key);
            }
            varint::put(next_key.saturating_sub(key), &mut block);
            varint::put(zigzag(next_value.wrapping_sub(value)), &mut block);
            (key, value) = (next_key, next_value);
            if block.len() >= BLOCK_BYTES
                && let Some(first) = first.take()
            {
                directory.append(first, &block, out);
                block.clear();
            }
        }
        if let Some(first) = first {
            directory.append(first, &block, out);
        }
        Pairs(directory)
    }
}

impl Pairs {
    /// Returns the values of a key.
    ///
    /// # Errors
    /// If the file cannot be read, or is damaged.
    pub(super) fn get(&self, file: &dyn File, key: u64) -> io::Result<Vec<u32>> {
        let mut values = Vec::new();
        // The key's first pair may be the last of the block before the first that begins with it.
        let mut block = self.0.block_of(|first| *first < key);
        while self.0.first(block).is_some_and(|first| *first <= key) {
            for pair in self.read(file, block)? {
                let (each, value) = pair.ok_or_else(damaged)?;
                if each == key {
                    values.push(value);
                }
            }
            block = block.saturating_add(1);
        }
        Ok(values)
    }

    /// Returns the pair with the largest key that is not larger than `key`.
    ///
    /// # Errors
    /// If the file cannot be read, or is damaged.
    pub(super) fn last_up_to(&self, file: &dyn File, key: u64) -> io::Result<Option<Pair>> {
        let block = self.0.block_of(|first| *first <= key);
        if self.0.first(block).is_none_or(|first| *first > key) {
            return Ok(None);
        }
        let mut last = None;
        for pair in self.read(file, block)? {
            let pair = pair.ok_or_else(damaged)?;
            if pair.0 > key {
                break;
            }
            last = Some(pair);
        }
        Ok(last)
    }

    /// Reads the pairs of a block; none in place of one that is none.
    fn read(
        &self,
        file: &dyn File,
        block: usize,
    ) -> io::Result<impl Iterator<Item = Option<Pair>> + use<>> {
        let bytes = self.0.read(file, block)?;
        let (mut key, mut value) = (self.0.first(block).copied().unwrap_or(0), 0_u32);
        let mut at = 0;
        Ok(std::iter::from_fn(move || {
            let mut rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
            let before = rest.len();
            let mut pair = || {
                key = key.checked_add(varint::take(&mut rest)?)?;
                value = value.wrapping_add(unzigzag(varint::take_u32(&mut rest)?));
                Some((key, value))
            };
            let pair = pair();
            // One that cannot be read ends the block.
            let read = before.saturating_sub(rest.len());
            at = if pair.is_some() { at.saturating_add(read) } else { bytes.len() };
            Some(pair)
        }))
    }
}

/// Merges two sorted runs; what is in both comes once.
fn merge(one: &[Pair], two: &[Pair]) -> Vec<Pair> {
    let mut merged = Vec::with_capacity(one.len().saturating_add(two.len()));
    let (mut one, mut two) = (one.iter().copied().peekable(), two.iter().copied().peekable());
    loop {
        let next = match (one.peek(), two.peek()) {
            (Some(a), Some(b)) if a <= b => one.next(),
            (_, Some(_)) => two.next(),
            (Some(_), None) => one.next(),
            (None, None) => return merged,
        };
        if let Some(next) = next
            && merged.last() != Some(&next)
        {
            merged.push(next);
        }
    }
}

/// Makes small numbers of small differences.
fn zigzag(difference: u32) -> u64 {
    let sign = if difference >> 31 == 1 { u32::MAX } else { 0 };
    u64::from((difference << 1) ^ sign)
}

const fn unzigzag(number: u32) -> u32 {
    let sign = if number & 1 == 1 { u32::MAX } else { 0 };
    (number >> 1) ^ sign
}
