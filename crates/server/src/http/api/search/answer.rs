//! The answers of searches: pages, and lines.

use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::found::{Array, Found};
use super::run::{Run, SearchResult};
use super::{Searches, cursor};
use crate::history::search::{self, Failure, Share};
use crate::metrics::search::Outcome;

/// The beginning of a page.
const BEFORE_RESULTS: &[u8] = br#"{"results":["#;

/// A page of results.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page {
    /// The certificates that were found, in the order that was asked for.
    #[schema(value_type = Vec<SearchResult<'_>>)]
    results: Vec<Box<RawValue>>,
    #[serde(flatten)]
    end: End,
}

/// The end of an answer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct End {
    /// Continues the search where this answer ends; null if the whole range is searched.
    cursor: Option<String>,
    /// The part of the range that this answer and those before it have searched.
    searched: Searched,
    /// True if everything that was asked for is searched. False if there is a cursor, or a part is no
    /// longer kept, damaged, or not indexed yet.
    complete: bool,
}

/// A range of offsets, and of times.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Searched {
    /// Larger offsets are searched.
    since: u64,
    /// The last offset that is searched. With `since=` this offset a later search returns what came
    /// after.
    until: u64,
    /// The time at which the first of them was seen, RFC 3339; null if there is nothing in the range.
    #[schema(format = DateTime)]
    since_time: Option<String>,
    /// The time before which the last of them was seen, RFC 3339.
    #[schema(format = DateTime)]
    until_time: Option<String>,
}

impl From<search::Searched> for Searched {
    fn from(searched: search::Searched) -> Self {
        let search::Searched { range, times } = searched;
        let text = |millis: u64| {
            let time = Timestamp::from_millisecond(i64::try_from(millis).ok()?).ok()?;
            Some(time.to_string())
        };
        let until = times.and_then(|(_, until)| until);
        Self {
            since: range.start.saturating_sub(1),
            until: range.end.saturating_sub(1),
            since_time: times.and_then(|(since, _)| text(since)),
            until_time: times.and_then(|_| match until {
                Some(until) => text(until),
                None => Some(Timestamp::now().to_string()),
            }),
        }
    }
}

impl End {
    async fn of(searches: &Searches, run: &Run, identity: &str) -> Result<Self, Failure> {
        let position = run.position();
        let cursor =
            (!position.is_at_end()).then(|| cursor::write(position, searches.stream, identity));
        let complete = cursor.is_none() && !position.has_lost;
        let searched = run.searched().await?.into();
        searches.count(if cursor.is_none() { Outcome::Whole } else { Outcome::Part });
        Ok(Self { cursor, complete, searched })
    }
}

/// Returns a page.
pub(super) async fn page(searches: &Searches, mut run: Run, identity: &str) -> Response {
    let mut results = Array::default();
    while !run.is_over() {
        match run.results().await {
            Ok(Ok(found)) => results.add(found),
            Ok(Err(full)) if run.is_at_begin() => return searches.unread(full),
            // What there is room for is sent, and the client continues with the cursor.
            Ok(Err(_)) => break,
            Err(failure) => return searches.failed(&failure),
        }
    }
    let page = match End::of(searches, &run, identity).await {
        Ok(end) => serde_json::to_vec(&Page { results: Vec::new(), end }),
        Err(failure) => return searches.failed(&failure),
    };
    // The results are in parts, which are not copied.
    match page.as_ref().ok().and_then(|page| page.strip_prefix(BEFORE_RESULTS)) {
        Some(tail) => results.into_response(BEFORE_RESULTS, tail.to_vec()),
        None => {
            tracing::error!(?page, "a page cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The state of an answer in lines.
struct Lines {
    searches: Arc<Searches>,
    run: Run,
    identity: String,
    /// Room for what saves work.
    room: Option<Share>,
}

/// Returns lines as they are found. While the client reads them, the search has no place; and only some
/// searches keep what saves work, so that clients that do not read take no more memory.
pub(super) fn lines(searches: Arc<Searches>, run: Run, identity: String) -> Response {
    let lines = Lines { searches, run, identity, room: None };
    let lines = stream::unfold(Some(lines), |lines| async move {
        let mut lines = lines?;
        match lines.next().await {
            Ok(Some(found)) => Some((Ok(found.lines()), Some(lines))),
            Ok(None) => Some((lines.end().await, None)),
            Err(failure) => Some((Err(failed(&lines.searches, &failure)), None)),
        }
    });
    ([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

impl Lines {
    /// Searches until there is something for the client; `None` once the answer ends. That is so too if
    /// nothing is found for long, or there is no place or no room: the client continues with the cursor.
    async fn next(&mut self) -> Result<Option<Found>, Failure> {
        self.run.wait();
        let Ok(_place) = self.run.admit() else { return Ok(None) };
        while !self.run.is_over() {
            let Ok(found) = self.run.results().await? else { break };
            if !found.is_empty() {
                self.keep();
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Keeps what saves work while the client reads, if there is room.
    fn keep(&mut self) {
        self.room = self.room.take().or_else(|| self.run.room());
        if self.room.is_none() {
            self.run.forget();
        }
    }

    /// Returns the last line.
    async fn end(&self) -> std::io::Result<Bytes> {
        let end = End::of(&self.searches, &self.run, &self.identity).await;
        end.map_err(|failure| failed(&self.searches, &failure)).and_then(|end| line(&end))
    }
}

fn line(end: &End) -> std::io::Result<Bytes> {
    let mut line = serde_json::to_vec(end)?;
    line.push(b'\n');
    Ok(line.into())
}

/// Ends an answer whose status is sent: the connection breaks, so that nobody takes it for whole.
fn failed(searches: &Searches, failure: &Failure) -> std::io::Error {
    searches.count(Outcome::Failed);
    std::io::Error::other(failure.to_string())
}
