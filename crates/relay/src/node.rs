//! A node of a cluster: it reads the stream, and publishes if it is to lead.

use std::time::{Duration, Instant};

use bytes::Bytes;
use record::{Batch, BatchHash, State};
use tokio::time::timeout;

use crate::error::UseError;
use crate::link::{Bounds, Link, Outcome};
use crate::places::{Place, Places};
use crate::protocol::{Anchor, Leader, Next, Opening, Passed, Publish, Reader, Step};
use crate::search;
use crate::tail::Tail;

/// Pause before a publish without an outcome is repeated.
const PAUSE: Duration = Duration::from_millis(200);
/// Time after a commit in which no other node can have begun to lead: leases last longer.
const FRESH: Duration = Duration::from_secs(1);
/// Time for a message that was stored to arrive.
const ARRIVAL: Duration = Duration::from_secs(2);
/// Messages read in search of the end before anything else is done, and bytes of their records.
const MAX_CATCH_UP: usize = 256;
const MAX_CATCH_UP_BYTES: usize = 8 << 20;

/// Reads a stream, checks that it is still the one that was read, and publishes as leader.
#[derive(Debug)]
pub struct Node {
    link: Link,
    reader: Reader,
    tail: Option<Tail>,
    leader: Option<Leader>,
    counts: Counts,
    places: Places,
    /// The last message that was passed over and counted.
    passed_over: u64,
    /// The first message after the last hole found.
    hole: u64,
    /// A consumer did not deliver everything before this sequence, so that is fetched.
    undelivered: u64,
    /// The stream does not have what was read, and is not read to its end since.
    is_behind: bool,
    /// The stream is read from its beginning, because nothing that counts was found at its end.
    begins_again: bool,
    /// The reason why the last message published is not known to be stored.
    trouble: Option<String>,
    /// The time at which the last message read was known to be in its place.
    confirmed: Instant,
}

/// Events that are counted since the node began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages of others.
    pub foreign: u64,
    /// Messages of ours that fit nothing.
    pub void: u64,
    /// Losses of the stream's end.
    pub rewinds: u64,
    /// Publishes that were refused or had no outcome.
    pub repeated: u64,
    /// Marks published.
    pub marks: u64,
    /// Holes found in the stream: messages lost from its middle.
    pub holes: u64,
}

/// The outcome of a turn as leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Everything proposed is committed.
    Committed,
    /// Something is not committed yet: take another turn.
    Again,
    /// Another node leads, this one never did, or a message was too large for the stream.
    Deposed,
}

impl Node {
    /// Creates a node that begins at the first message kept.
    ///
    /// # Errors
    /// If no server responds.
    pub async fn new(link: Link) -> Result<Self, UseError> {
        let Bounds { first, .. } = link.bounds().await?;
        Ok(Self::after(link, first.saturating_sub(1)))
    }

    /// Creates a node that begins at a checkpoint before the last messages, so that about `bytes` bytes
    /// of messages or more follow it; at the first message kept if there are fewer, or no checkpoint.
    ///
    /// # Errors
    /// If no server responds.
    pub async fn near_end(link: Link, bytes: u64) -> Result<Self, UseError> {
        let after = search::near_end(&link, bytes).await?;
        Ok(Self::after(link, after))
    }

    fn after(link: Link, sequence: u64) -> Self {
        let reader = Reader::new(sequence);
        let (counts, places) = (Counts::default(), Places::default());
        Self {
            link,
            reader,
            tail: None,
            leader: None,
            counts,
            places,
            passed_over: 0,
            hole: 0,
            undelivered: 0,
            is_behind: false,
            begins_again: false,
            trouble: None,
            confirmed: Instant::now(),
        }
    }

    /// Returns the reader.
    #[must_use]
    pub const fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Returns the leader, if this node is one or tries to be.
    #[must_use]
    pub const fn leader(&self) -> Option<&Leader> {
        self.leader.as_ref()
    }

    /// Returns the counts.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Returns the reason why the last message published is not known to be stored; `None` if it is.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Returns the connection.
    #[must_use]
    pub const fn link(&self) -> &Link {
        &self.link
    }

    /// Returns the checkpoints passed.
    pub(crate) const fn places(&self) -> &Places {
        &self.places
    }

    /// Reads the next message, for which it waits for `wait` at most; `None` if none came.
    /// [`Step::Doubtful`] says that the stream has lost its end, and is read anew from a checkpoint. May
    /// be cancelled at any time.
    ///
    /// # Errors
    /// If no server responds, or a newer program writes the stream.
    pub async fn read(&mut self, wait: Duration) -> Result<Option<Step>, UseError> {
        let position = self.reader.position();
        if position.saturating_add(1) < self.undelivered {
            return self.fetch().await;
        }
        let (sequence, payload) = loop {
            let tail = match &mut self.tail {
                Some(tail) => tail,
                none => none.insert(Tail::after(&self.link, position).await?),
            };
            match timeout(wait, tail.next()).await {
                Err(_) => return Ok(None),
                Ok(Ok((sequence, _))) if sequence <= position => {}
                Ok(Ok(message)) => break message,
                Ok(Err(error)) => {
                    self.tail = None;
                    return Err(error);
                }
            }
        };
        // If this is cancelled, the message is read again.
        let tail = self.tail.take();
        let step = self.take(sequence, &payload).await?;
        if self.reader.position() == sequence {
            self.tail = tail;
        }
        Ok(Some(step))
    }

    /// Reads the next message although the consumer does not deliver it.
    async fn fetch(&mut self) -> Result<Option<Step>, UseError> {
        self.tail = None;
        let from = self.reader.position().saturating_add(1);
        match self.link.get_from(from).await? {
            Some((sequence, payload)) => self.take(sequence, &payload).await.map(Some),
            None => Ok(None),
        }
    }

    /// Gives a message to the reader.
    async fn take(&mut self, sequence: u64, payload: &Bytes) -> Result<Step, UseError> {
        let step = match self.reader.read(sequence, payload)? {
            Step::Doubtful => self.resolve(sequence).await?,
            step => step,
        };
        if let Step::Adopted { is_other_stream: true, .. } = step {
            self.places.cut(0);
        }
        // Before one after them can be passed over, they are read again.
        let is_new = sequence > self.passed_over;
        match step {
            Step::Passed(Passed::Foreign(_)) if is_new => {
                self.passed_over = sequence;
                self.counts.foreign = self.counts.foreign.saturating_add(1);
            }
            Step::Passed(Passed::Void) if is_new => {
                self.passed_over = sequence;
                self.counts.void = self.counts.void.saturating_add(1);
            }
            Step::Adopted { .. } | Step::Passed(Passed::Checkpoint) => self.note_place(),
            _ => {}
        }
        Ok(step)
    }

    /// Notes the checkpoint that was read.
    fn note_place(&self) {
        if let Some(checkpoint) = self.reader.checkpoints().next() {
            let totals = self.reader.totals();
            self.places.note(Place { after: checkpoint.after, totals });
        }
    }

    /// Finds out why a message does not follow the tip: it is void, the stream was continued after a loss
    /// of its end, or what lies between is lost.
    async fn resolve(&mut self, sequence: u64) -> Result<Step, UseError> {
        let next = self.reader.position().saturating_add(1);
        if !self.link.has(self.reader.tip()).await? {
            self.restart().await?;
        } else if sequence == next {
            self.reader.void(sequence);
            if self.reader.position() == sequence {
                return Ok(Step::Passed(Passed::Void));
            }
        } else if self.link.get_from(next).await?.is_some_and(|(found, _)| found == sequence) {
            if self.hole < sequence {
                tracing::error!(
                    next,
                    sequence,
                    "the stream has lost messages from its middle: reading continues with the next \
                     checkpoint; check the disks of the servers"
                );
                self.counts.holes = self.counts.holes.saturating_add(1);
                self.hole = sequence;
            }
            self.tail = None;
            self.reader.pass_hole(sequence);
        } else {
            self.undelivered = sequence;
        }
        Ok(Step::Doubtful)
    }

    /// Checks that the stream still has what was read. Returns its bounds.
    ///
    /// # Errors
    /// If no server responds.
    pub async fn check(&mut self) -> Result<Bounds, UseError> {
        // The servers may have forgotten the consumer of a node that could not reach them.
        let bounds = self.link.bounds().await.inspect_err(|_| self.tail = None)?;
        let tip = self.reader.tip();
        let is_cut = bounds.last < self.reader.position();
        let is_kept = self.reader.state().is_some() && tip.sequence >= bounds.first;
        if is_cut || (is_kept && !self.link.has(tip).await?) {
            self.restart().await?;
        }
        Ok(bounds)
    }

    /// Reads again from the newest checkpoint that is still in its place.
    async fn restart(&mut self) -> Result<(), UseError> {
        let Bounds { first, last } = self.link.bounds().await?;
        let before_first = first.saturating_sub(1);
        let mut after = before_first;
        let checkpoints: Vec<_> = self.reader.checkpoints().collect();
        for checkpoint in checkpoints {
            let is_kept = checkpoint.after >= after && checkpoint.end.sequence <= last;
            if is_kept && self.link.has(checkpoint.end).await? {
                after = checkpoint.after;
                break;
            }
        }
        tracing::warn!(
            position = self.reader.position(),
            after,
            last,
            "the stream does not have what was read from it: reading it again"
        );
        self.counts.rewinds = self.counts.rewinds.saturating_add(1);
        self.tail = None;
        self.places.cut(after);
        (self.passed_over, self.undelivered) = (after, 0);
        (self.is_behind, self.begins_again) = (true, after == before_first);
        self.reader.restart(after);
        Ok(())
    }

    /// Reads to the end of the stream, a bounded number of messages at a time. Returns the steps, and
    /// whether the end is reached.
    ///
    /// # Errors
    /// If no server responds.
    pub async fn catch_up(&mut self) -> Result<(Vec<Step>, bool), UseError> {
        let last = self.check().await?.last;
        let (mut steps, mut bytes) = (Vec::new(), 0_usize);
        while self.reader.position() < last
            && steps.len() < MAX_CATCH_UP
            && bytes < MAX_CATCH_UP_BYTES
        {
            let arrived = match self.read(ARRIVAL).await? {
                None => self.fetch().await?,
                arrived => arrived,
            };
            let Some(step) = arrived else { break };
            bytes = bytes.saturating_add(step.weight());
            steps.push(step);
        }
        if self.reader.position() < last {
            return Ok((steps, false));
        }
        let is_vague = self.leader.is_none() && !self.reader.is_confirmed();
        if (is_vague || self.reader.state().is_none()) && !self.begins_again {
            // Before the stream counts as empty, or a checkpoint as its last message, it is read from its
            // beginning: what was read without finding a checkpoint may have been replaced, and the
            // checkpoint may be a copy.
            let before_first = self.link.bounds().await?.first.saturating_sub(1);
            self.reader.restart(before_first);
            self.tail = None;
            (self.is_behind, self.begins_again) = (true, true);
            return Ok((steps, false));
        }
        (self.is_behind, self.begins_again) = (false, false);
        Ok((steps, true))
    }

    /// Tries to lead, after what was read, which must be the end of the stream. A stream without a
    /// checkpoint is created with `state`. Takes effect with the next [`turn`](Self::turn).
    ///
    /// # Errors
    /// If the begin cannot be encoded.
    pub fn stand(&mut self, opening: &Opening, state: State) -> Result<(), UseError> {
        let leader = match Leader::begin(&self.reader, opening) {
            Some(leader) => leader?,
            None => Leader::create(state, opening)?,
        };
        self.leader = Some(leader);
        Ok(())
    }

    /// Ceases to lead, and to try to: what is proposed and not committed is given up.
    pub fn step_down(&mut self) {
        self.leader = None;
    }

    /// Proposes a batch; `None` if this node does not lead.
    ///
    /// # Errors
    /// If the batch does not fit or is too large.
    pub fn propose(&mut self, batch: &Batch) -> Result<Option<BatchHash>, UseError> {
        let leader = self.leader.as_mut().filter(|leader| leader.leads());
        Ok(leader.map(|leader| leader.propose(batch)).transpose()?)
    }

    /// Proposes a checkpoint, if this node leads.
    ///
    /// # Errors
    /// If the fold cannot be encoded.
    pub fn checkpoint(&mut self) -> Result<(), UseError> {
        match &mut self.leader {
            Some(leader) if leader.leads() => Ok(leader.checkpoint()?),
            _ => Ok(()),
        }
    }

    /// Proposes to hand over to the node with a nonce, if this node leads.
    pub fn hand_over(&mut self, nonce: [u8; 16]) {
        if let Some(leader) = &mut self.leader {
            leader.hand_over(nonce);
        }
    }

    /// Does the next thing as leader: publishes one message at most, and reads it back. Adds what was
    /// read to `steps`.
    ///
    /// # Errors
    /// If no server responds; the turn may be repeated.
    pub async fn turn(&mut self, steps: &mut Vec<Step>) -> Result<Turn, UseError> {
        if self.leader.is_some() && self.is_behind {
            let (read, is_at_end) = self.catch_up().await?;
            steps.extend(read);
            if !is_at_end {
                return Ok(Turn::Again);
            }
        }
        let Some(leader) = &mut self.leader else { return Ok(Turn::Deposed) };
        match leader.next(&self.reader) {
            Next::Idle => Ok(Turn::Committed),
            Next::Deposed => {
                self.leader = None;
                Ok(Turn::Deposed)
            }
            Next::Verify(tip) => {
                // Not from a server that lacks the mark.
                let last = self.link.bounds().await?.last;
                if last < self.reader.position() {
                    self.check().await?;
                } else if self.link.has(tip).await? {
                    leader.verified(&self.reader);
                } else {
                    self.restart().await?;
                }
                Ok(Turn::Again)
            }
            Next::Publish(publish) => {
                // Nothing is published that could not be sent, nor counted.
                self.link.connected()?;
                if !self.is_last(&publish).await? {
                    self.restart().await?;
                    return Ok(Turn::Again);
                }
                // The first message of a stream names no other one either.
                let is_mark = publish.last_id.is_none() && self.reader.state().is_some();
                let outcome = self.link.publish(&publish).await;
                self.counts.marks = self.counts.marks.saturating_add(u64::from(is_mark));
                self.learn(outcome, steps).await?;
                Ok(Turn::Again)
            }
        }
    }

    /// Reports whether the message after which a publish goes is still in its place, if that was not seen
    /// lately and the fence of the publish does not ensure it. The tip does not suffice: after it, others
    /// may have taken the place of what was read up to a mark.
    async fn is_last(&mut self, publish: &Publish) -> Result<bool, UseError> {
        let Some(id) = publish.last_id else { return Ok(true) };
        if !self.link.is_replicated() || self.confirmed.elapsed() < FRESH {
            return Ok(true);
        }
        let is_last = self.link.has(Anchor { sequence: publish.last_sequence, id }).await?;
        if is_last {
            self.confirmed = Instant::now();
        }
        Ok(is_last)
    }

    /// Reads what a publish has led to.
    async fn learn(&mut self, outcome: Outcome, steps: &mut Vec<Step>) -> Result<(), UseError> {
        if let Outcome::Stored(sequence) = outcome {
            while self.reader.position() < sequence {
                let Some(step) = self.read(ARRIVAL).await? else { break };
                steps.push(step);
            }
            if self.reader.position() >= sequence {
                self.trouble = None;
                self.confirmed = Instant::now();
                return Ok(());
            }
        } else {
            self.counts.repeated = self.counts.repeated.saturating_add(1);
        }
        if outcome == Outcome::TooLarge {
            // It would not fit later either. The next term cuts its messages by the limit of its time.
            self.leader = None;
            return Ok(());
        }
        if let Outcome::Unknown(reason) = &outcome {
            self.trouble = Some(reason.clone());
            self.tail = None;
        }
        if outcome == Outcome::WrongId
            && let Some(leader) = &mut self.leader
        {
            leader.forgotten(&self.reader);
        }
        let position = self.reader.position();
        let (read, _) = self.catch_up().await?;
        steps.extend(read);
        if outcome != Outcome::WrongId && self.reader.position() == position {
            // A refusal may speak of a message that is about to come, or to vanish.
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }
}
