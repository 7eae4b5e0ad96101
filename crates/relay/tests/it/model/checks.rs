//! What is checked: everything that anybody was ever shown, and what was stored.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use record::{Batch, BatchHash, State, StreamId};
use relay::protocol::{Applied, Content, Passed, Reader, Show, Step};

use super::server::Server;

/// A log and an index: what a certificate is of.
pub(super) type Entry = (u32, u64);

/// Everybody who looks at every node.
#[derive(Debug, Default)]
pub(super) struct Observer {
    shown: HashMap<(StreamId, u64), Entry>,
    /// Batches shown by anybody.
    hashes: HashSet<BatchHash>,
}

/// What one client of a node has seen since the node began a stream.
#[derive(Debug, Default)]
pub(super) struct Session {
    stream: Option<StreamId>,
    /// The offset at which it began.
    start: u64,
    shown: BTreeMap<u64, Entry>,
    /// Offsets reported as missed.
    missed: Vec<(u64, u64)>,
}

fn records(batch: &Batch) -> impl Iterator<Item = (u64, Entry)> {
    let offsets = batch.first_offset..;
    offsets.zip(&batch.records).map(|(offset, record)| (offset, (record.log.0, record.index)))
}

impl Session {
    /// Notes what a node has read.
    pub(super) fn note(
        &mut self,
        step: &Step,
        state: Option<&State>,
        observer: &mut Observer,
    ) -> Result<(), String> {
        match step {
            Step::Adopted { is_other_stream, missed } => {
                let state = state.ok_or("adopted nothing")?;
                if *is_other_stream || self.stream.is_none() {
                    let (stream, start) = (Some(state.stream()), state.next_offset());
                    *self = Self { stream, start, ..Self::default() };
                }
                self.missed.extend(missed);
                Ok(())
            }
            Step::Applied(Applied { content: Content::Batch(batch), hash, show }) => match show {
                Show::New => self.show(batch, *hash, observer),
                Show::Repeated => self.repeat(batch),
                Show::Withheld => {
                    self.missed.push((batch.first_offset, batch.next_offset()));
                    Ok(())
                }
            },
            _ => Ok(()),
        }
    }

    fn show(
        &mut self,
        batch: &Batch,
        hash: BatchHash,
        observer: &mut Observer,
    ) -> Result<(), String> {
        observer.hashes.insert(hash);
        for (offset, entry) in records(batch) {
            if self.shown.last_key_value().is_some_and(|(last, _)| *last >= offset) {
                return Err(format!("I2: offset {offset} does not grow"));
            }
            self.shown.insert(offset, entry);
            let known = observer.shown.insert((batch.header.stream, offset), entry);
            if known.is_some_and(|known| known != entry) {
                return Err(format!("I1: offset {offset} is {known:?} and {entry:?}"));
            }
        }
        Ok(())
    }

    fn repeat(&self, batch: &Batch) -> Result<(), String> {
        let unknown = records(batch).find(|(offset, entry)| {
            self.stream == Some(batch.header.stream) && self.shown.get(offset) != Some(entry)
        });
        unknown.map_or(Ok(()), |unknown| Err(format!("I2: {unknown:?} was not shown before")))
    }

    /// Checks that nothing of the stream's records is missing without being reported.
    pub(super) fn check(&self, stream: StreamId, kept: &[(u64, Entry)]) -> Result<(), String> {
        let is_excused =
            |offset: u64| self.missed.iter().any(|(from, end)| *from <= offset && offset < *end);
        let lost = kept.iter().find(|(offset, entry)| {
            *offset >= self.start && self.shown.get(offset) != Some(entry) && !is_excused(*offset)
        });
        match lost {
            Some(lost) if self.stream == Some(stream) => Err(format!("I2: {lost:?} is missing")),
            _ => Ok(()),
        }
    }
}

/// The stream as read from a sequence on.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) state: State,
    pub(super) records: Vec<(u64, Entry)>,
    /// Sequences before its checkpoints.
    pub(super) checkpoints: Vec<u64>,
}

/// Reads the stream from the first message kept after a sequence.
pub(super) fn whole(server: &Server, after: u64) -> Result<Whole, String> {
    let mut reader = Reader::new(after);
    let (mut kept, mut checkpoints) = (Vec::new(), Vec::new());
    for (sequence, payload) in server.messages().filter(|(sequence, _)| *sequence > after) {
        match reader.read(sequence, payload).map_err(|error| error.to_string())? {
            Step::Doubtful => reader.void(sequence),
            Step::Applied(Applied { content: Content::Batch(batch), .. }) => {
                kept.extend(records(&batch));
            }
            Step::Adopted { is_other_stream, .. } => {
                if is_other_stream {
                    kept.clear();
                    checkpoints.clear();
                }
                checkpoints.extend(reader.checkpoints().next().map(|place| place.after));
            }
            Step::Passed(Passed::Checkpoint) => {
                checkpoints.extend(reader.checkpoints().next().map(|place| place.after));
            }
            _ => {}
        }
    }
    let state = reader.state().cloned().ok_or("the stream cannot be read")?;
    Ok(Whole { state, records: kept, checkpoints })
}

impl Observer {
    /// Checks that everything shown was stored at some time.
    pub(super) fn check(&self, stored: &HashSet<BatchHash>) -> Result<(), String> {
        let unknown = self.hashes.iter().find(|hash| !stored.contains(hash));
        unknown.map_or(Ok(()), |hash| Err(format!("I6: {hash:?} was shown and never stored")))
    }
}

/// Returns the hashes of the batches that readers apply, which have read everything so far: the
/// reader of an observer beside the server.
#[derive(Debug, Default)]
pub(super) struct Stored {
    pub(super) hashes: HashSet<BatchHash>,
    reader: Reader,
}

impl Stored {
    /// Returns the current term.
    pub(super) fn term(&self) -> Option<u64> {
        self.reader.state().map(State::term)
    }

    /// Reads a message at the moment at which it is stored.
    pub(super) fn read(&mut self, server: &Server, sequence: u64, payload: &Bytes) {
        if self.step(sequence, payload) {
            return;
        }
        if server.has(self.reader.tip()) {
            self.reader.void(sequence);
            return;
        }
        // The stream was cut: everything is read again.
        self.reader.restart(server.first().saturating_sub(1));
        for (sequence, payload) in server.messages() {
            if !self.step(sequence, payload) {
                self.reader.void(sequence);
            }
        }
    }

    fn step(&mut self, sequence: u64, payload: &Bytes) -> bool {
        match self.reader.read(sequence, payload) {
            Ok(Step::Doubtful) => return false,
            Ok(Step::Applied(applied)) => {
                self.hashes.insert(applied.hash);
            }
            _ => {}
        }
        true
    }
}
