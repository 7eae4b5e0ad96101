//! `/api/cert/{hash}` and `/api/entry/{log}/{index}`: a certificate that was published (wire.md 4.6).

mod answer;
mod format;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use config::Config;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wire::Renderer;

use self::format::Format;
use super::published::Published;
use crate::history::JournalHistory;
use crate::history::lookup::{Certificate, Outcome};
use crate::http::Services;
use crate::options;
use crate::publish::recent::{Fingerprint, RecentCertificates};

/// The state of the routes.
#[derive(Debug, Clone)]
pub(super) struct Lookup {
    recent: Arc<RecentCertificates>,
    history: Option<Arc<JournalHistory>>,
    renderer: Renderer,
}

impl Lookup {
    pub(super) fn new(services: &Services, config: &Config) -> Self {
        Self {
            recent: Arc::clone(&services.recent),
            history: services.history.clone(),
            renderer: options::renderer(config),
        }
    }
}

/// The parameters of the query string.
#[derive(Debug, Deserialize)]
pub(super) struct Parameters {
    #[serde(default)]
    format: Option<String>,
}

/// A certificate that was looked up. Its fields have the format of messages of the `rust` profile.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Found<'m> {
    #[serde(flatten)]
    published: Published<'m>,
    /// All log entries with this certificate: the one it was published from first. Null if the server
    /// keeps no journal.
    sightings: Option<Vec<Sighting<'m>>>,
    /// The entry that was looked up, if its certificate is another one that is linked to this: a
    /// precertificate and its final certificate. Only with `dedup.mode: linked`.
    linked: Option<Sighting<'m>>,
}

/// An entry of a log.
#[derive(Debug, Serialize, ToSchema)]
struct Sighting<'m> {
    /// The name of the log.
    source: &'m str,
    /// The URL of the log.
    source_url: &'m str,
    /// The id of the log, base64; null if it is not known.
    log_id: Option<&'m str>,
    /// The index in the log.
    cert_index: u64,
    /// The time of its SCT, Unix seconds.
    submission_timestamp: f64,
    /// SHA-256 of its certificate, hexadecimal with colons, if that is only linked to this one.
    sha256: Option<String>,
}

/// Returns the answer to a look-up, the certificate as PEM.
pub(super) fn pem(outcome: Outcome, renderer: &Renderer) -> Response {
    answer::of(outcome, Format::Pem, renderer)
}

/// A published certificate, by its fingerprint
///
/// With a journal, everything that it keeps is found; otherwise only the newest certificates.
#[utoipa::path(
    get,
    path = "/api/cert/{hash}",
    tag = "api",
    params(
        (
            "hash" = String,
            Path,
            description = "SHA-256 or SHA-1 of its DER in hexadecimal, upper or lower case, with or without colons",
        ),
        (
            "format" = inline(Option<Format>),
            Query,
            description = "json (default), der or pem",
        ),
    ),
    responses(
        (status = 200, description = "The certificate", body = Found<'_>),
        (status = 400, description = "No such format", body = String, content_type = "text/plain"),
        (
            status = 404,
            description = "No such certificate was published, as far back as the server knows",
            body = String,
            content_type = "text/plain"
        ),
        (
            status = 410,
            description = "It was published, and is no longer kept",
            body = String,
            content_type = "text/plain"
        ),
        (
            status = 503,
            description = "The journal is being indexed, or cannot be read",
            body = String,
            content_type = "text/plain"
        ),
    )
)]
pub(super) async fn cert(
    State(lookup): State<Lookup>,
    Path(hash): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Response {
    let format = match Format::read(parameters.format.as_deref()) {
        Ok(format) => format,
        Err(problem) => return (StatusCode::BAD_REQUEST, problem).into_response(),
    };
    let Some(fingerprint) = Fingerprint::parse(&hash) else {
        return (StatusCode::NOT_FOUND, answer::NOT_FOUND).into_response();
    };
    let outcome = match &lookup.history {
        Some(history) => history.certificate(fingerprint).await,
        None => Outcome::Missing,
    };
    // The newest may not be indexed yet, and without a journal nothing else is known.
    let recent = || lookup.recent.find(fingerprint).map(Certificate::from);
    let outcome = match outcome {
        Outcome::Missing | Outcome::NotIndexed => {
            recent().map_or(outcome, |found| Outcome::Found(Box::new(found)))
        }
        outcome => outcome,
    };
    answer::of(outcome, format, &lookup.renderer)
}

/// A published certificate, by its entry in a log
#[utoipa::path(
    get,
    path = "/api/entry/{log}/{index}",
    tag = "api",
    params(
        (
            "log" = String,
            Path,
            description = "The id of the log in base64url, or its name, percent-encoded",
        ),
        ("index" = u64, Path, description = "The index of the entry"),
        (
            "format" = inline(Option<Format>),
            Query,
            description = "json (default), der or pem",
        ),
    ),
    responses(
        (status = 200, description = "The certificate", body = Found<'_>),
        (status = 400, description = "No such format, or no index", body = String, content_type = "text/plain"),
        (
            status = 404,
            description = "No such entry was read, it was left out, or the server keeps no journal",
            body = String,
            content_type = "text/plain"
        ),
        (
            status = 410,
            description = "Its certificate was published from another log, and is no longer kept",
            body = String,
            content_type = "text/plain"
        ),
        (
            status = 503,
            description = "The journal is being indexed, or cannot be read",
            body = String,
            content_type = "text/plain"
        ),
    )
)]
pub(super) async fn entry(
    State(lookup): State<Lookup>,
    Path((log, index)): Path<(String, u64)>,
    Query(parameters): Query<Parameters>,
) -> Response {
    let format = match Format::read(parameters.format.as_deref()) {
        Ok(format) => format,
        Err(problem) => return (StatusCode::BAD_REQUEST, problem).into_response(),
    };
    let Some(history) = &lookup.history else {
        return (StatusCode::NOT_FOUND, answer::NO_JOURNAL).into_response();
    };
    answer::of(history.entry(&log, index).await, format, &lookup.renderer)
}
