//! The sequencer: the one place where pages get their order and certificates their offsets.

mod backfill;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use ct::Hash;
use record::{
    Acknowledgement, Advance, Alarm, Batch, BatchHash, Gap, LogIdentity, LogNumber, Position,
    Record, Refused, Sighting, State,
};
use thiserror::Error;
use tokio::sync::mpsc;

use crate::commit_log::{CommitError, CommitLog};
use crate::dedup::{self, Key, Window};
use crate::fanout::{Committed, Fanout};
use crate::first_seen::FirstSeen;
use crate::gather::{self, Channel, Outlet, Size};
use crate::heartbeat::Heartbeat;
use crate::page::{Notice, Page};
use crate::{MAX_BYTES, MAX_ENTRIES, park};

/// Reason why a sequencer publishes no more.
#[derive(Debug, Error)]
pub enum Stopped {
    /// Nobody can read what is published.
    #[error("the stream is closed")]
    Closed,
    /// The commit log has failed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// A batch does not fit the state that it was made for, which is a defect.
    #[error("a batch does not fit: {0}")]
    Refused(#[from] Refused),
}

/// Reason why a page is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
enum PageError {
    /// It leaves a hole: indexes between the log's position and its first one.
    #[error("indexes {0:?} are missing before it")]
    Hole(Range<u64>),
    /// Its entries and gap do not make up its indexes, or its tree is of another size.
    #[error("its entries are not those of its indexes")]
    Incomplete,
}

/// Orders pages, recognises duplicates, gives offsets, commits and shows batches.
///
/// There are two folds of the stream: `committed`, and `staged`, which also has the batches in flight.
/// A batch is made against the staged one, so several may be in flight; if the commit log fails,
/// everything staged is discarded.
#[derive(Debug)]
pub struct Sequencer<L, F: Fanout> {
    /// Marks certificates with new domains; `None` to mark none. Dropped before the log, which it reads.
    first_seen: Option<Box<dyn FirstSeen>>,
    log: L,
    fanout: F,
    committed: State,
    staged: State,
    /// Certificates committed lately; `None` to publish every entry.
    window: Option<Window>,
    /// Offsets of the certificates staged since.
    overlay: HashMap<Key, u64>,
    in_flight: VecDeque<InFlight<F::Ticket>>,
    open: Open<F::Ticket>,
    /// Numbers of logs by URL, as of the staged log table and the open batch.
    numbers: HashMap<String, (Arc<LogIdentity>, LogNumber)>,
    heartbeat: Arc<Heartbeat>,
}

/// A batch that was appended and is not committed yet.
#[derive(Debug)]
struct InFlight<T> {
    batch: Batch,
    hash: BatchHash,
    tickets: Vec<(T, LogNumber)>,
}

/// The batch that pages gather in. Its header is set when it is appended.
#[derive(Debug)]
struct Open<T> {
    batch: Batch,
    tickets: Vec<(T, LogNumber)>,
    bytes: usize,
}

impl<T> Open<T> {
    const fn after(state: &State) -> Self {
        let batch = Batch::new(state.next_header(), state.next_offset());
        Self { batch, tickets: Vec::new(), bytes: 0 }
    }

    const fn is_empty(&self) -> bool {
        self.tickets.is_empty() && self.batch.logs.is_empty()
    }
}

impl<L: CommitLog, F: Fanout> Sequencer<L, F> {
    /// Creates a sequencer that continues the stream in `state`, which has a term. Without a window
    /// every entry is published, duplicates too.
    #[must_use]
    pub fn new(log: L, fanout: F, state: State, window: Option<Window>) -> Self {
        Self {
            log,
            fanout,
            staged: state.clone(),
            window,
            first_seen: None,
            overlay: HashMap::new(),
            in_flight: VecDeque::new(),
            open: Open::after(&state),
            committed: state,
            numbers: HashMap::new(),
            heartbeat: Arc::default(),
        }
    }

    /// Marks certificates with new registrable domains.
    #[must_use]
    pub fn with_first_seen(mut self, first_seen: Option<Box<dyn FirstSeen>>) -> Self {
        self.first_seen = first_seen;
        self
    }

    /// Publishes until every sender of `pages` is gone and the channel is drained; `read` makes pages of
    /// what comes. Under load a page waits for others, `gather` at most. Blocks, so it belongs on a thread of its own; `heartbeat`
    /// shows whether that is alive.
    ///
    /// # Errors
    /// If nothing more can be published.
    pub fn run<P>(
        mut self,
        pages: mpsc::Receiver<P>,
        read: impl FnMut(P) -> Page<F::Ticket>,
        gather: Duration,
        heartbeat: Arc<Heartbeat>,
    ) -> Result<(), Stopped> {
        self.heartbeat = Arc::clone(&heartbeat);
        gather::run(gather, &mut Channel::new(pages, read, heartbeat), &mut self)
    }

    /// Returns the number of a log, with a row in the open batch if it is new or has changed.
    fn number(&mut self, log: &Arc<LogIdentity>) -> LogNumber {
        if let Some((known, number)) = self.numbers.get(&log.url)
            && (Arc::ptr_eq(known, log) || known == log)
        {
            return *number;
        }
        let rows = &mut self.open.batch.logs;
        let number = if let Some(row) = rows.iter_mut().find(|row| row.identity.is_same(log)) {
            // It is new in this batch; an id that is known stays so.
            row.identity = LogIdentity { id: log.id.or(row.identity.id), ..(**log).clone() };
            row.number
        } else {
            let (mut number, change) = self.staged.row(log);
            if let Some(mut change) = change {
                if self.staged.log(number).is_none() {
                    let others = rows.iter().filter(|row| self.staged.log(row.number).is_none());
                    let new = u32::try_from(others.count()).unwrap_or(u32::MAX);
                    number = LogNumber(number.0.saturating_add(new));
                    change.number = number;
                }
                rows.push(change);
            }
            number
        };
        self.numbers.insert(log.url.clone(), (Arc::clone(log), number));
        number
    }

    /// Adds a notice to the open batch. It changes no row of the log table that is there already.
    fn note(&mut self, page: Page<F::Ticket>, notice: Notice) -> Size {
        let rows = &self.open.batch.logs;
        let new = rows.iter().find(|row| row.identity.is_same(&page.log)).map(|row| row.number);
        let known = new.or_else(|| self.staged.find(&page.log));
        let log = known.unwrap_or_else(|| self.number(&page.log));
        match notice {
            Notice::Alarm(alarm) => self.open.batch.alarms.push(Alarm { log, ..alarm }),
            Notice::Acknowledgement => {
                self.open.batch.acknowledgements.push(Acknowledgement { log });
            }
            Notice::Backfill(published) => return self.fill(log, page, &published),
        }
        self.open.tickets.push((page.ticket, log));
        Size::default()
    }

    /// Returns the position of a log as of the pages taken so far.
    fn position(&self, log: LogNumber) -> Option<u64> {
        let open = self.open.batch.advances.iter().find(|advance| advance.log == log);
        let staged = || Some(self.staged.log(log)?.position.as_ref()?.next);
        open.map(|advance| advance.position.next).or_else(staged)
    }

    /// Trims a page to the position of its log.
    fn fit(&self, log: LogNumber, page: &mut Page<F::Ticket>) -> Result<(), PageError> {
        if !page.is_complete() {
            return Err(PageError::Incomplete);
        }
        let Some(position) = self.position(log) else { return Ok(()) };
        if page.first > position {
            return Err(PageError::Hole(position..page.first));
        }
        if page.first < position {
            tracing::debug!(log = page.log.name, position, first = page.first, "page trimmed");
            page.trim(position);
        }
        Ok(())
    }

    /// Adds a page that fits to the open batch.
    fn add(&mut self, log: LogNumber, page: Page<F::Ticket>) -> Size {
        let Page { first, end, records, gap, largest_head, tree, ticket, .. } = page;
        let (now, seen) = (Instant::now(), unix_millis());
        let mut size = Size::default();
        for record in records {
            let original = self.original(record.dedup_key(), now);
            size += self.put(Record { log, seen, ..record }, original);
        }
        let batch = &mut self.open.batch;
        batch.gaps.extend(gap.map(|(range, reason)| Gap { log, range, reason }));
        // A page from below the position leaves that as it is.
        let known = batch.advances.iter_mut().find(|advance| advance.log == log);
        match known {
            Some(known) if end >= known.position.next => {
                let largest_head = largest_head.max(known.position.largest_head);
                known.position = Position { next: end, largest_head, tree };
            }
            None if end >= first => {
                let position = Position { next: end, largest_head, tree };
                batch.advances.push(Advance { log, first, position });
            }
            _ => {}
        }
        self.open.bytes += size.bytes;
        self.open.tickets.push((ticket, log));
        size
    }

    /// Adds an entry to the open batch: as a sighting, if its certificate was published at an offset.
    fn put(&mut self, record: Record, original: Option<u64>) -> Size {
        let batch = &mut self.open.batch;
        let offset = batch.next_offset();
        if let Some(offset) = original {
            let Record { log, index, submitted, .. } = record;
            let fingerprint = record.link.is_some().then_some(record.fingerprint);
            batch.sightings.push(Sighting { log, index, submitted, offset, fingerprint });
            return Size::default();
        }
        if self.window.is_some() {
            let hash = dedup::remembered(&record, record.dedup_key());
            self.overlay.insert(dedup::key(&hash), offset);
        }
        let first_seen = self.first_seen.as_mut();
        let is_new = first_seen.is_some_and(|seen| seen.is_new(&record, offset));
        // A copy: the page's certificates share one buffer, so one that is kept would keep all of
        // them, most of them duplicates.
        let certificate = Bytes::copy_from_slice(&record.certificate);
        let size = Size { entries: 1, bytes: certificate.len() };
        batch.records.push(Record { certificate, is_new, ..record });
        size
    }

    /// Returns the offset of the record that was published or staged for the certificate with this hash.
    fn original(&self, hash: &Hash, now: Instant) -> Option<u64> {
        let window = self.window.as_ref()?;
        let staged = self.overlay.get(&dedup::key(hash)).copied();
        staged.or_else(|| window.find(hash, now))
    }

    /// Appends the open batch.
    fn append(&mut self) -> Result<(), Stopped> {
        if self.open.is_empty() {
            return Ok(());
        }
        while self.in_flight.len() >= self.log.depth().max(1) {
            self.wait()?;
        }
        let Open { mut batch, tickets, .. } =
            std::mem::replace(&mut self.open, Open::after(&self.staged));
        batch.header = self.staged.next_header();
        self.staged.check(&batch)?;
        let (log, heartbeat) = (&mut self.log, &self.heartbeat);
        let hash = match heartbeat.wait(|| log.append(&batch)) {
            Ok(hash) => hash,
            Err(error) => {
                // What was committed until then is still shown.
                self.show_committed(&mut Context::from_waker(Waker::noop()))?;
                return Err(error.into());
            }
        };
        self.staged.apply(&batch, hash)?;
        self.open = Open::after(&self.staged);
        self.in_flight.push_back(InFlight { batch, hash, tickets });
        Ok(())
    }

    /// Applies and shows the batches that are committed.
    fn show_committed(&mut self, context: &mut Context<'_>) -> Result<(), Stopped> {
        while !self.in_flight.is_empty() {
            let committed = match self.log.poll_committed(self.committed.number(), context) {
                Poll::Pending => return Ok(()),
                Poll::Ready(committed) => committed?,
            };
            let is_committed = |next: &InFlight<_>| next.batch.header.number <= committed;
            while self.in_flight.front().is_some_and(is_committed)
                && let Some(next) = self.in_flight.pop_front()
            {
                self.show(next)?;
            }
        }
        Ok(())
    }

    /// Applies a committed batch and shows it.
    fn show(
        &mut self,
        InFlight { batch, hash, tickets }: InFlight<F::Ticket>,
    ) -> Result<(), Stopped> {
        self.committed.apply(&batch, hash)?;
        if let Some(window) = &mut self.window {
            window.publish(&batch, Instant::now());
            for record in &batch.records {
                let hash = dedup::remembered(record, record.dedup_key());
                self.overlay.remove(&dedup::key(&hash));
            }
        }
        if let Some(first_seen) = &mut self.first_seen {
            first_seen.committed(&batch);
        }
        let remembered = self.window.as_ref().map(Window::len);
        let missing = self.missing(&batch);
        let is_open = self.fanout.show(Committed { batch, tickets, remembered, missing });
        if is_open { Ok(()) } else { Err(Stopped::Closed) }
    }

    /// Waits until a batch in flight is committed.
    fn wait(&mut self) -> Result<(), Stopped> {
        let waker = park::waker();
        let mut context = Context::from_waker(&waker);
        let heartbeat = Arc::clone(&self.heartbeat);
        heartbeat.wait(|| {
            let before = self.in_flight.len();
            loop {
                heartbeat.tick();
                self.show_committed(&mut context)?;
                if self.in_flight.len() < before || self.in_flight.is_empty() {
                    return Ok(());
                }
                thread::park();
            }
        })
    }

    /// Discards everything that is not committed if the outcome is a failure.
    fn or_discard<T>(&mut self, outcome: Result<T, Stopped>) -> Result<T, Stopped> {
        if outcome.is_err() {
            self.in_flight.clear();
            self.overlay.clear();
            self.numbers.clear();
            if let Some(first_seen) = &mut self.first_seen {
                first_seen.discard();
            }
            self.staged = self.committed.clone();
            self.open = Open::after(&self.staged);
        }
        outcome
    }
}

impl<L: CommitLog, F: Fanout> Outlet<Page<F::Ticket>> for Sequencer<L, F> {
    fn fits(&self, page: &Page<F::Ticket>) -> bool {
        let Size { bytes, entries } = page.size();
        let batch = &self.open.batch;
        let gathered = batch.records.len() + batch.sightings.len();
        gathered + entries <= MAX_ENTRIES && self.open.bytes + bytes <= MAX_BYTES
    }

    /// Trims the page to its log's position, and recognises duplicates. A page that does not fit is
    /// refused: it is logged, its log does not advance, and its ticket is returned.
    fn take(&mut self, mut page: Page<F::Ticket>) -> Size {
        if let Some(notice) = page.notice.take() {
            return self.note(page, notice);
        }
        let log = self.number(&page.log);
        if let Err(error) = self.fit(log, &mut page) {
            let position = self.position(log).unwrap_or(page.first);
            let (log, first, end) = (&page.log.name, page.first, page.end);
            tracing::error!(
                log, first, end, position, %error,
                "a page does not continue its log and is refused: reading the log again from its \
                 position"
            );
            self.fanout.refused(page.ticket, position);
            return Size::default();
        }
        self.add(log, page)
    }

    fn publish(&mut self) -> Result<(), Stopped> {
        let appended = self.append();
        self.or_discard(appended)?;
        // What is not committed by now is polled again before the thread waits.
        self.poll(&mut Context::from_waker(Waker::noop()))
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Result<(), Stopped> {
        let shown = self.show_committed(context);
        self.or_discard(shown)
    }

    fn finish(&mut self) -> Result<(), Stopped> {
        while !self.in_flight.is_empty() {
            let waited = self.wait();
            self.or_discard(waited)?;
        }
        Ok(())
    }

    fn readers(&self) -> usize {
        self.fanout.readers()
    }
}

/// Returns the time, milliseconds since 1970.
fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(0)
}
