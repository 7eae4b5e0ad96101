//! Batches that may have what a search looks for, newest or oldest first.
//!
//! Of a segment with an index, only the batches are read that the index does not rule out. Without
//! one, the segment is read block by block.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use record::encoding::Message;
use record::{Batch, LogNumber};

use super::lookup::Lookup;
use super::search::{read_batch, unreadable};
use super::{Index, Lost, Row, Source, Term, keys};
use crate::error::ReadError;
use crate::format::Block;
use crate::read::blocks;
use crate::read::walk::{Step, Walk};
use crate::segment::{FIRST_FRAME, Segment};

/// Texts that are looked at while the index of the open segment is locked.
const TEXTS_AT_ONCE: usize = 4096;
/// Texts of a segment with a term at most; with more, any batch may have one.
const MOST_TEXTS: usize = 4096;

/// Batches of a segment that are looked up one by one at most; to list all costs less than to look up more.
const FEW: usize = 32;

/// The order of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The largest offset first.
    Newest,
    /// The smallest offset first.
    Oldest,
}

/// The terms that a search looks for, as far as indexes know them.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// A certificate has one term of each group.
    pub groups: Vec<Vec<Term>>,
    /// The logs that it may be from; `None` for any.
    pub logs: Option<Vec<LogNumber>>,
}

/// A step of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "the large one is the usual one")]
pub enum Next {
    /// A batch that may have what is wanted.
    Batch(Batch),
    /// A part of the range was searched, and has nothing.
    Nothing,
    /// The whole range was searched.
    End,
}

/// A search for batches in a range of offsets.
#[derive(Debug)]
pub struct Finder<'s> {
    source: &'s dyn Source,
    at: Paused,
}

/// A search that is paused, with what it has found out about the segment it has come to.
#[derive(Debug)]
pub struct Paused {
    wanted: Wanted,
    order: Order,
    /// The offsets that are not searched yet.
    left: Range<u64>,
    /// Those that are not searched yet once `rows` and `batches` are.
    after: Range<u64>,
    segment: Option<Arc<Segment>>,
    /// Batches of the segment that may have what is wanted, the next one last.
    rows: Vec<Row>,
    /// Batches of a block without an index, the next one last.
    batches: Vec<Batch>,
    has_lost: bool,
}

/// The part of a journal that a segment has.
struct Part {
    offsets: Range<u64>,
    /// The offset up to which it has entries, as the next segment names it; 0 if there is none.
    entries_end: u64,
}

/// The batches of a segment that may have a term.
enum Candidates {
    /// The segment has no index.
    Unknown,
    Any,
    These(BTreeSet<u32>),
}

impl<'s> Finder<'s> {
    pub(super) fn new(
        source: &'s dyn Source,
        wanted: Wanted,
        order: Order,
        range: Range<u64>,
    ) -> Self {
        let range = range.start..range.end.max(range.start);
        let at = Paused {
            wanted,
            order,
            after: range.clone(),
            left: range,
            segment: None,
            rows: Vec::new(),
            batches: Vec::new(),
            has_lost: false,
        };
        Self { source, at }
    }

    pub(super) const fn resume(source: &'s dyn Source, at: Paused) -> Self {
        Self { source, at }
    }

    /// Pauses the search.
    #[must_use]
    pub fn pause(self) -> Paused {
        self.at
    }

    /// Returns the offsets that are not searched yet: those after the last batch that was returned, in
    /// the order of the search.
    #[must_use]
    pub fn left(&self) -> Range<u64> {
        self.at.left.clone()
    }

    /// Reports whether a part of the range could not be read: it is damaged, or no longer kept.
    #[must_use]
    pub const fn has_lost(&self) -> bool {
        self.at.has_lost
    }

    /// Takes the next step: reads one batch, after a look into the index of its segment where that is the
    /// first one; or rules out a segment. What is left to search shrinks with each step.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn next_step(&mut self) -> Result<Next, ReadError> {
        if self.at.rows.is_empty() && self.at.batches.is_empty() {
            if self.at.left.is_empty() {
                return Ok(Next::End);
            }
            self.enter()?;
        }
        if let Some(batch) = self.at.batches.pop() {
            self.pass(batch.first_offset, batch.next_offset());
            return Ok(Next::Batch(batch));
        }
        let Some(row) = self.at.rows.pop() else { return Ok(Next::Nothing) };
        self.pass(row.first_offset, row.end());
        let batch = self.read(&row)?;
        self.at.has_lost |= batch.is_none();
        Ok(batch.map_or(Next::Nothing, Next::Batch))
    }

    /// Marks the offsets of a batch, and those before it in the order of the search, as searched.
    fn pass(&mut self, first: u64, end: u64) {
        if self.at.rows.is_empty() && self.at.batches.is_empty() {
            self.at.left = self.at.after.clone();
            return;
        }
        let Range { start, end: last } = self.at.left;
        self.at.left = match self.at.order {
            Order::Newest => start..first.clamp(start, last),
            Order::Oldest => end.clamp(start, last)..last,
        };
    }

    /// Returns what is left of the range after a part of it.
    fn without(&self, part: &Range<u64>) -> Range<u64> {
        let Range { start, end } = self.at.left;
        match self.at.order {
            Order::Newest => start..part.start.clamp(start, end),
            Order::Oldest => part.end.clamp(start, end)..end,
        }
    }

    /// Returns the next offset in the order of the search.
    const fn place(&self) -> u64 {
        match self.at.order {
            Order::Newest => self.at.left.end.saturating_sub(1),
            Order::Oldest => self.at.left.start,
        }
    }

    /// Reads a batch; none if it is damaged, cannot be read, or its segment was deleted.
    fn read(&self, row: &Row) -> Result<Option<Batch>, ReadError> {
        let Some(segment) = &self.at.segment else { return Ok(None) };
        let file = match self.source.store().open(segment.name()) {
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        Ok(read_batch(&*file, segment, row).unwrap_or_else(|_| {
            self.source.note(&unreadable(segment, row.at));
            None
        }))
    }

    /// Finds the batches of the next segment.
    fn enter(&mut self) -> Result<(), ReadError> {
        let segments = self.source.store().list();
        let start = |segment: &Arc<Segment>| segment.header.totals.next_offset;
        let place = self.place();
        let at = segments.partition_point(|segment| start(segment) <= place);
        let Some(segment) = at.checked_sub(1).and_then(|at| segments.get(at)) else {
            // What comes before the first segment is no longer kept.
            self.at.has_lost = true;
            self.at.left = self.without(&(0..segments.first().map_or(u64::MAX, start)));
            return Ok(());
        };
        let next = segments.get(at);
        let offsets = start(segment)..next.map_or(u64::MAX, start);
        let entries_end = next.map_or(0, |next| next.header.totals.entries_end);
        let part = Part { offsets, entries_end };
        self.at.after = self.without(&part.offsets);
        self.at.segment = Some(Arc::clone(segment));
        match self.candidates(segment, &part) {
            Candidates::Unknown => self.read_block(segment, &part)?,
            Candidates::These(none) if none.is_empty() => {}
            candidates => self.list_rows(segment, &part, &candidates)?,
        }
        if self.at.rows.is_empty() && self.at.batches.is_empty() {
            self.at.left = self.at.after.clone();
        }
        Ok(())
    }

    /// Returns the offsets of a range that are not searched yet.
    fn left_of(&self, range: &Range<u64>) -> Range<u64> {
        range.start.max(self.at.left.start)..range.end.min(self.at.left.end)
    }

    /// Lists the batches of a segment that lie in the range and may have what is wanted.
    fn list_rows(
        &mut self,
        segment: &Segment,
        part: &Part,
        candidates: &Candidates,
    ) -> Result<(), ReadError> {
        let Range { start: first, end } = self.left_of(&part.offsets);
        let logs = self.at.wanted.logs.as_deref();
        let mut rows = Vec::new();
        let mut list = |index: &dyn Index| {
            let mut add = |row: &Row| {
                let is_there = row.records > 0 && row.end() > first && row.first_offset < end;
                let is_from = || logs.is_none_or(|logs| logs.iter().any(|log| row.has_log(*log)));
                let is_candidate = match candidates {
                    Candidates::These(these) => these.contains(&row.ordinal),
                    _ => true,
                };
                if is_there && is_candidate && is_from() {
                    rows.push(row.clone());
                }
            };
            let Candidates::These(these) = candidates else { return index.rows(&mut add) };
            if these.len() > FEW {
                return index.rows(&mut add);
            }
            for ordinal in these {
                index.row(*ordinal)?.iter().for_each(&mut add);
            }
            Ok(())
        };
        if !self.source.look(segment, &mut list) {
            return self.read_block(segment, part);
        }
        if self.at.order == Order::Oldest {
            rows.reverse();
        }
        self.at.rows = rows;
        Ok(())
    }

    /// Finds the batches of a segment that may have one term of each group.
    fn candidates(&mut self, segment: &Segment, part: &Part) -> Candidates {
        let mut all = Candidates::Any;
        let left = self.left_of(&part.offsets);
        let mut lost = None;
        let mut look = |index: &dyn Index| {
            lost = index.lost(left.start, part.entries_end);
            Ok(())
        };
        if !self.source.look(segment, &mut look) {
            return Candidates::Unknown;
        }
        self.at.has_lost |= lost.is_some_and(|lost| lost < left.end);
        let is_scan = |group: &&Vec<Term>| group.iter().any(Term::is_scan);
        let (scans, others): (Vec<_>, Vec<_>) = self.at.wanted.groups.iter().partition(is_scan);
        for group in others.iter().chain(&scans) {
            // To read a few batches costs less than to look at every text of the segment.
            let is_few = matches!(&all, Candidates::These(these) if these.len() <= FEW);
            if is_few && is_scan(group) {
                break;
            }
            all = match (all, self.of_group(segment, group)) {
                (_, Candidates::Unknown) => return Candidates::Unknown,
                (all, Candidates::Any) => all,
                (Candidates::These(all), Candidates::These(these)) => {
                    Candidates::These(all.intersection(&these).copied().collect())
                }
                (_, these) => these,
            };
            if matches!(&all, Candidates::These(these) if these.is_empty()) {
                break;
            }
        }
        all
    }

    /// Finds the batches of a segment that may have one of the terms.
    fn of_group(&self, segment: &Segment, group: &[Term]) -> Candidates {
        let mut these = BTreeSet::new();
        for term in group {
            if let Term::Serial(serial) = term {
                let key = keys::of_serial(serial);
                let mut found = Vec::new();
                let mut look = |index: &dyn Index| {
                    found = index.serials(key)?;
                    Ok(())
                };
                if !self.source.look(segment, &mut look) {
                    return Candidates::Unknown;
                }
                these.extend(found);
                continue;
            }
            match self.of_texts(segment, Lookup::of(term)) {
                Candidates::These(found) => these.extend(found),
                other => return other,
            }
        }
        Candidates::These(these)
    }

    /// Finds the batches of a segment that have a text. Looks at some texts at a time, so that the index
    /// of the open segment is not locked for long.
    fn of_texts(&self, segment: &Segment, mut lookup: Lookup) -> Candidates {
        let mut these = BTreeSet::new();
        let mut left = MOST_TEXTS;
        for (mut from, to) in std::mem::take(&mut lookup.ranges) {
            loop {
                let mut now = TEXTS_AT_ONCE;
                let mut last = None;
                let mut look = |index: &dyn Index| {
                    index.visit(lookup.texts, &from, &to, &mut |text, batches| {
                        now = now.saturating_sub(1);
                        if now == 0 {
                            last = Some(text.to_vec());
                        }
                        if (lookup.is_wanted)(text) {
                            these.extend(batches);
                            left = left.saturating_sub(1);
                        }
                        left > 0 && now > 0
                    })
                };
                if !self.source.look(segment, &mut look) {
                    return Candidates::Unknown;
                }
                if left == 0 {
                    return Candidates::Any;
                }
                let Some(last) = last else { break };
                from = [last.as_slice(), &[0]].concat();
            }
        }
        Candidates::These(these)
    }

    /// Reads the next block of a segment that has no index.
    fn read_block(&mut self, segment: &Segment, part: &Part) -> Result<(), ReadError> {
        let store = self.source.store();
        match store.open(segment.name()) {
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => {
                self.at.has_lost = true;
                return Ok(());
            }
            file => drop(file?),
        }
        let Ok(found) = blocks::usable(store, segment) else {
            self.source.note(&unreadable(segment, FIRST_FRAME));
            self.at.has_lost = true;
            return Ok(());
        };
        let place = self.place();
        let at = found.partition_point(|block| block.totals.next_offset <= place);
        let (Some(block), next) = (found.get(at.saturating_sub(1)), found.get(at)) else {
            self.at.has_lost = true;
            return Ok(());
        };
        let end = next.map_or(part.offsets.end, |next| next.totals.next_offset);
        let entries_end = next.map_or(part.entries_end, |next| next.totals.entries_end);
        let offsets = block.totals.next_offset..end;
        self.at.after = self.without(&offsets);
        let limit = self.source.head().min(next.map_or(u64::MAX, |next: &Block| next.number));
        let lost = self.walk_block(segment, block, limit);
        let left = self.left_of(&offsets);
        let lost = lost.first(left.start, entries_end);
        self.at.has_lost |= lost.is_some_and(|lost| lost < left.end);
        if self.at.order == Order::Oldest {
            self.at.batches.reverse();
        }
        Ok(())
    }

    /// Reads the batches of a block up to the message with a number. Returns what was found to be lost.
    fn walk_block(&mut self, segment: &Segment, block: &Block, limit: u64) -> Lost {
        let mut walk = Walk::new(segment.name(), block.at, block.number);
        let mut lost = Lost::default();
        loop {
            let step = walk.step(self.source.store(), limit);
            let (name, at) = walk.place();
            match step {
                Ok(Some(_)) if name != segment.name() => return lost,
                Ok(Some(Step::Damage(_))) => self.at.has_lost = true,
                Ok(Some(Step::Message(message, header))) => {
                    lost.pass(&header);
                    let Message::Batch(batch) = message else { continue };
                    let Range { start, end } = self.at.left;
                    let has_records = !batch.records.is_empty();
                    if has_records && batch.next_offset() > start && batch.first_offset < end {
                        self.at.batches.push(batch);
                    }
                }
                Ok(None) => return lost,
                Err(_) => {
                    self.source.note(&unreadable(segment, at));
                    self.at.has_lost = true;
                    return lost;
                }
            }
        }
    }
}
