//! Following one log: poll the head, read ahead, prove, emit in order.

mod alarms;
mod audit;
mod error;
pub(crate) mod parts;
mod poll;
mod proof;
mod run;
mod unreadable;
mod verifying;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use ct::head::TreeHead;
use ct::tile::TILE_WIDTH;
use ctclient::{
    Ahead, AlarmKind, Fetcher, Frontier, Heads, RequestFailures, Retries, Source, failure, jitter,
    pages,
};
use futures_util::{StreamExt as _, stream};
use record::GapReason;
use tokio::time::Instant;

use self::error::FollowError;
use self::poll::Poll;
use self::run::{Held, Run};
use self::verifying::Verifying;
use crate::alarm::unix_seconds;
use crate::breaker::{Breaker, BreakerState};
use crate::options::{FollowOptions, Start, Verification};
use crate::page::{Gap, Page};
use crate::queue::Pages;
use crate::status::LogStatus;
use crate::status::counters::add;
use crate::status::resume::Resume;

/// Entries read between two polls of the head, if a log is far behind.
const LONGEST_ROUND: u64 = 1 << 15;

/// The time without a response after which a log that left the list is given up, even if it has not
/// been read to its end.
const LONGEST_SILENCE: Duration = Duration::from_secs(86_400);

/// The result of one round.
#[derive(Debug, PartialEq, Eq)]
enum Round {
    /// Everything up to this head has been emitted, but for a partial tile that may still fill.
    Done,
    /// There are more entries to read.
    Behind,
    /// The log left the list and its last head has been reached.
    Drained,
}

/// One log's follower.
#[derive(Debug)]
pub(crate) struct Follower<S> {
    source: Arc<S>,
    status: Arc<LogStatus>,
    options: FollowOptions,
    pages: Pages,
    poll: Poll,
    heads: Heads,
    /// The tree of the entries read; `None` while nothing can be proved.
    frontier: Option<Frontier>,
    verifying: Verifying,
    failures: Arc<RequestFailures>,
    /// The next index to emit; `None` until the first head says where to begin.
    next: Option<u64>,
    last_partial: Option<Instant>,
    /// True if a head has arrived in this round.
    heard: bool,
}

impl<S: Source> Follower<S> {
    /// Makes a follower. `resume` is the saved position, which takes precedence over `options.start`;
    /// `number` is the log's number in its fleet.
    pub(crate) fn new(
        source: S,
        status: Arc<LogStatus>,
        options: FollowOptions,
        pages: Pages,
        resume: Option<Resume>,
        number: usize,
    ) -> Self {
        let verified = options.verification != Verification::Off;
        let key = if verified { status.log.key.clone() } else { None };
        let mut heads = Heads::new(key, verified);
        let next = resume.as_ref().map(|resume| resume.index);
        let tree = if verified { resume.as_ref() } else { None };
        let frontier = tree.and_then(|resume| Frontier::resume(resume.tree.clone()?, resume.index));
        if let Some(frontier) = &frontier {
            heads.remember(frontier.proved());
        }
        if let Some(resume) = resume {
            status.begin(resume);
        }
        let longest = status.log.poll_interval_ms.map(Duration::from_millis);
        let poll = Poll::new(longest.unwrap_or(options.poll_interval), Instant::now());
        Self {
            source: Arc::new(source),
            status,
            verifying: Verifying::new(&options),
            failures: Arc::default(),
            options,
            pages,
            poll: poll.staggered(number),
            heads,
            frontier,
            next,
            last_partial: None,
            heard: false,
        }
    }

    /// Follows the log until it is drained after retirement, or the publisher has ended.
    pub(crate) async fn run(mut self) {
        let options = &self.options;
        let mut breaker =
            Breaker::new(options.backoff, options.unhealthy_threshold, options.unhealthy_wait);
        loop {
            self.status.attempting();
            let before = self.next;
            let outcome = self.round().await;
            // A log that delivered entries is only slow, not failing. One that delivered none, because
            // there was no room, is neither.
            let heard = std::mem::take(&mut self.heard);
            if self.next != before || outcome.is_ok() && heard {
                self.recovered(&mut breaker);
            }
            match outcome {
                Ok(Round::Done) => tokio::time::sleep_until(self.wake()).await,
                Ok(Round::Behind) => {}
                Ok(Round::Drained) => {
                    tracing::info!(
                        log = self.status.log.name,
                        "log is retired and read to its end"
                    );
                    return;
                }
                Err(FollowError::Closed) => return,
                Err(FollowError::Source(error)) if error.is_no_room() => {
                    self.status.note_no_room(&error);
                    tokio::time::sleep(self.options.backoff.initial).await;
                }
                Err(mut error) => {
                    if self.skip_unreadable(&mut error).await {
                        continue;
                    }
                    let wait = self.failed(&mut breaker, &error);
                    drop(error);
                    if self.status.is_retired() && self.is_gone(&breaker) {
                        tracing::warn!(
                            log = self.status.log.name,
                            "retired log is unreachable; no longer following it"
                        );
                        return;
                    }
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// Returns the time of the next round: for a new head, or for a partial tile that was left to fill.
    fn wake(&self) -> Instant {
        let head = self.heads.newest().map_or(0, |head| head.size);
        let left = self.next.is_some_and(|next| next < head);
        let partial = if left { self.last_partial } else { None };
        let partial = partial.map(|last| last + self.options.partial_tile_wait);
        partial.map_or_else(|| self.poll.next(), |partial| partial.min(self.poll.next()))
    }

    /// Reports whether a log that left the list is given up.
    fn is_gone(&self, breaker: &Breaker) -> bool {
        let at = self.status.snapshot();
        let answered = Duration::from_secs(at.last_success.unwrap_or(0));
        let silent = Duration::from_secs(unix_seconds()).saturating_sub(answered);
        let drained = at.next_index.is_some() && at.lag_entries() == 0;
        breaker.state() == BreakerState::Open && (drained || silent > LONGEST_SILENCE)
    }

    fn recovered(&self, breaker: &mut Breaker) {
        self.status.succeeded(self.options.healthy_threshold);
        if breaker.success() {
            tracing::info!(log = self.status.log.name, "log responds again");
        }
    }

    fn failed(&self, breaker: &mut Breaker, error: &FollowError) -> Duration {
        if matches!(error, FollowError::Head(_)) {
            add(&self.status.counters.refused_heads, 1);
        }
        let wait = breaker.failure(error.retry_after(), jitter());
        let wait = match error.retry_after() {
            Some(_) => wait,
            None => failure::left_of(wait, error.waited(), breaker.since(), Instant::now()),
        };
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

    /// Reads one head, and everything up to it.
    async fn round(&mut self) -> Result<Round, FollowError> {
        let retired = self.status.is_retired();
        if let Some(position) = self.status.take_refused() {
            tracing::warn!(
                log = self.status.log.name,
                position,
                "reading again after a refused page"
            );
            self.next = Some(position);
        }
        let head = self.head().await?;
        self.check_alarms()?;
        let next = match self.next {
            Some(next) => self.advance(next, &head).await?,
            None => self.begin(&head).await?,
        };
        self.find_frontier(next, &head).await?;
        let target = self.target(next, head.size).min(next.saturating_add(LONGEST_ROUND));
        let cut = next < target && self.fetch(next..target, head).await?;
        if next > head.size {
            return Err(FollowError::BeyondTree { next, size: head.size });
        }
        self.audit(&head).await;
        let drained = self.next.is_some_and(|next| next >= head.size);
        Ok(match (drained, retired) {
            (true, true) => Round::Drained,
            (false, _) if cut || target.checked_sub(next) == Some(LONGEST_ROUND) => Round::Behind,
            _ => Round::Done,
        })
    }

    /// Returns the largest head known, after requesting the newest if that is due.
    async fn head(&mut self) -> Result<TreeHead, FollowError> {
        let asked = Instant::now();
        if asked < self.poll.next()
            && let Some(newest) = self.heads.newest()
        {
            return Ok(*newest);
        }
        let served = self.source.head().await.inspect_err(|error| {
            self.failures.add(error);
            self.status.note_failures(self.failures.take());
        })?;
        self.heard = true;
        let offered = served.signed.head;
        self.heads.set_final(self.status.listing().final_head);
        let accepted = self.heads.accept(served, self.next.unwrap_or(0))?;
        self.poll.answered(offered.size, offered.timestamp, asked);
        let counters = &self.status.counters;
        add(&counters.stale_heads, accepted.stale.into());
        add(&counters.unaudited_heads, self.heads.take_unaudited());
        let head = *self.heads.newest().unwrap_or(&offered);
        self.status.head(head.size, head.timestamp);
        self.check_head_age();
        if let Some(found) = accepted.contradiction {
            if found.kind == AlarmKind::Equivocation {
                add(&self.status.counters.refused_heads, 1);
            }
            self.report_violation(found, Vec::new()).await;
        }
        Ok(head)
    }

    /// Returns `next`, or the head if the log is further behind than it may be: then the indexes
    /// between them are skipped, and a page says so.
    async fn advance(&mut self, next: u64, head: &TreeHead) -> Result<u64, FollowError> {
        let behind = head.size.saturating_sub(next);
        let lag = self.status.lag(head);
        if !self.options.catch_up.is_too_far(behind, lag) {
            return Ok(next);
        }
        let to = self.tail(head).max(next);
        self.status.skipped(next..to);
        tracing::warn!(
            log = self.status.log.name,
            from = next,
            to,
            lag_secs = lag.as_secs(),
            "log is too far behind: skipping entries"
        );
        self.next = Some(to);
        let gap = Gap { range: next..to, reason: GapReason::Skipped };
        self.status.emitting(to);
        self.pages.send(Page::of_gap(Arc::clone(&self.status), gap), None).await?;
        Ok(to)
    }

    /// Returns the first index of a start at the head; in tiles it is a little before.
    fn tail(&self, head: &TreeHead) -> u64 {
        let tiled = self.source.has_partial_tiles();
        let overlap = if tiled { self.options.start_overlap } else { 0 };
        head.size.saturating_sub(overlap)
    }

    async fn begin(&mut self, head: &TreeHead) -> Result<u64, FollowError> {
        let next = match self.options.start {
            Start::Index(index) => index.min(head.size),
            Start::Head => self.tail(head),
        };
        tracing::info!(log = self.status.log.name, "reading from entry {next} of {}", head.size);
        self.next = Some(next);
        self.status.begin(Resume { index: next, tree: None });
        self.pages.begin(&self.status, next).await?;
        Ok(next)
    }

    /// Returns the end of the range to read now. A tiled log's partial tile is read repeatedly while it
    /// fills, so after one was read the next has to wait for a moment; full tiles never wait.
    fn target(&mut self, next: u64, size: u64) -> u64 {
        let whole = size - size % TILE_WIDTH;
        if !self.source.has_partial_tiles() || size == whole || next >= size {
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
    /// order. After an error `next` is the index after the last entry emitted. Returns whether it ended
    /// early, to hand on the pages in memory.
    async fn fetch(&mut self, range: Range<u64>, head: TreeHead) -> Result<bool, FollowError> {
        let Self { source, status, options, pages: sink, next, frontier, heads, .. } = self;
        let verification = options.verification;
        // Pages that are downloaded all at once need not be delivered one by one.
        let window = options.fetch_concurrency;
        let page_size = || source.page_size();
        let catching_up = pages(range.clone(), page_size).nth(window).is_some();
        let retries = Retries { attempts: options.retry_attempts, backoff: options.backoff };
        let fetcher = Arc::new(Fetcher {
            source: Arc::clone(source),
            log: Arc::clone(&status.log),
            retries,
            failures: Arc::clone(&self.failures),
            tree_size: head.size,
            keeps: match verification {
                Verification::Enforce => true,
                Verification::Report => range.end - range.start <= TILE_WIDTH,
                Verification::Off => false,
            },
        });
        let mut run = Run {
            source: &**source,
            status,
            pages: sink,
            verification,
            head,
            end: range.end,
            catching_up,
            next,
            frontier,
            heads,
            held: Held::default(),
            found: Vec::new(),
        };
        let page_size = || fetcher.source.page_size();
        let mut fetched = stream::iter(pages(range, page_size))
            .map(|page| Ahead::spawn(Arc::clone(&fetcher).page(page)))
            .buffered(options.fetch_concurrency);
        let (mut outcome, mut cut) = (Ok(()), false);
        while let Some(page) = fetched.next().await {
            cut = page.cut;
            status.note_findings(&page.findings);
            status.note_failures(fetcher.failures.take());
            if let Some(error) = &page.no_room {
                status.note_no_room(error);
            }
            outcome = run.take(page).await;
            if outcome.is_err() || cut || !run.found.is_empty() {
                break;
            }
        }
        drop(fetched);
        status.note_failures(fetcher.failures.take());
        let (found, served) = (run.found, run.held.served);
        self.end_run(found, served).await;
        outcome.map(|()| cut)
    }
}

#[cfg(test)]
mod tests;
