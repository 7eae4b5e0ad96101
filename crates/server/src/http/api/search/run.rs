//! A search under way: slice after slice, until it has what was asked for or its budget is used up.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use wire::Renderer;

use super::Searches;
use super::request::Format;
use crate::history::JournalHistory;
use crate::history::search::{
    Between, Bounds, Failure, Hit, Limits, Position, Query, SLICE, Search, Searched,
};
use crate::http::api::published::{self, Published};

/// Results of one slice at most.
const SLICE_RESULTS: usize = 256;
/// Bytes of results on a page, beyond which no more are added.
const PAGE_BYTES: usize = 8 << 20;
/// Bytes of results as lines.
const LINES_BYTES: usize = 1 << 30;
/// The time that a search for a page works.
const PAGE_WORK: Duration = Duration::from_secs(2);
/// The time that a search for lines works.
const LINES_WORK: Duration = Duration::from_secs(60);

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
    searches: Searches,
}

impl Budget {
    /// Returns the budget of an answer with this number of results at most.
    pub(super) const fn of(format: Format, results: usize) -> Self {
        match format {
            Format::Json => Self { results, bytes: PAGE_BYTES, work: PAGE_WORK },
            Format::Ndjson => Self { results, bytes: LINES_BYTES, work: LINES_WORK },
        }
    }

    /// Returns the budget of an answer in the form of crt.sh, which has no pages.
    pub(super) const fn crtsh() -> Self {
        Self { results: CRTSH_RESULTS, bytes: PAGE_BYTES, work: CRTSH_WORK }
    }
}

impl Run {
    /// Begins a search within bounds, or continues one at a position.
    pub(super) async fn begin(
        history: &Arc<JournalHistory>,
        searches: &Searches,
        query: Arc<Query>,
        bounds: Bounds,
        continued: Option<Position>,
        budget: Budget,
    ) -> Result<Self, Failure> {
        let begin = move |search: &Search<'_>| match continued {
            Some(position) => Ok(position.within(search.journal)),
            None => Position::begin(search.journal, &bounds),
        };
        let position = history.slice(&query, begin).await?;
        let (history, searches) = (Arc::clone(history), searches.clone());
        let (between, left_at_first) = (Between::default(), position.left.clone());
        Ok(Self { history, query, position, left_at_first, between, budget, searches })
    }

    /// Reports whether the search has come to its end, or its budget is used up. A look-up that it began
    /// with is completed in any case: a cursor would only repeat it.
    pub(super) fn is_over(&self) -> bool {
        let Budget { results, bytes, work } = self.budget;
        let is_amid_first =
            self.between.is_amid_look_up() && self.position.left == self.left_at_first;
        let is_late = work.is_zero() && !is_amid_first;
        self.position.is_at_end() || results == 0 || bytes == 0 || is_late
    }

    pub(super) const fn position(&self) -> &Position {
        &self.position
    }

    /// Takes a place among the searches; none if there are too many.
    pub(super) fn admit(&self) -> Option<tokio::sync::OwnedSemaphorePermit> {
        self.history.admit()
    }

    /// Takes room to keep what saves work while a client reads; none if others have it all.
    pub(super) fn room(&self) -> Option<tokio::sync::OwnedSemaphorePermit> {
        self.history.room()
    }

    /// Forgets what saves work: the search continues at its position.
    pub(super) fn forget(&mut self) {
        self.between.forget();
    }

    /// Does a slice, and converts what it finds in the same thread.
    pub(super) async fn slice<T: Send + 'static>(
        &mut self,
        convert: impl Fn(&Hit, &Query, &Renderer) -> Option<T> + Send + 'static,
        bytes_of: impl Fn(&T) -> usize,
    ) -> Result<Vec<T>, Failure> {
        let mut position = self.position.clone();
        let mut between = std::mem::take(&mut self.between);
        let renderer = self.searches.renderer;
        let (work, results) = (self.budget.work, self.budget.results.min(SLICE_RESULTS));
        let query = Arc::clone(&self.query);
        let slice = move |search: &Search<'_>| {
            let start = Instant::now();
            let time = if work.is_zero() { SLICE } else { SLICE.min(work) };
            let until = start.checked_add(time).unwrap_or(start);
            let limits = Limits { results, until };
            let hits = search.continue_at(&mut position, &mut between, limits)?;
            let found: Vec<T> =
                hits.iter().filter_map(|hit| convert(hit, &query, &renderer)).collect();
            Ok((found, hits.len(), (position, between), start.elapsed()))
        };
        let (found, hits, at, took) = self.history.slice(&self.query, slice).await?;
        (self.position, self.between) = at;
        let bytes: usize = found.iter().map(bytes_of).sum();
        self.budget.results = self.budget.results.saturating_sub(hits);
        self.budget.bytes = self.budget.bytes.saturating_sub(bytes);
        self.budget.work = self.budget.work.saturating_sub(took);
        let metrics = &self.searches.metrics.search;
        metrics.work.inc_by(took.as_secs_f64());
        metrics.results.inc_by(found.len() as u64);
        Ok(found)
    }

    /// Does a slice, and returns its results as JSON.
    pub(super) async fn results(&mut self) -> Result<Vec<Box<RawValue>>, Failure> {
        self.slice(|hit, _, renderer| result(hit, renderer), |json| json.get().len()).await
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
