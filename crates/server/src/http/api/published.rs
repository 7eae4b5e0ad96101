//! A published certificate in answers of the API.

use record::Record;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use wire::{EntryKind, Event, Profile, Renderer, Source, StreamKind};

/// A published certificate. Its fields have the format of messages of the `rust` profile.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Published<'m> {
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

/// Calls `answer` with a certificate as answers have it; returns none, and logs it, if its message
/// cannot be read back.
pub(crate) fn with<T>(
    offset: u64,
    record: &Record,
    source: &Source,
    renderer: &Renderer,
    answer: impl FnOnce(Published<'_>) -> T,
) -> Option<T> {
    let mut message = Vec::new();
    let certificate = cert::Certificate::read(&record.certificate);
    let event = Event { offset, record, source, certificate: &certificate, chain: &[] };
    renderer.render(StreamKind::Lite, Profile::Rust, &event, &mut message);
    match serde_json::from_slice::<Message<'_>>(&message) {
        Ok(message) => Some(answer(published(&message.data, offset, record, source))),
        Err(error) => {
            let (log, index) = (source.name(), record.index);
            tracing::error!(log, index, %error, "a message cannot be read back");
            None
        }
    }
}

fn published<'m>(
    data: &Data<'m>,
    offset: u64,
    record: &Record,
    source: &'m Source,
) -> Published<'m> {
    let leaf = &data.leaf_cert;
    Published {
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
        source: source.name(),
        cert_index: record.index,
        cert_link: data.cert_link,
        update_type: EntryKind::from(record.kind).update_type(),
        source_url: source.url(),
        offset,
    }
}
