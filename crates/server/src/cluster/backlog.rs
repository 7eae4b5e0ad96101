//! The newest batches of the stream as a node reads them while it joins: its feed begins with them, so
//! that clients which were connected to it before need not be sent what the servers of NATS keep.

use std::collections::VecDeque;

use journal::{LogTable, StoredBatch};
use record::{Batch, Record, State};
use relay::protocol::{Applied, Content, Show, Step, Totals};

/// The newest batches, in their order, up to the last one that was read.
#[derive(Debug)]
pub(super) struct Backlog {
    /// Most bytes of records.
    most: usize,
    bytes: usize,
    /// The offset after the last entry before the first batch. `None` if it is not known; then the next
    /// batch is left out, and ends there.
    end: Option<u64>,
    /// The log table as of the last batch.
    logs: LogTable,
    batches: VecDeque<(Batch, LogTable)>,
}

/// The place at which a backlog begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Start {
    /// The offset after the last entry before it.
    pub(super) end: u64,
    /// Entries before it, since the stream began.
    pub(super) entries: u64,
}

impl Backlog {
    pub(super) fn new(most: usize) -> Self {
        let (logs, batches) = (LogTable::default(), VecDeque::new());
        Self { most, bytes: 0, end: None, logs, batches }
    }

    /// Notes steps of reading, after which the fold is in this state.
    pub(super) fn note(&mut self, steps: Vec<Step>, state: Option<&State>) {
        // Before the last of several steps the log table may have been another one.
        if steps.len() > 1 && steps.iter().any(changes_logs) {
            return self.begin(state);
        }
        for step in steps {
            match step {
                Step::Applied(Applied {
                    content: Content::Batch(batch), show: Show::New, ..
                }) => {
                    if !batch.logs.is_empty() {
                        self.logs = table(state);
                    }
                    self.push(batch, state);
                }
                Step::Applied(Applied { content: Content::Batch(_), .. })
                | Step::Adopted { .. } => self.begin(state),
                Step::Applied(_) | Step::Passed(_) | Step::Doubtful => {}
            }
        }
    }

    /// Drops everything, because what was read before does not lead here.
    fn begin(&mut self, state: Option<&State>) {
        *self = Self { logs: table(state), ..Self::new(self.most) };
    }

    fn push(&mut self, batch: Batch, state: Option<&State>) {
        if batch.records.is_empty() {
            return;
        }
        let is_known = |record: &Record| self.logs.get(record.log).is_some();
        if !batch.records.iter().all(is_known) {
            return self.begin(state);
        }
        let last = self.batches.back().map(|(last, _)| last.next_offset());
        if last.or(self.end).is_none_or(|end| end > batch.first_offset) {
            self.begin(state);
            self.end = Some(batch.next_offset());
            return;
        }
        self.bytes = self.bytes.saturating_add(weight(&batch));
        self.batches.push_back((batch, self.logs.clone()));
        while self.bytes > self.most
            && let Some((oldest, _)) = self.batches.pop_front()
        {
            self.bytes = self.bytes.saturating_sub(weight(&oldest));
            self.end = Some(oldest.next_offset());
        }
    }

    /// Returns the place at which it begins, if it leads to the end of a stream with these totals, and
    /// has anything.
    pub(super) fn start(&self, totals: Totals) -> Option<Start> {
        let (last, _) = self.batches.back()?;
        let entries: usize = self.batches.iter().map(|(batch, _)| batch.records.len()).sum();
        let entries = totals.entries.checked_sub(entries as u64)?;
        let end = self.end.filter(|_| last.next_offset() == totals.end)?;
        Some(Start { end, entries })
    }

    /// Takes out the oldest batch, as the journal would return it; `start` is the place at which it
    /// begins, and is moved to its end.
    pub(super) fn pop(&mut self, start: &mut Start) -> Option<StoredBatch> {
        let (batch, logs) = self.batches.pop_front()?;
        let Start { end: from, entries: before } = *start;
        start.end = batch.next_offset();
        start.entries = before.saturating_add(batch.records.len() as u64);
        self.end = Some(start.end);
        Some(StoredBatch { batch, from, before, logs })
    }
}

fn changes_logs(step: &Step) -> bool {
    match step {
        Step::Adopted { .. } => true,
        Step::Applied(Applied { content: Content::Batch(batch), .. }) => !batch.logs.is_empty(),
        Step::Applied(_) | Step::Passed(_) | Step::Doubtful => false,
    }
}

fn table(state: Option<&State>) -> LogTable {
    state.map(LogTable::from).unwrap_or_default()
}

fn weight(batch: &Batch) -> usize {
    batch.records.iter().map(Record::weight).fold(0, usize::saturating_add)
}
