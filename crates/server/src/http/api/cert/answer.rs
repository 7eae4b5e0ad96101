//! The answers to look-ups.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{HeaderName, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use record::{Gap, GapReason};
use wire::Renderer;

use super::format::{self, Format};
use super::{Found, Sighting};
use crate::history::lookup::{Certificate, Entry, Outcome};
use crate::http::api::{hex, published};

pub(super) const NOT_FOUND: &str = "Certificate not found";
pub(super) const NO_JOURNAL: &str =
    "entries of logs can be looked up in a journal only, and this server has none (data_dir)\n";
const NOT_INDEXED: &str = "a part of the journal is being indexed; try again later\n";
const FAILED: &str = "the journal cannot be read; the log lines of the server give the reason\n";
/// Seconds until a client may look again.
const RETRY: u64 = 10;
/// The header of an answer that has a certificate that is only linked to the one looked up: the
/// SHA-256 of that.
const LINKED: HeaderName = HeaderName::from_static("certstream-linked");

/// Returns the answer to a look-up.
pub(super) fn of(outcome: Outcome, format: Format, renderer: &Renderer) -> Response {
    match outcome {
        Outcome::Found(found) => certificate(&found, format, renderer),
        Outcome::Deleted(offset) => {
            let text = format!(
                "the certificate was published at offset {offset}, which the journal no longer keeps \
                 (journal.max_bytes, journal.max_age)\n"
            );
            (StatusCode::GONE, text).into_response()
        }
        Outcome::Gap(gap) => (StatusCode::NOT_FOUND, not_published(&gap)).into_response(),
        Outcome::Missing => (StatusCode::NOT_FOUND, NOT_FOUND).into_response(),
        Outcome::NotIndexed => {
            (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, RETRY)], NOT_INDEXED).into_response()
        }
        Outcome::Failed => (StatusCode::SERVICE_UNAVAILABLE, FAILED).into_response(),
    }
}

fn not_published(gap: &Gap) -> String {
    let reason = match gap.reason {
        GapReason::Skipped => "the log was too far behind to catch up",
        GapReason::Unreadable => "the log serves bytes that cannot be read",
        GapReason::TooLarge => "the entry is too large",
        GapReason::Damaged => "the journal was damaged",
    };
    format!("the entry was not published: {reason}\n")
}

fn certificate(found: &Certificate, format: Format, renderer: &Renderer) -> Response {
    let der = &found.recent.record.certificate;
    let mut response = match format {
        Format::Json => json(found, renderer),
        Format::Der => format::der(der.clone()),
        Format::Pem => format::pem(der),
    };
    let linked = found.linked.as_ref().and_then(|entry| entry.fingerprint);
    if let Some(Ok(fingerprint)) = linked.map(|digest| hex::with_colons(&digest).parse()) {
        response.headers_mut().insert(LINKED, fingerprint);
    }
    response
}

fn json(found: &Certificate, renderer: &Renderer) -> Response {
    let recent = &found.recent;
    let (record, source) = (&recent.record, &*recent.source);
    let answer = published::with(recent.offset, record, source, renderer, |published| {
        let sightings =
            found.entries.as_ref().map(|entries| entries.iter().map(sighting).collect());
        let linked = found.linked.as_ref().map(sighting);
        Json(Found { published, sightings, linked }).into_response()
    });
    answer.unwrap_or_else(|| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

fn sighting(entry: &Entry) -> Sighting<'_> {
    Sighting {
        source: entry.source.name(),
        source_url: entry.source.url(),
        log_id: entry.source.log_id(),
        cert_index: entry.index,
        submission_timestamp: entry.submitted as f64 / 1000.0,
        sha256: entry.fingerprint.map(|digest| hex::with_colons(&digest)),
    }
}
