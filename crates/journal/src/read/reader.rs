//! Reading a journal in order.

use std::sync::Arc;

use record::encoding::Message;
use record::{Batch, Record};

use crate::error::ReadError;
use crate::read::blocks;
use crate::read::log_table::LogTable;
use crate::read::walk::{Step, Walk};
use crate::shared::Shared;

/// A committed batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBatch {
    /// The batch.
    pub batch: Batch,
    /// The offset after the last entry before it. From here up to the batch's first offset nothing was
    /// published: a hole, not a loss. If what precedes it in the journal is damaged, this is larger
    /// than the end of the batch that was returned before.
    pub from: u64,
    /// Entries published before its first one, since the stream began.
    pub before: u64,
    /// The log table after its changes: the logs as its messages name them.
    pub logs: LogTable,
}

impl StoredBatch {
    /// Returns the bytes of memory that its records take (by [`Record::weight`]).
    #[must_use]
    pub fn weight(&self) -> usize {
        self.batch.records.iter().map(Record::weight).fold(0, usize::saturating_add)
    }
}

/// Reads committed batches in order, from disk. It keeps its place: what it has read is not read again.
/// It keeps no file open between two calls.
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    cursor: Cursor,
}

/// A place in a journal.
#[derive(Debug)]
pub(crate) struct Cursor {
    /// The next batch has entries from here on.
    offset: u64,
    walk: Option<Walk>,
    /// The log table at the place of the walk.
    logs: LogTable,
    /// A batch that was read and not returned.
    peeked: Option<StoredBatch>,
}

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>, offset: u64) -> Self {
        Self { shared, cursor: Cursor::new(offset) }
    }

    /// Returns the next committed batch that begins before `end`, those without records included;
    /// `None` if there is none yet. It can be called again.
    ///
    /// Skips and reports what is damaged. If retention overtakes the reader, it continues at the oldest
    /// batch kept.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn next_batch(&mut self, end: u64) -> Result<Option<StoredBatch>, ReadError> {
        let next = self.cursor.next(&self.shared, end);
        self.cursor.rest();
        next
    }

    /// Returns the offset from which on the next batch has entries.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.cursor.offset
    }
}

impl Cursor {
    pub(crate) fn new(offset: u64) -> Self {
        Self { offset, walk: None, logs: LogTable::default(), peeked: None }
    }

    pub(crate) const fn offset(&self) -> u64 {
        self.offset
    }

    /// Closes the file.
    pub(crate) fn rest(&mut self) {
        if let Some(walk) = &mut self.walk {
            walk.close();
        }
    }

    /// Releases what can be read again.
    pub(crate) fn park(&mut self) {
        if let Some(walk) = &mut self.walk {
            walk.rest();
        }
    }

    /// Returns the next committed batch that begins before `end`.
    pub(crate) fn next(
        &mut self,
        shared: &Shared,
        end: u64,
    ) -> Result<Option<StoredBatch>, ReadError> {
        let next = match self.peeked.take() {
            Some(peeked) => Some(peeked),
            None => self.read(shared)?,
        };
        match next {
            Some(next) if next.batch.first_offset < end => {
                self.offset = self.offset.max(next.batch.next_offset());
                Ok(Some(next))
            }
            next => {
                self.peeked = next;
                Ok(None)
            }
        }
    }

    /// Gives back the batch that was returned last.
    pub(crate) fn put_back(&mut self, batch: StoredBatch, offset: u64) {
        self.peeked = Some(batch);
        self.offset = offset;
    }

    fn read(&mut self, shared: &Shared) -> Result<Option<StoredBatch>, ReadError> {
        let limit = shared.head().number;
        let offset = self.offset;
        let walk = match &mut self.walk {
            Some(walk) => walk,
            none => {
                let start =
                    blocks::start(&shared.store, |block| block.totals.next_offset <= offset)?;
                let Some(walk) = start else { return Ok(None) };
                none.insert(walk)
            }
        };
        while let Some(step) = walk.step(&shared.store, limit)? {
            match step {
                Step::Damage(damage) => shared.damage.note(&damage),
                Step::Message(Message::Batch(batch), frame) => {
                    self.logs.change(&batch.logs);
                    if is_after(&batch, offset) {
                        let (from, before) = (frame.from, frame.before);
                        let logs = self.logs.clone();
                        return Ok(Some(StoredBatch { batch, from, before, logs }));
                    }
                }
                Step::Message(Message::Checkpoint(checkpoint), _) => {
                    self.logs.replace(&checkpoint.state);
                }
                Step::Message(Message::Begin(_), _) => {}
            }
        }
        Ok(None)
    }
}

/// Reports whether a batch has entries from `offset` on, or none at all and begins there.
fn is_after(batch: &Batch, offset: u64) -> bool {
    batch.next_offset() > offset || batch.records.is_empty() && batch.first_offset >= offset
}
