//! `/api/cert/{hash}`: a certificate that was published recently (wire.md 4.6).

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use cert::Certificate;
use config::Config;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use wire::{EntryKind, Event, Profile, Renderer, StreamKind};

use crate::http::Services;
use crate::options;
use crate::publish::recent::{Fingerprint, Recent, RecentCertificates};

/// The state of the route.
#[derive(Debug, Clone)]
pub(super) struct Lookup {
    recent: Arc<RecentCertificates>,
    renderer: Renderer,
}

impl Lookup {
    pub(super) fn new(services: &Services, config: &Config) -> Self {
        Self { recent: Arc::clone(&services.recent), renderer: options::renderer(config) }
    }
}

/// A certificate. Its fields have the format of messages of the `rust` profile.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Found<'m> {
    /// SHA-1 of its DER, hexadecimal with colons.
    fingerprint: &'m str,
    /// SHA-1 of its DER, hexadecimal with colons.
    sha1: &'m str,
    /// SHA-256 of its DER, hexadecimal with colons.
    sha256: &'m str,
    serial_number: &'m str,
    #[schema(value_type = Object)]
    subject: &'m RawValue,
    #[schema(value_type = Object)]
    issuer: &'m RawValue,
    /// Unix seconds.
    not_before: i64,
    /// Unix seconds.
    not_after: i64,
    is_ca: bool,
    #[schema(value_type = Vec<String>)]
    all_domains: &'m RawValue,
    signature_algorithm: &'m str,
    /// The time at which this server processed it, Unix seconds.
    seen: f64,
    /// The log it came from.
    source: &'m str,
    cert_index: u64,
    cert_link: &'m str,
    /// The type of the entry: certificate or precertificate.
    #[schema(value_type = String)]
    update_type: &'static str,
    /// The URL of that log.
    source_url: &'m str,
    /// Its offset in the stream.
    offset: u64,
}

/// The parts that are used of a lite message.
#[derive(Deserialize)]
struct Message<'m> {
    #[serde(borrow)]
    data: Data<'m>,
}

#[derive(Deserialize)]
struct Data<'m> {
    cert_link: &'m str,
    #[serde(borrow)]
    leaf_cert: Leaf<'m>,
    seen: f64,
}

#[derive(Deserialize)]
struct Leaf<'m> {
    fingerprint: &'m str,
    sha1: &'m str,
    sha256: &'m str,
    serial_number: &'m str,
    #[serde(borrow)]
    subject: &'m RawValue,
    #[serde(borrow)]
    issuer: &'m RawValue,
    not_before: i64,
    not_after: i64,
    is_ca: bool,
    #[serde(borrow)]
    all_domains: &'m RawValue,
    signature_algorithm: &'m str,
}

/// A recently published certificate, by its fingerprint
#[utoipa::path(
    get,
    path = "/api/cert/{hash}",
    tag = "api",
    params((
        "hash" = String,
        Path,
        description = "SHA-256 or SHA-1 of its DER in hexadecimal, upper or lower case, with or without colons",
    )),
    responses(
        (status = 200, description = "The certificate", body = Found<'_>),
        (
            status = 404,
            description = "No such certificate was published recently",
            body = String,
            content_type = "text/plain"
        ),
    )
)]
pub(super) async fn cert(State(lookup): State<Lookup>, Path(hash): Path<String>) -> Response {
    let found = Fingerprint::parse(&hash).and_then(|print| lookup.recent.find(print));
    let Some(recent) = found else {
        return (StatusCode::NOT_FOUND, "Certificate not found").into_response();
    };
    let mut message = Vec::new();
    let certificate = Certificate::read(&recent.record.certificate);
    let event = Event {
        offset: recent.offset,
        record: &recent.record,
        source: &recent.source,
        certificate: &certificate,
        chain: &[],
    };
    lookup.renderer.render(StreamKind::Lite, Profile::Rust, &event, &mut message);
    match serde_json::from_slice(&message) {
        Ok(message) => Json(found_in(&message, &recent)).into_response(),
        Err(error) => {
            let (log, index) = (recent.source.name(), recent.record.index);
            tracing::error!(log, index, %error, "a message cannot be read back");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn found_in<'m>(Message { data }: &Message<'m>, recent: &'m Recent) -> Found<'m> {
    let leaf = &data.leaf_cert;
    Found {
        fingerprint: leaf.fingerprint,
        sha1: leaf.sha1,
        sha256: leaf.sha256,
        serial_number: leaf.serial_number,
        subject: leaf.subject,
        issuer: leaf.issuer,
        not_before: leaf.not_before,
        not_after: leaf.not_after,
        is_ca: leaf.is_ca,
        all_domains: leaf.all_domains,
        signature_algorithm: leaf.signature_algorithm,
        seen: data.seen,
        source: recent.source.name(),
        cert_index: recent.record.index,
        cert_link: data.cert_link,
        update_type: EntryKind::from(recent.record.kind).update_type(),
        source_url: recent.source.url(),
        offset: recent.offset,
    }
}
