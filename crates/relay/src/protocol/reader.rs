//! Reading: the fold of a stream, and what of it is shown.

use bytes::Bytes;
use record::encoding::{self, DecodeError, Decoder, Kind};
use record::{Batch, BatchHash, Checkpoint, State, StreamId};

use super::content::{Outline, decompress};
use super::doubts::Doubts;
use super::message::{Body, Foreign, Message, MessageId};
use super::parts::{Assembled, Assembly};
use super::step::{Anchor, Applied, Content, Passed, Restart, Show, Step, Unreadable};
use super::totals::Totals;
use super::trail::Trail;

/// Folds the messages of a stream, given to it by ascending sequence.
///
/// It begins at the first checkpoint that it reads, and anew at a checkpoint that was written after
/// nothing: there a stream is created. Only a message that was written after the last one
/// of ours, and that fits the fold, is applied; whatever is not applied changes nothing. Records are
/// shown in the order of their offsets, each offset once, whatever the stream loses and repeats.
#[derive(Debug, Default)]
pub struct Reader {
    /// The last sequence read.
    position: u64,
    /// The position at which reading began last.
    origin: u64,
    /// Id of the message at `position`, if it is ours.
    fence: Option<MessageId>,
    /// The last message of ours that was not a mark, and its sequence.
    tip: Anchor,
    fold: Option<Fold>,
    doubts: Doubts,
    assembly: Assembly,
    /// The nonce of the node that is to lead, if the tip is a handover.
    handover: Option<[u8; 16]>,
    trail: Trail,
    /// The stream of `trail` and `floor`.
    stream: Option<StreamId>,
    /// The lowest offset that was not shown.
    floor: u64,
    /// The highest offset after any record read, of any stream.
    highest: u64,
    /// The latest time at which an entry read was seen, in milliseconds since 1970.
    newest: u64,
}

#[derive(Debug)]
struct Fold {
    state: State,
    /// The totals of the stream up to the state.
    totals: Totals,
    decoder: Decoder,
    /// The context of the decoder is that of the stream. It is not after a batch that was decoded and
    /// did not fit, until the next checkpoint.
    is_decodable: bool,
    /// A message follows the checkpoint, which thus belongs to the list and is not a copy of an old one.
    is_confirmed: bool,
    configuration: Option<[u8; 32]>,
}

impl Reader {
    /// Creates a reader that begins after a sequence.
    #[must_use]
    pub fn new(position: u64) -> Self {
        Self { position, origin: position, ..Self::default() }
    }

    /// Returns the last sequence read.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// Returns the id of the message at the position, if it is ours.
    #[must_use]
    pub const fn fence(&self) -> Option<MessageId> {
        self.fence
    }

    /// Returns the last message of ours, marks excepted.
    #[must_use]
    pub const fn tip(&self) -> Anchor {
        self.tip
    }

    /// Returns the fold; `None` before the first checkpoint.
    #[must_use]
    pub fn state(&self) -> Option<&State> {
        self.fold.as_ref().map(|fold| &fold.state)
    }

    /// Returns the totals of the stream up to the fold.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.fold.as_ref().map_or_else(Totals::default, |fold| fold.totals)
    }

    /// Reports whether a message has followed the checkpoint at which the fold began. Until then that may
    /// be a copy of an old one: before a node leads after it, it has to read the stream from its beginning.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.fold.as_ref().is_some_and(|fold| fold.is_confirmed)
    }

    /// Returns the configuration hash of the current term, if its begin was read.
    #[must_use]
    pub fn configuration(&self) -> Option<[u8; 32]> {
        self.fold.as_ref()?.configuration
    }

    /// Returns the nonce of the node that is to lead, if the tip is a handover.
    #[must_use]
    pub const fn handover(&self) -> Option<[u8; 16]> {
        self.handover
    }

    /// Returns the highest offset after any record read, of any stream.
    #[must_use]
    pub const fn highest(&self) -> u64 {
        self.highest
    }

    /// Returns the latest time at which an entry read was seen, in milliseconds since 1970.
    #[must_use]
    pub const fn newest(&self) -> u64 {
        self.newest
    }

    /// Returns the checkpoints read, newest first: where one is still in its place, a restart need not
    /// read what is before.
    pub fn checkpoints(&self) -> impl Iterator<Item = Restart> {
        self.trail.checkpoints()
    }

    /// Returns the position at which reading began last.
    #[must_use]
    pub const fn origin(&self) -> u64 {
        self.origin
    }

    /// Begins anew after a sequence, because the stream has lost its end, or what follows the position
    /// is no longer kept. What was shown stays shown.
    pub fn restart(&mut self, position: u64) {
        (self.position, self.origin) = (position, position);
        self.fence = None;
        self.tip = Anchor::default();
        self.fold = None;
        self.assembly.clear();
        self.handover = None;
    }

    /// Passes over a hole: messages before this one do not exist any more, although the tip is where it was.
    /// The fold begins anew at the next checkpoint.
    pub fn pass_hole(&mut self, sequence: u64) {
        let origin = self.origin;
        self.restart(sequence.saturating_sub(1));
        self.origin = origin;
    }

    /// Handles a doubtful message while the tip is where it was: the reader goes back to the tip, because
    /// messages after it may have been replaced. If the same message is doubtful again, it is void and
    /// passed over; the position is then its sequence. If nothing has followed the checkpoint at which the
    /// fold began, that is what is void: the fold begins anew at the next one.
    pub fn void(&mut self, sequence: u64) {
        if !self.doubts.is_known(self.tip, sequence) {
            (self.position, self.fence) = (self.tip.sequence, Some(self.tip.id));
        } else if self.is_confirmed() {
            self.skip(sequence);
        } else {
            self.trail.forget(self.tip);
            self.pass_hole(sequence);
        }
    }

    /// Passes over a message.
    const fn skip(&mut self, sequence: u64) {
        (self.position, self.fence) = (sequence, None);
    }

    /// Reads the message at a sequence above the position. Messages between the two do not exist.
    ///
    /// # Errors
    /// If a newer program wrote it.
    pub fn read(&mut self, sequence: u64, payload: &Bytes) -> Result<Step, Unreadable> {
        if self.fold.is_some() && self.position.saturating_add(1) < sequence {
            return Ok(Step::Doubtful);
        }
        let message = match Message::read(payload) {
            Ok(message) => message,
            Err(Foreign::Version(version)) => return Err(Unreadable::Version(version)),
            Err(foreign) => {
                self.skip(sequence);
                return Ok(Step::Passed(Passed::Foreign(foreign)));
            }
        };
        let id = MessageId::of(payload);
        if message.body == Body::Mark {
            self.mark(Anchor { sequence, id });
            return Ok(Step::Passed(Passed::Mark));
        }
        if message.after == MessageId::NONE && self.fold.is_some() {
            // A stream is created here, because no checkpoint was left of the one before. All readers
            // begin anew here, also with a copy of the message: one without a fold has no choice.
            self.restart(sequence.saturating_sub(1));
        }
        if self.fold.is_none() {
            return self.adopt(sequence, id, message);
        }
        let found = Anchor { sequence, id };
        let follows = message.after == self.tip.id;
        // Messages that were passed over may have been replaced.
        let is_next = self.fence.is_some() || self.doubts.has(self.tip, found);
        if !follows || !is_next {
            self.doubts.meet(found);
            return Ok(Step::Doubtful);
        }
        self.confirm();
        (self.position, self.fence) = (sequence, Some(id));
        self.tip = found;
        self.handover = None;
        match message.body {
            Body::Mark => Ok(Step::Passed(Passed::Mark)),
            Body::Handover(nonce) => {
                self.handover = Some(nonce);
                Ok(Step::Passed(Passed::Handover))
            }
            Body::Part { number, count, piece } => {
                match self.assembly.add(sequence, number, count, &piece) {
                    Assembled::Incomplete => Ok(Step::Passed(Passed::Part)),
                    Assembled::Invalid => Ok(Step::Passed(Passed::Void)),
                    Assembled::Content(content) => self.content(&content),
                }
            }
            Body::Whole(content) => {
                self.assembly.clear();
                self.content(&content)
            }
        }
    }

    /// Reads a mark, after which a leader may publish. Messages that were passed over since the tip may
    /// have been replaced by others that follow the tip; so they are read again from there, and the
    /// position is that of the mark once it is read for the second time.
    fn mark(&mut self, mark: Anchor) {
        let follows = self.tip.sequence.checked_add(1) == Some(mark.sequence);
        self.doubts.meet(mark);
        if follows || self.fold.is_none() || self.doubts.is_known(self.tip, mark.sequence) {
            (self.position, self.fence) = (mark.sequence, Some(mark.id));
        } else {
            (self.position, self.fence) = (self.tip.sequence, Some(self.tip.id));
        }
    }

    /// Notes that the checkpoint at which the fold began belongs to the list.
    const fn confirm(&mut self) {
        if let Some(fold) = &mut self.fold {
            fold.is_confirmed = true;
        }
    }

    /// Reads a message before the first checkpoint.
    fn adopt(
        &mut self,
        sequence: u64,
        id: MessageId,
        message: Message,
    ) -> Result<Step, Unreadable> {
        (self.position, self.fence) = (sequence, Some(id));
        let before = Ok(Step::Passed(Passed::BeforeCheckpoint));
        let content = match message.body {
            Body::Whole(content) => {
                self.assembly.clear();
                content
            }
            Body::Part { number, count, piece } => {
                // The parts of a content follow each other. If one is void, the content is damaged.
                match self.assembly.add(sequence, number, count, &piece) {
                    Assembled::Content(content) => content,
                    Assembled::Incomplete | Assembled::Invalid => return before,
                }
            }
            Body::Mark | Body::Handover(_) => return before,
        };
        let Some((outline, plain)) = open(&content) else { return before };
        if !matches!(header(&plain)?, Some((Kind::Checkpoint, _))) {
            return before;
        }
        let mut decoder = Decoder::new();
        let Ok(encoding::Message::Checkpoint(checkpoint)) = decoder.message(&plain) else {
            return before;
        };
        self.tip = Anchor { sequence, id };
        Ok(self.begin_at(checkpoint, outline.before, decoder))
    }

    /// Begins the fold at a checkpoint.
    fn begin_at(&mut self, checkpoint: Checkpoint, totals: Totals, decoder: Decoder) -> Step {
        let state = checkpoint.state;
        let is_other_stream = self.stream.is_some_and(|stream| stream != state.stream());
        if is_other_stream {
            self.trail.clear();
        }
        self.note_checkpoint();
        if self.stream != Some(state.stream()) {
            self.floor = state.next_offset();
        }
        self.stream = Some(state.stream());
        let next = state.next_offset();
        self.highest = self.highest.max(next);
        // Offsets between the last entry and the next one are a hole that a term has left.
        let missed = (totals.end > self.floor).then_some((self.floor, totals.end));
        self.floor = self.floor.max(next);
        self.fold = Some(Fold {
            state,
            totals,
            decoder,
            is_decodable: true,
            is_confirmed: false,
            configuration: None,
        });
        Step::Adopted { is_other_stream, missed }
    }

    /// Reads a complete content that follows the tip.
    fn content(&mut self, content: &Bytes) -> Result<Step, Unreadable> {
        let void = Ok(Step::Passed(Passed::Void));
        let Some(fold) = &mut self.fold else { return void };
        let Some((outline, plain)) = open(content) else { return void };
        let Some((kind, found)) = header(&plain)? else { return void };
        let next = fold.state.next_header();
        let follows = match kind {
            Kind::Checkpoint => {
                let is_at = found.number.checked_add(1) == Some(next.number);
                is_at && found.stream == next.stream && found.term == next.term
            }
            Kind::Batch => fold.is_decodable && found == next && outline.before == fold.totals,
            Kind::Begin => {
                outline.before == fold.totals
                    && found.term > next.term
                    && record::Header { term: next.term, ..found } == next
            }
        };
        if !follows || (kind, found.stream) != (outline.kind, outline.stream) {
            return void;
        }
        let hash = BatchHash::of(&plain);
        match fold.decoder.message(&plain) {
            Ok(encoding::Message::Batch(batch)) => {
                if fold.state.apply(&batch, hash).is_err() {
                    fold.is_decodable = false;
                    return void;
                }
                fold.totals.add(&batch);
                let show = self.show(&batch, hash);
                Ok(Step::Applied(Applied { content: Content::Batch(batch), hash, show }))
            }
            Ok(encoding::Message::Begin(begin)) => {
                if fold.state.begin(&begin, hash).is_err() {
                    return void;
                }
                fold.configuration = Some(begin.configuration);
                self.highest = self.highest.max(begin.first_offset);
                let show = Show::New;
                Ok(Step::Applied(Applied { content: Content::Begin(begin), hash, show }))
            }
            Ok(encoding::Message::Checkpoint(checkpoint)) => {
                if checkpoint.state == fold.state && outline.before == fold.totals {
                    fold.is_decodable = true;
                    self.note_checkpoint();
                    return Ok(Step::Passed(Passed::Checkpoint));
                }
                // The checkpoint counts: a reader that begins there has nothing else.
                let decoder = std::mem::take(&mut fold.decoder);
                let step = self.begin_at(checkpoint, outline.before, decoder);
                self.confirm();
                Ok(step)
            }
            Err(_) => void,
        }
    }

    /// Remembers the checkpoint that ends at the tip.
    fn note_checkpoint(&mut self) {
        let first = self.assembly.first.take().unwrap_or(self.tip.sequence);
        self.trail.note(Restart { after: first.saturating_sub(1), end: self.tip });
    }

    /// Decides whether a batch is shown, and notes it.
    fn show(&mut self, batch: &Batch, hash: BatchHash) -> Show {
        let seen = batch.records.iter().map(|record| record.seen).max().unwrap_or_default();
        self.newest = self.newest.max(seen);
        self.highest = self.highest.max(batch.next_offset());
        if self.trail.has_shown(hash) {
            return Show::Repeated;
        }
        if !batch.records.is_empty() && batch.first_offset < self.floor {
            return Show::Withheld;
        }
        self.trail.show(hash);
        if !batch.records.is_empty() {
            self.floor = batch.next_offset();
        }
        Show::New
    }
}

/// Takes a content apart; `None` if it is damaged.
fn open(content: &Bytes) -> Option<(Outline, Vec<u8>)> {
    let (outline, compressed) = Outline::read(content)?;
    Some((outline, decompress(compressed)?))
}

/// Reads the header of an encoded message; `None` if it has none.
fn header(plain: &[u8]) -> Result<Option<(Kind, record::Header)>, Unreadable> {
    match encoding::header(plain) {
        Ok(header) => Ok(Some(header)),
        Err(DecodeError::Version(version)) if version > encoding::VERSION => {
            Err(Unreadable::Version(version))
        }
        Err(_) => Ok(None),
    }
}
