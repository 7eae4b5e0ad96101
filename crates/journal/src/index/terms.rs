//! Tables of texts: each with the ordinals of the batches that have it, as finite state transducers.

use std::cmp::Ordering;
use std::io;

use fst::{IntoStreamer as _, Map, MapBuilder, Streamer as _};

use crate::storage::File;

use super::blocks::{Directory, damaged};
use super::varint;

/// Bytes of terms and ordinals at which a block ends.
const BLOCK_BYTES: usize = 64 << 10;
/// Bytes of a term that count. No filter has a longer one.
pub(super) const MOST_BYTES: usize = 256;
/// A value with this bit is the place of a list of ordinals; any other one is an ordinal.
const IS_LIST: u64 = 1 << 63;

/// A table on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Terms(pub(super) Directory<Box<[u8]>>);

/// Terms that each search sorts, until they become a run.
const RECENT: usize = if cfg!(test) { 3 } else { 256 };

/// A table in memory: sorted runs, each less than half as long as the one before it, and the newest
/// terms, each with an ordinal, in the order in which they came. A term may be in several of them.
#[derive(Clone, Debug, Default)]
pub(super) struct OpenTerms {
    runs: Vec<Run>,
    recent: Vec<(Box<[u8]>, u32)>,
}

/// Terms in their order.
type Run = Vec<(Box<[u8]>, Ordinals)>;

/// Ordinals in ascending order; most terms are in one batch.
#[derive(Clone, Debug)]
struct Ordinals {
    first: u32,
    others: Vec<u32>,
}

impl Ordinals {
    fn iter(&self) -> impl Iterator<Item = u32> {
        std::iter::once(self.first).chain(self.others.iter().copied())
    }

    /// Adds an ordinal, unless it is the last one. Ordinals never decrease.
    fn push(&mut self, ordinal: u32) {
        if *self.others.last().unwrap_or(&self.first) != ordinal {
            self.others.push(ordinal);
        }
    }

    /// Removes an ordinal and larger ones. Returns false if none is left.
    fn truncate(&mut self, ordinal: u32) -> bool {
        self.others.truncate(self.others.partition_point(|each| *each < ordinal));
        self.first < ordinal
    }
}

impl OpenTerms {
    /// Notes that a batch has a term. Ordinals never decrease.
    pub(super) fn insert(&mut self, term: &[u8], ordinal: u32) {
        let term = term.get(..MOST_BYTES).unwrap_or(term);
        self.recent.push((term.into(), ordinal));
        if self.recent.len() < RECENT {
            return;
        }
        let mut run = run(std::mem::take(&mut self.recent));
        while let Some(last) = self.runs.pop_if(|last| last.len() <= run.len().saturating_mul(2)) {
            run = merge(last, run);
        }
        self.runs.push(run);
    }

    /// Removes this ordinal and larger ones.
    pub(super) fn truncate(&mut self, ordinal: u32) {
        self.recent.retain(|(_, each)| *each < ordinal);
        for run in &mut self.runs {
            run.retain_mut(|(_, ordinals)| ordinals.truncate(ordinal));
        }
    }

    /// Visits the terms from `from` up to but not `to`, with their ordinals, until `visit` returns
    /// false.
    pub(super) fn visit(
        &self,
        from: &[u8],
        to: &[u8],
        visit: &mut impl FnMut(&[u8], &[u32]) -> bool,
    ) {
        for (term, ordinals) in self.terms(from).take_while(|(term, _)| *term < to) {
            if !visit(term, &ordinals) {
                return;
            }
        }
    }

    /// Returns the terms from `from` on, in their order, with their ordinals.
    fn terms(&self, from: &[u8]) -> impl Iterator<Item = (&[u8], Vec<u32>)> {
        let recent = self.recent.iter().map(|(term, ordinal)| (&**term, *ordinal));
        let mut recent: Vec<_> = recent.filter(|(term, _)| *term >= from).collect();
        recent.sort_unstable();
        let mut recent = recent.into_iter().peekable();
        let runs = self.runs.iter().map(|run| {
            let first = run.partition_point(|(term, _)| **term < *from);
            run.iter().skip(first).map(|(term, found)| (&**term, found)).peekable()
        });
        let mut runs: Vec<_> = runs.collect();
        std::iter::from_fn(move || {
            let heads = runs.iter_mut().filter_map(|run| run.peek().map(|(term, _)| *term));
            let term = heads.chain(recent.peek().map(|(term, _)| *term)).min()?;
            // Runs are older than the newest terms, and each is older than the next.
            let in_runs = runs.iter_mut().filter_map(|run| run.next_if(|(each, _)| *each == term));
            let mut ordinals: Vec<u32> = in_runs.flat_map(|(_, found)| found.iter()).collect();
            while let Some((_, ordinal)) = recent.next_if(|(each, _)| *each == term) {
                ordinals.push(ordinal);
            }
            ordinals.dedup();
            Some((term, ordinals))
        })
    }

    /// Writes the table to a file, of which `out` is everything so far.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> io::Result<Terms> {
        let mut directory = Directory::default();
        let mut block = Block::default();
        for (term, ordinals) in self.terms(&[]) {
            block.insert(term, &ordinals)?;
            if block.bytes >= BLOCK_BYTES {
                std::mem::take(&mut block).finish(&mut directory, out)?;
            }
        }
        block.finish(&mut directory, out)?;
        Ok(Terms(directory))
    }
}

/// Makes a run of terms in the order in which they came.
fn run(mut terms: Vec<(Box<[u8]>, u32)>) -> Run {
    terms.sort_unstable();
    let mut run = Run::new();
    for (term, ordinal) in terms {
        match run.last_mut() {
            Some((last, ordinals)) if *last == term => ordinals.push(ordinal),
            _ => run.push((term, Ordinals { first: ordinal, others: Vec::new() })),
        }
    }
    run
}

/// Merges two runs, of which the first is older.
fn merge(older: Run, newer: Run) -> Run {
    let mut merged = Run::with_capacity(older.len().saturating_add(newer.len()));
    let (mut older, mut newer) = (older.into_iter().peekable(), newer.into_iter().peekable());
    loop {
        let order = match (older.peek(), newer.peek()) {
            (Some((one, _)), Some((two, _))) => one.cmp(two),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return merged,
        };
        let (first, second) = match order {
            Ordering::Less => (older.next(), None),
            Ordering::Equal => (older.next(), newer.next()),
            Ordering::Greater => (newer.next(), None),
        };
        let Some((term, mut ordinals)) = first else { return merged };
        if let Some((_, more)) = second {
            more.iter().for_each(|ordinal| ordinals.push(ordinal));
        }
        merged.push((term, ordinals));
    }
}

/// A block to be written: the length of the transducer in four bytes, the transducer, the lists.
struct Block {
    first: Option<Box<[u8]>>,
    map: MapBuilder<Vec<u8>>,
    lists: Vec<u8>,
    bytes: usize,
}

impl Default for Block {
    fn default() -> Self {
        Self { first: None, map: MapBuilder::memory(), lists: Vec::new(), bytes: 0 }
    }
}

impl Block {
    fn insert(&mut self, term: &[u8], ordinals: &[u32]) -> io::Result<()> {
        self.first.get_or_insert_with(|| term.into());
        let start = self.lists.len();
        let value = if let [ordinal] = ordinals {
            u64::from(*ordinal)
        } else {
            varint::put(ordinals.len() as u64, &mut self.lists);
            let mut before = 0;
            for ordinal in ordinals.iter().copied() {
                varint::put(ordinal.saturating_sub(before).into(), &mut self.lists);
                before = ordinal;
            }
            start as u64 | IS_LIST
        };
        self.map.insert(term, value).map_err(io::Error::other)?;
        let list = self.lists.len().saturating_sub(start);
        self.bytes = self.bytes.saturating_add(term.len()).saturating_add(list);
        Ok(())
    }

    fn finish(self, directory: &mut Directory<Box<[u8]>>, out: &mut Vec<u8>) -> io::Result<()> {
        let Some(first) = self.first else { return Ok(()) };
        let map = self.map.into_inner().map_err(io::Error::other)?;
        let length = u32::try_from(map.len()).map_err(io::Error::other)?;
        let block = [&length.to_le_bytes(), map.as_slice(), &self.lists].concat();
        directory.append(first, &block, out);
        Ok(())
    }
}

impl Terms {
    /// Visits the terms from `from` up to but not `to`, with their ordinals, until `visit` returns
    /// false.
    ///
    /// # Errors
    /// If the file cannot be read, or is damaged.
    pub(super) fn visit(
        &self,
        file: &dyn File,
        from: &[u8],
        to: &[u8],
        visit: &mut impl FnMut(&[u8], &[u32]) -> bool,
    ) -> io::Result<()> {
        let mut block = self.0.block_of(|first| &**first <= from);
        while self.0.first(block).is_some_and(|first| &**first < to) {
            let bytes = self.0.read(file, block)?;
            if !visit_block(&bytes, from, to, visit).ok_or_else(damaged)? {
                return Ok(());
            }
            block = block.saturating_add(1);
        }
        Ok(())
    }
}

/// Visits the terms of a block; none if it is no block. Returns false if `visit` did.
fn visit_block(
    bytes: &[u8],
    from: &[u8],
    to: &[u8],
    visit: &mut impl FnMut(&[u8], &[u32]) -> bool,
) -> Option<bool> {
    let (length, rest) = bytes.split_first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (map, lists) = rest.split_at_checked(length)?;
    let map = Map::new(map).ok()?;
    let mut stream = map.range().ge(from).lt(to).into_stream();
    let mut ordinals = Vec::new();
    while let Some((term, value)) = stream.next() {
        ordinals.clear();
        if value & IS_LIST == 0 {
            ordinals.push(u32::try_from(value).ok()?);
        } else {
            let mut list = lists.get(usize::try_from(value & !IS_LIST).ok()?..)?;
            let mut ordinal = 0_u32;
            for _ in 0..varint::take(&mut list)? {
                ordinal = ordinal.checked_add(varint::take_u32(&mut list)?)?;
                ordinals.push(ordinal);
            }
        }
        if !visit(term, &ordinals) {
            return Some(false);
        }
    }
    Some(true)
}
