//! Certificates as crt.sh has them.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use cert::{Certificate, Digests, Part};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::history::search::{Hit, Query};
use crate::http::api::hex;

/// A certificate as crt.sh has it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http::api) struct Row {
    /// Always null: crt.sh's number of the issuer is not known here.
    issuer_ca_id: Option<u64>,
    /// C, ST, L, O, OU and CN of the issuer.
    issuer_name: String,
    common_name: Option<String>,
    /// The names that match, with line feeds between them.
    name_value: String,
    /// The offset in the stream, in place of crt.sh's number.
    id: u64,
    /// The time of the SCT, UTC.
    entry_timestamp: Option<String>,
    not_before: Option<String>,
    not_after: Option<String>,
    /// Lower-case hexadecimal.
    serial_number: String,
    /// The number of names that match.
    result_count: usize,
}

/// The rows that are wanted, and what they show.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    /// The Unix time; what expired before it is left out.
    since: i64,
    /// The address that matches, in place of names.
    address: Option<IpAddr>,
}

impl Shown {
    pub(super) fn new(excludes_expired: bool, address: Option<IpAddr>) -> Self {
        Self { since: if excludes_expired { now() } else { i64::MIN }, address }
    }
}

impl Row {
    /// Converts a result; none if the row is not wanted.
    pub(super) fn new(hit: &Hit, query: &Query, shown: Shown) -> Option<Self> {
        // No digest is shown.
        let digests = Digests { sha1: [0; 20], sha256: hit.record.fingerprint };
        let certificate = Certificate::read_with_digests(&hit.record.certificate, &digests);
        if certificate.not_after < shown.since {
            return None;
        }
        let names = match shown.address {
            Some(address) => vec![address.to_string()],
            None => query.names(&certificate),
        };
        let submitted = i64::try_from(hit.record.submitted).ok();
        let submitted = submitted.and_then(|millis| Timestamp::from_millisecond(millis).ok());
        let second =
            |seconds| Some(text(Timestamp::from_second(seconds).ok()?, "%Y-%m-%dT%H:%M:%S"));
        Some(Self {
            issuer_ca_id: None,
            issuer_name: issuer(&certificate),
            common_name: certificate.common_name().map(Cow::into_owned),
            name_value: names.join("\n"),
            id: hit.offset,
            entry_timestamp: submitted.map(|time| text(time, "%Y-%m-%dT%H:%M:%S%.3f")),
            not_before: second(certificate.not_before),
            not_after: second(certificate.not_after),
            serial_number: hex::lower(certificate.serial),
            result_count: names.len(),
        })
    }
}

fn text(time: Timestamp, format: &str) -> String {
    time.strftime(format).to_string()
}

fn issuer(certificate: &Certificate<'_>) -> String {
    let parts = [
        ("C", Part::Country),
        ("ST", Part::State),
        ("L", Part::Locality),
        ("O", Part::Organization),
        ("OU", Part::OrganizationalUnit),
        ("CN", Part::CommonName),
    ];
    let parts = parts.into_iter().filter_map(|(name, part)| {
        Some(format!("{name}={}", certificate.issuer.get(part)?.to_text()))
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// Returns the Unix time.
fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}
