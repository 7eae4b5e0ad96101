//! A range of one log's entries, read and proved against a signed head.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use ct::Hash;
use ct::head::TreeHead;
use ct::merkle::CompactRange;
use record::{Record, Tree};

use crate::backoff::jitter;
use crate::batch::Served;
use crate::findings::Findings;
use crate::http::budget::Lease;
use crate::log::Log;
use crate::options::Retries;
use crate::read::ahead::Ahead;
use crate::read::fetch::{FailureCounts, Fetched, Fetcher, RequestFailures};
use crate::source::error::SourceError;
use crate::source::paging::first_page;
use crate::source::reader::Source;
use crate::tree::contradiction::{AlarmKind, Contradiction, Point, ServedHead};
use crate::tree::evidence::Evidence;
use crate::tree::explain::explain;
use crate::tree::frontier::Frontier;
use crate::tree::heads::{HeadError, Heads};

/// Options of reading a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RangeOptions {
    /// Pages requested at once.
    pub concurrency: usize,
    /// Attempts at each request.
    pub retries: Retries,
    /// Bytes of pages that wait to be proved; one page may exceed it. Each proof takes a few requests,
    /// and waiting pages take room in the budget of all responses.
    pub waiting_bytes: usize,
}

impl Default for RangeOptions {
    fn default() -> Self {
        Self { concurrency: 4, retries: Retries::default(), waiting_bytes: 4 << 20 }
    }
}

/// Consecutive entries that are proved to be those under the signed head.
#[derive(Debug)]
pub struct ProvedPage {
    /// Entries in index order, at least one.
    pub entries: Vec<Record>,
    /// The leaf hash of each entry.
    pub leaf_hashes: Vec<Hash>,
    /// The leaf of each entry as served; empty unless the source [keeps](crate::ReadOptions::leaves)
    /// them.
    pub leaves: Vec<Bytes>,
    /// The index after the last entry.
    pub end: u64,
    /// The tree of all entries below `end`, which is proved as a whole.
    pub tree: Tree,
    /// Defects of the entries.
    pub findings: Findings,
    /// The page's bytes in the budget of all responses, until it is dropped.
    _lease: Option<Lease>,
}

/// The reason why a range cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RangeError {
    /// The log did not answer, or not as it should. Reading can be continued.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The head is not signed by the log.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The range ends beyond the head's tree.
    #[error("the range ends at {end}, but the log's tree has {size} entries")]
    BeyondTree {
        /// The end of the range.
        end: u64,
        /// Entries in the tree.
        size: u64,
    },
    /// The log contradicts itself; nothing more is read.
    #[error("{}", .0.text)]
    Contradiction(Box<Evidence>),
}

/// A page that waits to be proved.
#[derive(Debug)]
struct Waiting {
    entries: Vec<Record>,
    leaf_hashes: Vec<Hash>,
    leaves: Vec<Bytes>,
    findings: Findings,
    tree: CompactRange,
    lease: Option<Lease>,
}

/// A page that is being downloaded.
#[derive(Debug)]
struct Download {
    /// The index after its last entry.
    end: u64,
    /// Errors that were returned before it began.
    errors: u64,
    page: Ahead<Fetched>,
}

/// Reads the entries of a range in index order. Each page is proved before it is returned.
///
/// Requests are paced and bounded by the [`Client`](crate::Client) of the source, with which the
/// pages share a budget of bytes: a caller that keeps all pages in memory stops the reader.
///
/// The range needs neither a fleet nor a status: errors and [`Findings`] are results.
#[derive(Debug)]
pub struct VerifiedRange<S> {
    fetcher: Arc<Fetcher<S>>,
    options: RangeOptions,
    head: TreeHead,
    heads: Heads,
    range: Range<u64>,
    /// The tree of the entries before the range, once the log has proved it.
    begun: Option<CompactRange>,
    /// The tree of the entries read; `None` before the log has proved its beginning.
    frontier: Option<Frontier>,
    /// Downloads in progress, in index order.
    ahead: VecDeque<Download>,
    /// The first index that is not requested yet.
    requested: u64,
    /// Entries before those in progress that have to be requested again.
    missing: Option<Range<u64>>,
    /// Errors that were returned.
    errors: u64,
    waiting: VecDeque<Waiting>,
    /// Responses that the waiting pages came in.
    served: Vec<Served>,
    proved: VecDeque<ProvedPage>,
    /// An error to return after the pages that are proved.
    error: Option<SourceError>,
    /// A contradiction that is not returned yet, and the responses concerned.
    found: Option<(Contradiction, Vec<Served>)>,
    /// True after a contradiction.
    is_over: bool,
}

impl<S: Source> VerifiedRange<S> {
    /// Begins to read `range`, and proves it against `head`, whose signature is verified if the log's
    /// key is known. Nothing is requested before the first page is.
    ///
    /// # Errors
    /// If the head is not signed by the log, or the range ends beyond it.
    pub fn new(
        source: S,
        log: &Arc<Log>,
        range: Range<u64>,
        head: ServedHead,
        options: RangeOptions,
    ) -> Result<Self, RangeError> {
        let tree = head.signed.head;
        if range.end > tree.size {
            return Err(RangeError::BeyondTree { end: range.end, size: tree.size });
        }
        let mut heads = Heads::new(log.key.clone(), true);
        heads.accept(head, range.start)?;
        let fetcher = Arc::new(Fetcher {
            source: Arc::new(source),
            log: Arc::clone(log),
            retries: options.retries,
            tree_size: tree.size,
            keeps: true,
            failures: Arc::new(RequestFailures::default()),
        });
        Ok(Self {
            fetcher,
            options,
            head: tree,
            heads,
            requested: range.start,
            missing: None,
            errors: 0,
            range,
            begun: None,
            frontier: None,
            ahead: VecDeque::new(),
            waiting: VecDeque::new(),
            served: Vec::new(),
            proved: VecDeque::new(),
            error: None,
            found: None,
            is_over: false,
        })
    }

    /// Returns the next page, or `None` after the last one.
    ///
    /// # Errors
    /// See [`RangeError`]. After an error of the source the next call tries again; after a
    /// contradiction there are no more pages.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: the next call continues.
    pub async fn next(&mut self) -> Result<Option<ProvedPage>, RangeError> {
        loop {
            if let Some(page) = self.proved.pop_front() {
                return Ok(Some(page));
            }
            if let Some((found, served)) = self.found.clone() {
                return Err(self.explain(found, served).await);
            }
            if let Some(error) = self.error.take() {
                self.errors += 1;
                return Err(error.into());
            }
            if self.is_over || (self.read() >= self.range.end && self.waiting.is_empty()) {
                return Ok(None);
            }
            self.advance().await?;
        }
    }

    /// Continues at `index`, which is beyond an entry that cannot be read. The entries before it that
    /// were not returned yet are not; the caller has to account for them.
    pub fn skip_to(&mut self, index: u64) {
        self.ahead.clear();
        self.missing = None;
        self.waiting.clear();
        self.served.clear();
        self.error = None;
        self.frontier = None;
        self.range.start = index.min(self.range.end);
        self.requested = self.range.start;
    }

    /// Returns the next index to return, unless pages that are proved come before it.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.frontier.as_ref().map_or(self.range.start, |frontier| frontier.emitted().size())
    }

    /// Returns the tree of the entries before the range; `None` before the first page.
    #[must_use]
    pub const fn before(&self) -> Option<&CompactRange> {
        self.begun.as_ref()
    }

    /// Returns the counts of requests that failed since the last call.
    #[must_use]
    pub fn take_failures(&self) -> FailureCounts {
        self.fetcher.failures.take()
    }

    fn read(&self) -> u64 {
        self.frontier.as_ref().map_or(self.range.start, |frontier| frontier.read().size())
    }

    /// Reads one more page, or proves those that wait.
    async fn advance(&mut self) -> Result<(), RangeError> {
        if self.frontier.is_none() {
            return self.begin().await;
        }
        // After a proof that failed, it is all that is missing.
        if self.read() >= self.range.end || self.is_much() {
            return self.prove().await;
        }
        self.request();
        let Some(next) = self.ahead.front_mut() else { return Ok(()) };
        let fetched = (&mut next.page).await;
        let Some(Download { end, errors, .. }) = self.ahead.pop_front() else { return Ok(()) };
        // Errors of requests that were under way together are one.
        let error_is_known = errors < self.errors;
        self.take(fetched, end, error_is_known).await
    }

    /// Has the log prove the tree of the entries before the range.
    async fn begin(&mut self) -> Result<(), RangeError> {
        let (start, size) = (self.range.start, self.head.size);
        match self.fetcher.source.frontier(start, &self.head).await {
            Ok(tree) => {
                self.heads.remember(Point::of_head(&self.head));
                self.begun = Some(tree.clone());
                self.frontier = Some(Frontier::new(tree));
                Ok(())
            }
            Err(error @ SourceError::Proof { .. }) => {
                let text = format!("the log cannot prove its signed head: {error}");
                let heads = self.heads.newest_served().map(|head| (**head).clone());
                self.is_over = true;
                Err(RangeError::Contradiction(Box::new(Evidence {
                    heads: heads.into_iter().collect(),
                    ..Evidence::new(&self.fetcher.log, AlarmKind::Fork, text, start..size)
                })))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Starts as many downloads as the options permit, and first those that are missing.
    fn request(&mut self) {
        if let Some(missing) = self.missing.take() {
            let download = self.download(missing);
            self.ahead.push_front(download);
        }
        while self.ahead.len() < self.options.concurrency.max(1) {
            let rest = self.requested..self.range.end;
            let page = first_page(rest, self.fetcher.source.page_size());
            if page.is_empty() {
                return;
            }
            self.requested = page.end;
            let download = self.download(page);
            self.ahead.push_back(download);
        }
    }

    fn download(&self, entries: Range<u64>) -> Download {
        let (end, errors) = (entries.end, self.errors);
        Download { end, errors, page: Ahead::spawn(Arc::clone(&self.fetcher).page(entries)) }
    }

    /// Takes a page that should have ended at `end`.
    async fn take(
        &mut self,
        fetched: Fetched,
        end: u64,
        error_is_known: bool,
    ) -> Result<(), RangeError> {
        let Fetched {
            entries, leaf_hashes, leaves, findings, served, lease, no_room, error, ..
        } = fetched;
        let starved = no_room.is_some() && entries.is_empty() && self.waiting.is_empty();
        let mut found = Vec::new();
        if let Some(frontier) = &mut self.frontier
            && !entries.is_empty()
        {
            found = frontier.push(&leaf_hashes, &mut self.heads);
            let tree = frontier.read().clone();
            let waiting = Waiting { entries, leaf_hashes, leaves, findings, tree, lease };
            self.waiting.push_back(waiting);
            self.served.extend(served);
        }
        let read = self.read();
        if no_room.is_some() {
            // The pages that follow take the room that is missing.
            self.ahead.clear();
            self.requested = read;
        } else if read < end {
            self.missing = Some(read..end);
        }
        self.error = error.filter(|_| !error_is_known);
        if let Some(contradiction) = found.into_iter().next() {
            self.contradicted(contradiction);
            return Ok(());
        }
        if starved {
            tokio::time::sleep(self.options.retries.backoff.wait(1, jitter())).await;
        }
        let is_last = self.read() >= self.range.end || no_room.is_some() || self.error.is_some();
        if is_last || self.is_much() { self.prove().await } else { Ok(()) }
    }

    /// Reports whether the pages that wait take more room than they should.
    fn is_much(&self) -> bool {
        let bytes = |page: &Waiting| page.lease.as_ref().map_or(0, Lease::held);
        let beyond = |page: &Waiting| page.lease.as_ref().is_some_and(Lease::is_beyond);
        self.waiting.iter().map(bytes).sum::<usize>() > self.options.waiting_bytes
            || self.waiting.iter().any(beyond)
    }

    /// Proves the pages that wait, unless reading has reached the head.
    async fn prove(&mut self) -> Result<(), RangeError> {
        let Some(frontier) = &mut self.frontier else { return Ok(()) };
        if frontier.proved().size < frontier.read().size() {
            if !self.fetcher.source.extends(frontier.read(), &self.head).await? {
                let expected = Point::of_range(frontier.read());
                let Some(head) = self.heads.newest_served().cloned() else { return Ok(()) };
                let kind = AlarmKind::Mismatch;
                let found = Contradiction { kind, head, other: None, expected };
                self.contradicted(found);
                return Ok(());
            }
            self.heads.remember(frontier.prove());
        }
        for Waiting { entries, leaf_hashes, leaves, findings, tree, mut lease } in
            self.waiting.drain(..)
        {
            // The responses are not kept as evidence any longer.
            if let Some(lease) = &mut lease {
                let leaves = leaves.iter().map(Bytes::len).sum::<usize>() + 32 * leaf_hashes.len();
                lease.set(entries.iter().map(Record::weight).sum::<usize>() + leaves);
            }
            let end = tree.size();
            frontier.emit(tree.clone());
            let tree = frontier.tree(tree);
            self.proved.push_back(ProvedPage {
                entries,
                leaf_hashes,
                leaves,
                end,
                tree,
                findings,
                _lease: lease,
            });
        }
        self.served.clear();
        Ok(())
    }

    /// Ends the range. The pages that wait are not returned: their room is needed for the requests
    /// that narrow the contradiction down.
    fn contradicted(&mut self, found: Contradiction) {
        self.ahead.clear();
        self.missing = None;
        self.waiting.clear();
        self.found = Some((found, std::mem::take(&mut self.served)));
    }

    /// Collects the evidence of a contradiction.
    async fn explain(&mut self, found: Contradiction, served: Vec<Served>) -> RangeError {
        let (source, log) = (&*self.fetcher.source, &self.fetcher.log);
        let frontier = self.frontier.as_ref();
        let evidence = explain(source, log, &self.heads, frontier, found, served).await;
        self.found = None;
        self.is_over = true;
        RangeError::Contradiction(Box::new(evidence))
    }
}
