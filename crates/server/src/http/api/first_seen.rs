//! `/api/first-seen`: the first certificate for a registrable domain.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use journal::Journal;
use record::{Record, StreamId};
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use url::form_urlencoded;
use utoipa::ToSchema;
use wire::filter::{Filter, Parameter};
use wire::{EntryKind, Source};

use crate::first_seen::{Answer, FirstSeen};
use crate::http::Services;
use crate::http::api::hex;

/// Look-ups at a time; the others wait.
const RUNNING: usize = 4;
/// Seconds until a client may look again.
const RETRY: u64 = 10;
const NO_JOURNAL: &str = "only a server with a journal (data_dir) remembers the domains it has seen, and \
                          this one has none; a node of a cluster never has one";
const BUILDING: &str = "the set of domains is being built from the journal, and this one was not found yet; try again later\n";
const FAILED: &str = "a file cannot be read; the log lines of the server give the reason\n";

/// The state of the route.
#[derive(Debug)]
pub(super) struct Lookup {
    /// The set, and the journal that it is of.
    kept: Option<(Arc<FirstSeen>, Journal)>,
    stream: StreamId,
    turns: Arc<Semaphore>,
}

impl Lookup {
    pub(super) fn new(services: &Services) -> Arc<Self> {
        let kept = services.first_seen.clone().zip(services.journal.clone());
        Arc::new(Self { kept, stream: services.stream, turns: Arc::new(Semaphore::new(RUNNING)) })
    }
}

/// The first certificate for a registrable domain.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Seen {
    /// The registrable domain, by the public suffix list.
    domain: String,
    /// The offset of the certificate in the stream.
    offset: u64,
    /// The id of the stream.
    stream: String,
    /// The time at which this server processed it, Unix seconds.
    seen: u32,
    /// The entry of a log that has it; null once the journal does not keep it any more.
    entry: Option<Entry>,
}

/// An entry of a log.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Entry {
    /// The log.
    source: String,
    /// The URL of the log.
    source_url: String,
    /// The base64 of the log's id, if it is known.
    log_id: Option<String>,
    cert_index: u64,
    /// SHA-256 of the certificate, hexadecimal; `/api/cert/{hash}` finds it.
    sha256: String,
    /// The type of the entry: certificate or precertificate.
    #[schema(value_type = String)]
    update_type: &'static str,
}

/// The answer where a domain was not seen.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotSeen {
    /// The reason.
    error: &'static str,
    /// The registrable domain, by the public suffix list.
    domain: String,
    /// The time since which this server remembers domains, Unix seconds; null if there is none yet.
    since: Option<u32>,
}

/// Finds when a registrable domain was first seen
///
/// The answer is about the registrable domain that a name belongs to: for `www.example.co.uk` about
/// `example.co.uk`. The server remembers it longer than the journal keeps the certificate.
#[utoipa::path(
    get,
    path = "/api/first-seen",
    tag = "api",
    params(("domain" = String, Query, description = "A domain name")),
    responses(
        (status = 200, description = "The first certificate", body = Seen),
        (status = 400, description = "The domain is missing, is none, or has no registrable domain", body = String, content_type = "text/plain"),
        (status = 404, description = "The domain was not seen, or the server keeps no journal", body = NotSeen),
        (
            status = 503,
            description = "The set of domains is being built, or cannot be read",
            body = String,
            content_type = "text/plain",
            headers(("Retry-After" = u64, description = "Seconds until the client may try again"))
        ),
    )
)]
pub(super) async fn first_seen(
    State(lookup): State<Arc<Lookup>>,
    RawQuery(query): RawQuery,
) -> Response {
    let domain = match requested(&query.unwrap_or_default()) {
        Ok(domain) => domain,
        Err(problem) => return (StatusCode::BAD_REQUEST, problem).into_response(),
    };
    let Some((first_seen, journal)) = lookup.kept.clone() else {
        return not_seen(NO_JOURNAL, domain, None);
    };
    let turn = Arc::clone(&lookup.turns).acquire_owned().await;
    let Ok(turn) = turn else { return unavailable(FAILED) };
    let stream = lookup.stream;
    let found = spawn_blocking(move || {
        // The look-up continues if the client leaves.
        let _turn = turn;
        find(&first_seen, &journal, stream, domain)
    });
    found.await.unwrap_or_else(|_panicked| unavailable(FAILED))
}

fn find(first_seen: &FirstSeen, journal: &Journal, stream: StreamId, domain: String) -> Response {
    match first_seen.find(&domain) {
        Ok(Answer::Seen(first)) => {
            let (offset, seen, stream) = (first.offset, first.time, stream.to_string());
            let entry = entry(journal, offset);
            Json(Seen { domain, offset, stream, seen, entry }).into_response()
        }
        Ok(Answer::NotSeen(since)) => not_seen("the domain was not seen", domain, since),
        Ok(Answer::Building) => unavailable(BUILDING),
        Err(error) => {
            tracing::error!(%error, "a domain could not be looked up");
            unavailable(FAILED)
        }
    }
}

/// Returns the entry at an offset, if the journal keeps it.
fn entry(journal: &Journal, offset: u64) -> Option<Entry> {
    let read = journal.read(offset, offset.saturating_add(1), 1);
    let read = read.inspect_err(|error| tracing::error!(%error, "an entry could not be read"));
    let stored = read.ok()?.into_iter().next()?;
    let place = usize::try_from(offset.checked_sub(stored.batch.first_offset)?).ok()?;
    let Record { log, index, fingerprint, kind, .. } = stored.batch.records.get(place)?;
    let source = Source::from(stored.logs.get(*log)?);
    Some(Entry {
        source: source.name().to_owned(),
        source_url: source.url().to_owned(),
        log_id: source.log_id().map(str::to_owned),
        cert_index: *index,
        sha256: hex::lower(fingerprint),
        update_type: EntryKind::from(*kind).update_type(),
    })
}

/// Returns the registrable domain that a query string asks for. The error is the answer to the client.
fn requested(query: &str) -> Result<String, String> {
    let mut domain = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "domain" if domain.is_none() => domain = Some(value.into_owned()),
            "domain" => return Err("domain: this parameter is given twice\n".to_owned()),
            "token" => {}
            _ => {
                let shown: String = name.chars().take(40).flat_map(char::escape_debug).collect();
                return Err(format!("{shown}: there is no such parameter; there is domain\n"));
            }
        }
    }
    let missing = || "domain: give a domain name, such as /api/first-seen?domain=example.com\n";
    let domain = domain.ok_or_else(missing)?;
    let filter = Filter::parse([("domain", &domain)], 1).map_err(|error| format!("{error}\n"))?;
    let terms = filter.as_ref().map(|filter| filter.terms(Parameter::Domain)).unwrap_or_default();
    let name = terms.first().map(|term| &**term).unwrap_or_default();
    let registered = cert::registered_domain(name).map(std::borrow::Cow::into_owned);
    registered.ok_or_else(|| {
        format!(
            "domain: {name:?} has no registrable domain: it is a public suffix, an address, or no \
             domain name\n"
        )
    })
}

fn not_seen(error: &'static str, domain: String, since: Option<u32>) -> Response {
    (StatusCode::NOT_FOUND, Json(NotSeen { error, domain, since })).into_response()
}

fn unavailable(text: &'static str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, RETRY)], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registrable_domain_of_a_name_is_looked_up() {
        for (query, expected) in [
            ("domain=www.example.co.uk", "example.co.uk"),
            ("domain=*.Example.COM.&token=abc", "example.com"),
            ("domain=b%C3%BCcher.example", "xn--bcher-kva.example"),
        ] {
            assert_eq!(requested(query).as_deref(), Ok(expected), "{query}");
        }
    }

    #[test]
    fn what_has_no_registrable_domain_is_refused_with_the_reason() {
        let long = format!("domain={}", "a".repeat(10_000));
        for (query, reason) in [
            ("", "give a domain name"),
            ("domain=", "a term is empty"),
            ("domain=co.uk", "\"co.uk\" has no registrable domain"),
            ("domain=192.0.2.1", "has no registrable domain"),
            ("domain=a%20b", "is not a domain name"),
            ("domain=a.com%00", "is not a domain name"),
            ("domain=a.com,b.com", "more than 1 terms"),
            ("domain=a.com&domain=b.com", "given twice"),
            ("name=a.com", "name: there is no such parameter"),
            (&long, "has 10000 bytes"),
        ] {
            let problem = requested(query).expect_err(query);
            assert!(problem.contains(reason) && problem.len() < 400, "{query}: {problem}");
        }
    }
}
