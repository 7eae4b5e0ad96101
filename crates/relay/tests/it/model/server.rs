//! The stream as its servers keep it.

use std::collections::BTreeMap;

use bytes::Bytes;
use relay::protocol::{Anchor, MessageId, Publish};

/// The stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Server {
    messages: BTreeMap<u64, Bytes>,
    /// Sequence of the last message, also if that is deleted.
    pub(super) last: u64,
    /// Id of the last message, if the server knows it.
    last_id: Option<MessageId>,
}

/// The outcome of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Stored(u64),
    WrongSequence,
    WrongId,
    Unknown,
}

impl Server {
    pub(super) fn publish(&mut self, publish: &Publish) -> Outcome {
        if publish.last_sequence != self.last {
            return Outcome::WrongSequence;
        }
        if publish.last_id.is_some() && publish.last_id != self.last_id {
            return Outcome::WrongId;
        }
        self.store(publish.payload.clone(), Some(publish.id));
        Outcome::Stored(self.last)
    }

    /// Stores a message without conditions.
    pub(super) fn store(&mut self, payload: Bytes, id: Option<MessageId>) {
        self.last += 1;
        self.messages.insert(self.last, payload);
        self.last_id = id;
    }

    /// Starts again, and forgets the id of the last message.
    pub(super) fn restart(&mut self) {
        self.last_id = None;
    }

    /// Loses the messages above a sequence. The one before them becomes the last.
    pub(super) fn lose(&mut self, last: u64) {
        let first = self.first();
        self.messages.split_off(&(last + 1));
        let kept = self.messages.keys().next_back();
        self.last = kept.copied().unwrap_or_else(|| last.min(first - 1));
        self.restart();
    }

    /// Deletes the messages below a sequence.
    pub(super) fn expire(&mut self, first: u64) {
        self.messages = self.messages.split_off(&first);
    }

    /// Loses messages from its middle.
    pub(super) fn damage(&mut self, first: u64, end: u64) {
        self.messages.retain(|sequence, _| !(first..end).contains(sequence));
    }

    /// Returns the first message after a sequence, and not after `end`.
    pub(super) fn after(&self, sequence: u64, end: u64) -> Option<(u64, Bytes)> {
        let found = self.messages.range(sequence + 1..).next()?;
        Some((*found.0, found.1.clone())).filter(|(found, _)| *found <= end)
    }

    pub(super) fn get(&self, sequence: u64) -> Option<&Bytes> {
        self.messages.get(&sequence)
    }

    pub(super) fn has(&self, anchor: Anchor) -> bool {
        let found = self.messages.get(&anchor.sequence);
        found.is_some_and(|payload| MessageId::of(payload) == anchor.id)
    }

    /// Returns the sequence of the first message; one more than the last if there is none.
    pub(super) fn first(&self) -> u64 {
        self.messages.keys().next().copied().unwrap_or(self.last + 1)
    }
}
