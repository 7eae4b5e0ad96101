//! Checks that a batch fits the state before it. Nothing is changed here.

use super::{Refused, State, fill};
use crate::batch::{Batch, Header};
use crate::entry::LogNumber;
use crate::log::{LogChange, LogIdentity};
use crate::position::Advance;

/// Checks that a message is of this stream and follows the last one.
pub(super) fn follows(state: &State, header: &Header) -> Result<(), Refused> {
    if header.stream != state.stream {
        return Err(Refused::Stream(header.stream));
    }
    let (found, expected) = (header.number, state.number.saturating_add(1));
    if found != expected {
        return Err(Refused::Number { found, expected });
    }
    if header.prev != state.last {
        return Err(Refused::Prev);
    }
    Ok(())
}

/// Checks a whole batch.
pub(super) fn batch(state: &State, batch: &Batch) -> Result<(), Refused> {
    follows(state, &batch.header)?;
    let (found, current) = (batch.header.term, state.term);
    if found != current || current == 0 {
        return Err(Refused::Term { found, current });
    }
    let (found, expected) = (batch.first_offset, state.next_offset);
    if found != expected {
        return Err(Refused::Offset { found, expected });
    }
    let next = batch.next_offset();
    if next > crate::MAX_OFFSET {
        return Err(Refused::OffsetTooLarge);
    }
    if let Some(wrong) = batch.sightings.iter().find(|sighting| sighting.offset >= next) {
        return Err(Refused::Sighting(wrong.offset));
    }
    let count = log_rows(state, &batch.logs)?;
    let acknowledged = batch.acknowledgements.iter().map(|acknowledgement| acknowledgement.log);
    let mut named = acknowledged.chain(batch.alarms.iter().map(|alarm| alarm.log));
    if let Some(unknown) = named.find(|log| log.0 as usize >= count) {
        return Err(Refused::UnknownLog(unknown.0));
    }
    let advances = advances(state, count, &batch.advances)?;
    fill::check(state, batch)?;
    coverage(state, batch, &advances)
}

/// Checks changes of the log table. Returns the number of logs after them.
fn log_rows(state: &State, changes: &[LogChange]) -> Result<usize, Refused> {
    let mut added: Vec<&LogIdentity> = Vec::new();
    for change in changes {
        let refused = Refused::LogRow(change.number.0);
        let next = state.logs.len().saturating_add(added.len());
        if let Some(known) = state.log(change.number) {
            let others = state.logs().filter(|(number, _)| *number != change.number);
            let mut identities = others.map(|(_, log)| &log.identity).chain(added.iter().copied());
            let is_taken =
                |other: &LogIdentity| other.id.is_some() && other.id == change.identity.id;
            if !may_become(&known.identity, &change.identity) || identities.any(is_taken) {
                return Err(refused);
            }
        } else {
            let is_next = change.number.0 as usize == next;
            let is_known = state.find(&change.identity).is_some()
                || added.iter().any(|other| other.is_same(&change.identity));
            if !is_next || is_known || next >= crate::encoding::limits::LOGS {
                return Err(refused);
            }
            added.push(&change.identity);
        }
    }
    Ok(state.logs.len().saturating_add(added.len()))
}

/// Reports whether a row may replace another: of the same log, and an id stays known.
fn may_become(known: &LogIdentity, new: &LogIdentity) -> bool {
    match (known.id, new.id) {
        (Some(known), Some(new)) => known == new,
        (Some(_), None) => false,
        (None, _) => known.url == new.url,
    }
}

/// The indexes that a log advances over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Span {
    log: LogNumber,
    first: u64,
    end: u64,
}

/// Checks that advances begin at the positions, and returns what they cover, by log.
fn advances(state: &State, logs: usize, advances: &[Advance]) -> Result<Vec<Span>, Refused> {
    let mut spans = Vec::with_capacity(advances.len());
    for Advance { log, first, position } in advances {
        if log.0 as usize >= logs {
            return Err(Refused::UnknownLog(log.0));
        }
        let known = state.log(*log).and_then(|log| log.position.as_ref());
        if let Some(known) = known.filter(|known| known.next != *first) {
            return Err(Refused::Position { log: log.0, found: *first, expected: known.next });
        }
        let is_consistent =
            position.tree.as_ref().is_none_or(|tree| tree.is_consistent(position.next));
        if position.next < *first || !is_consistent {
            return Err(Refused::Contradiction(log.0));
        }
        spans.push(Span { log: *log, first: *first, end: position.next });
    }
    spans.sort_unstable();
    let mut logs = spans.iter().zip(spans.iter().skip(1));
    match logs.find(|(one, two)| one.log == two.log) {
        Some((twice, _)) => Err(Refused::Advance(twice.log.0)),
        None => Ok(spans),
    }
}

/// Checks that records, sightings and gaps cover each index of the advances once, and besides them no
/// other but those that were missing.
fn coverage(state: &State, batch: &Batch, advances: &[Span]) -> Result<(), Refused> {
    let one = |log, index: u64| Span { log, first: index, end: index.saturating_add(1) };
    let records = batch.records.iter().map(|record| one(record.log, record.index));
    let sightings = batch.sightings.iter().map(|sighting| one(sighting.log, sighting.index));
    let gaps = batch.gaps.iter().map(|gap| Span {
        log: gap.log,
        first: gap.range.start,
        end: gap.range.end,
    });
    let is_next = |span: &Span| !fill::is_passed(state, span.log, span.first);
    let entries = records.chain(sightings).filter(is_next);
    let mut spans: Vec<Span> = entries.chain(gaps).collect();
    spans.sort_unstable();
    let mut spans = spans.iter().peekable();
    for advance in advances {
        let mut index = advance.first;
        let log = advance.log.0;
        while let Some(span) = spans.next_if(|span| span.log == advance.log) {
            if span.first != index || span.end <= span.first {
                return Err(Refused::Coverage { log, index: index.min(span.first) });
            }
            index = span.end;
        }
        if index != advance.end {
            return Err(Refused::Coverage { log, index: index.min(advance.end) });
        }
        if let Some(other) = spans.peek().filter(|span| span.log < advance.log) {
            return Err(Refused::Advance(other.log.0));
        }
    }
    match spans.next() {
        Some(left) => Err(Refused::Advance(left.log.0)),
        None => Ok(()),
    }
}
