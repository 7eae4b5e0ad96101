//! Leading: what to publish next.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use record::encoding::{EncodeError, Encoder, Kind};
use record::{Batch, BatchHash, Begin, Checkpoint, Refused, State, SyncMode};
use thiserror::Error;

use super::content::Outline;
use super::message::{self, Body, Message, MessageId};
use super::offsets;
use super::reader::Reader;
use super::step::Anchor;
use super::totals::Totals;

/// Bytes of published messages that are kept, to publish them again if the stream loses its end.
const MAX_KEPT: usize = 64 << 20;

/// The circumstances of a begin.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// A random number that no begin had before: that of this node in a handover to it.
    pub nonce: [u8; 16],
    /// Identity of the machine's boot, all zero if unknown.
    pub boot: [u8; 16],
    /// SHA-256 of what of the configuration decides the contents of batches.
    pub configuration: [u8; 32],
    /// The time since 1970 by this machine's clock.
    pub now: Duration,
    /// The servers of the stream lose nothing that they acknowledged.
    pub is_durable: bool,
    /// The lowest first offset allowed.
    pub min_offset: u64,
    /// Bytes of a message on the stream at most.
    pub max_payload: usize,
}

/// Leads a term: orders what is to be published, and decides with a [`Reader`] beside it what to do
/// next.
#[derive(Debug)]
pub struct Leader {
    /// The fold after everything proposed.
    state: State,
    /// The totals of the stream after everything proposed.
    totals: Totals,
    encoder: Encoder,
    /// Messages in the order of the stream: those that the reader has read and that are kept, then
    /// those that it has not.
    items: VecDeque<Item>,
    kept: usize,
    max_kept: usize,
    /// Items at the front that the reader has read.
    read: usize,
    /// The message before the first item.
    base: Anchor,
    /// Number of the last batch or begin that the reader has applied.
    committed: u64,
    /// The term's first messages.
    opening: u64,
    /// Messages of the checkpoint that creates the stream; 0 if another leader has created it.
    creation: usize,
    max_payload: usize,
    /// The server does not know the id of the message at this position.
    forgotten: Option<u64>,
    /// The position of a mark after which nothing can have been lost unnoticed.
    verified: Option<(u64, MessageId)>,
    /// Marks made so far, for their random numbers.
    marks: u64,
    /// A batch was encoded and could not be published.
    is_broken: bool,
}

/// A message to publish.
#[derive(Clone, Debug)]
struct Item {
    id: MessageId,
    payload: Bytes,
    /// Number of the batch or begin that is complete with it; 0 if none is.
    number: u64,
    /// The sequence at which the reader has read it; 0 if it has not, or that is not known.
    sequence: u64,
}

/// A message to publish now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// The bytes.
    pub payload: Bytes,
    /// Its id.
    pub id: MessageId,
    /// The sequence that the stream's last message must have.
    pub last_sequence: u64,
    /// The id that it must have; `None` for a mark.
    pub last_id: Option<MessageId>,
}

/// The next thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Everything is published and read.
    Idle,
    /// Publish, then read until the stream's end.
    Publish(Publish),
    /// Read this message again, not before the reader's position is reached: call
    /// [`Leader::verified`] if it is there, otherwise restart the reader.
    Verify(Anchor),
    /// Another node leads, or the stream has lost more than this leader keeps: discard the leader.
    Deposed,
}

/// Reason why a batch cannot be proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProposeError {
    /// It does not fit the fold.
    #[error("the batch does not fit: {0}")]
    Refused(#[from] Refused),
    /// It cannot be encoded.
    #[error("the batch cannot be encoded: {0}")]
    Encode(#[from] EncodeError),
    /// It is too large even in parts.
    #[error("the batch is too large")]
    TooLarge,
}

impl Leader {
    /// Begins a term after what the reader has read, which must be the stream's end; `None` if the
    /// reader has no fold.
    ///
    /// # Errors
    /// If no offsets or numbers are left.
    pub fn begin(reader: &Reader, opening: &Opening) -> Option<Result<Self, ProposeError>> {
        let state = reader.state()?.clone();
        let mut leader = Self::new(state, reader.tip(), opening.max_payload);
        leader.totals = reader.totals();
        let is_handover = reader.handover() == Some(opening.nonce);
        let is_first = leader.state.term() == 0;
        let next = leader.state.next_offset();
        let min = opening.min_offset.max(reader.highest());
        let first = if (is_handover || opening.is_durable) && !is_first {
            next.max(min)
        } else {
            offsets::first_offset(next, min, reader.newest(), opening.now)
        };
        Some(leader.open(opening, first).map(|()| leader))
    }

    /// Creates a stream with a state that has no position in it yet: its first messages are a
    /// checkpoint, the begin of a term, and another checkpoint. The stream must be empty.
    ///
    /// # Errors
    /// If the state cannot be encoded, or no offsets or numbers are left.
    pub fn create(state: State, opening: &Opening) -> Result<Self, ProposeError> {
        let mut leader = Self::new(state, Anchor::default(), opening.max_payload);
        leader.checkpoint()?;
        leader.creation = leader.items.len();
        let next = leader.state.next_offset();
        let first = offsets::first_offset(next, opening.min_offset, 0, opening.now);
        leader.open(opening, first).map(|()| leader)
    }

    fn new(state: State, base: Anchor, max_payload: usize) -> Self {
        Self {
            committed: state.number(),
            opening: state.number().saturating_add(1),
            creation: 0,
            state,
            totals: Totals::default(),
            encoder: Encoder::new(),
            items: VecDeque::new(),
            kept: 0,
            max_kept: MAX_KEPT,
            read: 0,
            base,
            max_payload,
            forgotten: None,
            verified: None,
            marks: 0,
            is_broken: false,
        }
    }

    /// Adds the begin of the term, and the checkpoint after which its batches are encoded.
    fn open(&mut self, opening: &Opening, first_offset: u64) -> Result<(), ProposeError> {
        let mut header = self.state.next_header();
        header.term = header.term.saturating_add(1);
        let begin = Begin {
            header,
            first_offset,
            nonce: opening.nonce,
            boot: opening.boot,
            sync: SyncMode::Replicated,
            configuration: opening.configuration,
        };
        let mut plain = Vec::new();
        let hash = self.encoder.begin(&begin, &mut plain);
        self.state.begin(&begin, hash)?;
        self.push(Kind::Begin, &plain, begin.header.number)?;
        self.checkpoint()
    }

    /// Sets the bytes of published messages that the leader keeps to publish them again, at most 64 MiB.
    pub fn keep_at_most(&mut self, bytes: usize) {
        self.max_kept = bytes.min(MAX_KEPT);
    }

    /// Returns the fold after everything proposed.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Returns the number of the last batch or begin that the reader has applied.
    #[must_use]
    pub const fn committed(&self) -> u64 {
        self.committed
    }

    /// Reports whether the begin of the term is committed.
    #[must_use]
    pub const fn leads(&self) -> bool {
        self.committed >= self.opening
    }

    /// Proposes a batch, and returns its hash.
    ///
    /// # Errors
    /// If it does not fit after the last one, or cannot be encoded: nothing has changed then. If it is
    /// too large: the leader is then deposed.
    pub fn propose(&mut self, batch: &Batch) -> Result<BatchHash, ProposeError> {
        self.state.check(batch)?;
        let mut plain = Vec::new();
        let hash = self.encoder.batch(batch, &mut plain)?;
        if let Err(error) = self.push(Kind::Batch, &plain, batch.header.number) {
            // The encoder is ahead of the stream.
            self.is_broken = true;
            return Err(error);
        }
        self.state.apply(batch, hash)?;
        self.totals.add(batch);
        Ok(hash)
    }

    /// Proposes a checkpoint, from which readers can begin.
    ///
    /// # Errors
    /// If the fold cannot be encoded.
    pub fn checkpoint(&mut self) -> Result<(), ProposeError> {
        let checkpoint = Checkpoint { state: self.state.clone(), issuers: Vec::new() };
        let mut plain = Vec::new();
        self.encoder.checkpoint(&checkpoint, &mut plain)?;
        self.push(Kind::Checkpoint, &plain, 0)
    }

    /// Proposes to hand over to the node with this nonce. Nothing may be proposed after it.
    pub fn hand_over(&mut self, nonce: [u8; 16]) {
        let message = Message { after: self.last(), body: Body::Handover(nonce) };
        self.add(message.write(), 0);
    }

    /// Returns the id of the last message proposed.
    fn last(&self) -> MessageId {
        self.items.back().map_or(self.base.id, |item| item.id)
    }

    fn push(&mut self, kind: Kind, plain: &[u8], number: u64) -> Result<(), ProposeError> {
        let outline = Outline { kind, stream: self.state.stream(), before: self.totals };
        let content = outline.wrap(plain).ok_or(ProposeError::TooLarge)?;
        let packed = message::pack(&content, self.last(), self.max_payload);
        let packed = packed.ok_or(ProposeError::TooLarge)?;
        let parts = packed.len();
        for (part, payload) in packed.into_iter().enumerate() {
            let is_last = part.saturating_add(1) == parts;
            self.add(payload, if is_last { number } else { 0 });
        }
        Ok(())
    }

    fn add(&mut self, payload: Bytes, number: u64) {
        self.kept = self.kept.saturating_add(payload.len());
        let id = MessageId::of(&payload);
        self.items.push_back(Item { id, payload, number, sequence: 0 });
    }

    /// Decides what to do next, after the reader has read what there is.
    pub fn next(&mut self, reader: &Reader) -> Next {
        if self.is_broken {
            return Next::Deposed;
        }
        let Some(fold) = reader.state() else { return self.create_again(reader) };
        let Some(read) = self.place(reader.tip()) else { return Next::Deposed };
        self.note_read(read, reader.tip());
        // Numbers ascend, and nothing of this leader is read before the last one.
        let mut numbers = self.items.iter().take(read).rev().map(|item| item.number);
        let complete = numbers.find(|number| *number > 0);
        let expected = complete.unwrap_or_default();
        if fold.number() < expected {
            // The reader refused what it read: a defect, after which another begin helps.
            return Next::Deposed;
        }
        self.committed = self.committed.max(expected);
        self.forget();
        if self.read < self.items.len() { self.publish(reader) } else { Next::Idle }
    }

    /// Returns how many items the reader has read whose tip this is; `None` if it is none of them, or a copy
    /// at another place.
    fn place(&self, tip: Anchor) -> Option<usize> {
        if tip == self.base {
            return Some(0);
        }
        let place = self.items.iter().rposition(|item| item.id == tip.id)?;
        let known = self.items.get(place).map(|item| item.sequence).filter(|known| *known > 0);
        let is_there = known.is_none_or(|known| known == tip.sequence);
        place.checked_add(1).filter(|_| is_there)
    }

    /// Notes that so many items are read, of which the tip is the last one.
    fn note_read(&mut self, read: usize, tip: Anchor) {
        self.read = read;
        for item in self.items.iter_mut().skip(read) {
            item.sequence = 0;
        }
        if let Some(last) = read.checked_sub(1).and_then(|last| self.items.get_mut(last)) {
            last.sequence = tip.sequence;
        }
    }

    /// Forgets the oldest messages that were read, beyond those that are kept.
    fn forget(&mut self) {
        while self.kept > self.max_kept
            && self.read > 1
            && let Some(item) = self.items.pop_front()
        {
            self.kept = self.kept.saturating_sub(item.payload.len());
            self.base = Anchor { sequence: item.sequence, id: item.id };
            self.read = self.read.saturating_sub(1);
        }
    }

    /// Decides what to do while there is no checkpoint in the stream: a leader that has created it begins
    /// it again.
    fn create_again(&mut self, reader: &Reader) -> Next {
        if self.base != Anchor::default() {
            return Next::Deposed;
        }
        // The first checkpoint may come in parts.
        let position = reader.position();
        let fence = reader.fence().filter(|_| self.forgotten != Some(position));
        let mut parts = self.items.iter().take(self.creation.saturating_sub(1));
        let last = fence.and_then(|fence| parts.position(|part| part.id == fence));
        self.read = last.map_or(0, |last| last.saturating_add(1));
        // Its first message follows nothing: wherever it is, readers without a fold begin there.
        self.item(position, fence.filter(|_| self.read > 0))
    }

    fn publish(&mut self, reader: &Reader) -> Next {
        let position = reader.position();
        let is_known = self.forgotten != Some(position);
        match reader.fence() {
            Some(id) if is_known && reader.tip().sequence == position => {
                self.item(position, Some(id))
            }
            Some(id) if is_known && self.verified == Some((position, id)) => {
                self.item(position, Some(id))
            }
            Some(_) if is_known => Next::Verify(reader.tip()),
            _ => Next::Publish(self.mark(position)),
        }
    }

    /// Publishes the next item after a message.
    fn item(&self, last_sequence: u64, last_id: Option<MessageId>) -> Next {
        let Some(Item { payload, id, .. }) = self.items.get(self.read) else { return Next::Idle };
        Next::Publish(Publish { payload: payload.clone(), id: *id, last_sequence, last_id })
    }

    /// Makes a mark to publish after the message at a position that has no id.
    fn mark(&mut self, position: u64) -> Publish {
        self.marks = self.marks.saturating_add(1);
        // Unique: no other leader has this last message, and the number counts.
        let mut seed = self.last().0.to_le_bytes().to_vec();
        seed.extend_from_slice(&self.marks.to_le_bytes());
        let message = Message { after: MessageId::of(&seed), body: Body::Mark };
        let payload = message.write();
        let id = MessageId::of(&payload);
        Publish { payload, id, last_sequence: position, last_id: None }
    }

    /// Notes that the message that [`Next::Verify`] named is where it was.
    pub const fn verified(&mut self, reader: &Reader) {
        if let Some(id) = reader.fence() {
            self.verified = Some((reader.position(), id));
        }
    }

    /// Notes that the server refused a publish because it does not know the id of the message at the
    /// reader's position.
    pub const fn forgotten(&mut self, reader: &Reader) {
        self.forgotten = Some(reader.position());
    }
}
