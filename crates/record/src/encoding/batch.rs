//! The body of a batch.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use ct::leaf::EntryType;

use super::advance::read_log;
use super::bytes::{Reader, Writer};
use super::context::Context;
use super::{DecodeError, EncodeError, advance, limits, parts};
use crate::alarm::Acknowledgement;
use crate::batch::{Batch, Header};
use crate::entry::{LogNumber, Record, Sighting};
use crate::issuer::Issuer;
use crate::log::LogChange;
use crate::position::Advance;

const RECORD_PRECERTIFICATE: u8 = 1;
const RECORD_LINK: u8 = 1 << 1;
const RECORD_OTHER_LOG: u8 = 1 << 2;
const RECORD_NEW: u8 = 1 << 3;
const RECORD_BACKFILLED: u8 = 1 << 4;
const RECORD_FLAGS: u8 =
    RECORD_PRECERTIFICATE | RECORD_LINK | RECORD_OTHER_LOG | RECORD_NEW | RECORD_BACKFILLED;
const SIGHTING_FINGERPRINT: u8 = 1;
const SIGHTING_OTHER_LOG: u8 = 1 << 1;

/// The values that differences in a list of entries refer to.
#[derive(Debug)]
struct Previous {
    /// The log of the entry before; `None` at the first.
    log: Option<LogNumber>,
    /// For each log the index expected next.
    next: HashMap<LogNumber, u64>,
    submitted: u64,
    seen: u64,
}

impl Previous {
    fn before(advances: &[Advance]) -> Self {
        let next = advances.iter().map(|advance| (advance.log, advance.first)).collect();
        Self { log: None, next, submitted: 0, seen: 0 }
    }

    fn write_index(&mut self, log: LogNumber, index: u64, writer: &mut Writer<'_>) {
        let next = self.next.entry(log).or_default();
        writer.delta(index, *next);
        *next = index.wrapping_add(1);
        self.log = Some(log);
    }

    fn read_log(&self, is_other: bool, reader: &mut Reader<'_>) -> Result<LogNumber, DecodeError> {
        match self.log {
            Some(log) if !is_other => Ok(log),
            _ => read_log(reader),
        }
    }

    fn read_index(&mut self, log: LogNumber, reader: &mut Reader<'_>) -> Result<u64, DecodeError> {
        let next = self.next.entry(log).or_default();
        let index = reader.delta(*next, "an index")?;
        *next = index.wrapping_add(1);
        self.log = Some(log);
        Ok(index)
    }
}

pub(super) fn write(
    batch: &Batch,
    context: &mut Context,
    writer: &mut Writer<'_>,
) -> Result<(), EncodeError> {
    writer.uint(batch.first_offset);
    writer.count(batch.logs.len(), limits::LIST, "log table changes")?;
    for change in &batch.logs {
        writer.uint(change.number.0.into());
        parts::write_identity(&change.identity, writer)?;
    }
    writer.count(batch.acknowledgements.len(), limits::LIST, "acknowledgements")?;
    for acknowledgement in &batch.acknowledgements {
        writer.uint(acknowledgement.log.0.into());
    }
    writer.count(batch.alarms.len(), limits::LIST, "alarms")?;
    batch.alarms.iter().try_for_each(|alarm| parts::write_alarm(alarm, writer))?;
    writer.count(batch.gaps.len(), limits::LIST, "gaps")?;
    batch.gaps.iter().try_for_each(|gap| parts::write_gap(gap, writer))?;
    writer.count(batch.advances.len(), limits::LIST, "advances")?;
    batch.advances.iter().try_for_each(|one| advance::write(one, context, writer))?;
    writer.count(batch.records.len(), limits::LIST, "records")?;
    let mut previous = Previous::before(&batch.advances);
    for record in &batch.records {
        write_record(record, &mut previous, context, writer)?;
    }
    writer.count(batch.sightings.len(), limits::LIST, "sightings")?;
    let mut previous = Previous::before(&batch.advances);
    for sighting in &batch.sightings {
        write_sighting(sighting, batch.first_offset, &mut previous, writer);
    }
    Ok(())
}

pub(super) fn read(
    header: Header,
    context: &mut Context,
    reader: &mut Reader<'_>,
) -> Result<Batch, DecodeError> {
    let first_offset = reader.uint("the first offset")?;
    let logs = reader.list(limits::LIST, "log table changes", |reader| {
        let number = read_log(reader)?;
        Ok(LogChange { number, identity: parts::read_identity(reader)? })
    })?;
    let acknowledgements = reader.list(limits::LIST, "acknowledgements", |reader| {
        Ok(Acknowledgement { log: read_log(reader)? })
    })?;
    let alarms = reader.list(limits::LIST, "alarms", parts::read_alarm)?;
    let gaps = reader.list(limits::LIST, "gaps", parts::read_gap)?;
    let advances =
        reader.list(limits::LIST, "advances", |reader| advance::read(context, reader))?;
    let mut previous = Previous::before(&advances);
    let records = reader
        .list(limits::LIST, "records", |reader| read_record(&mut previous, context, reader))?;
    let mut previous = Previous::before(&advances);
    let sightings = reader.list(limits::LIST, "sightings", |reader| {
        read_sighting(first_offset, &mut previous, reader)
    })?;
    Ok(Batch {
        header,
        first_offset,
        logs,
        records,
        sightings,
        gaps,
        alarms,
        acknowledgements,
        advances,
    })
}

fn write_record(
    record: &Record,
    previous: &mut Previous,
    context: &mut Context,
    writer: &mut Writer<'_>,
) -> Result<(), EncodeError> {
    let is_first = previous.log.is_none();
    let is_other = !is_first && previous.log != Some(record.log);
    let kind = match record.kind {
        EntryType::X509 => 0,
        EntryType::Precert => RECORD_PRECERTIFICATE,
    };
    let link = if record.link.is_some() { RECORD_LINK } else { 0 };
    let new = if record.is_new { RECORD_NEW } else { 0 };
    let backfilled = if record.is_backfilled { RECORD_BACKFILLED } else { 0 };
    writer.byte(kind | link | new | backfilled | if is_other { RECORD_OTHER_LOG } else { 0 });
    if is_first || is_other {
        writer.uint(record.log.0.into());
    }
    previous.write_index(record.log, record.index, writer);
    writer.delta(record.submitted, previous.submitted);
    writer.delta(record.seen, previous.seen);
    (previous.submitted, previous.seen) = (record.submitted, record.seen);
    writer.count(record.chain.len(), limits::CHAIN, "the chain of a certificate")?;
    for issuer in &record.chain {
        write_issuer(issuer, context, writer)?;
    }
    writer.bytes(&record.certificate, limits::CERTIFICATE, "a certificate")?;
    if let Some(link) = &record.link {
        writer.raw(link.as_slice());
    }
    Ok(())
}

fn read_record(
    previous: &mut Previous,
    context: &mut Context,
    reader: &mut Reader<'_>,
) -> Result<Record, DecodeError> {
    let flags = reader.byte("the flags of a record")?;
    if flags & !RECORD_FLAGS != 0 {
        return Err(DecodeError::Unknown { what: "the flags of a record", value: flags });
    }
    let log = previous.read_log(flags & RECORD_OTHER_LOG != 0, reader)?;
    let index = previous.read_index(log, reader)?;
    previous.submitted = reader.delta(previous.submitted, "a submission time")?;
    previous.seen = reader.delta(previous.seen, "a seen time")?;
    let mut chain = reader
        .list(limits::CHAIN, "the chain of a certificate", |reader| read_issuer(context, reader))?;
    if context.is_detached() {
        chain.retain(|issuer| !issuer.der.is_empty());
    }
    let certificate = reader.bytes(limits::CERTIFICATE, "a certificate")?;
    let link = match flags & RECORD_LINK {
        0 => None,
        _ => Some(Box::new(reader.array("a link")?)),
    };
    Ok(Record {
        log,
        index,
        submitted: previous.submitted,
        seen: previous.seen,
        kind: match flags & RECORD_PRECERTIFICATE {
            0 => EntryType::X509,
            _ => EntryType::Precert,
        },
        fingerprint: ct::sha256(certificate),
        certificate: Bytes::copy_from_slice(certificate),
        chain,
        link,
        is_new: flags & RECORD_NEW != 0,
        is_backfilled: flags & RECORD_BACKFILLED != 0,
    })
}

fn write_issuer(
    issuer: &Arc<Issuer>,
    context: &mut Context,
    writer: &mut Writer<'_>,
) -> Result<(), EncodeError> {
    if let Some(number) = context.number(&issuer.fingerprint) {
        writer.uint((number as u64).saturating_add(1));
        return Ok(());
    }
    writer.uint(0);
    writer.bytes(&issuer.der, limits::CERTIFICATE, "an issuer")?;
    context.learn(issuer);
    Ok(())
}

fn read_issuer(context: &mut Context, reader: &mut Reader<'_>) -> Result<Arc<Issuer>, DecodeError> {
    let reference = reader.uint("an issuer")?;
    if let Some(number) = reference.checked_sub(1) {
        if context.is_detached() {
            return Ok(Arc::new(Issuer::new(Bytes::new())));
        }
        return context.issuer(number).cloned().ok_or(DecodeError::Issuer(number));
    }
    let der = reader.bytes(limits::CERTIFICATE, "an issuer")?;
    let issuer = Arc::new(Issuer::new(Bytes::copy_from_slice(der)));
    context.learn(&issuer);
    Ok(issuer)
}

fn write_sighting(
    sighting: &Sighting,
    first_offset: u64,
    previous: &mut Previous,
    writer: &mut Writer<'_>,
) {
    let is_first = previous.log.is_none();
    let is_other = !is_first && previous.log != Some(sighting.log);
    let fingerprint = if sighting.fingerprint.is_some() { SIGHTING_FINGERPRINT } else { 0 };
    writer.byte(fingerprint | if is_other { SIGHTING_OTHER_LOG } else { 0 });
    if is_first || is_other {
        writer.uint(sighting.log.0.into());
    }
    previous.write_index(sighting.log, sighting.index, writer);
    writer.delta(sighting.submitted, previous.submitted);
    previous.submitted = sighting.submitted;
    writer.delta(first_offset, sighting.offset);
    if let Some(fingerprint) = &sighting.fingerprint {
        writer.raw(fingerprint);
    }
}

fn read_sighting(
    first_offset: u64,
    previous: &mut Previous,
    reader: &mut Reader<'_>,
) -> Result<Sighting, DecodeError> {
    let flags = reader.byte("the flags of a sighting")?;
    if flags > (SIGHTING_FINGERPRINT | SIGHTING_OTHER_LOG) {
        return Err(DecodeError::Unknown { what: "the flags of a sighting", value: flags });
    }
    let log = previous.read_log(flags & SIGHTING_OTHER_LOG != 0, reader)?;
    let index = previous.read_index(log, reader)?;
    previous.submitted = reader.delta(previous.submitted, "a submission time")?;
    // Written as first − offset.
    let distance = reader.delta(0, "an offset")?;
    let fingerprint = match flags & SIGHTING_FINGERPRINT {
        0 => None,
        _ => Some(reader.array("a fingerprint")?),
    };
    Ok(Sighting {
        log,
        index,
        submitted: previous.submitted,
        offset: first_offset.wrapping_sub(distance),
        fingerprint,
    })
}
