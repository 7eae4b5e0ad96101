//! The filter of a request: read, registered, or refused.

use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use config::Config;
use feed::Owner;
use tokio::task::spawn_blocking;
use url::form_urlencoded;
use wire::filter::{Filter, FilterError, Filters, Parameter, Registered};

use super::parameters;
use crate::metrics::{Metrics, Refusal};

/// Seconds until a client may try again where there is no room; nobody knows when a client leaves.
const RETRY: u64 = 10;

/// The refusal of a filter.
#[derive(Debug)]
pub(super) struct Refused {
    /// True if the client may try again later; false if the request is wrong.
    is_busy: bool,
    text: String,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self { is_busy, text } = self;
        if is_busy {
            (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, RETRY)], text).into_response()
        } else {
            (StatusCode::BAD_REQUEST, text).into_response()
        }
    }
}

/// Registers the filter that a query string asks for, if it asks for one. A misspelt parameter is
/// refused, and `new` if the server has no journal.
pub(super) fn register(
    filters: &Filters,
    config: &Config,
    metrics: &Metrics,
    has_journal: bool,
    owner: Owner,
    query: Option<&str>,
) -> Result<Option<Registered>, Refused> {
    let invalid = |text: String| {
        count(metrics, Refusal::Invalid, text.trim_end());
        Refused { is_busy: false, text }
    };
    parameters::check(query).map_err(invalid)?;
    let filter = parse(config, query).map_err(|error| refuse(metrics, &error))?;
    if let Some(filter) = &filter {
        check_new(filter, has_journal).map_err(invalid)?;
    }
    let registered = filter.map(|filter| filters.register_for(owner.0, filter)).transpose();
    if filters.is_compaction_due() {
        let filters = filters.clone();
        drop(spawn_blocking(move || filters.compact()));
    }
    registered.map_err(|error| refuse(metrics, &error))
}

/// Refuses a filter that a server without a journal cannot apply. `Err` is the answer to the client.
pub(in crate::http) fn check_new(filter: &Filter, has_journal: bool) -> Result<(), String> {
    if has_journal || filter.terms(Parameter::New).is_empty() {
        return Ok(());
    }
    Err("new: only a server with a journal (data_dir) remembers the domains it has seen, and this \
         one has none; a node of a cluster never has one\n"
        .to_owned())
}

/// Reads the filter that a query string asks for, if it asks for one.
pub(in crate::http) fn parse(
    config: &Config,
    query: Option<&str>,
) -> Result<Option<Filter>, FilterError> {
    let parameters = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let max_terms = usize::try_from(config.filters.max_terms).unwrap_or(usize::MAX);
    Filter::parse(parameters, max_terms)
}

fn refuse(metrics: &Metrics, error: &FilterError) -> Refused {
    let reason = match error {
        FilterError::TooManyDistinct { .. } | FilterError::TooManyBytes { .. } => Refusal::Full,
        FilterError::ShareTaken { .. } => Refusal::Share,
        FilterError::TooManyTerms { .. } => Refusal::TooManyTerms,
        _ => Refusal::Invalid,
    };
    count(metrics, reason, &error.to_string());
    let is_busy = matches!(reason, Refusal::Full | Refusal::Share);
    Refused { is_busy, text: format!("{error}\n") }
}

fn count(metrics: &Metrics, refusal: Refusal, error: &str) {
    metrics.filters_refused.get_or_create(&refusal.labels()).inc();
    tracing::debug!(reason = refusal.name(), error, "a filter was refused");
}
