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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use ct::leaf::EntryType;
    use record::{
        BatchHash, Begin, Header, LogChange, LogIdentity, LogNumber, Protocol, StreamId, SyncMode,
    };

    use super::*;

    const ROOMY: usize = usize::MAX;

    fn change(number: u32, name: &str) -> LogChange {
        let (url, operator) = (format!("https://ct.example/{number}"), String::new());
        let (name, protocol) = (name.to_owned(), Protocol::Rfc6962);
        let identity = LogIdentity { id: None, url, name, operator, protocol };
        LogChange { number: LogNumber(number), identity }
    }

    /// Returns a state whose logs have these names.
    fn state(names: &[&str]) -> State {
        let mut state = State::new(StreamId::from_random(1));
        let header = Header { term: 1, ..state.next_header() };
        let (nonce, boot, sync, configuration) = ([0; 16], [0; 16], SyncMode::Replicated, [0; 32]);
        let begin = Begin { header, first_offset: 100, nonce, boot, sync, configuration };
        state.begin(&begin, BatchHash::NONE).expect("a term begins");
        let mut batch = Batch::new(state.next_header(), 100);
        batch.logs = (0..).zip(names).map(|(number, name)| change(number, name)).collect();
        state.apply(&batch, BatchHash::NONE).expect("the log table fits");
        state
    }

    fn batch(first_offset: u64, records: u64) -> Batch {
        let header = State::new(StreamId::from_random(1)).next_header();
        let record = |index| {
            Record::as_read(index, 1, EntryType::X509, Bytes::from_static(b"der"), Vec::new())
        };
        let mut batch = Batch::new(header, first_offset);
        batch.records = (0..records).map(record).collect();
        batch
    }

    fn shown(batch: Batch, show: Show) -> Step {
        Step::Applied(Applied { content: Content::Batch(batch), hash: BatchHash::NONE, show })
    }

    fn totals(entries: u64, end: u64) -> Totals {
        Totals { entries, end, newest: 0 }
    }

    /// Reads a checkpoint and batches, one after the other.
    fn read(most: usize, batches: impl IntoIterator<Item = Batch>) -> Backlog {
        let (mut backlog, state) = (Backlog::new(most), state(&["a"]));
        backlog.note(vec![Step::Adopted { is_other_stream: false, missed: None }], Some(&state));
        for batch in batches {
            backlog.note(vec![shown(batch, Show::New)], Some(&state));
        }
        backlog
    }

    fn popped(backlog: &mut Backlog, mut start: Start) -> Vec<(u64, u64, u64)> {
        let pop = || backlog.pop(&mut start);
        std::iter::from_fn(pop).map(|it| (it.from, it.batch.first_offset, it.before)).collect()
    }

    #[test]
    fn it_begins_where_the_batch_after_the_checkpoint_ends() {
        let batches = [batch(100, 3), batch(110, 2), batch(112, 0), batch(112, 1)];
        let mut backlog = read(ROOMY, batches);
        let start = backlog.start(totals(50, 113)).expect("there are batches");
        assert_eq!(start, Start { end: 103, entries: 47 });
        assert_eq!(popped(&mut backlog, start), [(103, 110, 47), (112, 112, 49)]);
        assert_eq!(backlog.start(totals(50, 113)), None, "it is empty");
    }

    #[test]
    fn the_oldest_batches_go_when_there_are_too_many_bytes() {
        let each = weight(&batch(0, 1));
        let mut backlog = read(2 * each, (100..106).map(|offset| batch(offset, 1)));
        let start = backlog.start(totals(6, 106)).expect("there are batches");
        assert_eq!(popped(&mut backlog, start), [(104, 104, 4), (105, 105, 5)]);
    }

    #[test]
    fn batches_that_do_not_lead_to_the_end_are_not_used() {
        let backlog = read(ROOMY, [batch(100, 1), batch(101, 1)]);
        assert!(backlog.start(totals(2, 102)).is_some());
        assert_eq!(backlog.start(totals(3, 103)), None, "there is another end");
        assert_eq!(backlog.start(totals(0, 102)), None, "there were fewer entries");
        let state = state(&["a"]);
        let then = |steps: Vec<Step>| {
            let mut backlog = read(ROOMY, [batch(100, 1), batch(101, 1)]);
            backlog.note(steps, Some(&state));
            backlog.start(totals(9, 103)).map(|start| start.end)
        };
        let next = || batch(102, 1);
        assert_eq!(then(vec![shown(next(), Show::New)]), Some(101));
        assert_eq!(then(vec![shown(next(), Show::Repeated)]), None);
        assert_eq!(then(vec![shown(batch(101, 2), Show::New)]), None, "offsets step back");
        let mut unknown = next();
        unknown.records[0].log = LogNumber(7);
        assert_eq!(then(vec![shown(unknown, Show::New)]), None);
    }

    #[test]
    fn each_batch_has_the_names_of_its_time() {
        let (mut backlog, before, after) = (read(ROOMY, []), state(&["a"]), state(&["b"]));
        let mut renames = batch(102, 1);
        renames.logs = vec![change(0, "b")];
        for (batch, state) in [
            (batch(100, 1), &before),
            (batch(101, 1), &before),
            (renames.clone(), &after),
            (batch(103, 1), &after),
        ] {
            backlog.note(vec![shown(batch, Show::New)], Some(state));
        }
        let mut start = backlog.start(totals(4, 104)).expect("there are batches");
        let names = std::iter::from_fn(|| {
            let stored = backlog.pop(&mut start)?;
            stored.logs.get(LogNumber(0)).map(|log| log.name.clone())
        });
        assert_eq!(names.collect::<Vec<_>>(), ["a", "b", "b"]);

        let mut backlog = read(ROOMY, [batch(100, 1), batch(101, 1)]);
        let steps = [batch(101, 1), renames].map(|batch| shown(batch, Show::New));
        backlog.note(steps.into(), Some(&after));
        assert_eq!(backlog.start(totals(3, 103)), None, "the names in between are not known");
    }
}
