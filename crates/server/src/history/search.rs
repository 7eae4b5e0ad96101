//! Searches of the journal: slices of work in threads of low priority, so that live clients come first.

mod names;
mod places;
mod position;
pub(crate) mod query;
mod stock;
mod unique;

use std::sync::Arc;
use std::time::{Duration, Instant};

use journal::{Finder, Next, Order, Paused, ReadError, Searchable};
use record::{Batch, Record};
use wire::Source;

pub(crate) use self::names::Pattern;
pub(crate) use self::places::{Failure, Places};
pub(crate) use self::position::{Bounds, Position, Searched};
pub(crate) use self::query::{Query, Serial, Unique};
#[cfg(test)]
pub(crate) use self::stock::Stock;
pub(crate) use self::stock::{Full, Share};
use self::unique::{Lookup, Seen};
use crate::publish::entries::Entries;

/// The time after which a slice ends and another search has its turn.
pub(crate) const SLICE: Duration = Duration::from_millis(100);
/// Bytes of certificates with which a slice ends, so that no slice takes much memory.
const SLICE_CERTIFICATES: usize = 512 << 10;

/// A certificate that was found.
#[derive(Debug, Clone)]
pub(crate) struct Hit {
    /// Its offset.
    pub(crate) offset: u64,
    /// The record.
    pub(crate) record: Record,
    /// The log it was read from.
    pub(crate) source: Arc<Source>,
    /// With [`Unique::Name`]: the names that no result before it has, in lower case.
    pub(crate) names: Vec<String>,
}

/// A journal, and what is searched for in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Search<'s> {
    pub(crate) journal: Searchable<'s>,
    pub(crate) logs: &'s Entries,
    pub(crate) query: &'s Query,
}

/// The state of a search between two slices, which saves work. Without it, a search continues at its
/// position.
#[derive(Debug, Default)]
pub(crate) struct Between {
    paused: Option<Paused>,
    /// Records of a batch that was read, the next one last.
    records: Vec<(u64, Record)>,
    seen: Seen,
    /// The look-up of the next record, if a slice ended in it.
    lookup: Option<Lookup>,
}

impl Between {
    /// Forgets all but the progress of a look-up, which is small.
    pub(crate) fn forget(&mut self) {
        *self = Self { lookup: self.lookup.take(), ..Self::default() };
    }

    /// Reports whether the slice ended in a look-up.
    pub(crate) const fn is_amid_look_up(&self) -> bool {
        self.lookup.is_some()
    }
}

/// The outcome of a record.
enum Outcome {
    /// It is a result, or none.
    Decided(Option<Hit>),
    /// It takes another slice.
    Undecided(Record),
}

/// The end of a slice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Results.
    pub(crate) results: usize,
    /// The time at which to stop. At least one step is taken.
    pub(crate) until: Instant,
}

impl Limits {
    fn are_reached(&self, found: &Found) -> bool {
        found.hits.len() >= self.results
            || found.bytes >= SLICE_CERTIFICATES
            || Instant::now() >= self.until
    }
}

/// The results of a slice.
#[derive(Debug, Default)]
struct Found {
    hits: Vec<Hit>,
    /// Bytes of their certificates.
    bytes: usize,
}

impl Found {
    fn add(&mut self, hit: Hit) {
        self.bytes = self.bytes.saturating_add(hit.record.certificate.len());
        self.hits.push(hit);
    }
}

impl Search<'_> {
    /// Searches on from a position, until the range is searched or a limit is reached. What it returns
    /// is in the order of the query.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub(crate) fn continue_at(
        &self,
        position: &mut Position,
        between: &mut Between,
        limits: Limits,
    ) -> Result<Vec<Hit>, ReadError> {
        let mut finder = match between.paused.take() {
            Some(paused) => self.journal.resume(paused),
            None => {
                let wanted = self.query.wanted(self.logs);
                self.journal.find(wanted, self.query.order, position.left.clone())
            }
        };
        let found = self.advance(&mut finder, position, between, limits)?;
        between.paused = Some(finder.pause());
        Ok(found.hits)
    }

    fn advance(
        &self,
        finder: &mut Finder<'_>,
        position: &mut Position,
        between: &mut Between,
        limits: Limits,
    ) -> Result<Found, ReadError> {
        let mut found = Found::default();
        loop {
            while let Some((offset, record)) = between.records.pop() {
                match self.hit(offset, record, position, between, limits.until)? {
                    Outcome::Decided(hit) => hit.into_iter().for_each(|hit| found.add(hit)),
                    Outcome::Undecided(record) => {
                        between.records.push((offset, record));
                        return Ok(found);
                    }
                }
                position.pass(offset, self.query.order);
                if limits.are_reached(&found) {
                    return Ok(found);
                }
            }
            position.left = finder.left();
            if position.is_at_end() {
                return Ok(found);
            }
            let next = finder.next_step()?;
            position.has_lost |= finder.has_lost();
            match next {
                Next::Batch(batch) => between.records = self.records(batch, position),
                Next::Nothing | Next::End => position.left = finder.left(),
            }
            if limits.are_reached(&found) {
                return Ok(found);
            }
        }
    }

    /// Returns the records of a batch that are in the range, the next one last.
    fn records(&self, batch: Batch, position: &Position) -> Vec<(u64, Record)> {
        let records = (batch.first_offset..).zip(batch.records);
        let mut records: Vec<(u64, Record)> =
            records.filter(|(offset, _)| position.left.contains(offset)).collect();
        if self.query.order == Order::Oldest {
            records.reverse();
        }
        records
    }

    /// Decides whether a record is wanted, and not a repetition.
    fn hit(
        &self,
        offset: u64,
        record: Record,
        position: &Position,
        between: &mut Between,
        until: Instant,
    ) -> Result<Outcome, ReadError> {
        let Some(source) = self.logs.source(record.log) else { return Ok(Outcome::Decided(None)) };
        let continued = between.lookup.take().filter(|lookup| lookup.offset == offset);
        if continued.is_none() && !self.query.passes(&record, &source) {
            return Ok(Outcome::Decided(None));
        }
        if self.query.unique.is_none() {
            return Ok(Outcome::Decided(Some(Hit { offset, record, source, names: Vec::new() })));
        }
        let mut lookup = continued.unwrap_or_else(|| {
            let before = position.before(offset, self.query.order);
            Lookup::begin(self, (offset, &record), before, &mut between.seen)
        });
        Ok(match lookup.advance(self, &record, until)? {
            unique::Outcome::New(names) => {
                Outcome::Decided(Some(Hit { offset, record, source, names }))
            }
            unique::Outcome::Repeated => Outcome::Decided(None),
            unique::Outcome::Unfinished => {
                between.lookup = Some(lookup);
                Outcome::Undecided(record)
            }
        })
    }
}
