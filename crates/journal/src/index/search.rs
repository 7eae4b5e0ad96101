//! Look-ups through the indexes: certificates, entries of logs, and what a filter need not read.

use std::io;
use std::sync::Arc;

use cert::{Certificate, Digests};
use record::encoding::{Decoder, Message};
use record::{Batch, Gap, LogNumber, Record, Sighting};

use super::lookup::Lookup;
use super::{Index, Indexes, Row, Term, keys};
use crate::damage::{Damage, DamageKind};
use crate::error::ReadError;
use crate::format::{Codec, FrameKind};
use crate::read::scan::{Found as Frame, Window};
use crate::segment::Segment;
use crate::storage::File;

/// Texts that are looked at to skip batches of a segment, before it gives up ruling out.
const MOST_TEXTS: usize = 4096;

/// The digest of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Digest {
    /// SHA-1 of the DER.
    Sha1([u8; 20]),
    /// SHA-256 of the DER.
    Sha256([u8; 32]),
}

/// A record that is kept, with its sightings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its offset.
    pub offset: u64,
    /// The record. Its chain may lack issuers.
    pub record: Record,
    /// The entries that repeat it, in the order in which they were committed.
    pub sightings: Vec<Sighting>,
}

/// The result of a look-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A record.
    Record(Kept),
    /// A sighting, with the record that it repeats, if that is still kept. The sighting of a certificate
    /// that is only linked to the record has its own digest.
    Sighting(Sighting, Option<Kept>),
    /// Indexes of a log that were not published.
    Gap(Gap),
}

impl Digest {
    fn key(&self) -> u64 {
        match self {
            Self::Sha1(digest) => keys::of_digest(digest),
            Self::Sha256(digest) => keys::of_digest(digest),
        }
    }

    fn is_of(&self, record: &Record) -> bool {
        match self {
            Self::Sha1(digest) => {
                Digests::with_sha256(record.fingerprint, &record.certificate).sha1 == *digest
            }
            Self::Sha256(digest) => record.fingerprint == *digest,
        }
    }
}

/// The place of a certificate.
enum Place {
    /// The record at this position of the batch.
    Record(Batch, usize),
    /// Another one that it is linked to.
    Linked(Sighting),
}

impl Indexes {
    /// Finds the newest record of a certificate, or a sighting of it that is only linked to another one.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn certificate(&self, digest: &Digest) -> Result<Option<Found>, ReadError> {
        match self.place(digest)? {
            Some(Place::Record(batch, position)) => {
                Ok(self.kept(batch, position).map(Found::Record))
            }
            Some(Place::Linked(sighting)) => {
                Ok(Some(Found::Sighting(sighting, self.record(sighting.offset)?)))
            }
            None => Ok(None),
        }
    }

    /// Returns the offset at which a certificate was published, or another one that it is linked to.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn published(&self, digest: &Digest) -> Result<Option<u64>, ReadError> {
        Ok(self.place(digest)?.map(|place| match place {
            Place::Record(batch, position) => batch.first_offset.saturating_add(position as u64),
            Place::Linked(sighting) => sighting.offset,
        }))
    }

    /// Finds the newest record of a certificate, or a sighting of it that is only linked to another one.
    fn place(&self, digest: &Digest) -> Result<Option<Place>, ReadError> {
        let (mut linked, mut failed) = (None, None);
        for segment in self.store().list().iter().rev() {
            let ordinals = self.look(segment, |index| index.certificates(digest.key()));
            for ordinal in ordinals.into_iter().flatten().rev() {
                let Some(batch) = self.readable(segment, ordinal, &mut failed) else { continue };
                let position = batch.records.iter().rposition(|record| digest.is_of(record));
                if let Some(position) = position {
                    return Ok(Some(Place::Record(batch, position)));
                }
                let is_it = |sighting: &&Sighting| {
                    sighting.fingerprint.is_some_and(|own| Digest::Sha256(own) == *digest)
                };
                linked = linked.or_else(|| batch.sightings.iter().rfind(is_it).copied());
            }
        }
        match (linked, failed) {
            (None, Some(error)) => Err(error),
            (linked, _) => Ok(linked.map(Place::Linked)),
        }
    }

    /// Finds an entry of a log.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn entry(&self, log: LogNumber, index: u64) -> Result<Option<Found>, ReadError> {
        let backfilled = keys::of_backfilled(log, index);
        for segment in self.store().list().iter().rev() {
            let found = self.look(segment, |found| {
                let mut batches = found.certificates(backfilled)?;
                // Where the entry was missing is looked at last.
                batches.extend(found.entry(log, index)?);
                Ok(batches)
            });
            for ordinal in found.into_iter().flatten() {
                // Of an entry that came later, another batch has the gap: it must not be looked at instead.
                let Some(batch) = self.batch(segment, ordinal)? else { continue };
                if let Some(found) = self.entry_of(batch, log, index)? {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    /// Finds an entry of a log in a batch.
    fn entry_of(
        &self,
        batch: Batch,
        log: LogNumber,
        index: u64,
    ) -> Result<Option<Found>, ReadError> {
        let record = |record: &Record| record.log == log && record.index == index;
        if let Some(position) = batch.records.iter().position(record) {
            return Ok(self.kept(batch, position).map(Found::Record));
        }
        let sighting = |each: &&Sighting| each.log == log && each.index == index;
        if let Some(sighting) = batch.sightings.iter().find(sighting).copied() {
            let kept = self.record(sighting.offset)?;
            return Ok(Some(Found::Sighting(sighting, kept)));
        }
        let gap = |gap: &&Gap| gap.log == log && gap.range.contains(&index);
        Ok(batch.gaps.iter().find(gap).cloned().map(Found::Gap))
    }

    /// Finds the records of certificates with this serial number, newest first, without sightings; at
    /// most `count`.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn serial(&self, serial: &[u8], count: usize) -> Result<Vec<Kept>, ReadError> {
        let key = keys::of_serial(serial);
        let (mut found, mut failed) = (Vec::new(), None);
        for segment in self.store().list().iter().rev() {
            let ordinals = self.look(segment, |index| index.serials(key));
            for ordinal in ordinals.into_iter().flatten().rev() {
                let Some(batch) = self.readable(segment, ordinal, &mut failed) else { continue };
                let records = (batch.first_offset..batch.next_offset()).zip(batch.records);
                let records = records
                    .filter(|(_, record)| Certificate::read(&record.certificate).serial == serial);
                let kept = |(offset, record)| Kept { offset, record, sightings: Vec::new() };
                let in_batch: Vec<Kept> = records.map(kept).collect();
                found.extend(in_batch.into_iter().rev());
                if found.len() >= count {
                    found.truncate(count);
                    return Ok(found);
                }
            }
        }
        failed.filter(|_| found.is_empty()).map_or(Ok(found), Err)
    }

    /// Returns the record at an offset, with its sightings.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn record(&self, offset: u64) -> Result<Option<Kept>, ReadError> {
        let starts_before = |segment: &Segment| {
            segment.header.totals.entries_end.min(segment.header.totals.next_offset) <= offset
        };
        let segments = self.store().list();
        for segment in segments.iter().rev().filter(|segment| starts_before(segment)) {
            let row = self.look(segment, |index| index.row_at(offset)).flatten();
            let Some(row) = row else { continue };
            if row.first_offset > offset {
                return Ok(None);
            }
            let Some(batch) = self.batch(segment, row.ordinal)? else { return Ok(None) };
            let position = usize::try_from(offset.saturating_sub(row.first_offset));
            return Ok(self.kept(batch, position.unwrap_or(usize::MAX)));
        }
        Ok(None)
    }

    /// Returns the first offset, at least `offset` and at most `end`, from which on a certificate may have
    /// one term of each group, or something is lost.
    #[must_use]
    pub fn skip(&self, groups: &[Vec<Term>], offset: u64, end: u64) -> u64 {
        let segments = self.store().list();
        let is_before = |segment: &Arc<Segment>| segment.header.totals.next_offset <= offset;
        let at = segments.partition_point(is_before).saturating_sub(1);
        let nexts = segments.iter().skip(at.saturating_add(1)).map(Some).chain([None]);
        let mut reached = offset;
        for (segment, next) in segments.iter().skip(at).zip(nexts) {
            reached = reached.max(segment.header.totals.next_offset.min(end));
            if reached >= end {
                break;
            }
            // Before the look: what is added after it was not looked at.
            let (newest, indexed) = {
                let open = self.open.read();
                (open.segment, open.end)
            };
            let next = next.map_or(0, |next| next.header.totals.entries_end);
            let found = self.look(segment, |index| {
                let row = next_row(index, groups, reached)?.map(|row| row.first_offset);
                Ok(row.into_iter().chain(index.lost(reached, next)).min())
            });
            match found {
                // There is no index, so anything may pass.
                None => return reached,
                Some(Some(first)) => return reached.max(first).min(end),
                Some(None) if newest == segment.name() => {
                    reached = reached.max(indexed);
                    break;
                }
                Some(None) => {}
            }
        }
        reached.min(end)
    }

    /// Looks into the index of a segment; none if it has none. One that is damaged, or cannot be read, is
    /// made again.
    pub(super) fn look<T>(
        &self,
        segment: &Segment,
        look: impl FnOnce(&dyn Index) -> io::Result<T>,
    ) -> Option<T> {
        self.with(segment.name(), look)?
            .inspect_err(|error| {
                let segment = segment.name();
                tracing::warn!(%segment, %error, "the index is made again");
                self.discard(segment);
            })
            .ok()
    }

    /// Reads a batch, without those before it. None if it is damaged, or its segment was deleted.
    fn batch(&self, segment: &Segment, ordinal: u32) -> Result<Option<Batch>, ReadError> {
        let Some(row) = self.look(segment, |index| index.row(ordinal)).flatten() else {
            return Ok(None);
        };
        match self.store().open(segment.name()) {
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
            Ok(file) => read_batch(&*file, segment, &row).map_err(|error| {
                self.shared.damage.note(&unreadable(segment, row.at));
                self.store().error(segment.name(), error)
            }),
        }
    }

    /// Reads a batch. One that cannot be read is left out, and the reason is in `failed`.
    fn readable(
        &self,
        segment: &Segment,
        ordinal: u32,
        failed: &mut Option<ReadError>,
    ) -> Option<Batch> {
        self.batch(segment, ordinal).unwrap_or_else(|error| {
            tracing::warn!(%error, "a batch is left out of a look-up");
            *failed = Some(error);
            None
        })
    }

    /// Returns a record of a batch with all sightings of it that can be read.
    fn kept(&self, mut batch: Batch, position: usize) -> Option<Kept> {
        if position >= batch.records.len() {
            return None;
        }
        let record = batch.records.swap_remove(position);
        let offset = batch.first_offset.saturating_add(position as u64);
        let mut sightings = Vec::new();
        let segments = self.store().list();
        // What repeats a record comes after it.
        let is_up_to = |segment: &Arc<Segment>| segment.name().first <= batch.header.number;
        let own = segments.partition_point(is_up_to).saturating_sub(1);
        for segment in segments.iter().skip(own) {
            let ordinals = self.look(segment, |index| index.sightings(offset));
            for ordinal in ordinals.into_iter().flatten() {
                let Some(batch) = self.readable(segment, ordinal, &mut None) else { continue };
                let of_it = batch.sightings.iter().filter(|sighting| sighting.offset == offset);
                sightings.extend(of_it.copied());
            }
        }
        Some(Kept { offset, record, sightings })
    }
}

/// Returns the damage of a segment that cannot be read at a place.
pub(super) fn unreadable(segment: &Segment, at: u64) -> Damage {
    let (file, end) = (segment.name().to_string(), segment.file_bytes());
    Damage { file, at, end, kind: DamageKind::Unreadable }
}

/// Reads a batch, without those before it; none if it is damaged.
pub(super) fn read_batch(
    file: &dyn File,
    segment: &Segment,
    row: &Row,
) -> io::Result<Option<Batch>> {
    let mut window = Window::of_one_frame();
    let Frame::Frame(header) = window.frame(file, &segment.header.marker, row.at)? else {
        return Ok(None);
    };
    let number = segment.name().first.saturating_add(row.ordinal.into());
    if header.kind != FrameKind::Batch || header.number != number {
        return Ok(None);
    }
    let stored = window.payload(file, row.at, &header)?;
    let mut plain = Vec::new();
    if header.is_compressed {
        if !Codec::default().decompress(stored, header.length as usize, &mut plain) {
            return Ok(None);
        }
    } else {
        plain.extend_from_slice(stored);
    }
    let firsts = row.advances.iter().map(|(log, first, _)| (*log, *first));
    match Decoder::detached(firsts).message(&plain) {
        Ok(Message::Batch(batch)) => Ok(Some(batch)),
        Ok(_) => Ok(None),
        Err(error) => {
            let segment = segment.name();
            tracing::warn!(%segment, number, %error, "a batch cannot be decoded by itself");
            Ok(None)
        }
    }
}

/// Returns the first batch with records at `offset` or after it that may have one term of each group.
fn next_row(index: &dyn Index, groups: &[Vec<Term>], offset: u64) -> io::Result<Option<Row>> {
    let Some(row) = index.row_at(offset)? else { return Ok(None) };
    let mut least = row.ordinal;
    for group in groups {
        let mut first: Option<u32> = None;
        for term in group {
            let found = next_of(index, term, row.ordinal)?;
            first = [first, found].into_iter().flatten().min();
        }
        let Some(first) = first else { return Ok(None) };
        least = least.max(first);
    }
    index.row(least)
}

/// Returns the first batch from `from` on that may have a term.
fn next_of(index: &dyn Index, term: &Term, from: u32) -> io::Result<Option<u32>> {
    let next = |batches: &[u32]| {
        let at = batches.partition_point(|batch| *batch < from);
        batches.get(at).copied()
    };
    let mut lookup = match term {
        Term::Serial(serial) => return Ok(next(&index.serials(keys::of_serial(serial))?)),
        term => Lookup::of(term),
    };
    let mut found: Option<u32> = None;
    let mut left = MOST_TEXTS;
    for (first, after) in std::mem::take(&mut lookup.ranges) {
        index.visit(lookup.texts, &first, &after, &mut |text, batches| {
            left = left.saturating_sub(1);
            if (lookup.is_wanted)(text) {
                found = [found, next(batches)].into_iter().flatten().min();
            }
            left > 0 && found != Some(from)
        })?;
    }
    // Among so many texts, any batch may have one.
    Ok(if left == 0 { Some(from) } else { found })
}
