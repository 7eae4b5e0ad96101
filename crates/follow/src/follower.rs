//! Following one log: poll the head, fetch ahead, emit in order.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ct::head::TreeHead;
use ct::tile::TILE_WIDTH;
use futures_util::{StreamExt as _, stream};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::breaker::{Backoff, Breaker, BreakerState};
use crate::entry::{Entry, Page};
use crate::log::{Protocol, Start};
use crate::proof::{HeadCheck, HeadError, HeadNews};
use crate::source::{Source, SourceError};
use crate::status::{LogStatus, add};

/// How logs are followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowOptions {
    /// Entries to ask an RFC 6962 log for at once.
    pub batch_size: u64,
    /// Requests of one log in flight: the window it fetches ahead in, in pages.
    pub fetch_concurrency: usize,
    /// The wait between head requests.
    pub poll_interval: Duration,
    /// Attempts at one request before the log's breaker counts a failure.
    pub retry_attempts: u32,
    /// Waits between attempts.
    pub backoff: Backoff,
    /// Answers in a row that make a log healthy again.
    pub healthy_threshold: u32,
    /// Failures in a row that make a log unhealthy and open its breaker.
    pub unhealthy_threshold: u32,
    /// The longest wait between attempts at a log that is unhealthy.
    pub unhealthy_wait: Duration,
    /// Where to begin a log without a saved position.
    pub start: Start,
    /// With [`Start::Head`], how many entries before the head a tiled log begins: its partial tile
    /// holds them anyway.
    pub start_overlap: u64,
    /// By how much saved positions trail what is published.
    pub resume_overlap: Duration,
    /// Whether entries get their [`tbs_id`](crate::Entry::tbs_id), for linking precertificates with
    /// their final certificates. It costs a hash of every certificate.
    pub tbs_ids: bool,
    /// How long a tiled log's partial data tile may be left to fill after one was fetched.
    pub partial_tile_wait: Duration,
}

#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The saved position is of another tree, or the log was reset.
    #[error("the next index to read is {next}, but the log's tree has {size} entries")]
    BeyondTree { next: u64, size: u64 },
    /// Nobody receives pages any more: the program is ending.
    #[error("nobody takes entries any more")]
    Closed,
}

impl FollowError {
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Source(error) => error.fetch()?.retry_after(),
            _ => None,
        }
    }
}

/// What one round found.
#[derive(Debug, PartialEq, Eq)]
enum Round {
    /// Everything up to this head has been emitted, or left for the next round.
    Done,
    /// The log left the list and its last head has been reached.
    Drained,
}

/// One log's follower.
#[derive(Debug)]
pub(crate) struct Follower<S> {
    source: S,
    status: Arc<LogStatus>,
    options: FollowOptions,
    pages: mpsc::Sender<Page>,
    heads: HeadCheck,
    /// The next index to emit; `None` until the first head says where to begin.
    next: Option<u64>,
    last_partial: Option<Instant>,
}

impl<S: Source> Follower<S> {
    /// `resume` is the saved position, which wins over `options.start`.
    pub(crate) fn new(
        source: S,
        status: Arc<LogStatus>,
        options: FollowOptions,
        pages: mpsc::Sender<Page>,
        resume: Option<u64>,
    ) -> Self {
        let heads = HeadCheck::new(status.log.key.clone());
        if let Some(next) = resume {
            status.begin(next);
        }
        Self { source, status, options, pages, heads, next: resume, last_partial: None }
    }

    /// Follows the log until it is drained after retirement, or nobody takes entries any more.
    pub(crate) async fn run(mut self) {
        let options = &self.options;
        let mut breaker =
            Breaker::new(options.backoff, options.unhealthy_threshold, options.unhealthy_wait);
        loop {
            let asked_at = Instant::now();
            self.status.attempting();
            let before = self.next;
            let outcome = self.round().await;
            if outcome.is_err() && self.next != before {
                // It did bring entries: a log that is only slow is not a failing one.
                self.recovered(&mut breaker);
            }
            match outcome {
                Ok(Round::Done) => {
                    self.recovered(&mut breaker);
                    tokio::time::sleep_until(asked_at + self.poll_interval()).await;
                }
                Ok(Round::Drained) => {
                    tracing::info!(log = self.status.log.name, "log is retired and drained");
                    return;
                }
                Err(FollowError::Closed) => return,
                Err(error) => {
                    let wait = self.failed(&mut breaker, &error);
                    if self.status.is_retired() && breaker.state() == BreakerState::Open {
                        tracing::warn!(log = self.status.log.name, "retired log is gone");
                        return;
                    }
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    fn poll_interval(&self) -> Duration {
        self.status.log.poll_interval_ms.map_or(self.options.poll_interval, Duration::from_millis)
    }

    fn recovered(&self, breaker: &mut Breaker) {
        self.status.succeeded(self.options.healthy_threshold);
        if breaker.success() {
            tracing::info!(log = self.status.log.name, "log answers again");
        }
    }

    fn failed(&self, breaker: &mut Breaker, error: &FollowError) -> Duration {
        if matches!(error, FollowError::Head(_)) {
            add(&self.status.counters.refused_heads, 1);
        }
        let wait = breaker.failure(error.retry_after(), entropy());
        self.status.failed(error.to_string(), breaker.state(), self.options.unhealthy_threshold);
        tracing::warn!(
            log = self.status.log.name,
            %error,
            failures = breaker.failures(),
            retry_in_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            "log failed"
        );
        wait
    }

    /// One head, and everything up to it.
    async fn round(&mut self) -> Result<Round, FollowError> {
        let retired = self.status.is_retired();
        let head = self.head().await?;
        let next = match self.next {
            Some(next) => next,
            None => self.begin(&head),
        };
        let target = self.target(next, head.size);
        if next < target {
            self.fetch(next..target, head.size).await?;
        }
        if next > head.size {
            return Err(FollowError::BeyondTree { next, size: head.size });
        }
        let drained = self.next.is_some_and(|next| next >= head.size);
        Ok(if retired && drained { Round::Drained } else { Round::Done })
    }

    /// The largest head known, after asking for the newest.
    async fn head(&mut self) -> Result<TreeHead, FollowError> {
        let signed = self.source.head().await?;
        let news = self.heads.accept(&signed)?;
        if news == HeadNews::Stale {
            add(&self.status.counters.stale_heads, 1);
        }
        let head = *self.heads.newest().unwrap_or(&signed.head);
        self.status.head(head.size, head.timestamp);
        Ok(head)
    }

    fn begin(&mut self, head: &TreeHead) -> u64 {
        let next = match (self.options.start, self.status.log.protocol) {
            (Start::Index(index), _) => index.min(head.size),
            (Start::Head, Protocol::Rfc6962) => head.size,
            (Start::Head, Protocol::StaticCt) => {
                head.size.saturating_sub(self.options.start_overlap)
            }
        };
        tracing::info!(log = self.status.log.name, index = next, size = head.size, "log begins");
        self.next = Some(next);
        self.status.begin(next);
        next
    }

    /// How far to read now. A tiled log's partial tile is read again and again while it fills, so
    /// after one was read the next is left alone for a moment; whole tiles never wait.
    fn target(&mut self, next: u64, size: u64) -> u64 {
        let whole = size - size % TILE_WIDTH;
        if self.status.log.protocol == Protocol::Rfc6962 || size == whole || next >= size {
            return size;
        }
        let now = Instant::now();
        let wait = self.options.partial_tile_wait;
        if self.last_partial.is_some_and(|last| now < last + wait) {
            return whole;
        }
        self.last_partial = Some(now);
        size
    }

    /// Fetches the pages of `range` ahead, at most `fetch_concurrency` at once, and emits them in
    /// order. After an error everything before it has been emitted and `next` stands there.
    async fn fetch(&mut self, range: Range<u64>, tree_size: u64) -> Result<(), FollowError> {
        let Self { source, status, options, pages, next, .. } = self;
        let fetcher = Fetcher { source, status, options, tree_size };
        let mut fetched = stream::iter(pages_of(range, source.page_size()))
            .map(|page| fetcher.page(page))
            .buffered(options.fetch_concurrency);
        while let Some(page) = fetched.next().await {
            let (entries, error) = page;
            if let Some(last) = entries.last() {
                let after = last.index + 1;
                let count = entries.len() as u64;
                let page = Page { log: Arc::clone(status), entries };
                pages.send(page).await.map_err(|_| FollowError::Closed)?;
                *next = Some(after);
                status.emitted(after, count);
            }
            if let Some(error) = error {
                return Err(error.into());
            }
        }
        Ok(())
    }
}

/// What fetching one page takes.
struct Fetcher<'a, S> {
    source: &'a S,
    status: &'a LogStatus,
    options: &'a FollowOptions,
    tree_size: u64,
}

impl<S: Source> Fetcher<'_, S> {
    /// The entries of one page, however many answers they come in. An error that outlasts the
    /// attempts comes with the entries that were had before it.
    async fn page(&self, range: Range<u64>) -> (Vec<Entry>, Option<SourceError>) {
        let mut entries = Vec::new();
        let mut failures = 0;
        let mut next = range.start;
        while next < range.end {
            let end = range.end.min(next.saturating_add(self.source.page_size().max(1)));
            match self.source.entries(next..end, self.tree_size).await {
                Ok(mut more) => {
                    failures = 0;
                    next += more.len() as u64;
                    if entries.is_empty() {
                        entries = more;
                    } else {
                        entries.append(&mut more);
                    }
                }
                Err(error) => {
                    failures += 1;
                    if let Some(wait) = self.retry_in(&error, failures) {
                        tokio::time::sleep(wait).await;
                    } else {
                        return (entries, Some(error));
                    }
                }
            }
        }
        (entries, None)
    }

    /// The wait before another attempt; `None` when there have been enough. A log that says how
    /// long it wants to be left alone is left alone as a whole, not request by request.
    fn retry_in(&self, error: &SourceError, failures: u32) -> Option<Duration> {
        let asked = error.fetch().and_then(|error| error.retry_after());
        if matches!(error.fetch(), Some(crate::FetchError::Limited { .. })) {
            add(&self.status.counters.limited, 1);
        }
        if failures >= self.options.retry_attempts || asked.is_some() {
            return None;
        }
        add(&self.status.counters.errors, 1);
        tracing::debug!(log = self.status.log.name, %error, failures, "request failed");
        Some(self.options.backoff.wait(failures, entropy()))
    }
}

/// Splits a range at the page boundaries, so that no request crosses one.
fn pages_of(range: Range<u64>, page_size: u64) -> impl Iterator<Item = Range<u64>> {
    let page_size = page_size.max(1);
    let mut start = range.start;
    std::iter::from_fn(move || {
        let boundary = (start / page_size).saturating_add(1).saturating_mul(page_size);
        let end = boundary.min(range.end);
        let page = (start < end).then_some(start..end)?;
        start = end;
        Some(page)
    })
}

/// A number that differs from call to call, for jitter only.
fn entropy() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| u64::from(since.subsec_nanos()) / 7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_end_at_boundaries() {
        let ends =
            |range, page_size| pages_of(range, page_size).map(|page| page.end).collect::<Vec<_>>();
        assert!(ends(0..0, 256).is_empty());
        assert_eq!(ends(0..256, 256), [256]);
        assert_eq!(ends(10..600, 256), [256, 512, 600]);
        assert_eq!(ends(5..7, 0), [6, 7]);
        assert_eq!(ends(u64::MAX - 1..u64::MAX, 256), [u64::MAX]);
        let starts: Vec<_> = pages_of(10..600, 256).map(|page| page.start).collect();
        assert_eq!(starts, [10, 256, 512]);
    }
}
