//! The index of the segment being written, in memory.

use std::collections::BTreeSet;
use std::io;

use cert::{Certificate, Digests};
use record::{Batch, LogNumber, Record};

use super::pairs::Runs;
use super::rows::{self, Row};
use super::sealed::{Binding, Directories, Lost, assemble};
use super::terms::OpenTerms;
use super::{Index, Texts, Visit, keys};
use crate::format::FrameHeader;

/// The index of the segment being written, in memory. When the segment is sealed, it becomes the file.
#[derive(Debug, Default)]
pub(crate) struct OpenIndex {
    /// Number of the segment's first message.
    first: u64,
    rows: Vec<Row>,
    certificates: Runs,
    entries: Runs,
    sightings: Runs,
    serials: Runs,
    names: OpenTerms,
    addresses: OpenTerms,
    issuers: OpenTerms,
    lost: Lost,
}

impl OpenIndex {
    /// Creates the index of a segment whose first message has this number.
    pub(crate) fn new(first: u64) -> Self {
        Self { first, ..Self::default() }
    }

    /// Notes the frame of the next message, which shows if entries before it are lost.
    pub(crate) fn pass(&mut self, header: &FrameHeader) {
        self.lost.pass(header);
    }

    /// Removes the messages from a number on, before which entries end at an offset: another segment
    /// has them too, and counts.
    pub(crate) fn truncate(&mut self, number: u64, entries_end: u64) {
        let ordinal = u32::try_from(number.saturating_sub(self.first)).unwrap_or(u32::MAX);
        self.rows.truncate(self.rows.partition_point(|row| row.ordinal < ordinal));
        for pairs in
            [&mut self.certificates, &mut self.entries, &mut self.sightings, &mut self.serials]
        {
            pairs.truncate(ordinal);
        }
        for terms in [&mut self.names, &mut self.addresses, &mut self.issuers] {
            terms.truncate(ordinal);
        }
        self.lost.truncate(entries_end);
    }

    /// Adds the next batch of the segment, whose frame is at this place of the file.
    pub(crate) fn add(&mut self, batch: &Batch, at: u64) {
        // A segment has fewer messages than bytes.
        let ordinal = u32::try_from(batch.header.number.saturating_sub(self.first));
        let ordinal = ordinal.unwrap_or(u32::MAX);
        let advance = |advance: &record::Advance| {
            (advance.log, advance.first, advance.position.next.saturating_sub(advance.first))
        };
        let is_backfilled = |record: &&Record| batch.is_backfilled(record.log, record.index);
        let backfilled: BTreeSet<LogNumber> =
            batch.records.iter().filter(is_backfilled).map(|record| record.log).collect();
        let row = Row {
            ordinal,
            at,
            first_offset: batch.first_offset,
            records: u32::try_from(batch.records.len()).unwrap_or(u32::MAX),
            advances: batch.advances.iter().map(advance).collect(),
            backfilled: backfilled.into_iter().collect(),
        };
        for (log, first, count) in &row.advances {
            if *count > 0
                && let Some(key) = keys::of_entry(*log, *first)
            {
                self.entries.push((key, ordinal));
            }
        }
        self.rows.push(row);
        for record in &batch.records {
            self.add_record(record, ordinal);
            self.add_backfilled(batch, record.log, record.index, ordinal);
        }
        for sighting in &batch.sightings {
            self.add_backfilled(batch, sighting.log, sighting.index, ordinal);
            self.sightings.push((sighting.offset, ordinal));
            if let Some(fingerprint) = &sighting.fingerprint {
                self.certificates.push((keys::of_digest(fingerprint), ordinal));
            }
        }
    }

    /// Adds an entry that no advance covers, under a key of its own.
    fn add_backfilled(&mut self, batch: &Batch, log: LogNumber, index: u64, ordinal: u32) {
        if batch.is_backfilled(log, index) {
            self.certificates.push((keys::of_backfilled(log, index), ordinal));
        }
    }

    fn add_record(&mut self, record: &Record, ordinal: u32) {
        let digests = Digests::with_sha256(record.fingerprint, &record.certificate);
        self.certificates.push((keys::of_digest(&digests.sha256), ordinal));
        self.certificates.push((keys::of_digest(&digests.sha1), ordinal));
        let certificate = Certificate::read_with_digests(&record.certificate, &digests);
        self.serials.push((keys::of_serial(certificate.serial), ordinal));
        keys::names(&certificate, |name| {
            self.names.insert(keys::of_name(name).as_bytes(), ordinal);
        });
        keys::addresses(&certificate, |address| {
            self.addresses.insert(&keys::of_address(address), ordinal);
        });
        keys::issuers(&certificate, |issuer| self.issuers.insert(issuer.as_bytes(), ordinal));
    }

    /// Returns the file of the segment's index.
    ///
    /// # Errors
    /// If it becomes too large.
    pub(crate) fn to_file(&self, binding: &Binding) -> io::Result<Vec<u8>> {
        assemble(binding, |out| {
            Ok(Directories {
                rows: rows::write(&self.rows, out),
                certificates: self.certificates.write(out),
                entries: self.entries.write(out),
                sightings: self.sightings.write(out),
                serials: self.serials.write(out),
                names: self.names.write(out)?,
                addresses: self.addresses.write(out)?,
                issuers: self.issuers.write(out)?,
                lost: self.lost.clone(),
            })
        })
    }
}

impl Index for OpenIndex {
    fn certificates(&self, key: u64) -> io::Result<Vec<u32>> {
        Ok(self.certificates.get(key))
    }

    fn entry(&self, log: LogNumber, index: u64) -> io::Result<Option<u32>> {
        let Some(key) = keys::of_entry(log, index) else { return Ok(None) };
        let found = self.entries.last_up_to(key);
        Ok(found.filter(|(key, _)| keys::log_of(*key) == u64::from(log.0)).map(|(_, batch)| batch))
    }

    fn sightings(&self, offset: u64) -> io::Result<Vec<u32>> {
        Ok(self.sightings.get(offset))
    }

    fn serials(&self, key: u64) -> io::Result<Vec<u32>> {
        Ok(self.serials.get(key))
    }

    fn row(&self, ordinal: u32) -> io::Result<Option<Row>> {
        let at = self.rows.binary_search_by_key(&ordinal, |row| row.ordinal);
        Ok(at.ok().and_then(|at| self.rows.get(at)).cloned())
    }

    fn row_at(&self, offset: u64) -> io::Result<Option<Row>> {
        let at = self.rows.partition_point(|row| row.end() <= offset);
        Ok(self.rows.iter().skip(at).find(|row| row.records > 0).cloned())
    }

    fn lost(&self, from: u64, _next: u64) -> Option<u64> {
        // It may not have all batches yet.
        self.lost.first(from, 0)
    }

    fn rows(&self, visit: &mut dyn FnMut(&Row)) -> io::Result<()> {
        self.rows.iter().for_each(visit);
        Ok(())
    }

    fn visit(&self, texts: Texts, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> io::Result<()> {
        let table = match texts {
            Texts::Names => &self.names,
            Texts::Addresses => &self.addresses,
            Texts::Issuers => &self.issuers,
        };
        table.visit(from, to, &mut |term, batches| visit(term, batches));
        Ok(())
    }
}
