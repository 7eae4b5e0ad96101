//! `/api/search`: the certificates of the journal that a filter passes, in pages or as a stream of lines.

mod answer;
pub(in crate::http) mod crtsh;
mod cursor;
mod found;
mod request;
mod run;

use std::sync::Arc;

use axum::extract::{Extension, RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use config::Config;
use feed::Owner;
use record::StreamId;
use wire::Renderer;

use self::answer::Page;
use self::request::{Format, Requested};
pub(crate) use self::run::result;
use self::run::{Budget, Run};
use crate::history::JournalHistory;
use crate::history::search::{Failure, Full, Query};
use crate::http::Services;
use crate::http::streams::filters;
use crate::metrics::Metrics;
use crate::metrics::search::Outcome;
use crate::options;

/// Seconds until a client may search again where there are too many searches.
const RETRY: u64 = 2;
const NO_JOURNAL: &str = "only a journal can be searched, and this server has none (data_dir)\n";
const NO_JOURNAL_OF_NODE: &str = "a node of a cluster cannot be searched: it keeps no journal; its stream is \
                                  in NATS, which has no index; search on a single server with data_dir\n";
const TOO_MANY: &str = "too many searches are under way; try again later\n";
const TOO_MANY_OF_CLIENT: &str =
    "too many searches of your address are under way; try again later\n";
const UNREAD: &str =
    "clients have not read earlier answers yet, which leaves no room; try again later\n";
const UNREAD_BY_CLIENT: &str = "your address has not read earlier answers yet, which leaves no room for more; \
                                read them, or try again later\n";

/// The state of the routes.
#[derive(Debug, Clone)]
pub(super) struct Searches {
    pub(super) history: Option<Arc<JournalHistory>>,
    /// True for a node of a cluster, which has no journal.
    pub(super) is_node: bool,
    pub(super) stream: StreamId,
    pub(super) renderer: Renderer,
    pub(super) max_terms: usize,
    pub(super) metrics: Arc<Metrics>,
}

impl Searches {
    pub(super) fn new(services: &Services, config: &Config) -> Self {
        Self {
            history: services.history.clone(),
            is_node: services.cluster.is_some(),
            stream: services.stream,
            renderer: options::renderer(config),
            max_terms: usize::try_from(config.filters.max_terms).unwrap_or(usize::MAX),
            metrics: Arc::clone(&services.metrics),
        }
    }

    /// Counts a search.
    pub(super) fn count(&self, outcome: Outcome) {
        self.metrics.search.requests.get_or_create(&outcome.labels()).inc();
    }

    /// Refuses a wrong request.
    pub(super) fn refuse(&self, problem: String) -> Response {
        self.count(Outcome::Invalid);
        (StatusCode::BAD_REQUEST, problem).into_response()
    }

    /// Returns the answer where there is no journal.
    pub(super) fn no_journal(&self) -> Response {
        self.count(Outcome::Invalid);
        let text = if self.is_node { NO_JOURNAL_OF_NODE } else { NO_JOURNAL };
        (StatusCode::NOT_FOUND, text).into_response()
    }

    /// Returns the answer where there are too many searches.
    pub(super) fn too_many(&self, full: Full) -> Response {
        self.busy(match full {
            Full::Total => TOO_MANY,
            Full::Client => TOO_MANY_OF_CLIENT,
        })
    }

    /// Returns the answer where those that clients have not read yet leave no room.
    pub(super) fn unread(&self, full: Full) -> Response {
        self.busy(match full {
            Full::Total => UNREAD,
            Full::Client => UNREAD_BY_CLIENT,
        })
    }

    fn busy(&self, text: &'static str) -> Response {
        self.count(Outcome::Refused);
        tracing::debug!(reason = text.trim_end(), "a search was refused");
        (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, RETRY)], text).into_response()
    }

    /// Returns the answer to a search that failed.
    pub(super) fn failed(&self, failure: &Failure) -> Response {
        self.count(Outcome::Failed);
        let text = format!("{failure}\n");
        (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, RETRY)], text).into_response()
    }
}

/// Reads the parameters of a search, besides those of a page and of bounds. The error is for the user.
pub(crate) fn query(parameters: &str, max_terms: usize) -> Result<Query, String> {
    request::query(parameters, max_terms)
}

/// Searches the certificates that the server keeps
///
/// The filters are those of the streams; a certificate passes if it passes each of them. A search works
/// for a limited time: an answer with a cursor is continued by the same request with that cursor.
#[utoipa::path(
    get,
    path = "/api/search",
    tag = "api",
    params(
        ("domain" = Option<String>, Query, description = "Domains; names below them pass too, and iPAddress names"),
        ("exact" = Option<bool>, Query, description = "Whether wildcards that cover a domain are left out"),
        ("match" = Option<String>, Query, description = "Parts of names, of at least 3 characters"),
        ("ip" = Option<String>, Query, description = "Addresses or networks"),
        ("issuer" = Option<String>, Query, description = "Parts of the CN or O of the issuer"),
        ("log" = Option<String>, Query, description = "Parts of the name or URL of a log, or its id"),
        ("entry" = Option<String>, Query, description = "precert or final"),
        ("part" = Option<String>, Query, description = "A share of all certificates, such as 1/8"),
        ("new" = Option<bool>, Query, description = "true: only certificates with a registrable domain that the server had not seen before"),
        ("serial" = Option<String>, Query, description = "A serial number in hexadecimal"),
        ("since" = Option<String>, Query, description = "Only larger offsets, as N or N@STREAM"),
        ("until" = Option<String>, Query, description = "Only offsets up to this one"),
        ("since_time" = Option<String>, Query, description = "Only what was seen at this time or later: RFC 3339 or Unix seconds"),
        ("until_time" = Option<String>, Query, description = "Only what was seen before this time"),
        ("unique" = Option<String>, Query, description = "certificate: each issuer and serial number once; name: only results with a name that none before has"),
        ("order" = Option<String>, Query, description = "newest (default) or oldest"),
        ("limit" = Option<u64>, Query, description = "Results at most: 1 to 1000 on a page (default 100), to 100000 as NDJSON (default 1000)"),
        ("cursor" = Option<String>, Query, description = "The cursor of the answer that is continued"),
        ("format" = Option<String>, Query, description = "json (default) or ndjson: a result on each line, and on the last one the page without results"),
    ),
    responses(
        (status = 200, description = "A page of results", body = Page),
        (status = 400, description = "A parameter cannot be used, or the cursor is of another server or query", body = String, content_type = "text/plain"),
        (status = 404, description = "The server keeps no journal, or is a node of a cluster", body = String, content_type = "text/plain"),
        (
            status = 503,
            description = "Too many searches are under way, earlier answers are not read yet, or the journal is being indexed or cannot be read",
            body = String,
            content_type = "text/plain",
            headers(("Retry-After" = u64, description = "Seconds until the client may try again"))
        ),
    )
)]
pub(super) async fn search(
    State(searches): State<Arc<Searches>>,
    client: Option<Extension<Owner>>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    let requested = match Requested::read(&query, searches.max_terms, searches.stream) {
        Ok(requested) => requested,
        Err(problem) => return searches.refuse(problem),
    };
    let filter = requested.query.filter.as_ref();
    let checked = filter.map(|filter| filters::check_new(filter, searches.history.is_some()));
    if let Some(Err(problem)) = checked {
        return searches.refuse(problem);
    }
    let Some(history) = &searches.history else { return searches.no_journal() };
    let client = client.map(|Extension(client)| client).unwrap_or_default();
    let place = match history.admit(client) {
        Ok(place) => place,
        Err(full) => return searches.too_many(full),
    };
    let Requested { query, bounds, position, limit, format, identity } = requested;
    let budget = Budget::of(format, limit);
    let begun = Run::begin(history, &searches, client, Arc::new(query), bounds, position, budget);
    let run = match begun.await {
        Ok(run) => run,
        Err(failure) => return searches.failed(&failure),
    };
    match format {
        Format::Json => answer::page(&searches, run, &identity).await,
        Format::Ndjson => {
            drop(place);
            answer::lines(searches, run, identity)
        }
    }
}

#[cfg(test)]
mod tests;
