//! A search under way: slice after slice, until it has what was asked for or its budget is used up.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use feed::Owner;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use wire::Renderer;

use super::Searches;
use super::found::Found;
use super::request::Format;
use crate::history::JournalHistory;
use crate::history::search::{
    Between, Bounds, Failure, Full, Hit, Limits, Position, Query, SLICE, Search, Searched, Share,
};
use crate::http::api::published::{self, Published};

/// Results of one slice at most.
const SLICE_RESULTS: usize = 256;
/// Room for what a slice finds. It ends at half of it in certificates.
const SLICE_BYTES: u64 = 1 << 20;
/// Bytes of results on a page, beyond which no more are added.
const PAGE_BYTES: usize = 8 << 20;
/// Bytes of results as lines.
const LINES_BYTES: usize = 1 << 30;
/// The time that a search for a page works.
const PAGE_WORK: Duration = Duration::from_secs(2);
/// The time that a search for lines works.
const LINES_WORK: Duration = Duration::from_secs(60);
/// The time after which an answer ends that has sent nothing: proxies and clients give up after a minute,
/// and where many searches take turns, one works for a fraction of the time.
const SILENCE: Duration = Duration::from_secs(20);

/// Results and time of a search in the form of crt.sh.
const CRTSH_RESULTS: usize = 10_000;
const CRTSH_WORK: Duration = Duration::from_secs(10);

/// A result of a search.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SearchResult<'m> {
    #[serde(flatten)]
    published: Published<'m>,
    /// With `unique=name`: the names that no result before has.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    names: &'m [String],
}

/// The limits of an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    results: usize,
    bytes: usize,
    work: Duration,
    /// The time without a result.
    silence: Duration,
    /// The time of a slice.
    slice: Duration,
}

/// A search under way.
#[derive(Debug)]
pub(super) struct Run {
    history: Arc<JournalHistory>,
    query: Arc<Query>,
    position: Position,
    /// The offsets that were not searched when it began.
    left_at_first: Range<u64>,
    between: Between,
    budget: Budget,
    /// The time since which the client waits for a result.
    waits_since: Instant,
    client: Owner,
    searches: Searches,
}

impl Budget {
    /// Returns the budget of an answer with this number of results at most.
    pub(super) const fn of(format: Format, results: usize) -> Self {
        let (bytes, work) = match format {
            Format::Json => (PAGE_BYTES, PAGE_WORK),
            Format::Ndjson => (LINES_BYTES, LINES_WORK),
        };
        Self { results, bytes, work, silence: SILENCE, slice: SLICE }
    }

    /// Returns the budget of an answer in the form of crt.sh, which has no pages.
    pub(super) const fn crtsh() -> Self {
        let (results, bytes, work) = (CRTSH_RESULTS, PAGE_BYTES, CRTSH_WORK);
        Self { results, bytes, work, silence: SILENCE, slice: SLICE }
    }
}

impl Run {
    /// Begins a search of a client within bounds, or continues one at a position.
    pub(super) async fn begin(
        history: &Arc<JournalHistory>,
        searches: &Searches,
        client: Owner,
        query: Arc<Query>,
        bounds: Bounds,
        continued: Option<Position>,
        budget: Budget,
    ) -> Result<Self, Failure> {
        let waits_since = Instant::now();
        let position = history.begin(&query, bounds, continued).await?;
        Ok(Self {
            history: Arc::clone(history),
            query,
            left_at_first: position.left.clone(),
            position,
            between: Between::default(),
            budget,
            waits_since,
            client,
            searches: searches.clone(),
        })
    }

    /// Reports whether the search has come to its end, its budget is used up, or the client has waited for
    /// long. A look-up that it began with is completed in any case: a cursor would only repeat it.
    pub(super) fn is_over(&self) -> bool {
        let Budget { results, bytes, work, silence, .. } = self.budget;
        let is_amid_first = self.between.is_amid_look_up() && self.is_at_begin();
        // Each answer makes progress.
        let is_silent = !self.is_at_begin() && self.waits_since.elapsed() >= silence;
        let is_late = work.is_zero() && !is_amid_first;
        self.position.is_at_end() || results == 0 || bytes == 0 || is_late || is_silent
    }

    /// Begins to wait for more results, after the client was sent some.
    pub(super) fn wait(&mut self) {
        self.waits_since = Instant::now();
    }

    /// Reports whether nothing was searched yet.
    pub(super) fn is_at_begin(&self) -> bool {
        self.position.left == self.left_at_first
    }

    pub(super) const fn position(&self) -> &Position {
        &self.position
    }

    /// Takes a place among the searches.
    pub(super) fn admit(&self) -> Result<Share, Full> {
        self.history.admit(self.client)
    }

    /// Takes room to keep what saves work while a client reads; none if others have it all.
    pub(super) fn room(&self) -> Option<Share> {
        self.history.room(self.client)
    }

    /// Forgets what saves work: the search continues at its position.
    pub(super) fn forget(&mut self) {
        self.between.forget();
    }

    /// Does a slice, and converts what it finds in the same thread. The inner error means that answers
    /// which are not read yet leave no room.
    pub(super) async fn slice(
        &mut self,
        convert: impl Fn(&Hit, &Query, &Renderer) -> Option<Box<RawValue>> + Send + 'static,
    ) -> Result<Result<Found, Full>, Failure> {
        let mut share = match self.history.answer(self.client, SLICE_BYTES) {
            Ok(share) => share,
            Err(full) => return Ok(Err(full)),
        };
        let mut position = self.position.clone();
        let mut between = std::mem::take(&mut self.between);
        let renderer = self.searches.renderer;
        let Budget { results, work, slice: longest, .. } = self.budget;
        let results = results.min(SLICE_RESULTS);
        let query = Arc::clone(&self.query);
        let slice = move |search: &Search<'_>| {
            let start = Instant::now();
            let time = if work.is_zero() { longest } else { longest.min(work) };
            let until = start.checked_add(time).unwrap_or(start);
            let limits = Limits { results, until };
            let hits = search.continue_at(&mut position, &mut between, limits)?;
            let found: Vec<Box<RawValue>> =
                hits.iter().filter_map(|hit| convert(hit, &query, &renderer)).collect();
            Ok((found, hits.len(), (position, between), start.elapsed()))
        };
        let (found, hits, at, took) = self.history.slice(&self.query, slice).await?;
        (self.position, self.between) = at;
        let bytes: usize = found.iter().map(|result| result.get().len()).sum();
        share.set(bytes as u64);
        self.budget.results = self.budget.results.saturating_sub(hits);
        self.budget.bytes = self.budget.bytes.saturating_sub(bytes);
        self.budget.work = self.budget.work.saturating_sub(took);
        let metrics = &self.searches.metrics.search;
        metrics.work.inc_by(took.as_secs_f64());
        metrics.results.inc_by(found.len() as u64);
        Ok(Ok(Found::new(found, share)))
    }

    /// Does a slice, and returns its results as `/api/search` has them.
    pub(super) async fn results(&mut self) -> Result<Result<Found, Full>, Failure> {
        self.slice(|hit, _, renderer| result(hit, renderer)).await
    }

    /// Returns the part that is searched.
    pub(super) async fn searched(&self) -> Result<Searched, Failure> {
        let (position, order) = (self.position.clone(), self.query.order);
        self.history
            .slice(&self.query, move |search| position.searched(search.journal, order))
            .await
    }
}

/// Returns a result as JSON; none, and logs it, if it cannot be written.
pub(crate) fn result(hit: &Hit, renderer: &Renderer) -> Option<Box<RawValue>> {
    let json = published::with(hit.offset, &hit.record, &hit.source, renderer, |published| {
        serde_json::value::to_raw_value(&SearchResult { published, names: &hit.names })
    })?;
    json.inspect_err(|error| tracing::error!(%error, "a result cannot be written")).ok()
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use config::Config;
    use serde_json::Value;
    use wire::filter::Filter;

    use super::*;
    use crate::history::sample::{Entry, SETTINGS, Sample, certificate, log};
    use crate::http::api::search::answer;
    use crate::options;

    #[tokio::test]
    async fn an_answer_that_finds_nothing_for_long_ends_with_a_cursor() {
        let mut sample = Sample::new(SETTINGS);
        let der = certificate(&["a.example"], "CA");
        let log = log("Log", "https://log.example", None);
        for _ in 0..5 {
            sample.append(&log, &[Entry::Record(der.clone(), Vec::new())]);
        }
        let history = sample.unfollowed();
        let searches = Searches {
            history: Some(Arc::clone(&history)),
            is_node: false,
            stream: sample.state.stream(),
            renderer: options::renderer(&Config::default()),
            max_terms: 10,
            metrics: Arc::default(),
        };
        // Nothing is new, which no index knows: each batch is read, and in a slice of its own.
        let filter = Filter::parse([("new", "true")], 10).expect("a filter");
        let order = journal::Order::Newest;
        let query = Arc::new(Query { filter, serial: None, pattern: None, order, unique: None });
        let (mut continued, mut answers) = (None, 0);
        loop {
            let budget = Budget {
                silence: Duration::ZERO,
                slice: Duration::ZERO,
                ..Budget::of(Format::Ndjson, 10)
            };
            let (query, bounds) = (Arc::clone(&query), Bounds::default());
            let run =
                Run::begin(&history, &searches, Owner(1), query, bounds, continued.take(), budget);
            let run = run.await.expect("readable");
            let response = answer::lines(Arc::new(searches.clone()), run, String::new());
            let body = to_bytes(response.into_body(), 1 << 20).await.expect("whole");
            let end: Value = serde_json::from_slice(&body).expect("one line");
            answers += 1;
            assert!(answers <= 6, "each answer makes progress");
            match end["cursor"].as_str() {
                Some(cursor) => {
                    assert_eq!(end["complete"], false);
                    let read = crate::http::api::search::cursor::read(cursor, searches.stream, "");
                    continued = Some(read.expect("a cursor"));
                }
                None => break assert_eq!(end["complete"], true),
            }
        }
        assert!(answers > 3, "{answers}");
    }
}
