//! The fold: what a stream's batches add up to.

mod check;
mod fill;

use std::sync::Arc;

use thiserror::Error;

use crate::alarm::Alarm;
use crate::batch::{Batch, BatchHash, Begin, Header};
use crate::entry::{Gap, LogNumber};
use crate::issuer::Issuer;
use crate::log::{LogChange, LogIdentity};
use crate::position::Position;
use crate::stream_id::StreamId;

/// Gaps of one log that the fold keeps; of more, the newest.
pub(crate) const MAX_GAPS: usize = 256;
/// Alarms of one log that the fold keeps; of more, the first ones and the newest.
pub(crate) const MAX_ALARMS: usize = 16;

/// Everything known about a stream after its last batch. Two states that applied the same batches are
/// equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    stream: StreamId,
    term: u64,
    number: u64,
    last: BatchHash,
    next_offset: u64,
    logs: Vec<LogState>,
}

/// A log in the fold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogState {
    /// Its row in the log table.
    pub identity: LogIdentity,
    /// Its position; `None` before the first advance.
    pub position: Option<Position>,
    /// The newest gaps, as far as entries that came later have not closed them; in the order of their
    /// indexes. Neighbours of one reason are one gap.
    pub gaps: Vec<Gap>,
    /// Alarms that are not acknowledged, oldest first.
    pub alarms: Vec<Alarm>,
}

/// A state from which reading can begin, with the issuers that the messages after it refer to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The fold up to here.
    pub state: State,
    /// Issuers by number; none where the messages after it define their own.
    pub issuers: Vec<Arc<Issuer>>,
}

/// Reason why a batch or a begin does not fit. The state is then unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// It is of another stream.
    #[error("it is of stream {0}")]
    Stream(StreamId),
    /// A batch is of another term than the current one, or a begin opens no later term.
    #[error("it is of term {found}, the current one is {current}")]
    Term {
        /// Its term.
        found: u64,
        /// The term of the state.
        current: u64,
    },
    /// It does not follow the last one.
    #[error("it has number {found} instead of {expected}")]
    Number {
        /// Its number.
        found: u64,
        /// The number after the last one.
        expected: u64,
    },
    /// It follows another message than the last one.
    #[error("the message before it is another one")]
    Prev,
    /// Offsets would be given twice, or skipped within a term.
    #[error("its first offset is {found} instead of {expected}")]
    Offset {
        /// Its first offset.
        found: u64,
        /// The next offset.
        expected: u64,
    },
    /// Offsets would reach beyond [`MAX_OFFSET`](crate::MAX_OFFSET).
    #[error("its offsets are too large")]
    OffsetTooLarge,
    /// A row of the log table has a number that is not the next one, or is of another log than the row
    /// it replaces.
    #[error("the row of log {0} does not fit into the log table")]
    LogRow(u32),
    /// Something is of a log that the log table does not have.
    #[error("log {0} is not in the log table")]
    UnknownLog(u32),
    /// Entries of a log without an advance, or two advances of one log.
    #[error("log {0} needs exactly one advance")]
    Advance(u32),
    /// An advance does not begin at the position of its log: entries would be repeated or lost.
    #[error("log {log} advances from {found}, its position is {expected}")]
    Position {
        /// The log.
        log: u32,
        /// First index of the advance.
        found: u64,
        /// Position of the log.
        expected: u64,
    },
    /// An advance leads backwards, or its tree is of another size than the position.
    #[error("the new position of log {0} contradicts itself")]
    Contradiction(u32),
    /// An index is accounted for not at all, or twice.
    #[error("index {index} of log {log} is not accounted for exactly once")]
    Coverage {
        /// The log.
        log: u32,
        /// The index.
        index: u64,
    },
    /// A sighting repeats a record that comes later or does not exist.
    #[error("a sighting refers to offset {0}, which has not been given")]
    Sighting(u64),
}

impl State {
    /// Creates the state of a stream before its first term.
    #[must_use]
    pub const fn new(stream: StreamId) -> Self {
        Self { stream, term: 0, number: 0, last: BatchHash::NONE, next_offset: 0, logs: Vec::new() }
    }

    /// Puts a state together again that a checkpoint with this header holds.
    pub(crate) const fn restored(header: Header, next_offset: u64, logs: Vec<LogState>) -> Self {
        let Header { stream, term, number, prev } = header;
        Self { stream, term, number, last: prev, next_offset, logs }
    }

    /// Gives the stream another id, from the next message on.
    #[must_use]
    pub fn with_stream(self, stream: StreamId) -> Self {
        Self { stream, ..self }
    }

    /// Returns the stream.
    #[must_use]
    pub const fn stream(&self) -> StreamId {
        self.stream
    }

    /// Returns the current term; 0 before the first.
    #[must_use]
    pub const fn term(&self) -> u64 {
        self.term
    }

    /// Returns the number of the last batch or begin; 0 before the first.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Returns the offset that the next record gets.
    #[must_use]
    pub const fn next_offset(&self) -> u64 {
        self.next_offset
    }

    /// Returns the logs by number.
    pub fn logs(&self) -> impl ExactSizeIterator<Item = (LogNumber, &LogState)> {
        let number = |at: usize| LogNumber(u32::try_from(at).unwrap_or(u32::MAX));
        self.logs.iter().enumerate().map(move |(at, log)| (number(at), log))
    }

    /// Returns a log.
    #[must_use]
    pub fn log(&self, number: LogNumber) -> Option<&LogState> {
        self.logs.get(usize::try_from(number.0).ok()?)
    }

    /// Returns the header of the next batch of the current term.
    #[must_use]
    pub const fn next_header(&self) -> Header {
        let number = self.number.saturating_add(1);
        Header { stream: self.stream, term: self.term, number, prev: self.last }
    }

    /// Returns the header of the last message applied, with its own hash as `prev`: that of a
    /// checkpoint.
    pub(crate) const fn header(&self) -> Header {
        Header { stream: self.stream, term: self.term, number: self.number, prev: self.last }
    }

    /// Finds the number of a log: by its id, or by its URL where one of the two ids is not known.
    #[must_use]
    pub fn find(&self, identity: &LogIdentity) -> Option<LogNumber> {
        let by_id = identity.id.and_then(|id| {
            self.logs().find(|(_, log)| log.identity.id == Some(id)).map(|(number, _)| number)
        });
        // Where a log took the place of another, the newest with that URL is meant.
        let is_same = |log: &LogState| log.identity.is_same(identity);
        let by_url =
            || self.logs().filter(|(_, log)| is_same(log)).map(|(number, _)| number).last();
        by_id.or_else(by_url)
    }

    /// Returns the number for a log, with the change of the log table that it needs: a new row, or one
    /// that differs from the log's row so far.
    #[must_use]
    pub fn row(&self, identity: &LogIdentity) -> (LogNumber, Option<LogChange>) {
        let Some(number) = self.find(identity) else {
            let number = LogNumber(u32::try_from(self.logs.len()).unwrap_or(u32::MAX));
            return (number, Some(LogChange { number, identity: identity.clone() }));
        };
        let known = self.log(number).map(|log| &log.identity);
        // An id stays known, even if the log is configured without its key.
        let id = identity.id.or_else(|| known.and_then(|known| known.id));
        let identity = LogIdentity { id, ..identity.clone() };
        if known == Some(&identity) {
            return (number, None);
        }
        (number, Some(LogChange { number, identity }))
    }

    /// Begins a term. `hash` is that of the encoded message, [`BatchHash::NONE`] where none is encoded.
    ///
    /// # Errors
    /// If it does not follow the last message, opens no later term, or takes offsets back.
    pub fn begin(&mut self, begin: &Begin, hash: BatchHash) -> Result<(), Refused> {
        check::follows(self, &begin.header)?;
        let (found, current) = (begin.header.term, self.term);
        if found <= current {
            return Err(Refused::Term { found, current });
        }
        let (found, expected) = (begin.first_offset, self.next_offset);
        if found < expected {
            return Err(Refused::Offset { found, expected });
        }
        if found > crate::MAX_OFFSET {
            return Err(Refused::OffsetTooLarge);
        }
        self.term = begin.header.term;
        self.number = begin.header.number;
        self.last = hash;
        self.next_offset = begin.first_offset;
        Ok(())
    }

    /// Checks that [`apply`](Self::apply) will take a batch.
    ///
    /// # Errors
    /// As those of [`apply`](Self::apply).
    pub fn check(&self, batch: &Batch) -> Result<(), Refused> {
        check::batch(self, batch)
    }

    /// Applies a committed batch. `hash` is that of the encoded batch, [`BatchHash::NONE`] where none
    /// is encoded.
    ///
    /// # Errors
    /// If it does not follow the last message or does not fit the positions: its entries must begin
    /// at the position of their log and account for each index once, or be of indexes that are in its
    /// gaps. The state is then unchanged.
    pub fn apply(&mut self, batch: &Batch, hash: BatchHash) -> Result<(), Refused> {
        check::batch(self, batch)?;
        for (log, index) in fill::entries(self, batch) {
            if let Some(log) = self.log_mut(log) {
                log.fill(index);
            }
        }
        self.number = batch.header.number;
        self.last = hash;
        self.next_offset = batch.next_offset();
        for change in &batch.logs {
            self.change(change);
        }
        for acknowledgement in &batch.acknowledgements {
            if let Some(log) = self.log_mut(acknowledgement.log) {
                log.alarms.clear();
            }
        }
        for alarm in &batch.alarms {
            if let Some(log) = self.log_mut(alarm.log) {
                log.raise(alarm);
            }
        }
        for gap in &batch.gaps {
            if let Some(log) = self.log_mut(gap.log) {
                log.add_gap(gap);
            }
        }
        for advance in &batch.advances {
            if let Some(log) = self.log_mut(advance.log) {
                log.position = Some(advance.position.clone());
            }
        }
        Ok(())
    }

    fn log_mut(&mut self, number: LogNumber) -> Option<&mut LogState> {
        self.logs.get_mut(usize::try_from(number.0).ok()?)
    }

    fn change(&mut self, change: &LogChange) {
        match self.log_mut(change.number) {
            Some(log) => log.identity = change.identity.clone(),
            None => self.logs.push(LogState {
                identity: change.identity.clone(),
                position: None,
                gaps: Vec::new(),
                alarms: Vec::new(),
            }),
        }
    }
}

impl LogState {
    /// Adds an alarm. Of more than are kept, the first ones and the newest stay.
    fn raise(&mut self, alarm: &Alarm) {
        if self.alarms.len() >= MAX_ALARMS {
            self.alarms.truncate(MAX_ALARMS.saturating_sub(1));
        }
        self.alarms.push(alarm.clone());
    }

    fn add_gap(&mut self, gap: &Gap) {
        if let Some(last) = self.gaps.last_mut()
            && last.range.end == gap.range.start
            && last.reason == gap.reason
        {
            last.range.end = gap.range.end;
            return;
        }
        if self.gaps.len() >= MAX_GAPS {
            self.gaps.remove(0);
        }
        self.gaps.push(gap.clone());
    }
}
