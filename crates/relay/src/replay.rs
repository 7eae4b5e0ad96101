//! Replaying a stream: committed batches from an offset on, for clients that resume.
//!
//! A [`Past`] knows what of a stream is still kept. A [`Replay`] folds the stream again from a checkpoint
//! before an offset, by the same rules as a [`Node`](crate::Node), so it returns the batches that nodes
//! have shown.

mod past;
mod stored;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use record::LogIdentity;

pub use self::past::{FirstSeen, Past};
pub use self::stored::StoredBatch;
use crate::error::UseError;
use crate::places::Place;
use crate::protocol::{Applied, Content, Passed, Reader, Step, Totals};
use crate::pull::Pull;
use crate::search::{self, Found};

/// Times that reading begins elsewhere before a replay gives up, unless it returns something.
const MAX_BEGINS: u32 = 16;

/// Reads committed batches in order. It keeps its place: a call for what follows the last one does not
/// search again.
#[derive(Debug)]
pub struct Replay {
    past: Past,
    /// The next batch has entries from here on.
    offset: u64,
    /// Batches without records are returned too.
    returns_all: bool,
    /// The place at which reading began.
    began: Option<Found>,
    /// Something was read that follows the checkpoint at which reading began, which thus belongs to the
    /// stream.
    is_confirmed: bool,
    begins: u32,
    reader: Reader,
    pull: Option<Pull>,
    /// A consumer did not deliver everything before this sequence, so that is fetched.
    undelivered: u64,
    /// The log table at the reader's place.
    logs: Arc<Vec<LogIdentity>>,
    /// Batches returned by the last call.
    recent: Vec<StoredBatch>,
    /// Batches that were read and are to be returned.
    waiting: VecDeque<StoredBatch>,
}

impl Replay {
    fn new(past: Past, offset: u64, returns_all: bool) -> Self {
        Self {
            past,
            offset,
            returns_all,
            began: None,
            is_confirmed: false,
            begins: 0,
            reader: Reader::default(),
            pull: None,
            undelivered: 0,
            logs: Arc::default(),
            recent: Vec::new(),
            waiting: VecDeque::new(),
        }
    }

    /// Reports whether a [`read`](Self::read) at an offset needs no search: it follows the last one, or
    /// repeats a part of it.
    #[must_use]
    pub fn is_at(&self, offset: u64) -> bool {
        let start = self.recent.first().map_or(self.offset, |first| first.batch.first_offset);
        (start..=self.offset).contains(&offset)
    }

    /// Reads the batch with the entry at `offset`, or the next one if no batch has that, and those that
    /// follow: at most `bytes` bytes of records, at least one batch; none that begins at `end` or after,
    /// which must not be above the end of what nodes have shown. Batches without records are left out,
    /// unless it is a [replay of all](Past::replay_all).
    ///
    /// Returns nothing if the stream has nothing before `end`. After an error or a cancelled call, read
    /// with another replay.
    ///
    /// # Errors
    /// If no server responds, or a newer program writes the stream.
    pub async fn read(
        &mut self,
        offset: u64,
        end: u64,
        bytes: usize,
    ) -> Result<Vec<StoredBatch>, UseError> {
        self.go_to(offset);
        let mut left = bytes;
        loop {
            let next = match self.next(end).await {
                Ok(Some(next)) => next,
                Err(error) if self.recent.is_empty() => return Err(error),
                // If there is an error, it will be there again.
                Ok(None) | Err(_) => break,
            };
            let weight = next.weight();
            if weight > left && !self.recent.is_empty() {
                self.waiting.push_front(next);
                break;
            }
            left = left.saturating_sub(weight);
            self.offset = next.batch.next_offset();
            self.recent.push(next);
        }
        Ok(self.recent.clone())
    }

    /// Continues at an offset, with batches of the last call if it lies before their end.
    fn go_to(&mut self, offset: u64) {
        if !self.is_at(offset) {
            *self = Self::new(self.past.clone(), offset, self.returns_all);
            return;
        }
        for batch in std::mem::take(&mut self.recent).into_iter().rev() {
            if batch.batch.next_offset() > offset {
                self.waiting.push_front(batch);
            }
        }
        self.offset = offset;
    }

    /// Returns the next batch that begins before `end`.
    async fn next(&mut self, end: u64) -> Result<Option<StoredBatch>, UseError> {
        if self.waiting.is_empty()
            && let Some(batch) = self.fold_on(end).await?
        {
            self.waiting.push_back(batch);
        }
        let is_due = self.waiting.front().is_some_and(|next| next.batch.first_offset < end);
        Ok(if is_due { self.waiting.pop_front() } else { None })
    }

    /// Reads on to the next batch with entries from the offset on, unless that begins at `end` or after.
    async fn fold_on(&mut self, end: u64) -> Result<Option<StoredBatch>, UseError> {
        if self.began.is_none() {
            self.begin().await?;
        }
        while self.reader.state().is_none_or(|state| state.next_offset() < end) {
            let before = self.reader.totals();
            let Some((sequence, payload)) = self.message().await? else {
                // Either the stream ends here, or the checkpoint was none of it.
                if self.is_confirmed || !self.begin_earlier().await? {
                    return Ok(None);
                }
                continue;
            };
            let step = self.reader.read(sequence, &payload)?;
            if let Some(batch) = self.take(step, sequence, before).await? {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }

    /// Handles what the reader has read. Returns a batch that is to be returned.
    async fn take(
        &mut self,
        step: Step,
        sequence: u64,
        before: Totals,
    ) -> Result<Option<StoredBatch>, UseError> {
        match step {
            Step::Applied(Applied { content: Content::Batch(batch), show, .. }) => {
                self.is_confirmed = true;
                if !batch.logs.is_empty() {
                    self.update_logs();
                }
                let logs = Arc::clone(&self.logs);
                let stored = StoredBatch::new(batch, before, logs);
                let is_due = if self.returns_all {
                    stored.batch.next_offset() >= self.offset
                } else {
                    !stored.batch.records.is_empty() && stored.batch.next_offset() > self.offset
                };
                if is_due && self.past.has_shown(&stored, show) {
                    self.begins = 0;
                    return Ok(Some(stored));
                }
            }
            Step::Adopted { .. } => self.adopted().await?,
            Step::Passed(Passed::Checkpoint) => {
                self.is_confirmed = true;
                self.note_place();
            }
            Step::Applied(_) | Step::Passed(Passed::Part | Passed::Handover | Passed::Void) => {
                self.is_confirmed = true;
            }
            Step::Passed(Passed::Mark | Passed::Foreign(_) | Passed::BeforeCheckpoint) => {}
            Step::Doubtful => self.resolve(sequence).await?,
        }
        Ok(None)
    }

    /// Returns the next message of the stream, `None` at its end.
    async fn message(&mut self) -> Result<Option<(u64, Bytes)>, UseError> {
        let position = self.reader.position();
        let link = &self.past.link;
        if position.saturating_add(1) < self.undelivered {
            return link.get_from(position.saturating_add(1)).await;
        }
        loop {
            let pull = match &mut self.pull {
                Some(pull) => pull,
                none => none.insert(Pull::after(link, position).await?),
            };
            match pull.next(link).await {
                Ok(Some((sequence, _))) if sequence <= position => {}
                Ok(Some(message)) => return Ok(Some(message)),
                // The consumer's server may be behind.
                Ok(None) => return link.get_from(position.saturating_add(1)).await,
                Err(error) => {
                    self.pull = None;
                    return Err(error);
                }
            }
        }
    }

    /// Begins at the last checkpoint before the offset.
    async fn begin(&mut self) -> Result<(), UseError> {
        let offset = self.offset;
        let Past { link, places, .. } = &self.past;
        let found = search::last_before(link, places, |totals| totals.end <= offset).await?;
        self.begin_at(found)
    }

    /// Begins at an earlier checkpoint, each time further away; `false` if there is none.
    async fn begin_earlier(&mut self) -> Result<bool, UseError> {
        let Some(Found { after, totals: Some(_) }) = self.began else { return Ok(false) };
        self.past.places.forget(after);
        let (link, offset) = (&self.past.link, self.offset);
        let first = link.bounds().await?.first;
        let distance = 1_u64.checked_shl(self.begins.saturating_sub(1)).unwrap_or(u64::MAX);
        let end = after.saturating_add(2).saturating_sub(distance).max(first);
        let is_before = |totals: &Totals| totals.end <= offset;
        let found = search::checkpoint_below(link, end, first, is_before).await?;
        self.begin_at(found).map(|()| true)
    }

    fn begin_at(&mut self, found: Found) -> Result<(), UseError> {
        self.begins = self.begins.saturating_add(1);
        if self.begins > MAX_BEGINS {
            return Err(UseError::Unavailable(
                "the stream changes while it is replayed".to_owned(),
            ));
        }
        self.began = Some(found);
        self.is_confirmed = false;
        self.reader = Reader::new(found.after);
        (self.pull, self.undelivered) = (None, 0);
        Ok(())
    }

    /// Continues at a checkpoint that was adopted.
    async fn adopted(&mut self) -> Result<(), UseError> {
        self.update_logs();
        let place = self.note_place();
        match self.began {
            Some(Found { after, totals: Some(_) })
                if !self.is_confirmed && place != Some(after) =>
            {
                // It was none, or is gone.
                self.past.places.forget(after);
                self.begin().await
            }
            _ => Ok(()),
        }
    }

    /// Finds out why a message does not follow the last one.
    async fn resolve(&mut self, sequence: u64) -> Result<(), UseError> {
        let link = &self.past.link;
        let next = self.reader.position().saturating_add(1);
        if !link.has(self.reader.tip()).await? {
            // The stream has lost its end or its beginning.
            return self.begin().await;
        }
        if !self.is_confirmed && self.begin_earlier().await? {
            return Ok(());
        }
        if sequence == next {
            self.reader.void(sequence);
        } else if self.past.link.get_from(next).await?.is_some_and(|(found, _)| found == sequence) {
            // The messages between are lost. Reading continues with the next checkpoint.
            tracing::error!(next, sequence, "the stream has lost messages from its middle");
            self.reader.restart(sequence.saturating_sub(1));
        } else {
            self.undelivered = sequence;
        }
        self.pull = None;
        Ok(())
    }

    fn update_logs(&mut self) {
        let logs = self.reader.state().into_iter().flat_map(|state| state.logs());
        self.logs = Arc::new(logs.map(|(_, log)| log.identity.clone()).collect());
    }

    /// Notes the checkpoint that the reader has read, and returns its place.
    fn note_place(&self) -> Option<u64> {
        let checkpoint = self.reader.checkpoints().next()?;
        let place = Place { after: checkpoint.after, totals: self.reader.totals() };
        self.past.places.note(place);
        Some(place.after)
    }
}
