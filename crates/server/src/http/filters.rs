//! The filter of a request: read, registered, or refused.

use tokio::task::spawn_blocking;
use url::form_urlencoded;
use wire::filter::{Filter, FilterError, Registered};

use crate::config::Config;
use crate::http::{Shared, parameters};
use crate::metrics::RefusalLabels;

/// Registers the filter that a query string asks for, if it asks for one. A misspelt parameter is
/// refused. `Err` is what to tell the client.
pub(super) fn register(shared: &Shared, query: Option<&str>) -> Result<Option<Registered>, String> {
    parameters::check(query).inspect_err(|problem| {
        count(shared, "invalid", problem.trim_end());
    })?;
    let registered = parse(&shared.config, query)
        .and_then(|filter| filter.map(|filter| shared.filters.register(filter)).transpose());
    if shared.filters.is_compaction_due() {
        let filters = shared.filters.clone();
        drop(spawn_blocking(move || filters.compact()));
    }
    registered.map_err(|error| refuse(shared, &error))
}

/// The filter that a query string asks for, if it asks for one.
pub(super) fn parse(config: &Config, query: Option<&str>) -> Result<Option<Filter>, FilterError> {
    let parameters = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let max_terms = usize::try_from(config.filters.max_terms).unwrap_or(usize::MAX);
    Filter::parse(parameters, max_terms)
}

fn refuse(shared: &Shared, error: &FilterError) -> String {
    let reason = match error {
        FilterError::TooManyDistinct { .. } | FilterError::TooManyBytes { .. } => "full",
        FilterError::TooManyTerms { .. } => "too_many_terms",
        _ => "invalid",
    };
    count(shared, reason, &error.to_string());
    format!("{error}\n")
}

fn count(shared: &Shared, reason: &'static str, error: &str) {
    shared.metrics.filters_refused.get_or_create(&RefusalLabels { reason }).inc();
    tracing::debug!(reason, error, "a filter was refused");
}
