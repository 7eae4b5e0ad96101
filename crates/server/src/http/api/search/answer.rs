//! The answers of searches: pages, and lines.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::run::{Run, SearchResult};
use super::{Searches, cursor};
use crate::history::search::{self, Failure};
use crate::metrics::search::Outcome;

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
    /// longer kept or damaged.
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
    let mut results = Vec::new();
    let end = loop {
        if run.is_over() {
            break End::of(searches, &run, identity).await;
        }
        match run.results().await {
            Ok(found) => results.extend(found),
            Err(failure) => break Err(failure),
        }
    };
    match end {
        Ok(end) => Json(Page { results, end }).into_response(),
        Err(failure) => searches.failed(&failure),
    }
}

/// Returns lines as they are found. While the client reads them, the search has no place; and only some
/// searches keep what saves work, so that clients that do not read take no more memory.
pub(super) fn lines(searches: Arc<Searches>, run: Run, identity: String) -> Response {
    let lines = stream::unfold(Some((searches, run, identity, None)), |state| async move {
        let (searches, mut run, identity, mut room) = state?;
        let place = run.admit();
        if run.is_over() || place.is_none() {
            let end = End::of(&searches, &run, &identity).await;
            let end = end.map_err(|failure| failed(&searches, &failure));
            let line = end.and_then(|end| line(&end));
            return Some((line, None));
        }
        let found = match run.results().await {
            Ok(found) => found,
            Err(failure) => return Some((Err(failed(&searches, &failure)), None)),
        };
        drop(place);
        room = room.or_else(|| run.room());
        if room.is_none() {
            run.forget();
        }
        let mut lines = Vec::new();
        for result in found {
            lines.extend_from_slice(result.get().as_bytes());
            lines.push(b'\n');
        }
        Some((Ok(Bytes::from(lines)), Some((searches, run, identity, room))))
    });
    ([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
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
