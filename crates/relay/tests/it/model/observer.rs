//! Everybody who looks at anything: all that was ever shown, to whomever, and every state ever reached.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher as _};

use record::encoding::Encoder;
use record::{Batch, Checkpoint, Record, State, StreamId};
use relay::protocol::{MessageId, Reader};

/// A log, by the hash of its URL, and an index: what a certificate is of.
pub(super) type Entry = (u64, u64);

/// A record as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) offset: u64,
    /// Hash of all bytes of its message.
    pub(super) bytes: u64,
    pub(super) entry: Entry,
}

fn hash(value: impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl Shown {
    /// Returns the records of a batch as they are shown in the state after it.
    pub(super) fn all(batch: &Batch, state: &State) -> Vec<Self> {
        let records = (batch.first_offset..).zip(&batch.records);
        records.map(|(offset, record)| Self::of(offset, record, state)).collect()
    }

    fn of(offset: u64, record: &Record, state: &State) -> Self {
        let identity = state.log(record.log).map(|log| &log.identity);
        let log = identity.map(|log| (&log.url, &log.name, &log.operator));
        let chain: Vec<&[u8]> = record.chain.iter().map(|issuer| &issuer.der[..]).collect();
        let Record { index, submitted, seen, certificate, .. } = record;
        let bytes = hash((offset, log, index, submitted, seen, &certificate[..], chain));
        Self { offset, bytes, entry: (log_of(state, record.log), *index) }
    }
}

/// Returns the entries of a batch that have no record.
pub(super) fn entries(batch: &Batch, state: &State) -> impl Iterator<Item = Entry> {
    let gaps = batch.gaps.iter().flat_map(|gap| gap.range.clone().map(|index| (gap.log, index)));
    let sightings = batch.sightings.iter().map(|sighting| (sighting.log, sighting.index));
    gaps.chain(sightings).map(|(log, index)| (log_of(state, log), index))
}

/// Returns the name of a log by which it is known everywhere.
pub(super) fn log_of(state: &State, log: record::LogNumber) -> u64 {
    hash(state.log(log).map(|log| &log.identity.url))
}

/// The global observer.
#[derive(Debug, Default)]
pub(super) struct Observer {
    shown: HashMap<(StreamId, u64), u64>,
    /// After each message of ours, the state of every reader.
    states: HashMap<MessageId, u64>,
}

impl Observer {
    /// Notes that somebody is shown a record.
    pub(super) fn show(&mut self, stream: StreamId, shown: &Shown) -> Result<(), String> {
        let Shown { offset, bytes, entry } = shown;
        let known = *self.shown.entry((stream, *offset)).or_insert(*bytes);
        let is_same = known == *bytes;
        is_same.then_some(()).ok_or_else(|| format!("I1: offset {offset} is also {entry:?}"))
    }

    /// Notes the state of a reader, after which it has read a message of ours.
    pub(super) fn reach(&mut self, reader: &Reader) -> Result<(), String> {
        let Some(state) = reader.state() else { return Ok(()) };
        let checkpoint = Checkpoint { state: state.clone(), issuers: Vec::new() };
        let mut bytes = Vec::new();
        Encoder::new().checkpoint(&checkpoint, &mut bytes).map_err(|error| error.to_string())?;
        let totals = reader.totals();
        let state = hash((bytes, totals.entries, totals.end, totals.newest));
        let known = *self.states.entry(reader.tip().id).or_insert(state);
        let is_same = known == state;
        is_same.then_some(()).ok_or_else(|| format!("I3: another state after {:?}", reader.tip()))
    }
}
