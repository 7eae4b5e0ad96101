//! The stream as a server keeps it.

use std::collections::BTreeMap;

use bytes::Bytes;
use relay::protocol::{Anchor, MessageId, Publish};

/// The stream.
#[derive(Debug, Default)]
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
    Stored,
    WrongSequence,
    WrongId,
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
        Outcome::Stored
    }

    /// Stores a message of another program.
    pub(super) fn store_foreign(&mut self) {
        self.store(Bytes::from_static(b"hello"), None);
    }

    fn store(&mut self, payload: Bytes, id: Option<MessageId>) {
        self.last += 1;
        self.messages.insert(self.last, payload);
        self.last_id = id;
    }

    pub(super) fn restart(&mut self) {
        self.last_id = None;
    }

    /// Loses the messages above a sequence.
    pub(super) fn lose(&mut self, last: u64) {
        self.messages.split_off(&(last + 1));
        self.last = last;
        self.restart();
    }

    /// Deletes the messages below a sequence.
    pub(super) fn expire(&mut self, first: u64) {
        self.messages = self.messages.split_off(&first);
    }

    /// Returns the first message after a sequence, and not after `end`.
    pub(super) fn after(&self, sequence: u64, end: u64) -> Option<(u64, Bytes)> {
        let end = end.max(sequence + 1);
        let found = self.messages.range(sequence + 1..=end).next();
        found.map(|(sequence, payload)| (*sequence, payload.clone()))
    }

    pub(super) fn has(&self, anchor: Anchor) -> bool {
        let found = self.messages.get(&anchor.sequence);
        found.is_some_and(|payload| MessageId::of(payload) == anchor.id)
    }

    pub(super) fn first(&self) -> u64 {
        self.messages.keys().next().copied().unwrap_or(self.last + 1)
    }

    pub(super) fn messages(&self) -> impl Iterator<Item = (u64, &Bytes)> {
        self.messages.iter().map(|(sequence, payload)| (*sequence, payload))
    }
}
