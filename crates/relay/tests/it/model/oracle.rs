//! The fold of what is stored: a second implementation of the rule that decides which messages count.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use record::{Batch, BatchHash, State, StreamId};
use relay::protocol::{
    Anchor, Applied, Body, Content, Message, MessageId, Passed, Reader, Show, Step,
};

use super::observer::{Entry, Shown, entries};
use super::server::Server;

/// Reads the stream at the side of the server. It decides by the list that the ids make; only messages
/// of the list reach its [`Reader`], with numbers without holes, and it must apply all of them.
#[derive(Debug, Default)]
pub(super) struct Oracle {
    /// All messages up to the end of the stream, also those that retention or damage removed.
    archive: Archive,
    reader: Reader,
    /// The sequences of the messages that the reader has read.
    sequences: Vec<u64>,
    /// The last message of the list; none without a checkpoint.
    tip: Option<MessageId>,
    list: List,
    /// Batches ever stored.
    stored: HashSet<BatchHash>,
    /// The newest begin of a term, of any that was ever stored.
    pub(super) begun: Anchor,
}

/// The messages of a stream.
pub(super) type Archive = BTreeMap<u64, Bytes>;

/// The entries of the list and its checkpoints.
#[derive(Debug, Default)]
struct List {
    records: Vec<(StreamId, Shown)>,
    /// Entries without a record: sightings, and indexes that are missing.
    others: HashSet<Entry>,
    checkpoints: Vec<Checkpoint>,
}

/// A checkpoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct Checkpoint {
    /// The sequence before it.
    pub(super) after: u64,
    end: Anchor,
    /// The offset that follows.
    pub(super) next: u64,
}

impl Oracle {
    /// Reads a message at the moment at which it is stored.
    pub(super) fn store(&mut self, sequence: u64, payload: &Bytes) -> Result<(), String> {
        self.archive.insert(sequence, payload.clone());
        self.read(sequence, payload)
    }

    /// Returns everything stored.
    pub(super) fn archive(&self) -> Archive {
        self.archive.clone()
    }

    /// Reads everything again, because the stream ends at a sequence, or is another one.
    pub(super) fn restore(&mut self, mut archive: Archive, last: u64) -> Result<(), String> {
        archive.split_off(&(last + 1));
        (self.reader, self.tip, self.list) = (Reader::default(), None, List::default());
        self.sequences.clear();
        let begun = self.begun;
        for (sequence, payload) in &archive {
            self.read(*sequence, payload)?;
        }
        (self.archive, self.begun) = (archive, begun);
        Ok(())
    }

    fn read(&mut self, sequence: u64, payload: &Bytes) -> Result<(), String> {
        let Ok(message) = Message::read(payload) else { return Ok(()) };
        if message.body == Body::Mark {
            return Ok(());
        }
        if message.after == MessageId::NONE {
            (self.reader, self.list) = (Reader::default(), List::default());
            self.sequences.clear();
        } else if self.tip.is_some_and(|tip| tip != message.after) {
            return Ok(());
        }
        self.sequences.push(sequence);
        let number = self.sequences.len() as u64;
        let step = self.reader.read(number, payload).map_err(|error| error.to_string())?;
        self.tip = self.reader.state().map(|_| MessageId::of(payload));
        self.note(sequence, step)
    }

    fn note(&mut self, sequence: u64, step: Step) -> Result<(), String> {
        match step {
            Step::Applied(Applied { content: Content::Batch(batch), hash, show: Show::New }) => {
                self.stored.insert(hash);
                self.add(&batch)
            }
            Step::Applied(Applied { content: Content::Begin(_), .. }) => {
                self.begun = Anchor { sequence, ..self.reader.tip() };
                Ok(())
            }
            Step::Adopted { .. } | Step::Passed(Passed::Checkpoint) => {
                let place = self.reader.checkpoints().next().ok_or("no checkpoint")?;
                let next = self.reader.state().map_or(0, State::next_offset);
                let after = self.sequences[place.after as usize] - 1;
                let checkpoint = Checkpoint { after, end: Anchor { sequence, ..place.end }, next };
                self.list.checkpoints.push(checkpoint);
                Ok(())
            }
            Step::Passed(Passed::Part | Passed::Handover | Passed::BeforeCheckpoint) => Ok(()),
            other => Err(format!("I7: sequence {sequence} of the list is {other:?}")),
        }
    }

    fn add(&mut self, batch: &Batch) -> Result<(), String> {
        let state = self.reader.state().ok_or("no state")?;
        let shown = Shown::all(batch, state);
        self.list.records.extend(shown.into_iter().map(|shown| (state.stream(), shown)));
        self.list.others.extend(entries(batch, state));
        Ok(())
    }

    /// Returns the state after the list.
    pub(super) fn state(&self) -> Option<&State> {
        self.reader.state()
    }

    /// Reports whether a message is the last one of the list.
    pub(super) fn ends_with(&self, id: MessageId) -> bool {
        // Before the first checkpoint is complete, there is no list.
        self.tip.is_none_or(|tip| tip == id)
    }

    /// Returns the records of the current stream, also those that retention or damage removed.
    pub(super) fn records(&self) -> impl Iterator<Item = Shown> {
        let current = self.state().map(State::stream);
        let records = self.list.records.iter().filter(move |(stream, _)| Some(*stream) == current);
        records.map(|(_, shown)| *shown)
    }

    /// Returns the entries of the list that have no record.
    pub(super) const fn others(&self) -> &HashSet<Entry> {
        &self.list.others
    }

    /// Returns the checkpoints that the servers have.
    pub(super) fn checkpoints(&self, server: &Server) -> Vec<Checkpoint> {
        let sequences = |checkpoint: &Checkpoint| checkpoint.after + 1..=checkpoint.end.sequence;
        let has_all = |checkpoint: &&Checkpoint| {
            let has = |sequence| server.get(sequence) == self.archive.get(&sequence);
            server.has(checkpoint.end) && sequences(checkpoint).all(has)
        };
        self.list.checkpoints.iter().filter(has_all).copied().collect()
    }

    /// Checks that a batch that is shown was stored.
    pub(super) fn check_stored(&self, hash: BatchHash) -> Result<(), String> {
        let is_stored = self.stored.contains(&hash);
        is_stored.then_some(()).ok_or_else(|| format!("I6: {hash:?} is shown and never stored"))
    }
}
